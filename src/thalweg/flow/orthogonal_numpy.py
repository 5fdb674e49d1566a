"""The passes of the orthogonal flow in plain NumPy: the oracle of `orthogonal_kernels`, and its fallback."""

from __future__ import annotations

import numpy as np

from .._typing import FloatArray


def _moved(state: FloatArray, leak: float, change: FloatArray) -> FloatArray:
    return state + np.where((state > 0) | (leak > 0), change, 0.0)


def _cubic(change: FloatArray, start: FloatArray, end: FloatArray, s: FloatArray) -> FloatArray:
    """The cubic that goes from 0 to `change` in s from 0 to 1, with the given rates at both ends."""
    return change * s**2 * (3 - 2 * s) + start * s * (1 - s) ** 2 - end * s**2 * (1 - s)


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
    return force @ phi, float(r @ r), float(force**2 @ (np.where(state > 0, 1.0, leak) @ a**2)) / len(a)


def advance(
    state: FloatArray,
    leak: float,
    rho: FloatArray,
    gain: FloatArray,
    rates: FloatArray,
    losses: FloatArray,
    after: FloatArray,
) -> tuple[FloatArray, int, float]:
    """See `orthogonal_kernels.advance`."""
    change = rho[:, : len(gain)] @ gain
    first, last = rho[:, 0], rho[:, len(gain) - 1]
    start, end = first[:, None] * rates[0], last[:, None] * rates[1]
    if leak == 0:
        i, j = np.nonzero((state > 0) & (start < 0) & (end > 0))
        s = start[i, j] / (start[i, j] - end[i, j])
        lowest = _cubic(change[i, j], start[i, j], end[i, j], s)
        change[i, j] = np.where(state[i, j] + lowest <= 0, lowest, change[i, j])
    after[:] = _moved(state, leak, change)
    i, j = np.nonzero((state > 0) != (after > 0))
    share = state[i, j] / (state[i, j] - after[i, j])
    change, start, end = after[i, j] - state[i, j], start[i, j], end[i, j]
    for _ in range(3):
        value = state[i, j] + _cubic(change, start, end, share)
        rate = 6 * change * share * (1 - share) + start * (1 - share) * (1 - 3 * share)
        rate -= end * share * (2 - 3 * share)
        newton = np.divide(value, rate, out=np.zeros_like(value), where=rate * change > 0)
        share = np.clip(share - newton, 0, 1)
    m = (1 + share) / 2
    push = (first[i] + m * (last[i] - first[i])) * (rates[0, j] + m * (rates[1, j] - rates[0, j]))
    lost = (1 - share) * push**2 / (losses[0] + m * (losses[1] - losses[0]))
    fall = (1 - leak) * np.sum(np.where(state[i, j] > 0, lost, -lost))
    if leak == 0:
        after[i, j] = 0.0
    moving = (np.where(after > 0, 1.0, leak) * after**2).sum(axis=0)
    return moving, len(i), float(fall)


def weigh(state: FloatArray, leak: float, weights: FloatArray, sums: FloatArray) -> None:
    """See `orthogonal_kernels.weigh`."""
    sums[:] = np.where(state > 0, 1.0, leak) @ weights
