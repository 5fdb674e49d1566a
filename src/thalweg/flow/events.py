"""One neuron through one macro step, event by event (numba).

Within a macro step, tau in [0, 1], the forces and the drive of a neuron are linear polynomials, so its preactivations
are piecewise quadratic and the forces of its sliding pairs piecewise linear: every event is the root of a polynomial
of degree at most two, and no integration error is made between.

A pair of a neuron and a kink (the hyperplane <w, x> = 0 of an input, or of several parallel ones) pushes w along x with
the force `plus` while z > 0, ACTIVE, and `minus` while z < 0, INACTIVE: g = H a r / n and slope * g for a single input.
At convex kinks (plus < minus) the velocity is the minimum-norm element, min over f_i in [plus_i, minus_i] of
|drive + sum f_i x_i|^2, whose KKT conditions are v_i > 0 => active, v_i < 0 => inactive, otherwise SLIDING with
f_S = -K_SS^-1 (drive on S). A concave kink is crossed. DEPENDENT, inside this module only: at the kink, but held there
by the sliding pairs alone, since its input is a combination of theirs.

Only some candidate pairs are tracked; the rest keep their mode (the caller checks).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from .._typing import FloatArray, IntArray, ModeArray
from .sliding_set import (
    MOST_INFLATION,
    add_held,
    add_scaled,
    dot,
    enter,
    hold_still,
    invert,
    leave,
    link,
    place_of,
    project,
)

ACTIVE, INACTIVE, SLIDING, DEPENDENT, UNKNOWN = 1, -1, 0, 2, 3
DONE, TOO_MANY_EVENTS, CYCLING = 0, 1, 2

# Relative tolerances: velocities (forces are held to the same, divided by K_ii: both decide the same question, and must
# not differ), the width at which the bounds of a force have met, and the height at which a pair counts as at its kink.
# Looser values took wrong branches.
VELOCITY_TOLERANCE = 1e-11
ROUNDING = 4e-15
WIDTH_TOLERANCE = 1e-8
HEIGHT_TOLERANCE = 1e-13


class Room(NamedTuple):
    """What one neuron and its candidates need; made once, with room for many, and filled for each neuron.

    Attributes
    ----------
    rows : array (most, m)
        Input coordinates of the candidates.
    modes, norms, z : arrays (most,)
        Modes, norms of the inputs and preactivations; modes and z follow the neuron. Pairs at their kink whose mode
        is not known yet may be given as sliding.
    drive : array (2, m)
        Coefficients in tau of the velocity of w without the forces of sliding pairs; follows the changes of mode.
    plus, minus : arrays (2, most)
        Coefficients of the forces of active and of inactive pairs.
    members, inverse : arrays (most + 1,), (most + 1, most + 1)
        The sliding set, in candidates, and the inverse of its K_SS.
    shift : array (m,)
        Result: the displacement of w; or, having only settled, its velocity, the sliding forces included.
    """

    rows: FloatArray
    modes: ModeArray
    norms: FloatArray
    z: FloatArray
    drive: FloatArray
    plus: FloatArray
    minus: FloatArray
    members: IntArray
    inverse: FloatArray
    shift: FloatArray
    # Scratch: drive on the sliding set, its forces, inner products with it; whether at the kink; 0, 1, 2, ...; drive
    # with the sliding forces, velocities.
    pull: FloatArray
    hold: FloatArray
    links: FloatArray
    at_kink: np.ndarray
    everyone: IntArray
    total: FloatArray
    velocity: FloatArray


@njit(cache=True, nogil=True)
def make_room(most, m):
    """Make room for so many candidates."""
    return Room(
        np.empty((most, m)),
        np.empty(most, np.int8),
        np.empty(most),
        np.empty(most),
        np.empty((2, m)),
        np.empty((2, most)),
        np.empty((2, most)),
        np.empty(most + 1, np.int64),
        np.empty((most + 1, most + 1)),
        np.empty(m),
        np.empty((2, most + 1)),
        np.empty((2, most + 1)),
        np.empty(most + 1),
        np.empty(most, np.bool_),
        np.arange(most),
        np.empty((2, m)),
        np.empty((2, most)),
    )


@njit(cache=True, nogil=True)
def crossing_time(y, c1, c2, tolerance):
    """Return the first s >= 0 at which y + c1 s + c2 s^2 falls below zero, or infinity.

    y <= 0 means that the pair sits at its kink; a velocity c1 within `tolerance` then counts as zero.
    """
    if y <= 0.0:
        if c1 < -tolerance:
            return 0.0
        if c1 <= tolerance:
            return 0.0 if c2 < 0.0 else math.inf
        return -c1 / c2 if c2 < 0.0 else math.inf
    if c1 >= 0.0 and c2 >= 0.0:
        return math.inf
    discriminant = c1 * c1 - 4.0 * y * c2
    if discriminant < 0.0:
        return math.inf
    if c1 <= 0.0:
        return 2.0 * y / (math.sqrt(discriminant) - c1)
    return (-c1 - math.sqrt(discriminant)) / (2.0 * c2)


@njit(cache=True, nogil=True)
def exit_time(c0, c1, tolerance):
    """Return when c0 + c1 s, zero (within `tolerance`) or positive at s = 0, turns negative."""
    if c1 >= 0.0:
        return math.inf
    return -c0 / c1 if c0 > tolerance else 0.0


@njit(cache=True, nogil=True)
def change_mode(room, who, target, count):
    """Give a pair a new mode; return the new size of the sliding set.

    Keeps the drive (without sliding forces), its pull on the sliding set, and the inverse of K_SS in step.
    """
    before = room.modes[who]
    if before == SLIDING:
        place = place_of(who, room.members, count)
        inflation = room.inverse[place, place] * room.norms[who] ** 2
        leave(room.inverse, count, room.members, place)
        count -= 1
        if inflation > MOST_INFLATION:
            invert(room.rows, room.norms, room.members, count, room.links, room.inverse)
        for q in range(2):
            room.pull[q, place] = room.pull[q, count]
    link(room.rows, who, room.members, count, room.links)
    if target == SLIDING and not enter(room.inverse, count, room.links, room.norms[who] ** 2):
        target = DEPENDENT
    for q in range(2):
        change = 0.0
        if before == ACTIVE:
            change -= room.plus[q, who]
        elif before != SLIDING and before != UNKNOWN:
            change -= room.minus[q, who]
        if target == ACTIVE:
            change += room.plus[q, who]
        elif target != SLIDING:
            change += room.minus[q, who]
        if change != 0.0:
            add_scaled(room.drive[q], change, room.rows[who])
            for k in range(count):
                room.pull[q, k] += change * room.links[k]
    if target == SLIDING:
        room.members[count] = who
        for q in range(2):
            room.pull[q, count] = dot(room.rows[who], room.drive[q])
        count += 1
    room.modes[who] = target
    return count


@njit(cache=True, nogil=True)
def make_way(room, who, count, tau):
    """Lower the force of a dependent pair, the sliding ones making up for it, until one of them all is at its bound.

    Nearly parallel inputs need this: what is left of the pair's velocity is too small to tell which force would hold
    it, yet it says that `minus` is too much. `enter` has just left its combination of the sliding ones in `inverse`.
    """
    reach = room.minus[0, who] - room.plus[0, who] + tau * (room.minus[1, who] - room.plus[1, who])
    first, bound = -1, 0
    for k in range(count):
        i, share = room.members[k], room.inverse[count, k]
        f = room.hold[0, k] + tau * room.hold[1, k]
        if share > 0.0:  # this one's force rises
            slack, side = room.minus[0, i] + tau * room.minus[1, i] - f, INACTIVE
        else:
            slack, side = f - room.plus[0, i] - tau * room.plus[1, i], ACTIVE
        if max(slack, 0.0) < reach * abs(share):
            reach, first, bound = max(slack, 0.0) / abs(share), i, side
    if first < 0:
        return change_mode(room, who, ACTIVE, count)
    count = change_mode(room, first, bound, count)
    return change_mode(room, who, SLIDING, count)


@njit(cache=True, nogil=True)
def worst_violation(room, size, count, tau, least_index, tolerance):
    """Find the pair at its kink that violates the KKT conditions most (or the first), and its better mode."""
    worst, chosen, target = 0.0, -1, 0
    for i in range(size):
        if not room.at_kink[i]:
            continue
        low, high = room.plus[0, i] + tau * room.plus[1, i], room.minus[0, i] + tau * room.minus[1, i]
        violation, aim = 0.0, 0
        if room.modes[i] == SLIDING:
            k = place_of(i, room.members, count)
            f = room.hold[0, k] + tau * room.hold[1, k]
            force_tolerance = tolerance / room.norms[i] ** 2
            if low >= high:
                violation, aim = math.inf, INACTIVE
            elif f < low - force_tolerance:
                violation, aim = (low - f) * room.norms[i] ** 2, ACTIVE
            elif f > high + force_tolerance:
                violation, aim = (f - high) * room.norms[i] ** 2, INACTIVE
        else:
            v = dot(room.rows[i], room.drive[0]) + tau * dot(room.rows[i], room.drive[1])
            link(room.rows, i, room.members, count, room.links)
            for k in range(count):
                v += (room.hold[0, k] + tau * room.hold[1, k]) * room.links[k]
            if room.modes[i] != INACTIVE and v < -tolerance:
                violation, aim = -v, (SLIDING if room.modes[i] == ACTIVE and low < high else INACTIVE)
            elif room.modes[i] != ACTIVE and v > tolerance:
                violation, aim = v, (SLIDING if low < high else ACTIVE)
        if violation > worst:
            worst, chosen, target = violation, i, aim
            if least_index:
                break
    return chosen, target


@njit(cache=True, nogil=True)
def next_event(room, size, count, tau, left, reach, tolerance):
    """Find the next event: how soon, which pair, its new mode (SLIDING on arrival), from which height.

    The last value is the smallest height above a concave kink at which a pair turns back before `left` is over.
    """
    when, who, target, height = math.inf, -1, 0, 0.0
    lowest = math.inf
    for i in range(size):
        if room.at_kink[i]:
            continue
        side = 1.0 if room.modes[i] == ACTIVE else -1.0
        c1, c2 = side * (room.velocity[0, i] + tau * room.velocity[1, i]), 0.5 * side * room.velocity[1, i]
        s = crossing_time(side * room.z[i], c1, c2, tolerance)
        if s < when:
            when, who, target, height = s, i, SLIDING, side * room.z[i] / (reach * room.norms[i])
        elif s == math.inf and 0.0 > c1 > -2.0 * c2 * left:
            jump = room.plus[0, i] + tau * room.plus[1, i] - room.minus[0, i] - tau * room.minus[1, i]
            if jump >= 0.0:
                lowest = min(lowest, (side * room.z[i] - 0.25 * c1 * c1 / c2) / (reach * room.norms[i]))
    for k in range(count):
        i = room.members[k]
        f, f_slope = room.hold[0, k] + tau * room.hold[1, k], room.hold[1, k]
        force_tolerance = tolerance / room.norms[i] ** 2
        s = exit_time(f - room.plus[0, i] - tau * room.plus[1, i], f_slope - room.plus[1, i], force_tolerance)
        if s < when:
            when, who, target = s, i, ACTIVE
        s = exit_time(room.minus[0, i] + tau * room.minus[1, i] - f, room.minus[1, i] - f_slope, force_tolerance)
        if s < when:
            when, who, target = s, i, INACTIVE
    return when, who, target, height, lowest


@njit(cache=True, nogil=True)
def run_neuron(room, size, count, reach, end):
    """Carry one neuron from tau = 0 to `end`, through all the events of its candidates.

    Parameters
    ----------
    room : Room
        The neuron and its candidates; changed in place, the result in room.shift.
    size, count : int
        Number of candidates, and of those the kept sliding set knows. Sliding pairs that it leaves out are taken in.
    reach : float
        |w| of the neuron, the scale of its preactivations.
    end : float
        1, or 0 to settle the modes at the present state and go no further.

    Returns
    -------
    status, events, tangential, count
        DONE or the reason of failure; number of mode changes; smallest relative distance to a tangential hit; size of
        the sliding set.
    """
    events, idle = 0, 0
    tau, tangential = 0.0, math.inf
    force_scale, norm_scale = 0.0, 0.0
    for i in range(size):
        force_scale = max(force_scale, abs(room.plus[0, i]), abs(room.minus[0, i]))
        norm_scale = max(norm_scale, room.norms[i])
        room.at_kink[i] = room.modes[i] == SLIDING
        if room.at_kink[i]:
            room.z[i] = 0.0
            room.modes[i] = UNKNOWN
    drive_scale = math.sqrt(dot(room.drive[0], room.drive[0]))
    tolerance = norm_scale * (VELOCITY_TOLERANCE * drive_scale + ROUNDING * force_scale * norm_scale)
    for k in range(count):
        room.modes[room.members[k]] = SLIDING
    project(room.rows, room.members, count, room.drive, room.pull)
    for i in range(size):
        if room.modes[i] == UNKNOWN:
            count = change_mode(room, i, SLIDING, count)
    for q in range(room.shift.shape[0]):
        room.shift[q] = 0.0

    while True:
        # Settle: principal pivoting over the pairs at their kink until the KKT conditions hold at this instant.
        pivots = 0
        while True:
            hold_still(room.inverse, room.pull, count, room.hold)
            # Least index first after a while: finite for P-matrices.
            who, target = worst_violation(room, size, count, tau, pivots >= 60, tolerance)
            if who < 0:
                break
            pivots += 1
            if pivots > 120 + 4 * size:
                return CYCLING, events, tangential, count
            dependent = room.modes[who] == DEPENDENT
            count = change_mode(room, who, target, count)
            if dependent and room.modes[who] == DEPENDENT:
                count = make_way(room, who, count, tau)
        for i in range(size):
            room.at_kink[i] = room.at_kink[i] and (room.modes[i] == SLIDING or room.modes[i] == DEPENDENT)
        add_held(room.rows, room.drive, room.members, room.hold, count, room.total)
        if end == 0.0:
            events = pivots
            add_scaled(room.shift, 1.0, room.total[0])
            break

        project(room.rows, room.everyone, size, room.total, room.velocity)
        left = end - tau
        when, who, target, height, lowest = next_event(room, size, count, tau, left, reach, tolerance)
        tangential = min(tangential, lowest)
        advance = min(when, left)
        middle = tau + 0.5 * advance
        add_scaled(room.shift, advance, room.total[0])
        add_scaled(room.shift, advance * middle, room.total[1])
        for i in range(size):
            if not room.at_kink[i]:
                room.z[i] += advance * (room.velocity[0, i] + middle * room.velocity[1, i])
        if when > left:
            break
        tau += advance
        events += 1
        idle = 0 if advance > 0.0 else idle + 1
        if events > 40 + 8 * size or idle > 20 + 4 * size:
            return TOO_MANY_EVENTS, events, tangential, count

        # The pair's new mode; settling decides the rest.
        jump = room.plus[0, who] + tau * room.plus[1, who] - room.minus[0, who] - tau * room.minus[1, who]
        if target == SLIDING:
            room.z[who] = 0.0
            if jump >= 0.0:
                side = 1.0 if room.modes[who] == ACTIVE else -1.0
                target = INACTIVE if room.modes[who] == ACTIVE else ACTIVE
                v = room.velocity[0, who] + tau * room.velocity[1, who]
                bend = side * room.velocity[1, who]
                # On its own it would have turned back at this depth. (One that has just left the kink hits nothing.)
                if bend > 0.0 and height > 1e-9:
                    tangential = min(tangential, 0.5 * v * v / bend / (reach * room.norms[who]))
        elif jump >= -WIDTH_TOLERANCE * force_scale:
            target = INACTIVE  # both bounds meet here: the pair rests unless its velocity lifts it
        count = change_mode(room, who, target, count)
        room.at_kink[who] = True
        for i in range(size):  # others that arrive at the same time, all of them where w = 0
            if not room.at_kink[i] and abs(room.z[i]) <= HEIGHT_TOLERANCE * reach * room.norms[i]:
                room.z[i] = 0.0
                room.at_kink[i] = True
                events += 1

    for i in range(size):
        if room.modes[i] == DEPENDENT:
            room.modes[i] = SLIDING
            for q in range(2):  # sliding pairs have no force in the drive
                add_scaled(room.drive[q], -room.minus[q, i], room.rows[i])
    return DONE, events, tangential, count
