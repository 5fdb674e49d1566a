"""The flow of balanced hidden layers in the last layer V and a rotation Q: no cost depends on the depth.

With W_1, ..., W_N mutually balanced, N = L - 1, their product stays P = S Q with S = H^(N/2), H = V^T V - D and Q
orthogonal. For X = E Sigma Q^T,

    dV/dt = -X S,   dQ/dt = Z [(Z^T (G - G^T) Z) o psi] Z^T Q,   G = -V^T X,   H = Z diag(lam) Z^T,

where psi_ij = (s_i - s_j)/(lam_i - lam_j) are the divided differences of s = lam^(N/2).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from ..._typing import FloatArray
from ...data.target import Target
from ...networks.deep_linear import DeepLinearNetwork
from ...networks.forms import BalancedHidden
from ...networks.products import singular_values
from .layers import spread_is_resolved, until_unresolved
from .route import LinearState

# exp of this is squared and multiplied in trial steps, which must not overflow.
_LARGEST_LOG = 150.0


@dataclass(frozen=True)
class PowerRoot:
    """S = H^(N/2) as a function of x = eigenvalues of H - c I; for H near c I and large N, x must not be rounded."""

    hidden: int
    c: float

    def log_root(self, x: FloatArray) -> FloatArray:
        """Return log s."""
        return self.hidden / 2 * (math.log(self.c) + np.log1p(np.maximum(x / self.c, -1 + 1e-16)))

    def log_ratio(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return log s(x) - log s(y), accurate where x is near y."""
        return self.hidden / 2 * np.log1p(np.maximum((x - y) / np.maximum(self.c + y, 1e-300), -1 + 1e-16))

    def log_slope(self, x: FloatArray) -> FloatArray:
        """Return d log s/dx."""
        return self.hidden / 2 / np.maximum(self.c + x, 1e-300)

    def resolved(self, x: FloatArray) -> bool:
        """Whether the eigenvalues of H, which are differences, have digits enough for the flow to go on."""
        return spread_is_resolved(self.c + x, self.hidden + 1)


@dataclass(frozen=True)
class ExponentialRoot:
    """The limit N -> infinity, V and Phi multiplied by sqrt(N): S = exp(x/2), x = eigenvalues of N (H - I)."""

    def log_root(self, x: FloatArray) -> FloatArray:
        """Return log s."""
        return x / 2

    def log_ratio(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Return log s(x) - log s(y)."""
        return (x - y) / 2

    def log_slope(self, x: FloatArray) -> FloatArray:
        """Return d log s/dx."""
        return np.full_like(x, 0.5)

    def resolved(self, x: FloatArray) -> bool:
        """Whether the flow can go on, as it always can: S has no difference in it."""
        return True


@dataclass(frozen=True, eq=False)
class Frame:
    """What the equations need of one state (V, Q)."""

    V: FloatArray
    Q: FloatArray
    Z: FloatArray
    s: FloatArray
    psi: FloatArray
    product: FloatArray
    pull: FloatArray  # X = E Sigma Q^T
    excess: float


class ReducedModel:
    """The differential equation of (V, Q), for a finite depth or in the limit.

    Parameters
    ----------
    V, Q : array (d_out, d), (d, d)
        The start.
    offset : array (d, d)
        M(0), where H = c I + M and M moves by V^T V - V(0)^T V(0).
    root : PowerRoot or ExponentialRoot
    target : Target
    """

    def __init__(
        self, V: FloatArray, Q: FloatArray, offset: FloatArray, root: PowerRoot | ExponentialRoot, target: Target
    ) -> None:
        self._shape, self._root, self._target = V.shape, root, target
        self._rest = offset - V.T @ V
        self.depth = root.hidden + 1 if isinstance(root, PowerRoot) else math.inf
        self.start = np.concatenate([V.ravel(), Q.ravel()])

    def moved(self, V: FloatArray) -> FloatArray:
        """Return M = H - c I."""
        return V.T @ V + self._rest

    def unpack(self, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return V and Q, the latter brought back to the orthogonal group by a Newton-Schulz step."""
        d_out, d = self._shape
        V, Q = y[: d_out * d].reshape(d_out, d), y[d_out * d :].reshape(d, d)
        return V, 1.5 * Q - 0.5 * Q @ (Q.T @ Q)

    def frame(self, y: FloatArray) -> Frame:
        """Evaluate the state y."""
        V, Q = self.unpack(y)
        M = self.moved(V)
        # A trial step went too far: NaN throughout makes the stepper take a smaller one.
        x, Z = np.linalg.eigh(M) if np.isfinite(M).all() else (M[0] * np.nan, M * np.nan)
        s = np.exp(np.minimum(self._root.log_root(x), _LARGEST_LOG))
        product = (V @ Z) * s @ Z.T @ Q
        E = product - self._target.Phi
        pull = self._target.weigh(E) @ Q.T
        return Frame(V, Q, Z, s, self._divided(x, s), product, pull, self._target.excess(E))

    def _divided(self, x: FloatArray, s: FloatArray) -> FloatArray:
        """Return (s_i - s_j)/(x_i - x_j), from the larger of the two so that nothing overflows."""
        high, low = np.maximum(x[:, None], x), np.minimum(x[:, None], x)
        gap = low - high
        top = np.maximum(s[:, None], s)
        smooth = top * self._root.log_slope(high)
        ratio = np.expm1(self._root.log_ratio(low, high))
        return np.where(gap < 0, top * ratio / np.where(gap < 0, gap, 1.0), smooth)

    def velocity(self, t: float, y: FloatArray) -> FloatArray:
        """Return dy/dt."""
        f = self.frame(y)
        G = -f.V.T @ f.pull
        turn = f.Z @ ((f.Z.T @ (G - G.T) @ f.Z) * f.psi) @ f.Z.T
        dV = -(f.pull @ f.Z) * f.s @ f.Z.T
        return np.concatenate([dV.ravel(), (turn @ f.Q).ravel()])

    def resolved(self, y: FloatArray) -> bool:
        """Whether H has digits enough for the flow to go on in these variables."""
        x: FloatArray = np.linalg.eigh(self.moved(self.unpack(y)[0]))[0]
        return self._root.resolved(x)

    def power(self, f: Frame) -> float:
        """Return -dR/dt, the squared norm of the gradient of all layers."""
        # The hidden layers pass sum_l H^(N-l) (V^T X) H^(l-1): divided differences of s^2.
        pushed = f.Z.T @ (f.V.T @ f.pull) @ f.Z
        doubled = f.psi * (f.s[:, None] + f.s)
        return float(np.sum((f.pull @ f.Z * f.s) ** 2) + np.sum(pushed**2 * doubled))

    def state(self, t: float, y: FloatArray) -> LinearState:
        """Read the state of the network off y."""
        f = self.frame(y)
        curvature = self.power(f) / f.excess if f.excess > 0 else 0.0
        values = singular_values(f.product)
        return LinearState(t, f.excess, curvature, values, 0.0, lambda: self.network(f.V, f.Q))

    def network(self, V: FloatArray, Q: FloatArray) -> DeepLinearNetwork:
        """Build the network of (V, Q)."""
        if not isinstance(self._root, PowerRoot):
            raise TypeError("There is no network of infinite depth.")
        H = self._root.c * np.eye(len(Q)) + self.moved(V)
        return BalancedHidden(self._root.hidden + 1, V, H, Q).network()


class ReducedRoute:
    """The (V, Q) reduction, for balanced hidden layers below the last layer or, transposed, above the first."""

    name = "reduced (V, Q)"

    def __init__(self, form: BalancedHidden, target: Target, *, transposed: bool) -> None:
        last = "first" if transposed else "last"
        self.why = f"all layers but the {last} are balanced, so that layer and one rotation carry the flow"
        self._transposed, self._target = transposed, target
        d = len(form.H)
        c = float(np.trace(form.H)) / d
        scalar = np.array_equal(form.H, form.H[0, 0] * np.eye(d))
        c = float(form.H[0, 0]) if scalar else c
        offset = form.H - c * np.eye(d)
        self._model = ReducedModel(form.V, form.Q, offset, PowerRoot(form.hidden, c), target)

    def march(self, t_end: float, times: FloatArray | None, rtol: float) -> Iterator[tuple[LinearState, bool]]:
        """Yield the states; see `Route`."""
        for state, output in until_unresolved(self._model, self._target, t_end, times, rtol):
            if self._transposed:
                yield _turned(state), output
            else:
                yield state, output


def _turned(state: LinearState) -> LinearState:
    return replace(state, network=lambda: state.network().transposed())
