"""What a worker does: the trials of one chunk, on one thread of BLAS. It knows no store."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np

from .cell import TRIAL, Cell
from .chunk import Chunk


@dataclass(frozen=True)
class Task:
    """Some consecutive trials of a cell, [first, last)."""

    seed: int
    cell: Cell
    first: int
    last: int


@dataclass(frozen=True, eq=False)
class Done:
    """What became of a task: the results up to the first trial that raised, and what that one said; or up to Ctrl-C."""

    task: Task
    chunk: Chunk | None
    error: str | None
    interrupted: bool = False


def perform(task: Task) -> Done:
    """Run the trials of a task. The result does not depend on the process, nor on what ran in it before."""
    from .. import __version__
    from ..flow.solve import blas_libraries

    records, error, interrupted = [], None, False
    with blas_libraries().limit(limits=1, user_api="blas"):
        _warm_up(task.cell.method, task.cell.law)
        begun = time.perf_counter()
        for trial in range(task.first, task.last):
            try:
                records.append(task.cell.run(task.seed, trial))
            except KeyboardInterrupt:
                interrupted = True  # the trials before this one are finished, and kept
                break
            except Exception as raised:
                error = f"trial {trial} of {task.cell.label}: {type(raised).__name__}: {' '.join(str(raised).split())}"
                break
        seconds = time.perf_counter() - begun
    chunk = None
    if records:
        trials = np.array(records, TRIAL)
        chunk = Chunk(task.seed, task.cell, trials, seconds, time.time(), _memory(), __version__)
    return Done(task, chunk, error, interrupted)


@cache
def _warm_up(method: str, law: str) -> None:
    """Load what the first trial of a process would load, so that timings are those of trials."""
    if ":" not in method:
        rules: dict[str, Any] = {"step_size": 1.0, "steps": 1} if method == "descend" else {"t_end": 1e-3, "rtol": 1e-3}
        d = 2 if law == "orthogonal" else 3
        Cell(n=2, d=d, p=2, law=law, method=method, loss_below=1e-9, **rules).run(0, 0)


def _memory() -> float:
    """Return the largest resident size of this process so far, in bytes."""
    try:
        import resource
        import sys
    except ImportError:  # Windows
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return float(peak if sys.platform == "darwin" else 1024 * peak)
