"""What files of this library's own hold, believed only after a look at its types and shapes.

What is wrong is a ValueError, which the reader of the file turns into its one message. Whoever alters a file with care
can still make it say what never happened: a file is no proof, a certificate is.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

_NUMBER = (int, float)


def array(parts: Mapping[str, Any], name: str, shape: tuple[int, ...], kinds: str = "f") -> Any:
    """Return the array stored under a name: of this shape, -1 standing for any length, and of one of these kinds."""
    found = parts[name]
    if not isinstance(found, np.ndarray) or found.dtype.kind not in kinds:
        raise ValueError(f"{name!r} is not an array of {'real numbers' if kinds == 'f' else 'integers'}")
    fits = found.ndim == len(shape) and all(want in (-1, got) for got, want in zip(found.shape, shape, strict=True))
    if not fits:
        raise ValueError(f"{name!r} has the shape {found.shape}, which does not belong there")
    return found


def series(parts: Mapping[str, Any], names: Iterable[str], kinds: str = "f", *, length: int | None = None) -> dict:
    """Return the arrays (T,) stored under these names, T at least 1 and the same for all."""
    found: dict[str, Any] = {}
    for name in names:
        found[name] = array(parts, name, (-1 if length is None else length,), kinds)
        length = len(found[name])
        if not length:
            raise ValueError(f"{name!r} is empty")
    return found


def words(parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is stored in JSON under "words"."""
    found = json.loads(str(parts["words"]))
    if not isinstance(found, dict):
        raise ValueError(f"'words' is {found!r}")
    return found


def numbers(found: Any, names: Iterable[Any]) -> None:
    """Refuse values under these names that are not numbers."""
    for name in names:
        if isinstance(found[name], bool) or not isinstance(found[name], _NUMBER):
            raise ValueError(f"{name!r} is {found[name]!r}, where a number should be")


def texts(found: Any, names: Iterable[Any]) -> None:
    """Refuse values under these names that are not texts."""
    for name in names:
        if not isinstance(found[name], str):
            raise ValueError(f"{name!r} is {found[name]!r}, where a text should be")


def settings(found: Mapping[str, Any], of_numbers: Iterable[str], of_texts: Iterable[str]) -> dict[str, Any]:
    """Return the settings of a run: plain values, some of them sure to be numbers or texts."""
    stored = found["settings"]
    if not isinstance(stored, dict) or not all(isinstance(x, str | int | float | None) for x in stored.values()):
        raise ValueError(f"the settings are {stored!r}")
    numbers(stored, of_numbers)
    texts(stored, of_texts)
    return stored
