"""What the exact flow is measured against: general integrators of the same equations, in double precision.

All of them integrate the weights, in the coordinates in which they are cheapest: with d > n the inputs are replaced
by the n x n factor of their LQ decomposition, outside the clock. One evaluation costs two matrix products. Compilation
is outside the clock too.

Every peer is a function of a problem and of a cap in seconds that returns a `Peer`; a run that would take longer than
the cap is given up.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

TOLERANCES = (1e-2, 3e-3, 1e-3, 3e-4, 1e-4, 3e-5, 1e-5, 3e-6, 1e-6, 1e-7, 1e-8)


@dataclass(frozen=True, eq=False)
class Problem:
    """Flow from hidden weights U (p, m) and output weights a (p,) for inputs B (n, m) and labels y (n,)."""

    B: np.ndarray
    y: np.ndarray
    U: np.ndarray
    a: np.ndarray
    t_end: float

    @classmethod
    def of(cls, data, network, t_end):
        if data.d <= data.n:
            return cls(np.ascontiguousarray(data.X), data.y, network.W, network.a, t_end)
        orthonormal, triangle = np.linalg.qr(data.X.T)
        return cls(np.ascontiguousarray(triangle.T), data.y, network.W @ orthonormal, network.a, t_end)

    @property
    def shape(self):
        """(p, n, m)."""
        return len(self.a), *self.B.shape

    @property
    def start(self):
        """All weights as one vector."""
        return np.concatenate([self.U.ravel(), self.a])

    @property
    def typical(self):
        """Root mean square of the weights, by which absolute tolerances are scaled."""
        return float(np.sqrt(np.mean(self.start**2)))

    def split(self, state):
        """U and a as views of one vector."""
        return state[: self.U.size].reshape(self.U.shape), state[self.U.size :]


@dataclass(frozen=True, eq=False)
class End:
    """Preactivations z (p, n) and output weights a (p,) at the end, None if the run was given up, and its cost."""

    z: np.ndarray | None
    a: np.ndarray | None
    products: int


@dataclass(frozen=True, eq=False)
class Peer:
    """An integrator ready to run at its settings, which are step sizes or tolerances, from loose to tight."""

    name: str
    symbol: str
    settings: tuple[float, ...]
    solve: Callable[[float], End]


class OutOfTime(Exception):
    """Raised from within an integrator that would exceed the cap."""


class Meter:
    """Count evaluations, and end the run when its time is up."""

    def __init__(self, cap):
        self.evaluations, self.deadline = 0, time.perf_counter() + cap

    def tick(self):
        self.evaluations += 1
        if time.perf_counter() > self.deadline:
            raise OutOfTime


# Explicit Euler


def _euler_on_weights(problem, step, count):
    """`count` steps with the weights as state: two matrix products and a few passes over z each."""
    B, y, t = problem.B, problem.y, np.ascontiguousarray(problem.B.T)
    p, n, _ = problem.shape
    U, a = problem.U.copy(), problem.a.copy()
    z, push, change = np.empty((p, n)), np.empty((p, n)), np.empty_like(U)
    for _ in range(count):
        np.matmul(U, t, out=z)
        np.maximum(z, 0.0, out=z)
        r = y - (a @ z) / p
        np.multiply(np.sign(z, out=push), r, out=push)
        np.matmul(push, B, out=change)
        change *= (step / n * a)[:, None]
        U += change
        a += step / n * (z @ r)
    return U @ t, a


def _euler_on_preactivations(problem, step, count):
    """`count` steps with z as state: one matrix product, n instead of 2 m wide."""
    K, y = problem.B @ problem.B.T, problem.y
    p, n, _ = problem.shape
    z, a = problem.U @ problem.B.T, problem.a.copy()
    positive, push, change = np.empty((p, n)), np.empty((p, n)), np.empty((p, n))
    for _ in range(count):
        np.maximum(z, 0.0, out=positive)
        r = y - (a @ positive) / p
        np.multiply(np.sign(positive, out=push), r, out=push)
        np.matmul(push, K, out=change)
        change *= (step / n * a)[:, None]
        a += step / n * (positive @ r)
        z += change
    return z, a


def _euler(problem, cap, *, name, march, products):
    """Step sizes are powers of 1/4, and the two smallest that the cap allows, a factor of 2 apart."""
    march(problem, 1e-9, 200)
    begun = time.perf_counter()
    march(problem, 1e-9, 1000)
    pace = (time.perf_counter() - begun) / 1000
    last = max(2, int(np.log2(cap / (pace * problem.t_end))))
    exponents = sorted({*range(0, last, 2), last - 1, last})

    def solve(step):
        count = round(problem.t_end / step)
        return End(*march(problem, problem.t_end / count, count), products * count)

    return Peer(name, "h", tuple(0.5**k for k in exponents), solve)


# SciPy


def _scipy(problem, cap, *, method):
    from scipy.integrate import solve_ivp

    B, y, t = problem.B, problem.y, np.ascontiguousarray(problem.B.T)
    p, n, _ = problem.shape

    def solve(rtol):
        meter = Meter(cap)

        def speed(_, state):
            meter.tick()
            U, a = problem.split(state)
            z = U @ t
            np.maximum(z, 0.0, out=z)
            r = y - (a @ z) / p
            out = np.empty_like(state)
            dU, da = problem.split(out)
            np.matmul(np.sign(z) * r, B, out=dU)
            dU *= (a / n)[:, None]
            np.divide(z @ r, n, out=da)
            return out

        span, atol = (0.0, problem.t_end), rtol * problem.typical
        try:
            found = solve_ivp(speed, span, problem.start, method, (problem.t_end,), rtol=rtol, atol=atol)
        except OutOfTime:
            return End(None, None, 2 * meter.evaluations)
        if not found.success:
            return End(None, None, 2 * meter.evaluations)
        U, a = problem.split(found.y[:, -1])
        return End(U @ t, a, 2 * meter.evaluations)

    return Peer(f"SciPy {method}", "rtol", TOLERANCES, solve)


# torchdiffeq


def _torchdiffeq(problem, cap, *, method):
    import torch
    from torchdiffeq import odeint

    torch.set_num_threads(1)
    B, y = torch.from_numpy(problem.B), torch.from_numpy(problem.y)
    t = B.T.contiguous()
    p, n, _ = problem.shape

    def solve(rtol):
        meter = Meter(cap)

        def speed(_, state):
            meter.tick()
            U, a = problem.split(state)
            z = torch.relu(U @ t)
            r = y - (a @ z) / p
            dU = (torch.sign(z) * r) @ B * (a / n)[:, None]
            return torch.cat([dU.reshape(-1), (z @ r) / n])

        span = torch.tensor([0.0, problem.t_end], dtype=torch.float64)
        try:
            with torch.no_grad():
                states = odeint(
                    speed, torch.from_numpy(problem.start), span, rtol=rtol, atol=rtol * problem.typical, method=method
                )
        except (OutOfTime, AssertionError):  # its assertion says that the step size underflowed
            return End(None, None, 2 * meter.evaluations)
        U, a = problem.split(states[-1].numpy())
        return End(U @ problem.B.T, a, 2 * meter.evaluations)

    return Peer(f"torchdiffeq {method}", "rtol", TOLERANCES, solve)


# diffrax


def _diffrax(problem, cap, *, method, evaluations):
    import diffrax
    import jax
    import jax.numpy as jnp

    B, y = jnp.asarray(problem.B), jnp.asarray(problem.y)
    p, n, _ = problem.shape
    start = (jnp.asarray(problem.U), jnp.asarray(problem.a))

    def speed(_, state, __):
        U, a = state
        z = jnp.maximum(U @ B.T, 0.0)
        r = y - (a @ z) / p
        return (jnp.sign(z) * r) @ B * (a / n)[:, None], (z @ r) / n

    def integrate(state, rtol, max_steps):
        found = diffrax.diffeqsolve(
            diffrax.ODETerm(speed),
            getattr(diffrax, method)(),
            0.0,
            problem.t_end,
            None,
            state,
            saveat=diffrax.SaveAt(t1=True),
            stepsize_controller=diffrax.PIDController(rtol=rtol, atol=rtol * problem.typical),
            max_steps=max_steps,
            throw=False,
        )
        U, a = found.ys
        return U[-1], a[-1], found.stats["num_steps"], found.result == diffrax.RESULTS.successful

    def compiled(max_steps):
        return jax.jit(partial(integrate, max_steps=max_steps)).lower(start, 0.1).compile()

    # It cannot be interrupted: the cap becomes a number of steps.
    trial = compiled(1000)
    jax.block_until_ready(trial(start, 1e-9))
    begun = time.perf_counter()
    taken = int(trial(start, 1e-9)[2])
    pace = (time.perf_counter() - begun) / taken
    run = compiled(int(cap / pace))

    def solve(rtol):
        U, a, steps, finished = run(start, rtol)
        products = 2 * evaluations * int(steps)
        return End(np.asarray(U) @ problem.B.T, np.asarray(a), products) if finished else End(None, None, products)

    return Peer(f"diffrax {method}", "rtol", TOLERANCES, solve)


PEERS = {
    "Euler": partial(_euler, name="Euler", march=_euler_on_weights, products=2),
    "Euler on z": partial(_euler, name="Euler on z", march=_euler_on_preactivations, products=1),
    "SciPy RK23": partial(_scipy, method="RK23"),
    "SciPy RK45": partial(_scipy, method="RK45"),
    "SciPy LSODA": partial(_scipy, method="LSODA"),
    "diffrax Heun": partial(_diffrax, method="Heun", evaluations=2),
    "diffrax Tsit5": partial(_diffrax, method="Tsit5", evaluations=6),
    "diffrax Dopri5": partial(_diffrax, method="Dopri5", evaluations=6),
    "torchdiffeq bosh3": partial(_torchdiffeq, method="bosh3"),
    "torchdiffeq dopri5": partial(_torchdiffeq, method="dopri5"),
}
