"""How far a network can move while the residual travels a given budget, and what keeps the loss falling meanwhile.

Let R(t) = |r| over the *live* samples (the others, the *silent* ones, have no active neuron and will be shown to get
none), tau = (1/n) int |r| dt the budget used so far, and T a budget. As long as tau <= T:

- |a_j| and |w_j| turn into each other at most like a hyperbolic rotation of angle v = T |X|_2, and a_j moves by
  at most T sup |s_j|; where c_j >= 0, |a_j| >= sqrt(c_j).
- z_ji moves by at most zeta_ji = min(T sup|a_j| |K_i o mask_j|, sqrt(p R T) |x_i|): the impulses of the pairs that
  may be active, and the energy there is: sum_j int (|w_j'|^2 + a_j'^2) dtau <= p R in this time, so that no path in
  (W, a) is longer than sqrt(p R T). For a neuron that may slide on a silent sample, whose force is not part of the
  budget, |X|_2 |x_i| takes the place of |K_i o mask_j|: sliding only projects what the live samples pull.
- Hence pairs are certainly active, certainly inactive, or uncertain, and for every r, with q_j = r on the certain
  active pairs C_j, 0 on the certain inactive ones, and *anything* on the uncertain ones U_j (a sliding pair has
  (K q_j)_i = 0, which is the minimum over q_i; others have r_i or 0),

      r^T H r >= r^T M r,
      M = (1/p) sum_j low_j^2 X_C P_U^perp X_C^T + (1 - b) (1/p) sum_j s_j s_j^T - (1/b - 1) D^2 I,   0 < b <= 1,

  where P_U^perp projects away from the uncertain inputs and D^2 bounds (1/p) sum_j |s_j(t) - s_j(t0)|^2 in the
  spectral norm. For leaky ReLU the certain inactive pairs enter with the slope as weight.

Everything is evaluated with rounding errors on the unfavourable side; see `rounding`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .._typing import BoolArray, FloatArray, IntArray
from .rounding import (
    TINY,
    UNIT,
    above,
    below,
    gamma,
    norm,
    product_error,
    smallest_eigenvalue,
    triangular_inverse_norm,
)
from .state import State

# The budget at which |a_j| may have turned into |w_j| so far that nothing can be said.
LARGEST_ANGLE = 20.0
# The b tried for the pull.
SHARES = (1.0, 0.5, 0.25, 0.1, 0.03, 0.01)


@dataclass(frozen=True, eq=False)
class Tube:
    """What a budget leaves open.

    Attributes
    ----------
    budget : float
        T.
    low, high : array (p,)
        Bounds of |a_j|.
    zeta : array (p, n)
        How far preactivations may be from those computed, their rounding included.
    certain : array (p, m)
        Weights of the certain pairs on the m live samples: 1, or the slope for inactive leaky ones; 0 if uncertain.
    uncertain : array (p, n) of bool
        Pairs that may be at their kink, silent samples included.
    drift : float
        Upper bound of D^2.
    """

    budget: float
    low: FloatArray
    high: FloatArray
    zeta: FloatArray
    certain: FloatArray
    uncertain: BoolArray
    drift: float


@dataclass(frozen=True, eq=False)
class Surroundings:
    """A state and the samples that count: what all tubes around it share."""

    state: State
    live: IntArray
    silent: IntArray

    @cached_property
    def residual(self) -> float:
        """R, an upper bound of |r| on the live samples."""
        return self.state.residual_norm(self.live)

    @property
    def reach(self) -> float:
        """Upper bound of |X|_2 on the live samples."""
        return above(math.sqrt(self.state.geometry.largest))

    @cached_property
    def _sizes(self) -> FloatArray:
        """Upper bounds of |s_j|, (p,)."""
        state = self.state
        s = np.sqrt(np.einsum("ji,ji->j", state.s, state.s) * (1 + gamma(state.n + 2)))
        return s + np.sqrt(np.einsum("ji,ji->j", state.z_error, state.z_error))

    @cached_property
    def _outputs(self) -> tuple[FloatArray, float]:
        """(1/p) sum_j s_j s_j^T on the live samples, and a bound of its error."""
        s, p = np.ascontiguousarray(self.state.s[:, self.live]), self.state.p
        S = s.T @ s / p
        return S, product_error(p + 2, norm(s), norm(s), S.size) / p

    def tube(self, budget: float) -> Tube | None:
        """Return the tube of a budget, or None if the budget is so large that it holds everything."""
        state, live, T, X = self.state, self.live, budget, self.reach
        geometry = state.geometry
        angle = above(T * X)
        if not angle <= LARGEST_ANGLE:
            return None
        low, high = self._output_weights(angle, T, X)
        energy = math.sqrt(state.p * self.residual * T) * geometry.lengths
        squared = geometry.squared[live]
        spill = geometry.relative * norm(geometry.lengths)  # rounding of a row of K, over |x_i|
        mask = np.ones((state.p, state.n), bool)
        while True:
            rows = np.sqrt(mask[:, live] @ squared * (1 + gamma(state.n + 2))) + spill * geometry.lengths
            touching = mask[:, self.silent].any(axis=1)
            # Of a neuron held on a silent sample only |w_j'| is known: that force projects the pull of the live ones.
            rows[touching] = X * geometry.lengths
            zeta = above(np.minimum(T * high[:, None] * rows, energy)) + above(state.z_error)
            # For leaky ReLU inactive pairs push as well.
            smaller = mask & (state.z + zeta >= 0) if not state.slope else mask
            if (smaller == mask).all():
                break
            mask = smaller
        active, inactive = state.z > zeta, state.z < -zeta
        certain = np.asarray(active[:, live] + state.slope * inactive[:, live], np.float64)
        moved = np.where(inactive, state.slope * zeta, zeta)[:, live]
        # The energy is shared: the neurons together move by no more than sqrt(p R T).
        together = X * math.sqrt(state.p * self.residual * T) + norm(state.z_error)
        drift = min(norm(moved) ** 2, together**2, float(moved.sum(axis=0).max(initial=0.0) * moved.sum(axis=1).max()))
        room = (1 + gamma(2 * state.p * state.n)) / state.p
        uncertain = ~(active | inactive | state.absent[:, None])
        return Tube(T, low, high, zeta, certain, uncertain, above(drift * room))

    def _output_weights(self, angle: float, T: float, X: float) -> tuple[FloatArray, FloatArray]:
        state = self.state
        hyperbolic = above(math.sinh(angle)), above(2 * math.sinh(angle / 2) ** 2)  # cosh - 1 is the second
        turned = above(state.a_high * hyperbolic[1] + state.w_high * hyperbolic[0])
        high = state.a_high + turned
        energy = above(math.sqrt(state.p * self.residual * T))
        moved = np.minimum(np.minimum(turned, energy), above(T * (self._sizes + T * high * X**2)))
        high = above(state.a_high + moved)
        # a cosh v - w sinh v falls with v up to artanh(w/a), so certainly up to w/a.
        falls = angle * state.a_high <= state.w_low
        gained, lost = below(state.a_low * math.cosh(angle)), above(state.w_high * hyperbolic[0])
        candidates = (
            state.a_low - moved - 2 * UNIT * (state.a_low + moved),
            below(np.sqrt(np.maximum(state.c, 0.0))),
            np.where(falls, gained - lost - 2 * UNIT * (gained + lost), 0.0),
        )
        return np.maximum.reduce(candidates), high

    def pull(self, tube: Tube) -> tuple[float, float]:
        """Return a proved lower bound of lambda_min(M) over the tube, and the share b it was obtained with."""
        from scipy.linalg import eigvalsh

        M, error = self._moving(tube)
        S, loose = self._outputs
        error += loose

        def candidate(b: float) -> FloatArray:
            return M + (1 - b) * S if b < 1 else M

        def penalty(b: float) -> float:
            return above((1 / b - 1) * tube.drift) if b < 1 else 0.0

        estimates = [float(eigvalsh(candidate(b), subset_by_index=[0, 0])[0]) - penalty(b) for b in SHARES]
        b = SHARES[int(np.argmax(estimates))]
        if max(estimates) <= 0:
            return max(estimates), b
        A = candidate(b)
        A = (A + A.T) / 2
        return smallest_eigenvalue(A) - above(error + 8 * UNIT * norm(A) + penalty(b)), b

    def _moving(self, tube: Tube) -> tuple[FloatArray, float]:
        """Return (1/p) sum_j low_j^2 X_C P_U^perp X_C^T as floats, less than the truth by no more than an error."""
        state, live, p = self.state, self.live, self.state.p
        K = state.geometry.lowered
        weights = tube.certain.copy()
        blocks: list[FloatArray] = []
        errors: list[float] = []
        for j in np.flatnonzero(tube.uncertain.any(axis=1) & (tube.low > 0)):
            loose, held = np.flatnonzero(tube.uncertain[j]), np.flatnonzero(weights[j])
            if not held.size:
                continue
            projected = _projection(K[np.ix_(loose, loose)], K[np.ix_(loose, live[held])] * weights[j, held])
            if projected is None:
                weights[j] = 0.0  # leaving a neuron out only lowers M
                continue
            G, defect = projected
            scale = tube.low[j] / math.sqrt(p)
            block = np.zeros((loose.size, live.size))
            block[:, held] = scale * G
            blocks.append(block)
            errors.append(above(scale**2 * (defect + 8 * UNIT * norm(G) ** 2)))
        pairs = weights.T @ (weights * (below(tube.low**2) / p)[:, None])
        M = pairs * K[np.ix_(live, live)]
        error = math.fsum(errors) + gamma(p + 8) * norm(M)
        if blocks:
            stacked = np.concatenate(blocks)
            lost = stacked.T @ stacked
            error += product_error(len(stacked), norm(stacked), norm(stacked), M.size)
            M = M - lost
        return M, above(error + 2 * UNIT * norm(M)) + M.size * TINY


def _projection(A: FloatArray, B: FloatArray) -> tuple[FloatArray, float] | None:
    """Return G with B^T A^-1 B <= G^T G + defect I; None if A is not safely positive definite.

    C = chol(A) and G = C^-1 B as computed, with A = C (I + F) C^T, |F| <= |A - C C^T| |C^-1|^2 = f, and
    C^-1 B = G + C^-1 (B - C G): hence B^T A^-1 B <= (|G| + g)^2 / (1 - f) in the sense of quadratic forms, g being
    |C^-1| |B - C G|.
    """
    from scipy.linalg import solve_triangular

    u = len(A)
    try:
        C: FloatArray = np.asarray(np.linalg.cholesky(A), np.float64)
    except np.linalg.LinAlgError:
        return None
    inverse = triangular_inverse_norm(C)
    G = solve_triangular(C, B, lower=True, check_finite=False)
    size_C, size_G = norm(C), norm(G)
    f = above((norm(A - C @ C.T) + product_error(u, size_C, size_C, u * u) + 2 * UNIT * norm(A)) * inverse**2)
    g = above((norm(B - C @ G) + product_error(u, size_C, size_G, B.size) + 4 * UNIT * norm(B)) * inverse)
    if not f <= 1e-3:
        return None
    return G, above(2 * f * size_G**2 + 1.01 * g * (2 * size_G + g))
