"""The size at which half of the trials succeed, by logistic regression."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from .. import _validate as check
from .._typing import FloatArray
from ._root import root

# A logistic curve in log n of this steepness is a step; a log-likelihood of this much is a perfect fit.
_STEEPEST, _PERFECT = 1e7, -1e-9
# How far beyond the sizes tried, as a logarithm, an end of the interval is looked for before it is called infinite.
_FAR = 30.0


@dataclass(frozen=True)
class Threshold:
    """A threshold N with its interval: trials at n succeed with probability 1/(1 + (n/N)^steepness).

    Attributes
    ----------
    estimate : float
        Maximum-likelihood N. Infinite or 0 where the likelihood has no maximum, as when every trial succeeded or none
        did; the middle, in logarithms, of those that fit equally well if successes and failures do not overlap.
    low, high : float
        Ends of the profile-likelihood interval. 0 or infinite where the trials set no bound.
    steepness : float
        Maximum-likelihood exponent; infinite if successes and failures do not overlap.
    trials : int
        Trials it rests on.

    Examples
    --------
    Successes and failures that do not overlap bound the threshold, though no curve fits best:

    >>> from thalweg.stats import threshold
    >>> found = threshold([20, 30, 40], [5, 5, 5], [5, 5, 0])
    >>> round(found.estimate, 1), round(found.low, 1), round(found.high, 1), found.steepness
    (34.6, 30.0, 40.0, inf)
    """

    estimate: float
    low: float
    high: float
    steepness: float
    trials: int


def threshold(sizes: ArrayLike, trials: ArrayLike, successes: ArrayLike, confidence: float = 0.95) -> Threshold:
    """Estimate the size at which the probability of success falls through one half.

    Parameters
    ----------
    sizes : array (m,)
        Sizes n tried; success becomes less likely as n grows.
    trials, successes : array (m,) of int
        Trials at each size, and how many of them succeeded.
    confidence : float
        In (0, 1).

    Returns
    -------
    Threshold
        With the profile-likelihood interval: all N that a likelihood-ratio test with one degree of freedom does not
        refuse, the steepness being free. It exists also where successes and failures do not overlap, which Wald's
        interval and Fieller's do not.

    Examples
    --------
    >>> from thalweg.stats import threshold
    >>> found = threshold([20, 30, 40], [40, 40, 40], [36, 22, 2])
    >>> round(found.estimate, 1), round(found.low, 1), round(found.high, 1)
    (29.3, 27.2, 31.5)
    """
    from scipy.stats import chi2

    data = _counts(sizes, trials, successes)
    confidence = check.real("threshold", "confidence", confidence, above=0.0, below=1.0)
    first, last = data.log_sizes[0] - _FAR, data.log_sizes[-1] + _FAR
    center = data.best_center(first, last)
    top, steepness = data.profile(center)
    cut = top - float(chi2.ppf(confidence, 1)) / 2

    def above(x: float) -> float:
        return data.profile(x)[0] - cut

    return Threshold(
        estimate=0.0 if center == first else math.inf if center == last else math.exp(center),
        low=math.exp(root(above, first, center)) if above(first) < 0 else 0.0,
        high=math.exp(root(above, center, last)) if above(last) < 0 else math.inf,
        steepness=steepness if top < _PERFECT else math.inf,
        trials=int(data.successes.sum() + data.failures.sum()),
    )


@dataclass(frozen=True)
class _Counts:
    """Successes and failures at increasing sizes."""

    log_sizes: FloatArray
    successes: FloatArray
    failures: FloatArray

    def profile(self, center: float) -> tuple[float, float]:
        """Return the log-likelihood of log N = center, maximised over the steepness, and that steepness."""
        x = self.log_sizes - center
        beta = self._steepness(x)
        likelihood = -(self.successes @ np.logaddexp(0, beta * x) + self.failures @ np.logaddexp(0, -beta * x))
        return float(likelihood), beta

    def _steepness(self, x: FloatArray) -> float:
        """Solve for the zero of the derivative of the log-likelihood, which is concave in the steepness."""
        from scipy.special import expit

        def derivative(beta: float) -> float:
            return float(x @ (self.failures * expit(-beta * x) - self.successes * expit(beta * x)))

        if derivative(0.0) <= 0:
            return 0.0
        high = 1.0
        while derivative(high) > 0:
            high *= 8
            if high >= _STEEPEST:
                return _STEEPEST
        return root(derivative, 0.0, high)

    def best_center(self, first: float, last: float) -> float:
        """Return the log N of the largest likelihood: an end if it has no maximum between them."""
        from scipy.optimize import minimize_scalar

        if not self.failures.any():
            return last
        if not self.successes.any():
            return first
        reached, missed = self.log_sizes[self.successes > 0][-1], self.log_sizes[self.failures > 0][0]
        if reached < missed:  # they do not overlap: all N between fit perfectly
            return float(reached + missed) / 2
        # Superlevel sets of the profile are intervals, but it has flat stretches: scan, then polish.
        scan = np.linspace(self.log_sizes[0] - 1, self.log_sizes[-1] + 1, 41)
        scan = np.concatenate([[first], scan, [last]])
        k = int(np.argmax([self.profile(x)[0] for x in scan]))
        if k in (0, len(scan) - 1):
            return float(scan[k])
        bracket = (scan[k - 1], scan[k + 1])
        found = minimize_scalar(lambda x: -self.profile(x)[0], bounds=bracket, options={"xatol": 1e-8})
        return float(found.x)


def _counts(sizes: ArrayLike, trials: ArrayLike, successes: ArrayLike) -> _Counts:
    owner = "threshold"
    n, m, s = (
        check.real_array(owner, name, value, 1)
        for name, value in (("sizes", sizes), ("trials", trials), ("successes", successes))
    )
    if not len(n) == len(m) == len(s) or not m.sum() > 0:
        raise check.fail(owner, "trials", "count at least one trial, at as many sizes as given", f"{m} for {n}")
    if (n <= 0).any():
        raise check.fail(owner, "sizes", "be above 0", n.min())
    if (s < 0).any() or (s > m).any():
        raise check.fail(owner, "successes", "lie between 0 and the trials", f"{s} of {m}")
    order = np.argsort(n)
    kept = order[m[order] > 0]
    return _Counts(np.log(n[kept]), s[kept], m[kept] - s[kept])
