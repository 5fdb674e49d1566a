"""The inputs as a certificate sees them: inner products with bounds of their rounding errors."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .._typing import FloatArray
from ..data.coherence import gram_blocks
from ..data.dataset import ORTHOGONAL, Dataset
from .rounding import TINY, UNIT, above, below, gamma, largest_eigenvalue, norm, smallest_eigenvalue

# Largest number of samples for which the whole Gram matrix is formed, in 70 MB.
LARGEST = 3000


@dataclass(frozen=True, eq=False)
class Geometry:
    """Bounds for the Gram matrix K = X X^T, computed once per data set.

    Attributes
    ----------
    data : Dataset
        The inputs.
    """

    data: Dataset

    @property
    def whole(self) -> bool:
        """Whether K is formed. Otherwise, beyond 3000 samples, Gershgorin's discs bound its eigenvalues."""
        return self.data.n <= LARGEST

    @cached_property
    def relative(self) -> float:
        """|computed - true inner product| <= relative * |x_i| |x_k| (n of them summed and halved included)."""
        return gamma(self.data.d + 2)

    @cached_property
    def lengths(self) -> FloatArray:
        """Upper bounds of |x_i|."""
        return above(self.data.norms * (1 + self.relative))

    @cached_property
    def shortest(self) -> FloatArray:
        """Lower bounds of |x_i|."""
        return below(self.data.norms * (1 - self.relative))

    @cached_property
    def error(self) -> float:
        """Bound of |computed K - K|_2, from the Frobenius norm."""
        return above(self.relative * norm(self.lengths) ** 2) + self.data.n * self.data.d * TINY

    @cached_property
    def lowered(self) -> FloatArray:
        """K' (n, n), a matrix of floats with K' <= K as quadratic forms: the computed K minus its error."""
        K = self.data.gram
        return K - above(self.error + 2 * UNIT * float(K.diagonal().max())) * np.eye(self.data.n)

    @cached_property
    def squared(self) -> FloatArray:
        """Squares of the entries of the computed K."""
        return self.data.gram**2

    @cached_property
    def smallest(self) -> float:
        """Proved lower bound of lambda_min(K); 0 if none above 0 could be proved."""
        if self.data.n > self.data.d:
            return 0.0
        if self.whole:
            return max(smallest_eigenvalue(self.lowered), 0.0)
        return max(float((below(self.shortest**2) - self._off_diagonal[0]).min() - self.error), 0.0)

    @cached_property
    def largest(self) -> float:
        """Proved upper bound of |X|_2^2 = lambda_max(K)."""
        if self.whole:
            return above(largest_eigenvalue(self.data.gram) + self.error)
        return above(float((above(self.lengths**2) + self._off_diagonal[0]).max()) + self.error)

    @property
    def interaction(self) -> FloatArray:
        """Upper bounds of kappa_i, the norms of the rows of K without the diagonal entry."""
        return above(self._off_diagonal[1] + self.relative * self.lengths * norm(self.lengths))

    @cached_property
    def _off_diagonal(self) -> tuple[FloatArray, FloatArray]:
        """Upper bounds of the sums and of the norms of the rows of the computed K without the diagonal."""
        if self.data.is_orthogonal:
            total = float(self.lengths.sum()) * (1 + gamma(self.data.n))
            return above(ORTHOGONAL * self.lengths * total), above(ORTHOGONAL * self.lengths * norm(self.lengths))
        sums, squares = np.zeros(self.data.n), np.zeros(self.data.n)
        for part, block in gram_blocks(self.data):
            block[np.arange(block.shape[0]), np.arange(part.start, part.stop)] = 0.0
            sums[part] = np.abs(block).sum(axis=1)
            squares[part] = np.einsum("ij,ij->i", block, block)
        room = 1 + gamma(self.data.n + 2)
        return above(sums * room), above(np.sqrt(squares) * room)
