"""tw.flow: choose an engine, drive it through the output times, gather the trajectory."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, cast, overload

import numpy as np
from numpy.typing import ArrayLike

from .. import _validate as check
from .._errors import InputError
from .._outcome import Outcome
from .._typing import FloatArray
from ..data.dataset import Dataset
from ..data.target import Target
from ..networks.deep_linear import DeepLinearNetwork
from ..networks.shallow import ShallowNetwork, refuse_extremes
from ..networks.smooth import SmoothNetwork
from .engine import Engine
from .interrupt import DeferredInterrupt
from .progress import Progress
from .recorder import Recorder
from .stops import RunningState, as_stop
from .trajectory import Trajectory

if TYPE_CHECKING:
    from .linear import LinearTrajectory
    from .loss_trajectory import LossTrajectory

EPS = float(np.finfo(np.float64).eps)


@overload
def flow(
    network: ShallowNetwork,
    data: Dataset,
    *,
    t_end: float,
    times: ArrayLike | None = None,
    rtol: float = 1e-6,
    stop: object = None,
    progress: bool | None = None,
    kernel: str = "numba",
    threads: int = 1,
    accept_contradictions: bool = False,
) -> Trajectory: ...
@overload
def flow(
    network: DeepLinearNetwork,
    data: Target,
    *,
    t_end: float,
    times: ArrayLike | None = None,
    rtol: float = 1e-6,
    stop: object = None,
    progress: bool | None = None,
) -> LinearTrajectory: ...
@overload
def flow(
    network: SmoothNetwork,
    data: Dataset,
    *,
    t_end: float,
    times: ArrayLike | None = None,
    rtol: float = 1e-6,
    stop: object = None,
    progress: bool | None = None,
) -> LossTrajectory: ...
@overload
def flow(
    network: Callable[[Any], Any],
    data: Any,
    *,
    t_end: float,
    times: ArrayLike | None = None,
    rtol: float = 1e-6,
    stop: object = None,
    progress: bool | None = None,
    floor: float = 0.0,
    solver: str = "tsit5",
) -> LossTrajectory: ...
def flow(
    network: ShallowNetwork | DeepLinearNetwork | SmoothNetwork | Callable[[Any], Any],
    data: Any,
    *,
    t_end: float,
    times: ArrayLike | None = None,
    rtol: float = 1e-6,
    stop: object = None,
    progress: bool | None = None,
    kernel: str = "numba",
    threads: int = 1,
    accept_contradictions: bool = False,
    floor: float = 0.0,
    solver: str = "tsit5",
) -> Trajectory | LinearTrajectory | LossTrajectory:
    """Compute the exact gradient flow of a network: shallow ReLU or leaky ReLU on data, or deep linear on a target.

    For a ShallowNetwork the flow is d theta/dt = -p grad L. Pairs of a neuron and a sample that slide along their
    kink are resolved exactly. The loss never increases, the invariants a_j^2 - |w_j|^2 hold to rounding, and the local
    PL curvature is the true one. Orthogonal inputs take a path that costs O(np) per step.

    For a DeepLinearNetwork see `thalweg.flow.linear.flow_deep_linear`, which picks the best exact route. General
    integrators follow the others: for a SmoothNetwork see `thalweg.flow.flow_smooth`, for any loss written in JAX
    `thalweg.adapters.jax.flow` (extra `jax`).

    Parameters
    ----------
    network : ShallowNetwork, DeepLinearNetwork, SmoothNetwork, or function
        The start; or a loss, a JAX function of a pytree of parameters.
    data : Dataset, Target, or pytree
        Inputs and labels, n and d of any size; the target of a deep linear network; the parameters at the start of
        a loss.
    t_end : float
        Time to flow for.
    times : array (T,), optional
        Output times, increasing, within [0, t_end]. By default the start, the end and several hundred accepted
        steps between.
    rtol : float
        Relative accuracy asked of preactivations, output weights, residuals and loss, in [1e-12, 1e-2].
    stop : Stop or function, optional
        When to stop earlier: LossBelow, Stationary, Certified, WallTime, any function of the running state, and
        their compositions with |. A run that stops early returns the output times it reached and the time it stopped.
    progress : bool, optional
        Show a progress bar. By default on a terminal, for runs of over two seconds.
    kernel : {"numba", "numpy"}
        Compiled kernels, or their slow twin written with NumPy. Of shallow networks.
    threads : int
        Threads to share the neurons and the matrix products among. Of shallow networks.
    accept_contradictions : bool
        Flow even if equal inputs carry different labels, which no network can fit. Of shallow networks.
    floor, solver
        Of a loss; see `thalweg.adapters.jax.flow`.

    Returns
    -------
    Trajectory, LinearTrajectory or LossTrajectory
        With the outcome and an audit. Ctrl-C returns what has been computed so far; twice raises.

    Raises
    ------
    InputError
        For a network that does not fit the data, parameters out of range, or contradicting labels.

    Notes
    -----
    The flow is a differential inclusion; see the chapter on sliding in the documentation. For generic inputs its
    solution is unique except at tangential hits of a concave kink, near which `Trajectory.conditioning` tells
    whether another branch lies within reach.

    Examples
    --------
    >>> import thalweg as tw
    >>> data = tw.data.sphere(10, 50, seed=1)
    >>> traj = tw.flow(tw.init.dominated(50, 8, seed=2), data, t_end=10.0, times=[0.0, 5.0, 10.0])
    >>> traj.loss.shape, bool(traj.loss[2] < traj.loss[0])
    ((3,), True)
    """
    shared: dict[str, Any] = {"t_end": t_end, "times": times, "rtol": rtol, "stop": stop, "progress": progress}
    if not isinstance(network, ShallowNetwork):
        compiled = {"kernel": (kernel, "numba"), "threads": (threads, 1)}
        shallow = {**compiled, "accept_contradictions": (accept_contradictions, False)}
        check.left_out("flow", shallow, "networks with one hidden ReLU layer")
    if callable(network):
        from ..adapters.jax import flow as flow_of_loss

        return flow_of_loss(network, data, **shared, floor=floor, solver=solver)
    check.left_out("flow", {"floor": (floor, 0.0), "solver": (solver, "tsit5")}, "losses")
    if isinstance(network, DeepLinearNetwork):
        from .linear import flow_deep_linear

        return flow_deep_linear(network, cast(Target, data), **shared)
    if isinstance(network, SmoothNetwork):
        from .smooth import flow_smooth

        return flow_smooth(network, data, **shared)
    network, data, wanted = _checked(network, data, t_end, times, rtol, kernel, threads)
    t_end, rtol, threads = float(t_end), float(rtol), int(threads)  # kernels are compiled for these types
    if data.contradictions and not accept_contradictions:
        raise InputError(
            f"The labels contradict each other: {data.contradictions.text}. Drop or correct these samples, or pass "
            "accept_contradictions=True to flow to that level."
        )
    condition = as_stop(stop).begin(data)
    begun = time.monotonic()
    # Threads share the neurons, matrix products included; more threads inside BLAS would only get in their way.
    with blas_libraries().limit(limits=1, user_api="blas"), DeferredInterrupt() as interrupt:
        engine = engine_for(network, data, rtol, kernel, threads)
        recorder = Recorder(engine, network, data, wanted)
        floor = _rounding_floor(data)
        with Progress(progress, t_end) as bar:
            outcome = _drive(engine, t_end, wanted, condition, recorder, floor, interrupt, bar.show, begun)
        settings: dict[str, str | int | float | None] = {
            "method": engine.name,
            "t_end": t_end,
            "rtol": rtol,
            "kernel": kernel,
            "threads": threads,
        }
        return recorder.trajectory(outcome, settings)


def _checked(
    network: object,
    data: object,
    t_end: object,
    times: ArrayLike | None,
    rtol: object,
    kernel: object,
    threads: object,
) -> tuple[ShallowNetwork, Dataset, FloatArray | None]:
    """Validate the arguments of a shallow flow; return them with the output times."""
    if not isinstance(network, ShallowNetwork):
        must = "be a ShallowNetwork, another network of thalweg, or a loss"
        raise check.fail("flow", "network", must, type(network).__name__)
    if not isinstance(data, Dataset):
        raise check.fail("flow", "data", "be a Dataset (tw.Dataset(X, y))", type(data).__name__)
    if network.d != data.d:
        raise check.fail("flow", "network", f"have {data.d} inputs, as the data have", f"d = {network.d}")
    refuse_extremes(network, data)
    end = check.real("flow", "t_end", t_end, above=0.0)
    check.real("flow", "rtol", rtol, at_least=1e-12, at_most=1e-2)
    check.one_of("flow", "kernel", kernel, ("numba", "numpy"))
    check.positive_int("flow", "threads", threads)
    return network, data, check.output_times("flow", times, end)


def engine_for(network: ShallowNetwork, data: Dataset, rtol: float, kernel: str, threads: int) -> Engine:
    """Choose the engine for these inputs."""
    if data.is_orthogonal:
        from .orthogonal import OrthogonalEngine

        return OrthogonalEngine(network, data, rtol=rtol, kernel=kernel, threads=threads)
    from .sliding import SlidingEngine

    return SlidingEngine(network, data, rtol=rtol, kernel=kernel, threads=threads)


@cache
def blas_libraries() -> Any:
    """Return the controller of the BLAS libraries of NumPy and SciPy; looking for them takes milliseconds."""
    import scipy.linalg  # noqa: F401  brings its BLAS, which the compiled kernels call
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _rounding_floor(data: Dataset) -> float:
    """Return the loss at which residuals are nothing but rounding of the labels and of outputs that fit them."""
    return 0.5 * (128 * EPS * float(np.abs(data.y).max())) ** 2


def _drive(
    engine: Engine,
    t_end: float,
    wanted: FloatArray | None,
    condition: Callable[[RunningState], Outcome | None],
    recorder: Recorder,
    floor: float,
    interrupt: DeferredInterrupt,
    show: Callable[[RunningState], None],
    begun: float,
) -> Outcome:
    """Step the engine from output time to output time until something ends the run."""
    targets: Sequence[float] = [t_end] if wanted is None else [*(t for t in wanted if t > 0.0), t_end]
    recorder.start()
    for target in targets:
        while engine.t < target:
            if engine.loss <= floor:
                return recorder.finish(Outcome.ROUNDING_FLOOR)
            if not engine.step(target):
                near = engine.loss <= 1e6 * floor
                return recorder.finish(Outcome.ROUNDING_FLOOR if near else Outcome.STEP_TOO_SMALL)
            state = RunningState(
                engine.t,
                engine.loss,
                engine.curvature(),
                engine.residuals,
                engine.events,
                time.monotonic() - begun,
                engine.network,
            )
            show(state)
            outcome = Outcome.INTERRUPTED if interrupt.asked else condition(state)
            if outcome is not None:
                return recorder.finish(outcome)
            recorder.step(at_target=engine.t >= target and wanted is not None and target in wanted)
    if engine.loss <= 100 * floor:
        return recorder.finish(Outcome.ROUNDING_FLOOR)
    at_rest = math.isclose(engine.curvature(), 0.0, abs_tol=1e-14)
    recorder.finish(Outcome.REACHED_END)  # at rest or not, it did not stop early
    return Outcome.STATIONARY if at_rest else Outcome.REACHED_END
