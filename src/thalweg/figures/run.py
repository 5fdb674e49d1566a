"""Two runs in detail: loss, curvature between its bounds, certificates, modes, and how general solvers chatter.

One problem interacts weakly (d far above n), the other does not. Beside the exact path goes explicit Euler with a small
step and, on a stretch where one pair begins to slide, SciPy's RK23; see `chatter`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .base import NamedFigure, Table, Work
from .interruption import whole
from .style import BLUE, GREEN, GREY, ORANGE, PURPLE, YELLOW, new_figure

if TYPE_CHECKING:
    from ..flow.trajectory import Trajectory

# Times in units of n, by which rates scale: the end, the output interval, the step of Euler, and the stretch looked at
# closely, before and after a pair begins to slide.
_END, _OUTPUT, _STEP, _BEFORE, _AFTER = 4.0, 0.01, 0.0025, 0.05, 0.1
_TESTS = {
    "rule": ("rule L < 1/(2n)", GREY, "-"),
    "A": ("A", BLUE, "--"),
    "A0": ("A0", GREEN, "-."),
    "B": ("B", PURPLE, "-"),
}
# What the columns of the table are of: output times, certificates, the stretch looked at closely.
_KINDS = ("run_", "certificate_", "close_")
_SOLVERS = {"exact": (BLUE, "-"), "Euler": (ORANGE, ".-"), "RK23": (GREEN, "-")}


@dataclass(frozen=True)
class Setting:
    """Numbers (n, d, p) of the problems."""

    problems: tuple[tuple[int, int, int], ...]


SIZES = {"quick": Setting(((20, 400, 20), (20, 30, 20))), "full": Setting(((60, 2000, 30), (60, 100, 30)))}


def certificates(traj: Trajectory) -> dict[str, int]:
    """Return the first output time at which the published rule and each certificate holds, by index."""
    from ..certify.early import residual_below_labels, weak_interaction
    from ..certify.geometry import Geometry
    from ..certify.slabs import nearby
    from ..certify.state import State

    tests = {"A0": residual_below_labels, "A": weak_interaction, "B": nearby}
    geometry, first = Geometry(traj.data), dict[str, int]()
    for k in range(len(traj)):
        if traj.loss[k] < 1 / (2 * traj.data.n):
            first.setdefault("rule", k)
        if left := [name for name in tests if name not in first]:
            state = State.of(traj.networks[k], geometry)
            first |= {name: k for name in left if (found := tests[name](state)).holds and found.verdict == "converges"}
    return first


def measure(setting: Setting, work: Work) -> Table:
    """Run the problems: rows over output times, over certificates, and over the stretch looked at closely."""
    from ..data import sphere
    from ..flow import flow
    from ..init import dominated
    from .chatter import Plain, compare, euler, sliding_pair

    every, before, after = round(_OUTPUT / _STEP), round(_BEFORE / _OUTPUT), round(_AFTER / _OUTPUT)
    parts: list[Table] = []
    for k, (n, d, p) in enumerate(setting.problems):
        work.progress(k / len(setting.problems), f"n = {n}, d = {d}, p = {p}")
        of_data, of_start = np.random.SeedSequence([work.seed, n, d, p]).spawn(2)
        data, start = sphere(n, d, seed=of_data), dominated(d, p, seed=of_start)
        times = np.linspace(0.0, _END * n, round(_END / _OUTPUT) + 1)
        traj = whole(flow(start, data, t_end=float(times[-1]), times=times, progress=False))
        plain = Plain(np.asarray(data.gram), data.y)
        z, a = euler(plain, start.preactivations(data.X), start.a, n * _STEP, every * (len(times) - 1))
        reported = [plain.reported(*state) for state in zip(z[::every], a[::every], strict=True)]
        first = certificates(traj)
        at = list(first.values())
        part = {
            "run_n": np.full(len(traj), n),
            "run_d": np.full(len(traj), d),
            "run_p": np.full(len(traj), p),
            "run_t": traj.t,
            "run_loss": traj.loss,
            "run_curvature": traj.curvature,
            "run_lower": traj.curvature_lower,
            "run_upper": traj.curvature_upper,
            "run_active": traj.active,
            "run_inactive": traj.inactive,
            "run_sliding": traj.sliding,
            "run_reported": np.array(reported),
            "certificate_test": np.array(list(first)),
            "certificate_t": traj.t[at],
            "certificate_loss": traj.loss[at],
        }
        if pair := sliding_pair(traj, z, before, after):
            j, i, begins = pair
            stretch = slice(every * (begins - before), every * (begins + after) + 1)
            close = compare(traj, plain, (j, i), begins - before, n * _STEP, z[stretch], a[stretch])
            part |= {f"close_{name}": column for name, column in close.items()}
        part |= {f"{kind}problem": np.full(len(part[f"{kind}t"]), k) for kind in _KINDS if f"{kind}t" in part}
        parts.append(part)
    names = dict.fromkeys(name for part in parts for name in part)
    return {name: np.concatenate([part[name] for part in parts if name in part]) for name in names}


def of_problem(table: Table, k: int, kind: str) -> Table:
    """Return the columns of one problem whose names begin with `kind`, without it; empty if there are none."""
    if f"{kind}problem" not in table:
        return {}
    mine = table[f"{kind}problem"] == k
    return {name.removeprefix(kind): table[name][mine] for name in table if name.startswith(kind)} if mine.any() else {}


def read(table: Table) -> str:
    """Say when certificates hold, and what the solvers make of sliding."""
    problems = [_words(*(of_problem(table, k, kind) for kind in _KINDS)) for k in np.unique(table["run_problem"])]
    return (
        "The exact flow of two problems, with the first output times at which certificates hold beside the early rule "
        "L < 1/(2n), which is no proof. The exact curvature uses the true sliding multipliers; automatic "
        "differentiation counts a sliding pair as active whenever the solver has it above the kink. "
        f"{' '.join(problems)}"
    )


def _words(run: Table, tests: Table, close: Table) -> str:
    fired = dict(zip(tests["test"].tolist(), tests["t"].tolist(), strict=True))
    when = [f"{_TESTS[name][0]} at t = {t:.3g}" for name, t in sorted(fired.items(), key=lambda pair: pair[1])]
    when += [f"{_TESTS[name][0]} not by t = {run['t'][-1]:.3g}" for name in _TESTS if name not in fired]
    low, high = (np.median(run[bound] / run["curvature"]) for bound in ("lower", "upper"))
    over = run["reported"][1:] / run["curvature"][1:]
    text = (
        f"n = {run['n'][0]}, d = {run['d'][0]}, p = {run['p'][0]}: {', '.join(when)}. The bounds are {low:.2g} and "
        f"{high:.2g} times the curvature (medians). Up to {run['sliding'].max()} of {run['n'][0] * run['p'][0]} pairs "
        f"slide. Along Euler's run automatic differentiation reports {over.mean():.2f} times the true curvature on "
        f"average, up to {over.max():.2f}."
    )
    if not close:
        return f"{text} No pair slides for long."
    jumps = {}
    for name in _SOLVERS:
        above = close["z"][close["solver"] == name] > 0
        jumps[name] = int((above[1:] != above[:-1]).sum()), close["work"][close["solver"] == name][0]
    end = close["t"][close["solver"] == "RK23"].max()
    given_up = f" and is given up at t = {end:.3g}" if end < close["t"].max() * (1 - 1e-9) else ""
    return (
        f"{text} While the pair of neuron {close['neuron'][0]} and sample {close['sample'][0]} begins to slide, from "
        f"t = {close['t'].min():.3g} to {close['t'].max():.3g}, the flow takes {jumps['exact'][1]} steps; Euler jumps "
        f"across the kink {jumps['Euler'][0]} times in {jumps['Euler'][1]} steps; RK23 at its default tolerance jumps "
        f"{jumps['RK23'][0]} times, takes {jumps['RK23'][1]} evaluations{given_up}."
    )


def picture(table: Table) -> Any:
    """Draw a row of panels for each problem."""
    problems = np.unique(table["run_problem"])
    figure = new_figure(19.0, 0.4 + 3.7 * len(problems))
    panels = figure.subplots(len(problems), 5, squeeze=False, width_ratios=[1.1, 1.1, 0.9, 1.1, 1.1])
    for row, k in zip(panels, problems, strict=True):
        run, tests, close = (of_problem(table, k, kind) for kind in _KINDS)
        _run(row[:3], run, tests)
        row[0].set_title(f"n = {run['n'][0]}, d = {run['d'][0]}, p = {run['p'][0]}")
        _close(row[3:], close)
    return figure


def _run(axes: Any, run: Table, tests: Table) -> None:
    losses, curvatures, modes = axes
    losses.semilogy(run["t"], run["loss"], color="black", label="loss")
    for name, t in zip(tests["test"], tests["t"], strict=True):
        label, colour, style = _TESTS[str(name)]
        rule = name == "rule"  # drawn broad, as A0 often holds from the same time on
        words = {"color": colour, "linestyle": style, "linewidth": 5.0 if rule else 1.5, "alpha": 0.5 if rule else 1.0}
        losses.axvline(t, label=label if rule else f"certificate {label}", zorder=1 if rule else 2, **words)
    losses.set(xlabel="time t", ylabel="loss")
    losses.legend(fontsize=8)
    curvatures.semilogy(run["t"], run["upper"], color=GREY, linestyle=":", label="upper bound")
    curvatures.semilogy(
        run["t"][1:], run["reported"][1:], ".", color=ORANGE, markersize=2.5, label="Euler with autograd"
    )
    curvatures.semilogy(run["t"], run["curvature"], color=BLUE, label="exact")
    if (run["lower"] > 0).all():
        curvatures.semilogy(run["t"], run["lower"], color=GREEN, linestyle="--", label="lower bound")
    curvatures.set(xlabel="time t", ylabel="curvature", title="Curvature between its bounds")
    curvatures.legend(fontsize=8)
    for name, style, colour in (("active", "-", BLUE), ("inactive", "--", GREY), ("sliding", "-.", YELLOW)):
        modes.plot(run["t"], run[name], style, color=colour, label=name)
    modes.set(xlabel="time t", ylabel="pairs", title="Modes")
    modes.legend(fontsize=8)


def _close(axes: Any, close: Table) -> None:
    if not close:
        for ax in axes:
            ax.text(0.5, 0.5, "no pair slides for long", ha="center", transform=ax.transAxes)
        return
    for name, (colour, style) in reversed(_SOLVERS.items()):
        mine = close["solver"] == name
        words = {"color": colour, "linewidth": 2.0 if name == "exact" else 0.8, "markersize": 3, "label": name}
        axes[0].plot(close["t"][mine], close["z"][mine], style, **words)
        axes[1].plot(close["t"][mine], close["curvature"][mine], style, **words)
    z = close["z"][close["t"] > close["t"].min() + (close["t"].max() - close["t"].min()) / 3]
    reach = 3 * np.abs(z).max()
    title = f"Preactivation of neuron {close['neuron'][0]}, sample {close['sample'][0]}"
    axes[0].set(xlabel="time t", ylabel="z", title=title, ylim=(-reach, reach))
    axes[1].set(xlabel="time t", ylabel="curvature", title="Curvature there, as reported")
    for ax in axes:
        ax.legend(fontsize=8)


RUN = NamedFigure(
    "run",
    "One run, and what general solvers make of it",
    "loss, curvature between its bounds, certificates and modes along two runs, and the chatter of Euler and RK23",
    SIZES,
    measure,
    picture,
    read,
)
