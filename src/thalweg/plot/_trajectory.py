"""Figures of one trajectory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._typing import FloatArray
from .sampling import mode_picture, residual_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure, FigureBase

    from ..flow.trajectory import Trajectory

# Okabe and Ito's colours, told apart by the colour-blind; line styles say the same in grey.
_BLUE, _ORANGE, _GREEN, _GREY = "#0072B2", "#D55E00", "#009E73", "#8A8A8A"
# The modes differ in lightness: inactive lightest, active darkest.
_MODES = {"inactive": "#ECECEC", "sliding": "#E69F00", "active": "#0B3C6F"}
_LINES = 60
_CELLS = 600


def loss(traj: Trajectory, figure: FigureBase | None = None) -> FigureBase:
    """Draw the loss over time, and the bound that its lower curvature implies.

    Parameters
    ----------
    traj : Trajectory
    figure : Figure or SubFigure, optional
        Where to draw; a new Figure if left out.

    Examples
    --------
    >>> import thalweg as tw
    >>> traj = tw.flow(tw.init.dominated(20, 8, seed=2), tw.data.sphere(6, 20, seed=1), t_end=5.0)
    >>> tw.plot.loss(traj).axes[0].get_title()
    'Loss'
    """
    from .canvas import new_figure

    figure = figure or new_figure()
    ax = figure.subplots()
    _line(ax, traj.t, traj.loss, _BLUE, "-", "loss")
    _line(ax, traj.t, traj.loss_bound, _ORANGE, "--", "bound from the lower curvature")
    _logarithmic(ax, traj.loss)
    ax.set(xlabel="time t", ylabel="loss L", title="Loss")
    ax.legend()
    return figure


def curvature(traj: Trajectory, figure: FigureBase | None = None) -> FigureBase:
    """Draw the local PL curvature between its bounds, and the average so far. Parameters as `loss`.

    Examples
    --------
    >>> import thalweg as tw
    >>> traj = tw.flow(tw.init.dominated(20, 8, seed=2), tw.data.sphere(6, 20, seed=1), t_end=5.0)
    >>> [line.get_label() for line in tw.plot.curvature(traj).axes[0].lines]
    ['upper bound', 'local curvature', 'average since t = 0', 'lower bound']
    """
    from .canvas import new_figure

    figure = figure or new_figure()
    ax = figure.subplots()
    ax.fill_between(traj.t, traj.curvature_lower, traj.curvature_upper, color=_BLUE, alpha=0.12, linewidth=0)
    _line(ax, traj.t, traj.curvature_upper, _GREY, ":", "upper bound")
    _line(ax, traj.t, traj.curvature, _BLUE, "-", "local curvature")
    _line(ax, traj.t, traj.average_curvature, _GREEN, "-.", "average since t = 0")
    _line(ax, traj.t, traj.curvature_lower, _ORANGE, "--", "lower bound")
    _logarithmic(ax, traj.curvature)
    ax.set(xlabel="time t", ylabel="PL curvature", title="Curvature between its bounds")
    ax.legend()
    return figure


def modes(traj: Trajectory, figure: FigureBase | None = None) -> FigureBase:
    """Draw the last mode map (neuron by sample) and the shares of the modes over time. Parameters as `loss`.

    Neurons are ordered by their final output weight, samples by label. Large maps are thinned evenly.

    Examples
    --------
    >>> import thalweg as tw
    >>> traj = tw.flow(tw.init.dominated(20, 8, seed=2), tw.data.sphere(6, 20, seed=1), t_end=5.0)
    >>> modes, shares = tw.plot.modes(traj).axes
    >>> modes.images[0].get_array().shape, shares.get_title()
    ((8, 6), 'Modes over time')
    """
    from .canvas import new_figure

    figure = figure or new_figure(width=9.0)
    image_ax, share_ax = figure.subplots(1, 2, width_ratios=[1.2, 1.0])
    _mode_map(image_ax, traj)
    pairs = traj.data.n * traj.final.p
    shares = {"active": (traj.active, "-", _MODES["active"]), "inactive": (traj.inactive, "--", _GREY)}
    shares["sliding"] = (traj.sliding, ":", _MODES["sliding"])
    for name, (count, style, colour) in shares.items():
        _line(share_ax, traj.t, 100.0 * count / pairs, colour, style, name)
    share_ax.set(xlabel="time t", ylabel="share of pairs in %", title="Modes over time")
    share_ax.legend()
    return figure


def residuals(traj: Trajectory, figure: FigureBase | None = None) -> FigureBase:
    """Draw the size of the residual of every sample over time. Parameters as `loss`.

    With many samples only some are drawn, spread from the smallest to the largest last residual.

    Examples
    --------
    >>> import thalweg as tw
    >>> traj = tw.flow(tw.init.dominated(20, 8, seed=2), tw.data.sphere(6, 20, seed=1), t_end=5.0)
    >>> axes = tw.plot.residuals(traj).axes[0]
    >>> len(axes.lines), axes.get_yscale()
    (6, 'log')
    """
    from .canvas import new_figure

    figure = figure or new_figure()
    ax = figure.subplots()
    drawn = residual_lines(traj, _LINES)
    sizes = np.abs(traj.residuals)
    named = set()
    for i in drawn:
        positive = bool(traj.data.y[i] > 0)
        label = "positive label" if positive else "label of 0 or below"
        # A leading underscore keeps a line out of the legend: one entry for each kind is enough.
        _line(
            ax,
            traj.t,
            sizes[:, i],
            *((_BLUE, "-") if positive else (_ORANGE, "--")),
            "_" * (label in named) + label,
        )
        named.add(label)
    for line in ax.lines:
        line.set(linewidth=0.8, alpha=0.8)
    _logarithmic(ax, sizes[:, drawn])
    which = f"all {traj.data.n}" if len(drawn) == traj.data.n else f"{len(drawn)} of {traj.data.n}"
    ax.set(xlabel="time t", ylabel="|residual|", title=f"Residuals ({which} samples)")
    ax.legend()
    return figure


def overview(traj: Trajectory) -> Figure:
    """Draw loss, curvature, modes and residuals in one figure.

    Examples
    --------
    >>> import thalweg as tw
    >>> traj = tw.flow(tw.init.dominated(20, 8, seed=2), tw.data.sphere(6, 20, seed=1), t_end=5.0)
    >>> [axes.get_title() for axes in tw.plot.overview(traj).axes][:2]
    ['Loss', 'Modes at t = 5']
    """
    from .canvas import new_figure

    figure = new_figure(width=14.0, height=8.5)
    cells = figure.add_gridspec(2, 2, width_ratios=[1.0, 1.3])
    for k, draw in enumerate((loss, modes, curvature, residuals)):
        draw(traj, figure.add_subfigure(cells[k]))
    figure.suptitle(f"{traj.data.name}, {traj.final.p} neurons: {str(traj.outcome).partition('. ')[0]}", wrap=True)
    return figure


def _line(ax: Axes, t: FloatArray, values: FloatArray, colour: str, style: str, label: str) -> None:
    marker = "o" if len(t) == 1 else None  # a line of one point would not be seen
    ax.plot(t, values, color=colour, linestyle=style, marker=marker, label=label)


def _logarithmic(ax: Axes, values: FloatArray) -> None:
    if (values > 0).any():
        ax.set_yscale("log")


def _mode_map(ax: Axes, traj: Trajectory) -> None:
    from matplotlib.colors import ListedColormap
    from matplotlib.patches import Patch

    picture = mode_picture(traj, _CELLS)
    if picture is None:
        ax.text(0.5, 0.5, "no network was kept:\nask for times=...", ha="center", transform=ax.transAxes)
        return
    ax.imshow(
        picture.modes,
        cmap=ListedColormap(list(_MODES.values())),
        vmin=-1,
        vmax=1,
        aspect="auto",
        origin="lower",
        interpolation="nearest",
    )
    ax.set(xlabel="sample, by label", ylabel="neuron, by output weight")
    ax.set_title(f"Modes at t = {picture.t:.4g}" + (" (thinned)" if picture.thinned else ""))
    patches = [Patch(facecolor=colour, edgecolor="black", label=name) for name, colour in _MODES.items()]
    ax.legend(handles=patches, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=3, frameon=False)
