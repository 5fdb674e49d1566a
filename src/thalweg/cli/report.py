"""thalweg report: one self-contained page on saved runs and studies."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .._errors import InputError
from .._files import saved_kind
from ._output import JsonOption, command_line, print_json, say, writable

if TYPE_CHECKING:
    from ..report.html import Reported


def report(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN.npz|STORE...", help="Saved runs (.npz), and stores of studies.")
    ],
    out: Annotated[Path, typer.Option(help="Write the page here (.html).")],
    title: Annotated[str | None, typer.Option(help="Heading of the page.")] = None,
    certify: Annotated[
        bool, typer.Option("--certify", help="Certify states of each run, and draw when it was decided: takes time.")
    ] = False,
    check: Annotated[
        bool | None,
        typer.Option(
            help="Check the hypotheses of theorems on each start. [default: where it takes seconds]", show_default=False
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write one self-contained HTML page on saved runs and studies, complete or not. It opens offline.

    Runs are those that flow and descend save with --out; a study is the folder of its store.

    Examples:

      thalweg report run.npz --out run.html

      thalweg report run.npz --certify --out run.html

      thalweg report flow.npz descent.npz --title "Flow and descent" --out both.html

      thalweg report results --out study.html
    """
    writable("--out", out)
    if out in runs:
        raise InputError(f"--out must be another file than the runs. Got {str(out)!r}.")
    found = [_load(path) for path in runs]
    from ..report import write

    write(found, out, title=title, command=command_line(), certify=certify, check=check)
    if as_json:
        print_json({"saved": [str(out)]})
    else:
        say("report", f"{out} (one file, opens offline)")


def _load(path: Path) -> Reported:
    """Read a run or a study, of whatever kind it is."""
    if os.path.isdir(path):
        from ..study import results

        return results(path)
    from ..descent import DescentTrajectory
    from ..flow.linear import LinearTrajectory
    from ..flow.loss_trajectory import LossTrajectory
    from ..flow.trajectory import Trajectory

    readers: dict[str, Any] = {
        "thalweg-linear-trajectory": LinearTrajectory,
        "thalweg-loss-trajectory": LossTrajectory,
        "thalweg-descent": DescentTrajectory,
    }
    return readers.get(saved_kind(path), Trajectory).load(path)
