"""Trajectories for the tests of pictures and files, made without the engine: a short explicit Euler run."""

import numpy as np
import pytest

import thalweg as tw
from thalweg.flow.trajectory import Snapshots


def euler_trajectory(data, network, t_end=6.0, steps=600, outputs=31):
    """Step d theta/dt = -p grad L explicitly; z > 0 is active, z < 0 inactive, z = 0 called sliding.

    Where the true flow slides, the steps chatter and the curvature is overstated.
    """
    X = data.X.toarray() if data.is_sparse else data.X
    W, a = network.W.copy(), network.a.copy()
    impulses = np.zeros((network.p, data.n))
    every = steps // (outputs - 1)
    rows = {name: [] for name in ("t", "loss", "curvature", "residuals", "modes", "moved", "a")}
    h = t_end / steps
    for k in range(steps + 1):
        z = W @ X.T
        r = data.y - a @ np.maximum(z, 0) / network.p
        push = a[:, None] * (z > 0) * r / data.n
        da = np.maximum(z, 0) @ r / data.n
        loss = r @ r / (2 * data.n)
        if k % every == 0:
            speed = (np.sum((push @ X) ** 2) + np.sum(da**2)) / network.p
            moved = impulses if data.d > data.n else impulses @ X
            values = (k * h, loss, speed / loss, r, np.sign(z).astype(np.int8), moved.copy(), a.copy())
            for name, value in zip(rows, values, strict=True):
                rows[name].append(value)
        if k < steps:
            W, a, impulses = W + h * push @ X, a + h * da, impulses + h * push
    series = {name: np.array(value) for name, value in rows.items()}
    modes, count = series["modes"], len(series["t"])
    snapshots = Snapshots(network, data, np.arange(count), series["moved"], series["a"], modes)
    flips = np.concatenate([[0], (modes[1:] != modes[:-1]).sum(axis=(1, 2))])
    return tw.Trajectory(
        t=series["t"],
        loss=series["loss"],
        curvature=series["curvature"],
        curvature_lower=0.5 * series["curvature"],
        curvature_upper=2.0 * series["curvature"],
        residuals=series["residuals"],
        active=(modes == 1).sum(axis=(1, 2)),
        inactive=(modes == -1).sum(axis=(1, 2)),
        sliding=(modes == 0).sum(axis=(1, 2)),
        events=flips,
        steps=np.full(count, every),
        networks=snapshots,
        # The invariant drifts under Euler; Snapshots would refuse one that does not fit.
        final=tw.ShallowNetwork(W, a),
        outcome=tw.Outcome.REACHED_END,
        audit=tw.Audit(1e-12, 2e-4, 0.0, 1e-7, np.inf, 1e-6),
        data=data,
        settings={"method": "euler", "t_end": t_end, "rtol": 0.1 + 0.2, "kernel": None},
    )


@pytest.fixture(scope="session")
def traj():
    """More inputs than samples."""
    return euler_trajectory(tw.data.sphere(12, 30, seed=1), tw.init.dominated(30, 9, seed=2))


@pytest.fixture(scope="session")
def sparse_traj():
    """Sparse orthogonal inputs, which never slide."""
    network = tw.init.dominated(20, 5, seed=4)
    return euler_trajectory(tw.data.orthogonal(20, seed=3), network)
