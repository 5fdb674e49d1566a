"""Designs: how many trials each cell should have, given the results so far.

A design is a function of results only, never of time or of the order in which they came, so that a study makes the same
trials on any number of workers, resumed or not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np

from .._typing import BoolArray, IntArray
from ..stats import next_trials, sequential_interval
from .cell import Cell

# Returns whether each trial of a cell so far succeeded, in order, up to the first that is missing.
Outcomes = Callable[[Cell], BoolArray]


class Design:
    """How many trials to make where."""

    def wanted(self, group: Sequence[Cell], outcomes: Outcomes) -> list[int]:
        """Return how many trials the cells of a group should have, as far as that can be said already.

        Cells of a group differ in n alone. When all wanted trials are there, the method is asked again; the group is
        finished when it then wants no more.
        """
        raise NotImplementedError

    def most(self, group: Sequence[Cell]) -> int:
        """Return the most trials the group can need."""
        raise NotImplementedError


@dataclass(frozen=True)
class Grid(Design):
    """The same number of trials in every cell."""

    repetitions: int

    def wanted(self, group: Sequence[Cell], outcomes: Outcomes) -> list[int]:
        return [self.repetitions] * len(group)

    def most(self, group: Sequence[Cell]) -> int:
        return self.repetitions * len(group)


@dataclass(frozen=True)
class Precise(Design):
    """Trials in every cell until its probability of success is known well enough, or there are enough.

    The interval is anytime-valid, so stopping on it is no bias.

    Attributes
    ----------
    width : float
        Of the 95 % interval to be reached.
    batch, repetitions : int
        Trials between two looks, and the most in a cell.
    """

    width: float
    batch: int
    repetitions: int

    def wanted(self, group: Sequence[Cell], outcomes: Outcomes) -> list[int]:
        return [self._wanted(outcomes(cell)) for cell in group]

    def _wanted(self, successes: BoolArray) -> int:
        made = self.batch
        while made < self.repetitions and made <= len(successes):
            low, high = sequential_interval(int(successes[:made].sum()), made)
            if high - low <= self.width:
                break
            made += self.batch
        return min(made, self.repetitions)

    def most(self, group: Sequence[Cell]) -> int:
        return self.repetitions * len(group)


@dataclass(frozen=True)
class Search(Design):
    """Trials where they tell most about the size n at which half of them succeed.

    The number of trials is fixed beforehand: stopping once the interval is narrow would prefer intervals that are
    narrow by chance.

    Attributes
    ----------
    trials : int
        Trials to spend on each group.
    batch : int
        Trials that are chosen together, from the results of all before. The first few batches are smaller.
    """

    trials: int
    batch: int

    def wanted(self, group: Sequence[Cell], outcomes: Outcomes) -> list[int]:
        sizes = tuple(cell.n for cell in group)
        known = [outcomes(cell) for cell in group]
        made = (0,) * len(group)
        while (left := self.trials - sum(made)) > 0:
            if any(len(there) < count for there, count in zip(known, made, strict=True)):
                break
            successes = tuple(int(there[:count].sum()) for there, count in zip(known, made, strict=True))
            batch = min(self.batch, max(4, sum(made) // 2), left)
            made = tuple(map(int, np.add(made, _next_trials(sizes, made, successes, batch))))
        return list(made)

    def most(self, group: Sequence[Cell]) -> int:
        return self.trials


@cache
def _next_trials(sizes: tuple[int, ...], made: tuple[int, ...], successes: tuple[int, ...], batch: int) -> IntArray:
    """Remember every choice: to find where a search stands, it is replayed from its beginning."""
    return next_trials(sizes, made, successes, batch)
