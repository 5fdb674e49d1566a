"""One neuron through one macro step, event by event (numba).

Within a macro step, tau in [0, 1], the forces g_i(tau) = H a r_i / n and the drive of a neuron are linear
polynomials, so its preactivations are piecewise quadratic and the forces of its sliding pairs piecewise linear:
every event is the root of a polynomial of degree at most two, and no integration error is made between.

Only some candidate pairs are tracked; the rest keep their mode (the caller checks). Modes: 1 active, -1 inactive,
0 sliding; inside this module also DEPENDENT: at the kink, but held there by the sliding pairs alone, since its
input is a combination of theirs. Source of the rule: at convex kinks (g < 0) the velocity is the minimum-norm
element, min over f_i in [g_i, slope g_i] of |drive + sum f_i x_i|^2, whose KKT conditions are v_i > 0 => active,
v_i < 0 => inactive, otherwise sliding with f_S = -K_SS^-1 (drive on S). A concave kink (g >= 0) is crossed.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

ACTIVE, INACTIVE, SLIDING, DEPENDENT = 1, -1, 0, 2
DONE, TOO_MANY_EVENTS, CYCLING = 0, 1, 2

# Relative tolerances: forces, velocities, and the Schur complement below which an input counts as a combination of
# the sliding ones. Looser values took wrong branches.
FORCE_TOLERANCE = 1e-11
VELOCITY_TOLERANCE = 1e-11
SCHUR_TOLERANCE = 1e-10

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
def project(rows, line, chosen, count, out):
    """out[:, k] = coefficients of <rows[chosen[k]], line(tau)>; line is (2, m). Explicit loops: no array views."""
    for k in range(count):
        i = chosen[k]
        constant, linear = 0.0, 0.0
        for q in range(rows.shape[1]):
            constant += rows[i, q] * line[0, q]
            linear += rows[i, q] * line[1, q]
        out[0, k], out[1, k] = constant, linear


@njit(cache=True, nogil=True, fastmath=_FAST)
def hold_still(rows, drive, members, inverse, count, pull, hold, total):
    """Forces of the sliding pairs, hold = -K_SS^-1 (drive on S), and total = drive with these forces."""
    project(rows, drive, members, count, pull)
    for q in range(rows.shape[1]):
        total[0, q], total[1, q] = drive[0, q], drive[1, q]
    for k in range(count):
        constant, linear = 0.0, 0.0
        for i in range(count):
            constant -= inverse[k, i] * pull[0, i]
            linear -= inverse[k, i] * pull[1, i]
        hold[0, k], hold[1, k] = constant, linear
        i = members[k]
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
        inverse[i, count] = inverse[count, i] = -product[i] / schur
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
        inverse[place, :last] = inverse[last, :last]
        inverse[:last, place] = inverse[:last, last]
        inverse[place, place] = inverse[last, last]
        members[place] = members[last]


@njit(cache=True, nogil=True)
def place_of(member, members, count):
    """Position of a sliding member in the list."""
    for k in range(count):
        if members[k] == member:
            return k
    return -1


@njit(cache=True, nogil=True, fastmath=_FAST)
def admit(rows, who, members, inverse, count):
    """Try to add `who` to the sliding set; return whether its input is independent of the set's."""
    links = np.empty(count + 1)
    row = rows[who]
    for k in range(count):
        i = members[k]
        total = 0.0
        for q in range(rows.shape[1]):
            total += rows[i, q] * row[q]
        links[k] = total
    return enter(inverse, count, links, dot(row, row))


@njit(cache=True, nogil=True)
def run_neuron(rows, modes, z, drive, forces, slope, reach, norms, end):
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
    forces : array (2, size)
        Coefficients of g.
    slope : float
        Multiplier of inactive pairs: 0, or the slope of the leaky ReLU.
    reach, norms : float, array (size,)
        |w| of the neuron and the norms of the inputs, to scale the distance to a tangential hit.
    end : float
        1, or 0 to settle the modes at the present state and go no further.

    Returns
    -------
    status, events, tangential, shift
        DONE or the reason of failure; number of mode changes; smallest relative distance to a tangential hit;
        displacement of w (m,); at `end` = 0 its velocity, the forces of sliding pairs included.
    """
    size, m = rows.shape
    shift = np.zeros(m)
    members = np.empty(min(size, m) + 1, np.int64)
    inverse = np.empty((min(size, m) + 1, min(size, m) + 1))
    everyone = np.arange(size)
    count = 0
    at_kink = np.zeros(size, np.bool_)
    weight = np.empty(size)
    total = np.empty((2, m))
    velocity = np.empty((2, size))
    hold = np.empty((2, min(size, m) + 1))
    events = 0
    tangential = math.inf

    force_scale, velocity_scale = 0.0, 0.0
    for i in range(size):
        force_scale = max(force_scale, abs(forces[0, i]))
        velocity_scale = max(velocity_scale, norms[i])
        weight[i] = 1.0 if modes[i] == ACTIVE else (slope if modes[i] == INACTIVE else 0.0)
        if modes[i] == SLIDING:
            at_kink[i] = True
            z[i] = 0.0
            if admit(rows, i, members, inverse, count):
                members[count] = i
                count += 1
            else:
                modes[i], weight[i] = DEPENDENT, slope
                for q in range(2):
                    add_scaled(drive[q], slope * forces[q, i], rows[i])
    force_tolerance = FORCE_TOLERANCE * force_scale
    velocity_tolerance = VELOCITY_TOLERANCE * velocity_scale * math.sqrt(dot(drive[0], drive[0]))

    tau = 0.0
    idle = 0
    while True:
        # Settle: principal pivoting over the pairs at their kink until the KKT conditions hold at this instant.
        pivots = 0
        while True:
            hold_still(rows, drive, members, inverse, count, velocity, hold, total)
            worst, chosen, target = 0.0, -1, 0
            for i in range(size):
                if not at_kink[i]:
                    continue
                g = forces[0, i] + tau * forces[1, i]
                violation, aim = 0.0, 0
                if modes[i] == SLIDING:
                    k = place_of(i, members, count)
                    f = hold[0, k] + tau * hold[1, k]
                    if g >= 0.0:
                        violation, aim = math.inf, INACTIVE
                    elif f < g - force_tolerance:
                        violation, aim = (g - f) * norms[i] ** 2, ACTIVE
                    elif f > slope * g + force_tolerance:
                        violation, aim = (f - slope * g) * norms[i] ** 2, INACTIVE
                else:
                    v = dot(rows[i], total[0]) + tau * dot(rows[i], total[1])
                    if modes[i] != INACTIVE and v < -velocity_tolerance:
                        violation, aim = -v, (SLIDING if modes[i] == ACTIVE and g < 0.0 else INACTIVE)
                    elif modes[i] != ACTIVE and v > velocity_tolerance:
                        violation, aim = v, (SLIDING if g < 0.0 else ACTIVE)
                if violation > worst:
                    worst, chosen, target = violation, i, aim
                    if pivots >= 60:  # least index first: finite for P-matrices
                        break
            if chosen < 0:
                break
            pivots += 1
            if pivots > 120 + 4 * size:
                return CYCLING, events, tangential, shift
            count, weight[chosen] = change_mode(
                chosen, target, rows, modes, drive, forces, slope, weight[chosen], members, inverse, count
            )
        for i in range(size):
            at_kink[i] = at_kink[i] and (modes[i] == SLIDING or modes[i] == DEPENDENT)
        if end == 0.0:
            break
        project(rows, total, everyone, size, velocity)

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
            elif s == math.inf and 0.0 > c1 > -2.0 * c2 * left and forces[0, i] + tau * forces[1, i] >= 0.0:
                # It turns back within the step, at this height above a concave kink.
                tangential = min(tangential, (side * z[i] - 0.25 * c1 * c1 / c2) / (reach * norms[i]))
        for k in range(count):
            i = members[k]
            g0, f0 = forces[0, i] + tau * forces[1, i], hold[0, k] + tau * hold[1, k]
            s = exit_time(f0 - g0, hold[1, k] - forces[1, i], force_tolerance)
            if s < when:
                when, who, target = s, i, ACTIVE
            s = exit_time(slope * g0 - f0, slope * forces[1, i] - hold[1, k], force_tolerance)
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
            return TOO_MANY_EVENTS, events, tangential, shift

        # The pair's new mode; settling decides the rest.
        if target == SLIDING:
            z[who] = 0.0
            if forces[0, who] + tau * forces[1, who] >= 0.0:
                side = 1.0 if modes[who] == ACTIVE else -1.0
                target = INACTIVE if modes[who] == ACTIVE else ACTIVE
                v = velocity[0, who] + tau * velocity[1, who]
                bend = side * velocity[1, who]
                # On its own it would have turned back at this depth. (One that has just left the kink hits nothing.)
                if bend > 0.0 and height > 1e-9:
                    tangential = min(tangential, 0.5 * v * v / bend / (reach * norms[who]))
        count, weight[who] = change_mode(
            who, target, rows, modes, drive, forces, slope, weight[who], members, inverse, count
        )
        at_kink[who] = True

    for i in range(size):
        if modes[i] == DEPENDENT:
            modes[i] = SLIDING
    if end == 0.0:
        shift[:] = total[0]
        events = pivots
    return DONE, events, tangential, shift


@njit(cache=True, nogil=True)
def change_mode(who, target, rows, modes, drive, forces, slope, weight, members, inverse, count):
    """Give a pair a new mode; return the size of the sliding set and the pair's new weight in the drive."""
    if modes[who] == SLIDING:
        leave(inverse, count, members, place_of(who, members, count))
        count -= 1
    new_weight = 0.0
    if target == ACTIVE:
        new_weight = 1.0
    elif target == INACTIVE:
        new_weight = slope
    elif admit(rows, who, members, inverse, count):
        members[count] = who
        count += 1
    else:
        target, new_weight = DEPENDENT, slope
    modes[who] = target
    if new_weight != weight:
        for q in range(2):
            add_scaled(drive[q], (new_weight - weight) * forces[q, who], rows[who])
    return count, new_weight
