"""The phase transition of a group of samples: when its loss falls, and how fast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .. import _validate as check
from .._errors import InputError
from ._arguments import require_trajectory
from .plateau import crossings

if TYPE_CHECKING:
    from ..flow.trajectory import Trajectory


@dataclass(frozen=True)
class PhaseTransition:
    """When the loss of a group of samples falls, relative to its loss at output zero.

    Attributes
    ----------
    time : float
        When a quarter is left: for a neuron along the labels of orthogonal inputs, when its output is half of them.
    begin, end : float
        When 90 % and 10 % are left.

    Examples
    --------
    >>> import numpy as np, thalweg as tw
    >>> data = tw.Dataset(np.eye(2), [3.0, 4.0])
    >>> found = tw.curvature.phase_transition(tw.flow(tw.init.group(data, scale=1e-3), data, t_end=8.0), [0, 1])
    >>> round(found.width, 2), round(found.sharpness, 2)
    (0.74, 0.24)
    """

    time: float
    begin: float
    end: float

    @property
    def width(self) -> float:
        """end - begin."""
        return self.end - self.begin

    @property
    def sharpness(self) -> float:
        """width/time; for one group of orthogonal inputs 3.688/log(pD/N0 - 1)."""
        return self.width / self.time

    def __str__(self) -> str:
        return (
            f"transition at t = {self.time:.4g}: 90 to 10 % of the loss within {self.width:.4g} "
            f"({self.begin:.4g} to {self.end:.4g}), width/time {self.sharpness:.3g}"
        )


def phase_transition(traj: Trajectory, samples: Sequence[int]) -> PhaseTransition:
    """Measure the phase transition of a group of samples.

    The loss of the group is sum r_i^2 over its samples, relative to sum y_i^2, its value where the network is zero.
    Times are counted from t = 0, and interpolated between output times.

    Parameters
    ----------
    traj : Trajectory
        A trajectory on which the loss of the group falls from above 90 % to below 10 %.
    samples : sequence of int
        The group.

    Examples
    --------
    >>> import numpy as np, thalweg as tw
    >>> data = tw.Dataset(np.eye(2), [3.0, 4.0])
    >>> traj = tw.flow(tw.init.group(data, scale=1e-3), data, t_end=8.0)
    >>> print(tw.curvature.phase_transition(traj, [0, 1]))
    transition at t = 3.08...: 90 to 10 % of the loss within 0.737... (2.50... to 3.23...), width/time 0.239
    """
    require_trajectory("phase_transition", "traj", traj)
    rows = np.asarray(samples)
    n = traj.data.n
    if rows.ndim != 1 or not rows.size or rows.dtype.kind not in "iu" or rows.min() < 0 or rows.max() >= n:
        raise check.fail("phase_transition", "samples", f"hold indices of samples, 0 to {n - 1}", repr(samples))
    labels = float((traj.data.y[rows] ** 2).sum())
    if labels == 0:
        raise check.fail("phase_transition", "samples", "have a label other than 0", "labels of 0 only")
    left = (traj.residuals[:, rows] ** 2).sum(axis=1) / labels
    if left[0] <= 0.9 or left[-1] >= 0.1:
        raise InputError(
            f"The loss of these samples goes from {100 * left[0]:.3g} to {100 * left[-1]:.3g} % of that of a zero "
            "network: phase_transition needs a fall from above 90 to below 10 %. Start smaller, or flow for longer."
        )
    end = crossings(traj.t, left, 0.1)[0]
    begin, time = (level[level < end][-1] for level in (crossings(traj.t, left, part) for part in (0.9, 0.25)))
    return PhaseTransition(float(time), float(begin), float(end))
