"""The passes of the orthogonal flow in plain NumPy: the oracle of `orthogonal_kernels`, and its fallback."""

from __future__ import annotations

import numpy as np

from .._typing import FloatArray


def _moved(state: FloatArray, leak: float, change: FloatArray) -> FloatArray:
    return state + np.where((state > 0) | (leak > 0), change, 0.0)


def evaluate(
    state: FloatArray,
    leak: float,
    rho: FloatArray,
    gain: FloatArray,
    a: FloatArray,
    norms: FloatArray,
    y: FloatArray,
    r: FloatArray,
) -> tuple[FloatArray, float, float]:
    """See `orthogonal_kernels.evaluate`."""
    after = _moved(state, leak, rho[:, : len(gain)] @ gain)
    weight = np.where(after > 0, 1.0, leak)
    phi = weight * after
    r[:] = y - norms * (phi @ a) / len(a)
    force = norms * r
    return force @ phi, float(r @ r), float(force**2 @ (weight @ a**2)) / len(a)


def advance(
    state: FloatArray,
    leak: float,
    rho: FloatArray,
    gain: FloatArray,
    rates: FloatArray,
    norms: FloatArray,
    after: FloatArray,
) -> tuple[FloatArray, int, float]:
    """See `orthogonal_kernels.advance`."""
    change = rho[:, : len(gain)] @ gain
    first, last = rho[:, 0], rho[:, len(gain) - 1]
    start, end = np.outer(first, rates[0]), np.outer(last, rates[1])
    if leak == 0:
        i, j = np.nonzero((state > 0) & (start < 0) & (end > 0))
        s = start[i, j] / (start[i, j] - end[i, j])
        lowest = (
            change[i, j] * s**2 * (3 - 2 * s) + start[i, j] * s * (1 - s) ** 2 - end[i, j] * s**2 * (1 - s)
        )
        change[i, j] = np.where(state[i, j] + lowest <= 0, lowest, change[i, j])
    after[:] = _moved(state, leak, change)
    i, j = np.nonzero((state > 0) != (after > 0))
    share = state[i, j] / (state[i, j] - after[i, j])
    speeds = np.abs(first[i] + share * (last[i] - first[i])) * norms[i]
    if leak == 0:
        after[i, j] = 0.0
    moving = (np.where(after > 0, 1.0, leak) * after**2).sum(axis=0)
    return moving, len(i), float(speeds.min(initial=np.inf))


def weigh(state: FloatArray, leak: float, weights: FloatArray, sums: FloatArray) -> None:
    """See `orthogonal_kernels.weigh`."""
    sums[:] = np.where(state > 0, 1.0, leak) @ weights
