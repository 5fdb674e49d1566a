"""Descents in files: one .npz with all that is needed to go on, and no pickle."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from ... import _stored as stored
from ..._descent_outcome import DescentOutcome
from ..._files import atomic_writer, saved_arrays
from ...flow.storage import data_from, data_parts, network_from, network_parts
from .trajectory import DescentTrajectory
from .words import ROUTES

_FORMAT = "thalweg-descent-1"
_SERIES = ("loss", "curvature", "curvature_discrete")


def save(traj: DescentTrajectory, path: str | Path) -> Path:
    """Write a descent to one .npz file, atomically."""
    arrays = {name: getattr(traj, name) for name in ("iteration", *_SERIES, "residuals")} | data_parts(traj.data)
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
        words = stored.words(parts)
        data = data_from(parts, words)
        series = stored.series(parts, _SERIES)
        count = len(series["loss"])
        settings = stored.settings(words, ("step_size", "steps"), ("precision", "route"))
        if settings["route"] not in ROUTES:
            raise ValueError(f"the route is {settings['route']!r}")
        return DescentTrajectory(
            **series,
            iteration=stored.array(parts, "iteration", (count,), "iu"),
            residuals=stored.array(parts, "residuals", (count, data.n)),
            start=network_from("start", parts, words, data),
            final=network_from("final", parts, words, data),
            outcome=DescentOutcome[words["outcome"]],
            data=data,
            settings=settings,
        )
