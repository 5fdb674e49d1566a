"""The probability that a random start covers every sample.

Sample i is covered if some neuron is active on it with an output weight of its label's sign: z_ji > 0 and
a_j y_i > 0. Here sign(a_j) is fair and independent of w_j, and P(z_ji > 0) = 1/2 (a law of w_j that is
symmetric under w -> -w). Then one neuron covers sample i with probability 1/4.
"""

from __future__ import annotations

import math

import numpy as np

from .._typing import FloatArray

# Confidence of each side of an interval from draws.
CONFIDENCE = 0.99


def union_bound(n: int, p: int) -> float:
    """Lower bound 1 - n (3/4)^p of the probability of coverage, for any inputs.

    Examples
    --------
    >>> from thalweg.theorems.coverage import union_bound
    >>> round(union_bound(30, 23), 4)
    0.9599
    """
    return max(1.0 - n * 0.75**p, 0.0)


def exact(positive: int, negative: int, p: int) -> float:
    """Probability of coverage if the signs of z_ji are independent over the samples.

    Given m neurons with a positive output weight, a positive sample is uncovered with probability 2^-m:
    E over m ~ Bin(p, 1/2) of (1 - 2^-m)^positive (1 - 2^-(p-m))^negative.

    Parameters
    ----------
    positive, negative : int
        Number of samples with a positive and with a negative label.
    p : int
        Width.

    Examples
    --------
    >>> from thalweg.theorems.coverage import exact
    >>> exact(1, 0, 1)
    0.25
    """
    from scipy.stats import binom

    m = np.arange(p + 1)
    both = _all_hit(m, positive) * _all_hit(p - m, negative)
    return float(binom.pmf(m, p, 0.5) @ both)


def _all_hit(m: np.ndarray, samples: int) -> FloatArray:
    """(1 - 2^-m)^samples without loss of digits for large m; 0^0 = 1."""
    if not samples:
        return np.ones(len(m))
    with np.errstate(divide="ignore"):
        return np.exp(samples * np.log1p(-(0.5**m)))


def paper_width(n: int, epsilon: float) -> int:
    """The width p >= 4 log(n/epsilon) of Dana, Bach and Pillaud-Vivien (2025), Theorem 1."""
    return max(math.ceil(4 * math.log(n / epsilon)), 1)


def union_width(n: int, epsilon: float) -> int:
    """Smallest width with n (3/4)^p <= epsilon, that is p >= 3.476 log(n/epsilon).

    Examples
    --------
    >>> from thalweg.theorems.coverage import union_width
    >>> [union_width(n, 0.05) for n in (30, 1000, 10000)]
    [23, 35, 43]
    """
    return max(math.ceil(math.log(n / epsilon) / math.log(4 / 3)), 1)


def exact_width(positive: int, negative: int, epsilon: float) -> int:
    """Smallest width whose `exact` probability of coverage is at least 1 - epsilon.

    Examples
    --------
    >>> from thalweg.theorems.coverage import exact_width
    >>> [exact_width(n // 2, n // 2, 0.05) for n in (30, 1000, 10000)]
    [22, 34, 42]
    """
    p = union_width(positive + negative, epsilon)  # enough, so search downwards
    while p > 1 and exact(positive, negative, p - 1) >= 1 - epsilon:
        p -= 1
    return p


def clopper_pearson(successes: int, draws: int) -> tuple[float, float]:
    """Interval of a probability from independent draws; each end holds with confidence 0.99.

    Examples
    --------
    >>> from thalweg.theorems.coverage import clopper_pearson
    >>> low, high = clopper_pearson(200, 200)
    >>> round(low, 4), high
    (0.9772, 1.0)
    """
    from scipy.stats import binomtest

    interval = binomtest(successes, draws).proportion_ci(2 * CONFIDENCE - 1, method="exact")
    return float(interval.low), float(interval.high)


def draws_needed(epsilon: float) -> int:
    """Fewest draws that, all being successes, give a probability of 1 - epsilon with confidence 0.99."""
    return math.ceil(math.log(1 - CONFIDENCE) / math.log1p(-epsilon))


def reached_by(values: FloatArray, probability: float) -> float:
    """Largest of some independent draws that a further draw reaches with the given probability.

    This is a one-sided tolerance limit of confidence 0.99, for any law; NaN if the draws are too few for it.

    Examples
    --------
    >>> import numpy as np
    >>> from thalweg.theorems.coverage import reached_by
    >>> reached_by(np.arange(1000.0), 0.9)
    78.0
    """
    from scipy.stats import beta

    draws = len(values)
    successes = np.arange(1, draws + 1)
    lowest = beta.ppf(1 - CONFIDENCE, successes, draws - successes + 1)  # of Clopper and Pearson
    enough = successes[lowest >= probability]
    return float(np.sort(values)[draws - enough[0]]) if enough.size else math.nan
