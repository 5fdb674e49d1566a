"""What every way to compute a deep linear flow has in common."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from ..._typing import FloatArray
from ...data.target import Target
from ...networks.deep_linear import DeepLinearNetwork
from ..stops import NO_RESIDUALS, RunningState

# Depth from which on the flow is stiff enough, and unknowns up to which Jacobians by differences are cheap enough,
# for LSODA to beat DOP853.
_STIFF_DEPTH = 200
_STIFF_UNKNOWNS = 1000
# DOP853 is left for LSODA after so many steps if so many times more of the same length are still to come: on a long
# plateau its steps are as short as stability asks, whatever the accuracy. Then Jacobians pay up to more unknowns.
_PATIENCE, _MANY_TIMES, _LEAVING_UNKNOWNS = 2000, 10, 3000


@dataclass(frozen=True, eq=False)
class LinearState:
    """A deep linear network on its way.

    Attributes
    ----------
    t, excess, curvature : float
        Time, loss above its floor, and local PL curvature -d log excess/dt.
    singular_values : array (r,)
        Of the product of the layers, decreasing.
    drift : float
        Largest change of an invariant D_l so far, relative to the squared norm of its layers.
    network : callable
        Call it to build the network of this state.
    left : float or None
        Time from which on all layers had to be integrated, as the reduction broke down; None if it did not.
    """

    t: float
    excess: float
    curvature: float
    singular_values: FloatArray
    drift: float
    network: Callable[[], DeepLinearNetwork]
    left: float | None = None

    def running(self, target: Target, seconds: float) -> RunningState:
        """Return what stop conditions and progress bars see of this state, after so many seconds of wall time."""
        loss = self.excess + target.floor
        return RunningState(self.t, loss, self.curvature, NO_RESIDUALS, 0, seconds, self.network)  # type: ignore[arg-type]


class Route(Protocol):
    """A way to compute the flow from one start: a name, the reason it applies, and the states along it."""

    name: str
    why: str

    def march(self, t_end: float, times: FloatArray | None, rtol: float) -> Iterator[tuple[LinearState, bool]]:
        """Yield states in order of time, and whether each is an output: the `times`, or natural ones if None.

        Ends early, without the state at t_end, if the flow cannot be carried on.
        """
        ...


class Model(Protocol):
    """A differential equation that carries a flow."""

    start: FloatArray

    @property
    def depth(self) -> float:
        """Depth of the network, infinity for a limit."""
        ...

    def velocity(self, t: float, y: FloatArray) -> FloatArray:
        """Return dy/dt."""
        ...

    def resolved(self, y: FloatArray) -> bool:
        """Whether the variables determine the flow from here on to enough digits; if not, the integration ends."""
        ...

    def state(self, t: float, y: FloatArray) -> LinearState:
        """Read the state of the network off y."""
        ...


def integrate(model: Model, t_end: float, times: FloatArray | None, rtol: float) -> Iterator[tuple[LinearState, bool]]:
    """March a model with SciPy's steppers: LSODA for stiff flows of few unknowns, DOP853 for all others.

    Flows that turn out to be stiff on the way change to LSODA there.
    """
    from scipy.integrate import DOP853, LSODA

    # The error E is the difference of the product and Phi: its relative accuracy is lost as it falls, so that the
    # variables are kept far more accurate than the loss.
    tolerance = float(np.clip(1e-4 * rtol, 2e-13, 1e-9))
    stiff = model.depth >= _STIFF_DEPTH and model.start.size <= _STIFF_UNKNOWNS
    may_leave = model.start.size <= _LEAVING_UNKNOWNS
    wanted = [t_end] if times is None else [float(t) for t in times]
    first = model.state(0.0, model.start)
    yield first, times is None or wanted[0] == 0.0
    wanted = [t for t in wanted if t > 0.0]
    speed = float(np.sqrt(max(first.curvature * first.excess, 0.0)))  # the norm of the gradient of all layers
    if speed == 0.0:
        return
    typical = float(np.sqrt(np.mean(model.start**2))) or speed
    accuracy = {"rtol": tolerance, "atol": 1e-3 * tolerance * min(typical, 1.0)}
    # DOP853 ends a step at every time asked for, as its interpolant is of lower order than its steps; LSODA, which
    # begins at order 1, is left to run on and interpolates at its own order.
    t, y, step, made = 0.0, model.start, None, 0
    while t < t_end:
        scheme: Any = LSODA if stiff else DOP853
        leg = t_end if stiff or not wanted else wanted[0]
        solver = scheme(model.velocity, t, y, leg, first_step=step and min(step, leg - t), **accuracy)
        leaves = False
        while solver.status == "running" and not leaves:
            with np.errstate(all="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # LSODA warns as it gives up, which its status says too
                solver.step()
            if solver.status == "failed" or not np.isfinite(solver.y).all() or not model.resolved(solver.y):
                return
            between = solver.dense_output() if wanted and wanted[0] < solver.t else None
            while between is not None and wanted and wanted[0] < solver.t:
                at = wanted.pop(0)
                yield model.state(at, between(at)), True
            asked = bool(wanted) and wanted[0] == solver.t
            if asked:
                wanted.pop(0)
            t, y, made = float(solver.t), solver.y.copy(), made + 1
            yield model.state(t, y), times is None or asked
            step = getattr(solver, "h_abs", None)
            leaves = may_leave and not stiff and made >= _PATIENCE and t_end - t > _MANY_TIMES * made * solver.h_abs
        stiff = stiff or leaves
