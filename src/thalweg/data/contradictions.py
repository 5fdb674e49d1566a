"""Equal inputs with different labels: what no network can fit."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .dataset import Dataset


@dataclass(frozen=True)
class Contradictions:
    """Groups of samples with the same input, bit for bit, and different labels. False if there are none.

    Attributes
    ----------
    groups : tuple of tuples of int
        Indices of the samples of each group.
    floor : float
        The loss below which no function of the inputs can fall: (1/2n) times the sum, over the groups, of
        the squared distances of the labels to their mean in the group.
    text : str
        The same in words.

    Examples
    --------
    >>> import thalweg as tw
    >>> found = tw.Dataset([[1.0], [1.0], [2.0]], [3.0, 1.0, 0.0]).contradictions
    >>> bool(found), found.groups, round(found.floor, 3)
    (True, ((0, 1),), 0.333)
    """

    groups: tuple[tuple[int, ...], ...]
    floor: float
    text: str

    def __bool__(self) -> bool:
        return bool(self.groups)

    def __str__(self) -> str:
        return self.text


def contradictions(data: Dataset) -> Contradictions:
    """Find the contradicting duplicates by hashing rows."""
    same: defaultdict[object, list[int]] = defaultdict(list)
    if not data.is_orthogonal:
        for i in range(data.n):
            same[_row_key(data, i)].append(i)
    groups = tuple(tuple(rows) for rows in same.values() if np.ptp(data.y[rows]) > 0)
    if not groups:
        return Contradictions((), 0.0, "none: no input occurs with two different labels")
    excess = sum(float(np.sum((data.y[list(rows)] - data.y[list(rows)].mean()) ** 2)) for rows in groups)
    floor = excess / (2 * data.n)
    first = groups[0]
    text = (
        f"samples {first[0]} and {_other(data, first)} are the same input with different labels "
        f"({len(groups)} such input(s), {sum(map(len, groups))} samples): the loss cannot fall below "
        f"{floor:.4g}, where each is fitted by the mean of its labels"
    )
    return Contradictions(groups, floor, text)


def _other(data: Dataset, rows: tuple[int, ...]) -> int:
    return next(i for i in rows if data.y[i] != data.y[rows[0]])


def _row_key(data: Dataset, i: int) -> object:
    X = data.X
    if isinstance(X, np.ndarray):
        return (X[i] + 0.0).tobytes()  # -0.0 + 0.0 is 0.0
    part = slice(X.indptr[i], X.indptr[i + 1])
    return X.indices[part].tobytes(), X.data[part].tobytes()
