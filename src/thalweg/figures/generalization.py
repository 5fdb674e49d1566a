"""Held-out points of a teacher: trained networks against the minimum-norm linear predictor and kernels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._typing import FloatArray
from ..data.dataset import Dataset
from ..data.laws import sphere, teacher
from ..init import balanced, dominated, gaussian
from ..networks.shallow import ShallowNetwork
from .base import NamedFigure, Table, Work
from .interruption import whole
from .style import BLUE, GREEN, GREY, ORANGE, PURPLE, new_figure

INPUTS, WIDTH, TEACHER, HELD_OUT = 15, 60, 3, 1000
SMALL = 0.05
# Training loss, relative to that of the zero map, at which the flow is stopped.
FITTED = 1e-4
_T_END, _RTOL = 1e5, 1e-4
# Singular values of a kernel matrix below this share of the largest are rounding.
_RANK = 1e-10
# Colour, line style and marker of each predictor, and its name.
PREDICTORS = {
    "small": (BLUE, "-", "o", f"trained from a small start, {SMALL:g}"),
    "dominated": (GREEN, "-.", "s", "trained from a dominated start"),
    "tangent kernel": (PURPLE, "--", "D", "tangent kernel of the dominated start"),
    "arc-cosine kernel": (ORANGE, "--", "^", "arc-cosine kernel of order 1"),
    "linear": (GREY, ":", "x", "linear, minimum norm"),
}


@dataclass(frozen=True)
class Setting:
    """Training samples, and number of seeds."""

    samples: tuple[int, ...]
    seeds: int


SIZES = {"quick": Setting((10, 30, 100), 5), "full": Setting((5, 10, 20, 40, 80, 160, 320), 15)}

Predictor = Callable[[FloatArray], FloatArray]


def trained(start: ShallowNetwork, data: Dataset) -> Predictor:
    """Flow until the training loss is small."""
    from ..flow import LossBelow, Stationary, flow

    level = LossBelow(FITTED * float(np.mean(data.y**2)) / 2)
    stop = level | Stationary()
    run = flow(start, data, t_end=_T_END, times=[0.0], rtol=_RTOL, stop=stop, progress=False)
    return whole(run).final.predict


def linear(data: Dataset) -> Predictor:
    """Return the linear map of least norm among those of least squares."""
    weights = np.linalg.lstsq(data.X, data.y, rcond=None)[0]  # pyright: ignore[reportArgumentType, reportCallIssue]
    return lambda X: X @ weights


def interpolator(
    kernel: Callable[[FloatArray, FloatArray], FloatArray], data: Dataset, labels: FloatArray
) -> Predictor:
    """Return the function of least norm in the space of the kernel among those of least squares."""
    X: Any = data.X
    weights = np.linalg.lstsq(kernel(X, X), labels, rcond=_RANK)[0]
    return lambda Z: kernel(Z, X) @ weights


def arc_cosine(X: FloatArray, Z: FloatArray) -> FloatArray:
    """Return |x||z| (sin a + (pi - a) cos a)/pi, a the angle: 2 E relu(<w, x>) relu(<w, z>), w normal.

    Cho and Saul (2009), of order 1; the limit of wide networks whose output weights alone are trained.
    """
    lengths = np.outer(np.linalg.norm(X, axis=1), np.linalg.norm(Z, axis=1))
    angle = np.arccos(np.clip(X @ Z.T / lengths, -1.0, 1.0))
    return lengths * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / np.pi


def tangent(network: ShallowNetwork) -> Callable[[FloatArray, FloatArray], FloatArray]:
    """Return the tangent kernel of a network: <grad h(x), grad h(z)> times its width."""

    def kernel(X: FloatArray, Z: FloatArray) -> FloatArray:
        here, there = network.preactivations(X), network.preactivations(Z)
        gates = ((here > 0) * (network.a**2)[:, None]).T @ (there > 0).astype(float)
        return ((X @ Z.T) * gates + np.maximum(here, 0.0).T @ np.maximum(there, 0.0)) / network.p

    return kernel


def predictors(data: Dataset, seed: np.random.SeedSequence) -> dict[str, Predictor]:
    """Fit every predictor to the same data; the tangent kernel is that of the dominated start, from its outputs on."""
    start, small = dominated(INPUTS, WIDTH, seed=seed), balanced(INPUTS, WIDTH, scale=SMALL, seed=seed)
    correction = interpolator(tangent(start), data, data.y - start.predict(data.X))
    return {
        "small": trained(small, data),
        "dominated": trained(start, data),
        "tangent kernel": lambda X: start.predict(X) + correction(X),
        "arc-cosine kernel": interpolator(arc_cosine, data, data.y),
        "linear": linear(data),
    }


def measure(setting: Setting, work: Work) -> Table:
    """Fit all predictors to teachers of width 3; one row of the table for each. Errors are relative to the zero map."""
    rows = []
    cases = [(n, k) for n in setting.samples for k in range(setting.seeds)]
    cost = np.cumsum([0, *(n for n, _ in cases)])
    for place, (n, k) in enumerate(cases):
        work.progress(float(cost[place] / cost[-1]), f"n = {n}, seed {k}")
        for_teacher, for_data, for_test, for_start = np.random.SeedSequence([work.seed, n, k]).spawn(4)
        truth = gaussian(INPUTS, TEACHER, seed=for_teacher)
        data = teacher(truth, sphere(n, INPUTS, seed=for_data))
        test = teacher(truth, sphere(HELD_OUT, INPUTS, seed=for_test))
        for name, predict in predictors(data, for_start).items():
            rows.append((n, k, name, _error(predict, data), _error(predict, test)))
    names = ("n", "seed", "predictor", "training_error", "error")
    return {name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def typical(table: Table, n: int, name: str) -> tuple[float, float, float]:
    """Return the geometric mean of the errors of a predictor over seeds, and its 95 % interval (Student)."""
    from scipy.stats import t

    logs = np.log(table["error"][(table["n"] == n) & (table["predictor"] == name)])
    reach = t.ppf(0.975, len(logs) - 1) * logs.std(ddof=1) / np.sqrt(len(logs))
    return tuple(np.exp([logs.mean(), logs.mean() - reach, logs.mean() + reach]).tolist())


def read(table: Table) -> str:
    """Say which predictor is best at which size."""
    sizes = [int(n) for n in np.unique(table["n"])]
    lines = []
    for n in (sizes[0], sizes[-1]):
        found = {name: typical(table, n, name) for name in PREDICTORS}
        words = [f"{name} {mean:.2g} [{low:.2g}, {high:.2g}]" for name, (mean, low, high) in found.items()]
        lines.append(f"n = {n}: {', '.join(words)}")
    kernels = min(typical(table, sizes[-1], name)[0] for name in ("tangent kernel", "arc-cosine kernel"))
    gain = kernels / typical(table, sizes[-1], "small")[0]
    trained = np.isin(table["predictor"], ("small", "dominated"))
    rested = trained & (table["training_error"] > FITTED * (1 + 1e-9))
    return (
        f"Squared error on {HELD_OUT} held-out points, relative to that of the zero map, of predictors fitted to the "
        f"outputs of a teacher of {TEACHER} neurons, d = {INPUTS}; geometric means over "
        f"{len(np.unique(table['seed']))} seeds with 95 % intervals. Networks of width {WIDTH} are trained by the flow "
        f"to {FITTED:g} of the loss of the zero map; {rested.sum()} of the {trained.sum()} came to rest before. "
        f"{'; '.join(lines)}. The tangent kernel predicts what training from the dominated start would give if its "
        f"kernel did not change. At n = {sizes[-1]} the small start is {gain:.3g} times as good as the better kernel. "
        "The linear predictor interpolates up to n = d = "
        f"{INPUTS}, and fits by least squares beyond."
    )


def picture(table: Table) -> Any:
    """Draw errors against the number of samples, and trained networks against kernels, pair by pair."""
    sizes = [int(n) for n in np.unique(table["n"])]
    figure = new_figure(11.5, 4.8)
    errors, pairs = figure.subplots(1, 2)
    for k, (name, (colour, style, marker, label)) in enumerate(PREDICTORS.items()):
        mean, low, high = np.array([typical(table, n, name) for n in sizes]).T
        place = np.array(sizes) * 1.02 ** (k - 2)  # side by side
        look = {"color": colour, "linestyle": style, "marker": marker, "markersize": 5, "capsize": 2, "label": label}
        errors.errorbar(place, mean, [mean - low, high - mean], **look)
    errors.set(xscale="log", yscale="log", xlabel="training samples n", ylabel="error on held-out points, relative")
    errors.set_xticks(sizes, [str(n) for n in sizes])
    errors.xaxis.minorticks_off()
    errors.axhline(1.0, color=GREY, linewidth=0.8)
    errors.set_title("Geometric means with 95 % intervals")
    errors.legend(fontsize=8, loc="lower left")
    for name, kernel in (("small", "arc-cosine kernel"), ("dominated", "tangent kernel")):
        colour, _, marker, _ = PREDICTORS[name]
        x, y = (table["error"][table["predictor"] == each] for each in (kernel, name))
        pairs.loglog(x, y, marker, color=colour, alpha=0.7, markersize=5, label=f"{name} start against {kernel}")
    ends = [table["error"].min(), table["error"].max()]
    pairs.plot(ends, ends, "--", color=GREY)
    pairs.set(
        xlabel="error of the kernel",
        ylabel="error of the trained network",
        title="Pair by pair; below the line, training wins",
    )
    pairs.legend(fontsize=8, loc="upper left")
    return figure


GENERALIZATION = NamedFigure(
    "generalization",
    "Trained networks against linear and kernel predictors",
    "error on held-out points of a teacher: trained networks, minimum-norm linear predictor, kernels",
    SIZES,
    measure,
    picture,
    read,
)


def _error(predict: Predictor, data: Dataset) -> float:
    X: Any = data.X
    return float(np.mean((predict(X) - data.y) ** 2) / np.mean(data.y**2))
