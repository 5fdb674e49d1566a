"""Gradient descent on a shallow network that can be advanced and read: weights, or preactivations."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..._descent_outcome import DescentOutcome
from ..._errors import InputError
from ...data.dataset import Dataset
from ...networks.shallow import ShallowNetwork

# A loss that grew by this factor does not come back.
_BLOWN_UP = 1e15
# Products between two looks at the keyboard and the progress bar: a fraction of a second.
_SLICE = 1e9

PRECISIONS = {"float64": np.float64, "float32": np.float32}


class ShallowDescent:
    """The state of a run, in the coordinates in which a step is cheapest.

    With n > 2d the hidden weights are stepped, at 4npd operations. Otherwise preactivations are, by the Gram matrix, at
    2n^2p; for orthogonal inputs it is diagonal. In exact arithmetic all are the same.

    Attributes
    ----------
    route : {"weights", "Gram matrix", "orthogonal inputs"}
        What is stepped.
    iteration : int
        Steps made.
    loss, curvature : float
        Loss, and p |grad L|^2/L, at the present state.
    outcome : DescentOutcome or None
        Why no more steps are to be made: the loss is at most `level`, at rest, or it would blow up.
    residuals : array (n,)
        Residuals there; overwritten by the next steps.
    """

    def __init__(self, network: ShallowNetwork, data: Dataset, step_size: float, level: float, precision: str) -> None:
        kind: Any = PRECISIONS[precision]
        self._start, self._data, self._kind = network, data, kind
        n, p = data.n, network.p
        self.slice = max(1, int(_SLICE / (n * p * min(n, data.d))))
        a = network.a.astype(kind)
        da, self.residuals = np.zeros_like(a), np.zeros(n, kind)
        self._state: tuple[Any, ...]
        if n > 2 * data.d:
            self.route = "weights"
            X: Any = data.X.toarray() if data.is_sparse else data.X
            W = network.W.astype(kind)
            self._matrix, self._state = X.astype(kind, copy=False), (W, a, np.zeros_like(W), da)
        else:
            orthogonal = data.is_orthogonal
            self.route = "orthogonal inputs" if orthogonal else "Gram matrix"
            Z = np.ascontiguousarray(network.preactivations(data.X).T).astype(kind)
            moved, Q, D = np.zeros((3, n, p), kind)
            self._matrix = (data.norms**2 if orthogonal else data.gram).astype(kind, copy=False)
            self._state = (Z, moved, a, Q, D, da)
        self._labels, self._slope, self._eta = data.y.astype(kind), kind(network.slope), float(step_size)
        # The labels count too: a network may start at zero residuals.
        self._ceiling, self._floor = float(np.finfo(kind).max), _rounding_floor(data, kind)
        self._level = max(level, self._floor)
        self.iteration = -1
        self.outcome: DescentOutcome | None = None
        self.loss = self.curvature = np.nan
        self.advance(1)  # with nothing to add yet: it judges the start
        if self.iteration < 0:
            raise InputError(
                f"The loss of the start overflows in {precision}: rescale the labels, the inputs or the network."
            )
        self._ceiling = _BLOWN_UP * (self.loss + float(data.y @ data.y) / (2 * n))

    @property
    def t(self) -> float:
        """Iterations times the step size."""
        return self.iteration * self._eta

    def advance(self, count: int) -> float:
        """Make up to `count` steps, set `outcome` if no more are to be made, return the loss after the first.

        A step to a loss that overflows or blew up is not taken: the state is the last one before.
        """
        from . import kernels

        advance: Any = kernels.advance_weights if self.route == "weights" else kernels.advance_preactivations
        fixed = (self._matrix, self._labels, self._slope, self._eta)
        losses, before = np.empty(count), self.copies()
        made, why, curvature = advance(*fixed, *self._state, self.residuals, losses, count, self._level, self._ceiling)
        if why == kernels.DIVERGED:
            self.restore(before)
            if made > 1:
                self.advance(made - 1)
            self.outcome = DescentOutcome.DIVERGED
            return float(losses[0])
        self.iteration += made
        self.loss, self.curvature = float(losses[made - 1]), float(curvature)
        if why == kernels.AT_LEVEL:
            fits = self.loss <= self._floor
            self.outcome = DescentOutcome.ROUNDING_FLOOR if fits else DescentOutcome.LOSS_BELOW
        elif why == kernels.STATIONARY:
            self.outcome = DescentOutcome.STATIONARY
        return float(losses[0])

    def copies(self) -> tuple[Any, ...]:
        """Return what `restore` needs to come back to the present state."""
        return tuple(array.copy() for array in self._state), self.residuals.copy(), self.iteration

    def restore(self, copies: tuple[Any, ...]) -> None:
        """Go back to a state; `loss` and `curvature` are left alone."""
        self._state, self.residuals, self.iteration = copies

    def network(self) -> ShallowNetwork:
        """Build the network of the present state."""
        if self.route == "weights":
            W, a = self._state[0], self._state[1]
        else:
            moved, a = self._state[1], self._state[2]
            W = self._start.W + np.asarray(self._data.X.T @ moved.astype(np.float64)).T
        return self._start.replace(W=W, a=a)


def _rounding_floor(data: Dataset, kind: type) -> float:
    """Return the loss at which residuals are nothing but rounding of the labels and of outputs that fit them."""
    return 0.5 * (128 * float(np.finfo(kind).eps) * float(np.abs(data.y).max())) ** 2
