"""Studies: many trials over a grid or an adaptive design, in a store that survives crashes."""

from .array import export_array, run_array_task
from .cell import TRIAL, Cell
from .costs import CostModel
from .executors import Crew, dask, executor, processes, serial
from .plan import Plan, plan
from .progress import Progress, progress_of
from .results import Results, results
from .runner import Ending, RunReport, run_study
from .spec import Study
from .store import Store

__all__ = [
    "TRIAL",
    "Cell",
    "CostModel",
    "Crew",
    "Ending",
    "Plan",
    "Progress",
    "Results",
    "RunReport",
    "Store",
    "Study",
    "dask",
    "executor",
    "export_array",
    "plan",
    "processes",
    "progress_of",
    "results",
    "run_array_task",
    "run_study",
    "serial",
]
