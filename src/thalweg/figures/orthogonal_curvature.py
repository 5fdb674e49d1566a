"""Curvature at the end of a flow on orthogonal inputs, against their number: experiment 2, and far beyond it.

As in Dana, Bach and Pillaud-Vivien (2025): x_i = c_i e_i in R^d, c and |y| uniform on [1, 2], a dominated start drawn
again until it covers every sample, hidden weights times 0.01, and the flow ends at L <= 1e-6/(2n). The published
dimension is 2000; above that many samples d = n.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .._typing import FloatArray
from ..data.dataset import Dataset
from ..networks.shallow import ShallowNetwork
from .base import NamedFigure, Table, Work
from .interruption import whole
from .published import published
from .style import BLUE, GREEN, GREY, ORANGE, new_figure
from .trials import run_trials, study_of

if TYPE_CHECKING:
    from ..stats.scaling import ScalingFit
    from ..study.cell import Cell

DIMENSION = 2000
PUBLISHED = (1000, 2000)
# Column, colour, marker, label, published column.
QUANTITIES = {
    "upper": (GREY, "v", "upper bound", "log_upper"),
    "average": (GREEN, "s", r"$\langle\mu\rangle$, average", "log_avg_speed"),
    "asymptotic": (BLUE, "o", r"$\mu_\infty$, at the end", "log_speed"),
    "lower": (ORANGE, "^", "lower bound", "log_lower"),
}
_NEVER = 1e9


@dataclass(frozen=True)
class Part:
    """Sizes with an equal number of seeds; the width is that multiple of coverage(0.05)."""

    multiple: int
    sizes: tuple[int, ...]
    seeds: int


_RANGE = tuple(range(1000, 2001, 100))
SIZES = {
    "quick": (
        Part(1, (100, 300), 20),
        Part(1, (1000, 1400, 2000), 10),
        Part(1, (10_000,), 4),
        Part(3, (300, 1000, 2000), 6),
        Part(3, (10_000,), 2),
    ),
    # About equal times for each part, but for the published range, where the published slopes are to be met.
    "full": (
        Part(1, (100, 300), 200),
        Part(1, _RANGE, 200),
        Part(1, (10_000,), 60),
        Part(1, (31_623,), 24),
        Part(1, (100_000,), 10),
        Part(1, (316_228,), 5),
        Part(1, (1_000_000,), 2),
        Part(3, (100, 300, 1000, 2000), 60),
        Part(3, (10_000,), 24),
        Part(3, (31_623,), 12),
        Part(3, (100_000,), 6),
        Part(3, (316_228,), 2),
        Part(3, (1_000_000,), 1),
    ),
}


def draw(cell: Cell, seed: int, trial: int) -> tuple[Dataset, ShallowNetwork]:
    """Draw data and a start of a trial, as published: in 2000 dimensions, or n if there are more samples."""
    from scipy.sparse import csr_array

    from ..data import orthogonal
    from ..init import dominated
    from ..study.cell import covers

    data_seed, start_seed = cell.seeds(seed, trial)
    law, d = orthogonal(cell.n, seed=data_seed), max(cell.n, DIMENSION)
    data = Dataset(csr_array((law.norms, np.arange(cell.n), np.arange(cell.n + 1)), shape=(cell.n, d)), law.y)
    while True:
        (attempt,) = start_seed.spawn(1)
        network = dominated(d, cell.p, scale=cell.scale, seed=attempt)
        if covers(network, data):
            return data, network


def trial(cell: Cell, seed: int, number: int) -> Mapping[str, Any]:
    """Flow from a start to its end, and measure the curvatures there.

    With S_i = (1/p) sum of a_j^2 over the neurons active on sample i, the published bounds (2/n) min_i S_i and
    (16/n) max_i S_i use no more of the inputs than 1 <= |x_i| <= 2.
    """
    from ..flow import LossBelow, flow

    data, network = draw(cell, seed, number)
    n, p = cell.n, cell.p
    # No output time is ever reached: only the end is kept, as there may be gigabytes of weights.
    stop = LossBelow(cell.loss_below or 0.0)
    traj = whole(flow(network, data, t_end=_NEVER, times=[_NEVER], stop=stop, progress=False))
    S = np.zeros(n)
    for a, modes in zip(traj.final.a, traj.networks.mode_map(-1), strict=True):
        S += a * a / p * (modes == 1)
    return {
        "success": traj.loss[-1] <= (cell.loss_below or 0.0),
        "outcome": traj.outcome.name,
        "steps_made": traj.steps.sum(),
        "t": traj.t[-1],
        "loss": traj.loss[-1],
        "curvature": traj.curvature[-1],
        "average_curvature": np.log(network.loss(data) / traj.loss[-1]) / traj.t[-1],
        "curvature_lower": 2 / n * S.min(),
        "curvature_upper": 16 / n * S.max(),
    }


def measure(setting: tuple[Part, ...], work: Work) -> Table:
    """Run all trials; one row of the table for each."""
    cost = np.cumsum([0, *(part.multiple * part.seeds * sum(part.sizes) for part in setting)]).astype(float)
    shares = cost / cost[-1]
    rows: dict[str, list[Any]] = {name: [] for name in ("multiple", "n", "p", "trial", *QUANTITIES)}
    for k, part in enumerate(setting):
        study = study_of(
            study={"name": "curvature-orthogonal", "method": f"{__name__}:trial"},
            grid={
                "n": list(part.sizes),
                "p": f"{part.multiple}*coverage(0.05)",
                "law": "orthogonal",
                "scale": 0.01,
                "covered": True,
            },
            trials={"repetitions": part.seeds, "seed": work.seed},
            success={"loss_below": "1e-6/(2n)"},
        )
        text = f"{part.multiple} times coverage(0.05), n up to {part.sizes[-1]}"
        for cell, trials in run_trials(study, work, text, shares[k], shares[k + 1]):
            found = {
                "multiple": np.full(len(trials), part.multiple),
                "n": np.full(len(trials), cell.n),
                "p": np.full(len(trials), cell.p),
                "trial": trials["trial"],
                "asymptotic": trials["curvature"],
                "average": trials["average_curvature"],
                "lower": trials["curvature_lower"],
                "upper": trials["curvature_upper"],
            }
            for name, column in found.items():
                rows[name].append(column)
    return {name: np.concatenate(columns) for name, columns in rows.items()}


def scaling(table: Table, multiple: int, quantity: str, low: int, high: int, **law: float | None) -> ScalingFit:
    """Fit a law to one quantity over low <= n <= high; see `thalweg.stats.fit_scaling`."""
    from ..stats import fit_scaling

    mine = (table["multiple"] == multiple) & (table["n"] >= low) & (table["n"] <= high)
    return fit_scaling(table["n"][mine].astype(float), table[quantity][mine], **law)  # type: ignore[arg-type]


def summary(table: Table, multiple: int, quantity: str) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return sizes, means of one quantity over seeds, as published, and their standard errors, NaN for one seed."""
    mine = table["multiple"] == multiple
    sizes = np.unique(table["n"][mine])
    values = [table[quantity][mine & (table["n"] == n)] for n in sizes]
    errors = [v.std(ddof=1) / np.sqrt(len(v)) if len(v) > 1 else np.nan for v in values]
    return sizes.astype(float), np.array([v.mean() for v in values]), np.array(errors)


def published_slope(quantity: str) -> float:
    """Return the slope of the published points, by least squares."""
    rows = published("experiment_2").table
    return float(np.polyfit(np.log(rows["n"]), rows[QUANTITIES[quantity][3]], 1)[0])


def read(table: Table) -> str:
    """Say what the slopes are, and which law fits better."""
    low, high = PUBLISHED

    def slope(multiple: int, quantity: str, top: int, log_power: float = 0.0) -> str:
        fit = scaling(table, multiple, quantity, low, top, log_power=log_power)
        return f"{quantity} {fit.slope:.2f} [{fit.slope_interval[0]:.2f}, {fit.slope_interval[1]:.2f}]"

    here = "; ".join(f"{slope(1, q, high)}, published {published_slope(q):.2f}" for q in QUANTITIES)
    parts = []
    for multiple in np.unique(table["multiple"]):
        top = int(table["n"][table["multiple"] == multiple].max())
        wins = []
        for q in ("asymptotic", "average"):
            fits = [scaling(table, multiple, q, low, top, log_power=power).aic for power in (0.0, -1.0)]
            half = scaling(table, multiple, q, low, top, slope=-0.5, log_power=None)
            ends = "b = {:.1f} [{:.1f}, {:.1f}]".format(half.log_power, *half.log_power_interval)
            wins.append(f"{q} {fits[1] - fits[0]:+.1f}; as n^(-1/2) (log n)^b {half.aic - fits[0]:+.1f}, {ends}")
        slopes = ", ".join(slope(multiple, q, top) for q in QUANTITIES)
        corrected = ", ".join(slope(multiple, q, top, -1.0) for q in ("asymptotic", "average"))
        parts.append(
            f"{_width(multiple)}, n from {low} to {top}: slopes {slopes}; of n^a/log n {corrected}. AIC against the "
            f"pure power (below 0: better): {'; '.join(wins)}."
        )
    return (
        "Curvatures at the end of the flow on orthogonal inputs, conjectured to fall like n^(-1/2). Slopes of log "
        "curvature over log n, with 95 % intervals over seeds, at the threshold width for n in [1000, 2000]: "
        f"{here}. {' '.join(parts)} Points are means, bars their standard errors, which a single seed has not. "
        "At the threshold width the least covered sample keeps few neurons while p grows "
        "like log n, so that exponents over a finite range say little of the limit."
    )


def picture(table: Table) -> Any:
    """Draw sqrt(n) times the curvatures for each width, and p sqrt(n) times the two of the flow."""
    multiples = np.unique(table["multiple"]).tolist()
    figure = new_figure(4.8 * (len(multiples) + 1), 4.6)
    *panels, corrected = figure.subplots(1, len(multiples) + 1)
    for ax in panels[1:]:
        ax.sharey(panels[0])
    for ax, multiple in zip(panels, multiples, strict=True):
        for name, (colour, marker, label, _) in QUANTITIES.items():
            n, mean, reach = summary(table, multiple, name)
            ax.errorbar(
                n, np.sqrt(n) * mean, np.sqrt(n) * reach, fmt=marker + "-", color=colour, ms=5, lw=1, label=label
            )
        _laws(ax, table, multiple)
        ax.set(title=_width(multiple), xlabel="n", ylabel=r"$\sqrt{n}\,\times$ curvature")
    rows = published("experiment_2").table
    for *_, column in QUANTITIES.values():
        points = np.sqrt(rows["n"]) * np.exp(rows[column])
        panels[0].plot(
            rows["n"], points, "k.", markersize=4, zorder=5, label="published" if column == "log_lower" else "_"
        )
    for multiple, filling in zip(multiples, ("full", "none"), strict=False):
        for name in ("average", "asymptotic"):
            colour, marker, label, _ = QUANTITIES[name]
            n, mean, reach = summary(table, multiple, name)
            factor = np.sqrt(n) * [_width_at(table, multiple, each) for each in n]
            words = {"fmt": marker + "-", "fillstyle": filling, "color": colour, "ms": 5, "lw": 1}
            corrected.errorbar(n, factor * mean, factor * reach, label=f"{label}, {_width(multiple).lower()}", **words)
    corrected.set(title="Times the width: flat if curvature ~ 1/(p $\\sqrt{n}$)", xlabel="n")
    corrected.set_ylabel(r"$p\,\sqrt{n}\,\times$ curvature")
    for ax in (*panels, corrected):
        ax.set(xscale="log", yscale="log")
        ax.set_ylim(top=4 * ax.get_ylim()[1] if ax is corrected else None)  # room for the legend
        ax.legend(fontsize=7, loc="upper right", bbox_to_anchor=(1.0, 1.0 if ax is corrected else 0.85))
    return figure


def _laws(ax: Any, table: Table, multiple: int) -> None:
    """Draw the two laws fitted to the average curvature."""
    top = float(table["n"][table["multiple"] == multiple].max())
    n = np.geomspace(PUBLISHED[0], top, 60)
    for power, style, label in ((0.0, "--", "$n^a$"), (-1.0, ":", r"$n^a/\log n$")):
        fit = scaling(table, multiple, "average", PUBLISHED[0], int(top), log_power=power)
        ax.plot(n, np.sqrt(n) * fit.predict(n), style, color="black", lw=1, label=f"{label}, a = {fit.slope:.2f}")


def _width_at(table: Table, multiple: int, n: float) -> int:
    return int(table["p"][(table["multiple"] == multiple) & (table["n"] == n)][0])


CURVATURE_ORTHOGONAL = NamedFigure(
    "curvature-orthogonal",
    "Curvature against n on orthogonal inputs",
    "final curvature of experiment 2 up to n = 10^6, at two widths, with slopes, and power against log-corrected",
    SIZES,
    measure,
    picture,
    read,
)


def _width(multiple: float) -> str:
    return "Threshold width" if multiple == 1 else f"{multiple:.0f} times the threshold width"
