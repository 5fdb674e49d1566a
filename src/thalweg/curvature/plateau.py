"""Plateaus of the loss, and the transitions that end them.

Near a saddle the curvature is small and grows exponentially, so that the time spent there grows like the logarithm of
1/scale of the start. For a group of orthogonal inputs of norm 1 fitted by one balanced neuron that starts along its
labels, with D = |y| over the group and N0 = a^2 at the start, the plateau ends at

    t* = (n/2D) log(pD/N0 - 1),

when N = pD/2, and the loss of the group falls from 90 to 10 % within 3.688 n/2D.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from .. import _validate as check
from .._errors import InputError
from .._typing import FloatArray
from ._arguments import require_trajectory

if TYPE_CHECKING:
    from ..flow.trajectory import Trajectory

# The curvature of a descent to zero loss does not fall again: its last value is near its peak when this share is left.
_FALLEN = 0.01
# Residuals of this size relative to the labels are known to three digits or fewer.
_ROUNDING = 1e-12


@dataclass(frozen=True)
class Plateau:
    """An interval of small curvature before a drop of the loss.

    Attributes
    ----------
    start, end : float
        Where the curvature passes half of its next peak, downwards (or the first output time) and upwards.
    lowest, peak : float
        The smallest curvature on the plateau, and the largest in the drop that follows.
    loss : float
        The loss where the curvature is smallest.

    Examples
    --------
    >>> import numpy as np, thalweg as tw
    >>> data = tw.Dataset(np.eye(2), [3.0, -1.0])
    >>> first, second = tw.curvature.plateaus(tw.flow(tw.init.group(data, scale=1e-3), data, t_end=25.0))
    >>> round(first.loss, 3), first.length < second.length
    (2.5, True)
    """

    start: float
    end: float
    lowest: float
    peak: float
    loss: float

    @property
    def length(self) -> float:
        """end - start."""
        return self.end - self.start

    def __str__(self) -> str:
        return (
            f"plateau from t = {self.start:.4g} to {self.end:.4g} (length {self.length:.4g}) at loss {self.loss:.3g}: "
            f"curvature {self.lowest:.3g}, then {self.peak:.3g}"
        )


def plateaus(traj: Trajectory, *, depth: float = 10.0) -> tuple[Plateau, ...]:
    """Find the plateaus of a trajectory: valleys of the curvature, each followed by a drop of the loss.

    A valley counts if the curvature rises by the factor `depth` from its lowest point to the next peak. That is a peak
    once the curvature has fallen by that factor again or, at the end, the loss to a hundredth: else it may still rise.
    What the last descent leads to is no plateau, as nothing is known to follow. Drops that follow each other so closely
    that the curvature does not fall by `depth` in between count as one.

    Parameters
    ----------
    traj : Trajectory
        The trajectory. Only its output times are seen.
    depth : float
        Above 2.

    Examples
    --------
    >>> import numpy as np, thalweg as tw
    >>> data = tw.Dataset(np.eye(2), [3.0, -1.0])
    >>> traj = tw.flow(tw.init.group(data, scale=1e-3), data, t_end=25.0)
    >>> for plateau in tw.curvature.plateaus(traj):
    ...     print(plateau)
    plateau from t = 0 to 4.7... (length 4.7...) at loss 2.5: curvature 1e-06, then 2.0...
    plateau from t = 5.7... to 14.5... (length 8.7...) at loss 0.25: curvature 0.001..., then 2
    """
    require_trajectory("plateaus", "traj", traj)
    depth = check.real("plateaus", "depth", depth, above=2.0)
    mu = traj.curvature[_resolved(traj)]
    found = []
    before = low = high = 0
    rising = False
    for k in range(len(mu)):
        if not rising:
            low = k if mu[k] < mu[low] else low
            rising, high = bool(mu[k] > depth * mu[low]), k
        elif mu[k] > mu[high]:
            high = k
        elif mu[k] * depth < mu[high]:
            found.append(_plateau(traj, before, low, high))
            before, low, rising = high, k, False
    if rising and traj.loss[len(mu) - 1] < _FALLEN * traj.loss[low]:
        found.append(_plateau(traj, before, low, high))
    return tuple(found)


def _resolved(traj: Trajectory) -> slice:
    """Return the output times before residuals become rounding, and the curvature noise."""
    size = np.sqrt(2 * traj.loss)
    rounding = size <= _ROUNDING * np.abs(traj.data.y).max()
    return slice(0, int(np.argmax(rounding)) if rounding.any() else len(size))


def _plateau(traj: Trajectory, before: int, low: int, high: int) -> Plateau:
    """Put edges to a valley between the peak before it and the peak after."""
    mu = traj.curvature
    level = mu[high] / 2
    part = slice(before, high + 1)
    edges = crossings(traj.t[part], mu[part], level)
    earlier, later = edges[edges <= traj.t[low]], edges[edges > traj.t[low]]
    start = float(earlier[-1]) if earlier.size else float(traj.t[before])
    end = float(later[0]) if later.size else float(traj.t[high])
    return Plateau(start, end, float(mu[low]), float(mu[high]), float(traj.loss[low]))


def crossings(t: FloatArray, values: FloatArray, level: float) -> FloatArray:
    """Return the times at which the monotone cubic interpolant of a series takes a value, ascending."""
    from scipy.interpolate import PchipInterpolator

    if len(t) < 2:
        return np.empty(0)
    # In units of the level and of the time spanned: the values may be tiny.
    span = t[-1] - t[0]
    roots = PchipInterpolator((t - t[0]) / span, values / level).solve(1.0, extrapolate=False)
    return t[0] + span * np.unique(roots[np.isfinite(roots)])


@dataclass(frozen=True, eq=False)
class PlateauLaw:
    """Length of a plateau against the scale of the start: length = slope log(1/scale) + intercept.

    Attributes
    ----------
    scales, lengths : array (m,)
        What was fitted.
    slope, intercept : float
        By least squares.
    slope_error : float
        Standard error of the slope; NaN for two points.

    Examples
    --------
    >>> import numpy as np, thalweg as tw
    >>> data, scales = tw.Dataset(np.eye(2), [3.0, 4.0]), [1e-1, 1e-2, 1e-3]
    >>> runs = [tw.flow(tw.init.group(data, scale=scale), data, t_end=12.0) for scale in scales]
    >>> law = tw.curvature.plateau_law(runs, scales)
    >>> round(law.slope, 3), law.lengths.round(2)  # in theory n/|y| = 0.4
    (0.4, array([1.24, 2.16, 3.09]))
    """

    scales: FloatArray
    lengths: FloatArray
    slope: float
    intercept: float
    slope_error: float

    def __str__(self) -> str:
        error = "" if np.isnan(self.slope_error) else f" +- {self.slope_error:.2g}"
        lines = [
            f"plateau length = {self.slope:.5g}{error} log(1/scale) {self.intercept:+.4g}",
            "      scale     length     fitted",
        ]
        fitted = self.intercept - self.slope * np.log(self.scales)
        rows = zip(self.scales, self.lengths, fitted, strict=True)
        return "\n".join([*lines, *(f"  {a:9.3g}  {b:9.4g}  {c:9.4g}" for a, b, c in rows)])


def plateau_law(
    trajectories: Sequence[Trajectory], scales: ArrayLike, *, which: int = 0, depth: float = 10.0
) -> PlateauLaw:
    """Fit the length of a plateau to log(1/scale), over trajectories from starts of different scale.

    Parameters
    ----------
    trajectories : sequence of Trajectory
        One for each scale, each long enough for the drop after the plateau.
    scales : array (m,)
        Scale of the start of each, positive, at least two different ones. For a slope in units of log(1/|w|) that of
        all parameters, as the `scale` of `init.balanced` and `init.group`.
    which : int
        Which plateau of each trajectory, the first by default.
    depth : float
        As for `plateaus`.

    Examples
    --------
    >>> import numpy as np, thalweg as tw
    >>> data = tw.Dataset(np.eye(2), [3.0, 4.0])
    >>> scales = [1e-1, 1e-2, 1e-3]
    >>> runs = [tw.flow(tw.init.group(data, scale=s), data, t_end=12.0) for s in scales]
    >>> law = tw.curvature.plateau_law(runs, scales)
    >>> print(law)  # in theory n/|y| = 0.4
    plateau length = 0.400... +- ... log(1/scale) +0.32...
          scale     length     fitted
    ...
    """
    owner = "plateau_law"
    scales = check.real_array(owner, "scales", scales, 1)
    if (scales <= 0).any():
        raise check.fail(owner, "scales", "be positive", f"{scales.min():g}")
    if len(trajectories) != len(scales):
        raise check.fail(owner, "scales", f"have one entry per trajectory, {len(trajectories)}", f"{len(scales)}")
    if len(np.unique(scales)) < 2:
        raise check.fail(owner, "scales", "hold at least two different scales", f"{len(np.unique(scales))}")
    check.integer(owner, "which", which)
    lengths = np.empty(len(scales))
    for k, traj in enumerate(trajectories):
        require_trajectory(owner, f"trajectories[{k}]", traj)
        found = plateaus(traj, depth=depth)
        if len(found) <= which:
            raise InputError(
                f"Trajectory {k} of plateau_law (scale {scales[k]:g}) has {len(found)} plateau(s) followed by a drop, "
                f"but which={which} was asked for. Flow for longer than t = {traj.t[-1]:.4g}, or start from a smaller "
                "scale."
            )
        lengths[k] = found[which].length
    x = -np.log(scales)
    spread = float(((x - x.mean()) ** 2).sum())
    slope = float(((x - x.mean()) @ lengths) / spread)
    intercept = float(lengths.mean() - slope * x.mean())
    left = lengths - intercept - slope * x
    error = float(np.sqrt(left @ left / (len(x) - 2) / spread)) if len(x) > 2 else float("nan")
    return PlateauLaw(scales, lengths, slope, intercept, error)
