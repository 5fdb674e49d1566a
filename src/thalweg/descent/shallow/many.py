"""Gradient descent on many shallow networks, for studies."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from ... import _validate as check
from ..._descent_outcome import DescentOutcome
from ...data.dataset import Dataset
from ...flow.solve import blas_libraries
from ...networks.shallow import ShallowNetwork
from .descender import ShallowDescent
from .drive import fitting

_OWNER = "descend_many"


@dataclass(frozen=True, eq=False)
class Ending:
    """How one of many descents ended.

    Attributes
    ----------
    iteration : int
        Steps made.
    loss, curvature : float
        At the end: L, and p |grad L|^2/L, the local PL curvature of the flow there.
    outcome : DescentOutcome
    final : ShallowNetwork

    Examples
    --------
    >>> import thalweg as tw
    >>> trials = [(tw.init.dominated(10, 30, seed=1), tw.data.sphere(20, 10, seed=1))]
    >>> (end,) = tw.descent.descend_many(trials, step_size=1.0, steps=5)
    >>> end.iteration, end.outcome.name, bool(end.final.loss(trials[0][1]) == end.loss)
    (5, 'STEPS_DONE', True)
    """

    iteration: int
    loss: float
    curvature: float
    outcome: DescentOutcome
    final: ShallowNetwork


def descend_many(
    trials: Iterable[tuple[ShallowNetwork, Dataset]],
    *,
    step_size: float,
    steps: int,
    loss_below: float | None = None,
    precision: str = "float64",
    threads: int = 1,
) -> list[Ending]:
    """Run gradient descent for each (network, data) of `trials`, and return how each ended, in their order.

    Each trial is stepped to its end by itself, its data in the cache: for these products that is as fast as stepping
    all at once, and a result is the same to the last bit as that of `thalweg.descend`, whatever the other trials and
    the number of threads. Trials may differ in size; a generator is drawn from as they are run.

    Parameters
    ----------
    trials : iterable of (ShallowNetwork, Dataset)
    step_size : float
    steps : int
        Iterations at most.
    loss_below : float, optional
        Stop a trial once its loss is at most this, judged at every iteration.
    precision : {"float64", "float32"}
        As for `thalweg.descend`.
    threads : int
        Trials to run at the same time.

    Examples
    --------
    >>> import thalweg as tw
    >>> trials = ((tw.init.dominated(10, 30, seed=seed), tw.data.sphere(20, 10, seed=seed)) for seed in range(5))
    >>> ends = tw.descent.descend_many(trials, step_size=1.0, steps=1000, loss_below=1 / 40)
    >>> [end.outcome.name for end in ends]
    ['LOSS_BELOW', 'LOSS_BELOW', 'LOSS_BELOW', 'LOSS_BELOW', 'LOSS_BELOW']
    """
    level = 0.0 if loss_below is None else check.real(_OWNER, "loss_below", loss_below, above=0.0)
    threads = check.positive_int(_OWNER, "threads", threads)

    def one(trial: object) -> Ending:
        if not isinstance(trial, tuple | list) or len(trial) != 2:
            raise check.fail(_OWNER, "trials", "be pairs (network, data)", type(trial).__name__)
        network, data = trial
        eta, most = fitting(_OWNER, network, data, step_size, steps, precision)
        run = ShallowDescent(network, data, eta, level, precision)
        while run.outcome is None and run.iteration < most:
            run.advance(min(most - run.iteration, run.slice))
        outcome = run.outcome or DescentOutcome.STEPS_DONE
        return Ending(run.iteration, run.loss, run.curvature, outcome, run.network())

    with blas_libraries().limit(limits=1, user_api="blas"):
        if threads == 1:
            return [one(trial) for trial in trials]
        ends, waiting = [], deque[Future[Ending]]()
        with ThreadPoolExecutor(threads) as pool:
            for trial in trials:
                waiting.append(pool.submit(one, trial))
                if len(waiting) > threads:  # trials that wait hold their data
                    ends.append(waiting.popleft().result())
            ends.extend(future.result() for future in waiting)
        return ends
