"""Trajectories in files: one .npz with all that is needed to go on, and no pickle."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from .._files import atomic_writer, saved_arrays
from .._outcome import Outcome
from ..data.dataset import Dataset
from ..networks.shallow import ShallowNetwork
from .audit import Audit
from .trajectory import Snapshots, Trajectory

_FORMAT = "thalweg-trajectory-1"
_SERIES = (
    "t",
    "loss",
    "curvature",
    "curvature_lower",
    "curvature_upper",
    "residuals",
    "active",
    "inactive",
    "sliding",
    "events",
    "steps",
)
_SNAPSHOTS = ("at", "moved", "a", "modes")


def save(traj: Trajectory, path: str | Path) -> Path:
    """Write a trajectory to one .npz file, atomically."""
    arrays = {name: getattr(traj, name) for name in _SERIES}
    arrays |= {f"snapshots_{name}": getattr(traj.networks, name) for name in _SNAPSHOTS}
    arrays |= network_parts("start", traj.networks.start) | network_parts("final", traj.final)
    arrays |= data_parts(traj.data)
    words = {
        "name": traj.data.name,
        "shape": [traj.data.n, traj.data.d],
        "activation": traj.final.activation,
        "slope": traj.final.slope,
        "outcome": traj.outcome.name,
        "audit": dataclasses.asdict(traj.audit),
        "settings": traj.settings,
    }
    with atomic_writer("Trajectory.save", path) as stream:
        # json writes floats so that they are read back to the last bit.
        np.savez(stream, format=np.array(_FORMAT), words=np.array(json.dumps(words)), **arrays)
    return Path(path)


def load(path: str | Path) -> Trajectory:
    """Read a trajectory written by `save`."""
    with saved_arrays("Trajectory", path, _FORMAT) as parts:
        words = json.loads(str(parts["words"]))
        data = data_from(parts, words)
        snapshots = {name: parts[f"snapshots_{name}"] for name in _SNAPSHOTS}
        return Trajectory(
            **{name: parts[name] for name in _SERIES},
            networks=Snapshots(network_from("start", parts, words), data, **snapshots),
            final=network_from("final", parts, words),
            outcome=Outcome[words["outcome"]],
            audit=Audit(**words["audit"]),
            data=data,
            settings=words["settings"],
        )


def network_parts(prefix: str, network: ShallowNetwork) -> dict[str, Any]:
    """Return the arrays of a network, by the names under which they are stored."""
    return {f"{prefix}_{name}": getattr(network, name) for name in ("W", "a", "invariant")}


def network_from(prefix: str, parts: dict[str, Any], words: dict[str, Any]) -> ShallowNetwork:
    """Return the network stored under these names."""
    W, a, invariant = (parts[f"{prefix}_{name}"] for name in ("W", "a", "invariant"))
    return ShallowNetwork(W, a, words["activation"], words["slope"], invariant)


def data_parts(data: Dataset) -> dict[str, Any]:
    """Return the arrays of a data set, by the names under which they are stored."""
    X: Any = data.X
    if not data.is_sparse:
        return {"y": data.y, "X": X}
    return {"y": data.y, "X_data": X.data, "X_indices": X.indices, "X_indptr": X.indptr}


def data_from(parts: dict[str, Any], words: dict[str, Any]) -> Dataset:
    """Return the data set stored."""
    if "X" in parts:
        return Dataset(parts["X"], parts["y"], words["name"])
    from scipy.sparse import csr_array

    X = csr_array((parts["X_data"], parts["X_indices"], parts["X_indptr"]), shape=tuple(words["shape"]))
    return Dataset(X, parts["y"], words["name"])
