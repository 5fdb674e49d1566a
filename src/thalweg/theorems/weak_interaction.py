"""Theorems A and A0 as functions of arrays: what the residual at one time guarantees for ever after.

Notation: K = X X^T, K_ii = |x_i|^2, |K_i| the norm of its row i, kappa_i that norm without the diagonal entry,
R = |r| at the time looked at, S_i = (1/p) sum_j a_j^2 1[z_ji > 0], c_j = a_j^2 - |w_j|^2. Both theorems bound S_i
from below for all later time; then mu >= (2/n) lambda_min(K) min_i S_i.

Nothing here bounds its own rounding errors.
"""

from __future__ import annotations

import numpy as np

from .._typing import FloatArray

# Entries of one block of (deltas, samples): 32 MB.
_BLOCK = 2**22


def pulls(
    z: FloatArray, a: FloatArray, invariant: FloatArray, y: FloatArray, norms: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return h_plus (n,) and base (n,): what the neurons with the sign of each label contribute.

    h_plus_i is the part of |h_i| due to neurons with a_j y_i > 0; base_i is the sum, over those of them that
    are active, of (c_j + z_ji^2/|x_i|^2)/p. base_i > 0 wherever sample i is covered.

    Parameters
    ----------
    z : array (p, n)
        Preactivations.
    a, invariant : array (p,)
        Output weights, and c_j >= 0.
    y, norms : array (n,)
        Labels and norms of the inputs.
    """
    positive = np.maximum(z, 0.0)
    active = (z > 0).astype(np.float64)
    h_plus, base = np.zeros(len(y)), np.zeros(len(y))
    for sign in (1.0, -1.0):
        ours, theirs = sign * a > 0, sign * y > 0
        heights = positive[ours][:, theirs]
        h_plus[theirs] = np.abs(a[ours]) @ heights
        squares = np.einsum("ji,ji->i", heights, heights) / norms[theirs] ** 2
        base[theirs] = invariant[ours] @ active[ours][:, theirs] + squares
    return h_plus / len(a), base / len(a)


def largest_delta(y: FloatArray, residual: float, row_norms: FloatArray, kappa: FloatArray) -> float:
    """Return the least upper bound of the admissible delta: 1 - max_i R kappa_i/(|y_i| |K_i|).

    A delta in (0, 1) is admissible if for every i either rho_i = (1 - delta)|y_i| >= R, or
    m_i = rho_i K_ii - kappa_i (R^2 - rho_i^2)^(1/2) > 0. Both say rho_i |K_i| > R kappa_i (or the first implies
    it). It is positive if and only if |y_i| |K_i| > R kappa_i for all i.
    """
    sizes = np.abs(y)
    if not sizes.all():
        return 0.0
    return max(1.0 - float(np.max(residual * kappa / (sizes * row_norms))), 0.0)


def activity(
    delta: FloatArray,
    y: FloatArray,
    residual: float,
    kappa: FloatArray,
    norms: FloatArray,
    operator_norm: float,
    h_plus: FloatArray,
    base: FloatArray,
) -> FloatArray:
    """Return the lower bounds s_i of S_i, for every delta, as an array (m, n); 0 where delta is not admissible.

    With eta_i = m_i/(R |X|_2): s_i = delta |y_i|/|x_i| if rho_i >= R, else
    min(eta_i delta |y_i|/|x_i|^2, max(base_i, eta_i h_plus_i/|x_i|^2)).

    Parameters
    ----------
    delta : array (m,)
        Numbers in (0, 1).
    y, kappa, norms, h_plus, base : array (n,)
        Labels, kappa_i, |x_i|, and the results of `pulls`.
    residual, operator_norm : float
        R and |X|_2.
    """
    share, squares = delta[:, None], norms**2
    rho = (1 - share) * np.abs(y)
    near = rho >= residual
    pull = rho * squares - kappa * np.sqrt(np.maximum(residual**2 - rho**2, 0.0))
    eta = np.maximum(pull, 0.0) / (max(residual, np.finfo(np.float64).tiny) * operator_norm)
    grown = np.minimum(eta * share * np.abs(y) / squares, np.maximum(base, eta * h_plus / squares))
    return np.where(near, share * np.abs(y) / norms, grown)


def least_activity(
    y: FloatArray,
    residual: float,
    row_norms: FloatArray,
    kappa: FloatArray,
    norms: FloatArray,
    operator_norm: float,
    h_plus: FloatArray,
    base: FloatArray,
    count: int = 64,
) -> tuple[float, float]:
    """Return min_i s_i of Theorem A, maximised over delta, and that delta; (0, 0) if none is admissible.

    Any delta gives a valid bound, so a grid of `count` of them is searched, not a maximum certified.
    Parameters are those of `activity` and `largest_delta`.
    """
    top = largest_delta(y, residual, row_norms, kappa)
    if top <= 0:
        return 0.0, 0.0
    delta = top * 0.5 * (1 - np.cos(np.pi * np.arange(1, count) / count))
    far = 1 - residual / np.abs(y).min()  # up to here every rho_i >= R
    delta = np.append(delta, far * (1 - 1e-12)) if 0 < far < 1 else delta
    least = np.full(len(delta), np.inf)
    rows = max(1, _BLOCK // len(delta))
    for start in range(0, len(y), rows):
        i = slice(start, start + rows)
        s = activity(delta, y[i], residual, kappa[i], norms[i], operator_norm, h_plus[i], base[i])
        least = np.minimum(least, s.min(axis=1))
    best = int(np.argmax(least))
    return float(least[best]), float(delta[best])


def activity_near(y: FloatArray, residual: float, norms: FloatArray, deficit: float) -> FloatArray:
    """Return the lower bounds s_i of S_i of Theorem A0, an array (n,); 0 or less where R >= |y_i|.

    s_i = (sqrt(c^2 + 4 g_i^2) - c)/2 with g_i = (|y_i| - R)/|x_i| and c = `deficit` = (1/p) sum_j max(-c_j, 0),
    which is g_i for a dominated network.
    """
    g = (np.abs(y) - residual) / norms
    # Without cancellation: 2 g^2 / (sqrt(c^2 + 4 g^2) + c), with the sign of g.
    root = np.hypot(deficit, 2 * g) + deficit
    return np.divide(2 * g * np.abs(g), root, out=np.zeros_like(g), where=root > 0)
