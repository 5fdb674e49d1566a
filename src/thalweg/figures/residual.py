"""Nonlinear residual networks on handwritten digits: which start lets how large a step train how deep a network."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from .._errors import missing_extra
from .._typing import FloatArray
from ..networks.residual import LOSSES, ResidualNetwork, loss_and_gradient, parameters
from .base import NamedFigure, Table, Work
from .style import BLUE, GREEN, GREY, ORANGE, PURPLE, YELLOW, new_figure

WIDTH = 32
SAMPLES = 128
STEPS = 60
# Step sizes are halved from 1; the last is 1/32768.
HALVINGS = 15
# Name, colour, line style.
STARTS = {
    "Xavier": (GREY, ":"),
    "zero head": (PURPLE, ":"),
    "zero branches": (GREEN, "-."),
    "modified ZAS": (BLUE, "-"),
    "ZAS, Fixup's scaling": (YELLOW, "-"),
    "Fixup": (ORANGE, "--"),
}


@dataclass(frozen=True)
class Setting:
    """Depths, number of seeds, activations and iterations."""

    depths: tuple[int, ...]
    seeds: int
    activations: tuple[str, ...]
    steps: int


SIZES = {
    "quick": Setting((5, 20), 1, ("relu",), 30),
    "full": Setting((5, 50, 500), 3, ("relu", "tanh"), STEPS),
}


def digits(seed: int) -> tuple[FloatArray, FloatArray]:
    """Return 128 of scikit-learn's handwritten digits, standardised (n, 64), and their classes (n, 10) as 0 and 1.

    Raises
    ------
    MissingExtraError
        If scikit-learn is not installed.
    """
    try:
        from sklearn.datasets import load_digits
    except ImportError:
        raise missing_extra("scikit-learn", "figures") from None
    loaded: Any = load_digits(return_X_y=True)
    X, labels = loaded
    chosen = np.random.default_rng(np.random.SeedSequence([seed, SAMPLES])).permutation(len(X))[:SAMPLES]
    X, spread = X[chosen] - X[chosen].mean(axis=0), X[chosen].std(axis=0)
    return X / np.where(spread > 0, spread, 1.0), np.eye(10)[labels[chosen]]


def draw_start(
    name: str, depth: int, inputs: int, outputs: int, activation: str, seed: np.random.SeedSequence
) -> ResidualNetwork:
    """Draw a start: Xavier, some of whose layers are then set to zero or scaled.

    Zero head: C = 0. Zero branches: U = 0. Modified ZAS: both, V as it is (Wu, Wang and Ma, 2019). With Fixup's
    scaling, V is multiplied by L^(-1/2). Fixup (Zhang, Dauphin and Ma, 2019) is that with trained scalars.
    """
    rng = np.random.default_rng(seed)

    def layers(count: int, rows: int, columns: int) -> FloatArray:
        return rng.standard_normal((count, rows, columns)) / np.sqrt(columns)

    A, V, U, C = (
        layers(1, WIDTH, inputs),
        layers(depth, WIDTH, WIDTH),
        layers(depth, WIDTH, WIDTH),
        layers(1, outputs, WIDTH),
    )
    if name not in ("Xavier", "zero head"):
        U = np.zeros_like(U)
    if name not in ("Xavier", "zero branches"):
        C = np.zeros_like(C)
    if "Fixup" in name:
        V = V / np.sqrt(depth)
    scalars = np.tile([0.0, 0.0, 0.0, 1.0], (depth, 1)) if name == "Fixup" else None
    return ResidualNetwork(A[0], V, U, C[0], scalars, activation)


def train(network: ResidualNetwork, X: FloatArray, Y: FloatArray, loss: str, step: float, steps: int) -> float:
    """Return the loss after full-batch gradient descent, infinity if it ever rose above that of the start."""
    own = {name: array.copy() for name, array in parameters(network).items()}
    running, first = replace(network, **own), np.inf
    with np.errstate(all="ignore"):
        for k in range(steps + 1):
            value, gradient = loss_and_gradient(running, X, Y, loss)
            if k == 0:
                first = value
            if not value <= first * (1 + 1e-9):  # NaN too
                return float("inf")
            if k == steps:
                return value
            for name, array in own.items():
                array -= step * gradient[name]  # `running` holds these arrays
    raise AssertionError("unreachable")


def largest_stable(
    network: ResidualNetwork, X: FloatArray, Y: FloatArray, loss: str, steps: int
) -> tuple[float, float]:
    """Return the largest step of 1, 1/2, 1/4, ... that is stable, and the loss it ends at; NaN if none is."""
    for step in 0.5 ** np.arange(HALVINGS + 1):
        if np.isfinite(value := train(network, X, Y, loss, float(step), steps)):
            return float(step), value
    return float("nan"), float("nan")


def measure(setting: Setting, work: Work) -> Table:
    """Train from every start; one row of the table for each."""
    cases = [
        (activation, loss, depth, name, k)
        for depth in setting.depths
        for activation in setting.activations
        for loss in LOSSES
        for name in STARTS
        for k in range(setting.seeds)
    ]
    cost = np.cumsum([0, *(depth for _, _, depth, _, _ in cases)])
    rows = []
    for place, (activation, loss, depth, name, k) in enumerate(cases):
        work.progress(float(cost[place] / cost[-1]), f"depth {depth}, {activation}, {loss} loss, {name}")
        X, Y = digits(work.seed + k)
        network = draw_start(
            name, depth, X.shape[1], Y.shape[1], activation, np.random.SeedSequence([work.seed, k, depth])
        )
        before = loss_and_gradient(network, X, Y, loss)[0]
        step, after = largest_stable(network, X, Y, loss, setting.steps)
        rows.append((activation, loss, depth, name, k, step, before, after))
    names = ("activation", "loss", "depth", "start", "seed", "step_size", "loss_before", "loss_after")
    return {name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def middle(table: Table, activation: str, loss: str, name: str, column: str) -> tuple[FloatArray, FloatArray]:
    """Return the depths, and the median over the seeds of one column."""
    mine = (table["activation"] == activation) & (table["loss"] == loss) & (table["start"] == name)
    depths = np.unique(table["depth"][mine])
    return depths, np.array([np.median(table[column][mine & (table["depth"] == L)]) for L in depths])


def read(table: Table) -> str:
    """Say which start did best at the greatest depth."""
    deepest = int(table["depth"].max())
    sentences = []
    for activation in dict.fromkeys(table["activation"].tolist()):
        for loss in LOSSES:
            ends = {
                n: [middle(table, activation, loss, n, c)[1][-1] for c in ("step_size", "loss_after")] for n in STARTS
            }
            ranked = sorted(ends, key=lambda n: (np.isnan(ends[n][1]), ends[n][1]))
            words = [
                f"{n} {ends[n][1]:.3g} (step {ends[n][0]:.2g})" if ends[n][0] > 0 else f"{n} unstable" for n in ranked
            ]
            sentences.append(f"{activation}, {loss} loss: {', '.join(words)}.")
    return (
        f"Residual networks z + U s(V z) of width {WIDTH} on {SAMPLES} handwritten digits, full-batch gradient descent "
        "at the largest step 2^-k, k = 0, 1, ..., at which the loss never rises above that of the start. Median losses "
        f"at depth {deepest}, best first. {' '.join(sentences)} A toy: one width, one data set, few iterations, "
        "training loss only. Without its scalars Fixup is the same start as ZAS with Fixup's scaling. Unstable: "
        f"no step down to 2^-{HALVINGS} would do for every seed."
    )


def picture(table: Table) -> Any:
    """Draw the largest stable step and the loss it ends at over the depth, for each activation and loss."""
    activations = list(dict.fromkeys(table["activation"].tolist()))
    figure = new_figure(14.0, 0.6 + 3.4 * len(activations))
    panels = figure.subplots(len(activations), 4, squeeze=False)
    for row, activation in zip(panels, activations, strict=True):
        columns = [(loss, column) for loss in LOSSES for column in ("step_size", "loss_after")]
        for ax, (loss, column) in zip(row, columns, strict=True):
            for k, (name, (colour, style)) in enumerate(STARTS.items()):
                depths, values = middle(table, activation, loss, name, column)
                width = len(STARTS) - k  # thinner and thinner, so that none hides another
                look = {"marker": "o", "linewidth": 0.6 + 0.4 * width, "markersize": 2 + 0.6 * width, "label": name}
                ax.loglog(depths, values, style, color=colour, **look)
                if column == "step_size" and (none := np.isnan(values)).any():
                    # Drawn below all steps that were tried.
                    below = np.full(none.sum(), 0.5 ** (HALVINGS + 1 + k))
                    ax.plot(depths[none], below, "x", color=colour)
            what = "largest stable step (x: none)" if column == "step_size" else "loss it ends at"
            ax.set(title=f"{activation}, {loss} loss: {what}", xlabel="depth L")
            ax.set_xticks(depths := np.unique(table["depth"]), [str(depth) for depth in depths])
            ax.set_xticks([], minor=True)
            ax.title.set_fontsize(9)
    handles = panels[0, 0].get_legend_handles_labels()
    figure.legend(*handles, loc="outside upper center", ncols=len(STARTS), frameon=False)
    return figure


RESIDUAL = NamedFigure(
    "residual",
    "Deep nonlinear residual networks",
    "largest stable step and loss on handwritten digits, from Xavier to Fixup (needs scikit-learn)",
    SIZES,
    measure,
    picture,
    read,
)
