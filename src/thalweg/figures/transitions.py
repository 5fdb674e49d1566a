"""Phase transitions under the group initialization: the loss falls group by group, and in the limit in steps.

Three groups of orthogonal inputs of norm 1, a third of the n samples each, and one balanced neuron along the labels of
each. With D_g = |y| over a group, N0 = a^2 at the start and R = p D_1/N0 of the first group, time is counted in units
of (n/2 D_1) log R. A group then leaves its plateau at (D_1/D_g) log(R D_g/D_1 - 1)/log R, which tends to D_1/D_g as n
grows, and falls within a time that tends to 0 like 1/log n: a staircase. Dana, Bach and Pillaud-Vivien (2025).
Nothing here is random.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .._typing import FloatArray
from ..data.dataset import Dataset
from ..init import group
from ..theorems.phase_transition import relative_width, squared_weight
from .base import NamedFigure, Table, Work
from .interruption import whole
from .style import BLUE, GREEN, GREY, ORANGE, PURPLE, new_figure

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation

# Labels of the groups. The signs matter to nothing but the outputs.
LABELS = np.array([1.0, -0.6, 0.35])
SCALE = 0.1
# The flow runs to this multiple of the limiting time of the last transition.
_LONG = 1.35
# Sizes that no computer holds, by the closed form.
BEYOND = (1e12, 1e24)
_GROUPS = (("o", BLUE), ("s", ORANGE), ("^", GREEN))
_FRAMES = 60


@dataclass(frozen=True)
class Setting:
    """Numbers of samples, multiples of 3."""

    sizes: tuple[int, ...]


SIZES = {"quick": Setting((99, 999, 9999)), "full": Setting((99, 999, 9999, 99_999))}


def ceilings(n: float) -> FloatArray:
    """Return p D_g, to which N = a^2 of the neuron of each group tends, (3,)."""
    p = len(LABELS)
    return p * np.abs(LABELS) * math.sqrt(n / p)


def unit(n: float) -> float:
    """Return the unit of time, (n/2 D_1) log(p D_1/N0); with N0 = 1 it would be sqrt(np) log(np)/4."""
    ceiling = ceilings(n)[0]
    return n * len(LABELS) / (2 * ceiling) * math.log(ceiling / SCALE**2)


def shares(n: float, tau: FloatArray) -> FloatArray:
    """Return the share of the labels each group's output has reached at scaled times, by the closed form, (T, 3)."""
    columns = []
    for ceiling in ceilings(n):
        s = ceiling / (len(LABELS) * n) * unit(n) * tau
        columns.append(squared_weight(s, SCALE**2, 1.0, ceiling) / ceiling)
    return np.stack(columns, axis=1)


def relative_loss(reached: FloatArray) -> FloatArray:
    """Return the loss relative to that of a zero network, (T,), from shares (T, 3)."""
    return (1 - reached) ** 2 @ LABELS**2 / (LABELS @ LABELS)


def staircase(tau: FloatArray) -> FloatArray:
    """Return the limit of the relative loss at scaled times as n grows, (T,)."""
    return relative_loss((tau[:, None] >= _limits()).astype(float))


def measure(setting: Setting, work: Work) -> Table:
    """Flow at every size: rows over all output times, and one row per transition."""
    from ..curvature import phase_transition
    from ..flow import flow

    cost = np.cumsum([0, *setting.sizes])
    rows, found = [], []
    for place, n in enumerate(setting.sizes):
        work.progress(float(cost[place] / cost[-1]), f"n = {n}")
        members = np.arange(n).reshape(len(LABELS), -1).tolist()
        data = _data(n)
        end = _LONG * float(_limits()[-1]) * unit(n)
        traj = whole(flow(group(data, members, scale=SCALE), data, t_end=end, rtol=1e-8, progress=False))
        reached = 1 - traj.residuals[:, :: n // len(LABELS)] / LABELS  # a group moves as one
        rows.append(np.column_stack([np.full(len(traj), n), traj.t, traj.t / unit(n), traj.curvature, reached]))
        for g, samples in enumerate(members):
            seen = phase_transition(traj, samples)
            found.append((n, g, seen.time, seen.width))
    flows, ends = np.concatenate(rows), np.array(found)
    names = ["n", "t", "scaled_time", "curvature", "reached_1", "reached_2", "reached_3"]
    table = dict(zip(names, flows.T, strict=True)) | {"loss": relative_loss(flows[:, -3:])}
    names = ["transition_n", "transition_group", "transition_time", "transition_width"]
    return table | dict(zip(names, ends.T, strict=True))


def curve(table: Table, n: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return scaled times (T,), shares reached (T, 3) and curvatures (T,) of one size."""
    mine = table["n"] == n
    reached = np.column_stack([table[f"reached_{g + 1}"][mine] for g in range(len(LABELS))])
    return table["scaled_time"][mine], reached, table["curvature"][mine]


def read(table: Table) -> str:
    """Say where the transitions are, and how sharp."""
    sizes = np.unique(table["n"])
    apart = max(float(np.abs(curve(table, n)[1] - shares(n, curve(table, n)[0])).max()) for n in sizes)
    words = []
    for n in sizes:
        mine = table["transition_n"] == n
        times = table["transition_time"][mine] / unit(n)
        sharp = table["transition_width"][mine] / table["transition_time"][mine]
        words.append(f"n = {n:.0f}: at {_list(times)} (width/time {_list(sharp)})")
    far = ", ".join(f"{relative_width(SCALE**2, ceilings(n)[0]):.2g} at n = {n:.0e}" for n in BEYOND)
    return (
        "Orthogonal inputs in three groups with one balanced neuron each. Time is in units of (n/2D) log(pD/N0) of the "
        f"first group. The loss falls at {_list(_limits())} in the limit; "
        f"the exact flow has its transitions at, {'; '.join(words)}. Its outputs differ from the closed form by at "
        f"most {apart:.1g} of the labels. The steps become sharp like 3.688/log(pD/N0 - 1) only, width/time of the "
        f"first being {far}. The local curvature has a peak at each step but the last, where it rises to 4D/n of the "
        "last group, the dotted line, and falls in between, the further the larger n."
    )


def picture(table: Table) -> Any:
    """Draw loss and curvature over scaled time, and the sharpness over n."""
    figure = new_figure(14.0, 4.4)
    losses, curvatures, widths = figure.subplots(1, 3, width_ratios=[1.25, 1.25, 1.0])
    sizes = np.unique(table["n"])
    tau = _times()
    p = len(LABELS)
    for n, colour in zip(sizes, (BLUE, GREEN, ORANGE, PURPLE), strict=False):
        at, reached, mu = curve(table, n)
        losses.plot(at, relative_loss(reached), color=colour, label=f"flow, n = {n:.0f}")
        curvatures.plot(at, math.sqrt(n * p) / 4 * mu, color=colour)
    for k, n in enumerate(BEYOND):
        reached = shares(n, tau)
        label = f"closed form, n = $10^{{{math.log10(n):.0f}}}$"
        losses.plot(tau, relative_loss(reached), (":", "--")[k], color=GREY, label=label)
        curvatures.plot(tau, math.sqrt(p) / 4 * scaled_curvature(n, reached), (":", "--")[k], color=GREY)
    losses.plot(tau, staircase(tau), color="black", linewidth=2.2, label="limit")
    for limit in _limits():
        curvatures.axvline(limit, color="black", linewidth=0.8)
    curvatures.axhline(abs(LABELS[-1]), color="black", linestyle=":", linewidth=0.8)
    for g, (marker, colour) in enumerate(_GROUPS):
        mine = table["transition_group"] == g
        n, sharp = table["transition_n"][mine], table["transition_width"][mine] / table["transition_time"][mine]
        widths.semilogx(n, sharp, marker, color=colour, label=f"group {g + 1}, |y| = {abs(LABELS[g]):g}")
        line = np.geomspace(sizes[0], BEYOND[-1], 100)
        widths.plot(line, [relative_width(SCALE**2, ceilings(each)[g]) for each in line], color=colour, linewidth=0.9)
    losses.set(xlabel="scaled time", ylabel="loss, relative", title="Loss")
    curvatures.set(xlabel="scaled time", ylabel=r"curvature $\times \sqrt{np}/4$", title="Local PL curvature")
    widths.set(xlabel="n", ylabel="width/time", title=r"Sharpness (lines: $3.688/\log(pD/N_0 - 1)$)", ylim=(0, None))
    losses.legend(fontsize=8)
    widths.legend(fontsize=8)
    return figure


def scaled_curvature(n: float, reached: FloatArray) -> FloatArray:
    """Return sqrt(n) times the local PL curvature (T,) from shares u (T, 3), which obey u' = 2 D u (1 - u)/n."""
    left = (1 - reached) ** 2
    D = ceilings(n) / len(LABELS)
    loss = left @ D**2
    return np.divide(4 / math.sqrt(n) * ((left * reached) @ D**3), loss, out=np.full_like(loss, np.nan), where=loss > 0)


def animate(table: Table) -> FuncAnimation:
    """Let time run at the largest size: outputs of the groups, and the loss beside its limit."""
    from matplotlib.animation import FuncAnimation

    n = float(table["n"].max())
    at, reached, _ = curve(table, n)
    tau = np.linspace(0.0, at[-1], _FRAMES)
    outputs = np.column_stack([np.interp(tau, at, column) for column in reached.T])
    figure = new_figure(8.0, 3.6)
    bars_ax, loss_ax = figure.subplots(1, 2, width_ratios=[1.0, 1.6])
    places = np.arange(len(LABELS))
    bars_ax.bar(places, LABELS, fill=False, edgecolor="black", label="labels")
    bars = bars_ax.bar(places, np.zeros(len(LABELS)), color=[colour for _, colour in _GROUPS], label="_")
    bars_ax.axhline(0.0, color="black", linewidth=0.8)
    bars_ax.set(xlabel="group", ylabel="output", title=f"n = {n:.0f}", ylim=(-0.75, 1.15))
    bars_ax.set_xticks(places, [str(g + 1) for g in places])
    bars_ax.legend(loc="upper right")
    fine = _times()
    loss_ax.plot(fine, staircase(fine), color="black", linewidth=1.0, label="limit")
    (line,) = loss_ax.plot([], [], color=BLUE, linewidth=2.0, label="flow")
    loss_ax.set(xlabel="scaled time", ylabel="loss, relative", xlim=(0, at[-1]), ylim=(-0.02, 1.05))
    loss_ax.legend()
    figure.draw_without_rendering()
    figure.set_layout_engine("none")  # the layout of the first frame is that of all, and costs more than the rest

    def show(frame: int) -> list[Any]:
        for bar, height in zip(bars, outputs[frame] * LABELS, strict=True):
            bar.set_height(height)
        seen = at <= tau[frame]
        line.set_data(at[seen], relative_loss(reached[seen]))
        return [*bars, line]

    return FuncAnimation(figure, show, frames=_FRAMES)


TRANSITIONS = NamedFigure(
    "transitions",
    "Phase transitions of groups",
    "loss and curvature under the group initialization, from finite n to the limiting staircase; animated",
    SIZES,
    measure,
    picture,
    read,
    animate,
)


def _limits() -> FloatArray:
    return np.abs(LABELS[0] / LABELS)


def _times() -> FloatArray:
    return np.linspace(0.0, _LONG * float(_limits()[-1]), 1500)


def _list(values: FloatArray) -> str:
    return ", ".join(f"{value:.3g}" for value in values)


def _data(n: int) -> Dataset:
    from scipy.sparse import eye_array

    return Dataset(eye_array(n, format="csr"), np.repeat(LABELS, n // len(LABELS)), name=f"groups(n={n})")
