"""Leaky slopes: whether the flow converges at small widths, how fast, and how much of it is proved."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .base import NamedFigure, Table, Work
from .interruption import whole
from .style import BLUE, GREEN, GREY, ORANGE, new_figure
from .trials import run_trials, study_of

if TYPE_CHECKING:
    from ..study.cell import Cell

# Loss, relative to that of the start, that counts as converged.
ACCURACY = 1e-6
_T_END, _RTOL = 1e7, 1e-5
# Column, name, colour and marker of what is drawn against the slope.
RATES = {
    "average": ("average curvature", BLUE, "o"),
    "least": ("least curvature of the run", GREEN, "s"),
    "proved": ("proved at the start", ORANGE, "^"),
}


@dataclass(frozen=True)
class Setting:
    """Samples, inputs, width, slopes (0 is ReLU) and number of seeds."""

    n: int
    d: int
    p: int
    slopes: tuple[float, ...]
    seeds: int


SIZES = {
    "quick": Setting(8, 16, 6, (0.0, 0.01, 0.1, 0.5), 8),
    "full": Setting(8, 16, 6, (0.0, 0.003, 0.01, 0.03, 0.1, 0.2, 0.5, 0.9), 50),
}


def trial(cell: Cell, seed: int, number: int) -> dict[str, Any]:
    """Flow from one start until it has converged or rests; the same data and weights for every slope."""
    from ..flow import LossBelow, Stationary, flow
    from ..theorems.dana_bach_pillaud_vivien import LeakyReLU
    from ..theorems.setting import ShallowSetting

    data, start = replace(cell, slope=0.0).draw(seed, number)
    proved = 0.0
    if cell.slope:
        start = start.replace(activation="leaky_relu", slope=cell.slope)
        setting = ShallowSetting(data, network=start, activation="leaky_relu", slope=cell.slope)
        proved = LeakyReLU().check(setting)["rate"]
    stop = LossBelow(ACCURACY * start.loss(data)) | Stationary()
    run = whole(flow(start, data, t_end=_T_END, rtol=_RTOL, stop=stop, progress=False))
    return {
        "success": run.outcome.name == "LOSS_BELOW",
        "outcome": run.outcome.name,
        "steps_made": run.steps.sum(),
        "t": run.t[-1],
        "loss": run.loss[-1] / run.loss[0],
        "curvature": run.curvature.min(),
        "average_curvature": run.average_curvature[-1],
        "curvature_lower": proved,
    }


def measure(setting: Setting, work: Work) -> Table:
    """Flow from all starts with every slope; one row of the table for each run."""
    study = study_of(
        study={"name": "leaky", "method": f"{__name__}:trial"},
        grid={"n": setting.n, "d": setting.d, "p": setting.p, "slope": list(setting.slopes)},
        trials={"repetitions": setting.seeds, "seed": work.seed},
        success={"loss_below": ACCURACY},
    )
    found = sorted(run_trials(study, work, "flowing"), key=lambda each: each[0].slope)
    fields = {"converged": "success", "t": "t", "loss": "loss", "least": "curvature", "average": "average_curvature"}
    columns = {"slope": np.repeat([cell.slope for cell, _ in found], [len(trials) for _, trials in found])}
    columns["seed"] = np.concatenate([trials["trial"] for _, trials in found])
    for name, field in (fields | {"proved": "curvature_lower"}).items():
        columns[name] = np.concatenate([trials[field] for _, trials in found])
    return columns


def share(table: Table, slope: float) -> tuple[int, int]:
    """Return how many of the runs with one slope converged, and how many there are."""
    mine = table["slope"] == slope
    return int(table["converged"][mine].sum()), int(mine.sum())


def effect(table: Table) -> tuple[float, float]:
    """Return what the smallest slopes do, as medians over the runs: a power and a factor.

    The power of the slope with which the least curvature falls, between the smallest two, of runs that ReLU does not
    fit; and the time of those that it fits at the smallest, over that with ReLU. NaN without any such runs.
    """
    relu, small, next_ = np.unique(table["slope"])[:3]
    of = {s: table["slope"] == s for s in (relu, small, next_)}
    order = {s: np.argsort(table["seed"][rows]) for s, rows in of.items()}

    def column(name: str, slope: float) -> NDArray[Any]:
        return table[name][of[slope]][order[slope]]

    fitted = column("converged", relu)
    powers = np.log(column("least", next_) / column("least", small))[~fitted] / np.log(next_ / small)
    times = (column("t", small) / column("t", relu))[fitted]
    power, factor = (float(np.median(values)) if len(values) else np.nan for values in (powers, times))
    return power, factor


def read(table: Table) -> str:
    """Say what converges, and how the curvature compares with what is proved."""
    leaky = table["slope"] > 0
    power, longer = effect(table)
    slopes = np.unique(table["slope"])
    shares = ", ".join(f"{good} of {of} at slope {s:g}" for s in slopes for good, of in [share(table, s)])
    ratio = (table["least"] / np.where(leaky, table["proved"], np.nan))[leaky]
    slowest = ", ".join(f"{table['t'][table['slope'] == s].max():.3g} at {s:g}" for s in slopes if s > 0)
    return (
        "Flow from dominated starts, the same data and weights for every slope, until the loss is "
        f"{ACCURACY:g} of that at the start. Converged: {shares} (0 is ReLU; bars: 95 % of Clopper and Pearson). With "
        "ReLU a sample that no neuron of the right sign sees stays unfitted; a leaky neuron never dies, and at any "
        "slope above 0 convergence is proved at every width, for independent inputs and a neuron with |a_j| > |w_j|. "
        "The proved rate, (2/n) slope^2 lambda_min(K) times the surplus of the start, falls like slope^2. The least "
        f"curvature of runs that ReLU does not fit falls between the smallest two slopes like the power {power:.3g} "
        f"(median); runs that it fits take at the smallest {longer:.3g} times as long as with ReLU (median). The "
        f"slowest run ends at t = {slowest}. The least curvature of a run is {ratio.min():.3g} to {ratio.max():.3g} "
        "times what was proved."
    )


def picture(table: Table) -> Any:
    """Draw the share that converged, curvatures, and times against the slope; ReLU stands at the left."""
    from ..stats import clopper_pearson

    slopes = np.unique(table["slope"])
    place = np.arange(len(slopes))
    figure = new_figure(13.0, 4.2)
    shares, rates, times = figure.subplots(1, 3)
    counts = [share(table, slope) for slope in slopes]
    values = np.array([good / of for good, of in counts])
    low, high = np.array([clopper_pearson(good, of) for good, of in counts]).T
    shares.errorbar(place, values, [values - low, high - values], fmt="o", color=BLUE, capsize=3)
    shares.axhline(1.0, color=GREY, linewidth=0.8)
    shares.set(ylim=(0.0, 1.05), ylabel="share that converged", title="Convergence")
    table = table | {"place": np.searchsorted(slopes, table["slope"])}
    for k, (column, (label, colour, marker)) in enumerate(RATES.items()):
        drawn = table["converged"] & (table[column] > 0)
        _points(rates, table, column, drawn, 0.22 * (k - 1), {"color": colour, "marker": marker, "label": label})
    rates.set(yscale="log", ylabel="PL curvature", title="Curvature of the runs that converged")
    rates.legend(fontsize=8, loc="lower right")
    _points(times, table, "t", table["converged"], 0.0, {"color": BLUE, "marker": "o", "label": "converged"})
    _points(
        times, table, "t", ~table["converged"], 0.0, {"color": ORANGE, "marker": "x", "label": "at rest, not fitted"}
    )
    times.set(yscale="log", ylabel="time t at the end", title="Time at the end")
    times.legend(fontsize=8)
    for ax in (shares, rates, times):
        ax.set(xlabel="slope of the leaky ReLU", xlim=(-0.6, len(slopes) - 0.4))
        ax.set_xticks(place, ["ReLU" if slope == 0 else f"{slope:g}" for slope in slopes])
    return figure


LEAKY = NamedFigure(
    "leaky",
    "Leaky slopes",
    "convergence, curvature and what is proved of it against the slope of the leaky ReLU, at a small width",
    SIZES,
    measure,
    picture,
    read,
)


def _points(ax: Any, table: Table, column: str, drawn: NDArray[np.bool_], shift: float, look: dict[str, Any]) -> None:
    """Draw one point for each run, seeds side by side so that none hides another."""
    spread = 0.16 * ((table["seed"][drawn] * 0.618034) % 1 - 0.5)
    ax.plot(table["place"][drawn] + shift + spread, table[column][drawn], linestyle="", markersize=4, alpha=0.7, **look)
