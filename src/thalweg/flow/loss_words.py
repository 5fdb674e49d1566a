"""The flow of a loss in words: for the terminal, for notebooks and for reports."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._outcome import Outcome

if TYPE_CHECKING:
    from .loss_trajectory import LossTrajectory


def verdict(traj: LossTrajectory) -> str:
    """Return how the run ended, where, and at what loss."""
    message = str(traj.outcome).partition(". ")[0].rstrip(".")
    if traj.outcome is Outcome.STEP_TOO_SMALL:  # its advice is for the exact flow
        message = f"{message.partition(':')[0]}: the loss or its gradient runs off to infinity, or is not finite"
    return f"{message} (t = {traj.t[-1]:.6g}, loss {traj.loss[-1]:.3g})"


def facts(traj: LossTrajectory) -> list[tuple[str, str]]:
    """Return the lines of the print-out as (heading, text)."""
    audit = traj.audit
    checks = f"energy drift {audit.energy_drift:.1g}, largest rise {audit.largest_loss_increase:.1g}, of the start"
    if audit.balance_drift is not None:
        checks += f"; balance drift {audit.balance_drift:.1g}"
    lines = [
        ("loss", f"{traj.loss[0]:.3g} to {traj.loss[-1]:.3g}"),
        ("curvature", f"{traj.curvature[-1]:.3g} now, {traj.average_curvature[-1]:.3g} on average"),
        ("stepped", f"{traj.settings['solver']} at rtol {traj.settings['rtol']:g}, {traj.settings['steps']} steps"),
        ("audit", checks),
    ]
    if audit.kinks:
        lines.append(("kinks", f"{', '.join(audit.kinks)}: where the flow slides along one, this is not it"))
    return lines
