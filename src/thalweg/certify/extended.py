"""Extended precision with every rounding error bounded: what `verify` computes with.

1. Real = np.longdouble: 80-bit floats where the platform has them, 64-bit ones elsewhere. One operation has a relative
   error of at most UNIT, twice the unit roundoff; sums, products and roots of m positive numbers at most (m + 64) UNIT.
2. Matrix products are made of exact ones. A row of A is cut into slices of integers of `bits` bits, times powers of
   two; a product of two slices sums k integers of at most 2^53 in all, so that float64 gets it right to the last bit,
   in any order, with any BLAS. What is left out is below the last slice.
3. lambda_min(A) >= s - |A - s I - C C^T| for any C; C is a Cholesky factor in float64, the difference evaluated with 2.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .._typing import FloatArray

Real = np.longdouble
RealArray = Any  # arrays of np.longdouble, whose width depends on the platform

UNIT = max(np.finfo(Real).eps, Real(2) ** -63)
_TINY = np.finfo(Real).tiny
_DOUBLE = 2.0**-53


def above(x: Any, terms: int = 0) -> Any:
    """Return an upper bound of what was computed from positive numbers in `terms` + 60 operations."""
    return x * (1 + (terms + 64) * UNIT) + (terms + 1) * _TINY


def below(x: Any, terms: int = 0) -> Any:
    """Return a lower bound, at least 0, of what was computed from positive numbers in `terms` + 60 operations."""
    return np.maximum(x * (1 - (terms + 64) * UNIT) - (terms + 1) * _TINY, 0)


def norm(A: RealArray) -> Any:
    """Return an upper bound of the Frobenius norm."""
    return above(np.sqrt(np.sum(np.square(A, dtype=Real))), A.size) if A.size else Real(0)


def row_norms(A: RealArray) -> RealArray:
    """Return upper bounds of the norms of the rows."""
    return above(np.sqrt(np.sum(np.square(A, dtype=Real), axis=1)), A.shape[1])


def _cut(terms: int) -> tuple[int, int]:
    """Return how many bits to a slice, and how many slices, for sums of `terms` products."""
    bits = int((53 - math.log2(terms)) // 2)
    return bits, math.ceil((62 + math.log2(terms)) / bits)


def accuracy(terms: int) -> Any:
    """Return the f with |computed - true| <= f |row| |column| for the entries of `product` and `gram`.

    With the row scaled to 1, slice i has entries of at most 2^((1 - i) bits), so that what is left out is at most
    (slices + 3) 2^(-bits slices) per term. The scale of a row is at most twice its norm. No more than 16 partial
    products are added, each at most |row| |column|.
    """
    bits, slices = _cut(max(terms, 1))
    return 4 * terms * (slices + 3) * Real(2) ** (-bits * slices) + 20 * UNIT


def _slices(A: RealArray) -> tuple[list[FloatArray], Any]:
    """Cut each row into integers: A = 2^exponent sum_i 2^(-i bits) part_i, i = 1, 2, ..., up to what is left out.

    What of A exceeds float64 joins after the second slice, when there is room for it again.
    """
    bits, slices = _cut(max(A.shape[1], 1))
    exponent = np.frexp(np.abs(A).max(axis=1, initial=0))[1][:, None]
    rest = A.astype(np.float64)
    tail = None if A.dtype == np.float64 else (A - rest).astype(np.float64)
    rest, parts = np.ldexp(rest, -exponent), []
    for k in range(slices):
        rest = rest * 2.0**bits
        part = np.rint(rest)
        rest -= part  # exact
        if k == 1 and tail is not None:
            rest += np.ldexp(tail, 2 * bits - exponent)
        parts.append(part)
    return parts, exponent


def product(A: RealArray, B: RealArray) -> RealArray:
    """Return A B^T; see `accuracy` for its error."""
    bits, slices = _cut(max(A.shape[1], 1))
    (left, rows), (right, columns) = _slices(A), _slices(B)
    total = np.zeros((len(A), len(B)), Real)
    for order in range(slices - 1, -1, -1):
        for i in range(order + 1):
            total += np.ldexp((left[i] @ right[order - i].T).astype(Real), -bits * (order + 2))
    return np.ldexp(total, rows + columns.T)


def gram(A: RealArray) -> RealArray:
    """Return A A^T, symmetric to the last bit; see `accuracy` for its error."""
    bits, slices = _cut(max(A.shape[1], 1))
    parts, rows = _slices(A)
    total = np.zeros((len(A), len(A)), Real)
    for order in range(slices - 1, -1, -1):
        for i in range(order // 2 + 1):
            term = parts[i] @ parts[order - i].T
            term = term if 2 * i == order else term + term.T
            total += np.ldexp(term.astype(Real), -bits * (order + 2))
    total = np.ldexp(total, rows + rows.T)
    return (total + total.T) / 2


def lowest_eigenvalue(A: RealArray) -> Any:
    """Return a proved lower bound of lambda_min of a symmetric matrix of numbers; -inf if none could be proved."""
    m = len(A)
    if m == 0:
        return Real(np.inf)
    rounded = A.astype(np.float64)
    if not np.isfinite(rounded).all():
        return Real(-np.inf)
    estimate = float(np.linalg.eigvalsh(rounded)[0])
    size, room = norm(A), (m + 8) * _DOUBLE * float(np.abs(np.diag(rounded)).sum())
    # The smaller the room a Cholesky factorization gets, the better the bound; 2 (m + 8) u trace always suffices.
    for factor in (0.25, 1.0, 4.0, 16.0):
        shift = estimate - factor * room
        try:
            C = np.linalg.cholesky(rounded - shift * np.eye(m))
        except np.linalg.LinAlgError:
            continue
        residual = A - Real(shift) * np.eye(m) - gram(C)
        square = above(norm(C) ** 2)
        error = accuracy(m) * square + 4 * UNIT * (size + m * abs(shift) + square)
        return shift - above(norm(residual) + error) - UNIT * abs(shift)
    return Real(-np.inf)


def highest_eigenvalue(A: RealArray) -> Any:
    """Return a proved upper bound of lambda_max of a symmetric matrix of numbers."""
    return -lowest_eigenvalue(-A)


def hyperbolic(v: Any) -> tuple[Any, Any]:
    """Return upper bounds of cosh v - 1 and sinh v, v >= 0, by their series; infinite for v above 50."""
    if not v <= 50:
        return Real(np.inf), Real(np.inf)
    terms = 40 + int(8 * v)
    even, odd, term = Real(0), Real(0), Real(1)
    for k in range(1, terms + 1):
        term = term * v / k
        even, odd = (even + term, odd) if k % 2 == 0 else (even, odd + term)
    # From here on, terms fall by a factor above 2: what is left out is less than the last term.
    return above(even + term, 3 * terms), above(odd + term, 3 * terms)
