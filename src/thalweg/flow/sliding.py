"""The exact flow of a shallow ReLU network: macro steps with exact events inside.

One macro step of length H from t0, tau = (t - t0)/H:

1. Velocities w', a', z' and r' at t0, exact under today's modes, the sliding forces included.
2. The forces g_ji = a_j r_i / n are continued linearly in tau. Given them, neurons decouple, and `events` carries
   each of them through its events exactly.
3. New preactivations give new residuals. What the linear continuation missed is known now: its impulse on the
   hidden weights, a third of the miss at the end (exact for a quadratic miss), is made up for in the next step, by
   forces in which sliding and events are resolved like in all others. This raises the order from two to three at
   no cost, and the state at a node is behind by that impulse only.

The miss is also the error estimate, and a step that raises the loss is refused. There is no history: a flow
stopped and started again is the same flow. Four matrix products per step.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import ModuleType

import numpy as np

from .._typing import FloatArray, IntArray, ModeArray
from ..data.dataset import Dataset
from ..networks.shallow import ShallowNetwork
from .audit import Audit
from .coordinates import Coordinates
from .kinks import Kinks
from .trajectory import rebuild

EPS = float(np.finfo(np.float64).eps)
# The last step before an output time is short, this share of the one before: a node is behind by the impulse its step
# missed, which falls with the square of the step.
SHORT = 0.1
# A sliding neuron has reached w = 0 if |w| is at most this share of |a|.
VERTEX = 1e-12
# Memory for the inverses of K_SS kept from step to step, in numbers.
ROOM = 8_000_000


def allowed_miss(rtol: float) -> float:
    """Return how far a step may miss the residuals, relative to their norm.

    The order of the scheme turns a miss into an error of its power 3/2. From rtol 1e-3 to 1e-6 the miss is kept lower
    than that asks for: a path that errs by more than about 1e-5 takes wrong branches at near-tangential hits.
    """
    return min(0.4 * rtol ** (2 / 3), max(4e-3 * rtol ** (1 / 3), 0.4 * rtol))


def load_kernels(kernel: str) -> ModuleType:
    """Return the module of sweeps: compiled, or the NumPy twin."""
    if kernel == "numpy":
        from . import sweeps_numpy

        return sweeps_numpy
    from . import sweeps

    return sweeps


@dataclass(frozen=True, eq=False)
class SlidingSets:
    """The sliding kinks of every neuron, and the inverse of their Gram matrix, kept from step to step.

    sizes (p, 2) holds their number, or -1 where they are to be found afresh, and the changes since that was done.
    """

    members: IntArray
    inverse: FloatArray
    sizes: IntArray

    @classmethod
    def empty(cls, p: int, largest: int) -> SlidingSets:
        largest = max(1, min(largest, math.isqrt(ROOM // p)))
        return cls(
            np.zeros((p, largest), np.int64), np.zeros((p, largest, largest)), np.full((p, 2), (-1, 0), np.int64)
        )

    @property
    def arrays(self) -> tuple[IntArray, FloatArray, IntArray]:
        return self.members, self.inverse, self.sizes


class SlidingEngine:
    """Exact flow for any inputs; see the module. Follows the `Engine` protocol."""

    name = "sliding"

    def __init__(
        self, network: ShallowNetwork, data: Dataset, *, rtol: float, kernel: str = "numba", threads: int = 1
    ) -> None:
        self._start, self._data = network, data
        self._allowed_miss = allowed_miss(rtol)
        self._coordinates = Coordinates.of(data)
        self._kinks = Kinks.of(self._coordinates, network.slope)
        self._basis, self._norms = self._kinks.basis, self._kinks.norms
        self._kernels = load_kernels(kernel)
        threads = min(threads, network.p)
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self._chunks = [(k * network.p // threads, (k + 1) * network.p // threads) for k in range(threads)]
        p, m = network.p, self._coordinates.dimension

        self._u = self._coordinates.reduce(network.W)
        self._u0 = self._u.copy()
        squares = np.einsum("jk,jk->j", self._u, self._u)
        # a^2 - |u|^2 of the coordinates; the part of w outside the span of the inputs adds a constant.
        outside = np.einsum("jk,jk->j", network.W, network.W) - squares if m < network.d else np.zeros(p)
        self._invariant = network.invariant + np.maximum(outside, 0.0)
        self._invariant[np.abs(self._invariant) <= 4 * EPS * squares] = 0.0
        # Where it is not negative the sign of a is constant and a follows from |u|; elsewhere a may change sign:
        # it is integrated, and |u| follows from it.
        self._free = self._invariant < 0.0
        self._any_free = bool(self._free.any())
        self._sign = np.sign(network.a)
        self._a = network.a.copy()
        self._a_integrated = network.a.copy()

        self._z = self._u @ self._basis.T
        at_kink = np.abs(self._z) <= 8 * EPS * math.sqrt(m) * np.outer(np.sqrt(squares), self._norms)
        self._z[at_kink] = 0.0
        self._modes = np.where(at_kink, 0, np.sign(self._z)).astype(np.int8)
        self._sets = SlidingSets.empty(p, min(m, len(self._norms)))
        self._next_sets = SlidingSets.empty(p, min(m, len(self._norms)))

        self.t, self.events, self.steps = 0.0, 0, 0
        self.residuals = self._residuals_of(self._z, self._a)
        self.loss = float(self.residuals @ self.residuals) / (2 * data.n)
        self._label_scale = self._scale_of(self.residuals)
        self._reach = math.sqrt(self._coordinates.extreme_eigenvalues[1] / data.n)
        self._tally = np.zeros((p, 3), np.int64)
        self._tangential = np.full(p, math.inf)
        # Written anew in every step.
        self._work, self._velocity = np.empty_like(self._z), np.empty_like(self._z)
        self._drive, self._speed, self._a_turn = np.empty_like(self._u), np.empty_like(self._u), np.empty(p)
        self._spare = np.empty_like(self._modes), np.empty_like(self._u), np.empty_like(self._z)
        # What the last step missed, as factors of forces.
        self._missed_left, self._missed_right = np.zeros((3, p)), np.zeros((2, 3, len(self._norms)))
        self._energy, self._errors, self._largest_increase = 0.0, 0.0, 0.0
        self._start_loss = self.loss
        self._right = self._kinks.sides(self.residuals)
        self._look(self._output_speeds(self._z, self._right))
        pace = float(np.linalg.norm(self._r_speed) / max(np.linalg.norm(self.residuals), 1e-300))
        pace = max(pace, float(np.max(np.abs(self._a_speed) / self._sizes(self._a))))
        self._taken = 0.0
        self._first_step = self._next_step = math.sqrt(rtol) / pace if pace > 0 else math.inf

    # The Engine protocol

    def step(self, limit: float) -> bool:
        smallest = 64 * EPS * max(self.t, self._first_step)
        if self._at_rest:
            self.t, self.steps = limit, self.steps + 1
            return True
        if self._degenerate:  # the modes at this state could not be settled: no velocity to go on with
            return False
        step, previous, mending = self._next_step, self._taken, True
        while True:
            left = limit - self.t
            taken = min(step, left)
            short = SHORT * max(taken, previous)
            landing = left <= 2.0 * short
            if landing:
                taken = left
            elif step > 0.6 * left:  # never leave a sliver but the short last step
                taken = left - short if step >= left - short else 0.5 * left
            # Spread over a much shorter step, the impulse made up for would drown the flow itself.
            mending = mending and taken >= 0.5 * SHORT * self._taken
            accepted, factor, sound = self._attempt(taken, limit if landing else self.t + taken, mending)
            if accepted:
                self._taken = taken
                self._next_step = max(step, taken * factor) if factor > 1 else taken * factor
                return True
            step, previous, mending = taken * factor, 0.0, mending and sound
            if step < smallest:
                return False

    def curvature(self) -> float:
        return self._fall / self.loss if self.loss > 0 else 0.0

    def curvature_bounds(self) -> tuple[float, float]:
        from ..curvature.local import bounds

        squares = np.einsum("jk,jk->j", self._u, self._u)
        return bounds(self._coordinates, self.modes(), self._a, squares, self._kinks.slope)

    def modes(self) -> ModeArray:
        return self._kinks.modes(self._modes)

    def moved(self) -> FloatArray:
        return self._coordinates.moved(self._u - self._u0)

    def output_weights(self) -> FloatArray:
        return self._a.copy()

    def network(self) -> ShallowNetwork:
        return rebuild(self._start, self._data, self.moved(), self._a)

    def audit(self) -> Audit:
        squares = np.einsum("jk,jk->j", self._u, self._u)
        scale = self._a**2 + squares
        drift = np.abs(self._a**2 - squares - self._invariant) / np.where(scale > 0, scale, 1.0)
        fall = math.log(self._start_loss / self.loss) if 0 < self.loss < self._start_loss else 0.0
        largest = float(np.abs(self._a).max())
        return Audit(
            invariant_drift=float(drift.max()),
            energy_error=float(abs(self._energy - fall) / fall) if fall else 0.0,
            largest_loss_increase=self._largest_increase,
            local_error=math.sqrt(self._errors / max(self.steps, 1)),
            tangential_distance=float(self._tangential.min()),
            output_weight_error=float(np.abs(self._a_integrated - self._a).max()) / largest if largest else 0.0,
        )

    # One macro step

    def _look(self, a_speed: FloatArray) -> None:
        """Settle the modes at the present state and find all its velocities."""
        n, right = len(self.residuals), self._right
        self._a_speed, speed = a_speed, self._speed
        self._share(
            self._kernels.look, self._basis, self._norms, self._modes, self._z, self._a[None, None] / n,
            right[None, :, None], self._work, self._drive, speed, self._velocity, *self._sets.arrays, self._tally,
        )  # fmt: skip
        self._degenerate = bool(self._tally[:, 0].any())
        self.events += int(self._tally[:, 1].sum())
        sums = np.zeros_like(right)
        self._kernels.sum_speeds(0, len(a_speed), self._modes, self._velocity, self._z, self._a, a_speed, sums)
        self._r_speed = self._kinks.outputs(sums) / -len(a_speed)
        self._right_speed = self._kinks.sides(self._r_speed)
        self._kernels.correlate_speeds(
            0, len(a_speed), self._modes, self._velocity, self._z, right, self._right_speed, n, self._a_turn
        )
        self._fall = float(np.vdot(speed, speed) + a_speed @ a_speed) / len(a_speed)
        # Slower than the rounding of the residuals alone could move it: the flow is over.
        size = float(self._a @ self._a + np.vdot(self._u, self._u)) / len(a_speed)
        self._fastest = size * self._reach**2  # no residual decays faster
        self._at_rest = self._fall <= size * (16 * EPS * self._label_scale * self._reach) ** 2

    def _attempt(self, step: float, arrival: float, mending: bool) -> tuple[bool, float, bool]:
        """Try one macro step, making up for the last miss or not.

        Returns whether it was accepted, the factor for the next step size, and whether a refusal was for the size of
        the miss alone.
        """
        n, p = len(self.residuals), len(self._a)
        # Factors of the forces: g = left[0] right[0] + tau left[1] right[1], the missed ones last.
        count = 5 if mending else 2
        left, right = np.zeros((2, count, p)), np.zeros((2, 2, count, len(self._norms)))
        left[:, 0], right[0, :, 0], right[1, :, 0] = step / n * self._a, self._right, step * self._right_speed
        left[1, 1], right[1, :, 1] = step * step / n * self._a_speed, self._right
        if mending:
            left[1, 2:], right[1, :, 2:] = self._missed_left, self._missed_right
        modes, u, z = self._spare
        tangential = self._tangential.copy()
        if not self._share(
            self._kernels.carry, step, self._basis, self._norms, self._modes, modes, self._z, self._velocity, left,
            right, self._work, self._drive, self._u, u, z, *self._sets.arrays, *self._next_sets.arrays, self._tally,
            tangential,
        ):  # fmt: skip
            return False, 0.5, False
        a, a_change, residuals, sides, a_speed = self._close(step, u, z)
        loss = float(residuals @ residuals) / (2 * n)
        missed = residuals - self.residuals - step * self._r_speed
        miss, size = math.sqrt(missed @ missed), math.sqrt(2 * n * self.loss)
        # Residuals are only known to rounding. Beside the tolerance, in steps long enough to be unstable, the miss may
        # be half of the predicted change: else residuals that are small beside stuck ones would never decay.
        allowed = self._allowed_miss * size
        if step * self._fastest > 1.0:
            allowed = min(allowed, 0.5 * step * math.sqrt(self._r_speed @ self._r_speed))
        rounding = 8 * EPS * self._label_scale * math.sqrt(n)
        # Small weights grow exponentially while the residuals hardly move: they are watched relative to their own size.
        weights_miss = float(np.max(np.abs(a - self._a - step * self._a_speed) / self._sizes(a)))
        error = max(miss / (allowed + rounding), weights_miss / self._allowed_miss)
        if not (math.isfinite(error) and math.isfinite(loss)):
            return False, 0.25, False
        factor = min(2.0, max(0.2, 0.9 / math.sqrt(max(error, 1e-10))))
        rounding_of_loss = 8 * EPS * (self.loss + self._label_scale * math.sqrt(2 * self.loss))
        falls = loss <= self.loss + rounding_of_loss
        if error > 1.0 or not falls:
            return False, min(factor, 0.7), falls

        # The miss of a r at the end of the step; 2/3 of it times tau has the impulse that was missed.
        share = 2.0 * step / (3.0 * n)
        left, right = self._missed_left, self._missed_right
        left[0], left[1], left[2] = share * a, -share * self._a, -share * step * self._a_speed
        right[:, 0], right[:, 1], right[:, 2] = sides, self._right + step * self._right_speed, self._right
        self._errors += (max(miss - rounding, 0.0) / size) ** 3
        self._largest_increase = max(self._largest_increase, (loss - self.loss - rounding_of_loss) / self.loss)
        before = self.curvature()
        self._rest_at_vertices(u, z, a, modes)
        self._spare = self._modes, self._u, self._z
        self._u, self._z, self._a, self._modes = u, z, a, modes
        self._sets, self._next_sets = self._next_sets, self._sets
        # At rest the loss is constant but for its rounding.
        self.t, self.residuals, self._right, self.loss = arrival, residuals, sides, min(loss, self.loss)
        self._label_scale = self._scale_of(residuals)
        self._a_integrated = self._a_integrated + a_change
        self._tangential = tangential
        self.events += int(self._tally[:, 1].sum())
        self.steps += 1
        self._look(a_speed)
        self._energy += 0.5 * step * (before + self.curvature())
        return True, factor, True

    def _close(
        self, step: float, u: FloatArray, z: FloatArray
    ) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
        """Find the end of a step: output weights, their change integrated on its own, residuals, their sides, a'.

        u and z are stretched where |u| follows from the output weight.
        """
        squares = np.einsum("jk,jk->j", u, u)
        a = self._sign * np.sqrt(np.maximum(self._invariant + squares, 0.0))
        free = self._free
        if self._any_free:
            a[free] = (self._a + step * self._a_speed)[free]
        residuals = self._residuals_of(z, a)
        sides = self._kinks.sides(residuals)
        a_speed = self._output_speeds(z, sides)
        # The cubic through a', a'' at the start and a' at the end.
        change = step * (2.0 * self._a_speed + a_speed) / 3.0 + step**2 * self._a_turn / 6.0
        if self._any_free:
            a[free] = (self._a + change)[free]
            stretch = np.sqrt((a[free] ** 2 - self._invariant[free]) / squares[free])
            u[free] *= stretch[:, None]
            z[free] *= stretch[:, None]
            residuals = self._residuals_of(z, a)
            sides = self._kinks.sides(residuals)
            a_speed = self._output_speeds(z, sides)
        return a, change, residuals, sides, a_speed

    def _rest_at_vertices(self, u: FloatArray, z: FloatArray, a: FloatArray, modes: ModeArray) -> None:
        """Put to rest ReLU neurons that slid along a ray into w = 0, where all their kinks meet.

        Rest is a solution there (all multipliers 0); no velocity follows from the few forces of a slide. Where opposite
        inputs share a kink, one of them pulls on either side: such kinks go on sliding.
        """
        if self._kinks.slope:
            return
        near = np.einsum("jk,jk->j", u, u) <= (VERTEX * a) ** 2
        for j in np.flatnonzero(near):
            if np.count_nonzero(modes[j] == 0) >= max(1, u.shape[1] - 1):
                u[j], z[j], modes[j] = 0.0, 0.0, np.where(self._kinks.opposed, 0, -1)
                self._next_sets.sizes[j] = -1, 0

    # Small pieces

    def _share(self, kernel: Callable[..., bool | None], *arguments: object) -> bool:
        """Run a kernel over all neurons, on the threads if there are several; False if a part of it fails."""
        if self._pool is None:
            return kernel(0, len(self._a), *arguments) is not False
        parts = [self._pool.submit(kernel, *chunk, *arguments) for chunk in self._chunks]
        answers = [part.result() for part in parts]  # wait for every part
        return False not in answers

    def _scale_of(self, residuals: FloatArray) -> float:
        """Size of labels and outputs: what the rounding of residuals is relative to."""
        return float(2 * np.abs(self._data.y).max() + np.abs(residuals).max())

    def _sizes(self, a: FloatArray) -> FloatArray:
        """Return max(|a_j|, |w_j|), the larger of now and before."""
        return np.sqrt(np.maximum(a * a, self._a * self._a) + np.maximum(-self._invariant, 1e-300))

    def _residuals_of(self, z: FloatArray, a: FloatArray) -> FloatArray:
        sums = np.zeros((2, z.shape[1]))
        self._kernels.sums(0, len(a), z, a, sums)
        return self._data.y - self._kinks.outputs(sums) / len(a)

    def _output_speeds(self, z: FloatArray, sides: FloatArray) -> FloatArray:
        out = np.empty(len(z))
        self._kernels.correlate(0, len(z), z, sides, self._data.n, out)
        return out
