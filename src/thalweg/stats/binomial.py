"""Intervals of a probability from a number of trials fixed beforehand."""

from __future__ import annotations

from .. import _validate as check


def clopper_pearson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the exact interval of Clopper and Pearson (1934): it covers with at least this confidence.

    Parameters
    ----------
    successes, trials : int
        Of independent trials, whose number did not depend on their outcomes. For trials watched as they come see
        `sequential_interval`.
    confidence : float
        In (0, 1).

    Examples
    --------
    >>> from thalweg.stats import clopper_pearson
    >>> low, high = clopper_pearson(9, 10)
    >>> round(low, 4), round(high, 4)
    (0.555, 0.9975)
    """
    return _interval("clopper_pearson", "exact", successes, trials, confidence)


def wilson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the score interval of Wilson (1927): shorter, and right on average over probabilities only.

    Examples
    --------
    >>> from thalweg.stats import wilson
    >>> low, high = wilson(9, 10)
    >>> round(low, 4), round(high, 4)
    (0.5958, 0.9821)
    """
    return _interval("wilson", "wilson", successes, trials, confidence)


def counts(owner: str, successes: int, trials: int) -> tuple[int, int]:
    """Accept a number of successes among a number of trials, at least one."""
    trials = check.positive_int(owner, "trials", trials)
    if successes == 0:
        return 0, trials
    if check.positive_int(owner, "successes", successes) > trials:
        raise check.fail(owner, "successes", f"be at most the number of trials, {trials}", successes)
    return int(successes), trials


def _interval(owner: str, method: str, successes: int, trials: int, confidence: float) -> tuple[float, float]:
    from scipy.stats import binomtest

    successes, trials = counts(owner, successes, trials)
    confidence = check.real(owner, "confidence", confidence, above=0.0, below=1.0)
    interval = binomtest(successes, trials).proportion_ci(confidence, method=method)
    return float(interval.low), float(interval.high)
