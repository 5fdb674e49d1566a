"""The number of samples at which half of the trials converge, against dimension and width.

Searched by the adaptive design for the published protocol, for twenty times its steps, and for the flow, which is
followed up to some size: if it converges there, that size is a lower bound of its threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._typing import BoolArray
from ..stats import ScalingFit, fit_scaling, threshold
from .base import NamedFigure, Table, Work
from .convergence import WAYS
from .style import new_figure
from .trials import run_trials, study_of

FIXED = 30
BATCH = 16
_FINENESS = 0.02


@dataclass(frozen=True)
class Search:
    """A search for one threshold: sizes from `first` to `last`, some 2 % apart, may be tried."""

    way: str
    d: int
    p: int
    trials: int
    first: int
    last: int

    @property
    def sizes(self) -> list[int]:
        """Sizes that may be tried."""
        count = int(np.log(self.last / self.first) / _FINENESS) + 1
        return np.unique(np.rint(np.geomspace(self.first, self.last, count)).astype(int)).tolist()

    @property
    def cost(self) -> float:
        """Work, roughly, in some unit: to show progress by."""
        return WAYS[self.way].cost * self.trials * (self.first * self.last) ** 0.5 * self.d * self.p


def descents(dimensions: tuple[int, ...], widths: tuple[int, ...], way: str, trials: int) -> tuple[Search, ...]:
    """Return searches over a factor of a hundred in n, laid without knowing where the thresholds are."""
    pairs = [(d, FIXED) for d in dimensions] + [(FIXED, p) for p in widths]
    return tuple(Search(way, d, p, trials, max(d // 2, 2), 50 * d) for d, p in pairs)


def flows(dimensions: tuple[int, ...], widths: tuple[int, ...], trials: int, last: int) -> tuple[Search, ...]:
    """Return searches up to half as many samples as there are parameters pd to fit them, or up to `last`."""
    pairs = [(d, FIXED) for d in dimensions] + [(FIXED, p) for p in widths]
    return tuple(Search("flow", d, p, trials, d, min(d * p // 2, last)) for d, p in pairs)


@dataclass(frozen=True)
class Setting:
    """The searches."""

    searches: tuple[Search, ...]


SIZES = {
    "quick": Setting(
        descents((5, 10, 20, 30), (60, 100), "budget", 96)
        + descents((5, 10, 20), (), "longer", 48)
        + flows((10, 20), (), 6, 150)
    ),
    "full": Setting(
        descents((5, 10, 20, 30, 50, 70, 100, 150, 200), (10, 20, 50, 100, 200, 400), "budget", 272)
        + descents((5, 10, 20, 30, 50), (10, 20, 50), "longer", 64)
        + (Search("flow", 5, FIXED, 16, 5, 60), Search("flow", 10, FIXED, 16, 10, 300))
        + flows((20, 30, 50, 70, 100), (10, 20, 50, 100, 200), 8, 1000)
    ),
}


def measure(setting: Setting, work: Work) -> Table:
    """Run all searches; one row of the table for each.

    `largest` is the largest size tried, and `all_converged` says whether no trial failed, so that `low` is all that is
    known.
    """
    costs = [each.cost for each in setting.searches]
    shares = np.cumsum([0.0, *costs]) / sum(costs)
    rows = []
    for search, first, last in zip(setting.searches, shares, shares[1:], strict=False):
        study = study_of(
            grid={"n": search.sizes, "d": search.d, "p": search.p},
            trials={"seed": work.seed},
            design={"kind": "threshold", "trials": search.trials, "batch": BATCH},
            **WAYS[search.way].sections,
        )
        text = f"{WAYS[search.way].label}, d = {search.d}, p = {search.p}"
        tried = [
            (cell.n, trials["success"]) for cell, trials in run_trials(study, work, text, first, last) if len(trials)
        ]
        made, won = ([int(count(each)) for _, each in tried] for count in (len, np.sum))
        found = threshold([n for n, _ in tried], made, won)
        values = (found.estimate, found.low, found.high, found.steepness, sum(made), sum(won))
        rows.append((search.way, search.d, search.p, *values, max(n for n, _ in tried), sum(won) == sum(made)))
    names = (
        "way",
        "d",
        "p",
        "threshold",
        "low",
        "high",
        "steepness",
        "trials",
        "successes",
        "largest",
        "all_converged",
    )
    return {name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def along(table: Table, way: str, axis: str) -> Table:
    """Return the rows of one way along "d", where p = 30, or along "p", where d = 30, in increasing order."""
    other = "p" if axis == "d" else "d"
    mine = np.flatnonzero((table["way"] == way) & (table[other] == FIXED))
    mine = mine[np.argsort(table[axis][mine])]
    return {name: column[mine] for name, column in table.items()}


def bounded(rows: Table) -> BoolArray:
    """Say which thresholds lie between sizes that were tried: a finite interval, above 0."""
    return (rows["low"] > 0) & np.isfinite(rows["high"]) & (rows["threshold"] <= rows["largest"])


def law(rows: Table, axis: str) -> ScalingFit | None:
    """Fit a power of d or p to the thresholds that are bounded, three at least."""
    here = bounded(rows)
    return fit_scaling(rows[axis][here], rows["threshold"][here]) if here.sum() >= 3 else None


def read(table: Table) -> str:
    """Give the exponents, how well powers fit, and how far the flow converges."""
    said = [
        "Number of samples N at which half of the trials converge, with profile-likelihood intervals (95 %), each by "
        f"an adaptive search of {_range(table['trials'])} trials over a range of sizes that was not laid around it. "
        "The published protocol is descent with step 1 for 1.5 sqrt(np) log(np)/4 steps to a loss of at most 1/(2n)."
    ]
    for axis in ("d", "p"):
        for way in ("budget", "longer"):
            rows = along(table, way, axis)
            if (fit := law(rows, axis)) is not None:
                said.append(_law(rows, axis, WAYS[way].label, fit))
        said += _flow(table, axis)
    return " ".join(said)


def lack_of_fit(rows: Table, axis: str) -> float:
    """Return the p-value that the bounded thresholds follow some power, given the intervals of each."""
    from scipy.stats import chi2, norm

    here = bounded(rows)
    x, y = np.log(rows[axis][here]), np.log(rows["threshold"][here])
    sigma = np.log(rows["high"] / np.maximum(rows["low"], 1e-300))[here] / (2 * norm.ppf(0.975))
    residuals = (y - np.polyval(np.polyfit(x, y, 1, w=1 / sigma), x)) / sigma
    return float(chi2.sf(np.sum(residuals**2), len(x) - 2))


def _law(rows: Table, axis: str, label: str, fit: ScalingFit) -> str:
    here, p_value = bounded(rows), lack_of_fit(rows, axis)
    N, (low, high) = rows["threshold"][here], fit.slope_interval
    misfit = np.abs(N / fit.predict(rows[axis][here]) - 1).max()
    verdict = "no power describes them all" if p_value < 0.01 else "which does not refuse a power"
    return (
        f"{label[0].upper()}{label[1:]}, {axis} = {_range(rows[axis][here])}: N from {N[0]:.0f} to {N[-1]:.0f}; the "
        f"best power of {axis} has the exponent {fit.slope:.2f} [{low:.2f}, {high:.2f}] and is off by up to "
        f"{misfit:.0%}; p-value of a power {p_value:.2g}, {verdict}."
    )


def _flow(table: Table, axis: str) -> list[str]:
    """Say how far the flow converges, beside the published threshold at the same d and p."""
    flow, budget = along(table, "flow", axis), along(table, "budget", axis)
    values, i, j = np.intersect1d(flow[axis], budget[axis], return_indices=True)
    if not len(values):
        return []
    ratio = flow["low"][i] / budget["threshold"][j]
    ratio = ratio[ratio > 0]  # 0 where failures at small n leave no lower limit
    alone = flow["all_converged"][i].sum()
    said = [
        f"The flow, {axis} = {_range(values)}: {flow['successes'][i].sum()} of {flow['trials'][i].sum()} trials "
        f"converge, to a loss below 1e-4/(2n), at n up to {flow['largest'][i].max()}; in {alone} of {len(values)} "
        "searches all, so that only a lower bound of N is known."
    ]
    if ratio.size:
        said.append(
            f"Where there is a lower limit of N it is {ratio.min():.1f} to {ratio.max():.1f} times the threshold of "
            "the published protocol."
        )
    return said


def _range(values: Any) -> str:
    low, high = np.min(values), np.max(values)
    return f"{low}" if low == high else f"{low} to {high}"


def picture(table: Table) -> Any:
    """Draw thresholds against d and against p; arrows stand on lower bounds."""
    figure = new_figure(11.0, 4.8)
    for ax, axis in zip(figure.subplots(1, 2, sharey=True), ("d", "p"), strict=True):
        for way, look in WAYS.items():
            rows = along(table, way, axis)
            if not len(rows["d"]):
                continue
            here, style = bounded(rows), {"color": look.colour, "fillstyle": "none", "markersize": 6}
            x, N = rows[axis][here], rows["threshold"][here]
            reach = np.abs([N - rows["low"][here], rows["high"][here] - N])
            if here.any():
                ax.errorbar(x, N, reach, fmt=look.marker, capsize=3, label=look.label, **style)
            if (fit := law(rows, axis)) is not None:
                grid = np.geomspace(x.min(), x.max(), 50)
                ax.plot(grid, fit.predict(grid), color=look.colour, linewidth=1, label=f"exponent {fit.slope:.2f}")
            x, low = rows[axis][~here], rows["low"][~here]
            if len(x):
                label = f"{look.label}: lower bound"
                ax.errorbar(x, low, 0.25 * low, fmt=look.marker, lolims=True, label=label, **style)
        at = np.array(sorted(set(along(table, "budget", axis)[axis].tolist())))
        if len(at):
            ax.plot(at, FIXED * at, ":", color="black", linewidth=1, label="n = pd")
        ax.set(xscale="log", yscale="log")
        ticks = sorted(set(np.concatenate([along(table, way, axis)[axis] for way in WAYS]).tolist()))
        ax.set_xticks(ticks, labels=[str(tick) for tick in ticks])
        ax.set_xticks([], minor=True)
        fixed = "p" if axis == "d" else "d"
        ax.set(xlabel=axis, ylabel="threshold N", title=f"{fixed} = {FIXED}")
        ax.legend(fontsize=7, frameon=False)
    return figure


THRESHOLD = NamedFigure(
    "threshold",
    "The threshold of convergence against dimension and width",
    "samples at which half of the trials converge: published protocol, more steps, and the exact flow",
    SIZES,
    measure,
    picture,
    read,
)
