"""Trajectories against what every gradient flow obeys."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .. import _validate as check
from ..flow.linear import LinearTrajectory
from ..flow.loss_trajectory import LossTrajectory
from ..flow.trajectory import Trajectory
from ..networks.deep_linear import DeepLinearNetwork
from .series import series_faults
from .shallow import shallow_faults

# Layers of deeper networks are not multiplied out one by one.
_DEEPEST = 50


def check_flow(
    traj: Trajectory | LinearTrajectory | LossTrajectory, *, tolerance: float = 1e-6, reference_steps: int | None = None
) -> None:
    """See that a trajectory is that of a gradient flow, whatever engine computed it.

    Of every trajectory: times increase, the loss never rises, and log L falls between outputs as the curvature says.
    Of a shallow network, at outputs spread over the run and from its weights alone: a^2 - |w|^2 is conserved; the
    weights move no further than the fall of the loss pays for; residuals, loss and counts are those of the network;
    sliding pairs are at z = 0 and multipliers in [slope, 1] keep them there; the curvature is what velocities make it,
    and within its bounds; the final network is no worse than the last output. Of a deep linear network: the end has
    the loss and the singular values given, and conserved quantities and proved bounds hold.

    Parameters
    ----------
    traj : Trajectory, LinearTrajectory or LossTrajectory
    tolerance : float
        Relative error allowed of what is exact at a state. Along the path, that of the run is allowed too, its `rtol`.
    reference_steps : int, optional
        Of a shallow network: compare preactivations and output weights with explicit Euler in so many steps, and twice
        as many, extrapolated. It takes time, and is for small problems whose path is isolated.

    Raises
    ------
    AssertionError
        With everything found wrong, in figures.

    Examples
    --------
    >>> import thalweg as tw
    >>> from thalweg.testing import check_flow
    >>> data, network = tw.data.sphere(5, 8, seed=1), tw.init.dominated(8, 6, seed=2)
    >>> check_flow(tw.flow(network, data, t_end=5.0), reference_steps=2000)
    """
    tolerance = check.real("check_flow", "tolerance", tolerance, above=0.0, below=1.0)
    if reference_steps is not None:
        check.positive_int("check_flow", "reference_steps", reference_steps)
        if not isinstance(traj, Trajectory):
            raise check.fail("check_flow", "reference_steps", "be left out for this kind of run", reference_steps)
    accuracy = max(tolerance, float(getattr(traj, "settings", {}).get("rtol") or 0.0))
    events = None
    if isinstance(traj, Trajectory):
        excess, events = traj.loss, traj.events
        own = shallow_faults(traj, tolerance, accuracy, reference_steps)
    elif isinstance(traj, LinearTrajectory):
        if traj.iteration is not None:
            raise check.fail("check_flow", "traj", "be a flow", "gradient descent")
        excess, own = traj.excess, _linear_faults(traj, accuracy)
    elif isinstance(traj, LossTrajectory):
        excess, own = traj.loss - float(traj.settings.get("floor") or 0.0), iter(())
    else:
        raise check.fail("check_flow", "traj", "be the trajectory of a flow", type(traj).__name__)
    found = list(series_faults(traj.t, excess, traj.curvature, events, accuracy))
    found += [] if found else list(own)
    if found:
        raise AssertionError(f"{traj!r}: {'; '.join(found)}")


def _linear_faults(traj: LinearTrajectory, accuracy: float) -> Iterator[str]:
    target, start, final = traj.target, traj.start, traj.final
    size = target.norm + float(traj.singular_values.max())
    loss = final.loss(target)
    if loss > traj.loss[-1] * (1 + accuracy) + (accuracy * size) ** 2:
        yield f"the final network has the loss {loss:.9g}, above the last, {traj.loss[-1]:.9g}"
    if traj.t[-1] == traj.settings["t_end"]:
        values = np.linalg.svd(final.product(), compute_uv=False)
        if (gap := float(np.abs(values - traj.singular_values[-1]).max())) > 10 * accuracy * size:
            yield f"the product of the final layers has singular values off the last ones by {gap:.3g}"
    if start.depth <= _DEEPEST and (drift := _balance_drift(start, final)) > 100 * accuracy:
        yield f"eigenvalues of W_(l+1)^T W_(l+1) - W_l W_l^T are off by {drift:.3g} of their size"
    if (drift := float(traj.drift.max())) > 100 * accuracy:
        yield f"the invariants of the layers drift by {drift:.3g}"
    proved = np.isfinite(traj.bound)
    over = traj.excess[proved] - traj.bound[proved] * (1 + 10 * accuracy) - (accuracy * size) ** 2
    if (over > 0).any():
        k = int(np.argmax(over))
        excess, bound = traj.excess[proved][k], traj.bound[proved][k]
        yield f"at t = {traj.t[proved][k]:.6g} the excess loss {excess:.6g} is above what is proved, {bound:.6g}"


def _balance_drift(start: DeepLinearNetwork, final: DeepLinearNetwork) -> float:
    """Return the largest change of an eigenvalue of an invariant, which no change of basis between layers moves."""
    drift = 0.0
    for l in range(1, start.depth):
        before, after = (np.linalg.eigvalsh(network.invariant(l)) for network in (start, final))
        size = max(float(np.linalg.norm(start.layers[k], 2) ** 2) for k in (l - 1, l))
        drift = max(drift, float(np.abs(after - before).max()) / max(size, 1e-300))
    return drift
