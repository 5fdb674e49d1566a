"""Dominated against other starts: the share of runs that converge, as certified, and the counterexample."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._typing import FloatArray
from ..init import counterexample
from .base import NamedFigure, Table, Work
from .interruption import whole
from .style import BLUE, GREEN, GREY, ORANGE, new_figure
from .trials import run_trials, study_of

# Colour, line style and marker of each start, and its name.
STARTS = {
    "dominated": (BLUE, "-", "o", "dominated, $|a_j| > |w_j|$"),
    "balanced": (GREEN, "-.", "s", "balanced, $|a_j| = |w_j|$"),
    "gaussian": (ORANGE, "--", "^", "Gaussian, two thirds not dominated"),
}
# What a certificate says of the counterexample at rest: marker, colour and name.
VERDICTS = {
    "converges": ("o", BLUE, "proved to converge"),
    "stuck": ("x", ORANGE, "proved stuck"),
    "undecided": ("d", ORANGE, "at rest, no certificate"),
}
_T_END = 1e5


@dataclass(frozen=True)
class Setting:
    """Samples, inputs, widths, trials of each, and first output weights of the counterexample."""

    n: int
    d: int
    widths: tuple[int, ...]
    trials: int
    weights: tuple[float, ...]


SIZES = {
    "quick": Setting(6, 100, (3, 6, 12), 25, tuple(np.linspace(0.1, 2.5, 13))),
    "full": Setting(6, 100, (2, 3, 4, 6, 8, 12, 16), 100, tuple(np.linspace(0.0, 2.5, 101))),
}


def rest(weight: float) -> tuple[float, str]:
    """Return |r| where the flow of the counterexample comes to rest, with a_1 replaced, and the verdict on it."""
    from ..certify import certify
    from ..flow import LossBelow, Stationary, flow

    network, data = counterexample()
    network = network.replace(a=np.array([weight, network.a[1]]))
    stop = LossBelow(1e-12) | Stationary()
    run = whole(flow(network, data, t_end=_T_END, rtol=1e-8, stop=stop, progress=False))
    return float(np.linalg.norm(run.residuals[-1])), certify(run.final, data).verdict


def measure(setting: Setting, work: Work) -> Table:
    """Run the study and the counterexample.

    Columns of trials (start, covered, width, outcome), and weight, residual and verdict of the counterexample.
    """
    grid = {"n": setting.n, "d": setting.d, "p": list(setting.widths), "init": list(STARTS)}
    rows = []
    for covered in (False, True):
        study = study_of(
            study={"name": "domination", "method": "flow"},
            grid=grid | {"covered": covered},
            trials={"repetitions": setting.trials, "seed": work.seed},
            flow={"t_end": _T_END, "rtol": 1e-5},
            success={"certified": True},
        )
        text = "covered starts" if covered else "all starts"
        for cell, trials in run_trials(study, work, text, 0.45 * covered, 0.45 * (1 + covered)):
            rows += [(cell.init, covered, cell.p, outcome.decode()) for outcome in trials["outcome"]]
    names = ("start", "covered", "width", "outcome")
    columns = {name: np.array(column) for name, column in zip(names, zip(*sorted(rows), strict=True), strict=True)}
    work.progress(0.9, "counterexample")
    residuals, verdicts = zip(*(rest(weight) for weight in setting.weights), strict=True)
    columns |= {"weight": np.array(setting.weights), "residual": np.array(residuals), "verdict": np.array(verdicts)}
    return columns | {"n": np.array([setting.n])}


def count(table: Table, start: str, covered: bool, width: int, outcome: str) -> tuple[int, int]:
    """Return how many runs of one kind ended so, and how many there are."""
    mine = (table["start"] == start) & (table["covered"] == covered) & (table["width"] == width)
    return int((table["outcome"][mine] == outcome).sum()), int(mine.sum())


def read(table: Table) -> str:
    """Say how many of each converge, and when the counterexample does."""
    widths = np.unique(table["width"])
    lines = []
    for covered, which in ((False, "all starts"), (True, "starts that cover every sample")):
        words = []
        for start in STARTS:
            ends = [
                sum(count(table, start, covered, width, outcome)[0] for width in widths)
                for outcome in ("CERTIFIED", "CERTIFIED_STUCK")
            ]
            total = sum(count(table, start, covered, width, "")[1] for width in widths)
            words.append(f"{start} {ends[0]} of {total} (proved stuck {ends[1]}, else at rest {total - sum(ends)})")
        lines.append(f"{which}: {', '.join(words)}")
    network, _ = counterexample()
    needed = float(np.linalg.norm(network.W[0]))
    fitted = table["residual"] < 1e-3
    stuck = f"up to a_1 = {table['weight'][~fitted].max():.3g}" if (~fitted).any() else "nowhere"
    return (
        f"Exact flow on n = {int(table['n'][0])} samples that interact weakly, until a certificate decides. Proved to "
        f"converge, over widths {widths[0]} to {widths[-1]}, {'; '.join(lines)}. Where every sample is covered and the "
        "start dominated, a theorem says that it converges; without domination an output weight may change sign and a "
        "sample lose the last neuron that could fit it. Certificates of being stuck ask for |a_j| >= |w_j| of every "
        "neuron. The counterexample has two orthogonal samples, both covered: its first neuron is dominated from a_1 = "
        f"|w_1| = {needed:.4g} on; the flow ends with one sample unfitted {stuck}, and fits both beyond. Bars: 95 % of "
        "Clopper and Pearson."
    )


def picture(table: Table) -> Any:
    """Draw shares against the width, of all starts and of covered ones, and the counterexample."""
    from ..stats import clopper_pearson

    widths = np.unique(table["width"])
    figure = new_figure(13.0, 4.3)
    every, covering, example = figure.subplots(1, 3)
    for ax, covered in ((every, False), (covering, True)):
        for k, (start, (colour, style, marker, label)) in enumerate(STARTS.items()):
            counts = [count(table, start, covered, width, "CERTIFIED") for width in widths]
            share = np.array([good / of for good, of in counts])
            low, high = np.array([clopper_pearson(good, of) for good, of in counts]).T
            place = widths * 1.03 ** (k - 1)  # side by side
            look = {"linestyle": style, "marker": marker, "color": colour, "capsize": 2, "label": label}
            ax.errorbar(place, share, [share - low, high - share], **look)
        ax.set(xscale="log", ylim=(0.0, 1.05), xlabel="width p", ylabel="share proved to converge")
        ax.set_xticks(widths, [str(width) for width in widths])
        ax.minorticks_off()
    fine = np.linspace(widths[0], widths[-1], 200)
    every.plot(fine, chance_covered(int(table["n"][0]), fine), color=GREY, label="chance that all are covered")
    every.set_title("All starts")
    covering.set_title("Starts that cover every sample")
    every.legend(fontsize=8, loc="upper left")
    network, _ = counterexample()
    weights, sizes = table["weight"], table["residual"]
    for verdict, (marker, colour, label) in VERDICTS.items():
        mine = table["verdict"] == verdict
        if mine.any():
            example.plot(weights[mine], sizes[mine], marker, color=colour, markersize=5, label=label)
    example.axvline(np.linalg.norm(network.W[0]), color=GREY, linestyle="--", label="dominated from here on")
    example.set(xlabel="output weight $a_1$ at the start", ylabel="$|r|$ at rest", title="Counterexample")
    example.legend(fontsize=8)
    return figure


def chance_covered(n: int, width: FloatArray) -> FloatArray:
    """Return about (1 - (3/4)^p)^n, the probability that each of n samples has an active neuron of its sign."""
    return (1 - 0.75**width) ** n


DOMINATION = NamedFigure(
    "domination",
    "Dominated against other starts",
    "share of runs proved to converge from dominated, balanced and Gaussian starts, and the counterexample",
    SIZES,
    measure,
    picture,
    read,
)
