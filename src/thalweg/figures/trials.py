"""Trials of a study behind a figure: run in a folder of their own, by as many processes as wanted."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from .._errors import InputError
from .base import Work

if TYPE_CHECKING:
    from ..study.cell import Cell
    from ..study.progress import Progress as Made
    from ..study.spec import Study


def study_of(**sections: Mapping[str, Any]) -> Study:
    """Return the study of a specification: the sections of its TOML, each with its keys.

    Examples
    --------
    >>> from thalweg.figures.trials import study_of
    >>> study_of(
    ...     study={"name": "small", "method": "flow"},
    ...     grid={"n": [4, 6], "d": 8, "p": 5},
    ...     trials={"repetitions": 3, "seed": 7},
    ...     success={"certified": True},
    ... )
    Study('small', 2 cells, at most 6 trials)
    """
    from ..study import Study

    # Texts, numbers, truth values and lists of them are written in TOML as in JSON.
    lines = []
    for section, keys in sections.items():
        lines += [f"[{section}]", *(f"{key} = {json.dumps(value)}" for key, value in keys.items())]
    return Study.from_toml("\n".join(lines))


def run_trials(
    study: Study, work: Work, text: str, first: float = 0.0, last: float = 1.0
) -> list[tuple[Cell, np.ndarray]]:
    """Run a study, and return its cells with their trials, arrays of dtype `thalweg.study.cell.TRIAL`.

    Its share of the whole figure is from `first` to `last`, as `work.progress` is told with the text. In `work.store`
    it has a folder named after it and its specification, and goes on where it was interrupted.

    Raises
    ------
    KeyboardInterrupt
        At Ctrl-C: half a study is no figure.
    InputError
        If trials failed.
    """
    from ..study import processes, results, run_study, serial
    from ..study.runner import Ending

    def show(made: Made) -> None:
        work.progress(first + (last - first) * made.made / max(made.most, 1), text)

    with _folder(study, work) as folder:
        crew = serial() if work.workers == 1 else processes(work.workers)
        report = run_study(study, folder, crew, on_progress=show)
        if report.ending is Ending.INTERRUPTED:
            raise KeyboardInterrupt
        if report.ending is not Ending.COMPLETE:
            raise InputError(f"{report.ending} {' '.join(report.problems)}")
        return list(results(folder))


@contextmanager
def _folder(study: Study, work: Work) -> Iterator[Path]:
    if work.store is None:
        with TemporaryDirectory(prefix="thalweg-") as folder:
            yield Path(folder)
    else:
        yield work.store / f"{study.name}-{hashlib.sha256(study.text.encode()).hexdigest()[:8]}"
