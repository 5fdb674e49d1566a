"""Drive gradient descent on a shallow network through the iterations to record."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import ArrayLike

from ... import _validate as check
from ..._descent_outcome import DescentOutcome
from ..._typing import FloatArray, IntArray
from ...data.dataset import Dataset
from ...flow.interrupt import DeferredInterrupt
from ...flow.progress import Progress
from ...flow.solve import blas_libraries
from ...flow.stops import RunningState, Stop, as_stop
from ...networks.shallow import ShallowNetwork
from ..schedule import ended_by, loss_level, marks
from .descender import PRECISIONS, ShallowDescent
from .trajectory import DescentTrajectory

_OWNER = "descend"
# Iterations recorded: the first ones all, then evenly spaced ones; fewer if their residuals would fill the memory.
_FIRST, _EVENLY, _ENTRIES = 64, 448, 2e7
# Steps of other sizes, or the squares of what they add to the weights, underflow or overflow.
_STEP_SIZES = {"float64": (1e-100, 1e150), "float32": (1e-30, 1e30)}


@dataclass
class _Record:
    """The series so far."""

    iteration: list[int] = field(default_factory=list)
    loss: list[float] = field(default_factory=list)
    curvature: list[float] = field(default_factory=list)
    next_loss: list[float] = field(default_factory=list)
    residuals: list[FloatArray] = field(default_factory=list)

    def add(self, run: ShallowDescent) -> None:
        """Record the present state, the loss after its next step excepted."""
        self.iteration.append(run.iteration)
        self.loss.append(run.loss)
        self.curvature.append(run.curvature)
        self.residuals.append(run.residuals.astype(np.float64))


def descend_shallow(
    network: ShallowNetwork,
    data: Dataset,
    *,
    step_size: float | str,
    steps: int,
    stop: object = None,
    record: ArrayLike | None = None,
    precision: str = "float64",
    progress: bool | None = None,
) -> DescentTrajectory:
    """Run gradient descent on a shallow network; see `thalweg.descend`."""
    eta, steps = fitting(_OWNER, network, data, step_size, steps, precision)
    wanted = _wanted(record, steps, data.n)
    condition = as_stop(stop, _OWNER).begin(data)
    with blas_libraries().limit(limits=1, user_api="blas"), DeferredInterrupt() as interrupt:
        run, series = ShallowDescent(network, data, eta, loss_level(condition), precision), _Record()
        with Progress(progress, eta * steps, "descending") as bar:
            outcome = _drive(run, series, wanted, condition, interrupt, bar.show)
        if series.iteration[-1:] != [run.iteration]:
            series.add(run)
        if len(series.next_loss) < len(series.loss):
            series.next_loss.append(_loss_after_a_step(run))
    with np.errstate(divide="ignore", invalid="ignore"):
        loss = np.array(series.loss)
        decrement = -np.log(np.array(series.next_loss) / loss) / eta
    return DescentTrajectory(
        iteration=np.array(series.iteration),
        loss=loss,
        curvature=np.array(series.curvature),
        curvature_discrete=decrement,
        residuals=np.array(series.residuals),
        start=network,
        final=run.network(),
        outcome=outcome,
        data=data,
        settings={"step_size": eta, "steps": steps, "precision": precision, "route": run.route},
    )


def fitting(
    owner: str, network: object, data: object, step_size: object, steps: object, precision: object
) -> tuple[float, int]:
    """Validate what every descent takes; return step size and steps."""
    if not isinstance(network, ShallowNetwork):
        raise check.fail(owner, "network", "be a ShallowNetwork", type(network).__name__)
    if not isinstance(data, Dataset):
        raise check.fail(owner, "data", "be a Dataset (tw.Dataset(X, y))", type(data).__name__)
    if network.d != data.d:
        raise check.fail(owner, "network", f"have {data.d} inputs, as the data have", f"d = {network.d}")
    smallest, largest = _STEP_SIZES[check.one_of(owner, "precision", precision, tuple(PRECISIONS))]
    eta = check.real(owner, "step_size", step_size, at_least=smallest, at_most=largest)
    return eta, check.positive_int(owner, "steps", steps)


def _wanted(record: ArrayLike | None, steps: int, n: int) -> IntArray:
    """Return the iterations to record, the last one always."""
    if record is None:
        share = min(1.0, _ENTRIES / n / (_FIRST + _EVENLY))
        return marks(steps, int(share * _FIRST), max(2, int(share * _EVENLY)))
    wanted = np.asarray(record)
    if wanted.ndim != 1 or not wanted.size or wanted.dtype.kind not in "iu":
        raise check.fail(_OWNER, "record", "be an array (T,) of iterations, integers", repr(record))
    if (np.diff(wanted.astype(np.int64)) <= 0).any() or wanted[0] < 0 or wanted[-1] > steps:
        raise check.fail(_OWNER, "record", f"increase, within [0, steps = {steps}]", repr(record))
    return np.union1d(wanted.astype(np.int64), [steps])


def _drive(
    run: ShallowDescent,
    series: _Record,
    wanted: IntArray,
    condition: Stop,
    interrupt: DeferredInterrupt,
    show: Callable[[RunningState], None],
) -> DescentOutcome:
    """Descend from one iteration to record to the next until something ends the run."""
    begun = time.monotonic()
    for mark in wanted:
        while run.outcome is None and run.iteration < mark:
            if interrupt.asked:
                return DescentOutcome.INTERRUPTED
            from_record = series.iteration[-1:] == [run.iteration]
            next_loss = run.advance(min(int(mark) - run.iteration, run.slice))
            if from_record:
                series.next_loss.append(next_loss)
            show(_running(run, begun))
        if run.outcome is not None:
            return run.outcome
        series.add(run)
        ended = condition(_running(run, begun)) if mark > 0 else None
        if ended is not None:
            return ended_by(ended)
    return DescentOutcome.STEPS_DONE


def _running(run: ShallowDescent, begun: float) -> RunningState:
    seconds = time.monotonic() - begun
    return RunningState(run.t, run.loss, run.curvature, run.residuals, 0, seconds, run.network)


def _loss_after_a_step(run: ShallowDescent) -> float:
    """Return the loss to which one more step would lead, which is not taken."""
    here = run.copies()
    loss = run.advance(1)
    run.restore(here)
    return loss
