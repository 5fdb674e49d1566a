"""A state enclosed: inputs, weights, preactivations and residuals with bounds of what rounding may hide.

W, X, y and the invariants c_j = a_j^2 - |w_j|^2 are exact numbers. So |a_j| = sqrt(c_j + |w_j|^2), from which the
stored a_j differs by rounding; only its sign is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from ..data.dataset import Dataset
from ..networks.shallow import ShallowNetwork
from .extended import (
    UNIT,
    Real,
    RealArray,
    above,
    accuracy,
    below,
    gram,
    highest_eigenvalue,
    lowest_eigenvalue,
    norm,
    product,
    row_norms,
)

# Above this many samples no n x n matrix is formed.
LARGEST = 3000
_BLOCK = 512


@dataclass(frozen=True, eq=False)
class Kernel:
    """The Gram matrix K = X X^T of the inputs, and what is read off it."""

    data: Dataset

    @property
    def n(self) -> int:
        """Number of samples."""
        return self.data.n

    @cached_property
    def small(self) -> bool:
        """Whether K is formed."""
        return self.n <= LARGEST

    @cached_property
    def sizes(self) -> RealArray:
        """Upper bounds of |x_i|."""
        X = self.data.X
        if self.data.is_sparse:
            squares = np.asarray(X.astype(Real).power(2).sum(axis=1)).reshape(-1)
            return above(np.sqrt(squares.astype(Real)), self.data.d)
        return row_norms(X)

    @property
    def least_sizes(self) -> RealArray:
        """Lower bounds of |x_i|."""
        return below(self.sizes, 2 * self.data.d + 128)

    @property
    def _accuracy(self) -> Real:
        return (self.data.d + 4) * UNIT if self.data.is_sparse else accuracy(self.data.d)

    def rows(self, part: slice) -> tuple[RealArray, RealArray]:
        """Return rows of K, dense, and bounds of their errors."""
        X = self.data.X
        if self.data.is_sparse:
            X = X.astype(Real)
            block = (X[part] @ X.T).toarray()
            # An entry without common columns is an exact 0.
            return block, self._accuracy * np.where(block == 0, 0, np.outer(self.sizes[part], self.sizes))
        return product(X[part], X), self._accuracy * np.outer(self.sizes[part], self.sizes)

    @cached_property
    def matrix(self) -> RealArray:
        """K, with entries accurate to `error` |x_i| |x_k|."""
        if self.data.is_sparse:
            X = self.data.X.astype(Real)
            return (X @ X.T).toarray()
        return gram(self.data.X)

    @property
    def error(self) -> Real:
        """See `matrix`."""
        return self._accuracy

    @cached_property
    def magnitudes(self) -> RealArray:
        """Upper bounds of |K_ik|."""
        return above(np.abs(self.matrix) + self.error * np.outer(self.sizes, self.sizes))

    @cached_property
    def _off_diagonal(self) -> tuple[RealArray, RealArray]:
        """Upper bounds of sum_k |K_ik| and of sqrt(sum_k K_ik^2), k != i."""
        if self.small:
            off = self.magnitudes.copy()
            np.fill_diagonal(off, 0)
            return above(off.sum(axis=1), self.n), row_norms(off)
        sums, squares = np.zeros(self.n, Real), np.zeros(self.n, Real)
        if self.data.is_sparse:
            X = self.data.X.astype(Real)
            for start in range(0, self.n, _BLOCK):
                block = (X[start : start + _BLOCK] @ X.T).tocoo()
                row, off = block.row + start, block.row + start != block.col
                row, column, value = row[off], block.col[off], np.abs(block.data[off])
                value = above(value + self.error * self.sizes[row] * self.sizes[column])
                np.add.at(sums, row, value)
                np.add.at(squares, row, value**2)
        else:
            for start in range(0, self.n, _BLOCK):
                part = slice(start, start + _BLOCK)
                value, error = self.rows(part)
                value = above(np.abs(value) + error)
                value[np.arange(len(value)), np.arange(self.n)[part]] = 0
                sums[part], squares[part] = value.sum(axis=1), (value**2).sum(axis=1)
        return above(sums, self.n), above(np.sqrt(squares), self.n)

    @property
    def couplings(self) -> RealArray:
        """Upper bounds of the norms of the rows of K without the diagonal."""
        return self._off_diagonal[1]

    @cached_property
    def lowest(self) -> Real:
        """A lower bound of lambda_min(K), from all of K or by Gershgorin."""
        sums = self._off_diagonal[0]
        gershgorin = np.min(self.least_sizes**2 * (1 - 4 * UNIT) - sums * (1 + 4 * UNIT))
        if not self.small:
            return gershgorin
        return max(gershgorin, lowest_eigenvalue(self.matrix) - above(self.error * norm(self.sizes) ** 2))

    def operator_norm(self, part: np.ndarray | None = None) -> Real:
        """Return an upper bound of |X|_2, or of that of some of its rows."""
        if not self.small:
            return above(np.sqrt(np.max(self.sizes**2 + self._off_diagonal[0])))
        part = np.arange(self.n) if part is None else part
        if part.size == 0:
            return Real(0)
        largest = highest_eigenvalue(self.matrix[np.ix_(part, part)])
        return above(np.sqrt(max(largest, Real(0)) + self.error * norm(self.sizes[part]) ** 2))


@dataclass(frozen=True, eq=False)
class Enclosure:
    """One state; every field of a pair is an array (p, n), of a neuron (p,), of a sample (n,).

    Attributes
    ----------
    z, z_error
        Preactivations, to within `z_error`.
    s
        sigma(z), to within `z_error` too.
    w_low, w_high, a_low, a_high
        Bounds of |w_j| and of |a_j|.
    sign
        Of a_j; 0 if not known.
    c
        Invariants.
    r, r_error
        Residuals, to within `r_error`.
    frozen
        Whether w_j = 0 and a_j = 0: such a neuron never moves.
    slope
        Of the leaky ReLU; 0 for the ReLU.
    """

    z: RealArray
    z_error: RealArray
    s: RealArray
    w_low: RealArray
    w_high: RealArray
    a_low: RealArray
    a_high: RealArray
    sign: RealArray
    c: RealArray
    r: RealArray
    r_error: RealArray
    frozen: np.ndarray
    slope: float

    @property
    def p(self) -> int:
        """Width."""
        return len(self.c)

    def residual_norm(self, part: np.ndarray | slice = slice(None)) -> Real:
        """Return an upper bound of |r| on some of the samples."""
        return norm(np.abs(self.r[part]) + self.r_error[part])


def enclose(network: ShallowNetwork, kernel: Kernel, moved: RealArray | float = 0) -> Enclosure:
    """Enclose the state, or any in which each w_j has moved by no more than `moved` (p,) at its invariant."""
    data, p, d = kernel.data, network.p, network.d
    sizes = kernel.sizes
    norms = row_norms(network.W)
    if data.is_sparse:
        z = np.ascontiguousarray((data.X.astype(Real) @ network.W.T.astype(Real)).T)
        error = (d + 4) * UNIT
    else:
        z, error = product(network.W, data.X), accuracy(d)
    z_error = above(np.outer(error * norms + moved, sizes)) + 4 * UNIT * np.abs(z)
    w_low, w_high = below(norms, 2 * d + 128) * (1 - UNIT) - moved, above(norms + moved)
    w_low = np.maximum(w_low, 0)
    c = network.invariant.astype(Real)
    gap = 4 * UNIT * (np.abs(c) + w_high**2)
    a_low = below(np.sqrt(np.maximum(c + w_low**2 - gap, 0)))
    a_high = above(np.sqrt(np.maximum(c + w_high**2 + gap, 0)))
    sign = np.sign(network.a).astype(Real)
    a_low = np.where(sign == 0, 0, a_low)  # what little there is may have either sign
    s = np.where(z > 0, z, network.slope * z)
    middle, spread = sign * (a_low + a_high) / 2, np.where(sign == 0, a_high, (a_high - a_low) / 2)
    r = data.y - middle @ s / p
    r_error = ((above(spread) + (p + 8) * UNIT * a_high) @ np.abs(s) + a_high @ z_error) / p + 4 * UNIT * np.abs(data.y)
    frozen = ~network.W.any(axis=1) & (c <= 0)
    return Enclosure(z, z_error, s, w_low, w_high, a_low, a_high, sign, c, r, above(r_error, p), frozen, network.slope)
