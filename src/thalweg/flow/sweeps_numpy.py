"""The passes of `sweeps` in plain NumPy: their oracle, and their fallback.

Same functions, same arguments. Every pair of a neuron is tracked, and forces are summed afresh; see `events_numpy`.
"""

from __future__ import annotations

import numpy as np

from .._typing import FloatArray, IntArray, ModeArray
from . import events_numpy as events
from .events_numpy import Kinks


def _weights(modes: ModeArray, slope: float) -> FloatArray:
    """Return lambda; 0 for sliding pairs."""
    return np.where(modes == 1, 1.0, np.where(modes == -1, slope, 0.0))


def _activated(z: FloatArray, slope: float) -> FloatArray:
    return np.where(z > 0, z, slope * z)


def fill_forces(
    first: int, last: int, modes: ModeArray, left: FloatArray, right: FloatArray, slope: float, out: FloatArray
) -> None:
    """See `sweeps.fill_forces`."""
    out[first:last] = _weights(modes[first:last], slope) * (left[:, first:last].T @ right)


def settle(
    first: int,
    last: int,
    basis: FloatArray,
    norms: FloatArray,
    modes: ModeArray,
    z: FloatArray,
    left: FloatArray,
    right: FloatArray,
    slope: float,
    drives: FloatArray,
    speeds: FloatArray,
    tally: IntArray,
) -> None:
    """See `sweeps.settle`."""
    kinks = Kinks.of(basis)
    tally[first:last, :2] = events.DONE, 0
    for j in range(first, last):
        speeds[j] = drives[j]
        if (modes[j] != 0).all():
            continue
        forces = np.stack((left[0, j] * right[0], np.zeros(len(norms))))
        plus, minus = kinks.forces(forces, slope)
        sides = kinks.sides(modes[j])
        tolerance = events.TOLERANCE * max(np.abs(plus).max(), np.abs(minus).max())
        try:
            held, sides = events.settle(kinks.units, sides, sides == 0, plus, minus, tolerance)
        except ArithmeticError:
            tally[j, 0] = events.CYCLING
            continue
        settled = kinks.modes(sides)
        tally[j, 1] = (settled != modes[j]).sum()
        modes[j] = settled
        speeds[j] = held[0] @ kinks.units
        drives[j] = (_weights(modes[j], slope) * forces[0]) @ basis


def advance(
    first: int,
    last: int,
    step: float,
    basis: FloatArray,
    norms: FloatArray,
    start_modes: ModeArray,
    modes: ModeArray,
    z: FloatArray,
    velocity: FloatArray,
    asked: np.ndarray,
    wanted: np.ndarray,
    drives: FloatArray,
    left: FloatArray,
    right: FloatArray,
    slope: float,
    reach: FloatArray,
    shift: FloatArray,
    tally: IntArray,
    tangential: FloatArray,
) -> None:
    """See `sweeps.advance`; step, velocity and drives are not needed here."""
    kinks = Kinks.of(basis)
    asked[first:last] = True
    for j in range(first, last):
        if not wanted[j]:
            continue
        plus, minus = kinks.forces(np.einsum("qk,qkn->qn", left[:, :, j], right), slope)
        arrival = events.carry(kinks, kinks.sides(start_modes[j]), kinks.heights(z[j]), plus, minus, reach[j])
        modes[j] = kinks.modes(arrival.sides)
        shift[j] = arrival.shift
        tally[j] = arrival.status, arrival.events, len(norms)
        tangential[j] = min(tangential[j], arrival.tangential)


def inspect(first: int, last: int, modes: ModeArray, z: FloatArray, asked: np.ndarray, wanted: np.ndarray) -> int:
    """See `sweeps.inspect`."""
    rows = first + np.flatnonzero(wanted[first:last])
    off = (modes[rows] != 0) & (z[rows] * modes[rows] < 0)
    missed = off & ~asked[rows]
    z[rows] = np.where((modes[rows] == 0) | (off & ~missed), 0.0, z[rows])
    asked[rows] |= missed
    wanted[rows] = missed.any(axis=1)
    return int(missed.sum())


def outputs(first: int, last: int, z: FloatArray, a: FloatArray, slope: float, out: FloatArray) -> None:
    """See `sweeps.outputs`."""
    out += a[first:last] @ _activated(z[first:last], slope)


def output_speeds(
    first: int,
    last: int,
    modes: ModeArray,
    velocity: FloatArray,
    z: FloatArray,
    a: FloatArray,
    a_speed: FloatArray,
    slope: float,
    out: FloatArray,
) -> None:
    """See `sweeps.output_speeds`."""
    mine = slice(first, last)
    weights = _weights(modes[mine], slope)
    out += a_speed[mine] @ (weights * z[mine]) + a[mine] @ (weights * velocity[mine])


def correlate(first: int, last: int, z: FloatArray, residuals: FloatArray, slope: float, out: FloatArray) -> None:
    """See `sweeps.correlate`."""
    out[first:last] = _activated(z[first:last], slope) @ residuals / len(residuals)


def correlate_speeds(
    first: int,
    last: int,
    modes: ModeArray,
    velocity: FloatArray,
    z: FloatArray,
    residuals: FloatArray,
    r_speed: FloatArray,
    slope: float,
    out: FloatArray,
) -> None:
    """See `sweeps.correlate_speeds`."""
    mine = slice(first, last)
    weights = _weights(modes[mine], slope)
    out[mine] = ((weights * z[mine]) @ r_speed + (weights * velocity[mine]) @ residuals) / len(residuals)


def look(
    first: int,
    last: int,
    basis: FloatArray,
    norms: FloatArray,
    modes: ModeArray,
    z: FloatArray,
    a: FloatArray,
    residuals: FloatArray,
    slope: float,
    work: FloatArray,
    drives: FloatArray,
    speeds: FloatArray,
    velocity: FloatArray,
    a_speed: FloatArray,
    tally: IntArray,
) -> None:
    """See `sweeps.look`."""
    mine = slice(first, last)
    left, right = a[None] / len(residuals), residuals[None]
    fill_forces(first, last, modes, left, right, slope, work)
    drives[mine] = work[mine] @ basis
    settle(first, last, basis, norms, modes, z, left, right, slope, drives, speeds, tally)
    velocity[mine] = speeds[mine] @ basis.T
    correlate(first, last, z, residuals, slope, a_speed)


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
    a: FloatArray,
    a_speed: FloatArray,
    residuals: FloatArray,
    r_speed: FloatArray,
    missed_left: FloatArray,
    missed_right: FloatArray,
    slope: float,
    work: FloatArray,
    drive: FloatArray,
    u: FloatArray,
    new_u: FloatArray,
    new_z: FloatArray,
    tally: IntArray,
    tangential: FloatArray,
) -> bool:
    """See `sweeps.carry`; velocity, work and drive are not needed here."""
    mine = slice(first, last)
    # g = step (a + tau step a') (r + tau step r') / n without its quadratic part, and what makes up for the miss.
    n = len(residuals)
    still_left, still_right = np.zeros_like(missed_left), np.zeros_like(missed_right)
    none = np.zeros_like(a)
    left = np.stack(
        (np.stack((step * a / n, none, *still_left)), np.stack((step * a / n, step**2 * a_speed / n, *missed_left)))
    )
    right = np.stack(
        (np.stack((residuals, residuals, *still_right)), np.stack((step * r_speed, residuals, *missed_right)))
    )
    asked, wanted = np.zeros(z.shape, np.bool_), np.ones(len(z), np.bool_)
    shift, drives = np.zeros_like(u), np.zeros((2, *u.shape))
    reach = np.linalg.norm(u, axis=1) + np.finfo(np.float64).tiny
    advance(
        first, last, step, basis, norms, start_modes, modes, z, velocity, asked, wanted, drives, left, right, slope,
        reach, shift, tally, tangential,
    )  # fmt: skip
    new_u[mine] = u[mine] + shift[mine]
    new_z[mine] = new_u[mine] @ basis.T
    inspect(first, last, modes, new_z, asked, wanted)  # all pairs are tracked: none can be missed
    return bool((tally[mine, 0] == events.DONE).all())
