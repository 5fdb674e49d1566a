"""The sliding set of one neuron: its Gram matrix K_SS, kept inverted, and the forces that hold it at its kinks (numba).

Members enter and leave one at a time. Rows are input coordinates; drives, pulls and forces are linear in tau and given
by two coefficients, as in `events`.
"""

from __future__ import annotations

from numba import njit

# The Schur complement, relative to |x|^2, below which an input counts as a combination of the sliding ones.
SCHUR_TOLERANCE = 3e-12
# Inverse of the relative Schur complement of a member that leaves above which the rest is inverted afresh: what the
# others had of it loses as many digits.
MOST_INFLATION = 1e4

# Sums may be taken in any order; NaN and infinity keep their meaning.
FAST = {"contract", "reassoc", "nsz", "arcp"}


@njit(cache=True, nogil=True, fastmath=FAST)
def dot(x, y):
    """Inner product of two short rows."""
    total = 0.0
    for k in range(x.shape[0]):
        total += x[k] * y[k]
    return total


@njit(cache=True, nogil=True, fastmath=FAST)
def add_scaled(x, scale, y):
    """x += scale * y."""
    for k in range(x.shape[0]):
        x[k] += scale * y[k]


@njit(cache=True, nogil=True, fastmath=FAST)
def project(rows, chosen, count, line, out):
    """out[:, k] = coefficients of <rows[chosen[k]], line(tau)>; line is (2, m). Explicit loops: no array views."""
    for k in range(count):
        i = chosen[k]
        constant, linear = 0.0, 0.0
        for q in range(rows.shape[1]):
            constant += rows[i, q] * line[0, q]
            linear += rows[i, q] * line[1, q]
        out[0, k], out[1, k] = constant, linear


@njit(cache=True, nogil=True, fastmath=FAST)
def link(rows, who, members, count, links):
    """Inner products of one input with those of the sliding set."""
    for k in range(count):
        i = members[k]
        total = 0.0
        for q in range(rows.shape[1]):
            total += rows[i, q] * rows[who, q]
        links[k] = total


@njit(cache=True, nogil=True, fastmath=FAST)
def hold_still(inverse, pull, count, hold):
    """Forces of the sliding pairs, hold = -K_SS^-1 pull, where pull is the drive on them."""
    for k in range(count):
        constant, linear = 0.0, 0.0
        for i in range(count):
            constant -= inverse[k, i] * pull[0, i]
            linear -= inverse[k, i] * pull[1, i]
        hold[0, k], hold[1, k] = constant, linear


@njit(cache=True, nogil=True, fastmath=FAST)
def add_held(rows, drive, members, hold, count, total):
    """total = drive with the forces of the sliding pairs."""
    for q in range(rows.shape[1]):
        total[0, q], total[1, q] = drive[0, q], drive[1, q]
    for k in range(count):
        i, constant, linear = members[k], hold[0, k], hold[1, k]
        for q in range(rows.shape[1]):
            total[0, q] += constant * rows[i, q]
            total[1, q] += linear * rows[i, q]


@njit(cache=True, nogil=True, fastmath=FAST)
def enter(inverse, count, links, corner, tolerance=SCHUR_TOLERANCE):
    """Grow the inverse of K_SS by one member; False if its input depends on the others."""
    schur = corner
    for i in range(count):
        total = 0.0
        for k in range(count):
            total += inverse[i, k] * links[k]
        inverse[count, i] = total
        schur -= total * links[i]
    if schur <= tolerance * corner:
        return False
    for i in range(count):
        scale = inverse[count, i] / schur
        for k in range(count):
            inverse[i, k] += scale * inverse[count, k]
        inverse[i, count] = -scale
    for i in range(count):
        inverse[count, i] = inverse[i, count]
    inverse[count, count] = 1.0 / schur
    return True


@njit(cache=True, nogil=True, error_model="numpy")  # of nearly parallel inputs: NaN, and the step is refused
def leave(inverse, count, members, place):
    """Shrink the inverse of K_SS by the member at `place`; the last member takes its place."""
    for i in range(count):
        if i != place:
            scale = inverse[i, place] / inverse[place, place]
            for k in range(count):
                inverse[i, k] -= scale * inverse[place, k]
    last = count - 1
    if place != last:
        for k in range(last):
            inverse[place, k] = inverse[last, k]
        for k in range(last):
            inverse[k, place] = inverse[k, last]
        inverse[place, place] = inverse[last, last]
        members[place] = members[last]


@njit(cache=True, nogil=True)
def invert(rows, norms, members, count, links, inverse):
    """Make the inverse of K_SS afresh."""
    for k in range(count):
        link(rows, members[k], members, k, links)
        enter(inverse, k, links, norms[members[k]] ** 2, 0.0)


@njit(cache=True, nogil=True)
def place_of(member, members, count):
    """Position of a sliding member in the list, or -1."""
    for k in range(count):
        if members[k] == member:
            return k
    return -1
