"""Loss against time from ZAS at depths up to a million, flow and descent, with what the theorems prove beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._typing import FloatArray
from ..init import zas
from .base import NamedFigure, Table, Work
from .depth_free import ACCURACY, DIM, target
from .interruption import whole
from .style import GREY, new_figure

_POINTS = 400
_MOST_STEPS = 1_000_000
_WAYS, _CLOCKS = ("flow", "descent"), ("t", "iteration")


@dataclass(frozen=True)
class Setting:
    """Depths."""

    depths: tuple[int, ...]


SIZES = {
    "quick": Setting((3, 10, 100, 1000, 10_000, 1_000_000)),
    "full": Setting((3, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000, 300_000, 1_000_000)),
}


def measure(setting: Setting, work: Work) -> Table:
    """Flow and descend at every depth; one row of the table for each time, losses relative to that of the start."""
    from ..descent import descend_deep_linear
    from ..flow import LossBelow
    from ..flow.linear import flow_deep_linear

    goal = target(work.seed)
    level = LossBelow(ACCURACY * goal.excess(goal.Phi))
    times = np.concatenate([[0.0], np.geomspace(1e-4, np.log(1 / ACCURACY), _POINTS)])
    parts: list[Table] = []
    for place, depth in enumerate(setting.depths):
        work.progress(place / len(setting.depths), f"depth {depth}")
        start = zas(depth, DIM)
        flown = flow_deep_linear(start, goal, t_end=times[-1], times=times, stop=level, progress=False)
        descended = whole(descend_deep_linear(start, goal, step_size="safe", steps=_MOST_STEPS, stop=level))
        # Again with no more steps than it takes, as the iterations that are recorded are spread over all of them.
        assert descended.iteration is not None
        needed = int(descended.iteration[-1])
        descended = descend_deep_linear(start, goal, step_size="safe", steps=needed, stop=level)
        for way, traj in zip(_WAYS, (flown, descended), strict=True):
            whole(traj)
            made = np.full(len(traj), -1) if traj.iteration is None else traj.iteration
            relative = {"loss": traj.excess / traj.excess[0], "bound": traj.bound / traj.excess[0]}
            words = {"way": np.full(len(traj), way), "depth": np.full(len(traj), depth)}
            parts.append(words | {"t": traj.t, "iteration": made} | relative)
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def curve(table: Table, way: str, depth: int, x: str) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return a column, the losses and their bounds of one run, the start left out."""
    mine = (table["way"] == way) & (table["depth"] == depth) & (table["t"] > 0)
    return table[x][mine], table["loss"][mine], table["bound"][mine]


def read(table: Table) -> str:
    """Say when the loss is there, and what the bounds say."""
    depths = [int(L) for L in np.unique(table["depth"])]
    times, made = ([curve(table, way, L, x)[0][-1] for L in depths] for way, x in zip(_WAYS, _CLOCKS, strict=True))
    over = float((table["loss"] / table["bound"]).max())
    return (
        f"Gaussian target, d = {DIM}, condition at most 5, from ZAS (last layer 0, the others I), until the loss is "
        f"{ACCURACY:g} of that at the start. The flow is there at t = {times[0]:.3g} at depth {depths[0]} and at t = "
        f"{times[-1]:.3g} at depth {depths[-1]}: deeper is faster. The theorem's bound exp(-2t), which holds for every "
        "target, does not depend on the depth (dashed). Gradient descent at the proved step eta* takes "
        f"{made[0]:.0f} and {made[-1]:.0f} iterations; its bound (1 - eta*)^(2k) is dashed in the same colour. The "
        f"largest ratio of a loss to its bound is {over:.6g}, at the start."
    )


def picture(table: Table) -> Any:
    """Draw the flow over time and descent over iterations, from shallow to deep as from dark to light."""
    import matplotlib

    depths = [int(L) for L in np.unique(table["depth"])]
    shades = matplotlib.colormaps["viridis"](np.linspace(0.0, 0.9, len(depths)))
    figure = new_figure(11.5, 4.6)
    flow, descent = figure.subplots(1, 2, sharey=True)
    for depth, colour in zip(depths, shades, strict=True):
        t, loss, _ = curve(table, "flow", depth, "t")
        flow.loglog(t, loss, color=colour)
        k, loss, bound = curve(table, "descent", depth, "iteration")
        descent.loglog(k, loss, color=colour, label=f"L = {depth:,}")
        descent.loglog(k, bound, "--", color=colour, linewidth=1.0)
    t, _, bound = curve(table, "flow", depths[0], "t")
    flow.loglog(t, bound, "--", color=GREY)
    descent.plot([], [], "--", color=GREY, label="proved: $(1 - \\eta^*)^{2k}$")
    flow.set(xlabel="time t", ylabel="loss, relative to the start", ylim=(ACCURACY, 2.0))
    flow.set_title("Gradient flow; dashed: exp(-2t), proved at any depth")
    flow.set_xlim(2e-4, 15.0)
    descent.set(xlabel="iteration k", title="Gradient descent at the proved step $\\eta^*$")
    descent.legend(fontsize=8, loc="lower left")
    return figure


DEEP_TIME = NamedFigure(
    "deep-time",
    "Loss against time at any depth",
    "loss of the flow and of descent from ZAS, depths 3 to a million, with the theorems' bounds",
    SIZES,
    measure,
    picture,
    read,
)
