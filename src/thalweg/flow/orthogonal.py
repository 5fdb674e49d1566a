"""The flow for orthogonal inputs: O(np) per step, for n up to 10^6 and beyond.

With <x_i, x_k> = 0 every pair (j, i) moves on its own line. With u_ji = <w_j, x_i>/|x_i| and
rho_i = |x_i| r_i/n,

    u_ji' = a_j rho_i lambda_ji,    a_j' = sum_i rho_i lambda_ji u_ji,

lambda_ji = 1 where u_ji > 0, and the slope elsewhere. No pair slides: the rates on both sides of a kink have
the same sign. Divided by the slope where it is negative, u_ji of a leaky ReLU moves at the rate a_j rho_i,
with no kink at all; the kinks are left in what is read off it.

The method is the embedded Runge-Kutta pair of Dormand and Prince (1980). The rates a_j rho_i are products, so
the stages of a step cost n + p numbers each, not np; every stage is one pass over the pairs.

A ReLU pair that falls to u_ji = 0 stays there. If r_i later changes sign, the inclusion has a second
solution, that leaves 0 again: exactly orthogonal inputs are the exception to uniqueness. The same holds for
pairs that start at 0. Such pairs are counted in `OrthogonalEngine.nonunique`.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

import numpy as np

from .._typing import FloatArray, IntArray, ModeArray
from ..data.dataset import Dataset
from ..networks.shallow import ShallowNetwork
from .audit import Audit
from .trajectory import rebuild

EPS = float(np.finfo(np.float64).eps)
# Samples per task: a sum over samples does not depend on the number of threads.
BLOCK = 16384
# The local error allowed per step, as a multiple of rtol: residuals end within about rtol (measured).
SAFETY = 0.3

STAGES = np.array(
    [
        [0, 0, 0, 0, 0],
        [1 / 5, 0, 0, 0, 0],
        [3 / 40, 9 / 40, 0, 0, 0],
        [44 / 45, -56 / 15, 32 / 9, 0, 0],
        [19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729, 0],
        [9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656],
    ]
)
FIFTH = np.array([35 / 384, 0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84])
FOURTH = np.array([5179 / 57600, 0, 7571 / 16695, 393 / 640, -92097 / 339200, 187 / 2100, 1 / 40])


def load_kernels(kernel: str) -> ModuleType:
    """Return the module of passes: compiled, or the NumPy twin."""
    if kernel == "numpy":
        from . import orthogonal_numpy

        return orthogonal_numpy
    from . import orthogonal_kernels

    return orthogonal_kernels


class OrthogonalEngine:
    """Flow for orthogonal inputs; see the module. Follows the `Engine` protocol.

    Attributes
    ----------
    nonunique : int
        ReLU pairs held at 0 that, when r_i or a_j changed sign, could have left it. Residuals below rtol
        times their root mean square are not resolved: a change of sign there is not counted.
    """

    name = "orthogonal"
    t: float
    loss: float
    residuals: FloatArray
    events: int
    steps: int
    nonunique: int

    def __init__(
        self, network: ShallowNetwork, data: Dataset, *, rtol: float, kernel: str = "numba", threads: int = 1
    ) -> None:
        self._start, self._data, self._tolerance = network, data, SAFETY * rtol
        self._kernels = load_kernels(kernel)
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self._blocks = [slice(at, at + BLOCK) for at in range(0, data.n, BLOCK)]
        self._norms, self._slope = data.norms, network.slope
        self._leak = network.slope**2
        self._size_of_labels = float(np.linalg.norm(data.y))

        u = self._initial()
        self._state = np.divide(u, self._slope, out=u.copy(), where=u <= 0) if self._slope else u
        self._spare = np.empty_like(self._state)
        self._rho = np.zeros((data.n, len(FOURTH)))
        self._a = network.a.copy()
        # |w_j|^2 is what can move and this, which cannot.
        self._fixed = np.zeros(network.p) if self._slope else np.einsum("ij,ij->j", np.minimum(u, 0), np.minimum(u, 0))
        if data.d > data.n:
            self._fixed += self._outside(u)
        self._moving, *_ = self._advance(np.zeros((1, network.p)), np.zeros((2, network.p)), np.ones(2))

        r = np.empty(data.n)
        self._pull, squares, power = self._evaluate(self._state, np.empty((0, network.p)), self._a, r)
        self.t, self.events, self.steps = 0.0, 0, 0
        self.residuals, self.loss = r, squares / (2 * data.n)
        self._mu = self._rate(self._pull, squares, power)
        self._sides, self._facing = np.sign(r), np.sign(self._a)
        self.nonunique = self._reopened(self._state, np.arange(data.n), self._sides, self._facing)
        # Near the saddle at the origin the curvature is next to nothing, but pairs grow at the rate |rho|.
        fastest = max(self.curvature_bounds()[1], float(np.linalg.norm(self._norms * r)) / data.n)
        self._h = 0.1 / fastest if fastest > 0 else math.inf
        self._first = self._h
        self._start_loss, self._energy, self._increase = self.loss, 0.0, 0.0
        self._errors, self._integrated = 0.0, self._a.copy()

    def step(self, limit: float) -> bool:
        """Advance by one accepted step, landing exactly on `limit` rather than passing it."""
        remaining = limit - self.t
        if not self._mu > 0:  # at rest for ever
            vars(self).update(t=limit, steps=self.steps + 1)
            return True
        h = min(self._h, remaining)
        while h == remaining or h > 16 * EPS * max(self.t, self._first):
            with np.errstate(over="ignore", invalid="ignore"):  # of steps far too long, which are refused
                error, changes = self._attempt(h)
            if error <= 1 and changes["loss"] <= self.loss:
                growth = min(5.0, 0.9 * max(error, 1e-10) ** -0.2)
                # A step cut short by the limit says nothing against the longer one planned.
                proposal = max(h * growth, self._h if h == remaining else 0.0)
                time = limit if h == remaining else self.t + h
                # In one call, so that an interrupt cannot fall in between.
                vars(self).update(changes, t=time, steps=self.steps + 1, _h=proposal)
                return True
            h *= min(0.5, 0.9 * error**-0.2) if math.isfinite(error) and error > 1 else 0.25
            self._h = h
        return False

    def _attempt(self, h: float) -> tuple[float, dict]:
        """Try a step: the error in units of what is allowed, and what it changes."""
        n, p = self._data.n, len(self._a)
        rho, state, a = self._rho, self._state, self._a
        weights = np.empty((len(FOURTH), p))
        pulls = np.empty((len(FOURTH), p))
        rates = np.empty(len(FIFTH))
        r, squares = self.residuals, 2 * n * self.loss
        weights[0], pulls[0], rates[0] = a, self._pull, self._mu
        rho[:, 0] = self._norms * r / n
        for k in range(1, len(FIFTH)):
            r = np.empty(n)
            weights[k] = a + h * (STAGES[k, :k] @ pulls[:k])
            gain = h * STAGES[k, :k, None] * weights[:k]
            pulls[k], squares, power = self._evaluate(state, gain, weights[k], r)
            rates[k] = self._rate(pulls[k], squares, power)
            rho[:, k] = self._norms * r / n

        gain = h * FIFTH[:, None] * weights[:6]
        moving, crossings, fall = self._advance(gain, h * weights[[0, 5]], np.array([self.loss, squares / (2 * n)]))
        change = h * (FIFTH @ pulls[:6])
        a_end, scale = self._onto_invariant(a + change, moving)
        after = self._spare
        if scale is not None:
            np.multiply(after, scale, out=after, where=(after > 0) | (self._leak > 0))
            moving = moving * scale**2
        r = np.empty(n)
        weights[6] = a_end
        pulls[6], squares, power = self._evaluate(after, np.empty((0, p)), a_end, r)
        if not math.isfinite(squares):
            return math.inf, {"loss": math.inf}

        # The embedded solution of order four, read off by its residuals.
        rho[:, 6] = self._norms * r / n
        a_low = a + h * (FOURTH @ pulls)
        r_low = np.empty(n)
        self._evaluate(state, h * FOURTH[:, None] * weights, a_low, r_low)
        size = np.sqrt(a_end**2 + self._fixed + moving)
        error_r = float(np.linalg.norm(r - r_low)) / math.sqrt(squares) if squares > 0 else 0.0
        error_a = float(np.max(np.abs(a_end - a_low) / np.where(size > 0, size, 1.0)))
        # No residual is known to better than the rounding of its label.
        floor = 8 * EPS * self._size_of_labels / math.sqrt(squares) if squares > 0 else 0.0
        error = max(error_r / (self._tolerance + floor), error_a / self._tolerance)

        resolved = np.abs(r) > self._tolerance / SAFETY * math.sqrt(squares / n)
        sides, facing = np.where(resolved, np.sign(r), self._sides), np.sign(a_end)
        turned = np.flatnonzero(sides != self._sides) if (facing == self._facing).all() else np.arange(n)
        loss = squares / (2 * n)
        return error, {
            "_state": after,
            "_spare": state,
            "_a": a_end,
            "_pull": pulls[6],
            "_mu": self._rate(pulls[6], squares, power),
            "_moving": moving,
            # The curvature falls at once by what a pair that is switched off contributed.
            "_energy": self._energy + h * float(FIFTH @ rates) - fall / (p * h),
            "_errors": self._errors + error_r**2,
            "_integrated": self._integrated + change,
            "_increase": max(self._increase, loss / self.loss - 1),
            "residuals": r,
            "loss": loss,
            "events": self.events + crossings,
            "_sides": sides,
            "_facing": facing,
            "nonunique": self.nonunique + self._reopened(after, turned, sides, facing),
        }

    def _evaluate(
        self, state: FloatArray, gain: FloatArray, a: FloatArray, r: FloatArray
    ) -> tuple[FloatArray, float, float]:
        """Residuals at a stage, written to `r`; the rates of a; sum r^2; sum |x|^2 r^2 S."""

        def task(b: slice) -> tuple[FloatArray, float, float]:
            return self._kernels.evaluate(
                state[b], self._leak, self._rho[b], gain, a, self._norms[b], self._data.y[b], r[b]
            )

        pulls, squares, powers = zip(*self._map(task), strict=True)
        return np.sum(pulls, axis=0) / self._data.n, math.fsum(squares), math.fsum(powers)

    def _advance(self, gain: FloatArray, rates: FloatArray, losses: FloatArray) -> tuple[FloatArray, int, float]:
        """Write the end of a step to the spare state; moving norms squared, and what happened to pairs at 0."""

        def task(b: slice) -> tuple[FloatArray, int, float]:
            return self._kernels.advance(self._state[b], self._leak, self._rho[b], gain, rates, losses, self._spare[b])

        moving, crossings, fall = zip(*self._map(task), strict=True)
        return np.sum(moving, axis=0), sum(crossings), math.fsum(fall)

    def _map(self, task):
        return map(task, self._blocks) if self._pool is None else self._pool.map(task, self._blocks)

    def _rate(self, pull: FloatArray, squares: float, power: float) -> float:
        """Local PL curvature (2/n)(1/p) sum_j [a_j^2 |X^T q_j|^2 + (s_j . r)^2]/|r|^2, from sums."""
        n = self._data.n
        return (2 / n) * (power + n**2 * float(pull @ pull) / len(pull)) / squares if squares > 0 else 0.0

    def _onto_invariant(self, a: FloatArray, moving: FloatArray) -> tuple[FloatArray, FloatArray | None]:
        """Return output weights, and a factor on what moves (None for 1), that keep a^2 - |w|^2."""
        c, total = self._start.invariant, self._fixed + moving
        dominated = c >= 0
        onto = np.copysign(np.sqrt(np.maximum(c + total, 0)), self._start.a)
        if dominated.all():
            return onto, None
        # a may change sign and is no function of |w|: go along the normal, a (1 + e) and w (1 - e).
        gap, half = a**2 - total - c, a**2 + moving
        curved = half**2 - (a**2 - moving) * gap
        e = -gap / np.where(half > 0, half + np.sqrt(np.maximum(curved, 0)), 1.0)
        return np.where(dominated, onto, a * (1 + e)), np.where(dominated, 1.0, 1 - e)

    def _reopened(self, state: FloatArray, rows: IntArray, sides: FloatArray, facing: FloatArray) -> int:
        """Count the ReLU pairs of some samples that are held at 0 and that the flow could let go.

        A pair so counted is put below 0 by the least there is, which keeps it from being counted again.
        """
        if self._slope:
            return 0
        loose = (state[rows] == 0) & (np.outer(sides[rows], facing) > 0)
        i, j = np.nonzero(loose)
        state[rows[i], j] = -np.finfo(np.float64).tiny
        return len(i)

    def curvature(self) -> float:
        """Local PL curvature at the current state."""
        return self._mu

    def curvature_bounds(self) -> tuple[float, float]:
        """Lower and upper bound of the local PL curvature at the current state.

        They are (2/n) min_i |x_i|^2 S_i, which leaves out the terms (s_j . r)^2 of the curvature, and
        (2/n) max_i |x_i|^2 (1/p) sum_j (a_j^2 + m_j) lambda_ji^2, which bounds them by Cauchy and Schwarz.
        Here S_i = (1/p) sum_j a_j^2 lambda_ji^2, and m_j is |w_j|^2 without the coordinates that cannot move.
        Where the output weights dominate, the upper bound is at most (4/n) max_i |x_i|^2 S_i.
        """
        n, p = self._data.n, len(self._a)
        lower, upper = self._weigh(self._a**2), self._weigh(self._a**2 + self._moving)
        squares = self._norms**2
        return 2 / (n * p) * float(np.min(squares * lower)), 2 / (n * p) * float(np.max(squares * upper))

    def _weigh(self, weights: FloatArray) -> FloatArray:
        sums = np.empty(self._data.n)
        self._kernels.weigh(self._state, self._leak, weights, sums)
        return sums

    def modes(self) -> ModeArray:
        """Modes (p, n): 1 active, -1 inactive; a pair held at 0 is inactive."""
        return np.where(self._state.T > 0, np.int8(1), np.int8(-1))

    def moved(self) -> FloatArray:
        """Displacement of the hidden weights since the start, in the form `Snapshots` stores."""
        u0 = self._initial()
        if self._slope:
            change = np.where(self._state > 0, self._state, self._slope * self._state) - u0
        else:
            change = self._state - u0
            # A pair that fell to 0 is put below it by the rounding of the move: read again, it is off.
            rounding = 8 * EPS * math.sqrt(self._row_length()) * np.sqrt(self._fixed + self._moving + (u0**2).sum(0))
            change -= np.where((self._state <= 0) & (u0 > 0), rounding, 0.0)
        impulses = np.ascontiguousarray((change / self._norms[:, None]).T)
        return impulses if self._data.d > self._data.n else np.asarray(impulses @ self._data.X)

    def output_weights(self) -> FloatArray:
        """Output weights a (p,), a copy."""
        return self._a.copy()

    def network(self) -> ShallowNetwork:
        """The network of the current state, with the invariant of the start."""
        return rebuild(self._start, self._data, self.moved(), self._a)

    def audit(self) -> Audit:
        """Checks of the run so far."""
        final = self.network()
        squares = np.einsum("jk,jk->j", final.W, final.W)
        size = np.maximum(self._a**2 + squares, np.finfo(np.float64).tiny)
        drift = np.abs(self._a**2 - squares - self._start.invariant) / size
        fall = math.log(self._start_loss / self.loss) if self.loss > 0 else math.inf
        return Audit(
            invariant_drift=float(drift.max()),
            energy_error=abs(self._energy - fall) / fall if 0 < fall < math.inf else 0.0,
            largest_loss_increase=self._increase,
            local_error=math.sqrt(self._errors / self.steps) if self.steps else 0.0,
            tangential_distance=math.inf,  # no kink of orthogonal inputs is concave
            output_weight_error=float(np.max(np.abs(self._a - self._integrated) / np.sqrt(size))),
            nonunique_pairs=self.nonunique,
        )

    def _initial(self) -> FloatArray:
        """Coordinates u_ji at the start, (n, p); computed when wanted, to keep one large array less."""
        return np.ascontiguousarray((self._start.preactivations(self._data.X) / self._norms).T)

    def _outside(self, u: FloatArray) -> FloatArray:
        """|w_j|^2 outside the span of the inputs, one neuron at a time: d may be large."""
        X, scaled = self._data.X, u / self._norms[:, None]
        rests = (w - X.T @ scaled[:, j] for j, w in enumerate(self._start.W))
        return np.array([float(rest @ rest) for rest in rests])

    def _row_length(self) -> int:
        X = self._data.X
        return int(np.diff(X.indptr).max()) if self._data.is_sparse else X.shape[1]
