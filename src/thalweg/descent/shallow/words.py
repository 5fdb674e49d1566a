"""Gradient descent on a shallow network in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..._descent_outcome import DescentOutcome

if TYPE_CHECKING:
    from .trajectory import DescentTrajectory

# What is stepped, by route.
ROUTES = {
    "weights": "hidden weights",
    "Gram matrix": "preactivations, by the Gram matrix of the inputs",
    "orthogonal inputs": "preactivations, the inputs being orthogonal",
}


def verdict(traj: DescentTrajectory) -> str:
    """Return how the run ended, where, and at what loss."""
    message = str(traj.outcome).partition(". ")[0].rstrip(".")
    return f"{message} (iteration {int(traj.iteration[-1])}, loss {traj.loss[-1]:.3g})"


def facts(traj: DescentTrajectory) -> list[tuple[str, str]]:
    """Return the lines of the print-out as (heading, text)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        factor = float(traj.loss[0] / traj.loss[-1])
    change = f"rose by a factor of {1 / factor:.3g}" if factor < 1 else f"fell by a factor of {factor:.3g}"
    first, last = traj.stable_steps
    rises = int((traj.curvature_discrete < 0).sum())
    here, step = traj.curvature[-1], traj.curvature_discrete[-1]
    lines = [
        ("data", f"{traj.data.name}, {traj.data.n} samples x {traj.data.d} inputs"),
        ("network", repr(traj.start)),
        ("stepped", f"{ROUTES[str(traj.settings['route'])]}, in {traj.settings['precision']}"),
        ("loss", f"{traj.loss[0]:.3g} to {traj.loss[-1]:.3g}, {change}"),
        (
            "curvature",
            f"{here:.3g} of the flow from the end, {step:.3g} of the next step",
        ),
        (
            "step size",
            f"{traj.step_size:.4g}; the largest stable one was {first:.3g} at the start, is {last:.3g} now",
        ),
    ]
    if rises:
        lines.append(("rises", f"the loss rose after {rises} of the {len(traj)} iterations recorded"))
    advice = str(traj.outcome).partition(". ")[2]
    if traj.outcome is DescentOutcome.DIVERGED:
        advice = f"Halve step_size, or take one below {first:.3g}, the largest that is stable at the start."
    return [*lines, ("next", advice)] if advice else lines
