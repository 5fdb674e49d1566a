"""Whether two rows of success counts, size by size, can be of one probability each."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from .._typing import FloatArray


def fisher_p_values(successes: ArrayLike, trials: ArrayLike, others: ArrayLike, other_trials: ArrayLike) -> FloatArray:
    """Return the p-value (m,) of Fisher's exact test at each size, all counts being of shape (m,).

    Examples
    --------
    >>> from thalweg.figures.agreement import fisher_p_values
    >>> fisher_p_values([9, 20], [20, 20], [54, 80], [80, 80]).round(3)
    array([0.074, 1.   ])
    """
    from scipy.stats import fisher_exact

    s, m, k, l = (np.asarray(each) for each in (successes, trials, others, other_trials))
    tables = np.moveaxis(np.array([[s, m - s], [k, l - k]]), -1, 0)
    return np.array([fisher_exact(table)[1] for table in tables])


def combined_p_value(successes: ArrayLike, trials: ArrayLike, others: ArrayLike, other_trials: ArrayLike) -> float:
    """Return the p-value of the test of Cochran, Mantel and Haenszel over all sizes.

    It asks whether one of the two succeeds more often throughout, as it would with another threshold.

    Examples
    --------
    >>> from thalweg.figures.agreement import combined_p_value
    >>> round(combined_p_value([9, 20], [20, 20], [54, 80], [80, 80]), 3)
    0.064
    """
    from scipy.stats import norm

    s, m, k, l = (np.asarray(each, dtype=float) for each in (successes, trials, others, other_trials))
    won, total = s + k, m + l
    excess = float(np.sum(s - m * won / total))
    variance = float(np.sum(won * (total - won) * m * l / (total**2 * (total - 1))))
    return 2 * float(norm.sf(abs(excess) / math.sqrt(variance))) if variance else 1.0
