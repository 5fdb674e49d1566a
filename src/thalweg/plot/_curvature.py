"""Figure of the alignment of the residuals with the tangent kernel."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import FigureBase

    from ..curvature.alignment import Alignment

# Cells in the direction of the rate, and what is drawn at all: a share of the loss, and a rate beside the largest.
_BINS = 64
_LEAST_SHARE = 1e-3
_LEAST_RATE = 1e-6


def alignment(found: Alignment, figure: FigureBase | None = None) -> FigureBase:
    """Draw how the loss is shared over the eigenvalues of the tangent kernel, as time goes on.

    Parameters
    ----------
    found : Alignment
        From `thalweg.curvature.alignment`.
    figure : Figure or SubFigure, optional
        Where to draw; a new figure by default.

    Examples
    --------
    >>> import thalweg as tw
    >>> traj = tw.flow(tw.init.dominated(20, 8, seed=2), tw.data.sphere(6, 20, seed=1), t_end=5.0)
    >>> tw.curvature.alignment(traj).plot().axes[0].get_title()
    'Which eigenvalues carry the loss'
    """
    from matplotlib.colors import LogNorm

    from .canvas import new_figure

    figure = figure or new_figure()
    ax = figure.subplots()
    drawn = (found.shares > _LEAST_SHARE) & (found.rates > _LEAST_RATE * found.rates.max())
    if drawn.any():
        edges = np.geomspace(0.8 * found.rates[drawn].min(), 1.25 * found.rates[drawn].max(), _BINS + 1)
        cells = np.array([np.histogram(r, edges, weights=s)[0] for r, s in zip(found.rates, found.shares, strict=True)])
        cells[cells < _LEAST_SHARE] = 0.0  # left white
        t = found.t
        borders = np.concatenate([t[:1], (t[1:] + t[:-1]) / 2, t[-1:]]) if len(t) > 1 else t[0] + np.array([-0.5, 0.5])
        image = ax.pcolormesh(borders, edges, cells.T, cmap="Blues", norm=LogNorm(_LEAST_SHARE, 1.0))
        figure.colorbar(image, ax=ax, label="share of the loss")
        ax.set_yscale("log")
    marker = "o" if len(found) == 1 else None
    ax.plot(found.t, found.curvature, color="black", marker=marker, label="local curvature, their mean")
    ax.set(xlabel="time t", ylabel="rate 2 lambda/n", title="Which eigenvalues carry the loss")
    ax.legend()
    return figure
