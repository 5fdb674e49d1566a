"""B and N once more, for `verify`: how far everything can move while the residual spends a budget.

Time is tau = (1/n) int |r| dt, r the residual on the *live* samples, R its norm at t0. While tau <= T:

- dw_j/dtau = a_j X^T q_j/|r| and da_j/dtau = s_j . r/|r|, hence |w_j| and |a_j| grow by at most |X| times each other:
  hyperbolic functions of v = |X| T. In a_j^2 - w_j^2 = c_j the angle moves by at most v.
- The energy: sum_j int (|w_j'|^2 + |a_j'|^2) dtau <= p R, so that no neuron, nor all of them together, moves further
  than sqrt(p R T).
- z_ji moves by no more than T sup|a_j| |K_i o mask_j|, mask_j the samples on which j may be active.

**Any mask that confirms itself is valid**: if no pair outside reaches 0 when only pairs inside pull, none of them is
the first to do so. It is found by growing the pairs that are not inactive at t0 until nothing is added.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .enclosure import Enclosure, Kernel
from .extended import UNIT, Real, RealArray, above, below, hyperbolic, lowest_eigenvalue, norm, row_norms


@dataclass(frozen=True, eq=False)
class Sets:
    """What is known of every pair, and of every neuron, while tau <= T.

    Attributes
    ----------
    weights : array (p, n)
        1 on the certain active pairs of live samples, the slope on the certain inactive ones, 0 elsewhere.
    free : array of bool (p, n)
        Pairs of which nothing is known.
    low : array (p,)
        Lower bounds of |a_j|.
    drift : float
        Upper bound of (1/p) |sum_j (s_j(t) - s_j)(s_j(t) - s_j)^T|_2, s_j as computed at t0, on the live samples.
    """

    weights: RealArray
    free: np.ndarray
    low: RealArray
    drift: Real


class Tube:
    """What can happen within growing budgets.

    Parameters
    ----------
    state : Enclosure
    kernel : Kernel
    live : array of bool (n,)
        The others are silent: no neuron is active on them at t0.
    """

    def __init__(self, state: Enclosure, kernel: Kernel, live: np.ndarray) -> None:
        self.state, self.kernel, self.live = state, kernel, live
        self.R = state.residual_norm(live)
        self.X = kernel.operator_norm(np.flatnonzero(live))
        self._squares = above(kernel.magnitudes**2) * live[:, None]
        self._mask = np.ones(state.z.shape, bool) if state.slope else ~(state.z + state.z_error < 0)
        self._mask[state.frozen] = False
        self._reach = self._mask.astype(Real) @ self._squares
        self._rounding = row_norms(state.z_error[:, live])
        self._start = row_norms(state.s[:, live]) + self._rounding

    def within(self, T: Real) -> Sets:
        """Return what holds while tau <= T; no smaller T may be asked for afterwards."""
        state = self.state
        w, a = state.w_high, state.a_high
        even, odd = hyperbolic(above(self.X * T))
        energy = above(np.sqrt(state.p * self.R * T))
        path = np.minimum(above(a * odd + w * even), energy)
        pulled = T * (self._start + self.X * np.minimum(path, T * self.X * above(a * (1 + even) + w * odd) / 2))
        turned = np.minimum(np.minimum(above(w * odd + a * even), energy), above(pulled))
        up = above(a + turned)
        zeta = self._grow(T, up, path)
        return self._sets(zeta, self._lowest(above(self.X * T), even, odd, turned, path), path, energy)

    def _lowest(self, v: Real, even: Real, odd: Real, turned: RealArray, path: RealArray) -> RealArray:
        """Return lower bounds of |a_j|."""
        state = self.state
        squares = state.c + np.maximum(state.w_low - path, 0) ** 2
        low = np.maximum(
            state.a_low - turned - 4 * UNIT * (state.a_low + turned),
            np.sqrt(np.maximum(squares - 8 * UNIT * (np.abs(state.c) + state.w_low**2), 0)),
        )
        # a = sqrt(c) cosh(phi), |w| = sqrt(c) sinh(phi): the bound is sqrt(c) cosh(phi - v), as long as phi >= v.
        turning = state.a_low * below(1 + even, 6000) - state.w_high * odd
        allowed = (state.c < 0) | (v * state.a_high * (1 + 8 * UNIT) <= state.w_low)
        turning = np.where(allowed, turning - 4 * UNIT * state.w_high * odd, 0)
        return below(np.maximum(np.maximum(low, turning), 0))

    def _grow(self, T: Real, up: RealArray, path: RealArray) -> RealArray:
        """Grow the mask until it confirms itself, and return how far each z_ji can move."""
        state, silent = self.state, ~self.live
        while True:
            zeta = above(T * up[:, None] * np.sqrt(above(self._reach, state.z.shape[1])))
            if silent.any():
                # A pair that slides on a silent sample projects the pull of the live ones.
                touching = np.any(self._mask & silent, axis=1, keepdims=True)
                zeta = np.where(touching, np.inf, zeta)
            zeta = np.minimum(zeta, above(np.outer(np.minimum(path, T * up * self.X), self.kernel.sizes)))
            added = ~(state.z + state.z_error + zeta < 0) & ~self._mask
            added[state.frozen] = False
            if not added.any():
                return zeta
            self._mask |= added
            rows = added.any(axis=1)
            self._reach[rows] += added[rows].astype(Real) @ self._squares

    def _sets(self, zeta: RealArray, low: RealArray, path: RealArray, energy: Real) -> Sets:
        state, live = self.state, self.live
        active = state.z - state.z_error - zeta > 0
        inactive = state.z + state.z_error + zeta < 0
        weights = (np.where(active, Real(1), np.where(inactive, Real(state.slope), 0))) * live
        free = self._mask & ~(weights > 0)
        reach = zeta + state.z_error
        s = state.s
        moved = np.maximum(self._sigma(state.z + reach) - s, s - self._sigma(state.z - reach))
        moved = above(np.maximum(moved, 0) + 8 * UNIT * (np.abs(state.z) + reach))[:, live]
        moved[state.frozen] = 0
        each = np.minimum(row_norms(moved), above(self.X * path + self._rounding))
        together = above(self.X * energy + norm(self._rounding))
        drift = min(norm(each) ** 2, together**2, _largest_square(moved))
        return Sets(weights, free, low, above(drift / state.p))

    def _sigma(self, z: RealArray) -> RealArray:
        return np.where(z > 0, z, self.state.slope * z)

    def stays_silent(self, sets: Sets) -> bool:
        """Whether the silent samples stay silent within the budget last asked for.

        A pair (j, i) that may reach 0 is pulled back by |y_i| K_ii when above, if a_j y_i < 0, against what all other
        samples can do. a_j keeps its sign where c_j >= 0 or |a_j| is bounded away from 0.
        """
        state, kernel, silent = self.state, self.kernel, ~self.live
        if state.slope and silent.any():
            return False
        y = np.abs(kernel.data.y).astype(Real)
        pulls = np.where(silent, y, 0)
        for j, i in np.argwhere(self._mask & silent):
            steady = state.sign[j] != 0 and (state.c[j] >= 0 or sets.low[j] > 0)
            if not steady or not state.sign[j] * kernel.data.y[i] < 0:
                return False
            others = np.where(self._mask[j], kernel.magnitudes[i] * pulls, 0)
            others[i] = 0
            against = above(others.sum(), kernel.n) + above(self.R * np.sqrt(above(self._reach[j, i], kernel.n)))
            if not below(y[i] * kernel.least_sizes[i] ** 2) > above(against):
                return False
        return True


def rounding(state: Enclosure, kernel: Kernel) -> RealArray:
    """Return, for every pair, below which size a preactivation computed in float64 says nothing of its sign."""
    return 2 * (kernel.data.d + 4) * 2.0**-53 * np.outer(state.w_high, kernel.sizes)


def snap(state: Enclosure, kernel: Kernel, silent: np.ndarray) -> tuple[np.ndarray, RealArray] | None:
    """Return the preactivations on silent samples that count as 0, and how far each w_j moves when they are set to 0.

    The shortest such step has squared length z^T K^-1 z. None if a preactivation is positive, or K singular there.
    """
    near = (np.abs(state.z) <= rounding(state, kernel)) & silent
    if (~(state.z <= 0) & silent & ~near).any():
        return None
    moved = np.zeros(state.p, Real)
    for j in np.flatnonzero(near.any(axis=1) & ~state.frozen):
        part = np.flatnonzero(near[j])
        error = above(kernel.error * norm(kernel.sizes[part]) ** 2)
        floor = lowest_eigenvalue(kernel.matrix[np.ix_(part, part)]) - error
        if not floor > 0:
            return None
        moved[j] = above(norm(np.abs(state.z[j, part]) + state.z_error[j, part]) / np.sqrt(below(floor)))
    return near, moved


def _largest_square(A: RealArray) -> Real:
    """Return an upper bound of |A|_2^2 for A >= 0: the largest (A^T A v)_i / v_i, for any v > 0 (Collatz, Wielandt)."""
    rounded = A.astype(np.float64)
    v = np.ones(A.shape[1])
    for _ in range(20):
        v = rounded.T @ (rounded @ v)
        v = v / v.max(initial=1e-300) + 1e-9
    v = v.astype(Real)
    return above(np.max((A.T @ (A @ v)) / v, initial=0), A.size)
