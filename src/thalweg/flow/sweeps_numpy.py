"""The kernels that the engine calls, in plain NumPy: the oracle of `sweeps`, and its fallback.

Same functions, same arguments. Every pair of a neuron is tracked, forces are summed afresh and sliding sets are found
afresh; see `events_numpy`. Arguments that only save the compiled kernels work are ignored.
"""

from __future__ import annotations

import numpy as np

from .._typing import FloatArray, IntArray, ModeArray
from . import events_numpy as events


def _by_mode(modes: ModeArray, active: FloatArray, inactive: FloatArray) -> FloatArray:
    """Choose by the mode of each pair; 0 for sliding pairs."""
    return np.where(modes == 1, active, np.where(modes == -1, inactive, 0.0))


def sums(first: int, last: int, z: FloatArray, a: FloatArray, out: FloatArray) -> None:
    """See `sweeps.sums`."""
    out[0] += a[first:last] @ np.maximum(z[first:last], 0.0)
    out[1] += a[first:last] @ np.minimum(z[first:last], 0.0)


def sum_speeds(
    first: int,
    last: int,
    modes: ModeArray,
    velocity: FloatArray,
    z: FloatArray,
    a: FloatArray,
    a_speed: FloatArray,
    out: FloatArray,
) -> None:
    """See `sweeps.sum_speeds`."""
    mine = slice(first, last)
    values = a_speed[mine, None] * z[mine] + a[mine, None] * velocity[mine]
    out[0] += np.where(modes[mine] == 1, values, 0.0).sum(axis=0)
    out[1] += np.where(modes[mine] == -1, values, 0.0).sum(axis=0)


def correlate(first: int, last: int, z: FloatArray, right: FloatArray, count: int, out: FloatArray) -> None:
    """See `sweeps.correlate`."""
    mine = z[first:last]
    out[first:last] = (mine * np.where(mine > 0, right[0], right[1])).sum(axis=1) / count


def correlate_speeds(
    first: int,
    last: int,
    modes: ModeArray,
    velocity: FloatArray,
    z: FloatArray,
    right: FloatArray,
    right_speed: FloatArray,
    count: int,
    out: FloatArray,
) -> None:
    """See `sweeps.correlate_speeds`."""
    mine = slice(first, last)
    speeds = right_speed[:, None] * z[mine] + right[:, None] * velocity[mine]
    out[mine] = _by_mode(modes[mine], *speeds).sum(axis=1) / count


def look(
    first: int,
    last: int,
    basis: FloatArray,
    norms: FloatArray,
    modes: ModeArray,
    z: FloatArray,
    left: FloatArray,
    right: FloatArray,
    work: FloatArray,
    drives: FloatArray,
    speeds: FloatArray,
    velocity: FloatArray,
    kept_members: IntArray,
    kept_inverse: FloatArray,
    kept: IntArray,
    tally: IntArray,
) -> None:
    """See `sweeps.look`."""
    units = basis / norms[:, None]
    for j in range(first, last):
        tally[j, :2] = events.DONE, 0
        plus, minus = left[0, 0, j] * right[0, :, 0]
        drives[j] = speeds[j] = _by_mode(modes[j], plus, minus) @ basis
        if (modes[j] != 0).all():
            continue
        none = np.zeros(len(norms))
        above, below = np.stack((norms * plus, none)), np.stack((norms * minus, none))
        tolerance = events.TOLERANCE * max(np.abs(above).max(), np.abs(below).max())
        try:
            forces, settled = events.settle(units, modes[j].astype(np.int64), modes[j] == 0, above, below, tolerance)
        except ArithmeticError:
            tally[j, 0] = events.CYCLING
            continue
        tally[j, 1] = (settled != modes[j]).sum()
        modes[j], speeds[j] = settled, forces[0] @ units
        drives[j] = _by_mode(modes[j], plus, minus) @ basis
    velocity[first:last] = speeds[first:last] @ basis.T


def carry(
    first: int,
    last: int,
    step: float,
    basis: FloatArray,
    norms: FloatArray,
    start_modes: ModeArray,
    modes: ModeArray,
    z: FloatArray,
    velocity: FloatArray,
    left: FloatArray,
    right: FloatArray,
    work: FloatArray,
    drive: FloatArray,
    u: FloatArray,
    new_u: FloatArray,
    new_z: FloatArray,
    kept_members: IntArray,
    kept_inverse: FloatArray,
    kept: IntArray,
    new_members: IntArray,
    new_inverse: FloatArray,
    new_kept: IntArray,
    tally: IntArray,
    tangential: FloatArray,
) -> bool:
    """See `sweeps.carry`."""
    mine = slice(first, last)
    units = basis / norms[:, None]
    for j in range(first, last):
        plus, minus = norms * np.einsum("qf,qsfk->sqk", left[:, :, j], right)
        reach = float(np.linalg.norm(u[j])) + np.finfo(np.float64).tiny
        arrival = events.carry(units, start_modes[j].astype(np.int64), z[j] / norms, plus, minus, reach)
        modes[j], new_u[j] = arrival.sides, u[j] + arrival.shift
        tally[j] = arrival.status, arrival.events, len(norms)
        tangential[j] = min(tangential[j], arrival.tangential)
    new_z[mine] = new_u[mine] @ basis.T
    # A pair at or off its mode's side by rounding is at its kink.
    new_z[mine][(modes[mine] == 0) | (new_z[mine] * modes[mine] < 0)] = 0.0
    new_kept[mine] = -1, 0
    return bool((tally[mine, 0] == events.DONE).all())
