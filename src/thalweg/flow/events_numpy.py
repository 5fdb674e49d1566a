"""One neuron through one macro step, with NumPy: the same problem as in `events` by other means, as its oracle.

- Every pair is tracked, so that the choice of candidates is checked as well.
- Inputs are scaled to unit vectors u: heights are <w, u>, and the force along u is `plus` on the positive side of the
  kink and `minus` on the other. It is convex, and may hold the neuron, where plus < minus.
- On convex kinks the velocity is the minimum-norm element, found by bounded least squares. What it leaves open, forces
  at a bound without velocity, is decided by the same problem for the derivatives in tau.
- Nothing is updated from event to event: forces are summed afresh, and no inverse is kept.

Lines are pairs (constant, linear) of coefficients in the time since the last event. Sides of a kink: 1, -1, or 0 where
the neuron slides.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .._typing import FloatArray, IntArray

DONE, TOO_MANY_EVENTS, CYCLING = 0, 1, 2
TOLERANCE = 1e-11  # of forces and velocities, relative to the largest force of the neuron
GRAZE = 1e-9  # heights relative to |w| below which a kink counts as just left


def bounded_least_squares(
    rows: FloatArray, base: FloatArray, low: FloatArray, high: FloatArray, tolerance: float
) -> tuple[FloatArray, IntArray]:
    """Minimise |base + f rows| over low <= f <= high by the active-set method of Stark and Parker.

    Returns f and where each entry is: -1 at its lower bound, 1 at its upper one, 0 between. Bounds may be infinite.
    """
    at = np.where(np.isfinite(high), 1, np.where(np.isfinite(low), -1, 0))
    f = np.where(at == 1, high, np.where(at == -1, low, 0.0))
    for _ in range(20 + 10 * len(f)):
        while (at == 0).any():
            free = at == 0
            goal = f.copy()
            goal[free] = np.linalg.lstsq(rows[free].T, -(base + f[~free] @ rows[~free]), rcond=1e-12)[0]
            outside = (goal < low) | (goal > high)
            if not outside.any():
                f = goal
                break
            bound = np.where(goal < low, low, high)[outside]
            shares = (bound - f[outside]) / (goal - f)[outside]
            f = f + shares.min() * (goal - f)
            stopped = np.flatnonzero(outside)[shares == shares.min()]
            at[stopped] = np.where(goal[stopped] < low[stopped], -1, 1)
            f[stopped] = np.where(at[stopped] < 0, low[stopped], high[stopped])
        pull = at * (rows @ (base + f @ rows))  # positive: the bound holds back what would shorten the sum
        if not len(f) or pull.max() <= tolerance:
            return f, at
        at[pull.argmax()] = 0
    raise ArithmeticError("bounded least squares did not settle")


def _first_sign(line: FloatArray, tolerance: float) -> IntArray:
    """Return the sign (K,) of lines (2, K) just after 0."""
    signs = np.where(np.abs(line) > tolerance, np.sign(line), 0.0).astype(np.int64)
    return np.where(signs[0] != 0, signs[0], signs[1])


def _hold(
    units: FloatArray, base: FloatArray, low: FloatArray, high: FloatArray, tolerance: float
) -> tuple[FloatArray, IntArray]:
    """Return force lines (2, k) of the convex kinks at zero, and their sides; all arguments but units are lines."""
    f, at = bounded_least_squares(units, base[0], low[0], high[0], tolerance)
    v = units @ (base[0] + f @ units)
    rising, falling = v > tolerance, v < -tolerance
    near_low, near_high = f - low[0] <= tolerance, high[0] - f <= tolerance
    # A force at a bound may only turn inwards; with a velocity it follows the bound.
    least = np.where(falling, high[1], np.where(near_low | rising, low[1], -np.inf))
    most = np.where(rising, low[1], np.where(near_high | falling, high[1], np.inf))
    moving = rising | falling
    slopes = np.where(moving, least, 0.0)
    held = ~moving
    push = base[1] + slopes @ units
    slopes[held], at = bounded_least_squares(units[held], push, least[held], most[held], 0.0)
    sides = np.where(rising, 1, np.where(falling, -1, 0))
    if base[1].any() or low[1].any():  # otherwise a tie is a tie for ever, and the neuron slides
        sides[held] = -at
    return np.stack((np.where(rising, low[0], np.where(falling, high[0], f)), slopes)), sides


def settle(
    units: FloatArray,
    sides: IntArray,
    at_zero: NDArray[np.bool_],
    plus: FloatArray,
    minus: FloatArray,
    tolerance: float,
) -> tuple[FloatArray, IntArray]:
    """Return force lines (2, K) and sides that agree with the velocities just after now.

    A concave kink at zero keeps its side, its history, unless it is driven to the other one.
    """
    sides = sides.copy()
    convex = at_zero & (_first_sign(plus - minus, tolerance) < 0)
    concave = at_zero & ~convex
    sides[concave & (sides == 0)] = -1
    for _ in range(20 + 10 * len(sides)):
        forces = np.where(sides > 0, plus, minus)
        if convex.any():
            forces[:, convex] = 0.0
            forces[:, convex], sides[convex] = _hold(
                units[convex], forces @ units, plus[:, convex], minus[:, convex], tolerance
            )
        velocity = forces @ units @ units.T
        wrong = concave & (sides * _first_sign(velocity, tolerance) < 0)
        if not wrong.any():
            return forces, sides
        worst = np.where(wrong, np.abs(velocity[0]), -1.0).argmax()
        sides[worst] = -sides[worst]
    raise ArithmeticError("the modes do not settle")


def crossing_times(height: FloatArray, line: FloatArray, tolerance: float) -> FloatArray:
    """Return the first s >= 0 at which height + line[0] s + line[1] s^2 / 2 falls below zero, or infinity."""
    c, b, a = height, line[0], 0.5 * line[1]
    with np.errstate(divide="ignore", invalid="ignore"):
        discriminant = b * b - 4 * a * c
        q = -0.5 * (b + np.where(b < 0, -1.0, 1.0) * np.sqrt(discriminant))
        roots = np.stack((c / q, q / a))
        above = np.where(roots > 0, roots, np.inf).min(axis=0)  # a comparison with NaN is false
        from_zero = np.where((b > tolerance) & (a < 0), -b / a, np.inf)
    from_zero[_first_sign(line, tolerance) < 0] = 0.0
    return np.where(c > 0, above, from_zero)


def exit_times(slack: FloatArray, tolerance: float) -> FloatArray:
    """Return when lines (2, K) of slack, zero within `tolerance` or positive at 0, turn negative, or infinity."""
    with np.errstate(divide="ignore", invalid="ignore"):
        s = np.where(slack[0] > tolerance, -slack[0] / slack[1], 0.0)
    return np.where(slack[1] < 0, s, np.inf)


def _shifted(line: FloatArray, s: float) -> FloatArray:
    return np.stack((line[0] + s * line[1], line[1]))


@dataclass(frozen=True, eq=False)
class Arrival:
    """Where a neuron is at the end of a macro step."""

    status: int
    events: int
    tangential: float
    shift: FloatArray
    sides: IntArray


def carry(
    units: FloatArray, sides: IntArray, heights: FloatArray, plus: FloatArray, minus: FloatArray, reach: float
) -> Arrival:
    """Carry one neuron from tau = 0 to 1, through all its events.

    sides and heights are those of its kinks, plus and minus the lines (2, K) of their forces, reach is |w|.
    """
    tolerance = TOLERANCE * max(np.abs(plus[0]).max(), np.abs(minus[0]).max())
    shift = np.zeros(units.shape[1])
    heights = np.where(sides == 0, 0.0, heights)
    at_zero = sides == 0
    events, tangential, left = 0, math.inf, 1.0
    for _ in range(60 + 8 * len(sides)):
        try:
            forces, sides = settle(units, sides, at_zero, plus, minus, tolerance)
        except ArithmeticError:
            return Arrival(CYCLING, events, tangential, shift, sides)
        sliding = sides == 0
        total = forces @ units
        velocity = total @ units.T
        inwards = sides * velocity

        # The next event: arrivals at zero, and forces of sliding kinks that reach a bound.
        crossings = np.where(sliding, np.inf, crossing_times(sides * heights, inwards, tolerance))
        exits = np.minimum(exit_times(forces - plus, tolerance), exit_times(minus - forces, tolerance))
        times = np.where(sliding, exits, crossings)
        concave = ~sliding & (plus[0] >= minus[0])
        turns = (
            concave & (crossings == np.inf) & (inwards[1] > 0) & (-inwards[1] * left < inwards[0]) & (inwards[0] < 0)
        )
        lowest = (sides * heights)[turns] - 0.5 * inwards[0, turns] ** 2 / inwards[1, turns]
        tangential = min(tangential, lowest.min(initial=np.inf) / reach)

        step = min(float(times.min()), left)
        shift += step * (total[0] + 0.5 * step * total[1])
        before = sides * heights
        heights = np.where(sliding, 0.0, heights + step * (velocity[0] + 0.5 * step * velocity[1]))
        if times.min() > left:
            return Arrival(DONE, events, tangential, shift, sides)
        left -= step
        plus, minus = _shifted(plus, step), _shifted(minus, step)
        now = times == times.min()
        events += int(now.sum())

        # Kinks that arrive: a concave one is crossed. On its own it would have turned back at some depth, which tells
        # nothing if it has just left the kink.
        arrived = now & ~sliding
        heights[arrived] = 0.0
        crossed = arrived & (_first_sign(plus - minus, tolerance) >= 0)
        counted = crossed & (before > GRAZE * reach) & (inwards[1] > 0)
        depths = 0.5 * (inwards[0] + step * inwards[1])[counted] ** 2 / inwards[1, counted]
        tangential = min(tangential, depths.min(initial=np.inf) / reach)
        sides = np.where(crossed, -sides, sides)
        at_zero = sliding | arrived
    return Arrival(TOO_MANY_EVENTS, events, tangential, shift, sides)
