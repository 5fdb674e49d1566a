"""Plateaus of small starts: their length against log(1/scale), and the slope that theory gives.

Near the origin the outputs are negligible and every neuron follows w' = a g, a' = <w, g>, g = (1/n) sum_i y_i x_i over
its active samples. This is homogeneous: a start a thousand times smaller takes the same path, a thousand times smaller.
A balanced neuron grows at the rate d log|a|/dt = sign(a) sum_i y_i relu(z_i)/(n |w|), so that the plateau is longer by
log(1000)/rate, with the rate of the fastest neuron once it has turned into its final direction.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._typing import FloatArray
from ..data.dataset import Dataset
from ..data.laws import orthogonal, sphere
from ..init import balanced, group
from ..networks.shallow import ShallowNetwork
from .base import NamedFigure, Table, Work
from .interruption import whole
from .style import BLUE, GREEN, GREY, ORANGE, new_figure

SAMPLES, INPUTS, WIDTH = 10, 30, 20
# The plateau ends when this share of the loss is gone.
FALLEN = 0.01
_T_END, _RTOL = 1e4, 1e-6
# Colour, marker and name of each kind of start.
STARTS = {
    "group": (BLUE, "o", "one neuron per group, orthogonal inputs"),
    "orthogonal": (GREEN, "s", "random, orthogonal inputs"),
    "sphere": (ORANGE, "^", "random, on the sphere, d = 3n"),
}


@dataclass(frozen=True)
class Setting:
    """Scales of the start, decreasing, and number of seeds."""

    scales: tuple[float, ...]
    seeds: int


SIZES = {
    "quick": Setting((1e-2, 1e-4, 1e-6, 1e-9, 1e-12), 4),
    "full": Setting(tuple(10.0 ** -np.arange(1.0, 12.1)), 12),
}


def problem(kind: str, scale: float, seed: int, k: int) -> tuple[ShallowNetwork, Dataset]:
    """Return start and data number k of one kind; only the scale of the weights depends on the scale."""
    for_data, for_start = np.random.SeedSequence([seed, list(STARTS).index(kind), k]).spawn(2)
    data = sphere(SAMPLES, INPUTS, seed=for_data) if kind == "sphere" else orthogonal(SAMPLES, seed=for_data)
    if kind == "group":
        return group(data, scale=scale), data
    return balanced(data.d, WIDTH, scale=scale, seed=for_start), data


def growth(network: ShallowNetwork, data: Dataset) -> float:
    """Return the rate at which the fastest neuron of a small balanced network grows."""
    pull = np.maximum(network.preactivations(data.X), 0.0) @ data.y
    return float(np.max(np.sign(network.a) * pull / np.linalg.norm(network.W, axis=1))) / data.n


def run(start: ShallowNetwork, data: Dataset) -> tuple[float, float]:
    """Return when a hundredth of the loss is gone, and the growth rate of the fastest neuron there."""
    from ..flow import LossBelow, flow

    stop = LossBelow((1 - FALLEN) * start.loss(data))
    traj = whole(flow(start, data, t_end=_T_END, rtol=_RTOL, stop=stop, progress=False))
    gone = 1 - traj.loss / traj.loss[0]
    late = gone > 1e-6 * FALLEN  # it grows exponentially: straight in logarithms
    length = np.interp(np.log(FALLEN), np.log(gone[late]), traj.t[late])
    return float(length), growth(traj.final, data)


def measure(setting: Setting, work: Work) -> Table:
    """Flow from every start at every scale; one row of the table for each run."""
    cases = [(kind, k, scale) for kind in STARTS for k in range(setting.seeds) for scale in setting.scales]
    rows = []
    for place, (kind, k, scale) in enumerate(cases):
        work.progress(place / len(cases), f"{kind}, scale {scale:g}")
        rows.append((kind, k, scale, *run(*problem(kind, scale, work.seed, k))))
    names = ("start", "seed", "scale", "length", "rate")
    return {name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def slopes(table: Table, kind: str) -> FloatArray:
    """Return slopes of the length over log(1/scale) between neighbouring scales, over that in theory, (m, scales - 1).

    One row for each seed of one kind of start, from the largest scales to the smallest; the theory is 1/rate at the
    smallest. Nothing is fitted: the lengths have no noise, and tend to a line only as the scale tends to 0.
    """
    rows = []
    for k in np.unique(table["seed"]):
        x, length, rate = curve(table, kind, k)
        rows.append(np.diff(length) / -np.diff(np.log(x)) * rate[-1])
    return np.array(rows)


def curve(table: Table, kind: str, k: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return scales, decreasing, lengths and rates of one kind of start and one seed."""
    mine = np.flatnonzero((table["start"] == kind) & (table["seed"] == k))
    mine = mine[np.argsort(-table["scale"][mine])]
    return table["scale"][mine], table["length"][mine], table["rate"][mine]


def read(table: Table) -> str:
    """Say how the slopes tend to those of the theory."""
    scales = -np.sort(-np.unique(table["scale"]))
    words = []
    for kind, (_, _, label) in STARTS.items():
        first, last = slopes(table, kind)[:, [0, -1]].T
        words.append(
            f"{label}: {first.min():.4g} to {first.max():.4g} between the two largest, {last.min():.4g} to "
            f"{last.max():.4g} between the two smallest"
        )
    return (
        f"Time until {FALLEN:.0%} of the loss is gone, from balanced starts of different scale (n = {SAMPLES}, random "
        f"ones of width {WIDTH}), against log(1/scale), {len(np.unique(table['seed']))} seeds. Near the origin a "
        "balanced neuron grows exponentially, so that as the scale tends to 0 the length tends to a line, with slope "
        "one over the rate of the fastest neuron, sign(a) sum_i y_i relu(z_i)/(n |w|), measured where the plateau of "
        "the smallest start ends; for one neuron per group of orthogonal inputs it is n/|X^T y| over the group. Slopes "
        f"between neighbouring scales, from {scales[0]:g} to {scales[-1]:g}, over the slope in theory: "
        f"{'; '.join(words)}. Where others grow nearly as fast as the fastest neuron, the line is reached slowly."
    )


def picture(table: Table) -> Any:
    """Draw lengths, and how their slopes tend to the theory."""
    figure = new_figure(11.0, 4.6)
    lengths, ratios = figure.subplots(1, 2)
    for kind, (colour, marker, label) in STARTS.items():
        for k, (seed, ratio) in enumerate(zip(np.unique(table["seed"]), slopes(table, kind), strict=True)):
            scale, length, _ = curve(table, kind, seed)
            look = {
                "marker": marker,
                "color": colour,
                "markersize": 4,
                "linewidth": 0.8,
                "label": "_" * bool(k) + label,
            }
            lengths.plot(scale, length, **look)
            ratios.plot(scale[1:], ratio, **look)
    ratios.axhline(1.0, linestyle="--", color=GREY, label="theory")
    lengths.set(ylabel=f"time until {FALLEN:.0%} of the loss is gone", title="Length of the plateau")
    ratios.set(ylabel="slope / slope in theory", title="Slope from one scale to the next smaller one")
    for ax in (lengths, ratios):
        ax.set(xscale="log", xlabel="scale of the start")
        ax.invert_xaxis()
        ax.legend(fontsize=8)
    return figure


PLATEAU = NamedFigure(
    "plateau",
    "Plateaus of small starts",
    "length of the plateau against log(1/scale), with the slope that theory gives",
    SIZES,
    measure,
    picture,
    read,
)
