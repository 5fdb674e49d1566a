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
from types import ModuleType

import numpy as np

from .._typing import FloatArray, ModeArray
from ..data.dataset import Dataset
from ..networks.shallow import ShallowNetwork
from .audit import Audit
from .coordinates import Coordinates
from .trajectory import rebuild

EPS = float(np.finfo(np.float64).eps)
# The last step before an output time is short, this share of the one before: a node is behind by the impulse its step
# missed, which falls with the square of the step.
SHORT = 0.1


def allowed_miss(rtol: float) -> float:
    """Return how far a step may miss the residuals, relative to their norm.

    The order of the scheme turns a miss into an error of its power 3/2. At loose tolerances the miss is kept lower
    than that asks for: a path that errs by more than about 1e-5 takes wrong branches at near-tangential hits.
    """
    return min(0.4 * rtol ** (2 / 3), 4e-3 * rtol ** (1 / 3))


def load_kernels(kernel: str) -> ModuleType:
    """Return the module of sweeps: compiled, or the NumPy twin."""
    if kernel == "numpy":
        from . import sweeps_numpy

        return sweeps_numpy
    from . import sweeps

    return sweeps


class SlidingEngine:
    """Exact flow for any inputs; see the module. Follows the `Engine` protocol."""

    name = "sliding"

    def __init__(
        self, network: ShallowNetwork, data: Dataset, *, rtol: float, kernel: str = "numba", threads: int = 1
    ) -> None:
        self._start, self._data = network, data
        self._allowed_miss = allowed_miss(rtol)
        self._coordinates = Coordinates.of(data)
        self._kernels = load_kernels(kernel)
        threads = min(threads, network.p)
        self._pool = ThreadPoolExecutor(threads) if threads > 1 else None
        self._chunks = [(k * network.p // threads, (k + 1) * network.p // threads) for k in range(threads)]
        self._basis, self._norms, self._slope = self._coordinates.basis, data.norms, network.slope
        p, n, m = network.p, data.n, self._coordinates.dimension

        self._u = self._coordinates.reduce(network.W)
        self._u0 = self._u.copy()
        squares = np.einsum("jk,jk->j", self._u, self._u)
        # a^2 - |u|^2 of the coordinates; the part of w outside the span of the inputs adds a constant.
        outside = np.einsum("jk,jk->j", network.W, network.W) - squares if m < network.d else np.zeros(p)
        self._invariant = network.invariant + np.maximum(outside, 0.0)
        self._invariant[np.abs(self._invariant) <= 4 * EPS * squares] = 0.0
        # Where it is not negative the sign of a is constant and a follows from |u|; elsewhere a may change sign:
        # it is integrated, and |u| follows from it.
        self._follows = self._invariant >= 0.0
        self._sign = np.sign(network.a)
        self._a = network.a.copy()
        self._a_integrated = network.a.copy()

        self._z = self._u @ self._basis.T
        at_kink = np.abs(self._z) <= 8 * EPS * math.sqrt(m) * np.outer(np.sqrt(squares), self._norms)
        self._z[at_kink] = 0.0
        self._modes = np.where(at_kink, 0, np.sign(self._z)).astype(np.int8)

        self.t, self.events, self.steps = 0.0, 0, 0
        self.residuals = self._residuals_of(self._z, self._a)
        self.loss = _loss(self.residuals)
        self._label_scale = float(np.abs(data.y).max() + np.abs(data.y - self.residuals).max())
        self._tally = np.zeros((p, 3), np.int64)
        self._tangential = np.full(p, math.inf)
        self._work = np.empty((p, n))
        self._miss_left, self._miss_right = np.zeros((3, p)), np.zeros((3, n))
        self._energy, self._errors, self._largest_increase = 0.0, 0.0, 0.0
        self._start_loss = self.loss
        self._look()
        pace = float(np.linalg.norm(self._r_speed) / max(np.linalg.norm(self.residuals), 1e-300))
        self._taken = 0.0
        self._next_step = math.sqrt(rtol) / pace if pace > 0 else math.inf

    # The Engine protocol

    def step(self, limit: float) -> bool:
        smallest = 64 * EPS * max(self.t, 1e-3 * limit)
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

        return bounds(self._coordinates, self._modes, self._a, np.einsum("jk,jk->j", self._u, self._u), self._slope)

    def modes(self) -> ModeArray:
        return self._modes.copy()

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
            energy_error=abs(self._energy - fall) / fall if fall else 0.0,
            largest_loss_increase=self._largest_increase,
            local_error=math.sqrt(self._errors / max(self.steps, 1)),
            tangential_distance=float(self._tangential.min()),
            output_weight_error=float(np.abs(self._a_integrated - self._a).max()) / largest if largest else 0.0,
        )

    # One macro step

    def _look(self) -> None:
        """Settle the modes at the present state and find all its velocities."""
        p, n = self._z.shape
        left, right = self._a[None] / n, self.residuals[None]
        self._share(self._kernels.fill_forces, self._modes, left, right, self._slope, self._work)
        self._drive = self._work @ self._basis
        speed = np.empty_like(self._drive)
        self._share(
            self._kernels.settle, self._basis, self._norms, self._modes, self._z, left, right, self._slope,
            self._drive, speed, self._tally,
        )  # fmt: skip
        self.events += int(self._tally[:, 1].sum())
        self._velocity = speed @ self._basis.T
        self._a_speed = np.empty(p)
        self._share(self._kernels.correlate, self._z, self.residuals, self._slope, self._a_speed)
        output_speed = np.zeros(n)
        self._kernels.output_speeds(
            0, p, self._modes, self._velocity, self._z, self._a, self._a_speed, self._slope, output_speed
        )
        self._r_speed = -output_speed / p
        self._a_turn = np.empty(p)
        self._share(
            self._kernels.correlate_speeds, self._modes, self._velocity, self._z, self.residuals, self._r_speed,
            self._slope, self._a_turn,
        )  # fmt: skip
        self._fall = float(np.einsum("jk,jk->", speed, speed) + self._a_speed @ self._a_speed) / p

    def _attempt(self, step: float, arrival: float, mending: bool) -> tuple[bool, float, bool]:
        """Try one macro step, making up for the last miss or not.

        Returns whether it was accepted, the factor for the next step size, and whether a refusal was for the size of
        the miss alone.
        """
        p, n = self._z.shape
        # Factors of the forces: g = left[0] right[0] + tau left[1] right[1]; the last three make up for the miss.
        left, right = np.zeros((2, 5, p)), np.zeros((2, 5, n))
        left[0, 0], right[0, 0] = step * self._a / n, self.residuals
        left[1, 0], right[1, 0] = step * self._a / n, step * self._r_speed
        left[1, 1], right[1, 1] = step * step * self._a_speed / n, self.residuals
        if mending:
            left[1, 2:], right[1, 2:] = self._miss_left, self._miss_right
        drives = np.empty((2, *self._u.shape))
        drives[0] = step * self._drive
        self._share(self._kernels.fill_forces, self._modes, left[1], right[1], self._slope, self._work)
        np.matmul(self._work, self._basis, out=drives[1])
        reach = np.sqrt(np.einsum("jk,jk->j", self._u, self._u)) + EPS
        modes = np.empty_like(self._modes)
        asked = np.zeros((p, n), np.bool_)
        wanted = np.ones(p, np.bool_)
        shift = np.empty_like(self._u)
        tangential = self._tangential.copy()
        z = np.empty_like(self._z)
        while True:
            self._share(
                self._kernels.advance, step, self._basis, self._norms, self._modes, modes, self._z, self._velocity,
                asked, wanted, drives, left, right, self._slope, reach, shift, self._tally, tangential,
            )  # fmt: skip
            if self._tally[:, 0].any():
                return False, 0.5, False
            u = self._u + shift
            if wanted.all():
                np.matmul(u, self._basis.T, out=z)
            else:
                z[wanted] = u[wanted] @ self._basis.T
            if not self._kernels.inspect(0, p, modes, z, asked, wanted):
                break
        a, change, residuals = self._close(step, u, z)
        loss = _loss(residuals)
        miss = float(np.linalg.norm(residuals - self.residuals - step * self._r_speed))
        size = float(np.linalg.norm(self.residuals))
        # The residuals themselves are only known to rounding.
        error = miss / (self._allowed_miss * size + 8 * EPS * self._label_scale * math.sqrt(n))
        if not (math.isfinite(error) and math.isfinite(loss)):
            return False, 0.25, False
        factor = min(2.0, max(0.2, 0.9 / math.sqrt(max(error, 1e-10))))
        falls = loss <= self.loss + self._rounding_of_loss()
        if error > 1.0 or not falls:
            return False, min(factor, 0.7), falls
        self._errors += (miss / size) ** 3
        before = self.curvature()
        # The miss of a r at the end of the step; 2/3 of it times tau has the impulse that was missed.
        share = 2.0 * step / (3.0 * n)
        self._miss_left = share * np.stack((a, -self._a, -step * self._a_speed))
        self._miss_right = np.stack((residuals, self.residuals + step * self._r_speed, self.residuals))
        increase = loss - self.loss - self._rounding_of_loss()
        self._largest_increase = max(self._largest_increase, increase / self.loss)
        self._u, self._z, self._a, self._modes = u, z, a, modes
        # At rest the loss is constant but for its rounding.
        self.t, self.residuals, self.loss = arrival, residuals, min(loss, self.loss)
        self._a_integrated = self._a_integrated + change
        self._tangential = tangential
        self.events += int(self._tally[:, 1].sum())
        self.steps += 1
        self._look()
        self._energy += 0.5 * step * (before + self.curvature())
        return True, factor, True

    def _close(self, step: float, u: FloatArray, z: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Return output weights, their change integrated on its own, and residuals at the end of a step.

        u and z are stretched where |u| follows from the output weight.
        """
        squares = np.einsum("jk,jk->j", u, u)
        a = self._sign * np.sqrt(np.maximum(self._invariant + squares, 0.0))
        free = ~self._follows
        a[free] = (self._a + step * self._a_speed)[free]
        residuals = self._residuals_of(z, a)
        speed = np.empty(len(a))
        self._share(self._kernels.correlate, z, residuals, self._slope, speed)
        # The cubic through a', a'' at the start and a' at the end.
        change = step * (2.0 * self._a_speed + speed) / 3.0 + step**2 * self._a_turn / 6.0
        if free.any():
            a[free] = (self._a + change)[free]
            stretch = np.sqrt((a[free] ** 2 - self._invariant[free]) / squares[free])
            u[free] *= stretch[:, None]
            z[free] *= stretch[:, None]
            residuals = self._residuals_of(z, a)
        return a, change, residuals

    # Small pieces

    def _share(self, kernel: Callable[..., object], *arguments: object) -> None:
        """Run a kernel over all neurons, on the threads if there are several."""
        if self._pool is None:
            kernel(0, len(self._a), *arguments)
        else:
            for future in [self._pool.submit(kernel, *chunk, *arguments) for chunk in self._chunks]:
                future.result()

    def _rounding_of_loss(self) -> float:
        return 8 * EPS * (self.loss + self._label_scale * math.sqrt(2 * self.loss))

    def _residuals_of(self, z: FloatArray, a: FloatArray) -> FloatArray:
        out = np.zeros(z.shape[1])
        self._kernels.outputs(0, len(a), z, a, self._slope, out)
        return self._data.y - out / len(a)


def _loss(residuals: FloatArray) -> float:
    return float(residuals @ residuals) / (2 * len(residuals))
