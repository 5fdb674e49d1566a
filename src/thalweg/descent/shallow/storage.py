"""Descents in files: one .npz with all that is needed to go on, and no pickle."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ..._descent_outcome import DescentOutcome
from ..._files import atomic_writer, saved_arrays
from ...flow.storage import data_from, data_parts, network_from, network_parts
from .trajectory import DescentTrajectory

_FORMAT = "thalweg-descent-1"
_SERIES = ("iteration", "loss", "curvature", "curvature_discrete", "residuals")


def save(traj: DescentTrajectory, path: str | Path) -> Path:
    """Write a descent to one .npz file, atomically."""
    arrays = {name: getattr(traj, name) for name in _SERIES} | data_parts(traj.data)
    arrays |= network_parts("start", traj.start) | network_parts("final", traj.final)
    words = {
        "name": traj.data.name,
        "shape": [traj.data.n, traj.data.d],
        "activation": traj.final.activation,
        "slope": traj.final.slope,
        "outcome": traj.outcome.name,
        "settings": traj.settings,
    }
    with atomic_writer("DescentTrajectory.save", path) as stream:
        np.savez(stream, format=np.array(_FORMAT), words=np.array(json.dumps(words)), **arrays)
    return Path(path)


def load(path: str | Path) -> DescentTrajectory:
    """Read a descent written by `save`."""
    with saved_arrays("DescentTrajectory", path, _FORMAT) as parts:
        words = json.loads(str(parts["words"]))
        return DescentTrajectory(
            **{name: parts[name] for name in _SERIES},
            start=network_from("start", parts, words),
            final=network_from("final", parts, words),
            outcome=DescentOutcome[words["outcome"]],
            data=data_from(parts, words),
            settings=words["settings"],
        )
