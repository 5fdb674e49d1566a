"""Coordinates in which the hidden weights move: the row space of the inputs, or all of R^d."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .._typing import FloatArray
from ..data.dataset import Dataset


@dataclass(frozen=True, eq=False)
class Coordinates:
    """Rows b_i of `basis` (n, m) have the same inner products as the inputs x_i.

    With d <= n they are the inputs themselves. Otherwise m <= n: the rest of w_j, orthogonal to every input,
    never moves. Coordinates u_j of w_j satisfy z_ji = <u_j, b_i>.
    """

    data: Dataset
    basis: FloatArray
    _inverse: FloatArray | None = None  # (n, m): basis^+ transposed, None where the basis is X itself

    @classmethod
    def of(cls, data: Dataset) -> Coordinates:
        """Choose the smaller of the input space and the row space."""
        if data.d <= data.n:
            X = data.X.toarray() if data.is_sparse else data.X
            return cls(data, np.ascontiguousarray(X))
        from scipy.linalg import eigh

        values, vectors = eigh(data.gram)
        # Directions below the rounding of K are not resolved by it and carry nothing of z.
        keep = values > values[-1] * data.n * np.finfo(np.float64).eps
        root = np.sqrt(values[keep])
        return cls(data, np.ascontiguousarray(vectors[:, keep] * root), np.ascontiguousarray(vectors[:, keep] / root))

    @property
    def dimension(self) -> int:
        """m, the number of coordinates."""
        return self.basis.shape[1]

    @cached_property
    def extreme_eigenvalues(self) -> tuple[float, float]:
        """Smallest and largest eigenvalue of the Gram matrix K = X X^T; the smallest is 0 if n > m."""
        values = np.linalg.eigvalsh(self.basis.T @ self.basis)
        smallest = max(float(values[0]), 0.0) if self.dimension == self.data.n else 0.0
        return smallest, float(values[-1])

    def reduce(self, W: FloatArray) -> FloatArray:
        """Return the coordinates (p, m) of hidden weights (p, d)."""
        if self._inverse is None:
            return W.copy()
        return np.ascontiguousarray(np.asarray(self.data.X @ W.T).T @ self._inverse)

    def moved(self, difference: FloatArray) -> FloatArray:
        """Return a displacement (p, m) as `Snapshots` stores it: (p, d) if d <= n, impulses (p, n) otherwise."""
        return difference if self._inverse is None else difference @ self._inverse.T
