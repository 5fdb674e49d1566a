"""Trajectories in files: one .npz with all that is needed to go on, and no pickle."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np

from .. import _stored as stored
from .._files import atomic_writer, saved_arrays
from .._outcome import Outcome
from ..data.dataset import Dataset
from ..networks.shallow import ShallowNetwork
from .audit import Audit
from .trajectory import Snapshots, Trajectory

_FORMAT = "thalweg-trajectory-1"
_SERIES = ("t", "loss", "curvature", "curvature_lower", "curvature_upper")
_COUNTS = ("active", "inactive", "sliding", "events", "steps")
_SNAPSHOTS = ("at", "moved", "a", "modes")


def save(traj: Trajectory, path: str | Path) -> Path:
    """Write a trajectory to one .npz file, atomically."""
    arrays = {name: getattr(traj, name) for name in (*_SERIES, "residuals", *_COUNTS)}
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
        words = stored.words(parts)
        data = data_from(parts, words)
        start, final = (network_from(name, parts, words, data) for name in ("start", "final"))
        series = stored.series(parts, _SERIES)
        count = len(series["t"])
        series |= stored.series(parts, _COUNTS, "iu", length=count)
        audit = Audit(**words["audit"])
        stored.numbers(words["audit"], words["audit"])
        return Trajectory(
            **series,
            residuals=stored.array(parts, "residuals", (count, data.n)),
            networks=Snapshots(start, data, **_snapshots(parts, start, data, count)),
            final=final,
            outcome=Outcome[words["outcome"]],
            audit=audit,
            data=data,
            settings=stored.settings(words, ("t_end", "rtol"), ("method",)),
        )


def _snapshots(parts: dict[str, Any], start: ShallowNetwork, data: Dataset, count: int) -> dict[str, Any]:
    at = stored.array(parts, "snapshots_at", (count,), "iu")
    rows = int(at.max()) + 1
    moved = stored.array(parts, "snapshots_moved", (-1, start.p, min(data.d, data.n)))
    if at.min() < -1 or rows > len(moved):
        raise ValueError("'snapshots_at' points to networks that are not there")
    return {
        "at": at,
        "moved": moved,
        "a": stored.array(parts, "snapshots_a", (len(moved), start.p)),
        "modes": stored.array(parts, "snapshots_modes", (len(moved), start.p, data.n), "iu"),
    }


def network_parts(prefix: str, network: ShallowNetwork) -> dict[str, Any]:
    """Return the arrays of a network, by the names under which they are stored."""
    return {f"{prefix}_{name}": getattr(network, name) for name in ("W", "a", "invariant")}


def network_from(prefix: str, parts: dict[str, Any], words: dict[str, Any], data: Dataset) -> ShallowNetwork:
    """Return the network stored under these names, for these data."""
    W, a, invariant = (parts[f"{prefix}_{name}"] for name in ("W", "a", "invariant"))
    network = ShallowNetwork(W, a, words["activation"], words["slope"], invariant)
    if network.d != data.d:
        raise ValueError(f"the network {prefix!r} has {network.d} inputs, the data have {data.d}")
    return network


def data_parts(data: Dataset) -> dict[str, Any]:
    """Return the arrays of a data set, by the names under which they are stored."""
    X: Any = data.X
    if not data.is_sparse:
        return {"y": data.y, "X": X}
    return {"y": data.y, "X_data": X.data, "X_indices": X.indices, "X_indptr": X.indptr}


def data_from(parts: dict[str, Any], words: dict[str, Any]) -> Dataset:
    """Return the data set stored."""
    stored.texts(words, ["name"])
    if "X" in parts:
        return Dataset(parts["X"], parts["y"], words["name"])
    from scipy.sparse import csr_array

    indices, indptr = (stored.array(parts, name, (-1,), "iu") for name in ("X_indices", "X_indptr"))
    X = csr_array((stored.array(parts, "X_data", (-1,)), indices, indptr), shape=tuple(words["shape"]))
    X.check_format(full_check=True)  # a column index out of range would be read from foreign memory
    return Dataset(X, parts["y"], words["name"])
