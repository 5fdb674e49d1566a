"""General solvers beside the exact path of one sliding pair: how they chatter, and what they make of the curvature.

They know nothing of kinks: where a pair slides they jump across its kink at every step, and the curvature
p |grad L|^2/L of automatic differentiation counts the pair as active whenever they are on the upper side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._typing import FloatArray
from ..flow import flow
from ..flow.trajectory import Trajectory
from .base import Table
from .interruption import whole

# Steps after which RK23 gives up.
PATIENCE = 3000


@dataclass(frozen=True, eq=False)
class Plain:
    """A problem as a general solver sees it, in preactivations z (p, n) and output weights a (p,).

    z' = (a/n) (1[z > 0] r) K and a' = relu(z) r/n with r = y - a relu(z)/p and K = X X^T: gradient descent with the
    derivative 0 at the kink.
    """

    K: FloatArray
    y: FloatArray

    def speed(self, z: FloatArray, a: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return (z', a')."""
        outputs, n = np.maximum(z, 0.0), len(self.y)
        r = self.y - a @ outputs / len(a)
        return (a / n)[:, None] * (((z > 0) * r) @ self.K), outputs @ r / n

    def reported(self, z: FloatArray, a: FloatArray) -> float:
        """Return p |grad L|^2/L as automatic differentiation has it, with the Heaviside function of z."""
        outputs, n, p = np.maximum(z, 0.0), len(self.y), len(a)
        r = self.y - a @ outputs / p
        q = (z > 0) * r
        pulls = a * a * np.einsum("ji,ji->j", q @ self.K, q) + (outputs @ r) ** 2
        return 2 / (n * p) * float(pulls.sum() / (r @ r))


def euler(problem: Plain, z: FloatArray, a: FloatArray, step: float, count: int) -> tuple[FloatArray, FloatArray]:
    """Return the states z (count + 1, p, n), a (count + 1, p) of explicit Euler."""
    zs, all_a = np.empty((count + 1, *z.shape)), np.empty((count + 1, *a.shape))
    zs[0], all_a[0] = z, a
    for k in range(count):
        dz, da = problem.speed(zs[k], all_a[k])
        zs[k + 1], all_a[k + 1] = zs[k] + step * dz, all_a[k] + step * da
    return zs, all_a


def runge_kutta(
    problem: Plain, z: FloatArray, a: FloatArray, t_end: float
) -> tuple[FloatArray, FloatArray, FloatArray, int]:
    """Return times, states and evaluations of SciPy's RK23 with its default tolerances, up to a number of steps."""
    from scipy.integrate import RK23

    def speed(_: float, state: FloatArray) -> FloatArray:
        dz, da = problem.speed(state[: z.size].reshape(z.shape), state[z.size :])
        return np.concatenate([dz.ravel(), da])

    solver = RK23(speed, 0.0, np.concatenate([z.ravel(), a]), t_end)
    times, states = [0.0], [solver.y]
    while solver.status == "running" and len(times) < PATIENCE:
        solver.step()
        times.append(float(solver.t))
        states.append(solver.y)
    found = np.array(states)
    return np.array(times), found[:, : z.size].reshape(-1, *z.shape), found[:, z.size :], solver.nfev


def sliding_pair(traj: Trajectory, z: FloatArray, before: int, after: int) -> tuple[int, int, int] | None:
    """Return a pair (j, i) that begins to slide at output time k and stays so for `after` more, with k >= `before`.

    Of all such pairs the one across whose kink another solver, with preactivations z (m, p, n), jumps most often in
    that time; z has a whole number of steps to an output interval. None without any.
    """
    slides = np.array([traj.networks.mode_map(k) == 0 for k in range(len(traj))])
    every = (len(z) - 1) // (len(traj) - 1)
    jumps = np.zeros(z.shape, dtype=np.int64)
    np.cumsum((z[1:] > 0) != (z[:-1] > 0), axis=0, out=jumps[1:])
    jumps = jumps[::every]
    most, found = 0, None
    for k in range(max(before, 1), len(traj) - after):
        begins = ~slides[k - 1] & slides[k : k + after + 1].all(axis=0)
        count = (jumps[k + after] - jumps[k]) * begins
        if count.max() > most:
            j, i = np.unravel_index(int(count.argmax()), count.shape)
            most, found = int(count.max()), (int(j), int(i), k)
    return found


def compare(
    traj: Trajectory, plain: Plain, pair: tuple[int, int], begin: int, step: float, z: FloatArray, a: FloatArray
) -> Table:
    """Follow one pair from an output time on: by the flow and by RK23 from there, and in Euler's own states z, a.

    Rows over the times of each solver: the pair's z, the curvature the solver has, and its work on the whole stretch:
    steps of the flow and of Euler, evaluations of RK23.
    """
    network, data = traj.networks[begin], traj.data
    j, i = pair
    times = step * np.arange(len(z))
    exact = whole(flow(network, data, t_end=float(times[-1]), times=times, progress=False))
    x: Any = data.X[i]
    slides = [exact.networks.mode_map(k)[j, i] == 0 for k in range(len(exact))]
    z_exact = np.where(slides, 0.0, [float(each.W[j] @ x) for each in exact.networks])
    curves = [("exact", times, z_exact, exact.curvature, int(exact.steps.sum()))]
    # At exactly 0 a sliding pair counts as inactive; left at its rounding it would be active in half of the cases.
    start = np.where(traj.networks.mode_map(begin) == 0, 0.0, network.preactivations(data.X)), network.a
    others = [("Euler", times, z, a, len(z) - 1)]
    others.append(("RK23", *runge_kutta(plain, *start, float(times[-1]))))
    for name, t, zs, all_a, work in others:
        reported = np.array([plain.reported(*state) for state in zip(zs, all_a, strict=True)])
        curves.append((name, t, zs[:, j, i], reported, work))
    parts = [
        {
            "solver": np.full(len(t), name),
            "t": traj.t[begin] + t,
            "z": z_pair,
            "curvature": mu,
            "work": np.full(len(t), work),
            "neuron": np.full(len(t), j),
            "sample": np.full(len(t), i),
        }
        for name, t, z_pair, mu, work in curves
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
