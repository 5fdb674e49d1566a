"""The results in a store: as a table with intervals, in pandas, xarray and parquet."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .._errors import InputError, missing_extra
from .._files import reason
from .._validate import output_path
from ..stats import Threshold, clopper_pearson, threshold
from .cell import TRIAL, Cell
from .store import Store

if TYPE_CHECKING:
    from pandas import DataFrame
    from xarray import Dataset as XarrayDataset

_MEASURED = [name for name in TRIAL.names or () if name != "trial"]


def results(store: str | Path) -> Results:
    """Open the results of a study, whether or not it is still running.

    Raises
    ------
    InputError
        If the folder holds no study.

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
    >>> for cell, trials in tw.study.results(folder):
    ...     print(cell.n, trials["success"])
    5 [ True  True  True]
    10 [ True  True  True]
    """
    return Results(Store.reading(store))


@dataclasses.dataclass(frozen=True, eq=False)
class Results:
    """What a store holds, cell by cell; made by `results`. Chunks that fail their checksum are left out.

    Attributes
    ----------
    store : Store

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
    >>> found = tw.study.results(folder)
    >>> [(row["n"], row["successes"], row["trials"]) for row in found.table()]
    [(5, 3, 3), (10, 3, 3)]
    >>> ((cells, threshold),) = found.thresholds()
    >>> threshold.low > 5, threshold.high
    (True, inf)
    """

    store: Store

    def __iter__(self) -> Iterator[tuple[Cell, np.ndarray]]:
        """Yield every cell with its trials, an array (m,) of dtype `TRIAL`, one cell in memory at a time."""
        for cell in self.store.study.cells:
            yield cell, self.store.trials(cell)

    def table(self, confidence: float = 0.95) -> list[dict[str, Any]]:
        """Return one row per cell with trials: the cell, trials, successes, their interval, outcomes.

        The interval is that of Clopper and Pearson. Cells of an adaptive search have few trials each: read
        `thresholds` there.
        """
        rows = []
        for cell, trials in self:
            if len(trials):
                successes = int(trials["success"].sum())
                low, high = clopper_pearson(successes, len(trials), confidence)
                names, counts = np.unique(trials["outcome"], return_counts=True)
                outcomes = {str(name, "ascii"): int(count) for name, count in zip(names, counts, strict=True)}
                made = {"trials": len(trials), "successes": successes, "low": low, "high": high, "outcomes": outcomes}
                rows.append(_columns(cell) | made)
        return rows

    def thresholds(self, confidence: float = 0.95) -> list[tuple[tuple[Cell, ...], Threshold]]:
        """Return the threshold in n of every group of cells with two sizes or more, beside the group."""
        found = []
        for group in self.store.study.groups:
            trials = [self.store.trials(cell)["success"] for cell in group]
            made, successes = [len(each) for each in trials], [int(each.sum()) for each in trials]
            if len(group) > 1 and any(made):
                found.append((group, threshold([cell.n for cell in group], made, successes, confidence)))
        return found

    def to_pandas(self) -> DataFrame:
        """Return one row per trial, the cell repeated in each. Needs the extra `data`."""
        try:
            import pandas as pd
        except ImportError:
            raise missing_extra("pandas", "data") from None
        return pd.DataFrame(self._series())

    def to_xarray(self) -> XarrayDataset:
        """Return the measurements over (cell, trial), NaN or empty where a cell has fewer. Needs the extra `data`."""
        try:
            import xarray as xr
        except ImportError:
            raise missing_extra("xarray", "data") from None
        cells = self.store.study.cells
        each = [self.store.trials(cell) for cell in cells]
        last = max((int(trials["trial"][-1]) + 1 for trials in each if len(trials)), default=0)
        variables = {}
        for name in _MEASURED:
            words = name == "outcome"
            values = np.full((len(cells), last), "" if words else np.nan, "U16" if words else np.float64)
            for row, trials in zip(values, each, strict=True):
                row[trials["trial"]] = trials[name].astype(row.dtype)
            variables[name] = (("cell", "trial"), values)
        described = [_columns(cell) for cell in cells]
        coordinates = {
            key: ("cell", [np.nan if row[key] is None else row[key] for row in described]) for key in described[0]
        }
        study = self.store.study
        return xr.Dataset(variables, coordinates, {"study": study.name, "seed": study.seed})

    def to_parquet(self, path: str | Path) -> Path:
        """Write one row per trial to a parquet file, which is complete or not there. Needs the extra `data`."""
        path = output_path("to_parquet", path)
        try:
            import duckdb
        except ImportError:
            raise missing_extra("duckdb", "data") from None
        frame = self.to_pandas()
        temporary = path.with_name(f".{path.name}.tmp")
        try:
            with duckdb.connect() as database:
                database.register("trials", frame)
                database.execute(f"COPY trials TO '{str(temporary).replace(chr(39), chr(39) * 2)}' (FORMAT parquet)")
            temporary.replace(path)
        except (duckdb.Error, OSError) as error:
            with suppress(OSError):
                temporary.unlink()
            raise InputError(f"The file {str(path)!r} cannot be written: {reason(error)}.") from None
        return path

    def _series(self) -> dict[str, Any]:
        """Return the columns of all trials."""
        columns: dict[str, list[Any]] = {}
        for cell, trials in self:
            repeated = {key: np.full(len(trials), np.nan if v is None else v) for key, v in _columns(cell).items()}
            measured = {name: trials[name] for name in TRIAL.names or ()} | {"outcome": trials["outcome"].astype("U16")}
            for key, values in (repeated | measured).items():
                columns.setdefault(key, []).append(values)
        if not columns:
            raise InputError("The study has no cells.")
        return {key: np.concatenate(parts) for key, parts in columns.items()}


def _columns(cell: Cell) -> dict[str, Any]:
    """Return the cell as columns, d and n first."""
    values = dataclasses.asdict(cell)
    return {"d": values.pop("d"), "n": values.pop("n"), "p": values.pop("p")} | values
