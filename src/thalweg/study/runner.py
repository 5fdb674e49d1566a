"""The driver of a study: it asks the store what is missing, has a crew compute it, and keeps every chunk at once."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, wait
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from .. import _validate as check
from .._errors import InputError
from ..flow.interrupt import DeferredInterrupt
from ..flow.warm import compile_elsewhere
from .executors import Crew, serial
from .progress import Progress, costs_of, progress_of
from .spec import Study, accept
from .store import Store
from .work import Done, Task, perform

# A chunk is to take this long: long beside the cost of a file, short beside what one is ready to lose. Towards the end
# of a round chunks are shorter, so that the workers finish together, but not so short that files outnumber results.
CHUNK_SECONDS, _SHORTEST, _SHARE, _MOST_TRIALS = 10.0, 0.5, 4, 10_000
# Times in a row that workers may die without a chunk being finished; and by how much the chunks of a cell become
# smaller when a worker has died at one, to close in on the trial that kills.
_LOSSES, _SMALLER = 3, 16


class Ending(Enum):
    """How a run of a study ended. The value is the message and the advice; `str()` prints it.

    Examples
    --------
    >>> from thalweg.study import Ending
    >>> print(Ending.COMPLETE)
    All trials are made.
    """

    COMPLETE = "All trials are made."
    INTERRUPTED = "Interrupted. All finished trials are kept; continue with: thalweg study resume."
    TRIALS_FAILED = "Some trials raised an error and have no result; all others are made."
    WORKERS_LOST = (
        "Workers died again and again at the trials left, perhaps for want of memory. All finished trials are kept; "
        "continue on fewer or larger workers with: thalweg study resume."
    )
    STORE_FAILED = "The store cannot be written. All finished trials are kept; make room, then: thalweg study resume."

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class RunReport:
    """What a run of a study did.

    Attributes
    ----------
    ending : Ending
    made : int
        Trials made by this run.
    seconds : float
    problems : tuple of str
        What trials, workers or the disk said.

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
    >>> report = tw.study.run_study(study, folder)
    >>> report.ending.name, report.made, report.problems
    ('COMPLETE', 6, ())
    """

    ending: Ending
    made: int
    seconds: float
    problems: tuple[str, ...]


def run_study(
    study: Study | None,
    store: str | Path,
    crew: Crew | None = None,
    *,
    on_progress: Callable[[Progress], None] | None = None,
) -> RunReport:
    """Make the trials of a study that its store does not have yet.

    Parameters
    ----------
    study : Study or None
        None for the one kept in the store: to resume.
    store : path
        Folder of the results. A study may be extended: more repetitions, more cells.
    crew : Crew, optional
        Who computes: `serial()`, `processes(workers)`, `dask(where, workers)` or `executor(any, workers)`. Results do
        not depend on it.
    on_progress : function, optional
        Called every second or so with a Progress.

    Returns
    -------
    RunReport
        Ctrl-C lets the chunks in flight finish, but ends a flow between two steps; twice drops the trials in flight.

    Raises
    ------
    InputError
        If another driver is at work on the store, or it belongs to another study.

    Examples
    --------
    >>> import tempfile, thalweg as tw
    >>> study = tw.study.Study.from_toml('''
    ... [study]
    ... name = "small"
    ... method = "descend"
    ... [grid]
    ... n = [5, 10]
    ... d = 10
    ... p = 20
    ... [trials]
    ... repetitions = 3
    ... seed = 7
    ... [descend]
    ... steps = "published"
    ... [success]
    ... loss_below = "1/(2n)"
    ... ''')
    >>> folder = tempfile.mkdtemp()
    >>> tw.study.run_study(study, folder).made
    6
    >>> [row["trials"] for row in tw.study.results(folder).table()]
    [3, 3]
    """
    if study is not None:
        accept("run_study", study)
    if crew is not None and not isinstance(crew, Crew):
        raise check.fail("run_study", "crew", "be a Crew, such as processes(4)", repr(crew))
    with Store.writing(store, study) as opened:
        if any(cell.method == "flow" for cell in opened.study.cells):
            compile_elsewhere()
        return _Driver(opened, crew or serial(), on_progress).drive()


class _WorkerDiedError(Exception):
    """The executor is to be closed, with what is left of it, and another to be opened."""


class _Driver:
    """One run."""

    def __init__(self, store: Store, crew: Crew, on_progress: Callable[[Progress], None] | None) -> None:
        self._store, self._crew, self._on_progress = store, crew, on_progress
        self._costs = costs_of(store)
        self._queue: deque[Task] = deque()
        self._failed: set[tuple[str, int]] = set()
        self._deaths: Counter[str] = Counter()
        self._limits: dict[str, int] = {}
        self._problems: list[str] = []
        self._made, self._left, self._losses = 0, 0, 0
        self._begun, self._shown = time.time(), 0.0

    def drive(self) -> RunReport:
        """Work until the design wants no more, or something ends the run."""
        with DeferredInterrupt() as interrupt:
            try:
                ending = self._refill()
                while ending is None:
                    try:
                        with self._crew.open() as executor:
                            ending = self._work(executor, interrupt)
                    except _WorkerDiedError:
                        ending = self._after_loss()
            except KeyboardInterrupt:
                ending = Ending.INTERRUPTED
        self._show(patience=0.0)
        return RunReport(ending, self._made, time.time() - self._begun, tuple(self._problems))

    def _refill(self) -> Ending | None:
        """Queue all that is missing; if nothing is, say how the run ends."""
        tasks = [task for task in self._missing() if task.first < task.last]
        # Cells at which workers died come last, so that they do not keep the others from being made.
        self._queue = deque(sorted(tasks, key=lambda task: self._deaths[task.cell.key]))
        self._left = sum(task.last - task.first for task in self._queue)
        if self._queue:
            return None
        return Ending.TRIALS_FAILED if self._failed else Ending.COMPLETE

    def _missing(self) -> Iterator[Task]:
        """Yield what is to be made, trials that raised left out."""
        for cell, first, last in self._store.to_make():
            for failed in sorted(trial for key, trial in self._failed if key == cell.key and first <= trial < last):
                yield Task(self._store.study.seed, cell, first, failed)
                first = failed + 1
            yield Task(self._store.study.seed, cell, first, last)

    def _work(self, executor: Executor, interrupt: DeferredInterrupt) -> Ending:
        """Work through the queue, and the next ones, on one executor."""
        flying: dict[Future[Done], Task] = {}
        try:
            while True:
                if not self._queue and not flying and (ending := self._refill()) is not None:
                    return ending
                ahead = 1 if self._limits else self._crew.ahead  # a task that waits is not to be blamed
                while self._queue and len(flying) < ahead * self._crew.workers and not interrupt.asked:
                    task = self._next_task()
                    try:
                        flying[executor.submit(perform, task)] = task
                    except (RuntimeError, OSError) as error:  # a worker died when idle or being born; a pool was shut
                        self._problems.append(f"a worker: {type(error).__name__}: {error}")
                        raise _WorkerDiedError from None
                if interrupt.asked:
                    flying = {future: task for future, task in flying.items() if not future.cancel()}
                    if not flying:
                        return Ending.INTERRUPTED
                finished, _ = wait(flying, timeout=0.2, return_when=FIRST_COMPLETED)
                lived = [self._keep(future, flying.pop(future)) for future in finished]
                if not all(lived):
                    for future in [future for future in flying if future.done()]:
                        self._keep(future, flying.pop(future))
                    raise _WorkerDiedError
                self._show(patience=1.0)
        except (OSError, InputError) as error:
            self._problems.append(str(error))
            for future in flying:
                future.cancel()
            return Ending.STORE_FAILED

    def _after_loss(self) -> Ending | None:
        """Give up, or queue again what is missing."""
        self._losses += 1
        if self._losses >= _LOSSES or not self._crew.renewable:
            return Ending.WORKERS_LOST
        return self._refill()

    def _next_task(self) -> Task:
        """Cut the next chunk from the queue."""
        head = self._queue.popleft()
        each = self._costs.seconds(head.cell)
        count = 1
        if each is not None:
            budget = self._left * each / (_SHARE * self._crew.workers)
            budget = min(max(budget, _SHORTEST), CHUNK_SECONDS)
            count = int(budget / max(each, 1e-9))
        count = min(max(count, 1), self._limits.get(head.cell.key, _MOST_TRIALS))
        if head.last - head.first > count:
            self._queue.appendleft(Task(head.seed, head.cell, head.first + count, head.last))
            head = Task(head.seed, head.cell, head.first, head.first + count)
        self._left -= head.last - head.first
        return head

    def _keep(self, future: Future[Done], task: Task) -> bool:
        """Keep what a task gave; say whether its worker lived."""
        try:
            done = future.result()
        except CancelledError:
            return True
        except Exception as error:  # the worker died, or could not be reached; trials report their errors in Done
            where = f"trials {task.first} to {task.last - 1} of {task.cell.label}"
            self._problems.append(f"a worker at {where}: {type(error).__name__}: {error}")
            self._deaths[task.cell.key] += 1
            self._limits[task.cell.key] = max((task.last - task.first) // _SMALLER, 1)
            return False
        reached = task.first
        if done.chunk is not None:
            self._store.add(done.chunk)
            count = len(done.chunk.trials)
            self._costs.observe(task.cell, count, done.chunk.seconds)
            self._made, self._losses, reached = self._made + count, 0, task.first + count
        if done.interrupted:
            raise KeyboardInterrupt
        if done.error is not None:
            self._problems.append(done.error)
            self._failed.add((task.cell.key, reached))
            if reached + 1 < task.last:
                self._queue.append(Task(task.seed, task.cell, reached + 1, task.last))
                self._left += task.last - reached - 1
        return True

    def _show(self, *, patience: float) -> None:
        if self._on_progress is not None and time.time() - self._shown >= patience:
            self._on_progress(progress_of(self._store, self._costs, self._begun))
            self._shown = time.time()
