"""Where to spend trials so that they tell most about a threshold."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from .. import _validate as check
from .._typing import FloatArray, IntArray
from .threshold import threshold

# Distance of the sizes tried from the threshold, in logits. A trial at distance u has the information P(1 - P) about
# the threshold and u^2 P(1 - P) about the steepness, without which the threshold has no interval. For 100 to 500 trials
# the interval is shortest near this distance: P = 0.32 and 0.68.
_OFFSET = 0.75


def next_trials(sizes: ArrayLike, trials: ArrayLike, successes: ArrayLike, batch: int) -> IntArray:
    """Choose the sizes of the next trials in the search for a threshold.

    As long as successes and failures do not overlap, trials are spread over the interval of the threshold, which they
    cut down as a bisection does. After that they are shared by two sizes that bracket it.

    Parameters
    ----------
    sizes : array (m,)
        Sizes that may be tried, increasing.
    trials, successes : array (m,) of int
        Trials so far at each of them, and successes among these.
    batch : int
        Number of trials to choose.

    Returns
    -------
    array (m,) of int
        How many of the next trials to make at each size.

    Examples
    --------
    >>> from thalweg.stats import next_trials
    >>> next_trials([20, 30, 40, 50], [0, 0, 0, 0], [0, 0, 0, 0], batch=2)
    array([0, 1, 1, 0])
    >>> next_trials([20, 30, 40, 50], [10, 20, 20, 10], [10, 15, 6, 0], batch=8)
    array([0, 4, 4, 0])
    """
    n = check.real_array("next_trials", "sizes", sizes, 1)
    batch = check.positive_int("next_trials", "batch", batch)
    if not len(n) or n[0] <= 0 or (np.diff(n) <= 0).any():
        raise check.fail("next_trials", "sizes", "be above 0 and increase", n)
    logs = np.log(n)
    low, high, halves = _interval(n, trials, successes)
    chosen = np.zeros(len(n), np.int64)
    if halves:  # the nearest sizes outside, so that they are two, whatever the estimate
        chosen[max(int(np.searchsorted(logs, low, "right")) - 1, 0)] += batch - batch // 2
        chosen[min(int(np.searchsorted(logs, high, "left")), len(n) - 1)] += batch // 2
        return chosen
    targets = np.linspace(max(low, logs[0]), min(high, logs[-1]), batch + 2)[1:-1]
    np.add.at(chosen, np.abs(logs - targets[:, None]).argmin(axis=1), 1)
    return chosen


def _interval(n: FloatArray, trials: ArrayLike, successes: ArrayLike) -> tuple[float, float, bool]:
    """Return the interval of log n to look at, and whether to try its ends alone."""
    if not np.any(trials):
        return -math.inf, math.inf, False
    found = threshold(n, trials, successes)
    if 0 < found.steepness < math.inf and 0 < found.estimate < math.inf:
        center, offset = math.log(found.estimate), _OFFSET / found.steepness
        return center - offset, center + offset, True
    return math.log(found.low) if found.low else -math.inf, math.log(found.high), False
