"""Iterations of gradient descent against depth, for four starts and four targets, censoring shown as such.

Whoever compares starts has to give each its best step size, and to say what happened to the runs that never got there:
their share is drawn, and no mean is taken over caps.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._typing import FloatArray
from ..init import near_identity, orthogonal, xavier, zas
from ..networks.deep_linear import DeepLinearNetwork
from .base import NamedFigure, Table, Work
from .style import STARTS, new_figure

# From ZAS with alpha = 1 a step of 1 solves any whitened target at once, which says nothing: 3/4 and less are tried.
STEPS = 0.75 * 2.0 ** (-np.arange(24) / 2)
ACCURACY = 1e-10
DIM = 5


@dataclass(frozen=True)
class Setting:
    """Depths, number of seeds, and iterations after which a run is given up."""

    depths: tuple[int, ...]
    seeds: int
    cap: int


SIZES = {"quick": Setting((5, 20), 3, 1000), "full": Setting((5, 10, 20, 50, 100), 10, 10_000)}


def gaussian(rng: np.random.Generator) -> FloatArray:
    """Draw a matrix of independent normal entries of variance 1/d."""
    return rng.standard_normal((DIM, DIM)) / np.sqrt(DIM)


def negative_identity(rng: np.random.Generator) -> FloatArray:
    """Return -I."""
    return -np.eye(DIM)


def negative_determinant(rng: np.random.Generator) -> FloatArray:
    """Draw a Gaussian matrix, its first row turned round if its determinant is positive."""
    Phi = gaussian(rng)
    Phi[0] *= -np.sign(np.linalg.det(Phi))
    return Phi


def rank_deficient(rng: np.random.Generator) -> FloatArray:
    """Draw a Gaussian matrix without its two smallest singular values."""
    U, sigma, Zt = np.linalg.svd(gaussian(rng))
    return (U[:, :-2] * sigma[:-2]) @ Zt[:-2]


TARGETS: dict[str, Callable[[np.random.Generator], FloatArray]] = {
    "Gaussian": gaussian,
    "-I": negative_identity,
    "negative determinant": negative_determinant,
    "rank-deficient": rank_deficient,
}


def start(name: str, depth: int, seed: np.random.SeedSequence) -> DeepLinearNetwork:
    """Draw a start by its name in `STARTS`."""
    if name == "zas":
        return zas(depth, DIM)
    laws: dict[str, Any] = {"near_identity": near_identity, "xavier": xavier, "orthogonal": orthogonal}
    return laws[name](depth, DIM, seed=seed)


def best(network: DeepLinearNetwork, Phi: FloatArray, cap: int) -> tuple[int, float]:
    """Return the fewest iterations to R <= 1e-10 R(0 map) with a constant step of the grid, and that step.

    (-1, nan) if no step of the grid gets there within `cap` iterations.
    """
    from .race_kernel import race

    level = ACCURACY * 0.5 * float(np.sum(Phi * Phi))
    iterations, winner = race(np.array(list(network.layers)), np.ascontiguousarray(Phi), STEPS, level, cap)
    return int(iterations), float(STEPS[winner]) if iterations >= 0 else float("nan")


def measure(setting: Setting, work: Work) -> Table:
    """Run all races; one row of the table for each. Runs that were given up have the cap as their iterations."""
    # The same targets at every depth and for every start, so that these can be compared pair by pair.
    cases = [(t, L, s, k) for L in setting.depths for t in TARGETS for s in STARTS for k in range(setting.seeds)]
    cost = np.cumsum([0, *(L for _, L, _, _ in cases)])
    rows = []
    for place, (target, depth, kind, k) in enumerate(cases):
        work.progress(float(cost[place] / cost[-1]), f"depth {depth}, {target}, {STARTS[kind][2]}")
        for_target, for_start = np.random.SeedSequence([work.seed, k]).spawn(2)
        Phi = TARGETS[target](np.random.default_rng(for_target))
        made, step = best(start(kind, depth, for_start), Phi, setting.cap)
        rows.append((depth, target, kind, k, setting.cap if made < 0 else made, made >= 0, step))
    names = ("depth", "target", "start", "seed", "iterations", "solved", "step_size")
    return {name: np.array(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def share_solved(table: Table, depth: int, target: str, kind: str) -> tuple[FloatArray, FloatArray, int]:
    """Return iterations at which runs were solved, increasing, the share solved by then, and how many never were."""
    mine = (table["depth"] == depth) & (table["target"] == target) & (table["start"] == kind)
    solved = np.sort(table["iterations"][mine & table["solved"]]).astype(float)
    return solved, np.arange(1, len(solved) + 1) / mine.sum(), int(mine.sum() - len(solved))


def median(table: Table, depth: int, target: str, kind: str) -> float:
    """Return the median number of iterations, infinite if half of the runs or more were given up."""
    mine = (table["depth"] == depth) & (table["target"] == target) & (table["start"] == kind)
    return float(np.median(np.where(table["solved"][mine], table["iterations"][mine].astype(float), np.inf)))


def read(table: Table) -> str:
    """Say how many runs of each start were solved, and how long ZAS took."""
    depths = np.unique(table["depth"])
    cap = int(table["iterations"][~table["solved"]].max(initial=0))
    solved = []
    for kind, (_, _, label) in STARTS.items():
        mine = table["start"] == kind
        solved.append(f"{label} {int(table['solved'][mine].sum())} of {int(mine.sum())}")
    typical = ", ".join(f"{median(table, L, 'Gaussian', 'zas'):.0f} at depth {L}" for L in depths)
    given_up = f"; runs not there after {cap} iterations were given up" if cap else ""
    return (
        f"Share of runs that reach a relative loss of {ACCURACY:g} within so many iterations of gradient descent, each "
        f"with the best constant step of the grid 0.75 * 2^(-k/2), k = 0..{len(STEPS) - 1}, d = {DIM}{given_up}, and a "
        "curve that ends below 1, at an open circle, says how many those were. Solved, over all depths and targets: "
        f"{', '.join(solved)}. On Gaussian targets ZAS takes {typical} (medians). The grid keeps away from the step "
        "alpha^(-2(L-1)) = 1, with which ZAS solves any whitened target in one iteration."
    )


def picture(table: Table) -> Any:
    """Draw one panel for each target and depth."""
    depths = [int(L) for L in np.unique(table["depth"])]
    end = 1.5 * float(table["iterations"].max())
    figure = new_figure(1.2 + 2.6 * len(depths), 9.0)
    panels = figure.subplots(len(TARGETS), len(depths), sharex=True, sharey=True, squeeze=False)
    for row, target in zip(panels, TARGETS, strict=True):
        for ax, depth in zip(row, depths, strict=True):
            for kind, (colour, style, label) in STARTS.items():
                x, y, given_up = share_solved(table, depth, target, kind)
                last = y[-1] if len(y) else 0.0
                x, y = np.concatenate([[1.0], x, [end / 1.5]]), np.concatenate([[0.0], y, [last]])
                ax.step(x, y, style, where="post", color=colour, linewidth=1.8, label=label)
                if given_up:
                    ax.plot(x[-1], last, "o", color=colour, fillstyle="none", clip_on=False)
            ax.set(xscale="log", xlim=(5, end), ylim=(-0.05, 1.05), title=f"{target}, depth {depth}")
            ax.title.set_fontsize(9)
        row[0].set_ylabel("share solved")
    for ax in panels[-1]:
        ax.set_xlabel("iterations")
    figure.legend(
        *panels[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=len(STARTS), frameon=False
    )
    return figure


DEPTH = NamedFigure(
    "depth",
    "Iterations against depth",
    "share of runs solved within k iterations: ZAS, near-identity, Xavier and orthogonal starts on four targets",
    SIZES,
    measure,
    picture,
    read,
)
