"""Matrices in files."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from .. import _validate as check
from .._errors import InputError
from .._files import saved_file
from .._typing import FloatArray


def read_matrix(option: str, path: Path) -> FloatArray:
    """Read a matrix of numbers: .npy, .npz (its only array, or Phi) or .csv without a header; a row a line."""
    readers = {".npy": _binary, ".npz": _binary, ".csv": _text}
    reader = readers.get(path.suffix.lower())
    if reader is None:
        raise InputError(f"{option} must be random, negative-identity or a .npy, .npz or .csv file. Got {str(path)!r}.")
    with saved_file("matrix", path) as stream:
        return check.real_array(option, str(path), reader(path, stream), 2)


def _binary(path: Path, stream: Any) -> Any:
    stored = np.load(stream, allow_pickle=False)
    if isinstance(stored, np.ndarray):
        return stored
    names = stored.files
    name = "Phi" if "Phi" in names else names[0] if len(names) == 1 else None
    if name is None:
        raise InputError(
            f"{str(path)!r} must hold one array, or one named 'Phi'. It holds {', '.join(names) or 'none'}."
        )
    return stored[name]


def _text(path: Path, stream: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of an empty file, which is refused as such
        return np.loadtxt(stream, delimiter=",", ndmin=2)
