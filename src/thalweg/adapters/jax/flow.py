"""The gradient flow of any differentiable function of a pytree, by diffrax."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import diffrax
import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import ArrayLike

from ... import _validate as check
from ..._errors import InputError
from ..._outcome import Outcome
from ..._typing import FloatArray
from ...flow.interrupt import DeferredInterrupt
from ...flow.loss_trajectory import LossAudit, LossTrajectory
from ...flow.progress import Progress
from ...flow.stops import NO_RESIDUALS, RunningState, as_stop
from .kinks import kinks
from .monitor import squared_norm

_SOLVERS = {"tsit5": diffrax.Tsit5, "dopri8": diffrax.Dopri8, "kvaerno5": diffrax.Kvaerno5}
# Steps between two looks at the keyboard and the stop condition, and halvings of a stretch that takes more.
_STEPS, _HALVINGS = 2000, 30


def flow(
    loss: Callable[[Any], Any],
    params: Any,
    *,
    t_end: float,
    times: ArrayLike | None = None,
    rtol: float = 1e-6,
    stop: object = None,
    progress: bool | None = None,
    floor: float = 0.0,
    solver: str = "tsit5",
) -> LossTrajectory:
    """Compute the gradient flow d params/dt = -grad loss of a JAX function, in float64.

    Parameters
    ----------
    loss : function
        Of the parameters, to a scalar; differentiable, and free of side effects.
    params : pytree of arrays
        The start. Leaves that are not floating-point arrays stay as they are.
    t_end : float
        Time to flow for.
    times : array (T,), optional
        Output times, increasing, within [0, t_end]. By default the start and 200 more, denser at first.
    rtol : float
        Relative accuracy of the parameters, in [1e-12, 1e-2].
    stop : Stop or function, optional
        When to stop earlier, judged at output times, and between them where those are far apart: LossBelow, WallTime,
        any function of the running state, and their compositions with |. The running state has no residuals; its
        `network()` is the pytree.
    progress : bool, optional
        Show a progress bar. By default on a terminal, for runs of over two seconds.
    floor : float
        Smallest value of the loss, if known: the curvature is that of what lies above it.
    solver : {"tsit5", "dopri8", "kvaerno5"}
        Of diffrax; the last is implicit, for stiff losses of few parameters.

    Returns
    -------
    LossTrajectory
        With the outcome and an audit. Ctrl-C returns what has been computed so far; twice raises.

    Warns
    -----
    UserWarning
        If the loss has kinks: where the true flow slides along one, a general integrator chatters, and neither the
        path nor the curvature is right there. The audit's energy drift shows how much it matters. Shallow ReLU
        networks have an exact route: `tw.flow(network, data)`.

    Raises
    ------
    InputError
        For a start at which loss or gradient are not finite, or parameters out of range.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> import thalweg as tw
    >>> def loss(w):
    ...     return jnp.sum((jnp.tanh(w["a"]) * w["b"] - 0.5) ** 2)
    >>> start = {"a": jnp.array([0.1, 0.3]), "b": jnp.array([1.0, -1.0])}
    >>> traj = tw.flow(loss, start, t_end=5.0, times=[0.0, 5.0])
    >>> bool(traj.loss[1] < 0.01 * traj.loss[0]), traj.audit.energy_drift < 1e-5
    (True, True)
    """
    check.real("flow", "t_end", t_end, above=0.0)
    check.real("flow", "rtol", rtol, at_least=1e-12, at_most=1e-2)
    check.real("flow", "floor", floor)
    check.one_of("flow", "solver", solver, tuple(_SOLVERS))
    wanted = check.output_times("flow", times, float(t_end))
    if wanted is None:
        wanted = np.concatenate([[0.0], np.geomspace(1e-4, 1.0, 100), np.linspace(0.0, 1.0, 102)[1:]]) * float(t_end)
        wanted = np.unique(wanted)
    begun, condition = time.monotonic(), as_stop(stop).begin(None)
    with jax.enable_x64(True), DeferredInterrupt() as interrupt, Progress(progress, float(t_end)) as bar:
        run = _Run(loss, params, rtol, floor, solver)
        if run.kinks:
            warnings.warn(_warning(run.kinks), stacklevel=2)

        def pause(record: bool = False) -> Outcome | None:
            running = run.running(time.monotonic() - begun, record)
            bar.show(running)
            outcome = Outcome.INTERRUPTED if interrupt.asked else condition(running) if run.t > 0 else None
            return outcome or (run.rest(running.loss) if running.curvature == 0.0 else None)

        outcome = None
        for end in (*wanted, None):  # the last output time may be earlier than the end
            outcome = run.advance(float(t_end if end is None else end), pause)
            if outcome is None and end is not None:
                outcome = pause(record=True)
            if outcome is not None:
                break
        return run.trajectory(outcome or Outcome.REACHED_END, float(t_end))


class _Run:
    """A flow that can be advanced; its state is the parameters and the integral of |grad L|^2."""

    def __init__(self, loss: Callable[[Any], Any], params: Any, rtol: float, floor: float, solver: str) -> None:
        leaves, self._structure = jax.tree.flatten(params)
        self._leaves = leaves
        self._free = [jnp.issubdtype(getattr(leaf, "dtype", type(leaf)), jnp.floating) for leaf in leaves]
        start = [jnp.asarray(leaf, jnp.float64) for leaf, free in zip(leaves, self._free, strict=True) if free]
        if not start:
            raise check.fail("flow", "params", "have floating-point arrays among their leaves", type(params).__name__)
        self._loss = lambda free: loss(self._tree(free))
        self._both = jax.jit(jax.value_and_grad(self._loss))
        self._rtol, self._floor, self._solver = float(rtol), float(floor), solver
        # A small start is to be left at the right time, so what counts as zero is small beside it.
        sizes = [float(np.sqrt(np.mean(np.square(each)))) for each in start if each.size]
        self._atol = 1e-3 * self._rtol * min((size for size in sizes if size > 0), default=1.0)
        try:
            value, gradient = self._both(start)
        except (TypeError, ValueError) as error:
            must = "map params to a real scalar, and be differentiable in reverse mode"
            raise check.fail("flow", "loss", must, str(error).splitlines()[0]) from None
        self._first, square = float(value), float(squared_norm(gradient))
        if not (np.isfinite(self._first) and np.isfinite(square)):
            raise InputError(
                f"The loss of the start is {self._first:g}, the square of its gradient {square:g}: start elsewhere, "
                "or rescale the loss."
            )
        self.kinks = kinks(self._loss, start)
        self._start = self._state = (start, jnp.zeros(()))
        self.t, self._steps, self._dt = 0.0, 0, None
        self._rows: list[tuple[float, float, float, float]] = []
        self._jitted = jax.jit(self._stretch)

    def _stretch(self, state: Any, t0: Any, t1: Any, dt: Any) -> Any:
        def field(_: Any, state: Any, __: Any) -> Any:
            gradient = jax.grad(self._loss)(state[0])
            return [-each for each in gradient], squared_norm(gradient)

        found = diffrax.diffeqsolve(
            diffrax.ODETerm(field),  # type: ignore[arg-type]
            _SOLVERS[self._solver](),
            t0,
            t1,
            dt,
            state,
            stepsize_controller=diffrax.PIDController(rtol=self._rtol, atol=self._atol),
            max_steps=_STEPS,
            throw=False,
        )
        final = jax.tree.map(lambda each: each[0], found.ys)
        done = (found.result == diffrax.RESULTS.successful) & jnp.isfinite(final[1])
        return final, done, found.stats["num_steps"]

    def advance(self, end: float, pause: Callable[[], Outcome | None], halvings: int = _HALVINGS) -> Outcome | None:
        """Flow to a time; return why it was not reached, if so. A stretch of too many steps is halved, with a pause."""
        if end <= self.t:
            return None
        state, done, steps = self._jitted(self._state, self.t, end, self._dt or (end - self.t) * 1e-2)
        self._steps += int(steps)
        if done:
            self._dt = (end - self.t) / max(int(steps), 1)
            self._state, self.t = state, end
            return None
        if halvings == 0 or end - self.t <= 1e-12 * end:
            return Outcome.STEP_TOO_SMALL
        first = self.advance((self.t + end) / 2, pause, halvings - 1)
        return first or pause() or self.advance(end, pause, halvings - 1)

    def _figures(self) -> tuple[float, float, float, float]:
        value, gradient = self._both(self._state[0])
        square, excess = float(squared_norm(gradient)), float(value) - self._floor
        curvature = square / excess if excess > 0 else np.nan if square else 0.0
        return self.t, float(value), curvature, float(self._state[1])

    def rest(self, loss: float) -> Outcome:
        """Return what a gradient of zero means at this loss."""
        return Outcome.STATIONARY if loss > self._floor else Outcome.ROUNDING_FLOOR

    def running(self, seconds: float, record: bool) -> RunningState:
        """Return what stop functions see of the present state, and keep its figures if they are to be recorded."""
        figures = self._figures()
        if record:
            self._rows.append(figures)
        t, loss, curvature, _ = figures
        return RunningState(t, loss, curvature, NO_RESIDUALS, 0, seconds, self._params)  # type: ignore[arg-type]

    def trajectory(self, outcome: Outcome, t_end: float) -> LossTrajectory:
        """Gather what was recorded; the end is recorded if the output times leave it out after a stop."""
        if not self._rows or (outcome is not Outcome.REACHED_END and self._rows[-1][0] < self.t):
            self._rows.append(self._figures())
        t, loss, curvature, energy = (np.array(column, dtype=np.float64) for column in zip(*self._rows, strict=True))
        settings = {"t_end": t_end, "rtol": self._rtol, "floor": self._floor, "solver": self._solver}
        return LossTrajectory(
            *(t, loss, curvature, energy),
            start=self._tree(self._start[0]),
            final=self._params(),
            outcome=outcome,
            audit=LossAudit.of(self._first, loss, energy, self._floor, kinks=self.kinks),
            settings=settings | {"steps": self._steps},
        )

    def _params(self) -> Any:
        return self._tree(self._state[0])

    def _tree(self, free: Any) -> Any:
        remaining = iter(free)
        leaves: list[FloatArray | Any] = [
            next(remaining) if free else leaf for leaf, free in zip(self._leaves, self._free, strict=True)
        ]
        return jax.tree.unflatten(self._structure, leaves)


def _warning(names: tuple[str, ...]) -> str:
    return (
        f"The loss has kinks ({', '.join(names)}). Where the flow slides along one, this path and its curvature are "
        "not exact: see traj.audit.energy_drift. Shallow ReLU networks have an exact route, tw.flow(network, data)."
    )
