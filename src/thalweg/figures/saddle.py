"""The picture that motivates zero-asymmetric starts: scalar networks of depth 2 and 3, and their saddle.

R(w) = 1/2 (w_1 ... w_L - phi)^2 with phi = -1. Starts near the identity lie next to the stable manifold of the saddle,
the set from which the flow ends at it for ever, and start on the wrong side of it; ZAS lies away from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._typing import FloatArray
from ..init import near_identity, xavier, zas
from ..networks.deep_linear import DeepLinearNetwork
from .base import NamedFigure, Table, Work
from .style import BLUE, GREEN, GREY, ORANGE, YELLOW, new_figure

PHI = -1.0
_BOX = 2.2
_TICKS = (-2, -1, 0, 1, 2)
_T_END = 40.0
_SOLVED = 1e-6
# Distance from the saddle at which its stable manifold is begun, along the eigenvector.
_NEAR = 1e-6
_LENGTH = 6.0
# Noise of the near-identity starts.
_NOISE = 0.1
# Colour and line style of each kind of start.
KINDS = {
    "ZAS": (BLUE, "-"),
    "identity": ("black", ":"),
    "near-identity": (ORANGE, "--"),
    "Xavier": (GREEN, "-."),
}


@dataclass(frozen=True)
class Setting:
    """How many starts to draw of each random law, and how many saddles of depth 3 to take on each axis."""

    draws: int
    saddles: int


SIZES = {"quick": Setting(draws=3, saddles=5), "full": Setting(draws=6, saddles=12)}


def velocity(w: FloatArray) -> FloatArray:
    """Return -grad R of the scalar network of layers w, of shape (L,) or (L, ...)."""
    others = np.stack([w[:l].prod(axis=0) * w[l + 1 :].prod(axis=0) for l in range(len(w))])
    return -(w.prod(axis=0) - PHI) * others


def hessian(w: FloatArray) -> FloatArray:
    """Return the Hessian of R at w, shape (L, L)."""
    L = len(w)
    others = np.array([np.prod(np.delete(w, l)) for l in range(L)])
    pairs = np.array([[0.0 if l == m else np.prod(np.delete(w, [l, m])) for m in range(L)] for l in range(L)])
    return np.outer(others, others) + (np.prod(w) - PHI) * pairs


def trajectory(w: Any, t_end: float = _T_END) -> tuple[FloatArray, FloatArray]:
    """Return times (T,) and states (T, L) of the flow from w."""
    from scipy.integrate import solve_ivp

    span, times = (0.0, t_end), np.concatenate([[0.0], np.geomspace(1e-3, t_end, 400)])
    found = solve_ivp(lambda t, w: velocity(w), span, np.asarray(w, float), "DOP853", times, rtol=1e-10, atol=1e-13)
    return found.t, found.y.T


def stable_manifold(saddle: Any) -> list[FloatArray]:
    """Return the two halves (T, L) of the stable manifold of a saddle, integrated backwards.

    Along the arc length, not the time: next to the saddle the flow takes for ever.
    """
    from scipy.integrate import solve_ivp

    def backwards(s: float, w: FloatArray) -> FloatArray:
        field = -velocity(w)
        return field / np.linalg.norm(field)

    at = np.asarray(saddle, dtype=float)
    values, vectors = np.linalg.eigh(hessian(at))
    halves = []
    for side in (1.0, -1.0):
        begin = at + side * _NEAR * vectors[:, np.argmax(values)]
        arc = np.linspace(0.0, _LENGTH, 121)
        found = solve_ivp(backwards, (0.0, _LENGTH), begin, "DOP853", arc, rtol=1e-11, atol=1e-13)
        halves.append(found.y.T)
    return halves


def measure(setting: Setting, work: Work) -> Table:
    """Compute all curves; one row of the table for each point."""
    parts: list[Table] = []
    for depth in (2, 3):
        work.progress((depth - 2) / 2, f"depth {depth}")
        found = [(kind, k, *trajectory(w)) for kind, k, w in _starts(depth, setting.draws, work.seed)]
        halves = enumerate(_manifolds(depth, setting.saddles))
        found += [("stable manifold", k, np.full(len(half), np.nan), half) for k, half in halves]
        for kind, curve, t, w in found:
            words = {"depth": depth, "kind": kind, "curve": curve}
            weights = {f"w{l + 1}": w[:, l] if l < depth else np.full(len(t), np.nan) for l in range(3)}
            loss = 0.5 * (w.prod(axis=1) - PHI) ** 2
            parts.append(
                {name: np.full(len(t), value) for name, value in words.items()} | weights | {"t": t, "loss": loss}
            )
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def curves(table: Table, depth: int, kind: str) -> list[tuple[FloatArray, FloatArray, FloatArray]]:
    """Return times (T,), states (T, depth) and losses (T,) of every curve of one kind."""
    mine = (table["depth"] == depth) & (table["kind"] == kind)
    found = []
    for curve in np.unique(table["curve"][mine]):
        rows = mine & (table["curve"] == curve)
        states = np.column_stack([table[f"w{l + 1}"][rows] for l in range(depth)])
        found.append((table["t"][rows], states, table["loss"][rows]))
    return found


def read(table: Table) -> str:
    """Say how fast each kind of start is."""
    lines = []
    for depth in (2, 3):
        words = []
        for kind in ("ZAS", "near-identity", "Xavier"):
            times = [_solved_at(t, loss) for t, _, loss in curves(table, depth, kind)]
            reached = [t for t in times if t is not None]
            when = "none" if not reached else f"{len(reached)} of {len(times)}, the last at t = {max(reached):.3g}"
            words.append(f"{kind} {when}")
        lines.append(f"depth {depth}: {'; '.join(words)}")
    return (
        "Scalar networks w_L ... w_1 that are to learn phi = -1. From near the identity their product has to change "
        "sign, and in the way lies a saddle: the origin in depth 2, every point of the three axes in depth 3. Starts "
        "on its stable manifold (yellow), such as the identity itself, end there; the closer to it, the slower. ZAS "
        f"has product 0 and a gradient, and lies off it. Starts that reach a loss of {_SOLVED:g} by t = {_T_END:g}: "
        f"{', '.join(lines)}. The stable manifolds are integrated backwards from the saddles; in depth 3 those in the "
        "octant of positive weights are drawn."
    )


def picture(table: Table) -> Any:
    """Draw the two phase portraits, and the loss over time."""
    figure = new_figure(15.0, 5.0)
    flat, solid, losses = figure.add_subplot(131), figure.add_subplot(132, projection="3d"), figure.add_subplot(133)
    grid = np.linspace(-_BOX, _BOX, 25)
    w1, w2 = np.meshgrid(grid, grid)
    u, v = velocity(np.stack([w1, w2]))
    flat.streamplot(grid, grid, u, v, color=GREY, linewidth=0.5, arrowsize=0.7, density=1.1)
    side = np.linspace(-PHI / _BOX, _BOX, 100)
    for sign in (1.0, -1.0):
        flat.plot(sign * side, sign * PHI / side, color="black", label="_" * (sign < 0) + "loss 0")
    for k, (_, half, _) in enumerate(curves(table, 2, "stable manifold")):
        flat.plot(*half.T, color=YELLOW, linewidth=3, zorder=2, label="_" * (k > 0) + "stable manifold of the saddle")
    _surfaces(solid, table)
    for kind, (colour, style) in KINDS.items():
        for depth, axes in ((2, flat), (3, solid)):
            for k, (t, w, loss) in enumerate(curves(table, depth, kind)):
                axes.plot(*w.T, color=colour, linestyle=style, linewidth=1.8, zorder=3, label="_" * (k > 0) + kind)
                axes.plot(*w[:1].T, color=colour, marker="o", markersize=4, zorder=4, linestyle="")
                losses.loglog(t[1:], np.maximum(loss[1:], 1e-14), style, color=colour, lw=2.2 if depth == 2 else 1.0)
    flat.set(xlim=(-_BOX, _BOX), ylim=(-_BOX, _BOX), xlabel="$w_1$", ylabel="$w_2$", title="Depth 2")
    flat.set_aspect("equal")
    solid.set(xlabel="$w_1$", ylabel="$w_2$", title="Depth 3 (grey: loss 0)")
    solid.set_zlabel("$w_3$")
    solid.set(xlim=(-_BOX, _BOX), ylim=(-_BOX, _BOX), zlim=(-_BOX, _BOX), xticks=_TICKS, yticks=_TICKS, zticks=_TICKS)
    solid.view_init(elev=22, azim=-62)
    losses.set(xlabel="time t", ylabel="loss", ylim=(1e-10, 30), title="Loss (thick: depth 2, thin: depth 3)")
    handles = flat.get_legend_handles_labels()
    figure.legend(*handles, loc="outside lower center", ncols=len(handles[0]), frameon=False)
    return figure


SADDLE = NamedFigure(
    "saddle",
    "Why zero-asymmetric: the saddle at the origin",
    "vector field, stable manifold and trajectories of scalar networks of depth 2 and 3",
    SIZES,
    measure,
    picture,
    read,
)


def _starts(depth: int, draws: int, seed: int) -> list[tuple[str, int, FloatArray]]:
    sequences = np.random.SeedSequence([seed, depth]).spawn(draws)
    starts = [("ZAS", 0, zas(depth, 1)), ("identity", 0, DeepLinearNetwork([np.eye(1)], [depth]))]
    starts += [
        ("near-identity", k, near_identity(depth, 1, scale=_NOISE, seed=each)) for k, each in enumerate(sequences)
    ]
    starts += [("Xavier", k, xavier(depth, 1, seed=each)) for k, each in enumerate(sequences)]
    return [(kind, k, np.array([W[0, 0] for W in network.layers])) for kind, k, network in starts]


def _manifolds(depth: int, saddles: int) -> list[FloatArray]:
    """Return the stable manifold of the origin, in depth 3 of saddles on the positive axes, within their octant."""
    if depth == 2:
        return stable_manifold(np.zeros(2))
    places = [s * axis for axis in np.eye(3) for s in np.linspace(0.1, _BOX, saddles)]
    return [half for place in places for half in stable_manifold(place) if (half[-1] > 0).all()]


def _solved_at(t: FloatArray, loss: FloatArray) -> float | None:
    below = np.flatnonzero(loss <= _SOLVED)
    return float(t[below[0]]) if len(below) else None


def _surfaces(axes: Any, table: Table) -> None:
    """Draw the zero-loss set, the stable manifolds and some arrows of the field in three dimensions."""
    a, b = np.meshgrid(np.geomspace(0.25, _BOX, 25), np.geomspace(0.25, _BOX, 25))
    c = np.where(abs(PHI) / (a * b) <= _BOX, abs(PHI) / (a * b), np.nan)
    for sa, sb in ((1, 1), (1, -1), (-1, 1), (-1, -1)):
        axes.plot_surface(sa * a, sb * b, np.sign(PHI) * sa * sb * c, color=GREY, alpha=0.2, linewidth=0)
    for k, (_, half, _) in enumerate(curves(table, 3, "stable manifold")):
        half = half[np.abs(half).max(axis=1) <= _BOX]
        axes.plot(*half.T, color=YELLOW, linewidth=1.5, label="_" * (k > 0) + "stable manifold")
    grid = np.linspace(-0.8 * _BOX, 0.8 * _BOX, 4)
    points = np.stack(np.meshgrid(grid, grid, grid))
    field = velocity(points)
    length = np.linalg.norm(field, axis=0)
    scaled = field / np.where(length > 0, length, 1.0) * 0.35
    axes.quiver(*points, *scaled, color=GREY, linewidth=0.6, arrow_length_ratio=0.4)
