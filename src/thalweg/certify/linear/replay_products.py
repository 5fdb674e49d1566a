"""Products of layers and their norms in extended precision, from the last layer down."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...networks.deep_linear import DeepLinearNetwork
from ..extended import UNIT, Real, RealArray, above, accuracy, gram, highest_eigenvalue, lowest_eigenvalue, norm
from ..extended import product as product_with_transpose

# A matrix as computed, and a bound of its distance from the true one in the Frobenius norm.
Near = tuple[RealArray, Any]


def downwards(network: DeepLinearNetwork) -> Near:
    """Return W_L ... W_1; what is lost at a layer counts as much as the layers below it let through."""
    factors = [_power(W.astype(Real), count) for W, count in network.runs]
    passing, lower = [Real(1)], factors[0]
    for factor in factors[1:]:
        passing.append(_size(*lower))
        lower = _times(factor, lower)
    (total, radius), passed = factors[-1], passing[-1]
    radius = radius * passed
    for (factor, loose), passed in zip(factors[-2::-1], passing[-2::-1], strict=True):
        total, lost = _times((total, Real(0)), (factor, loose))
        radius = radius + lost * passed
    return total, above(radius, 3 * len(factors))


def spectral(A: np.ndarray) -> Any:
    """Return an upper bound of the largest singular value of a matrix of numbers."""
    A = A.astype(Real)
    if not A.any():
        return Real(0)
    shorter = A if A.shape[0] <= A.shape[1] else np.ascontiguousarray(A.T)
    square = highest_eigenvalue(gram(shorter)) + accuracy(shorter.shape[1]) * above(norm(shorter) ** 2)
    return above(np.sqrt(above(np.maximum(square, 0))))


def lowest(A: RealArray, error: Any) -> Any:
    """Return a lower bound of lambda_min of every symmetric matrix within `error` of A."""
    # Where a matrix is nothing but rounding, its norm says as much as any factorization.
    least = np.maximum(lowest_eigenvalue(A), -norm(A)) - above(error)
    return least - UNIT * abs(least)


def _size(A: RealArray, radius: Any) -> Any:
    return above(spectral(A) + radius)


def _times(left: Near, right: Near) -> Near:
    (A, a), (B, b) = left, right
    rounding = accuracy(A.shape[1]) * norm(A) * norm(B)
    spread = (_size(A, a) * b if b > 0 else 0) + (a * spectral(B) if a > 0 else 0)
    return product_with_transpose(A, np.ascontiguousarray(B.T)), above(spread + rounding)


def _power(W: RealArray, exponent: int) -> Near:
    """Return W to a power, the binary digits taken from the highest."""
    total = base = (W, Real(0))
    for digit in bin(exponent)[3:]:
        total = _times(total, total)
        total = _times(total, base) if digit == "1" else total
    return total
