"""The picture of a descent."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ...plot.sampling import residual_lines

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .trajectory import DescentTrajectory

_BLUE, _ORANGE = "#0072B2", "#D55E00"
_LINES = 60


def overview(traj: DescentTrajectory) -> Figure:
    """Draw the loss, the curvature of the flow with that of the steps, and the sizes of the residuals."""
    from ...plot.canvas import new_figure

    figure = new_figure(11.0, 3.4)
    loss, curvature, residuals = figure.subplots(1, 3)
    k, marker = traj.iteration, "o" if len(traj) == 1 else ""
    loss.plot(k, traj.loss, color=_BLUE, marker=marker)
    curvature.plot(k, traj.curvature, color=_BLUE, marker=marker, label="of the flow from here")
    curvature.plot(k, traj.curvature_discrete, color=_ORANGE, linestyle="--", marker=marker, label="of the step")
    curvature.legend()
    drawn = np.abs(traj.residuals[:, residual_lines(traj, _LINES)])
    residuals.plot(k, drawn, color=_BLUE, linewidth=0.8, alpha=0.6, marker=marker)
    for axes, series, title in (
        (loss, traj.loss, "Loss"),
        (curvature, traj.curvature, "Local PL curvature"),
        (residuals, drawn, "Sizes of residuals"),
    ):
        if (series > 0).any():
            axes.set_yscale("log")
        axes.set(xlabel="iteration", title=title)
    return figure
