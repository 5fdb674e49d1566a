"""Trials of a study behind a figure: run in a folder of their own, by as many processes as wanted."""

from __future__ import annotations

from tempfile import TemporaryDirectory

import numpy as np

from .._errors import InputError
from ..study import processes, results, run_study, serial
from ..study.cell import Cell
from ..study.progress import Progress as Made
from ..study.runner import Ending
from ..study.spec import Study
from .base import Work


def run_trials(
    study: Study, work: Work, text: str, first: float = 0.0, last: float = 1.0
) -> list[tuple[Cell, np.ndarray]]:
    """Run a study, and return its cells with their trials, arrays of dtype `thalweg.study.cell.TRIAL`.

    Its share of the whole figure is from `first` to `last`, as `work.progress` is told with the text.

    Raises
    ------
    KeyboardInterrupt
        At Ctrl-C: half a study is no figure.
    InputError
        If trials failed.
    """

    def show(made: Made) -> None:
        work.progress(first + (last - first) * made.made / max(made.most, 1), text)

    with TemporaryDirectory(prefix="thalweg-") as folder:
        crew = serial() if work.workers == 1 else processes(work.workers)
        report = run_study(study, folder, crew, on_progress=show)
        if report.ending is Ending.INTERRUPTED:
            raise KeyboardInterrupt
        if report.ending is not Ending.COMPLETE:
            raise InputError(f"{report.ending} {' '.join(report.problems)}")
        return list(results(folder))
