"""What the flow of a shallow network obeys at every output, computed anew from weights, modes and data alone."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from .._typing import FloatArray, IntArray
from ..flow.trajectory import Trajectory
from . import euler
from .sliding import velocities

# Outputs whose multipliers are solved for: spread over the run, as each costs a solve per sliding neuron.
_LOOKED_AT = 25
# Below this share of the first loss residuals are next to rounding, and the curvature with them.
_FITTED = 1e-16
# A reference that errs by more than this share of the largest preactivation decides nothing.
_DECISIVE = 0.05
# Where pairs slide its steps chatter, and what it says of its error is short of it by some factor.
_CHATTER = 10.0


def shallow_faults(traj: Trajectory, tolerance: float, accuracy: float, reference_steps: int | None) -> Iterator[str]:
    """Say what is wrong with the flow of a shallow network."""
    start, T = traj.networks.start, len(traj.t)
    shapes = {name: np.shape(getattr(traj, name)) for name in ("curvature_lower", "curvature_upper", "events", "steps")}
    shapes |= {name: np.shape(getattr(traj, name)) for name in ("active", "inactive", "sliding")}
    wrong = {name: shape for name, shape in shapes.items() if shape != (T,)}
    if wrong or traj.residuals.shape != (T, traj.data.n) or len(traj.networks) != T:
        yield f"the series of {T} outputs have the shapes {wrong or traj.residuals.shape}"
        return
    room = tolerance * traj.curvature_upper + 1e-300
    for k in np.flatnonzero(traj.curvature < traj.curvature_lower - room)[:1]:
        yield f"at t = {traj.t[k]:.6g} the curvature {traj.curvature[k]:.9g} is below {traj.curvature_lower[k]:.9g}"
    for k in np.flatnonzero(traj.curvature > traj.curvature_upper + room)[:1]:
        yield f"at t = {traj.t[k]:.6g} the curvature {traj.curvature[k]:.9g} is above {traj.curvature_upper[k]:.9g}"

    kept = traj.networks.kept
    chosen = kept[np.unique(np.linspace(0, len(kept) - 1, _LOOKED_AT).astype(int))] if len(kept) else kept
    for k in chosen:
        faults = list(_state_faults(traj, int(k), tolerance))
        if faults:
            yield f"at t = {traj.t[k]:.6g}: " + ", ".join(faults)
            break
    yield from _energy_faults(traj, kept, accuracy)

    final, size = traj.final, _scale(traj)
    if (final.p, final.d, final.slope) != (start.p, start.d, start.slope):
        yield f"the final network is {final!r}, the start {start!r}"
        return
    drift = _drift(start.W, start.a, final.W, final.a)
    if drift > tolerance:
        yield f"the final network has a^2 - |w|^2 off by {drift:.3g} of its size"
    loss = final.loss(traj.data)
    if loss > traj.loss[-1] * (1 + tolerance) + (tolerance * size) ** 2:
        yield f"the final network has the loss {loss:.9g}, above the last, {traj.loss[-1]:.9g}"
    if reference_steps is not None:
        yield from _reference_faults(traj, chosen, accuracy, reference_steps)


def _weights(traj: Trajectory, k: int) -> tuple[FloatArray, FloatArray]:
    """Return W and a as stored, with nothing repaired."""
    networks, row = traj.networks, int(traj.networks.at[k])
    moved = networks.moved[row]
    return networks.start.W + (moved if traj.data.d <= traj.data.n else (traj.data.X.T @ moved.T).T), networks.a[row]


def _inputs(traj: Trajectory) -> FloatArray:
    return traj.data.X.toarray() if traj.data.is_sparse else traj.data.X


def _scale(traj: Trajectory) -> float:
    """Size of labels and outputs, which rounding is relative to."""
    return float(np.abs(traj.data.y).max() + np.abs(traj.residuals).max())


def _drift(W0: FloatArray, a0: FloatArray, W: FloatArray, a: FloatArray) -> float:
    """Return the largest change of a^2 - |w|^2, relative to the sizes of then and now."""
    now, then = (np.einsum("jk,jk->j", V, V) for V in (W, W0))
    size = a * a + now + a0 * a0 + then
    return float(np.max(np.abs((a * a - now) - (a0 * a0 - then)) / np.where(size > 0, size, 1.0)))


def _state_faults(traj: Trajectory, k: int, tolerance: float) -> Iterator[str]:
    data, start, X = traj.data, traj.networks.start, _inputs(traj)
    (W, a), modes = _weights(traj, k), traj.networks.mode_map(k)
    if not (np.isfinite(W).all() and np.isfinite(a).all()):
        yield "weights are not finite"
        return
    drift = _drift(start.W, start.a, W, a)
    if drift > tolerance:
        yield f"a^2 - |w|^2 is off by {drift:.3g} of its size"
    z = W @ X.T
    r = data.y - a @ np.where(z > 0, z, start.slope * z) / start.p
    if (gap := float(np.abs(r - traj.residuals[k]).max())) > tolerance * _scale(traj):
        yield f"the residuals are not those of the network by {gap:.3g}"
    if abs(traj.loss[k] - r @ r / (2 * data.n)) > tolerance * (traj.loss[k] + tolerance * _scale(traj) ** 2):
        yield f"the loss {traj.loss[k]:.9g} is not that of the network, {r @ r / (2 * data.n):.9g}"

    counts = tuple(int((modes == mode).sum()) for mode in (1, -1, 0))
    if counts != (found := (int(traj.active[k]), int(traj.inactive[k]), int(traj.sliding[k]))):
        yield f"(active, inactive, sliding) pairs are counted as {found}, the modes say {counts}"
    # Weights are what they were plus what they moved by: rounding is relative to either.
    lengths = np.linalg.norm(W, axis=1) + 1e-6 * np.linalg.norm(start.W, axis=1)
    room = np.maximum(tolerance, 1e-9) * np.outer(lengths, data.norms)
    if (stray := np.argwhere((modes == 0) & (np.abs(z) > room))).size:
        j, i = stray[0]
        yield f"pair ({j}, {i}) slides at z = {z[j, i]:.3g}"
    if (stray := np.argwhere((modes * z < -room) & (modes != 0))).size:
        j, i = stray[0]
        yield f"pair ({j}, {i}) has the mode {modes[j, i]} at z = {z[j, i]:.3g}"

    residuals = traj.residuals[k]  # what the modes were settled with
    speeds, leaving = velocities(X, a, residuals, modes, start.slope)
    if leaving.max(initial=0.0) > tolerance:
        j, i = np.unravel_index(int(np.argmax(leaving)), leaving.shape)
        yield f"no multiplier in [{start.slope:g}, 1] holds pair ({j}, {i}): z moves at {leaving[j, i]:.3g} of its pull"
    a_speeds = np.where(modes == 1, z, np.where(modes == -1, start.slope * z, 0.0)) @ residuals / data.n
    if traj.loss[k] > _FITTED * traj.loss[0]:
        mu = float(np.vdot(speeds, speeds) + a_speeds @ a_speeds) / start.p / traj.loss[k]
        if abs(mu - traj.curvature[k]) > 10 * tolerance * traj.curvature_upper[k] + 1e-300:
            yield f"the curvature is given as {traj.curvature[k]:.9g}, the velocities make it {mu:.9g}"


def _energy_faults(traj: Trajectory, kept: IntArray, accuracy: float) -> Iterator[str]:
    """Check |theta(t) - theta(s)|^2 <= p (t - s) (L(s) - L(t)), which |theta'|^2 = -p L' makes of every flow.

    It holds however far apart the outputs are, with near equality where they are close.
    """
    size = float(np.sqrt(np.sum(traj.networks.start.W**2) + np.sum(traj.networks.start.a**2)))
    chosen = kept[np.unique(np.linspace(0, len(kept) - 1, 8 * _LOOKED_AT).astype(int))] if len(kept) else kept
    for before, after in pairwise(chosen):
        (W0, a0), (W1, a1) = _weights(traj, int(before)), _weights(traj, int(after))
        moved = float(np.sqrt(np.sum((W1 - W0) ** 2) + np.sum((a1 - a0) ** 2)))
        fall = float(traj.loss[before] - traj.loss[after]) + 1e-15 * _scale(traj) ** 2
        most = float(np.sqrt(len(a0) * (traj.t[after] - traj.t[before]) * fall))
        if moved > most + 3 * accuracy * size:  # the run errs by its tolerance, at either end
            yield (
                f"between t = {traj.t[before]:.6g} and {traj.t[after]:.6g} the weights move by {moved:.6g}, where the "
                f"fall of the loss pays for {most:.6g}"
            )
            return


def _reference_faults(traj: Trajectory, chosen: IntArray, accuracy: float, steps: int) -> Iterator[str]:
    start, X = traj.networks.start, _inputs(traj)
    for k in dict.fromkeys(int(chosen[share * (len(chosen) - 1) // 3]) for share in (1, 2, 3)):
        if traj.t[k] == 0:
            continue
        exact = euler.flow(start.W, start.a, X, traj.data.y, float(traj.t[k]), steps, start.slope)
        size = max(float(np.abs(exact.z).max()), float(np.abs(exact.a).max()))
        if not exact.error <= _DECISIVE * size:
            yield f"{steps} steps of the reference are too few to t = {traj.t[k]:.6g}: it errs by {exact.error:.3g}"
            return
        W, a = _weights(traj, k)
        gap = max(float(np.abs(W @ X.T - exact.z).max()), float(np.abs(a - exact.a).max()))
        if gap > _CHATTER * exact.error + 100 * accuracy * size:
            yield f"at t = {traj.t[k]:.6g} it is off the reference by {gap:.3g}, which errs by {exact.error:.3g}"
            return
