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
    from scipy.special import betaincinv

    successes, trials, confidence = _checked("clopper_pearson", successes, trials, confidence)
    failures, tail = trials - successes, (1 - confidence) / 2
    return (
        float(betaincinv(successes, failures + 1, tail)) if successes else 0.0,
        float(betaincinv(successes + 1, failures, 1 - tail)) if failures else 1.0,
    )


def wilson(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return the score interval of Wilson (1927): shorter, and right on average over probabilities only.

    Examples
    --------
    >>> from thalweg.stats import wilson
    >>> low, high = wilson(9, 10)
    >>> round(low, 4), round(high, 4)
    (0.5958, 0.9821)
    """
    from scipy.stats import binomtest

    successes, trials, confidence = _checked("wilson", successes, trials, confidence)
    interval = binomtest(successes, trials).proportion_ci(confidence, method="wilson")
    return float(interval.low), float(interval.high)


def counts(owner: str, successes: int, trials: int) -> tuple[int, int]:
    """Accept a number of successes among a number of trials, at least one."""
    trials = check.positive_int(owner, "trials", trials)
    successes = check.integer(owner, "successes", successes)
    if successes > trials:
        raise check.fail(owner, "successes", f"be at most the number of trials, {trials}", successes)
    return successes, trials


def _checked(owner: str, successes: int, trials: int, confidence: float) -> tuple[int, int, float]:
    return *counts(owner, successes, trials), check.real(owner, "confidence", confidence, above=0.0, below=1.0)
