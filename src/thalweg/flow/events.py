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

import numpy as np
from numba import njit

ACTIVE, INACTIVE, SLIDING, DEPENDENT, UNKNOWN = 1, -1, 0, 2, 3
DONE, TOO_MANY_EVENTS, CYCLING = 0, 1, 2

# Relative tolerances: forces, velocities, the Schur complement below which an input counts as a combination of the
# sliding ones, and the height at which a pair counts as at its kink. Looser values took wrong branches.
FORCE_TOLERANCE = 1e-11
VELOCITY_TOLERANCE = 1e-11
SCHUR_TOLERANCE = 1e-10
HEIGHT_TOLERANCE = 1e-13

_FAST = {"contract", "reassoc", "nsz", "arcp"}


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


@njit(cache=True, nogil=True, fastmath=_FAST)
def dot(x, y):
    """Inner product of two short rows."""
    total = 0.0
    for k in range(x.shape[0]):
        total += x[k] * y[k]
    return total


@njit(cache=True, nogil=True, fastmath=_FAST)
def add_scaled(x, scale, y):
    """x += scale * y."""
    for k in range(x.shape[0]):
        x[k] += scale * y[k]


@njit(cache=True, nogil=True, fastmath=_FAST)
def project(rows, line, out):
    """out[:, i] = coefficients of <rows[i], line(tau)>; line is (2, m). Explicit loops: no array views."""
    for i in range(rows.shape[0]):
        constant, linear = 0.0, 0.0
        for q in range(rows.shape[1]):
            constant += rows[i, q] * line[0, q]
            linear += rows[i, q] * line[1, q]
        out[0, i], out[1, i] = constant, linear


@njit(cache=True, nogil=True, fastmath=_FAST)
def link(rows, who, members, count, links):
    """Inner products of one input with those of the sliding set."""
    for k in range(count):
        i = members[k]
        total = 0.0
        for q in range(rows.shape[1]):
            total += rows[i, q] * rows[who, q]
        links[k] = total


@njit(cache=True, nogil=True, fastmath=_FAST)
def hold_still(inverse, pull, count, hold):
    """Forces of the sliding pairs, hold = -K_SS^-1 pull, where pull is the drive on them."""
    for k in range(count):
        constant, linear = 0.0, 0.0
        for i in range(count):
            constant -= inverse[k, i] * pull[0, i]
            linear -= inverse[k, i] * pull[1, i]
        hold[0, k], hold[1, k] = constant, linear


@njit(cache=True, nogil=True, fastmath=_FAST)
def add_held(rows, drive, members, hold, count, total):
    """total = drive with the forces of the sliding pairs."""
    for q in range(rows.shape[1]):
        total[0, q], total[1, q] = drive[0, q], drive[1, q]
    for k in range(count):
        i, constant, linear = members[k], hold[0, k], hold[1, k]
        for q in range(rows.shape[1]):
            total[0, q] += constant * rows[i, q]
            total[1, q] += linear * rows[i, q]


@njit(cache=True, nogil=True, fastmath=_FAST)
def enter(inverse, count, links, corner):
    """Grow the inverse of K_SS by one member; False if its input depends on the others."""
    product = np.empty(count)
    schur = corner
    for i in range(count):
        total = 0.0
        for k in range(count):
            total += inverse[i, k] * links[k]
        product[i] = total
        schur -= total * links[i]
    if schur <= SCHUR_TOLERANCE * corner:
        return False
    for i in range(count):
        scale = product[i] / schur
        for k in range(count):
            inverse[i, k] += scale * product[k]
        inverse[i, count] = inverse[count, i] = -scale
    inverse[count, count] = 1.0 / schur
    return True


@njit(cache=True, nogil=True)
def leave(inverse, count, members, place):
    """Shrink the inverse of K_SS by the member at `place`; the last member takes its place."""
    row = inverse[place, :count].copy()
    for i in range(count):
        scale = row[i] / row[place]
        for k in range(count):
            inverse[i, k] -= scale * row[k]
    last = count - 1
    if place != last:
        for k in range(last):
            inverse[place, k] = inverse[last, k]
        for k in range(last):
            inverse[k, place] = inverse[k, last]
        inverse[place, place] = inverse[last, last]
        members[place] = members[last]


@njit(cache=True, nogil=True)
def place_of(member, members, count):
    """Position of a sliding member in the list, or -1."""
    for k in range(count):
        if members[k] == member:
            return k
    return -1


@njit(cache=True, nogil=True)
def change_mode(who, target, rows, norms, modes, drive, plus, minus, members, inverse, pull, links, count):
    """Give a pair a new mode; return the new size of the sliding set.

    Keeps the drive (without sliding forces), its pull on the sliding set, and the inverse of K_SS in step.
    """
    before = modes[who]
    if before == SLIDING:
        place = place_of(who, members, count)
        leave(inverse, count, members, place)
        count -= 1
        for q in range(2):
            pull[q, place] = pull[q, count]
    link(rows, who, members, count, links)
    if target == SLIDING and not enter(inverse, count, links, norms[who] ** 2):
        target = DEPENDENT
    for q in range(2):
        change = 0.0
        if before == ACTIVE:
            change -= plus[q, who]
        elif before != SLIDING and before != UNKNOWN:
            change -= minus[q, who]
        if target == ACTIVE:
            change += plus[q, who]
        elif target != SLIDING:
            change += minus[q, who]
        if change != 0.0:
            add_scaled(drive[q], change, rows[who])
            for k in range(count):
                pull[q, k] += change * links[k]
    if target == SLIDING:
        members[count] = who
        for q in range(2):
            pull[q, count] = dot(rows[who], drive[q])
        count += 1
    modes[who] = target
    return count


@njit(cache=True, nogil=True)
def worst_violation(
    tau, least_index, rows, norms, modes, at_kink, drive, plus, minus, members, hold, links, count,
    force_tolerance, velocity_tolerance,
):  # fmt: skip
    """Find the pair at its kink that violates the KKT conditions most (or the first), and its better mode."""
    worst, chosen, target = 0.0, -1, 0
    for i in range(modes.shape[0]):
        if not at_kink[i]:
            continue
        low, high = plus[0, i] + tau * plus[1, i], minus[0, i] + tau * minus[1, i]
        violation, aim = 0.0, 0
        if modes[i] == SLIDING:
            k = place_of(i, members, count)
            f = hold[0, k] + tau * hold[1, k]
            if low >= high:
                violation, aim = math.inf, INACTIVE
            elif f < low - force_tolerance:
                violation, aim = (low - f) * norms[i] ** 2, ACTIVE
            elif f > high + force_tolerance:
                violation, aim = (f - high) * norms[i] ** 2, INACTIVE
        else:
            v = dot(rows[i], drive[0]) + tau * dot(rows[i], drive[1])
            link(rows, i, members, count, links)
            for k in range(count):
                v += (hold[0, k] + tau * hold[1, k]) * links[k]
            if modes[i] != INACTIVE and v < -velocity_tolerance:
                violation, aim = -v, (SLIDING if modes[i] == ACTIVE and low < high else INACTIVE)
            elif modes[i] != ACTIVE and v > velocity_tolerance:
                violation, aim = v, (SLIDING if low < high else ACTIVE)
        if violation > worst:
            worst, chosen, target = violation, i, aim
            if least_index:
                break
    return chosen, target


@njit(cache=True, nogil=True)
def run_neuron(rows, modes, z, drive, plus, minus, reach, norms, members, inverse, count, end):
    """Carry one neuron from tau = 0 to `end`, through all the events of its candidates.

    Parameters
    ----------
    rows : array (size, m)
        Input coordinates of the candidates.
    modes : array (size,) of int8
        Modes; changed in place. Pairs at their kink whose mode is not known yet may be given as sliding.
    z : array (size,)
        Preactivations; changed in place.
    drive : array (2, m)
        Coefficients in tau of the velocity of w without the forces of sliding pairs; changed in place.
    plus, minus : array (2, size)
        Coefficients of the forces of active and of inactive pairs.
    reach, norms : float, array (size,)
        |w| of the neuron and the norms of the inputs, scales of the preactivations.
    members, inverse, count : array (most,), array (most, most), int
        A sliding set, in candidates, and the inverse of its K_SS; changed in place. Sliding pairs that it leaves out
        are taken in. most is at least min(size, m) + 1.
    end : float
        1, or 0 to settle the modes at the present state and go no further.

    Returns
    -------
    status, events, tangential, count, shift
        DONE or the reason of failure; number of mode changes; smallest relative distance to a tangential hit; size of
        the sliding set; displacement of w (m,), or at `end` = 0 its velocity, the sliding forces included.
    """
    size, m = rows.shape
    shift = np.zeros(m)
    pull, hold, links = np.empty((2, len(members))), np.empty((2, len(members))), np.empty(len(members))
    at_kink = np.zeros(size, np.bool_)
    total, velocity = np.empty((2, m)), np.empty((2, size))
    events = 0
    tangential = math.inf

    force_scale, velocity_scale = 0.0, 0.0
    for i in range(size):
        force_scale = max(force_scale, abs(plus[0, i]), abs(minus[0, i]))
        velocity_scale = max(velocity_scale, norms[i])
        if modes[i] == SLIDING:
            at_kink[i] = True
            z[i] = 0.0
            modes[i] = UNKNOWN
    force_tolerance = FORCE_TOLERANCE * force_scale
    velocity_tolerance = VELOCITY_TOLERANCE * velocity_scale * math.sqrt(dot(drive[0], drive[0]))
    for k in range(count):
        modes[members[k]] = SLIDING
        for q in range(2):
            pull[q, k] = dot(rows[members[k]], drive[q])
    for i in range(size):
        if modes[i] == UNKNOWN:
            count = change_mode(
                i, SLIDING, rows, norms, modes, drive, plus, minus, members, inverse, pull, links, count
            )

    tau = 0.0
    idle = 0
    pivots = 0
    while True:
        # Settle: principal pivoting over the pairs at their kink until the KKT conditions hold at this instant.
        pivots = 0
        while True:
            hold_still(inverse, pull, count, hold)
            chosen, target = worst_violation(
                tau, pivots >= 60, rows, norms, modes, at_kink, drive, plus, minus, members, hold, links, count,
                force_tolerance, velocity_tolerance,
            )  # fmt: skip
            if chosen < 0:
                break
            pivots += 1
            if pivots > 120 + 4 * size:
                return CYCLING, events, tangential, count, shift
            count = change_mode(
                chosen, target, rows, norms, modes, drive, plus, minus, members, inverse, pull, links, count
            )
        for i in range(size):
            at_kink[i] = at_kink[i] and (modes[i] == SLIDING or modes[i] == DEPENDENT)
        add_held(rows, drive, members, hold, count, total)
        if end == 0.0:
            break
        project(rows, total, velocity)

        # The next event.
        left = end - tau
        when, who, target, height = math.inf, -1, 0, 0.0
        for i in range(size):
            if at_kink[i]:
                continue
            side = 1.0 if modes[i] == ACTIVE else -1.0
            c1, c2 = side * (velocity[0, i] + tau * velocity[1, i]), 0.5 * side * velocity[1, i]
            s = crossing_time(side * z[i], c1, c2, velocity_tolerance)
            if s < when:
                when, who, target, height = s, i, SLIDING, side * z[i] / (reach * norms[i])
            elif s == math.inf and 0.0 > c1 > -2.0 * c2 * left:  # it turns back within the step, at this height
                jump = plus[0, i] + tau * plus[1, i] - minus[0, i] - tau * minus[1, i]
                if jump >= 0.0:
                    tangential = min(tangential, (side * z[i] - 0.25 * c1 * c1 / c2) / (reach * norms[i]))
        for k in range(count):
            i = members[k]
            f = hold[0, k] + tau * hold[1, k]
            s = exit_time(f - plus[0, i] - tau * plus[1, i], hold[1, k] - plus[1, i], force_tolerance)
            if s < when:
                when, who, target = s, i, ACTIVE
            s = exit_time(minus[0, i] + tau * minus[1, i] - f, minus[1, i] - hold[1, k], force_tolerance)
            if s < when:
                when, who, target = s, i, INACTIVE
        advance = min(when, left)
        add_scaled(shift, advance, total[0])
        add_scaled(shift, advance * (tau + 0.5 * advance), total[1])
        for i in range(size):
            if not at_kink[i]:
                z[i] += advance * (velocity[0, i] + (tau + 0.5 * advance) * velocity[1, i])
        if when > left:
            break
        tau += advance
        events += 1
        idle = 0 if advance > 0.0 else idle + 1
        if events > 40 + 8 * size or idle > 20 + 4 * size:
            return TOO_MANY_EVENTS, events, tangential, count, shift

        # The pair's new mode; settling decides the rest.
        jump = plus[0, who] + tau * plus[1, who] - minus[0, who] - tau * minus[1, who]
        if target == SLIDING:
            z[who] = 0.0
            if jump >= 0.0:
                side = 1.0 if modes[who] == ACTIVE else -1.0
                target = INACTIVE if modes[who] == ACTIVE else ACTIVE
                v = velocity[0, who] + tau * velocity[1, who]
                bend = side * velocity[1, who]
                # On its own it would have turned back at this depth. (One that has just left the kink hits nothing.)
                if bend > 0.0 and height > 1e-9:
                    tangential = min(tangential, 0.5 * v * v / bend / (reach * norms[who]))
        elif jump >= -1e3 * force_tolerance:
            target = INACTIVE  # both bounds meet here: the pair rests unless its velocity lifts it
        count = change_mode(who, target, rows, norms, modes, drive, plus, minus, members, inverse, pull, links, count)
        at_kink[who] = True
        for i in range(size):  # others that arrive at the same time, all of them where w = 0
            if not at_kink[i] and abs(z[i]) <= HEIGHT_TOLERANCE * reach * norms[i]:
                z[i] = 0.0
                at_kink[i] = True

    for i in range(size):
        if modes[i] == DEPENDENT:
            modes[i] = SLIDING
            for q in range(2):  # sliding pairs have no force in the drive
                add_scaled(drive[q], -minus[q, i], rows[i])
    if end == 0.0:
        shift[:] = total[0]
        events = pivots
    return DONE, events, tangential, count, shift
