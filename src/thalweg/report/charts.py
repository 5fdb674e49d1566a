"""The charts of a gradient flow of a shallow network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..plot.sampling import mode_picture, residual_lines, spread
from .content import Chart, Key, Table
from .drawing import Line, bundle, layout, line_chart
from .summary import mode_counts

if TYPE_CHECKING:
    from ..descent import DescentTrajectory
    from ..flow.trajectory import Trajectory

_VALUES = {"inactive": -1, "sliding": 0, "active": 1}
_LINES = 60
_CELLS = 250
_NEURONS = 30


def charts(traj: Trajectory) -> tuple[Chart, ...]:
    """Return the charts of one trajectory."""
    time = ("time t", traj.t)
    drawn = [_loss(traj), _curvature(traj), _mode_map(traj), _shares(traj), residuals(traj, time)]
    return tuple(chart for chart in drawn if chart is not None)


def _loss(traj: Trajectory) -> Chart:
    caption = (
        f"Loss from {traj.loss[0]:.3g} to {traj.loss[-1]:.3g} (solid); dashed, the bound that the "
        f"lower curvature implies, {traj.loss_bound[-1]:.3g} at the end."
    )
    lines = [
        Line("loss", traj.loss, "blue", "solid"),
        Line("bound from the lower curvature", traj.loss_bound, "orange", "dash"),
    ]
    return line_chart("Loss", caption, ("time t", traj.t), "loss L", lines)


def _curvature(traj: Trajectory) -> Chart:
    caption = (
        f"Local PL curvature, the rate of fall of log loss, {traj.curvature[-1]:.3g} at the end, "
        f"between its bounds {traj.curvature_lower[-1]:.3g} and {traj.curvature_upper[-1]:.3g}; "
        f"average since the start {traj.average_curvature[-1]:.3g}."
    )
    lines = [
        Line("upper bound", traj.curvature_upper, "grey", "dot"),
        Line("local curvature", traj.curvature, "blue", "solid"),
        Line("average since t = 0", traj.average_curvature, "green", "dashdot"),
        Line("lower bound", traj.curvature_lower, "orange", "dash"),
    ]
    return line_chart("Curvature between its bounds", caption, ("time t", traj.t), "PL curvature", lines)


def _mode_map(traj: Trajectory) -> Chart | None:
    picture = mode_picture(traj, _CELLS)
    if picture is None:
        return None
    counts = {name: (picture.modes == value).sum(axis=1) for name, value in _VALUES.items()}
    caption = (
        f"Mode of every neuron (rows, by output weight) on every sample (columns, by label) at "
        f"t = {picture.t:.4g}{', thinned evenly' if picture.thinned else ''}: "
        + ", ".join(f"{count.sum()} {name}" for name, count in counts.items())
        + "."
    )
    heat = {
        "type": "heatmap",
        "z": picture.modes.tolist(),
        "x": [f"sample {i}" for i in picture.samples],
        "y": [f"neuron {j}" for j in picture.neurons],
        "meta": list(_VALUES),
        "zmin": -1,
        "zmax": 1,
        "colorscale": [[edge / 3, f"${name}"] for k, name in enumerate(_VALUES) for edge in (k, k + 1)],
        "showscale": False,
        "hovertemplate": "%{y}, %{x}: mode %{z}<br>(1 active, 0 sliding, -1 inactive)<extra></extra>",
    }
    axes = layout("sample, by label", "neuron, by output weight")
    for axis in ("xaxis", "yaxis"):
        axes[axis] |= {"type": "category", "showticklabels": False, "ticks": "", "showgrid": False}
    shown = spread(len(picture.neurons), _NEURONS)
    rows = tuple((f"neuron {picture.neurons[k]}", *(str(count[k]) for count in counts.values())) for k in shown)
    table = Table("Mode map", ("neuron", *counts), rows, "Samples in each mode, neurons by output weight.")
    return Chart("Mode map", caption, [heat], axes, tuple(Key(name, name, button=False) for name in _VALUES), table)


def _shares(traj: Trajectory) -> Chart:
    pairs = traj.data.n * traj.final.p
    looks = {"active": ("blue", "solid"), "inactive": ("grey", "dash"), "sliding": ("amber", "dot")}
    shares = {name: 100.0 * count / pairs for name, count in mode_counts(traj).items()}
    lines = [Line(name, shares[name], *look) for name, look in looks.items()]
    ends = ", ".join(f"{name} {values[-1]:.3g} %" for name, values in shares.items())
    caption = f"Shares of the {pairs} (neuron, sample) pairs in each mode; at the end {ends}."
    return line_chart("Modes over time", caption, ("time t", traj.t), "share in %", lines, log=False)


def residuals(traj: Trajectory | DescentTrajectory, x: tuple[str, np.ndarray]) -> Chart:
    """Draw the sizes of the residuals, of some samples where there are many."""
    drawn = residual_lines(traj, _LINES)
    sizes = np.abs(traj.residuals)
    lines = []
    for i in drawn:
        positive = traj.data.y[i] > 0
        group, look = ("positive label", ("blue", "solid")) if positive else ("label of 0 or below", ("orange", "dash"))
        lines.append((group, Line(f"sample {i}", sizes[:, i], *look)))
    which = f"all {traj.data.n}" if len(drawn) == traj.data.n else f"{len(drawn)} of {traj.data.n}"
    caption = (
        f"Size of the residual of {which} samples, solid for positive labels, dashed for the others; at "
        f"the end between {sizes[-1].min():.3g} and {sizes[-1].max():.3g}."
    )
    return bundle("Residuals", caption, x, "|residual|", lines, log=True)
