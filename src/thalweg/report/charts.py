"""The report's charts, as plain specifications for plotly.js."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..plot.sampling import mode_picture, residual_lines
from .summary import mode_counts

if TYPE_CHECKING:
    from ..flow.trajectory import Trajectory

# Mid-tones of Okabe and Ito's set, readable on white and on dark; dashes tell the lines apart without them.
_BLUE, _ORANGE, _GREEN, _GREY = "#3A8FD0", "#E07B39", "#2CA58D", "#9A9A9A"
_INACTIVE, _SLIDING, _ACTIVE = "#D9D9D9", "#E69F00", "#1B4F8F"
_VALUES = {"active": 1, "inactive": -1, "sliding": 0}
_LINES = 60
_CELLS = 250


@dataclass(frozen=True)
class Chart:
    """One chart: what plotly.js draws, and the same in words."""

    title: str
    caption: str
    data: list[dict[str, Any]]
    layout: dict[str, Any]


def charts(traj: Trajectory) -> list[Chart]:
    """Return the charts of one trajectory."""
    drawn = [_loss(traj), _curvature(traj), _mode_map(traj), _shares(traj), _residuals(traj)]
    return [chart for chart in drawn if chart is not None]


def _loss(traj: Trajectory) -> Chart:
    caption = (
        f"Loss from {traj.loss[0]:.3g} to {traj.loss[-1]:.3g} (solid); dashed, the bound that the "
        f"lower curvature implies, {traj.loss_bound[-1]:.3g} at the end."
    )
    lines = [
        _line(traj.t, traj.loss, "loss", _BLUE, "solid"),
        _line(traj.t, traj.loss_bound, "bound from the lower curvature", _ORANGE, "dash"),
    ]
    return Chart("Loss", caption, lines, _layout("time t", "loss L", log=True))


def _curvature(traj: Trajectory) -> Chart:
    caption = (
        f"Local PL curvature, the rate of fall of log loss, {traj.curvature[-1]:.3g} at the end, "
        f"between its bounds {traj.curvature_lower[-1]:.3g} and {traj.curvature_upper[-1]:.3g}; "
        f"average since the start {traj.average_curvature[-1]:.3g}."
    )
    lines = [
        _line(traj.t, traj.curvature_upper, "upper bound", _GREY, "dot"),
        _line(traj.t, traj.curvature, "local curvature", _BLUE, "solid"),
        _line(traj.t, traj.average_curvature, "average since t = 0", _GREEN, "dashdot"),
        _line(traj.t, traj.curvature_lower, "lower bound", _ORANGE, "dash"),
    ]
    layout = _layout("time t", "PL curvature", log=True)
    return Chart("Curvature between its bounds", caption, lines, layout)


def _mode_map(traj: Trajectory) -> Chart | None:
    picture = mode_picture(traj, _CELLS)
    if picture is None:
        return None
    counts = {name: int((picture.modes == value).sum()) for name, value in _VALUES.items()}
    caption = (
        f"Mode of every neuron (rows, by output weight) on every sample (columns, by label) at "
        f"t = {picture.t:.4g}{', thinned evenly' if picture.thinned else ''}: "
        + ", ".join(f"{count} {name}" for name, count in counts.items())
        + "."
    )
    steps = [_INACTIVE, _SLIDING, _ACTIVE]
    heat = {
        "type": "heatmap",
        "z": picture.modes.tolist(),
        "zmin": -1,
        "zmax": 1,
        "colorscale": [[edge / 3, colour] for k, colour in enumerate(steps) for edge in (k, k + 1)],
        "colorbar": {
            "tickvals": [-2 / 3, 0, 2 / 3],
            "ticktext": ["inactive", "sliding", "active"],
            "thickness": 12,
        },
        "hovertemplate": "neuron %{y}, sample %{x}: %{z}<extra></extra>",
    }
    layout = _layout("sample, by label", "neuron, by output weight", log=False)
    return Chart("Mode map", caption, [heat], layout)


def _shares(traj: Trajectory) -> Chart:
    pairs = traj.data.n * traj.final.p
    dashes = {"active": (_BLUE, "solid"), "inactive": (_GREY, "dash"), "sliding": (_SLIDING, "dot")}
    shares = {name: 100.0 * count / pairs for name, count in mode_counts(traj).items()}
    lines = [_line(traj.t, shares[name], name, *look) for name, look in dashes.items()]
    ends = ", ".join(f"{name} {values[-1]:.3g} %" for name, values in shares.items())
    caption = f"Shares of the {pairs} (neuron, sample) pairs in each mode; at the end {ends}."
    return Chart("Modes over time", caption, lines, _layout("time t", "share in %", log=False))


def _residuals(traj: Trajectory) -> Chart:
    drawn = residual_lines(traj, _LINES)
    sizes = np.abs(traj.residuals)
    lines = []
    for i in drawn:
        look = (_BLUE, "solid") if traj.data.y[i] > 0 else (_ORANGE, "dash")
        line = _line(traj.t, sizes[:, i], f"sample {i}", *look)
        line["line"]["width"] = 1
        lines.append(line)
    which = f"all {traj.data.n}" if len(drawn) == traj.data.n else f"{len(drawn)} of {traj.data.n}"
    caption = (
        f"Size of the residual of {which} samples, solid for positive labels, dashed for the others; at "
        f"the end between {sizes[-1].min():.3g} and {sizes[-1].max():.3g}."
    )
    layout = _layout("time t", "|residual|", log=True) | {"showlegend": False}
    return Chart("Residuals", caption, lines, layout)


def _line(x: np.ndarray, y: np.ndarray, name: str, colour: str, dash: str) -> dict[str, Any]:
    return {
        "type": "scatter",
        "mode": "lines" if len(x) > 1 else "markers",
        "x": _numbers(x),
        "y": _numbers(y),
        "name": name,
        "line": {"color": colour, "dash": dash, "width": 2},
    }


def _numbers(values: np.ndarray) -> list[float | None]:
    """Round to what a screen shows; JSON has no NaN or infinity, a gap stands for them."""
    return [float(f"{value:.7g}") if np.isfinite(value) else None for value in values]


def _layout(x: str, y: str, *, log: bool) -> dict[str, Any]:
    vertical = {"title": {"text": y}, "automargin": True}
    if log:
        vertical |= {"type": "log", "exponentformat": "power"}
    return {
        "xaxis": {"title": {"text": x}, "automargin": True},
        "yaxis": vertical,
        "margin": {"l": 60, "r": 15, "t": 15, "b": 50},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0},
        "height": 380,
    }
