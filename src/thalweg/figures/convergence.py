"""How often training converges against the number of samples: the published protocol, a longer one, and the flow.

Dana, Bach and Pillaud-Vivien (2025) descend with step 1 for floor(1.5 sqrt(np) log(np)/4 + 1) steps and call a loss of
at most 1/(2n) a success. A trial that fails has either no way down or too few steps: more steps, and the exact flow,
from the same starts on the same data tell which.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._typing import FloatArray
from ..stats import Threshold, clopper_pearson, threshold
from .agreement import combined_p_value, fisher_p_values
from .base import NamedFigure, Table, Work
from .published import published
from .style import BLUE, GREEN, ORANGE, new_figure
from .trials import run_trials, study_of

PUBLISHED, PUBLISHED_D, PUBLISHED_TRIALS = "published", 100, 80
WIDTH = "coverage(0.05)"
LONGER = 20


@dataclass(frozen=True)
class Way:
    """A way to train: sections of its study, seconds beside those of the published one, and how it is drawn."""

    label: str
    sections: Mapping[str, Mapping[str, Any]]
    cost: float
    colour: str
    marker: str


WAYS = {
    "budget": Way(
        "descent, published steps",
        {
            "study": {"name": "budget", "method": "descend"},
            "descend": {"step_size": 1.0, "steps": "published"},
            "success": {"loss_below": "1/(2n)"},
        },
        cost=1.0,
        colour=BLUE,
        marker="o",
    ),
    "longer": Way(
        f"descent, {LONGER} times the steps",
        {
            "study": {"name": "longer", "method": "descend"},
            "descend": {"step_size": 1.0, "steps": f"{LONGER}*published"},
            "success": {"loss_below": "1/(2n)"},
        },
        cost=6.0,
        colour=GREEN,
        marker="s",
    ),
    "flow": Way(
        "flow, loss below 1e-4/(2n)",
        {"study": {"name": "flow", "method": "flow"}, "success": {"loss_below": "1e-4/(2n)"}},
        cost=100.0,
        colour=ORANGE,
        marker="^",
    ),
    "certified": Way(
        "flow, certified",
        {"study": {"name": "certified", "method": "flow"}, "success": {"certified": True}},
        cost=100.0,
        colour=ORANGE,
        marker="D",
    ),
}


@dataclass(frozen=True)
class Run:
    """Trials of one way in d dimensions, the same number at each size n."""

    way: str
    d: int
    sizes: tuple[int, ...]
    trials: int


@dataclass(frozen=True)
class Setting:
    """What to run. A way can be told problem by problem from the published one if that comes before it."""

    runs: tuple[Run, ...]


_TEN = (10, 15, 20, 25, 30, 40, 60)
SIZES = {
    "quick": Setting(
        (
            Run("budget", 100, (1500, 1650, 1700, 1800), 5),
            Run("budget", 10, _TEN, 80),
            Run("longer", 10, _TEN, 80),
            Run("certified", 10, (15, 20, 30, 40), 4),
        )
    ),
    "full": Setting(
        (
            Run("budget", 100, tuple(range(1300, 2101, 50)), 80),
            Run("longer", 100, tuple(range(1300, 2101, 50)), 20),
            Run("flow", 100, tuple(range(1300, 2101, 100)), 8),
            Run("budget", 10, _TEN, 400),
            Run("longer", 10, _TEN, 400),
            Run("certified", 10, _TEN, 40),
        )
    ),
}


def measure(setting: Setting, work: Work) -> Table:
    """Run all trials; one row of the table for each way, d and n.

    `failed` counts the problems of the row that the published protocol had not solved, `rescued` those of them that
    the way of the row solves, and `p_value` is that of Fisher's exact test against the published successes.
    """
    costs = [WAYS[run.way].cost * run.trials * sum(n**2 for n in run.sizes) * run.d for run in setting.runs]
    shares = np.cumsum([0.0, *costs]) / sum(costs)
    rows: list[tuple[Any, ...]] = []
    unsolved: dict[tuple[int, int], Any] = {}
    for run, first, last in zip(setting.runs, shares, shares[1:], strict=False):
        study = study_of(
            grid={"n": run.sizes, "d": run.d, "p": WIDTH},
            trials={"repetitions": run.trials, "seed": work.seed},
            **WAYS[run.way].sections,
        )
        for cell, trials in run_trials(study, work, f"{WAYS[run.way].label}, d = {run.d}", first, last):
            if run.way == "budget":
                unsolved[cell.d, cell.n] = trials["trial"][~trials["success"]]
            again = np.isin(trials["trial"], unsolved.get((cell.d, cell.n), ()))
            made, won = len(trials), int(trials["success"].sum())
            rows.append((run.way, cell.d, cell.n, cell.p, made, won, again.sum(), (again & trials["success"]).sum()))
    if any(run.d == PUBLISHED_D for run in setting.runs):
        held = published("experiment_1_0").table
        won = np.rint(PUBLISHED_TRIALS * held["probability"]).astype(int)
        for n, p, s in zip(held["n"], held["p"], won, strict=True):
            rows.append((PUBLISHED, PUBLISHED_D, n, p, PUBLISHED_TRIALS, s, 0, 0))
    names = ("way", "d", "n", "p", "trials", "successes", "failed", "rescued")
    table = {name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
    counts = zip(table["successes"].tolist(), table["trials"].tolist(), strict=True)
    table["low"], table["high"] = np.array([clopper_pearson(s, m) for s, m in counts]).T
    return table | {"p_value": _p_values(table)}


def rows_of(table: Table, way: str, d: int) -> Table:
    """Return the rows of one way in d dimensions, by increasing n."""
    mine = np.flatnonzero((table["way"] == way) & (table["d"] == d))
    mine = mine[np.argsort(table["n"][mine])]
    return {name: column[mine] for name, column in table.items()}


def threshold_of(table: Table, way: str, d: int) -> Threshold:
    """Return the size at which half of the trials of one way succeed."""
    rows = rows_of(table, way, d)
    return threshold(rows["n"], rows["trials"], rows["successes"])


def _counts(table: Table) -> tuple[Any, ...]:
    """Return n, our successes and trials by the published protocol, and the published ones, at the sizes of both."""
    ours, theirs = rows_of(table, "budget", PUBLISHED_D), rows_of(table, PUBLISHED, PUBLISHED_D)
    n, i, j = np.intersect1d(ours["n"], theirs["n"], return_indices=True)
    return n, ours["successes"][i], ours["trials"][i], theirs["successes"][j], theirs["trials"][j]


def _p_values(table: Table) -> FloatArray:
    """Return the p-value of each row against the published trials, NaN where there are none to compare with."""
    n, *counts = _counts(table)
    of_size = dict(zip(n.tolist(), fisher_p_values(*counts), strict=True))
    compared = (table["way"] == "budget") & (table["d"] == PUBLISHED_D)
    values = [of_size.get(n, np.nan) for n in table["n"].tolist()]
    return np.where(compared, values, np.nan)


def read(table: Table) -> str:
    """Compare with the published rates, and say what more steps and the flow make of the trials that fail."""
    said = [
        "Share of trials that converge, with intervals of Clopper and Pearson (95 %), against the number of samples n; "
        "width p = floor(log(n/0.05)/log(4/3)) + 1; N is where half of them do. The published protocol is descent with "
        "step 1 for 1.5 sqrt(np) log(np)/4 steps to a loss of at most 1/(2n)."
    ]
    if len(_counts(table)[0]):
        said.append(_agreement(table))
    for d in _dimensions(table):
        found = {way: threshold_of(table, way, d) for way in WAYS if len(rows_of(table, way, d)["n"])}
        words = [_words(rows_of(table, way, d), WAYS[way].label, found[way]) for way in found]
        said.append(f"d = {d}: {'; '.join(words)}.")
        if "budget" in found and len(found) > 1:
            budget = found.pop("budget")
            said.append(
                "So the threshold of the published protocol is that of its number of steps: from the same starts, on "
                "the same data, more steps and the flow converge beyond it."
                if all(budget.high < other.low for other in found.values())
                else "These trials do not tell the thresholds apart."
            )
    if (table["way"] == "certified").any():
        said.append("Where the flow is certified, that its loss tends to 0 is proved, rounding included.")
    if (table["way"] == "flow").any():
        said.append(
            "Elsewhere a loss of 1e-4/(2n) is drawn, four orders of magnitude below the published level: certificates "
            "are out of reach there in reasonable time."
        )
    return " ".join(said)


def _agreement(table: Table) -> str:
    n, won, made, their_won, their_made = _counts(table)
    p_values = fisher_p_values(won, made, their_won, their_made)
    return (
        f"At {len(n)} published sizes with d = {PUBLISHED_D}, {won.sum()} of our {made.sum()} trials succeed, and "
        f"{their_won.sum()} of the {their_made.sum()} published ones. Fisher's exact test at each size has a smallest "
        f"p-value of {p_values.min():.2g}, that of Cochran, Mantel and Haenszel over all of them one of "
        f"{combined_p_value(won, made, their_won, their_made):.2g}. From all published trials, "
        f"{_where(threshold_of(table, PUBLISHED, PUBLISHED_D), n.max())}."
    )


def _words(rows: Table, label: str, found: Threshold) -> str:
    said = (
        f"{label}: {rows['successes'].sum()} of {rows['trials'].sum()} trials with n up to {rows['n'].max()} converge"
    )
    if rows["way"][0] != "budget" and rows["failed"].any():
        said += (
            f", among them {rows['rescued'].sum()} of the {rows['failed'].sum()} that the published number of steps "
            "leaves unsolved"
        )
    return f"{said}, {_where(found, rows['n'].max())}"


def _where(found: Threshold, largest: int) -> str:
    """Say where half of the trials converge, unless that is beyond the largest size tried."""
    if found.estimate > largest:
        return f"threshold N beyond the sizes tried, above {found.low:.0f}"
    return f"threshold N = {found.estimate:.0f} [{found.low:.0f}, {found.high:.0f}]"


def _dimensions(table: Table) -> list[int]:
    return sorted(set(table["d"].tolist()), reverse=True)


def picture(table: Table) -> Any:
    """Draw one panel for each d."""
    dimensions = _dimensions(table)
    figure = new_figure(6.2 * len(dimensions), 4.6)
    panels = figure.subplots(1, len(dimensions), sharey=True, squeeze=False)[0]
    for ax, d in zip(panels, dimensions, strict=True):
        published_look = Way("published (Dana et al. 2025)", {}, 0.0, "black", "x")
        for way, look in (WAYS | {PUBLISHED: published_look}).items():
            rows = rows_of(table, way, d)
            if not len(rows["n"]):
                continue
            share = rows["successes"] / rows["trials"]
            reach = np.abs([share - rows["low"], rows["high"] - share])
            line = "" if way == PUBLISHED else "-"
            ax.errorbar(
                *(rows["n"], share, reach, None, look.marker + line),
                color=look.colour,
                markersize=6,
                linewidth=1.2,
                elinewidth=1.0,
                capsize=3,
                fillstyle="none",
                label=look.label,
            )
        ax.set(xlabel="samples n", ylim=(-0.04, 1.04), title=f"d = {d}, p = coverage(0.05)")
        ax.legend(fontsize=8, frameon=False)
    panels[0].set_ylabel("share of trials that converge")
    return figure


CONVERGENCE = NamedFigure(
    "convergence",
    "Convergence against the number of samples",
    "share of trials that converge: published protocol and points, twenty times its steps, and the exact flow",
    SIZES,
    measure,
    picture,
    read,
)
