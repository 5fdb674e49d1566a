"""What a study would take: time, memory and disk, forecast before it is sent to a cluster."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from pathlib import Path

from .. import _validate as check
from .._errors import InputError
from .cell import TRIAL
from .costs import CostModel, array_bytes
from .progress import costs_of
from .runner import CHUNK_SECONDS
from .spec import Study, accept
from .store import Store
from .work import Task, perform

# A process with the libraries loaded; the header of a chunk with its entry in the index; the unit of a file system.
_PROCESS, _HEADER, _BLOCK = 250e6, 1000, 4096
# Seconds for trials to time if there is no store with timings.
_PILOT = 10.0


@dataclass(frozen=True)
class Plan:
    """A forecast.

    Attributes
    ----------
    trials, stored : int
        Trials the study needs at most, and those of them that are in the store.
    workers : int
    core_hours : float
        Of all trials that are left.
    wall_hours : float
        With these workers, the last of which may begin its last chunk when the others are done.
    longest_trial : float
        Seconds of the longest trial.
    memory : float
        Bytes for each worker.
    disk : float
        Bytes of the whole store.
    timed : int
        Trials whose timings the forecast rests on.

    Examples
    --------
    >>> import tempfile, thalweg as tw
    >>> study = tw.study.Study.from_toml('''
    ... study = {name = "small", method = "descend"}
    ... grid = {n = [5, 10], d = 10, p = 20}
    ... trials = {repetitions = 3, seed = 7}
    ... descend = {steps = "published"}
    ... success = {loss_below = "1/(2n)"}
    ... ''')
    >>> folder = tempfile.mkdtemp()
    >>> made = tw.study.run_study(study, folder).made
    >>> forecast = tw.study.plan(study, workers=2, store=folder)
    >>> forecast.trials, forecast.stored, forecast.timed, forecast.core_hours
    (6, 6, 6, 0.0)
    """

    trials: int
    stored: int
    workers: int
    core_hours: float
    wall_hours: float
    longest_trial: float
    memory: float
    disk: float
    timed: int


def plan(study: Study, workers: int, store: str | Path | None = None) -> Plan:
    """Forecast what the rest of a study would take.

    Parameters
    ----------
    study : Study
    workers : int
    store : path, optional
        A store with timings to learn from, of any study; trials of this one (the same name and seed) need not be made
        again. Where it has none, a few trials are timed first, of the smallest cell, the largest and some between: for
        some ten seconds for each method, or for as long as a single trial takes.

    Examples
    --------
    >>> import thalweg as tw
    >>> study = tw.study.Study.from_toml('''
    ... [study]
    ... name = "million"
    ... method = "descend"
    ... [grid]
    ... n = [5, 10]
    ... d = 10
    ... p = 20
    ... [trials]
    ... repetitions = 500_000
    ... seed = 7
    ... [descend]
    ... steps = 20
    ... [success]
    ... loss_below = "1/(2n)"
    ... ''')
    >>> forecast = tw.study.plan(study, workers=1000)
    >>> forecast.trials, forecast.core_hours > forecast.wall_hours > 0
    (1000000, True)
    """
    accept("plan", study)
    workers = check.positive_int("plan", "workers", workers)
    opened = Store.reading(store) if store is not None else None
    costs = costs_of(opened) if opened is not None else CostModel()
    kept = opened if opened is not None and opened.study.same_trials(study) else None
    timed = sum(entry.count for entry in opened.entries) if opened is not None else 0
    if any(costs.seconds(cell) is None for cell in study.cells):
        timed += _time_some(study, costs)
    work, disk, trials, stored, longest = 0.0, 0.0, 0, 0, 0.0
    for cells, most in study.distinct():
        each = [costs.seconds(cell) or 0.0 for cell in cells]
        here = min(sum(len(kept.done(cell)) for cell in cells), most) if kept is not None else 0
        mean = sum(each) / len(each)
        chunks = max(len(cells), most * mean / CHUNK_SECONDS)
        disk += most * TRIAL.itemsize + chunks * (_HEADER + _BLOCK / 2)
        work, longest = work + (most - here) * mean, max(longest, *each, 0.0)
        trials, stored = trials + most, stored + here
    chunk = min(max(longest, min(CHUNK_SECONDS, work / (4 * workers))), work)
    memory = _PROCESS + max(array_bytes(cell) for cell in study.cells)
    wall = work / workers + (chunk if workers > 1 else 0.0)
    return Plan(trials, stored, workers, work / 3600, wall / 3600, longest, memory, math.ceil(disk), timed)


def _time_some(study: Study, costs: CostModel) -> int:
    """Time trials of cells of each method, the smallest and the largest first, then those between."""
    timed = 0
    for method in dict.fromkeys(cell.method for cell in study.cells):
        cells = sorted((cell for cell in study.cells if cell.method == method), key=array_bytes)
        end, error = time.perf_counter() + _PILOT, None
        for cell in dict.fromkeys([cells[0], cells[len(cells) // 2], cells[-1], *cells]):
            left, expected = end - time.perf_counter(), costs.seconds(cell)
            if left <= 0 and (expected is not None or error is not None):
                break
            if expected is not None and expected > left:
                continue
            done = perform(Task(study.seed, cell, 0, 3))
            if done.interrupted:
                raise KeyboardInterrupt
            error = done.error
            if done.chunk is not None:
                costs.observe(cell, len(done.chunk.trials), done.chunk.seconds)
                timed += len(done.chunk.trials)
        if costs.seconds(cells[0]) is None:
            raise InputError(f"No trial of the method {method!r} could be timed: {error}.")
    return timed
