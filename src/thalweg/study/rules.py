"""Rules in a specification that work out a number for each cell: widths, steps, levels of the loss."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from .. import _validate as check

# What the record of a trial can count.
_MOST = 2**32 - 1
_NUMBER = r"([0-9]+\.?[0-9]*(?:[eE][+-]?[0-9]+)?)"
_COVERAGE = re.compile(rf"(?:{_NUMBER}\s*\*\s*)?coverage\(\s*{_NUMBER}\s*\)")
_PUBLISHED = re.compile(rf"(?:{_NUMBER}\s*\*\s*)?published")
_PER_SAMPLE = re.compile(rf"{_NUMBER}\s*/\s*\(\s*2\s*\*?\s*n\s*\)")


def coverage_width(n: int, epsilon: float) -> int:
    """Return floor(log(n/epsilon)/log(4/3)) + 1, the width that covers all n samples with probability 1 - epsilon.

    Examples
    --------
    >>> [coverage_width(n, 0.05) for n in (1300, 1600, 2100)]
    [36, 37, 38]
    """
    return math.floor(math.log(n / epsilon) / math.log(4 / 3)) + 1


def published_steps(n: int, p: int) -> int:
    """Return floor(1.5 sqrt(np) log(np)/4 + 1), the steps of the experiments of Dana, Bach and Pillaud-Vivien (2025).

    Examples
    --------
    >>> published_steps(20, 30)
    59
    """
    return math.floor(1.5 * math.sqrt(n * p) * math.log(n * p) / 4 + 1)


def count(owner: str, name: str, value: object) -> int:
    """Accept an integer of at least 1."""
    number = check.positive_int(owner, name, value)
    if number > _MOST:
        raise check.fail(owner, name, f"be at most {_MOST}", number)
    return number


def width(owner: str, name: str, value: object) -> Callable[[int], int]:
    """Turn a width into a function of n: a number, "coverage(epsilon)", or a multiple of that, rounded up."""
    if isinstance(value, str):
        found = _COVERAGE.fullmatch(value.strip())
        if found is None:
            must = "be an integer, 'coverage(0.05)' or a multiple such as '3*coverage(0.05)'"
            raise check.fail(owner, name, must, repr(value))
        factor = _factor(owner, name, found[1])
        epsilon = check.real(owner, name, float(found[2]), at_least=1e-100, below=1.0)
        return lambda n: _ceiling(owner, name, factor * coverage_width(n, epsilon))
    p = count(owner, name, value)
    return lambda n: p


def steps(owner: str, name: str, value: object) -> Callable[[int, int], int]:
    """Turn a number of steps into a function of n and p: a number, "published", or a multiple of that, rounded up."""
    if isinstance(value, str):
        found = _PUBLISHED.fullmatch(value.strip())
        if found is None:
            must = "be an integer, 'published' or a multiple such as '20*published'"
            raise check.fail(owner, name, must, repr(value))
        factor = _factor(owner, name, found[1])
        return lambda n, p: _ceiling(owner, name, factor * published_steps(n, p))
    made = count(owner, name, value)
    return lambda n, p: made


def _factor(owner: str, name: str, digits: str | None) -> float:
    return check.real(owner, name, float(digits or 1), above=0.0)


def _ceiling(owner: str, name: str, value: float) -> int:
    return count(owner, name, math.ceil(min(value, _MOST + 1)))


def level(owner: str, name: str, value: object) -> Callable[[int], float]:
    """Turn a level of the loss into a function of n: a number, or a multiple of 1/(2n) such as "1e-6/(2n)"."""
    if isinstance(value, str):
        found = _PER_SAMPLE.fullmatch(value.strip())
        if found is None:
            raise check.fail(owner, name, "be a number above 0, or of the form '1/(2n)'", repr(value))
        share = _factor(owner, name, found[1])
        return lambda n: share / (2 * n)
    loss = check.real(owner, name, value, above=0.0)
    return lambda n: loss
