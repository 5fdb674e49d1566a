"""Which residuals and which part of the mode map to draw when there are too many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .._typing import IntArray, ModeArray

if TYPE_CHECKING:
    from ..descent import DescentTrajectory
    from ..flow.trajectory import Trajectory


@dataclass(frozen=True, eq=False)
class ModePicture:
    """The modes at one output time, neurons in order of output weight, samples in order of label.

    `modes[i, k]` is the mode of neuron `neurons[i]` on sample `samples[k]`; `thinned` says whether some were
    left out.
    """

    t: float
    modes: ModeArray
    neurons: IntArray
    samples: IntArray
    thinned: bool


def spread(count: int, limit: int) -> IntArray:
    """Choose at most `limit` of `count` indices, evenly spread, both ends included."""
    return np.unique(np.linspace(0, count - 1, min(count, limit)).round().astype(np.int64))


def residual_lines(traj: Trajectory | DescentTrajectory, limit: int) -> IntArray:
    """Choose the samples to draw: spread over the sizes of the last residuals, both ends included."""
    order = np.argsort(np.abs(traj.residuals[-1]), kind="stable")
    return order[spread(len(order), limit)]


def mode_picture(traj: Trajectory, limit: int) -> ModePicture | None:
    """Return the last mode map that was kept, thinned to at most `limit` per side; None if none was kept."""
    kept = traj.networks.kept
    if not kept.size:
        return None
    index = int(kept[-1])
    modes = traj.networks.mode_map(index)
    p, n = modes.shape
    neurons = np.argsort(traj.final.a, kind="stable")[spread(p, limit)]
    samples = np.argsort(traj.data.y, kind="stable")[spread(n, limit)]
    return ModePicture(float(traj.t[index]), modes[np.ix_(neurons, samples)], neurons, samples, max(p, n) > limit)
