"""Rounding: everything a certificate takes from floating point, proved from three facts.

Facts about IEEE double precision, rounding to nearest, u = 2^-53:

1. One operation: fl(x op y) = (x op y)(1 + e), |e| <= u, for +, -, *, / and the square root, unless it underflows.
2. Sums of products: |fl(sum_k x_k y_k) - sum_k x_k y_k| <= g(m) sum_k |x_k y_k| for m terms *in any order*, with
   or without fused multiply-add, g(m) = m u/(1 - m u). (Higham, Accuracy and Stability of Numerical Algorithms,
   2nd edition, section 3.1.) So it holds for any BLAS that forms products by summing, however it blocks them.
3. Underflow adds at most 2^-1074 to an operation, less than `TINY`, which is added once per entry of a result.

Consequences used below, in the Frobenius norm |.|:

- A B computed errs by at most g(m) |A| |B|, as | |A| |B| | <= |A| |B| and sums of squares are of that kind.
- **Positive definiteness is proved by a residual.** For any matrix C at all, C C^T has no negative eigenvalue, hence
  lambda_min(A) >= s - |A - s I - C C^T|. C is what a Cholesky routine returned; nothing is asked of that routine.
- **Inverses likewise.** If |I - Y A| <= e < 1, then A is invertible and |A^-1|_2 <= |Y|/(1 - e), for any Y.

Numbers that are sums, products, quotients and roots of positive numbers only have a relative error of at most u per
operation; `above` and `below` move them by `SLACK` = 64 u, enough for 60 operations. Differences are never treated so:
their error is bounded in absolute terms where they occur.
"""

from __future__ import annotations

import math
from typing import TypeVar

import numpy as np

from .._typing import FloatArray

UNIT = 2.0**-53
SLACK = 64 * UNIT
TINY = 2.0**-1022

Number = TypeVar("Number", float, FloatArray)


def gamma(terms: int) -> float:
    """Return g(m), rounded up: the relative error of a sum of m products."""
    return above(terms * UNIT / (1 - terms * UNIT))


def above(positive: Number) -> Number:
    """Return an upper bound of a positive number computed in at most 60 operations on positive numbers."""
    return positive * (1 + SLACK)


def below(positive: Number) -> Number:
    """Return a lower bound of a positive number computed in at most 60 operations on positive numbers."""
    return positive * (1 - SLACK)


def norm(x: FloatArray) -> float:
    """Return an upper bound of the Frobenius norm."""
    return above(math.sqrt(float(np.vdot(x, x))) * (1 + gamma(x.size + 1))) + math.sqrt(x.size * TINY)


def norms(rows: FloatArray) -> FloatArray:
    """Return upper bounds of the Euclidean norms of the rows."""
    size = rows.shape[-1]
    squares = np.einsum("...k,...k->...", rows, rows)
    return above(np.sqrt(squares) * (1 + gamma(size + 1))) + math.sqrt(size * TINY)


def product_error(terms: int, left: float, right: float, entries: int) -> float:
    """Return a bound of the error of a computed matrix product, from bounds of the norms of its factors."""
    return above(gamma(terms) * left * right) + entries * TINY


def smallest_eigenvalue(A: FloatArray) -> float:
    """Return a proved lower bound of lambda_min of a symmetric matrix of floats; -inf if none could be proved.

    The bound is s - |A - s I - C C^T|, C the computed Cholesky factor of A - s I. The computed residual errs by
    at most u |A - s I| in the diagonal shift, by g(m) |C|^2 in the product and by u times its own size in the
    difference.
    """
    m = len(A)
    estimate = float(np.linalg.eigvalsh(A)[0]) if m else math.inf
    if m == 0 or not math.isfinite(estimate):
        return estimate if m == 0 else -math.inf
    size = norm(A)
    # Room for the rounding of a Cholesky factorization of a matrix this large.
    shift = estimate - 4 * (m + 8) * UNIT * (float(np.trace(np.abs(A))) + abs(estimate)) - TINY
    shifted = A - shift * np.eye(m)
    try:
        C: FloatArray = np.asarray(np.linalg.cholesky(shifted), np.float64)
    except np.linalg.LinAlgError:
        return -math.inf
    square = norm(C) ** 2
    residual = shifted - C @ C.T
    error = norm(residual) * (1 + 2 * UNIT) + 2 * UNIT * (size + m * abs(shift)) + product_error(m, square, 1.0, m * m)
    return shift - above(error) - 2 * UNIT * abs(shift)


def largest_eigenvalue(A: FloatArray) -> float:
    """Return a proved upper bound of lambda_max of a symmetric matrix of floats."""
    return -smallest_eigenvalue(-A)


def triangular_inverse_norm(C: FloatArray) -> float:
    """Return a proved upper bound of |C^-1|_2 for a lower triangular matrix of floats; inf if none could be proved."""
    from scipy.linalg import solve_triangular

    m = len(C)
    Y = solve_triangular(C, np.eye(m), lower=True, check_finite=False)
    if not np.isfinite(Y).all():
        return math.inf
    size = norm(Y)
    defect = above(norm(np.eye(m) - Y @ C)) + product_error(m + 1, size, norm(C), m * m) + 2 * UNIT * math.sqrt(m)
    return above(size / (1 - defect)) if defect < 0.5 else math.inf


def spectral_norms(stack: FloatArray) -> FloatArray:
    """Return proved upper bounds (...) of the largest singular values of matrices (..., r, c) of floats.

    For any V and w at all, lambda_max(G) <= max(w, 0) |V V^T| + |G - V diag(w) V^T| and |V V^T| <= 1 + |V^T V - I|,
    V square. V and w are what an eigenvalue routine returned for the Gram matrix G of the shorter sides.
    """
    B = stack if stack.shape[-2] >= stack.shape[-1] else np.swapaxes(stack, -1, -2)
    length, m = B.shape[-2:]
    frobenius = norms(B.reshape(*B.shape[:-2], length * m))
    G = np.swapaxes(B, -1, -2) @ B
    if not np.isfinite(G).all():
        return frobenius
    w, V = np.linalg.eigh(G)
    size, largest = norms(V.reshape(*V.shape[:-2], m * m)) ** 2, np.abs(w).max(axis=-1)
    Vt = np.swapaxes(V, -1, -2)
    skew = norms((Vt @ V - np.eye(m)).reshape(*V.shape[:-2], m * m)) + gamma(m + 2) * (size + m)
    rest = norms((G - (V * w[..., None, :]) @ Vt).reshape(*V.shape[:-2], m * m))
    error = gamma(length + 2) * frobenius**2 + gamma(m + 4) * size * largest + 4 * m * m * TINY
    square = np.maximum(w[..., -1], 0.0) * (1 + skew) + rest + error
    return np.minimum(above(np.sqrt(above(square))), frobenius)


def smallest_singular_value(A: FloatArray) -> float:
    """Return a proved lower bound of the min(r, c)-th singular value of a matrix (r, c) of floats; 0 if none.

    If |I - A Y| <= e < 1 or |I - Y A| <= e < 1, it is at least (1 - e)/|Y|_2, for any Y.
    """
    m = min(A.shape)
    try:
        Y = np.asarray(np.linalg.pinv(A), dtype=np.float64)
    except np.linalg.LinAlgError:
        return 0.0
    if not np.isfinite(Y).all():
        return 0.0
    product = A @ Y if len(A) == m else Y @ A
    defect = above(norm(np.eye(m) - product)) + product_error(max(A.shape) + 1, norm(A), norm(Y), m * m) + 2 * UNIT * m
    return below((1 - defect) / float(spectral_norms(Y))) if defect < 0.5 else 0.0
