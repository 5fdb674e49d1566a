"""Data sets in files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from .. import _validate as check
from .._errors import InputError
from .._files import BROKEN_FILE, atomic_writer, reason
from .._stored import array as integers
from .dataset import Dataset
from .tables import read_table

_SPARSE_PARTS = ("X_data", "X_indices", "X_indptr", "X_shape")


def load(path: str | Path, target: str | None = None) -> Dataset:
    """Load a data set from an .npz, .csv or .tsv file.

    Parameters
    ----------
    path : path
        **.npz**: arrays `X` (n, d) and `y` (n,); for a sparse X, instead of `X`, the parts of its CSR form:
        `X_data`, `X_indices`, `X_indptr` and `X_shape`. An optional string `name`. `Dataset.save` writes it.
        **.csv**, **.tsv**: a header line with the names of the columns, then one sample a line; UTF-8, comma
        or tab between fields. Every column except the target is an input and must hold numbers.
    target : str
        The column with the labels; for .npz the array with the labels, by default `y`. A target column with
        two different words in it is mapped to -1 and 1 in alphabetical order; the name of the data notes it.

    Raises
    ------
    InputError
        If the file is missing, empty, truncated or of another kind, if there is no such target, for missing
        values and for columns of text. Python objects (pickles) are never loaded.

    Examples
    --------
    >>> import tempfile, pathlib, thalweg as tw
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = pathlib.Path(folder, "trial.csv")
    ...     _ = path.write_text("height,weight,answer\\n1.5,2.0,no\\n3.0,1.0,yes\\n")
    ...     data = tw.data.load(path, target="answer")
    >>> data.y, data.name
    (array([-1.,  1.]), "trial.csv (answer: 'no' is -1, 'yes' is 1)")
    """
    path = Path(path)
    readers = {".npz": _read_npz, ".csv": read_table, ".tsv": read_table}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise check.fail("load", "path", "end in .npz, .csv or .tsv", repr(str(path)))
    try:
        if path.stat().st_size == 0:
            raise InputError(f"{str(path)!r} is empty.")
        X, y, name = reader(path, target)
    except FileNotFoundError:
        raise InputError(f"There is no file {str(path)!r}.") from None
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be read: {error.strerror or error}.") from None
    try:
        return Dataset(X, y, name)
    except InputError as error:
        raise InputError(f"{str(path)!r}: {error}") from None


def save(data: Dataset, path: str | Path) -> Path:
    """Write a data set in the .npz layout of `load`."""
    path = Path(path)
    if path.suffix.lower() != ".npz":
        raise check.fail("Dataset.save", "path", "end in .npz", repr(str(path)))
    X: Any = data.X
    arrays = (
        dict(zip(_SPARSE_PARTS, (X.data, X.indices, X.indptr, X.shape), strict=True)) if data.is_sparse else {"X": X}
    )
    with atomic_writer("Dataset.save", path) as stream:
        np.savez(stream, **arrays, y=data.y, name=np.array(data.name))
    return path


def _read_npz(path: Path, target: str | None) -> tuple[Any, Any, str]:
    try:
        with path.open("rb") as stream:  # given a path, np.load leaves a broken file open
            stored = np.load(stream, allow_pickle=False)
            if isinstance(stored, np.ndarray):
                raise InputError(f"{str(path)!r} holds a single array. Save X and y with np.savez.")
            return _inputs(path, stored), _labels(path, stored, target), _name(path, stored)
    except InputError:
        raise
    except BROKEN_FILE as error:
        raise InputError(f"{str(path)!r} is not a complete .npz file of plain arrays: {reason(error)}.") from None


def _inputs(path: Path, stored: Any) -> Any:
    if "X" in stored:
        return stored["X"]
    absent = [part for part in _SPARSE_PARTS if part not in stored]
    if absent:
        wanted = f"'X', or for a sparse X {', '.join(map(repr, _SPARSE_PARTS))}"
        raise InputError(f"{str(path)!r} must hold the array {wanted}. It holds {_listed(stored.files)}.")
    from scipy.sparse import csr_array

    data = stored[_SPARSE_PARTS[0]]
    indices, indptr, shape = (integers(stored, part, (-1,), "iu") for part in _SPARSE_PARTS[1:])
    matrix = csr_array((data, indices, indptr), shape=tuple(int(side) for side in shape))
    matrix.check_format(full_check=True)  # a column index out of range would be read from foreign memory
    return matrix


def _labels(path: Path, stored: Any, target: str | None) -> Any:
    name = "y" if target is None else target
    if name not in stored:
        remedy = "" if target else " Name the array of labels with target=..."
        raise InputError(f"{str(path)!r} has no array {name!r}. It holds {_listed(stored.files)}.{remedy}")
    return stored[name]


def _name(path: Path, stored: Any) -> str:
    if "name" not in stored:
        return path.name
    found = stored["name"]
    if getattr(found, "shape", None) != () or found.dtype.kind != "U":
        raise ValueError("'name' is not a text")
    return str(found)


def _listed(names: list[str]) -> str:
    return ", ".join(map(repr, names)) or "nothing"
