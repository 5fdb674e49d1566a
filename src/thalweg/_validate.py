"""Checks of user input, with one voice.

Every message reads: The 'X' parameter of Dataset must be ... Got ... It names the offending value, so that
the user need not look for it.
"""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ._errors import InputError
from ._typing import FloatArray, Seed


def fail(owner: str, name: str, must: str, got: object) -> InputError:
    """Build the one error message of this library for a bad parameter."""
    return InputError(f"The '{name}' parameter of {owner} must {must}. Got {got}.")


def real_array(owner: str, name: str, value: Any, ndim: int, *, copy: bool = False) -> FloatArray:
    """Convert to a C-contiguous float64 array of `ndim` dimensions with finite entries only.

    It may be the array given, unless a copy is asked for.
    """
    if np.ma.is_masked(value):
        raise fail(owner, name, "have no masked entries: fill them, or drop their rows", "a masked array with some")
    try:
        raw = np.asarray(value)
        if raw.dtype.kind in "cmM":
            raise TypeError(f"entries of type {raw.dtype}")
        array = np.ascontiguousarray(raw, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise fail(owner, name, "be an array of real numbers", error) from None
    if copy and np.may_share_memory(array, raw):
        array = array.copy()
    if array.ndim != ndim:
        raise fail(owner, name, f"have {ndim} dimension(s)", f"shape {array.shape}")
    finite(owner, name, array)
    return array


def finite(owner: str, name: str, array: FloatArray) -> None:
    """Refuse NaN and infinities, naming the first one."""
    bad = ~np.isfinite(array)
    if bad.any():
        where = tuple(int(k) for k in np.argwhere(bad)[0])
        place = where[0] if len(where) == 1 else where
        raise fail(owner, name, "be finite everywhere", f"{array[where]} at index {place} ({int(bad.sum())} in all)")


def positive_int(owner: str, name: str, value: Any) -> int:
    """Accept an integer of at least 1."""
    return integer(owner, name, value, 1)


def integer(owner: str, name: str, value: Any, at_least: int = 0) -> int:
    """Accept an integer from some lowest one on; true and false are none."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < at_least:
        raise fail(owner, name, f"be an integer of at least {at_least}", repr(value))
    return int(value)


def real(
    owner: str,
    name: str,
    value: Any,
    *,
    above: float = -math.inf,
    at_least: float = -math.inf,
    below: float = math.inf,
    at_most: float = math.inf,
) -> float:
    """Accept a finite real number within the given bounds; true and false are none."""
    bounds = [
        text
        for limit, text in (
            (above, f"above {above:g}"),
            (at_least, f"at least {at_least:g}"),
            (below, f"below {below:g}"),
            (at_most, f"at most {at_most:g}"),
        )
        if math.isfinite(limit)
    ]
    must = f"be a finite number, {' and '.join(bounds)}" if bounds else "be a finite number"
    try:
        number = math.nan if isinstance(value, (str, bool, np.bool_)) else float(value)
    except (TypeError, ValueError, OverflowError):
        raise fail(owner, name, must, repr(value)) from None
    if not (math.isfinite(number) and number > above and number >= at_least and number < below and number <= at_most):
        raise fail(owner, name, must, repr(value))
    return number


def output_times(owner: str, times: Any, end: float) -> FloatArray | None:
    """Accept None, or increasing times within [0, end]; those off `end` by rounding are moved onto it."""
    if times is None:
        return None
    wanted = real_array(owner, "times", times, 1)
    if not wanted.size:
        raise fail(owner, "times", "have at least one entry (or be left out)", "none")
    if (np.diff(wanted) <= 0).any():
        place = int(np.argmax(np.diff(wanted) <= 0))
        raise fail(owner, "times", "increase", f"{wanted[place]:g} before {wanted[place + 1]:g}")
    if wanted[0] < 0 or wanted[-1] > end * (1 + 1e-12):
        outside = wanted[0] if wanted[0] < 0 else wanted[-1]
        raise fail(owner, "times", f"lie within [0, t_end = {end:g}]", f"{outside:g}")
    return np.minimum(wanted, end)


def text(owner: str, name: str, value: Any) -> str:
    """Accept a text."""
    if not isinstance(value, str):
        raise fail(owner, name, "be a text", repr(value))
    return str(value)


def one_of(owner: str, name: str, value: Any, choices: tuple[str, ...]) -> str:
    """Accept one of a few words."""
    if value not in choices:
        raise fail(owner, name, f"be one of {', '.join(map(repr, choices))}", repr(value))
    return str(value)


def left_out(owner: str, parameters: Mapping[str, tuple[object, object]], of: str) -> None:
    """Refuse what was given but is for something else; parameters come with their values when left out."""
    for name, (value, default) in parameters.items():
        if value is not default and (value is None or default is None or value != default):
            raise fail(owner, name, f"be left out: it is for {of}", repr(value))


def seed_sequence(owner: str, seed: Seed) -> np.random.SeedSequence:
    """Turn an int, a SeedSequence or None (fresh entropy) into a SeedSequence."""
    if isinstance(seed, np.random.SeedSequence):
        return seed
    if seed is None or (isinstance(seed, int | np.integer) and not isinstance(seed, bool) and seed >= 0):
        return np.random.SeedSequence(seed)
    raise fail(owner, "seed", "be a non-negative int, a numpy SeedSequence or None", repr(seed))


def output_path(owner: str, path: str | Path) -> Path:
    """Refuse, before any work is done, a path that cannot be written."""
    path = Path(path)
    folder = path.parent
    if not os.path.isdir(folder):  # unlike Path.is_dir, which raises for names that are too long
        raise fail(owner, "path", "lie in an existing folder", f"{str(path)!r}: no folder {str(folder)!r}")
    if os.path.isdir(path):
        raise fail(owner, "path", "be a file name", f"the folder {str(path)!r}")
    return path
