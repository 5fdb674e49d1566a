"""What the verbs share: how they print, for people and for machines, and where they may write."""

from __future__ import annotations

import json
import math
import os
import shlex
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .._errors import InputError

if TYPE_CHECKING:
    from ..certify import Certificate
    from ..descent.shallow import DescentTrajectory
    from ..flow.linear import LinearTrajectory
    from ..flow.trajectory import Trajectory

ReportOption = Annotated[Path | None, typer.Option(help="Write a self-contained HTML report here.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object instead, for machines.")]


def writable(option: str, path: Path | None) -> None:
    """Refuse an output path before anything is computed; the option is named in the message."""
    if path is None:
        return
    if os.path.isdir(path) or not os.path.isdir(path.parent):
        raise InputError(f"{option} must be a file in an existing folder. Got {str(path)!r}.")
    try:
        with tempfile.TemporaryFile(dir=path.parent):  # permission bits do not tell the whole truth
            pass
    except OSError as error:
        raise InputError(f"{option} cannot write {str(path)!r}: {error.strerror}. Choose another folder.") from None


@contextmanager
def folder_for(option: str, folder: Path) -> Iterator[None]:
    """Make a folder, with those it is in, for what is written within; it goes again if nothing was."""
    made = [each for each in (folder, *folder.parents) if not os.path.exists(each)]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{option} cannot be the folder {str(folder)!r}: {error.strerror}. Choose another.") from None
    try:
        yield
    finally:
        with suppress(OSError):  # the first that holds something, and so all that hold it, stay
            for each in made:
                each.rmdir()


def say(label: str, text: str) -> None:
    """Print one labelled line, in the columns of the tables."""
    typer.echo(f"{label:<10} {text}")


def print_json(answer: dict[str, Any]) -> None:
    """Print strict JSON: null stands for NaN and infinity."""
    typer.echo(json.dumps(_finite(answer), allow_nan=False))


def command_line() -> str:
    """Return the command that is running, as one would type it."""
    return shlex.join(["thalweg", *sys.argv[1:]])


def refuse_outputs(out: Path | None, report: Path | None) -> None:
    """Refuse to save a run and its report where they cannot be written, or to one file."""
    writable("--out", out)
    writable("--report", report)
    if out is not None and out == report:
        raise InputError(f"--out and --report must be two files. Got {str(out)!r} for both.")


def keep(
    run: Trajectory | LinearTrajectory | DescentTrajectory,
    out: Path | None,
    report: Path | None,
    seed: int,
    certify: bool = False,
) -> list[Path]:
    """Save a run, and its report, where they are wanted; return the files."""
    saved = [] if out is None else [run.save(out)]
    if report is not None:
        from ..report import write

        saved.append(write(run, report, command=command_line(), seed=seed, certify=certify))
    return saved


def finish(
    traj: Trajectory | LinearTrajectory | DescentTrajectory,
    numbers: dict[str, Any],
    saved: list[Path],
    as_json: bool,
    loss_below: float | None,
    certificate: Certificate | None = None,
) -> None:
    """Print a run, with what is proved of its end and where it is saved, and end with its exit code."""
    if as_json:
        proof = {"certificate": certificate.to_dict()} if certificate else {}
        print_json(numbers | proof | {"saved": [str(path) for path in saved]})
    else:
        typer.echo(str(traj))
        if certificate:
            typer.echo(str(certificate))
        if saved:
            say("saved", ", ".join(str(path) for path in saved))
    missed = loss_below is not None and not traj.loss[-1] <= loss_below
    unproved = certificate is not None and certificate.verdict != "converges"
    if missed or unproved or traj.outcome.failed or traj.outcome.name == "INTERRUPTED":
        raise typer.Exit(1)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
