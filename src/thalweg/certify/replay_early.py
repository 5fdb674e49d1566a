"""A0, leaky, A and N1 once more, for `verify`: the proofs, and their figures in extended precision.

H is the matrix with n r' = -H r. With S_i = (1/p) sum of a_j^2 over the neurons active on i, and lambda the lowest
eigenvalue of K,

    r^T H r >= (1/p) sum_j a_j^2 q_j^T K q_j >= lambda sum_i S_i r_i^2,

because q_ji = r_i wherever j is active on i. All that remains is to keep S_i away from 0.
"""

from __future__ import annotations

import numpy as np

from ..data.dataset import Dataset
from .enclosure import Enclosure, Kernel
from .extended import UNIT, Real, RealArray, above, below


def residual_below_labels(state: Enclosure, kernel: Kernel) -> Real:
    """Return a lower bound of r^T H r / |r|^2 for all later time by A0; 0 or less if it does not hold.

    |r_i| <= R < |y_i| keeps g_i = (|y_i| - R)/|x_i| <= |h_i|/|x_i| <= (1/p) sum |a_j| |w_j| over the active neurons.
    |w_j|^2 <= a_j^2 + max(-c_j, 0), and sqrt(u (u + c)) is concave in (u, c) and homogeneous: g_i <= sqrt(S (S + C)),
    C the mean of max(-c_j, 0). For the leaky ReLU, inactive neurons have weight slope in h and slope^2 in S, which
    the same argument covers with slope g_i.
    """
    g = (np.abs(kernel.data.y) * (1 - 4 * UNIT) - above(state.residual_norm())) / kernel.sizes
    if not (g > 0).all() or kernel.lowest <= 0:
        return Real(0)
    g = below(np.min(g) * (state.slope or 1))
    C = above(np.sum(np.maximum(-state.c, 0)) / state.p, state.p)
    # (sqrt(C^2 + 4 g^2) - C)/2, without the difference.
    return below(kernel.lowest * 2 * g**2 / (np.sqrt(C**2 + 4 * g**2) + C))


def leaky(state: Enclosure, kernel: Kernel) -> Real:
    """Return the bound for the leaky ReLU: q_ji is at least slope r_i in size, and a_j^2 >= max(c_j, 0)."""
    mean = below(np.sum(np.maximum(state.c, 0)) / state.p, state.p)
    return below(Real(state.slope) ** 2 * max(kernel.lowest, Real(0)) * mean)


def weak_interaction(state: Enclosure, kernel: Kernel, delta: float) -> Real:
    """Return the bound by theorem A with this delta; 0 or less if it does not hold.

    While |r_i| <= rho_i = (1 - delta)|y_i|, S_i >= |h_i|/|x_i| >= delta |y_i|/|x_i|. While it is larger, every correct
    active pair of i has |z_ji'| >= |a_j| m_i/n > 0, hence stays active, whereas |a_j|' >= -|a_j| R |X|/n: so
    z_ji + eta_i |a_j| does not fall, eta_i = m_i/(R |X|) <= |x_i|. With |a_j| >= z_ji/|x_i|, this gives

        |a_j| >= (z_ji + eta_i |a_j|)(t1)/(|x_i| + eta_i), a_j^2 >= eta_i |a_j| z_ji (t1)/|x_i|^2,

    from t1 on, t1 = t0 or the last time h_i = delta y_i; besides a_j^2 >= c_j + (z_ji/|x_i|)^2, which grows.
    """
    if state.slope or not (state.c >= 0).all() or not 0 < delta < 1 or kernel.lowest <= 0:
        return Real(0)
    y, sizes, least = np.abs(kernel.data.y).astype(Real), kernel.sizes, kernel.least_sizes
    if not (y > 0).all():
        return Real(0)
    R = above(state.residual_norm())
    low = below((1 - Real(delta)) * y)
    level = below(Real(delta) * y / sizes)
    bound = level.copy()
    far = np.flatnonzero(low < R)
    if far.size:
        others = above(kernel.couplings * np.sqrt(np.maximum(R**2 * (1 + 4 * UNIT) - low**2, 0)))
        m = (low * least**2 * (1 - 8 * UNIT) - others)[far]
        if not (m > 0).all():
            return Real(0)
        X = kernel.operator_norm()
        bound[far] = _while_far(state, kernel.data, far, below(m / (R * X)), below(m / (R * X)) * level[far], sizes)
    return below(kernel.lowest * np.min(bound))


def _while_far(
    state: Enclosure, data: Dataset, far: np.ndarray, eta: RealArray, later: RealArray, sizes: RealArray
) -> RealArray:
    """Return the least S_i of samples i that are, or will be, further than rho_i from their labels."""
    size = sizes[far]
    correct = state.sign[:, None] * data.y[far] > 0
    z = np.where(correct, np.maximum(below(state.z[:, far]) - state.z_error[:, far], 0), 0)
    a = np.where(z > 0, state.a_low[:, None], 0)
    squares = np.where(z > 0, np.maximum(state.c[:, None] + (z / size) ** 2, ((z + eta * a) / (size + eta)) ** 2), 0)
    now = below(np.sum(squares, axis=0) / state.p, state.p)
    return np.minimum(below(later / size), now)


def dead(state: Enclosure, data: Dataset, stuck: np.ndarray) -> bool:
    """Whether N1 holds for these samples: every neuron that could serve them is inactive everywhere, for ever.

    Such a neuron does not move. The others keep their signs, as c_j >= 0, so that h_i y_i <= 0 for all time.
    """
    if state.slope or stuck.size == 0 or not (data.y[stuck] != 0).all():
        return False
    still = (state.z + state.z_error < 0).all(axis=1) | state.frozen
    sure = still | ((state.c >= 0) & (state.sign != 0))
    wrong = state.sign[:, None] * data.y[stuck] < 0
    return bool(sure.all() and (still[:, None] | wrong).all())
