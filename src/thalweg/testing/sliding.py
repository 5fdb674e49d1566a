"""Sliding, from its definition: multipliers within their range that keep every held pair at its kink."""

from __future__ import annotations

import numpy as np

from .._typing import FloatArray, ModeArray


def velocities(
    X: FloatArray, a: FloatArray, r: FloatArray, modes: ModeArray, slope: float
) -> tuple[FloatArray, FloatArray]:
    """Return the velocities of all hidden weights (p, d), and how fast held pairs leave their kinks (p, n).

    Of a neuron with held pairs H, the multipliers are the least-squares solution of <w', x_i> = 0, i in H, under
    slope <= lambda_i <= 1, found by a general solver. Speeds of pairs that leave are relative to the largest that any
    force gives; 0 where the slide is possible.
    """
    from scipy.optimize import lsq_linear

    n = len(r)
    gains = np.where(modes == 1, 1.0, np.where(modes == -1, slope, 0.0))
    speeds = a[:, None] / n * ((gains * r) @ X)
    leaving = np.zeros(modes.shape)
    for j in np.flatnonzero((modes == 0).any(axis=1)):
        held = np.flatnonzero(modes[j] == 0)
        normals = X[held]
        norms = np.linalg.norm(normals, axis=1)
        forces = (a[j] / n * r[held])[:, None] * normals
        scale = float(np.abs(a[j]) / n * np.linalg.norm(r) * np.linalg.norm(X, axis=1).max())
        if scale == 0.0:
            continue
        system, pull = normals @ forces.T / (norms[:, None] * scale), normals @ speeds[j] / (norms * scale)
        found = lsq_linear(system, -pull, (slope, 1.0), method="bvls", tol=1e-14, max_iter=100 * len(held))
        leaving[j, held] = np.abs(system @ found.x + pull)
        speeds[j] += found.x @ forces
    return speeds, leaving
