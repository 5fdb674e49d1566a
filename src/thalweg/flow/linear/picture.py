"""The picture of a linear trajectory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from .trajectory import LinearTrajectory

_BLUE, _ORANGE, _GREY = "#0072B2", "#D55E00", "#8A8A8A"


def overview(traj: LinearTrajectory) -> Figure:
    """Draw excess loss and bound, curvature, and the singular values against those of the target."""
    from ...plot.canvas import new_figure

    figure = new_figure(11.0, 3.4)
    loss, curvature, values = figure.subplots(1, 3)
    x = traj.t if traj.iteration is None else traj.iteration
    label = "time t" if traj.iteration is None else "iteration"
    marker = "o" if len(x) == 1 else ""
    loss.plot(x, traj.excess, color=_BLUE, marker=marker, label="excess loss")
    if np.isfinite(traj.bound).any():
        loss.plot(x, traj.bound, color=_ORANGE, linestyle="--", label="proved bound")
    loss.legend()
    curvature.plot(x, traj.curvature, color=_BLUE, marker=marker)
    values.plot(x, traj.singular_values, color=_BLUE, linewidth=1.0, marker=marker)
    for sigma in np.linalg.svd(traj.target.Phi, compute_uv=False):
        values.axhline(sigma, color=_GREY, linestyle=":", linewidth=0.8)
    for axes, series, title in (
        (loss, traj.excess, "Loss above its floor"),
        (curvature, traj.curvature, "Local PL curvature"),
    ):
        if np.nanmin(series) > 0:
            axes.set_yscale("log")
        axes.set(xlabel=label, title=title)
    values.set(xlabel=label, title="Singular values (dotted: of the target)")
    return figure
