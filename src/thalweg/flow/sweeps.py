"""Passes over all (neuron, sample) pairs (numba): forces, events, residuals.

Every function takes a range of neurons, so that threads can share the work. `sweeps_numpy.py` holds the same
functions written with NumPy, as an oracle.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from .events import ACTIVE, DONE, INACTIVE, SLIDING, add_scaled, run_neuron

# A pair is tracked through a step if its velocity, taken so many times over, could bring it to its kink, or if it
# lies within so many times the neuron's root mean square move. Too few costs repeats, too many costs work: the
# result is the same.
APPROACH, MARGIN = 1.5, 0.3

_FAST = {"contract", "reassoc", "nsz", "arcp"}


@njit(cache=True, nogil=True)
def fill_forces(first, last, modes, left, right, slope, out):
    """Write lambda_ji sum_k left_kj right_ki into out (p, n); lambda is 0 for sliding pairs.

    left (K, p) and right (K, n) are the factors of the forces.
    """
    for j in range(first, last):
        for i in range(right.shape[1]):
            out[j, i] = left[0, j] * right[0, i]
        for k in range(1, right.shape[0]):
            add_scaled(out[j], left[k, j], right[k])
        for i in range(right.shape[1]):
            mode = modes[j, i]
            out[j, i] *= 1.0 if mode == ACTIVE else (slope if mode == INACTIVE else 0.0)


@njit(cache=True, nogil=True)
def settle(first, last, basis, norms, modes, z, left, right, slope, drives, speeds, tally):
    """Make the modes of the pairs at their kink agree with the velocities at this instant.

    left (1, p) and right (1, n) are the factors of the forces. drives (p, m) holds the velocities without sliding
    forces and follows the changes of mode; speeds (p, m) receives the true velocities. tally (p, 3) receives
    status and changes of mode.
    """
    n = modes.shape[1]
    chosen = np.empty(n, np.int64)
    for j in range(first, last):
        size = 0
        for i in range(n):
            if modes[j, i] == SLIDING:
                chosen[size] = i
                size += 1
        tally[j, 0], tally[j, 1] = DONE, 0
        for q in range(basis.shape[1]):
            speeds[j, q] = drives[j, q]
        if size:
            rows, own_modes, own_norms, own_z = gather(chosen[:size], basis, norms, modes[j], z[j])
            forces = np.zeros((2, size))
            for i in range(size):
                forces[0, i] = left[0, j] * right[0, chosen[i]]
            drive = np.zeros((2, basis.shape[1]))
            drive[0] = drives[j]
            tally[j, 0], tally[j, 1], _, speed = run_neuron(
                rows, own_modes, own_z, drive, forces, slope, 1.0, own_norms, 0.0
            )
            drives[j], speeds[j] = drive[0], speed
            for i in range(size):
                modes[j, chosen[i]] = own_modes[i]


@njit(cache=True, nogil=True)
def gather(chosen, basis, norms, modes, z):
    """Copy what belongs to the chosen pairs of one neuron."""
    size, m = chosen.shape[0], basis.shape[1]
    rows = np.empty((size, m))
    own_modes, own_norms, own_z = np.empty(size, np.int8), np.empty(size), np.empty(size)
    for i in range(size):
        for q in range(m):
            rows[i, q] = basis[chosen[i], q]
        own_modes[i], own_norms[i], own_z[i] = modes[chosen[i]], norms[chosen[i]], z[chosen[i]]
    return rows, own_modes, own_norms, own_z


@njit(cache=True, nogil=True, fastmath=_FAST)
def choose(modes, z, velocity, step, asked, chosen):
    """Collect the pairs of one neuron that may meet their kink within the step; return how many."""
    n = z.shape[0]
    square = 0.0
    for i in range(n):
        square += velocity[i] * velocity[i]
    margin = MARGIN * step * math.sqrt(square / n)
    size = 0
    for i in range(n):
        side = 1.0 if modes[i] == ACTIVE else -1.0
        height = side * z[i] + APPROACH * step * min(side * velocity[i], 0.0)
        if height <= margin or modes[i] == SLIDING or asked[i]:
            chosen[size] = i
            size += 1
    return size


@njit(cache=True, nogil=True)
def advance(
    first, last, step, basis, norms, start_modes, modes, z, velocity, asked, wanted, drives, left, right, slope,
    reach, shift, tally, tangential,
):  # fmt: skip
    """Carry the wanted neurons through one macro step of length `step`.

    drives (2, p, m) are the coefficients, in tau in [0, 1], of the velocities of w without sliding forces, and
    forces[q] = sum_k left[q, k, j] right[q, k, i]; velocity (p, n) is z' at the start. modes (p, n) receives the
    modes at the end, shift (p, m) the displacement, tally (p, 3) status, events, candidates.
    """
    n = z.shape[1]
    chosen = np.empty(n, np.int64)
    for j in range(first, last):
        if not wanted[j]:
            continue
        modes[j] = start_modes[j]
        size = choose(modes[j], z[j], velocity[j], step, asked[j], chosen)
        tally[j, 0], tally[j, 1], tally[j, 2] = DONE, 0, size
        if size == 0:
            for q in range(basis.shape[1]):
                shift[j, q] = drives[0, j, q] + 0.5 * drives[1, j, q]
            continue
        rows, own_modes, own_norms, own_z = gather(chosen[:size], basis, norms, modes[j], z[j])
        forces = np.zeros((2, size))
        for i in range(size):
            asked[j, chosen[i]] = True
            for q in range(2):
                for k in range(left.shape[1]):
                    forces[q, i] += left[q, k, j] * right[q, k, chosen[i]]
        drive = drives[:, j].copy()
        status, events, distance, moved = run_neuron(
            rows, own_modes, own_z, drive, forces, slope, reach[j], own_norms, 1.0
        )
        shift[j] = moved
        tally[j, 0], tally[j, 1] = status, events
        tangential[j] = min(tangential[j], distance)
        for i in range(size):
            modes[j, chosen[i]] = own_modes[i]


@njit(cache=True, nogil=True)
def inspect(first, last, modes, z, asked, wanted):
    """Snap sliding pairs to zero and compare every other sign with its mode.

    A tracked pair may be off by rounding only: it is set to zero. An untracked one was missed: it is asked for,
    and its neuron is wanted again. Returns the number of missed pairs.
    """
    missed = 0
    for j in range(first, last):
        if not wanted[j]:
            continue
        wanted[j] = False
        for i in range(z.shape[1]):
            mode = modes[j, i]
            if mode == SLIDING:
                z[j, i] = 0.0
            elif z[j, i] * mode < 0.0:
                if asked[j, i]:
                    z[j, i] = 0.0
                else:
                    asked[j, i] = True
                    wanted[j] = True
                    missed += 1
    return missed


@njit(cache=True, nogil=True, fastmath=_FAST)
def outputs(first, last, z, a, slope, out):
    """Add sum_j a_j sigma(z_ji) over the range of neurons to out (n,)."""
    for j in range(first, last):
        for i in range(z.shape[1]):
            value = z[j, i]
            out[i] += a[j] * (value if value > 0.0 else slope * value)


@njit(cache=True, nogil=True, fastmath=_FAST)
def output_speeds(first, last, modes, velocity, z, a, a_speed, slope, out):
    """Add d/dt sum_j a_j sigma(z_ji) over the range of neurons to out (n,)."""
    for j in range(first, last):
        for i in range(z.shape[1]):
            mode = modes[j, i]
            weight = 1.0 if mode == ACTIVE else (slope if mode == INACTIVE else 0.0)
            out[i] += weight * (a_speed[j] * z[j, i] + a[j] * velocity[j, i])


@njit(cache=True, nogil=True, fastmath=_FAST)
def correlate(first, last, z, residuals, slope, out):
    """Write a_j' = (1/n) sum_i r_i sigma(z_ji) into out (p,)."""
    n = residuals.shape[0]
    for j in range(first, last):
        total = 0.0
        for i in range(n):
            value = z[j, i]
            total += residuals[i] * (value if value > 0.0 else slope * value)
        out[j] = total / n


@njit(cache=True, nogil=True, fastmath=_FAST)
def correlate_speeds(first, last, modes, velocity, z, residuals, r_speed, slope, out):
    """Write a_j'' = (1/n) sum_i d/dt (r_i sigma(z_ji)) into out (p,)."""
    n = residuals.shape[0]
    for j in range(first, last):
        total = 0.0
        for i in range(n):
            mode = modes[j, i]
            weight = 1.0 if mode == ACTIVE else (slope if mode == INACTIVE else 0.0)
            total += weight * (r_speed[i] * z[j, i] + residuals[i] * velocity[j, i])
        out[j] = total / n
