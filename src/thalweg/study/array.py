"""A study as a plain SLURM array: every job computes its share and leaves the chunks in the inbox of the store."""

from __future__ import annotations

import dataclasses
import json
import shlex
from pathlib import Path

from .. import _validate as check
from .._errors import InputError
from .._files import BROKEN_FILE, write_text
from .cell import Cell
from .chunk import file_name
from .progress import costs_of
from .runner import CHUNK_SECONDS
from .spec import Study, accept
from .store import Store, make_folder
from .work import Task, perform

_SCRIPT = """#!/bin/bash
#SBATCH --job-name={name}
#SBATCH --array=0-{last}
#SBATCH --cpus-per-task=1
#SBATCH --mem=2G
#SBATCH --time=24:00:00
# Adapt memory, time and partition; submit with: sbatch {script}
# A job that is submitted again goes on where it stopped. When some or all jobs are done, merge their results, and
# compute what is still missing, with: thalweg study resume {store}
exec thalweg study array-task {store} "$SLURM_ARRAY_TASK_ID"
"""


def export_array(study: Study, store: str | Path, jobs: int) -> Path:
    """Write the script and the task list of a SLURM array that makes what a store is missing.

    Parameters
    ----------
    study : Study
        Adaptive designs export the trials that can be chosen already; resume, and export again.
    store : path
        Made if need be; the jobs must see it under the same path.
    jobs : int
        Jobs in the array; each gets tasks spread over all cells.

    Returns
    -------
    path
        The script, in the folder `array` of the store.

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
    >>> script = tw.study.export_array(study, folder, jobs=2)
    >>> script.name, len((script.parent / 'tasks.jsonl').read_text().splitlines())
    ('submit.sh', 2)
    """
    accept("export_array", study)
    jobs = check.positive_int("export_array", "jobs", jobs)
    if not str(Path(store).resolve()).isprintable():  # a new line in it would be a new line of the script
        raise check.fail("export_array", "store", "be a path without control characters", repr(str(store)))
    with Store.writing(store, study) as opened:
        tasks = _tasks(opened)
        if not tasks:
            raise InputError(f"Nothing is left to export: the store {str(store)!r} has every trial asked for.")
        jobs = min(jobs, len(tasks))
        folder = opened.folder.resolve()
        script = folder / "array" / "submit.sh"
        lines = [json.dumps([dataclasses.asdict(task) for task in tasks[job::jobs]]) for job in range(jobs)]
        words = {"name": f"thalweg-{study.name}", "store": str(folder), "script": str(script)}
        names = {key: shlex.quote(word) for key, word in words.items()}
        for each in (folder / "array", folder / "inbox"):
            make_folder(each)
        write_text("export_array", folder / "array" / "tasks.jsonl", "\n".join(lines) + "\n")
        return write_text("export_array", script, _SCRIPT.format(last=jobs - 1, **names))


def run_array_task(store: str | Path, job: int) -> tuple[int, list[str]]:
    """Compute the tasks of one job of the array, those whose chunks are there left out.

    Returns
    -------
    int, list of str
        Trials made, and what trials that raised said.

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
    >>> script = tw.study.export_array(study, folder, jobs=2)
    >>> [tw.study.run_array_task(folder, job) for job in (0, 1)]
    [(3, []), (3, [])]
    >>> tw.study.run_study(None, folder).made  # resumed: nothing is left to make
    0
    """
    folder = Path(store)
    try:
        lines = (folder / "array" / "tasks.jsonl").read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        raise InputError(f"{str(store)!r} holds no task list. Write it with: thalweg study export-array.") from None
    if not 0 <= job < len(lines):
        raise check.fail("array-task", "job", f"be 0 to {len(lines) - 1}", job)
    try:
        tasks = [Task(**each | {"cell": Cell(**each["cell"])}) for each in json.loads(lines[job])]
    except BROKEN_FILE:
        raise InputError(
            f"The task list of {str(store)!r} is broken. Write it anew: thalweg study export-array."
        ) from None
    made, problems = 0, []
    for task in tasks:
        name = file_name(task.cell, task.first, task.last - task.first)
        if (folder / "inbox" / name).exists() or (folder / "chunks" / name).exists():
            continue
        done = perform(task)
        if done.chunk is not None:
            done.chunk.save(folder / "inbox")
            made += len(done.chunk.trials)
        if done.error is not None:
            problems.append(done.error)
        if done.interrupted:
            raise KeyboardInterrupt
    return made, problems


def _tasks(store: Store) -> list[Task]:
    """Cut what is missing into chunks, of a length that the timings in the store suggest."""
    costs, tasks = costs_of(store), []
    for cell, first, last in store.to_make():
        count = max(int(CHUNK_SECONDS / (costs.seconds(cell) or 1.0)), 1)
        tasks += [Task(store.study.seed, cell, k, min(k + count, last)) for k in range(first, last, count)]
    return tasks
