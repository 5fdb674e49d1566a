"""The inequalities of linear certificates in ball arithmetic (python-flint), from layers and target themselves."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from ...data.target import Target
from ...networks.deep_linear import DeepLinearNetwork
from ..balls import arithmetic, matrix, number

# Bounds that are nearly sharp leave matrices that are nearly singular, in which elimination loses many bits.
_BITS = 512


@contextmanager
def _fine() -> Iterator[Any]:
    """Work with balls of so many bits; the setting of the caller is restored."""
    with arithmetic() as flint:
        flint.ctx.prec = _BITS
        yield flint


def error_is(network: DeepLinearNetwork, target: Target, root: Any) -> bool:
    """Whether sqrt(tr(E Sigma E^T)) <= root."""
    with _fine() as flint:
        E = _product(flint, [(matrix(flint, W), count) for W, count in network.runs]) - matrix(flint, target.Phi)
        weighed = E * matrix(flint, target.second_moment)
        square = sum((x * y for x, y in zip(weighed.entries(), E.entries(), strict=True)), flint.arb(0))
        return bool(square <= number(flint, root) ** 2)


def moment_is(target: Target, least: Any, most: Any) -> bool:
    """Whether the eigenvalues of Sigma lie between the two."""
    with _fine() as flint:
        Sigma = matrix(flint, target.second_moment)
        if target.scale is not None:
            return bool(number(flint, least) <= Sigma[0, 0] <= number(flint, most))
        return definite(flint, Sigma, number(flint, least)) and definite(flint, -Sigma, -number(flint, most))


def imbalance_is(lower: np.ndarray, upper: np.ndarray, least: Any) -> bool:
    """Whether lambda_min(upper^T upper - lower lower^T) >= least."""
    with _fine() as flint:
        U, V = matrix(flint, upper), matrix(flint, lower)
        return definite(flint, U.transpose() * U - V * V.transpose(), number(flint, least))


def smallest_singular_value_is(Phi: np.ndarray, least: Any) -> bool:
    """Whether the smallest singular value is at least this."""
    with _fine() as flint:
        wide = matrix(flint, Phi if Phi.shape[0] <= Phi.shape[1] else np.ascontiguousarray(Phi.T))
        return definite(flint, wide * wide.transpose(), number(flint, least) ** 2)


def curvature_is(network: DeepLinearNetwork, least: Any) -> bool:
    """Whether lambda_min(sum_l A_l A_l^T (x) B_l^T B_l) >= least."""
    with _fine() as flint:
        layers = [matrix(flint, W) for W in network.layers]
        below, above = [_identity(flint, network.d_in)], [_identity(flint, network.d_out)]
        for W in layers[:-1]:
            below.append(W * below[-1])
        for W in layers[:0:-1]:
            above.append(above[-1] * W)
        total = None
        for A, B in zip(above[::-1], below, strict=True):
            outer, inner = (A * A.transpose()).tolist(), (B.transpose() * B).tolist()
            rows = [[x * y for x in row for y in line] for row in outer for line in inner]
            total = flint.arb_mat(rows) if total is None else total + flint.arb_mat(rows)
        return definite(flint, total, number(flint, least))


def definite(flint: Any, A: Any, bound: Any) -> bool:
    """Whether A - bound I is positive definite: by its upper left half and the Schur complement of that."""
    m = A.nrows()
    return _positive(flint, A - bound * _identity(flint, m))


def _positive(flint: Any, A: Any) -> bool:
    rows, m = A.tolist(), A.nrows()
    if m == 1:
        return bool(rows[0][0] > 0)
    half = m // 2
    P, Q = flint.arb_mat([row[:half] for row in rows[:half]]), flint.arb_mat([row[half:] for row in rows[:half]])
    if not _positive(flint, P):
        return False
    S = flint.arb_mat([row[half:] for row in rows[half:]])
    try:
        return _positive(flint, S - Q.transpose() * P.solve(Q))
    except ZeroDivisionError:  # P may be singular, as far as its balls tell
        return False


def _product(flint: Any, runs: list[tuple[Any, int]]) -> Any:
    total = None
    for W, count in runs:
        power = W**count if count > 1 else W
        total = power if total is None else power * total
    return total


def _identity(flint: Any, m: int) -> Any:
    return flint.arb_mat(m, m, [1 if i == k else 0 for i in range(m) for k in range(m)])
