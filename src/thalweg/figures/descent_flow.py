"""Gradient descent at several step sizes against the flow: how far apart they are, and where stable steps end."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from ..data.laws import sphere
from ..init import dominated
from .base import NamedFigure, Table, Work
from .interruption import whole
from .style import BLUE, GREEN, GREY, ORANGE, new_figure

if TYPE_CHECKING:
    from ..descent.shallow import DescentTrajectory

SAMPLES, INPUTS, WIDTH = 20, 20, 30
# Loss, relative to the start, to which the flow is followed and which descent has to reach in thrice the time.
ACCURACY = 1e-3
_T_END, _RTOL, _PATIENCE = 1e4, 1e-6, 3.0


@dataclass(frozen=True)
class Setting:
    """Exponents k of the steps 2^k times the largest stable one, and number of seeds."""

    exponents: tuple[float, ...]
    seeds: int


SIZES = {
    "quick": Setting((-6.0, -5.0, -4.0, -3.0, -2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0), 5),
    "full": Setting(tuple(np.arange(-8.0, 3.1, 0.5)), 15),
}


def measure(setting: Setting, work: Work) -> Table:
    """Flow and descend from every start.

    The columns up to `distance` have a row for each descent; those from `curve_ratio` on are the losses over time of
    the first seed, a ratio of 0 standing for the flow.
    """
    from ..descent import descend, largest_stable_step
    from ..flow import LossBelow, flow

    rows, curves = [], []
    for k in range(setting.seeds):
        for_data, for_start = np.random.SeedSequence([work.seed, k]).spawn(2)
        data, start = sphere(SAMPLES, INPUTS, seed=for_data), dominated(INPUTS, WIDTH, seed=for_start)
        level = ACCURACY * start.loss(data)
        flown = whole(flow(start, data, t_end=_T_END, rtol=_RTOL, stop=LossBelow(level), progress=False))
        t_end, stable = float(flown.t[-1]), largest_stable_step(flown.final, data)
        if k == 0:
            curves += [(0.0, t, loss) for t, loss in zip(flown.t, flown.loss / flown.loss[0], strict=True)]
        for place, exponent in enumerate(setting.exponents):
            work.progress((k + place / len(setting.exponents)) / setting.seeds, f"seed {k}, step 2^{exponent:g}")
            step = 2.0**exponent * stable
            steps = int(np.ceil(t_end / step))
            run = whole(descend(start, data, step_size=step, steps=steps, progress=False))
            patient = int(_PATIENCE * steps)
            last = whole(descend(start, data, step_size=step, steps=patient, stop=LossBelow(level), progress=False))
            rows.append((k, 2.0**exponent, step, stable, last.outcome.name == "LOSS_BELOW", apart(run)))
            if k == 0:
                curves += [(2.0**exponent, t, loss) for t, loss in zip(run.t, run.loss / run.loss[0], strict=True)]
    names = ("seed", "ratio", "step_size", "stable_step", "fitted", "distance")
    table = {name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}
    shown = zip(("curve_ratio", "curve_t", "curve_loss"), zip(*curves, strict=True), strict=True)
    return table | {name: np.array(column) for name, column in shown}


def apart(run: DescentTrajectory) -> float:
    """Return the largest distance of the outputs to those of the flow; infinity if the descent blew up."""
    if run.outcome.name == "DIVERGED":
        return np.inf
    distance = run.distance_to_flow(_RTOL)
    whole(distance.flow)
    return float(distance.outputs.max())


def order(table: Table) -> tuple[float, tuple[float, float]]:
    """Return the power of the step with which the distance to the flow falls, with its 95 % interval.

    Fitted for each seed, whose distances belong together, at steps up to a quarter of the stable one; the mean over
    seeds, and Student's interval of it.
    """
    from scipy.stats import t

    small = table["ratio"] <= 0.25
    runs = [small & (table["seed"] == k) for k in np.unique(table["seed"])]
    powers = np.array([np.polyfit(np.log(table["ratio"][run]), np.log(table["distance"][run]), 1)[0] for run in runs])
    reach = float(t.ppf(0.975, len(powers) - 1) * powers.std(ddof=1) / np.sqrt(len(powers)))
    mean = float(powers.mean())
    return mean, (mean - reach, mean + reach)


def read(table: Table) -> str:
    """Say how the distance falls with the step, and where descent stops fitting."""
    slope, (low, high) = order(table)
    ratios = np.unique(table["ratio"])
    shares = np.array([table["fitted"][table["ratio"] == ratio].mean() for ratio in ratios])
    all_fit = max(ratios[np.logical_and.accumulate(shares == 1)], default=np.nan)
    at = [float(np.median(table["distance"][table["ratio"] == ratio])) for ratio in (ratios[0], 1.0)]
    late = f", and in some at {max(some):.3g}" if (some := [r for r in ratios[shares > 0] if r > all_fit]) else ""
    return (
        f"Dominated starts, n = d = {SAMPLES}, p = {WIDTH}, {len(np.unique(table['seed']))} seeds, followed until "
        f"the loss of the flow is {ACCURACY:g} of that at the start. Steps are in units of 2/(largest rate of the "
        "residuals) where the flow ends, the largest step that is stable there. The largest distance of the outputs to "
        f"those of the flow at equal times, relative to the labels, is {at[0]:.2g} at {ratios[0]:.3g} (median) and "
        f"{at[1]:.2g} at 1, and falls like the step to the power {slope:.3g} [{low:.3g}, {high:.3g}], mean and 95 % "
        "interval over seeds of lines fitted up to a quarter of the stable step. Euler's method is of first order, "
        "across kinks as well; but where a pair ends on another side of its kink than in the flow, the paths part "
        "further, so that single lines are not straight. Descent got to that loss in "
        f"{_PATIENCE:g} times the time in all runs at steps up to {all_fit:.3g}{late}."
    )


def picture(table: Table) -> Any:
    """Draw the losses of one start, the distance to the flow, and the share that fits against the step."""
    import matplotlib

    from ..stats import clopper_pearson

    ratios = np.unique(table["ratio"])
    shades = matplotlib.colormaps["viridis"](np.linspace(0.0, 0.9, len(ratios)))
    figure = new_figure(13.0, 4.4)
    losses, distances, shares = figure.subplots(1, 3)
    for ratio, colour in zip(ratios, shades, strict=True):
        mine = table["curve_ratio"] == ratio
        hidden = "" if ratio in (ratios[0], 1.0, ratios[-1]) else "_"
        name = f"{hidden}{ratio:.3g} of the stable step"
        losses.plot(table["curve_t"][mine], table["curve_loss"][mine], color=colour, linewidth=1.2, label=name)
    flow = table["curve_ratio"] == 0
    losses.plot(table["curve_t"][flow], table["curve_loss"][flow], "--", color="black", label="flow")
    losses.set(yscale="log", ylim=(0.5 * ACCURACY, 5.0), xlabel="time: iterations times step", ylabel="loss, relative")
    losses.set_title("Loss of the first start")
    losses.legend(fontsize=8)
    for k in np.unique(table["seed"]):
        mine = (table["seed"] == k) & np.isfinite(table["distance"])
        distances.loglog(table["ratio"][mine], table["distance"][mine], "o-", color=BLUE, markersize=3, linewidth=0.8)
    first = np.median(table["distance"][table["ratio"] == ratios[0]])
    distances.loglog(ratios, first * ratios / ratios[0], "--", color=GREY, label="first order")
    distances.set(xlabel="step / largest stable step", ylabel="largest distance of the outputs", ylim=(None, 5.0))
    distances.set_title("Distance to the flow, one line a seed")
    counts = [table["fitted"][table["ratio"] == ratio] for ratio in ratios]
    share = np.array([each.mean() for each in counts])
    low, high = np.array([clopper_pearson(int(each.sum()), len(each)) for each in counts]).T
    shares.errorbar(ratios, share, [share - low, high - share], fmt="o-", color=GREEN, capsize=2)
    shares.set(xscale="log", ylim=(0.0, 1.05), xlabel="step / largest stable step", ylabel="share that fits")
    shares.set_title(f"Share that reaches {ACCURACY:g} of the loss")
    for ax in (distances, shares):
        ax.axvline(1.0, color=ORANGE, linewidth=1.2, label="largest stable step of the fit")
        ax.legend(fontsize=8, loc="lower right" if ax is distances else "lower left")
    return figure


DESCENT_FLOW = NamedFigure(
    "descent-flow",
    "Descent against the flow",
    "distance of gradient descent to the flow against the step size, and where stable steps end",
    SIZES,
    measure,
    picture,
    read,
)
