"""A linear trajectory in words: for the terminal and for notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .trajectory import LinearTrajectory


def verdict(traj: LinearTrajectory) -> str:
    """Return how the run ended, where, and at what loss."""
    message = str(traj.outcome).partition(". ")[0].rstrip(".")
    at = f"t = {traj.t[-1]:.6g}" if traj.iteration is None else f"iteration {int(traj.iteration[-1])}"
    return f"{message} ({at}, loss {traj.loss[-1]:.3g})"


def facts(traj: LinearTrajectory) -> list[tuple[str, str]]:
    """Return the lines of the print-out as (heading, text)."""
    last = traj.singular_values[-1]
    lines = [
        ("network", repr(traj.start)),
        ("target", repr(traj.target)),
        ("route", f"{traj.route}: {traj.why}"),
        ("loss", f"{traj.loss[0]:.3g} to {traj.loss[-1]:.3g}{_change(traj.excess[0], traj.excess[-1])}"),
        ("curvature", f"{traj.curvature[-1]:.3g} at the end"),
        ("values", f"singular values of the product {last[0]:.4g} to {last[-1]:.4g}"),
        ("guarantee", traj.guarantee),
        ("drift", f"{traj.drift.max():.1e}, largest relative change of the invariants D_l"),
    ]
    if np.isfinite(traj.bound[-1]):
        lines.insert(7, ("bound", f"excess loss at most {traj.bound[-1]:.3g} at the end, was {traj.excess[-1]:.3g}"))
    lines += [("note", note) for note in traj.notes]
    advice = str(traj.outcome).partition(". ")[2]
    return [*lines, ("next", advice)] if advice else lines


def _change(first: float, last: float) -> str:
    """Return by what factor the excess loss fell or rose; nothing where one of them is 0."""
    if not (first > 0 and last > 0) or first == last:
        return ""
    fell = last < first
    factor = first / last if fell else last / first
    return f", its excess {'fell' if fell else 'rose'} by a factor of {factor:.3g}"
