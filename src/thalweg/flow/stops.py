"""When to stop a flow. Conditions compose with |."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from .. import _validate as check
from .._outcome import Outcome
from .._typing import FloatArray
from ..data.dataset import Dataset
from ..data.target import Target
from ..networks.shallow import ShallowNetwork

# For runs without samples of their own.
NO_RESIDUALS: FloatArray = np.zeros(0)


@dataclass(frozen=True, eq=False)
class RunningState:
    """What a stop function sees after every accepted step.

    Attributes
    ----------
    t, loss, curvature : float
        Time, loss and local PL curvature.
    residuals : array (n,)
        Residuals; a view, not to be changed. Empty for deep linear networks, and for losses.
    events : int
        Mode changes so far.
    seconds : float
        Wall time so far.
    network : callable
        Call it to build the network of this state (not free for large ones).

    Examples
    --------
    >>> import thalweg as tw
    >>> data, network = tw.data.sphere(6, 20, seed=1), tw.init.dominated(20, 8, seed=2)
    >>> tw.flow(network, data, t_end=5.0, stop=lambda state: state.curvature < 0.5 and state.t > 1.0).outcome.name
    'PREDICATE'
    """

    t: float
    loss: float
    curvature: float
    residuals: FloatArray
    events: int
    seconds: float
    network: Callable[[], ShallowNetwork]


class Stop:
    """A stop condition: called on a RunningState, it returns an Outcome, or None to go on.

    Examples
    --------
    >>> import thalweg as tw
    >>> either = tw.LossBelow(1e-6) | tw.WallTime(60) | (lambda state: state.events > 1000)
    >>> isinstance(either, tw.Stop)
    True
    """

    def begin(self, data: Dataset | Target | None) -> Stop:
        """Return the condition for one run: itself, unless it keeps notes or needs the data.

        These are None for networks and losses of which nothing can be proved.
        """
        return self

    def __call__(self, state: RunningState) -> Outcome | None:
        raise NotImplementedError

    def __or__(self, other: Stop | Callable[[RunningState], object]) -> Stop:
        return AnyOf((self, as_stop(other)))

    def __ror__(self, other: Callable[[RunningState], object]) -> Stop:
        return AnyOf((as_stop(other), self))


@dataclass(frozen=True)
class LossBelow(Stop):
    """Stop once L <= level.

    Examples
    --------
    >>> import thalweg as tw
    >>> network, data = tw.init.dominated(20, 8, seed=2), tw.data.sphere(6, 20, seed=1)
    >>> traj = tw.flow(network, data, t_end=1e3, stop=tw.LossBelow(1e-3) | tw.WallTime(60))
    >>> traj.outcome.name, bool(traj.loss[-1] <= 1e-3)
    ('LOSS_BELOW', True)
    """

    level: float

    def __post_init__(self) -> None:
        check.real("LossBelow", "level", self.level, above=0.0)

    def __call__(self, state: RunningState) -> Outcome | None:
        return Outcome.LOSS_BELOW if state.loss <= self.level else None


@dataclass(frozen=True)
class Stationary(Stop):
    """Stop once the flow is at rest: local PL curvature at most `curvature`.

    mu = 0 means that the loss no longer falls: a stationary point at positive loss.

    Examples
    --------
    >>> import thalweg as tw
    >>> data = tw.Dataset([[1.0], [-1.0]], [1.0, 1.0])
    >>> traj = tw.flow(tw.ShallowNetwork([[1.0]], [1.0]), data, t_end=1e3, stop=tw.Stationary())  # cannot see sample 1
    >>> traj.outcome.name, traj.residuals[-1].round(6)
    ('STATIONARY', array([0., 1.]))
    """

    curvature: float = 1e-10

    def __post_init__(self) -> None:
        check.real("Stationary", "curvature", self.curvature, above=0.0)

    def __call__(self, state: RunningState) -> Outcome | None:
        return Outcome.STATIONARY if state.curvature <= self.curvature else None


@dataclass(frozen=True)
class WallTime(Stop):
    """Stop after some seconds of wall time, at the next accepted step.

    Examples
    --------
    >>> import thalweg as tw
    >>> data, network = tw.data.sphere(6, 20, seed=1), tw.init.dominated(20, 8, seed=2)
    >>> tw.flow(network, data, t_end=1e3, stop=tw.WallTime(1e-9)).outcome.name
    'WALL_TIME'
    """

    seconds: float

    def __post_init__(self) -> None:
        check.real("WallTime", "seconds", self.seconds, above=0.0)

    def __call__(self, state: RunningState) -> Outcome | None:
        return Outcome.WALL_TIME if state.seconds >= self.seconds else None


@dataclass(frozen=True)
class Predicate(Stop):
    """Stop when a function of the running state returns something true."""

    function: Callable[[RunningState], object]

    def __call__(self, state: RunningState) -> Outcome | None:
        answer = self.function(state)
        if isinstance(answer, Outcome):
            return answer
        return Outcome.PREDICATE if answer else None


@dataclass(frozen=True)
class AnyOf(Stop):
    """Stop when any of several conditions does; the first in order gives the outcome."""

    stops: tuple[Stop, ...]

    def begin(self, data: Dataset | Target | None) -> Stop:
        return AnyOf(tuple(stop.begin(data) for stop in self.stops))

    def __call__(self, state: RunningState) -> Outcome | None:
        return next((outcome for stop in self.stops if (outcome := stop(state)) is not None), None)


def as_stop(condition: object, owner: str = "flow") -> Stop:
    """Accept a Stop, a function of the running state, or None (never)."""
    if condition is None:
        return AnyOf(())
    if isinstance(condition, type):
        must = f"be an instance: write {condition.__name__}(...)"
        raise check.fail(owner, "stop", must, f"the class {condition.__name__}")
    if isinstance(condition, Stop):
        return condition
    if callable(condition):
        return Predicate(condition)
    raise check.fail(owner, "stop", "be a stop condition, a function of the running state, or None", repr(condition))
