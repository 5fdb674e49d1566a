"""What a trial costs: a model fitted to the timings in a store."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from .._typing import FloatArray
from .cell import Cell

# How much work a trial is expected to be: powers of n, d, p and steps. The fit may move each of them; a deviation by
# _LOOSE counts as much as timings off by a factor e in one cell, so that few timings still give a sane forecast.
_LOOSE = 0.5
# The fit is renewed when the number of cells measured has grown by this factor.
_REFIT = 1.25
# Bytes per entry of the arrays of a trial: inputs; and pairs (neuron, sample), of which there are some ten.
_INPUTS, _PAIRS = 8.0, 80.0


class CostModel:
    """Seconds per trial: what was measured in a cell, else a power law fitted to the cells measured.

    log seconds = constant + sum of exponents times log of (n, d, p, steps), with the exponents drawn towards those of
    the operation count: 1 each for descent, and for the flow 3/2 in n, whose number of events grows too.

    Examples
    --------
    >>> from thalweg.study import Cell, CostModel
    >>> model = CostModel()
    >>> for n in (100, 200, 400):
    ...     model.observe(Cell(n=n, d=10, p=20, steps=100), trials=5, seconds=5 * 1e-5 * n)
    >>> round(model.seconds(Cell(n=800, d=10, p=20, steps=100)), 4)
    0.008
    """

    def __init__(self) -> None:
        self._cells: dict[Cell, tuple[int, float]] = {}
        self._fits: dict[str, tuple[int, FloatArray | None]] = {}

    @classmethod
    def of(cls, timings: Iterable[tuple[Cell, int, float]]) -> CostModel:
        """Build the model from cells, numbers of trials, and the seconds they took together."""
        model = cls()
        for cell, trials, seconds in timings:
            model.observe(cell, trials, seconds)
        return model

    def observe(self, cell: Cell, trials: int, seconds: float) -> None:
        """Add a timing."""
        made, before = self._cells.get(cell, (0, 0.0))
        self._cells[cell] = made + trials, before + seconds

    def seconds(self, cell: Cell) -> float | None:
        """Return the seconds a trial of a cell takes; None if nothing has been measured with its method."""
        if cell in self._cells:
            made, seconds = self._cells[cell]
            return seconds / made
        known, fit = self._fits.get(cell.method, (0, None))
        if len(self._cells) > _REFIT * known:
            fit = self._fit(cell.method)
            self._fits[cell.method] = len(self._cells), fit
        return None if fit is None else math.exp(float(fit @ _features(cell)) + float(_expected(cell)))

    def _fit(self, method: str) -> FloatArray | None:
        measured = [(cell, made, seconds) for cell, (made, seconds) in self._cells.items() if cell.method == method]
        if not measured:
            return None
        A = np.array([_features(cell) for cell, *_ in measured])
        rest = np.array([math.log(max(seconds, 1e-9) / made) - _expected(cell) for cell, made, seconds in measured])
        center = A[:, 1:].mean(axis=0)  # the constant is that of the typical cell, and is not drawn to 0
        A[:, 1:] -= center
        ridge = np.diag([0.0, *np.full(A.shape[1] - 1, _LOOSE**-2)])
        fit = np.asarray(np.linalg.solve(A.T @ A + ridge, A.T @ rest), np.float64)
        fit[0] -= center @ fit[1:]
        return fit


def _features(cell: Cell) -> FloatArray:
    return np.array([1.0, math.log(cell.n), math.log(cell.d), math.log(cell.p), math.log(cell.steps or 1)])


def _expected(cell: Cell) -> float:
    """Return the logarithm of the operation count, up to a constant."""
    width = 1 if cell.law == "orthogonal" else min(cell.d, cell.n)
    rounds = cell.steps if cell.method == "descend" and cell.steps else math.sqrt(cell.n)
    return math.log(cell.n * width * cell.p * rounds)


def array_bytes(cell: Cell) -> float:
    """Return the bytes that the arrays of one trial take, roughly and rather too many."""
    inputs = cell.n if cell.law == "orthogonal" else cell.n * (cell.d + min(cell.n, cell.d))
    return _INPUTS * (inputs + cell.p * cell.d) + _PAIRS * cell.n * cell.p
