"""All products of neighbouring layers, with bounds: what is needed to say how fast anything can change near a state."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..._typing import FloatArray
from ...networks.deep_linear import DeepLinearNetwork
from ..rounding import TINY, UNIT, above, gamma, largest_eigenvalue, norm, norms, smallest_eigenvalue, spectral_norms

# So that other arithmetic, with errors of its own, can confirm the figures.
ROOM = 1 + 1e-9
# Products are of order depth^2; the curvature is a matrix of this many rows.
MOST_DEPTH, MOST_WORK, MOST_ENTRIES = 512, 1e9, 1024


@dataclass(frozen=True, eq=False)
class Paths:
    """Products of neighbouring layers of one state.

    Attributes
    ----------
    sizes : array (L+1, L+1)
        n_ij >= |W_j ... W_{i+1}|_2 for i <= j, n_ii = 1; 0 for i > j.
    least, most : float
        Bounds of the extreme eigenvalues of K = sum_l A_l A_l^T (x) B_l^T B_l, from below and from above.
    """

    sizes: FloatArray
    least: float
    most: float

    @classmethod
    def of(cls, network: DeepLinearNetwork) -> Paths:
        """Multiply all layers out, with bounds of all rounding errors."""
        L, d = network.depth, max(max(W.shape) for W, _ in network.runs)
        sizes = np.eye(L + 1)
        # Zeros around a matrix change neither its norms nor its products: all are kept as wide as the widest.
        stack, radii = np.zeros((0, d, d)), np.zeros(0)
        starts: list[tuple[FloatArray, float]] = [(np.eye(network.d_in), 0.0)]
        for j, W in enumerate(network.layers):
            padded = np.zeros((d, d))
            padded[: W.shape[0], : W.shape[1]] = W
            rounding = gamma(d) * norm(W) * norms(stack.reshape(j, d * d)) + d * d * TINY
            radii = np.append(above(float(spectral_norms(W)) * radii + rounding), 0.0)
            stack = np.concatenate([padded @ stack, padded[None]])
            sizes[: j + 1, j + 1] = ROOM * above(spectral_norms(stack) + radii)
            starts.append((stack[0, : W.shape[0], : network.d_in], float(radii[0])))
        ends = [(stack[l, : network.d_out, : network.layers[l].shape[1]], float(radii[l])) for l in range(1, L)]
        return cls(sizes, *_curvature([*ends, (np.eye(network.d_out), 0.0)], starts[:-1]))


def too_large(network: DeepLinearNetwork) -> str | None:
    """Say why these products would be too many, or too large; None if they are not."""
    d = max(max(W.shape) for W, _ in network.runs)
    if network.depth > MOST_DEPTH or network.depth**2 * d**3 > MOST_WORK:
        return f"not tried on {network.depth} layers of width {d}: the cost grows with the square of the depth"
    if network.d_in * network.d_out > MOST_ENTRIES:
        return f"not tried on targets with over {MOST_ENTRIES} entries"
    return None


def _curvature(ends: list[tuple[FloatArray, float]], starts: list[tuple[FloatArray, float]]) -> tuple[float, float]:
    """Return bounds of the extreme eigenvalues of K, from A_l and B_l within their radii."""
    K, error = 0.0, 0.0
    for (A, a), (B, b) in zip(ends, starts, strict=True):
        outer, outer_error = _gram(A.T, a)
        inner, inner_error = _gram(B, b)
        high, low = norm(outer), norm(inner)
        K = K + np.kron(outer, inner)
        # |X (x) Y| = |X| |Y|; the product and all sums round once per layer.
        spread = high * inner_error + outer_error * low + outer_error * inner_error
        error += above(spread + gamma(len(ends) + 2) * high * low)
    K = np.asarray(K)
    if not (np.isfinite(K).all() and math.isfinite(error)):
        return 0.0, math.inf
    error = above(error) * (1 + len(ends) * UNIT)
    least, most = smallest_eigenvalue(K), largest_eigenvalue(K)
    return least - above(error) - 2 * UNIT * abs(least), above(max(most, 0.0) + error)


def _gram(M: FloatArray, radius: float) -> tuple[FloatArray, float]:
    """Return M^T M and a bound of its distance from that of any matrix within the radius of M, rounding included."""
    size = norm(M)
    error = 2 * size * radius + radius * radius + gamma(len(M)) * size * size + M.shape[1] ** 2 * TINY
    return M.T @ M, above(error)
