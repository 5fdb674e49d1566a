"""How far a study is, how fast it goes, and how long it will take."""

from __future__ import annotations

import math
from dataclasses import dataclass

from .costs import CostModel
from .store import Store

# The present rate is that of the chunks finished in the last seconds of work.
_RECENT = 600.0


@dataclass(frozen=True)
class Progress:
    """Where a study stands.

    Attributes
    ----------
    made, most : int
        Trials in the store, and those the design needs; for adaptive designs the most it can need.
    rate : float
        Trials per second of late; NaN before the first.
    work_left : float
        Seconds of computing left, for one worker; NaN if nothing has been timed.
    seconds_left : float
        The same for as many workers as there were of late.

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
    >>> seen = []
    >>> report = tw.study.run_study(study, folder, on_progress=seen.append)
    >>> seen[-1].made, seen[-1].most, seen[-1].seconds_left
    (6, 6, 0.0)
    """

    made: int
    most: int
    rate: float
    work_left: float
    seconds_left: float


def costs_of(store: Store) -> CostModel:
    """Fit the cost model to all timings of a store whose cells are in its study."""
    cells = {cell.key: cell for cell in store.study.cells}
    timed = ((cells[entry.cell], entry.count, entry.seconds) for entry in store.entries if entry.cell in cells)
    return CostModel.of(timed)


def progress_of(store: Store, costs: CostModel | None = None, since: float = 0.0) -> Progress:
    """Describe a store; the rate is that of its last minutes, but of none before `since`, in seconds since 1970.

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
    >>> with tw.study.Store.writing(folder, study) as store:
    ...     tw.study.progress_of(store)
    Progress(made=0, most=6, rate=nan, work_left=nan, seconds_left=nan)
    """
    costs = costs or costs_of(store)
    made, most, work = 0, 0, 0.0
    for cells, wanted in store.study.distinct():
        here = sum(len(store.done(cell)) for cell in cells)
        each = [seconds for cell in cells if (seconds := costs.seconds(cell)) is not None]
        made, most = made + min(here, wanted), most + wanted
        work += max(wanted - here, 0) * (sum(each) / len(each) if each else math.nan)
    latest = max((entry.finished for entry in store.entries), default=0.0)
    recent = [entry for entry in store.entries if entry.finished >= max(since, latest - _RECENT)]
    if not recent:
        return Progress(made, most, math.nan, work, 0.0 if made >= most else math.nan)
    begun = min(entry.finished - entry.seconds for entry in recent)
    span = max(latest - begun, 1e-9)
    busy = max(sum(entry.seconds for entry in recent) / span, 1e-9)
    rate = sum(entry.count for entry in recent) / span
    return Progress(made, most, rate, work, work / busy)
