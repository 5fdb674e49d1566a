"""The basin of the safe step: what becomes of gradient descent from ZAS at steps below and above the proved one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._typing import FloatArray
from ..data.target import Target
from ..init import zas, zas_alpha
from .base import NamedFigure, Table, Work
from .depth_free import ACCURACY, DIM, target
from .style import BLUE, GREEN, GREY, ORANGE, PURPLE, new_figure

# What the descent says of its end, by number; a loss that grew by the factor does not come back.
_ENDS = ("given up", "solved", "diverged")
_DIVERGED = 1e30
_LINES = ((BLUE, "-", "o"), (ORANGE, "--", "s"), (GREEN, "-.", "^"), (PURPLE, ":", "D"))


@dataclass(frozen=True)
class Setting:
    """Depths, exponents k of the steps 2^k eta*, positions of alpha, and iterations after which a run is given up.

    A position x stands for alpha = zas_alpha^x: 0 for the identity, 1 for the slightly larger one that needs at most 37
    iterations, below 0 for smaller ones.
    """

    depths: tuple[int, ...]
    exponents: tuple[float, ...]
    positions: tuple[float, ...]
    cap: int


SIZES = {
    "quick": Setting((3, 30, 1000), tuple(np.arange(-3.0, 4.1, 0.5)), tuple(np.arange(-0.5, 1.6, 0.25)), 100_000),
    "full": Setting(
        (3, 30, 1000, 100_000), tuple(np.arange(-3.0, 5.1, 0.25)), tuple(np.arange(-0.5, 1.6, 0.25)), 300_000
    ),
}


def run(depth: int, alpha: float, ratio: float, goal: Target, cap: int) -> tuple[int, str, float]:
    """Return the iterations at the step ratio eta*, how they ended ("solved", "diverged", "given up"), and eta*."""
    from ..descent import safe_step
    from ..descent.descenders import ModeDescent
    from ..networks.forms import zero_asymmetric

    start = zas(depth, DIM, alpha=alpha)
    safe, form, first = safe_step(start, goal), zero_asymmetric(start), goal.excess(goal.Phi)
    spectrum = goal.spectrum
    assert form is not None
    assert spectrum is not None
    descent = ModeDescent(form, spectrum, ratio * safe, 0.0, "numba")
    made, why = descent.advance(cap, ACCURACY * first, _DIVERGED * first)
    return made, _ENDS[why], safe


def measure(setting: Setting, work: Work) -> Table:
    """Descend at every depth, start scale and step; one row of the table for each."""
    goal = target(work.seed)
    cases = [(L, x, k) for L in setting.depths for x in setting.positions for k in setting.exponents]
    rows = []
    for place, (depth, position, exponent) in enumerate(cases):
        work.progress(place / len(cases), f"depth {depth}")
        alpha = zas_alpha(depth, goal.norm) ** position
        iterations, end, safe = run(depth, alpha, 2.0**exponent, goal, setting.cap)
        proved, edge = bound(depth, alpha, safe, exponent), stability(depth, alpha, goal.norm)
        rows.append((depth, position, alpha, 2.0**exponent, safe, iterations, end, proved, edge))
    names = ("depth", "position", "alpha", "ratio", "safe_step", "iterations", "end", "bound", "stability")
    return {name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def bound(depth: int, alpha: float, safe: float, exponent: float) -> float:
    """Return the iterations that the theorem allows at the step 2^exponent eta*; infinity above eta*."""
    rate = 2.0**exponent * safe * math.exp(2 * (depth - 1) * math.log(alpha))
    return math.ceil(math.log(ACCURACY) / (2 * math.log1p(-rate))) if exponent <= 0 else math.inf


def stability(depth: int, alpha: float, size: float) -> float:
    """Return the step above which the fit that the flow leads to is unstable: 2/(a^(2N) + N w^2 a^(2N-2)).

    Here w a^N = size, the largest singular value, and a^2 = alpha^2 + w^2.
    """
    from scipy.optimize import brentq

    hidden = depth - 1

    def excess(log_w: float) -> float:
        return log_w + hidden / 2 * math.log(alpha**2 + math.exp(2 * log_w)) - math.log(size)

    w = math.exp(float(brentq(excess, -60.0, math.log(size) + hidden * abs(math.log(alpha)) + 1.0, xtol=1e-13)))  # type: ignore[arg-type]
    a = math.hypot(alpha, w)
    return 2 / (math.exp(2 * hidden * math.log(a)) + hidden * (size / a) ** 2)


def of(table: Table, depth: int, column: str) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return positions (m,), ratios (k,), and a column as an array (m, k), of one depth."""
    mine = table["depth"] == depth
    positions, ratios = np.unique(table["position"][mine]), np.unique(table["ratio"][mine])
    return positions, ratios, table[column][mine].reshape(len(positions), len(ratios))


def read(table: Table) -> str:
    """Say where the basin ends, and what the best start needs."""
    proved = table["ratio"] <= 1
    solved, gone = table["end"] == "solved", table["end"] == "diverged"
    parts = []
    for depth in np.unique(table["depth"]):
        mine = (table["depth"] == depth) & (table["position"] == 0)
        at = mine & (table["ratio"] == 1)
        best = (table["depth"] == depth) & (table["position"] == 1) & (table["ratio"] == 1)
        fails = min(table["ratio"][mine & ~proved & ~solved], default=math.inf)
        parts.append(
            f"{table['iterations'][at][0]} and {table['iterations'][best][0]} at depth {depth}, where for x = 0 the "
            f"first step of the grid that fails is {fails:.3g} eta*, and the fit of the flow is unstable above "
            f"{(table['stability'] / table['safe_step'])[at][0]:.3g} eta*"
        )
    return (
        "Gradient descent from ZAS at multiples of eta*, the largest step with a proof, until the loss is "
        f"{ACCURACY:g} of that of the zero map; Gaussian target, d = {DIM}. The vertical axis of the maps is x in "
        "alpha = alpha_1^x, alpha_1 = max(1, N s^2)^(1/2N): x = 0 is the identity, x = 1 the slightly larger one. "
        f"Grey: not there after {int(table['iterations'].max())} iterations; crosses: diverged. Of the "
        f"{int(proved.sum())} runs at or below eta*, {int((proved & solved).sum())} were solved, "
        f"{int((proved & gone).sum())} diverged. Iterations at eta* from x = 0 and x = 1: {'; '.join(parts)}. The thin "
        "lines are the iterations proved to be enough. On the dotted line, eta = alpha^(-2N), the first step solves "
        "any whitened target, which says nothing of a start."
    )


def picture(table: Table) -> Any:
    """Draw a map of the iterations for each depth, and cuts through the maps at alpha = 1."""
    from matplotlib.colors import LogNorm

    depths = [int(L) for L in np.unique(table["depth"])]
    figure = new_figure(4.2 + 3.0 * len(depths), 4.4)
    *maps, cut = figure.subplots(1, len(depths) + 1, gridspec_kw={"width_ratios": [1] * len(depths) + [1.35]})
    most = float(table["iterations"].max())
    shown = None
    for ax, depth in zip(maps, depths, strict=True):
        x, ratios, iterations = of(table, depth, "iterations")
        end, safe = of(table, depth, "end")[2], of(table, depth, "safe_step")[2][:, 0]
        solved = np.where(end == "solved", iterations, np.nan)
        ax.set_facecolor("#DDDDDD")
        shown = ax.pcolormesh(ratios, x, solved, norm=LogNorm(5.0, most), cmap="viridis_r", shading="nearest")
        where_x, where_ratio = np.nonzero(end == "diverged")
        ax.plot(ratios[where_ratio], x[where_x], "x", color=ORANGE, markersize=4)
        alphas = of(table, depth, "alpha")[2][:, 0]
        ax.plot(of(table, depth, "stability")[2][:, 0] / safe, x, "--", color="white", linewidth=2.5)
        ax.plot(
            of(table, depth, "stability")[2][:, 0] / safe,
            x,
            "--",
            color=ORANGE,
            label="above: the fit of the flow is unstable",
        )
        ax.plot(alphas ** (-2.0 * (depth - 1)) / safe, x, ":", color="black", label="one step solves any target")
        ax.axvline(1.0, color="black", linewidth=1.5, label="$\\eta^*$")
        ax.set(xscale="log", xlim=(ratios[0], ratios[-1]), xlabel="step / $\\eta^*$", title=f"L = {depth:,}")
    figure.legend(*maps[0].get_legend_handles_labels(), loc="outside upper left", ncols=3, fontsize=8, frameon=False)
    maps[0].set_ylabel("x in $\\alpha = \\alpha_1^x$  (0: identity)")
    if shown is not None:
        figure.colorbar(shown, ax=maps, label="iterations", location="right", pad=0.01)
    for k, (depth, (colour, style, marker)) in enumerate(zip(depths, _LINES, strict=False)):
        mine = (table["depth"] == depth) & (table["position"] == 0)
        ratio, made, proved = table["ratio"][mine], table["iterations"][mine], table["bound"][mine]
        solved = table["end"][mine] == "solved"
        look = {"color": colour, "linestyle": style, "marker": marker, "markersize": 4}
        cut.loglog(ratio[solved], made[solved], label=f"L = {depth:,}", **look)
        cut.loglog(ratio[np.isfinite(proved)], proved[np.isfinite(proved)], color=colour, linewidth=0.8)
        cut.plot(ratio[~solved], np.full((~solved).sum(), 1.6**k * most), "x", color=colour)  # one above another
    cut.axvline(1.0, color="black", linewidth=1.5)
    cut.plot([], [], color=GREY, linewidth=0.8, label="proved")
    cut.plot([], [], "x", color=GREY, label="not solved")
    cut.set(xlabel="step / $\\eta^*$", ylabel="iterations", title="$\\alpha = 1$")
    cut.legend(fontsize=7)
    return figure


SAFE_STEP = NamedFigure(
    "safe-step",
    "The basin of the safe step",
    "iterations, or divergence, of descent from ZAS against the step, by depth and scale of the identity",
    SIZES,
    measure,
    picture,
    read,
)
