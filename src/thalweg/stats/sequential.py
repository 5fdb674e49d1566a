"""Intervals of a probability that hold at every number of trials at once, so that one may look and stop."""

from __future__ import annotations

import math

import numpy as np

from .. import _validate as check
from ._root import root
from .binomial import counts

# Jeffreys' prior: the mixture of Krichevsky and Trofimov, within half a bit of the best at the ends.
_PRIOR = 0.5


def sequential_interval(successes: int, trials: int, confidence: float = 0.95) -> tuple[float, float]:
    """Return an anytime-valid interval of a probability, from the trials so far.

    With at least this confidence the intervals of *all* numbers of trials cover the probability together, so a study
    may watch them and stop when one is narrow enough, which intervals for a fixed number of trials do not allow.

    Parameters
    ----------
    successes, trials : int
        Of independent trials, taken in order.
    confidence : float
        In (0, 1).

    Notes
    -----
    For the true q the ratio of likelihoods M = B(s + 1/2, f + 1/2) / (B(1/2, 1/2) q^s (1 - q)^f), of the Beta(1/2, 1/2)
    mixture to q, is a martingale that starts at 1. It ever reaches 1/alpha with probability at most alpha (Ville 1939);
    the interval holds the q with M < 1/alpha (Robbins 1970).

    Examples
    --------
    >>> from thalweg.stats import clopper_pearson, sequential_interval
    >>> low, high = sequential_interval(90, 100)
    >>> round(low, 3), round(high, 3)
    (0.772, 0.971)
    """
    from scipy.special import betaln

    owner = "sequential_interval"
    s, trials = counts(owner, successes, trials)
    confidence = check.real(owner, "confidence", confidence, above=0.0, below=1.0)
    f = trials - s
    mixture = betaln(s + _PRIOR, f + _PRIOR) - betaln(_PRIOR, _PRIOR)
    bound = -math.log1p(-confidence)

    def excess(q: float) -> float:
        likelihood = (s * math.log(q) if s else 0.0) + (f * math.log1p(-q) if f else 0.0)
        return float(mixture) - likelihood - bound

    best, tiny = s / trials, np.finfo(float).tiny
    return root(excess, tiny, best) if s else 0.0, root(excess, best, 1 - 1e-16) if f else 1.0
