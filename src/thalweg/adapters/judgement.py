"""What a training run is doing, judged by the last quarter of its states.

Gradients promise a fall of the loss: the sum of step size times |g|^2. A run whose loss falls by less has steps too
large for its valley; one whose loss rests is at a plateau, and the gradient tells which: growing there, it leaves a
saddle; promising nothing in as long as the run has taken, it is stuck. Of mini-batches nothing is said that chance
could do.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .._typing import FloatArray

# Entries before anything is said.
FEWEST = 12
# A window is the last quarter of the run. On a plateau the loss falls by less than this share within it, and
# a gradient that grows there does so by at least the larger factor in its square; below the smaller one it does not.
_SHARE, _FLAT, _GROWS, _RESTS = 0.25, 0.02, 1.5, 1.1
# Gradients promise so little that the run could double without the loss falling by this share.
_NOTHING = 1e-3
# What is said of mini-batches is to exceed so many standard errors.
_SURE = 3.0
# Share of the promised fall below which the step is too large: at 1/4, eta l = 1.5.
_OVERSHOOT = 0.25


@dataclass(frozen=True)
class Judgement:
    """What a run is doing, with the figures behind it.

    Attributes
    ----------
    state : str
        "starting", "descending", "slowing", "escaping a saddle", "converged", "stuck", "within noise" or "step too
        large". "slowing" is a plateau that gradients could still leave; "stuck" one they cannot, unless by an unstable
        direction not taken yet, which first derivatives do not show; "within noise" one where the scatter of
        mini-batches hides which of the two it is.
    reason : str
        The figures in words, with what to do.
    fall : float
        Share by which the loss, less its floor, fell within the window.
    growth : float
        Factor by which the square of the gradient grew within it.
    efficiency : float
        Fall of the loss relative to what gradients promised.
    steps_to_target : float
        Steps left at the rate within the window; 0 at the target, infinite where the loss does not fall.

    Examples
    --------
    >>> from thalweg.adapters.monitor import PLRecord
    >>> record = PLRecord(target=1e-3)
    >>> record.add(1e-4, 0.1, 0.01)
    >>> print(record.judgement())
    converged: The loss is 0.0001, at most the target 0.001.
    """

    state: str
    reason: str
    fall: float = math.nan
    growth: float = math.nan
    efficiency: float = math.nan
    steps_to_target: float = math.nan

    def __str__(self) -> str:
        return f"{self.state}: {self.reason}"


@dataclass
class Entry:
    """What is kept of a step: `promised` is the sum of step size times |g|^2 over the steps since the entry before."""

    step: float
    t: float
    loss: float
    square: float
    promised: float = 0.0


@dataclass(frozen=True)
class Run:
    """What is known of a run beside its states.

    Attributes
    ----------
    first, least, floor, target : float
        First loss, least loss so far, least loss there is, and the loss that counts as converged.
    plain : bool
        Whether steps are along the gradient.
    memory : int
        States over which figures are smoothed; 1 for full batches.
    looks : float
        States added for each step.
    loss_variance, square_variance : float
        Of the loss and the squared gradient of one mini-batch.
    """

    first: float
    least: float
    floor: float
    target: float
    plain: bool
    memory: int
    looks: float
    loss_variance: float
    square_variance: float

    def chance(self, variance: float, looks: float | None = None) -> float:
        """How far one figure, or a mean over so many looks at smoothed ones, may be off by chance."""
        if self.memory == 1:
            return 0.0
        return _SURE * math.sqrt(variance / (1 if looks is None else looks + 2 * self.memory))


def judge(window: list[Entry], run: Run) -> Judgement:
    """Judge a run by its last states, at least `FEWEST`; the last loss is finite and above the target."""
    first, last = window[0], window[-1]
    if last.t == first.t:
        return Judgement("stuck", f"The step size has been 0 for {last.step - first.step} steps.", 0.0)
    # From the middle of the first third to the middle of the last one.
    size = (len(window) // 3 - 1) | 1  # odd: the middle is an entry
    earlier, later = _middle(window[:size]), _middle(window[-size:])
    steps, excess, fell = later.step - earlier.step, last.loss - run.floor, earlier.loss - later.loss
    fall = fell / (earlier.loss - run.floor)
    promised = math.fsum(entry.promised for entry in window[size // 2 + 1 : len(window) - size // 2])
    efficiency = fell / promised if run.plain and promised > 0 else math.nan
    growth = later.square / earlier.square if earlier.square > 0 else math.nan
    per_step = -math.log1p(-min(fall, 0.999999)) / steps if fall > 0 else 0.0
    left = math.log(excess / (run.target - run.floor)) / per_step if per_step else math.inf
    # What chance may have done to the fall of the loss and to the squares of gradients.
    looks = (last.step - first.step) / 3 * run.looks
    off, vague = run.chance(2 * run.loss_variance, looks), run.chance(run.square_variance, looks)
    sure = promised - vague * (later.t - earlier.t)
    rises = _rises(window) and later.square - earlier.square > math.sqrt(2) * vague
    still = not (growth > _RESTS and rises)
    reach = max(later.square, 0.0) * last.t / excess

    moved = f"{'fell' if fall >= 0 else 'rose'} by {abs(fall):.2g} of itself"
    in_words = f"Within the last {last.step - first.step} steps the loss {moved}"

    def verdict(state: str, reason: str) -> Judgement:
        return Judgement(state, in_words + reason, fall, growth, efficiency, left)

    one = run.chance(run.loss_variance)  # the first loss is of one batch
    blown = later.loss - one > 4 * run.first or (fell < -off and later.loss > 2 * run.least)
    overshot = efficiency < _OVERSHOOT and fell + off < _OVERSHOOT * sure
    if blown or (sure > _FLAT * excess and overshot):
        promise = "" if math.isnan(efficiency) else f", {efficiency:.2g} of what gradients promised"
        return verdict("step too large", f"{promise}. Halve the step size.")
    if fall >= _FLAT and fell > off:
        return verdict("descending", f": {left:.3g} more to {run.target:.3g} at this rate.")
    if growth >= _GROWS and rises:
        rate = math.log(growth) / steps
        ready = max(math.log(excess / max(later.square * last.t, 1e-300)), 0.0) / rate
        return verdict(
            "escaping a saddle",
            f", while the gradient's square grew {growth:.3g} times: about {ready:.2g} steps to go.",
        )
    if later.square < vague and still:
        return verdict(
            "within noise",
            ", and gradients of batches agree no more than by chance. Larger batches, smaller steps or more of them "
            "tell whether it still moves.",
        )
    if reach < _NOTHING and still:
        return verdict(
            "stuck",
            f", and gradients promise {reach:.1g} in as many steps as there have been. It is a minimum, dead units, "
            "or a saddle seen from its stable side, which only second derivatives tell.",
        )
    return verdict("slowing", f"; gradients still promise {reach:.2g} in twice the time.")


def latest(entries: list[Entry]) -> list[Entry]:
    """Return the window: the last quarter of the run, or as many states as it takes to say anything."""
    begin = entries[-1].step * (1 - _SHARE)
    recent = [entry for entry in entries if entry.step >= begin]
    return recent if len(recent) >= FEWEST else entries[-FEWEST:]


def _middle(part: list[Entry]) -> Entry:
    names = ("step", "t", "loss", "square")
    return Entry(*(float(np.median([getattr(entry, name) for entry in part])) for name in names))


def _rises(window: list[Entry]) -> bool:
    """Whether the square of the gradient rises over the window as a whole, and not by one of its ends."""
    squares: FloatArray = np.array([entry.square for entry in window])
    parts = [float(np.median(part)) for part in np.array_split(squares, 4)]
    return all(a < b for a, b in pairwise(parts))
