"""Scaling laws: slopes in logarithms with intervals, and which law fits better."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _validate as check
from .._typing import FloatArray


@dataclass(frozen=True)
class ScalingFit:
    """A law y = factor x^slope (log x)^log_power, fitted by least squares of log y.

    Attributes
    ----------
    slope, log_power : float
        Exponents, fitted or as given.
    slope_interval, log_power_interval : tuple of float
        Student's intervals; both ends equal to an exponent that was given.
    factor : float
        Geometric mean of y over what the law gives.
    between_seeds : float
        Standard deviation of log y between the seeds of one x, pooled over x; NaN without repetitions.
    lack_of_fit : float
        p-value of the F test that the means at each x follow the law, given the scatter between seeds. Small: the law
        is not this one, and the interval is of the best slope only. NaN without repetitions.
    aic : float
        Akaike's criterion with the correction for small samples. Of two laws fitted to the same y the one with the
        smaller is preferred; a difference d means odds of exp(d/2).

    Examples
    --------
    >>> from thalweg.stats import fit_scaling
    >>> found = fit_scaling([1, 10, 100, 1000], [2.0, 0.9, 0.2, 0.09])
    >>> round(found.slope, 2), [round(end, 2) for end in found.slope_interval], found.predict([10, 100]).round(2)
    (-0.47, [-0.66, -0.28], array([0.73, 0.25]))
    """

    slope: float
    log_power: float
    slope_interval: tuple[float, float]
    log_power_interval: tuple[float, float]
    factor: float
    between_seeds: float
    lack_of_fit: float
    aic: float

    def predict(self, x: ArrayLike) -> FloatArray:
        """Return y of the law at some x."""
        x = np.asarray(x, dtype=np.float64)
        return self.factor * x**self.slope * np.log(x) ** self.log_power


def fit_scaling(
    x: ArrayLike,
    y: ArrayLike,
    *,
    slope: float | None = None,
    log_power: float | None = 0.0,
    confidence: float = 0.95,
) -> ScalingFit:
    """Fit y = factor x^slope (log x)^log_power to repeated measurements.

    Parameters
    ----------
    x, y : array (m,)
        Positive; one entry per trial, with several trials (seeds) at most x. x > 1 with a log_power other than 0.
    slope, log_power : float, optional
        An exponent that is given, or None to fit it. By default a pure power of x.
    confidence : float
        Of the intervals, in (0, 1).

    Examples
    --------
    A power with a logarithmic correction, told from a pure power:

    >>> import numpy as np
    >>> from thalweg.stats import fit_scaling
    >>> rng = np.random.default_rng(1)
    >>> n = np.repeat([100, 1000, 10_000, 100_000], 50)
    >>> y = n**-0.5 / np.log(n) * np.exp(0.2 * rng.standard_normal(n.size))
    >>> power, corrected = fit_scaling(n, y), fit_scaling(n, y, log_power=-1.0)
    >>> round(power.slope, 1), round(corrected.slope, 1), power.lack_of_fit < 0.01 < corrected.lack_of_fit
    (-0.6, -0.5, True)
    """
    from scipy.stats import f as fisher
    from scipy.stats import t as student

    owner = "fit_scaling"
    log_x, log_y, terms = _logarithms(owner, x, y, slope, log_power)
    confidence = check.real(owner, "confidence", confidence, above=0.0, below=1.0)
    given = [slope, log_power]
    free = [k for k in (0, 1) if given[k] is None]
    rest = log_y - sum((given[k] or 0.0) * terms[k] for k in (0, 1))
    design = np.stack([np.ones_like(log_x), *(terms[k] for k in free)], axis=1)
    m, parameters = len(log_x), design.shape[1]
    levels, level = np.unique(log_x, return_inverse=True)
    if len(levels) < parameters or m <= parameters:
        raise check.fail(owner, "x", f"have more trials than the {parameters} free parameters, and as many values", m)
    solution, *_ = np.linalg.lstsq(design, rest, rcond=None)
    squares = float(np.sum((rest - design @ solution) ** 2))
    scatter = math.sqrt(squares / (m - parameters)) * np.sqrt(np.diag(np.linalg.inv(design.T @ design)))
    reach = student.ppf((1 + confidence) / 2, m - parameters) * scatter
    fitted = [value or 0.0 for value in given]
    reaches = [0.0, 0.0]
    for column, k in enumerate(free, start=1):
        fitted[k], reaches[k] = float(solution[column]), float(reach[column])
    (a, b), (a_reach, b_reach) = fitted, reaches
    seeds, dof = _between_seeds(log_y, level, len(levels))
    extra = len(levels) - parameters
    lack = math.nan
    if dof and extra and seeds > 0:
        lack = float(fisher.sf(max(squares - dof * seeds, 0.0) / extra / seeds, extra, dof))
    return ScalingFit(
        slope=a,
        log_power=b,
        slope_interval=(a - a_reach, a + a_reach),
        log_power_interval=(b - b_reach, b + b_reach),
        factor=math.exp(solution[0]),
        between_seeds=math.sqrt(seeds) if dof else math.nan,
        lack_of_fit=lack,
        aic=_akaike(squares, m, parameters + 1),
    )


def _logarithms(
    owner: str, x: ArrayLike, y: ArrayLike, slope: float | None, log_power: float | None
) -> tuple[FloatArray, FloatArray, list[FloatArray]]:
    """Return log x, log y, and the columns log x and log log x that the exponents multiply."""
    xs, ys = check.real_array(owner, "x", x, 1), check.real_array(owner, "y", y, 1)
    if xs.shape != ys.shape or not xs.size:
        raise check.fail(owner, "y", f"have one entry for each of the {xs.size} x, at least one", ys.size)
    lowest = 0.0 if log_power == 0 else 1.0
    for name, values, bound in (("x", xs, lowest), ("y", ys, 0.0)):
        if not (values > bound).all():
            raise check.fail(owner, name, f"be above {bound:g} everywhere, to have the logarithms", values.min())
    for name, value in (("slope", slope), ("log_power", log_power)):
        if value is not None:
            check.real(owner, name, value)
    log_x = np.log(xs)
    return log_x, np.log(ys), [log_x, np.log(log_x) if log_power != 0 else np.zeros_like(log_x)]


def _between_seeds(log_y: FloatArray, level: NDArray[np.intp], levels: int) -> tuple[float, int]:
    """Return the pooled variance between trials of equal x, and its degrees of freedom."""
    count = np.bincount(level, minlength=levels)
    means = np.bincount(level, log_y, levels) / count
    dof = int((count - 1).sum())
    return (float(np.sum((log_y - means[level]) ** 2)) / dof if dof else math.nan), dof


def _akaike(squares: float, m: int, parameters: int) -> float:
    if squares <= 0 or m <= parameters + 1:
        return -math.inf if squares <= 0 else math.nan
    return m * math.log(squares / m) + 2 * parameters + 2 * parameters * (parameters + 1) / (m - parameters - 1)
