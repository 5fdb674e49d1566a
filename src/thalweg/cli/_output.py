"""What the verbs share: how they print, for people and for machines, and where they may write."""

from __future__ import annotations

import dataclasses
import json
import math
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .. import _validate as check
from .._errors import InputError

if TYPE_CHECKING:
    from ..flow.trajectory import Trajectory

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead, for machines.")]


def writable(option: str, path: Path | None) -> None:
    """Refuse an output path before anything is computed; the option is named in the message."""
    if path is None:
        return
    check.output_path(option, path)
    try:
        with tempfile.TemporaryFile(dir=path.parent):  # permission bits do not tell the whole truth
            pass
    except OSError as error:
        raise InputError(f"{option} cannot write {str(path)!r}: {error.strerror}. Choose another folder.") from None


def say(label: str, text: str) -> None:
    """Print one labelled line, in the columns of the tables."""
    typer.echo(f"{label:<10} {text}")


def print_json(answer: dict[str, Any]) -> None:
    """Print strict JSON: null stands for NaN and infinity."""
    typer.echo(json.dumps(_finite(answer), allow_nan=False))


def in_numbers(traj: Trajectory) -> dict[str, Any]:
    """Return the end of a trajectory as plain numbers and words."""
    return {
        "data": {"name": traj.data.name, "n": traj.data.n, "d": traj.data.d},
        "network": {"p": traj.final.p, "activation": traj.final.activation, "slope": traj.final.slope},
        "outcome": traj.outcome.name,
        "message": str(traj.outcome),
        "t": float(traj.t[-1]),
        "loss_at_start": float(traj.loss[0]),
        "loss": float(traj.loss[-1]),
        "curvature": float(traj.curvature[-1]),
        "curvature_lower": float(traj.curvature_lower[-1]),
        "curvature_upper": float(traj.curvature_upper[-1]),
        "average_curvature": float(traj.average_curvature[-1]),
        "modes": {name: int(getattr(traj, name)[-1]) for name in ("active", "inactive", "sliding")},
        "events": int(traj.events.sum()),
        "steps": int(traj.steps.sum()),
        "audit": dataclasses.asdict(traj.audit),
        "settings": traj.settings,
    }


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
