"""Words for groups of cells: what tells each from the others, and what all have in common."""

from __future__ import annotations

from collections.abc import Sequence

from .cell import Cell

# What cells may differ in besides n, d, p and the method.
_AXES = ("step_size", "precision", "law", "init", "scale", "slope")


def labels(groups: Sequence[tuple[Cell, ...]]) -> tuple[list[str], str]:
    """Return what tells each group from the others, and what all have in common.

    Examples
    --------
    >>> from thalweg.study import Cell
    >>> from thalweg.study.labels import labels
    >>> labels([(Cell(n=5, d=8, p=6),), (Cell(n=5, d=8, p=9), Cell(n=7, d=8, p=10))])[0]
    ['p = 6', 'p = 9 to 10']
    """
    described = [_described(group) for group in groups]
    columns = list(zip(*described, strict=True))
    varied = [k for k, words in enumerate(columns) if len(set(words) - {""}) > 1]
    common = ", ".join(words[0] for k, words in enumerate(columns) if k not in varied and words[0])
    own = [", ".join(words[k] for k in varied if words[k]) for words in described]
    return own if varied else [common], common


def _described(group: tuple[Cell, ...]) -> list[str]:
    first, last = group[0], group[-1]
    inputs = "d = n" if first.law == "orthogonal" else f"d = {first.d}"
    width = f"p = {first.p}" if first.p == last.p else f"p = {first.p} to {last.p}"
    others = [(name, getattr(first, name)) for name in _AXES]
    words = ["" if value is None else f"{name.replace('_', ' ')} {value}" for name, value in others]
    return [inputs, width, first.method, *words, "covered" if first.covered else ""]
