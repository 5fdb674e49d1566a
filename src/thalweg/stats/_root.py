"""Zeros of functions of one number."""

from collections.abc import Callable
from typing import Any


def root(function: Callable[[float], float], low: float, high: float) -> float:
    """Return a zero between two points at which the function has different signs, to almost all digits."""
    from scipy.optimize import brentq

    solve: Any = brentq  # the stubs of SciPy do not know which of its results it returns
    return float(solve(function, low, high, xtol=1e-12))
