"""What the driver of a flow asks of an engine that computes one."""

from __future__ import annotations

from typing import Protocol

from .._typing import FloatArray, ModeArray
from ..networks.shallow import ShallowNetwork
from .audit import Audit


class Engine(Protocol):
    """A flow in progress: a state, and a way to advance it by one accepted step.

    Attributes
    ----------
    name : str
        The method, as shown to users.
    t, loss : float
        Time since the start and loss at the current state.
    residuals : array (n,)
        Residuals at the current state.
    events, steps : int
        Mode changes and accepted steps since the start.
    """

    name: str
    t: float
    loss: float
    residuals: FloatArray
    events: int
    steps: int

    def step(self, limit: float) -> bool:
        """Advance by one accepted step, landing exactly on `limit` rather than passing it.

        Returns False, with the state unchanged, if the step size fell below what float64 resolves. The loss
        never increases. Leaves a consistent state if interrupted (KeyboardInterrupt).
        """
        ...

    def curvature(self) -> float:
        """Local PL curvature at the current state, by the exact identity with the true multipliers."""
        ...

    def curvature_bounds(self) -> tuple[float, float]:
        """Lower and upper bound of the local PL curvature at the current state."""
        ...

    def modes(self) -> ModeArray:
        """Modes (p, n): 1 active, -1 inactive, 0 sliding."""
        ...

    def moved(self) -> FloatArray:
        """Displacement of the hidden weights since the start, in the form `Snapshots` stores."""
        ...

    def output_weights(self) -> FloatArray:
        """Output weights a (p,), a copy."""
        ...

    def network(self) -> ShallowNetwork:
        """The network of the current state, with the invariant of the start."""
        ...

    def audit(self) -> Audit:
        """Checks of the run so far."""
        ...
