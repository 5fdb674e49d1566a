"""Passes over all pairs of a neuron and a kink (numba): forces, events, sums.

The engine calls `look` and `carry`, the sums over neurons and the correlations; the others are their parts. Every
function takes a range of neurons, so that threads can share the work. `sweeps_numpy.py` holds the same functions
written with NumPy, as an oracle.

Shapes: p neurons, k kinks, m coordinates. What acts on the two sides of the kinks comes as an array (2, ..., k): first
for z > 0, then for z < 0; see `kinks.Kinks`.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from .events import ACTIVE, DONE, INACTIVE, SLIDING, make_room, run_neuron
from .sliding_set import FAST, add_scaled, dot

# A pair is tracked through a step if its velocity, taken so many times over, could bring it to its kink, or if it
# lies within so many times the neuron's root mean square move. Too few costs repeats, too many costs work: the
# result is the same.
APPROACH, MARGIN = 1.5, 0.3
# The inverse of K_SS is kept from step to step, and made afresh after so many changes.
CHANGES_KEPT = 24
# Candidates of a neuron that fit before more room is made.
ROOM = 64


@njit(cache=True, nogil=True)
def fill_forces(first, last, modes, left, right, out):
    """Write sum_f left_fj right_sfk into out (p, k), s the side of the pair; 0 for sliding pairs.

    left (F, p) and right (2, F, k) are the factors of the forces.
    """
    below = np.empty(out.shape[1])
    for j in range(first, last):
        for i in range(out.shape[1]):
            out[j, i] = left[0, j] * right[0, 0, i]
            below[i] = left[0, j] * right[1, 0, i]
        for f in range(1, left.shape[0]):
            add_scaled(out[j], left[f, j], right[0, f])
            add_scaled(below, left[f, j], right[1, f])
        for i in range(out.shape[1]):
            mode = modes[j, i]
            out[j, i] = out[j, i] if mode == ACTIVE else (below[i] if mode == INACTIVE else 0.0)


@njit(cache=True, nogil=True)
def fill_room(room, chosen, size, j, basis, norms, modes, z, left, right, kept_members, kept_inverse, kept_count):
    """Copy what belongs to the chosen pairs (sorted) of neuron j; return the size of its kept sliding set.

    left (Q, F, p) and right (Q, 2, F, k) are the factors of the first Q coefficients of the forces.
    """
    for i in range(size):
        pair = chosen[i]
        for q in range(basis.shape[1]):
            room.rows[i, q] = basis[pair, q]
        room.modes[i], room.norms[i], room.z[i] = modes[pair], norms[pair], z[pair]
        for q in range(2):
            room.plus[q, i] = room.minus[q, i] = 0.0
        for q in range(left.shape[0]):
            for f in range(left.shape[1]):
                room.plus[q, i] += left[q, f, j] * right[q, 0, f, pair]
                room.minus[q, i] += left[q, f, j] * right[q, 1, f, pair]
    count = max(kept_count, 0)
    known = chosen[:size]
    for i in range(count):
        room.members[i] = np.searchsorted(known, kept_members[i])
        for k in range(count):
            room.inverse[i, k] = kept_inverse[i, k]
    return count


@njit(cache=True, nogil=True)
def keep(room, chosen, count, changes, members, inverse, kept):
    """Keep the sliding set of one neuron, if there is room for it and it is not too old: kept is (count, changes)."""
    if count > members.shape[0] or changes > CHANGES_KEPT:
        kept[0], kept[1] = -1, 0
        return
    kept[0], kept[1] = count, changes
    for i in range(count):
        members[i] = chosen[room.members[i]]
        for k in range(count):
            inverse[i, k] = room.inverse[i, k]


@njit(cache=True, nogil=True)
def settle(
    first, last, basis, norms, modes, z, left, right, drives, speeds, kept_members, kept_inverse, kept, tally
):  # fmt: skip
    """Make the modes of the pairs at their kink agree with the velocities at this instant.

    left (1, 1, p) and right (1, 2, 1, k) are the factors of the forces. drives (p, m) holds the velocities without
    sliding forces and follows the changes of mode; speeds (p, m) receives the true velocities. kept_members (p, c),
    kept_inverse (p, c, c) and kept (p, 2) are the sliding sets. tally (p, 3) receives status and changes of mode.
    """
    m = basis.shape[1]
    chosen = np.empty(basis.shape[0], np.int64)
    room = make_room(ROOM, m)
    for j in range(first, last):
        size = 0
        for i in range(basis.shape[0]):
            if modes[j, i] == SLIDING:
                chosen[size] = i
                size += 1
        tally[j, 0], tally[j, 1] = DONE, 0
        for q in range(m):
            speeds[j, q] = drives[j, q]
        if size == 0:
            kept[j, 0], kept[j, 1] = 0, 0
            continue
        if size > room.z.shape[0]:
            room = make_room(2 * size, m)
        count = fill_room(
            room, chosen, size, j, basis, norms, modes[j], z[j], left, right, kept_members[j], kept_inverse[j],
            kept[j, 0],
        )  # fmt: skip
        for q in range(m):
            room.drive[0, q], room.drive[1, q] = drives[j, q], 0.0
        tally[j, 0], changes, _, count = run_neuron(room, size, count, 1.0, 0.0)
        if tally[j, 0] != DONE:
            kept[j, 0], kept[j, 1] = -1, 0
            continue
        for q in range(m):
            drives[j, q], speeds[j, q] = room.drive[0, q], room.shift[q]
        for i in range(size):
            tally[j, 1] += modes[j, chosen[i]] != room.modes[i]
            modes[j, chosen[i]] = room.modes[i]
        keep(room, chosen, count, kept[j, 1] + changes, kept_members[j], kept_inverse[j], kept[j])


@njit(cache=True, nogil=True, fastmath=FAST)
def choose(modes, z, velocity, step, asked, chosen):
    """Collect the pairs of one neuron that may meet their kink within the step; return how many."""
    square = 0.0
    for i in range(z.shape[0]):
        square += velocity[i] * velocity[i]
    margin = MARGIN * step * math.sqrt(square / z.shape[0])
    size = 0
    for i in range(z.shape[0]):
        side = 1.0 if modes[i] == ACTIVE else -1.0
        height = side * z[i] + APPROACH * step * min(side * velocity[i], 0.0)
        if height <= margin or modes[i] == SLIDING or asked[i]:
            chosen[size] = i
            size += 1
    return size


@njit(cache=True, nogil=True)
def advance(
    first, last, step, basis, norms, start_modes, modes, z, velocity, asked, wanted, drives, left, right, reach, shift,
    kept_members, kept_inverse, kept, new_members, new_inverse, new_kept, tally, tangential,
):  # fmt: skip
    """Carry the wanted neurons through one macro step of length `step`.

    drives (2, p, m) are the coefficients, in tau in [0, 1], of the velocities of w without sliding forces; left
    (2, F, p) and right (2, 2, F, k) the factors of the coefficients of the forces; velocity (p, k) is z' at the start.
    modes (p, k) receives the modes at the end, shift (p, m) the displacement, new_* the sliding sets, tally (p, 3)
    status, events, candidates.
    """
    m = basis.shape[1]
    chosen = np.empty(basis.shape[0], np.int64)
    room = make_room(ROOM, m)
    for j in range(first, last):
        if not wanted[j]:
            continue
        modes[j] = start_modes[j]
        size = choose(modes[j], z[j], velocity[j], step, asked[j], chosen)
        tally[j, 0], tally[j, 1], tally[j, 2] = DONE, 0, size
        if size == 0:
            new_kept[j, 0], new_kept[j, 1] = 0, 0
            for q in range(m):
                shift[j, q] = drives[0, j, q] + 0.5 * drives[1, j, q]
            continue
        if size > room.z.shape[0]:
            room = make_room(2 * size, m)
        count = fill_room(
            room, chosen, size, j, basis, norms, modes[j], z[j], left, right, kept_members[j], kept_inverse[j],
            kept[j, 0],
        )  # fmt: skip
        for q in range(m):
            room.drive[0, q], room.drive[1, q] = drives[0, j, q], drives[1, j, q]
        status, events, distance, count = run_neuron(room, size, count, reach[j], 1.0)
        for q in range(m):
            shift[j, q] = room.shift[q]
        tally[j, 0], tally[j, 1] = status, events
        tangential[j] = min(tangential[j], distance)
        for i in range(size):
            asked[j, chosen[i]] = True
            modes[j, chosen[i]] = room.modes[i]
        keep(room, chosen, count, kept[j, 1] + events, new_members[j], new_inverse[j], new_kept[j])


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


@njit(cache=True, nogil=True, fastmath=FAST)
def sums(first, last, z, a, out):
    """Add sum_j a_j z_jk over the neurons with z_jk > 0 to out[0], over the others to out[1]; out is (2, k)."""
    for j in range(first, last):
        for i in range(z.shape[1]):
            value = z[j, i]
            out[0, i] += a[j] * (value if value > 0.0 else 0.0)
            out[1, i] += a[j] * (value if value < 0.0 else 0.0)


@njit(cache=True, nogil=True, fastmath=FAST)
def sum_speeds(first, last, modes, velocity, z, a, a_speed, out):
    """Add d/dt of what `sums` adds."""
    for j in range(first, last):
        for i in range(z.shape[1]):
            value = a_speed[j] * z[j, i] + a[j] * velocity[j, i]
            out[0, i] += value if modes[j, i] == ACTIVE else 0.0
            out[1, i] += value if modes[j, i] == INACTIVE else 0.0


@njit(cache=True, nogil=True, fastmath=FAST)
def correlate(first, last, z, right, count, out):
    """Write a_j' = (1/n) sum_i r_i sigma(z_ji) into out (p,); right (2, k) are the residuals, count is n."""
    for j in range(first, last):
        total = 0.0
        for i in range(z.shape[1]):
            value = z[j, i]
            total += value * (right[0, i] if value > 0.0 else right[1, i])
        out[j] = total / count


@njit(cache=True, nogil=True, fastmath=FAST)
def correlate_speeds(first, last, modes, velocity, z, right, right_speed, count, out):
    """Write a_j'' = (1/n) sum_i d/dt (r_i sigma(z_ji)) into out (p,)."""
    for j in range(first, last):
        total = 0.0
        for i in range(z.shape[1]):
            up = right_speed[0, i] * z[j, i] + right[0, i] * velocity[j, i]
            down = right_speed[1, i] * z[j, i] + right[1, i] * velocity[j, i]
            mode = modes[j, i]
            total += up if mode == ACTIVE else (down if mode == INACTIVE else 0.0)
        out[j] = total / count


@njit(cache=True, nogil=True)
def look(
    first, last, basis, norms, modes, z, left, right, work, drives, speeds, velocity, kept_members, kept_inverse, kept,
    tally,
):  # fmt: skip
    """Settle the modes at the present state and find the velocities of the hidden weights.

    left (1, 1, p) and right (1, 2, 1, k) are the factors of the forces. Writes drives (p, m), the velocities without
    sliding forces; speeds (p, m), the true ones; velocity (p, k), z'. work (p, k) is scratch.
    """
    fill_forces(first, last, modes, left[0], right[0], work)
    np.dot(work[first:last], basis, drives[first:last])
    settle(
        first, last, basis, norms, modes, z, left, right, drives, speeds, kept_members, kept_inverse, kept, tally
    )  # fmt: skip
    np.dot(speeds[first:last], basis.T, velocity[first:last])


@njit(cache=True, nogil=True)
def carry(
    first, last, step, basis, norms, start_modes, modes, z, velocity, left, right, work, drive, u, new_u, new_z,
    kept_members, kept_inverse, kept, new_members, new_inverse, new_kept, tally, tangential,
):  # fmt: skip
    """Carry a range of neurons through one macro step, all events included; return whether all went well.

    left (2, F, p) and right (2, 2, F, k) are the factors of the coefficients of the forces in tau; drive (p, m) is w'
    at the start without sliding forces. Writes modes, new_u, new_z and the sliding sets new_* at the end of the step,
    tally (p, 3) and tangential (p,). work (p, k) is scratch.
    """
    drives = np.empty((2, *drive.shape))
    drives[0, first:last] = step * drive[first:last]
    fill_forces(first, last, start_modes, left[1], right[1], work)
    np.dot(work[first:last], basis, drives[1, first:last])
    asked = np.zeros(z.shape, np.bool_)
    wanted = np.ones(z.shape[0], np.bool_)
    shift = np.empty(u.shape)
    reach = np.empty(z.shape[0])
    for j in range(first, last):
        reach[j] = math.sqrt(dot(u[j], u[j])) + 1e-300
    while True:
        advance(
            first, last, step, basis, norms, start_modes, modes, z, velocity, asked, wanted, drives, left, right, reach,
            shift, kept_members, kept_inverse, kept, new_members, new_inverse, new_kept, tally, tangential,
        )  # fmt: skip
        if wanted[first:last].all():
            new_u[first:last] = u[first:last] + shift[first:last]
            np.dot(new_u[first:last], basis.T, new_z[first:last])
        else:
            for j in range(first, last):
                if wanted[j]:
                    new_u[j] = u[j] + shift[j]
                    np.dot(basis, new_u[j], new_z[j])
        if inspect(first, last, modes, new_z, asked, wanted) == 0:
            break
    return not tally[first:last, 0].any()
