"""The charts of gradient descent on shallow networks, of the training of deep linear ones, and of flows of any loss."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from ..plot.sampling import spread
from .charts import residuals
from .content import Chart
from .drawing import Line, bundle, line_chart

if TYPE_CHECKING:
    from ..descent import DescentTrajectory
    from ..flow.linear import LinearTrajectory
    from ..flow.loss_trajectory import LossTrajectory

_VALUES = 30


def descent_charts(traj: DescentTrajectory) -> tuple[Chart, ...]:
    """Return the loss, both curvatures and the residuals over the iterations."""
    x = ("iteration", traj.iteration)
    loss = f"Loss from {traj.loss[0]:.3g} to {traj.loss[-1]:.3g} in {traj.iteration[-1]} iterations."
    rises = int((traj.curvature_discrete < 0).sum())
    curvature = (
        f"Local PL curvature of the flow from each iterate, {traj.curvature[-1]:.3g} at the end, and what the next "
        f"step makes of it (dashed), {traj.curvature_discrete[-1]:.3g}"
        + (f"; negative, left out, after {rises} iterations, where the loss rises." if rises else ".")
    )
    lines = [
        Line("of the flow", traj.curvature, "blue", "solid"),
        Line("of the next step", traj.curvature_discrete, "orange", "dash"),
    ]
    return (
        line_chart("Loss", loss, x, "loss L", [Line("loss", traj.loss, "blue", "solid")]),
        line_chart("Curvature", curvature, x, "PL curvature", lines),
        residuals(traj, x),
    )


def linear_charts(traj: LinearTrajectory) -> tuple[Chart, ...]:
    """Return the loss with its bound, the curvature, and the singular values against those of the target."""
    x = ("time t", traj.t) if traj.iteration is None else ("iteration", traj.iteration)
    return _excess(traj, x), _curvature(traj, x), _singular_values(traj, x)


def _excess(traj: LinearTrajectory, x: tuple[str, np.ndarray]) -> Chart:
    caption = (
        f"Loss above its floor, {traj.target.floor:.3g}, from {traj.excess[0]:.3g} to {traj.excess[-1]:.3g} (solid)"
    )
    lines = [Line("excess loss", traj.excess, "blue", "solid")]
    if np.isfinite(traj.bound).any():
        caption += f"; dashed, what was proved before the run, {traj.bound[-1]:.3g} at the end"
        lines.append(Line("proved bound", traj.bound, "orange", "dash"))
    return line_chart("Loss with its bound", f"{caption}.", x, "loss above its floor", lines)


def _curvature(traj: LinearTrajectory, x: tuple[str, np.ndarray]) -> Chart:
    finite = traj.curvature[np.isfinite(traj.curvature)]
    between = f" between {finite.min():.3g} and {finite.max():.3g}," if finite.size else ""
    caption = f"Local PL curvature of the flow,{between} {traj.curvature[-1]:.3g} at the end."
    lines = [Line("local curvature", traj.curvature, "blue", "solid")]
    return line_chart("Curvature", caption, x, "PL curvature", lines)


def _singular_values(traj: LinearTrajectory, x: tuple[str, np.ndarray]) -> Chart:
    goals = np.linalg.svd(traj.target.Phi, compute_uv=False)
    count = traj.singular_values.shape[1]
    drawn = spread(count, _VALUES)
    lines = [("of the product", Line(f"value {k + 1}", traj.singular_values[:, k], "blue", "solid")) for k in drawn] + [
        ("of the target", Line(f"target {k + 1}", np.full(len(traj), goals[k]), "grey", "dot")) for k in drawn
    ]
    last = traj.singular_values[-1]
    which = "" if len(drawn) == count else f", {len(drawn)} of {count} drawn"
    caption = (
        f"Singular values of the product of the layers (solid){which}, {last[0]:.4g} to {last[-1]:.4g} at the end; "
        f"dotted, those of the target, {goals[0]:.4g} to {goals[-1]:.4g}."
    )
    return bundle("Singular values", caption, x, "singular value", lines, log=False)


def loss_charts(traj: LossTrajectory) -> tuple[Chart, ...]:
    """Return the loss, the curvature, and the loss beside the energy that the flow has spent."""
    x, floor = ("time t", traj.t), float(traj.settings["floor"] or 0.0)
    above = f" above the floor {floor:.4g}" if floor else ""
    fell = (
        f"Loss{above} from {traj.loss[0] - floor:.3g} to {traj.loss[-1] - floor:.3g}, as stepped by "
        f"{traj.settings['solver']} at rtol {traj.settings['rtol']:g}."
    )
    curvature = (
        f"Local PL curvature by the gradient, {traj.curvature[-1]:.3g} at the end; average since the start "
        f"{traj.average_curvature[-1]:.3g} (dashed)."
    )
    energy = (
        "Loss (solid), the integral of the squared gradient (dashed) and their sum (dotted), which stays as it is "
        f"where the loss is smooth: it drifts by {traj.audit.energy_drift:.1g} of the first loss."
    )
    rates = [
        Line("local curvature", traj.curvature, "blue", "solid"),
        Line("average since t = 0", traj.average_curvature, "green", "dash"),
    ]
    balance = [
        Line("loss", traj.loss, "blue", "solid"),
        Line("integral of the squared gradient", traj.energy, "orange", "dash"),
        Line("sum", traj.loss + traj.energy, "grey", "dot"),
    ]
    return (
        line_chart("Loss", fell, x, f"loss L{above}", [Line("loss", traj.loss - floor, "blue", "solid")]),
        line_chart("Curvature", curvature, x, "PL curvature", rates),
        line_chart("Energy", energy, x, "loss and energy", balance, log=False),
    )
