"""The pull on the residual, once more: lambda_min of the matrix that bounds H from below, in extended precision.

With q_j = g_ji r_i on the certain pairs F_j of neuron j (g = 1 active, the slope if inactive) and anything on its free
pairs U_j, for every r on the live samples

    r^T H r >= r^T M r,  p M = sum_j low_j^2 G_j X_F P_U X_F^T G_j + (1 - b) sum_j s_j s_j^T - (1/b - 1) p drift I,

P_U the projection orthogonal to the inputs in U_j. **No projection need be exact**: with any B, and V = X_F - B X_U,

    X_F P_U X_F^T = V V^T - E^T (X_U X_U^T)^-1 E,  E = X_U V^T,

and E is at the level of rounding if B is any good. So p M = A A^T - (numbers) I, A all low_j G_j V_j side by side.
Leaving a neuron out makes M smaller, which is always allowed.
"""

from __future__ import annotations

import numpy as np

from .._typing import FloatArray
from .enclosure import Enclosure, Kernel
from .extended import UNIT, Real, RealArray, above, accuracy, gram, lowest_eigenvalue, norm
from .replay_tube import Sets

# Entries of A held at a time.
_CHUNK = 4_000_000


class Pull:
    """Bounds of r^T H r / |r|^2.

    Parameters
    ----------
    state : Enclosure
    kernel : Kernel
    live : array of bool (n,)
    """

    def __init__(self, state: Enclosure, kernel: Kernel, live: np.ndarray) -> None:
        self._state, self._live = state, np.flatnonzero(live)
        self._inputs, self._defect = coordinates(kernel)
        s = np.ascontiguousarray(state.s[:, live].T)
        self._outputs, self._outputs_size = gram(s), norm(s) ** 2
        self._accuracy = accuracy(state.p)

    def at_least(self, sets: Sets, share: Real) -> Real:
        """Return a proved lower bound of lambda_min(M) with b = share; -inf if none could be proved."""
        p, m = self._state.p, len(self._live)
        M, size, lost, chunks = np.zeros((m, m), Real), Real(0), Real(0), 1
        width = max(1, _CHUNK // (max(m, 1) * self._inputs.shape[1]))
        wanted = np.flatnonzero(sets.low > 0)
        terms = width * self._inputs.shape[1]
        for start in range(0, len(wanted), width):
            blocks = []
            for j in wanted[start : start + width]:
                V, loss = self._neuron(sets, j)
                if V is not None:
                    blocks.append(sets.low[j] * V)
                    lost += above(sets.low[j] ** 2 * loss)
            if blocks:
                A = np.concatenate(blocks, axis=1)
                M, size, chunks = M + gram(A), size + norm(A) ** 2, chunks + 1
        M = M + (1 - share) * self._outputs
        error = (accuracy(terms) + (16 + chunks) * UNIT) * size + (self._accuracy + 16 * UNIT) * self._outputs_size
        minus = above((lost + error) / p + (1 / share - 1) * sets.drift)
        low = lowest_eigenvalue(M / p)
        return low - minus - 4 * UNIT * (abs(low) + minus)

    def _neuron(self, sets: Sets, j: int) -> tuple[RealArray | None, Real]:
        """Return G V on the live samples, and the number by which V V^T exceeds what it stands for."""
        weights = sets.weights[j]
        certain, free = np.flatnonzero(weights > 0), np.flatnonzero(sets.free[j])
        if certain.size == 0 or free.size >= self._inputs.shape[1]:
            return None, Real(0)
        V, loss = project(self._inputs[certain], self._inputs[free], self._defect)
        if V is None:
            return None, Real(0)
        spread = np.zeros((len(self._live), V.shape[1]), Real)
        spread[np.searchsorted(self._live, certain)] = weights[certain, None] * V
        return spread, loss


def coordinates(kernel: Kernel) -> tuple[FloatArray, Real]:
    """Return inputs Y of as few coordinates as possible, and a bound of |Y Y^T - K|: X itself, or a factor of K."""
    data = kernel.data
    if data.d > kernel.n:
        try:
            Y = np.linalg.cholesky(kernel.matrix.astype(np.float64))
        except np.linalg.LinAlgError:
            pass
        else:
            square = above(norm(Y) ** 2)
            error = (accuracy(kernel.n) + 4 * UNIT) * square + above(kernel.error * norm(kernel.sizes) ** 2)
            return Y, above(norm(kernel.matrix - gram(Y)) + error)
    return data.X.toarray() if data.is_sparse else data.X, Real(0)


def project(Y: FloatArray, YU: FloatArray, defect: Real) -> tuple[RealArray | None, Real]:
    """Return V = Y - B YU for some B, and by how much V V^T may exceed Y P_U Y^T; None if YU is short of rank."""
    if len(YU) == 0:
        return Y.astype(Real), defect
    Q, upper = np.linalg.qr(YU.T)
    try:
        B = np.linalg.solve(upper, Q.T @ Y.T).T
    except np.linalg.LinAlgError:
        return None, Real(0)
    floor = lowest_eigenvalue(gram(YU)) - accuracy(YU.shape[1]) * above(norm(YU) ** 2) - defect
    if not (np.isfinite(B).all() and floor > 0):
        return None, Real(0)
    V = Y - B.astype(Real) @ YU.astype(Real)
    slip = (len(YU) + 8) * UNIT * (norm(Y) + norm(B) * norm(YU))
    rounded = V.astype(np.float64)
    # In float64: one rounding of V, and sums of as many products as there are coordinates.
    E = norm(rounded @ YU.T) + ((YU.shape[1] + 8) * 2.0**-53 * norm(V) + slip) * norm(YU)
    E = above(E + defect * (1 + norm(B)))
    return V, above(2 * norm(V) * slip + slip**2 + E**2 / floor + defect * (1 + norm(B) ** 2))
