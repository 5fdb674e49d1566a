"""What training from ZAS costs at any depth: iterations, flow time and seconds, up to a million layers."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._typing import FloatArray
from ..data.target import Target
from ..init import zas, zas_alpha
from .base import NamedFigure, Table, Work
from .interruption import whole
from .style import BLUE, GREEN, GREY, ORANGE, new_figure

ACCURACY = 1e-10
DIM = 10
_MOST_STEPS = 10_000_000
_CONDITION = 5.0


@dataclass(frozen=True)
class Setting:
    """Depths, and those up to which all layers are stepped or integrated as well."""

    depths: tuple[int, ...]
    all_layers: int


SIZES = {
    "quick": Setting((3, 10, 100, 1000, 10_000), 100),
    "full": Setting((3, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000, 300_000, 1_000_000), 1000),
}
# Name, colour, line style and marker of each way.
WAYS = {
    "GD at eta*": (BLUE, "-", "o"),
    "GD from a larger identity": (GREEN, "-.", "s"),
    "flow": (ORANGE, "--", "^"),
    "GD at eta*, all layers": (GREY, "", "x"),
    "flow, all layers": (GREY, "", "+"),
}


def target(seed: int) -> Target:
    """Draw Gaussian matrices until one has a condition number of at most 5."""
    rng = np.random.default_rng(np.random.SeedSequence([seed, DIM]))
    while True:
        Phi: FloatArray = rng.standard_normal((DIM, DIM)) / np.sqrt(DIM)
        if np.linalg.cond(Phi) <= _CONDITION:
            return Target(Phi, name="Gaussian")


def run(way: str, depth: int, goal: Target) -> float:
    """Return the iterations, or the time of the flow, until the loss is 1e-10 of that of the zero map."""
    from ..descent import descend, safe_step
    from ..descent.descenders import LayerDescent
    from ..flow import LossBelow
    from ..flow.linear import flow_deep_linear
    from ..flow.linear.layers import LayerRoute

    level = ACCURACY * goal.excess(goal.Phi)
    start = zas(depth, DIM, alpha=zas_alpha(depth, goal.norm) if way == "GD from a larger identity" else 1.0)
    if way == "GD at eta*, all layers":
        return float(LayerDescent(start, goal, safe_step(start, goal), 0.0).advance(_MOST_STEPS, level, 1e300)[0])
    if way.startswith("GD"):
        traj = whole(descend(start, goal, step_size="safe", steps=_MOST_STEPS, stop=LossBelow(level)))
        assert traj.iteration is not None
        return float(traj.iteration[-1])
    t_end = np.log(1 / ACCURACY)  # ZAS has the rate 1 at least, so that half of this is enough
    if way == "flow":
        traj = whole(flow_deep_linear(start, goal, t_end=t_end, stop=LossBelow(level), progress=False))
        return _crossing(traj.t, traj.excess, level)
    times, losses = [], []
    for state, _ in LayerRoute(start, goal).march(t_end, None, 1e-6):
        times.append(state.t)
        losses.append(state.excess)
        if state.excess <= level:
            break
    return _crossing(np.array(times), np.array(losses), level)


def measure(setting: Setting, work: Work) -> Table:
    """Run every way at every depth it is asked for; one row of the table for each run."""
    goal = target(work.seed)
    run("GD at eta*", 2, goal)  # compile outside the clock
    rows = []
    for place, depth in enumerate(setting.depths):
        for way in WAYS:
            if way.endswith("all layers") and depth > setting.all_layers:
                continue
            work.progress(place / len(setting.depths), f"depth {depth}, {way}")
            begun = time.perf_counter()
            needed = run(way, depth, goal)
            rows.append((way, depth, needed, time.perf_counter() - begun))
    names = ("way", "depth", "needed", "seconds")
    return {name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def of(table: Table, way: str, column: str) -> tuple[FloatArray, FloatArray]:
    """Return the depths of one way, and a column."""
    mine = table["way"] == way
    return table["depth"][mine], table[column][mine]


def read(table: Table) -> str:
    """Say what the deepest network took, and how it grows."""
    depths, steps = of(table, "GD at eta*", "needed")
    larger, times = of(table, "GD from a larger identity", "needed")[1], of(table, "flow", "needed")[1]
    seconds = {way: of(table, way, "seconds")[1][-1] for way in ("GD at eta*", "flow")}
    layered = of(table, "GD at eta*, all layers", "needed")[1]
    apart = np.abs(layered - steps[: len(layered)]).max(initial=0.0)
    return (
        f"Gaussian target, d = {DIM}, condition at most {_CONDITION:g}, relative loss {ACCURACY:g}. At depth "
        f"{depths[-1]} gradient descent from ZAS at the proved step eta* takes {steps[-1]:.0f} iterations, "
        f"{steps[-1] / np.sqrt(depths[-1]):.0f} sqrt(L), and {seconds['GD at eta*']:.2g} s; with slightly larger "
        f"identities, alpha = (N s^2)^(1/2N), {larger.min():.0f} to {larger.max():.0f} iterations at every depth. "
        f"The flow gets faster with depth, from t = {times[0]:.3g} at depth {depths[0]} to {times[-1]:.3g}, read "
        f"off the error clock in {seconds['flow']:.2g} s. Where all layers are stepped, iterations differ by at most "
        f"{apart:.0f}, and an iteration costs O(L). Seconds are measured once, on the machine at hand."
    )


def picture(table: Table) -> Any:
    """Draw iterations, flow time and seconds over the depth."""
    figure = new_figure(13.0, 4.2)
    iterations, flow_time, seconds = figure.subplots(1, 3)
    for way, (colour, style, marker) in WAYS.items():
        kind = {"color": colour, "linestyle": style, "marker": marker, "label": way}
        (iterations if way.startswith("GD") else flow_time).loglog(*of(table, way, "needed"), **kind)
        seconds.loglog(*of(table, way, "seconds"), **kind)
    for ax, title in ((iterations, "iterations"), (flow_time, "time of the flow"), (seconds, "seconds")):
        ax.set(xlabel="depth L", title=f"{title} to a relative loss of {ACCURACY:g}")
        ax.title.set_fontsize(10)
        ax.legend(fontsize=7)
    return figure


DEPTH_FREE = NamedFigure(
    "depth-free",
    "A million layers",
    "iterations, flow time and seconds from ZAS against depth, beside stepping all layers",
    SIZES,
    measure,
    picture,
    read,
)


def _crossing(t: FloatArray, loss: FloatArray, level: float) -> float:
    """Return when the loss, which falls, reaches the level: interpolated in the logarithm."""
    return float(np.interp(-np.log(level), -np.log(loss), t))
