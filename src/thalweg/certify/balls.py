"""The last step of a proof in ball arithmetic (python-flint): which matrices have no eigenvalue below a given number.

Inputs are taken exactly; the sets of certain and free pairs, the bounds of |a_j| and the drift are numbers that the
pass in extended precision has proved. Unlike there, the projections are made by solving K_UU Y = K_UF in balls, and
K is made from the inputs themselves.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from .._errors import missing_extra
from .enclosure import Enclosure, Kernel
from .extended import Real, RealArray
from .replay_tube import Sets

_BITS = 128


@contextmanager
def arithmetic() -> Iterator[Any]:
    """Work with balls of 128 bits; the setting of the caller is restored.

    Raises
    ------
    MissingExtraError
        Without python-flint.
    """
    try:
        import flint
    except ImportError:
        raise missing_extra("python-flint", "verify") from None
    before = flint.ctx.prec
    flint.ctx.prec = _BITS
    try:
        yield flint
    finally:
        flint.ctx.prec = before


class Balls:
    """The Gram matrix of some data in balls, and the inequalities about it.

    Parameters
    ----------
    kernel : Kernel
    """

    def __init__(self, kernel: Kernel) -> None:
        with arithmetic() as flint:
            X = matrix(flint, kernel.data.X.toarray() if kernel.data.is_sparse else kernel.data.X)
            self._K = (X * X.transpose()).tolist()

    def lowest_is(self, bound: Real) -> bool:
        """Whether lambda_min(K) >= bound."""
        with arithmetic() as flint:
            return definite(flint, flint.arb_mat(self._K), number(flint, bound))

    def pull_is(self, state: Enclosure, live: np.ndarray, sets: Sets, share: Real, bound: Real) -> bool:
        """Whether lambda_min(M) >= bound, M of `replay_pull` with b = share."""
        with arithmetic() as flint:
            b, part = number(flint, share), np.flatnonzero(live)
            s = matrix(flint, state.s[:, live])
            total = (s.transpose() * s) * (1 - b) + self._certain(flint, part, sets)
            minus = (1 / b - 1) * number(flint, sets.drift)
            return definite(flint, total / state.p, number(flint, bound) + minus)

    def _certain(self, flint: Any, part: np.ndarray, sets: Sets) -> Any:
        """Return sum_j low_j^2 G_j X_F P_U X_F^T G_j on the live samples."""
        m, K = len(part), self._K
        left, right, kept = [[] for _ in part], [], []
        for j in np.flatnonzero((sets.low > 0) & (sets.weights > 0).any(axis=1)):
            free = np.flatnonzero(sets.free[j])
            factors = [number(flint, sets.low[j]) * number(flint, g) for g in sets.weights[j, part]]
            if free.size:
                KUF = [[g * K[u][i] for i, g in zip(part, factors, strict=True)] for u in free]
                try:
                    Y = flint.arb_mat([[K[u][v] for v in free] for u in free]).solve(flint.arb_mat(KUF))
                except ZeroDivisionError:
                    continue  # K_UU may be singular: leaving the neuron out is allowed
                right += Y.tolist()
                for row, column in zip(left, zip(*KUF, strict=True), strict=True):
                    row.extend(column)
            kept.append(factors)
        if not kept:
            return flint.arb_mat(m, m)
        factors = flint.arb_mat(kept)
        weights = (factors.transpose() * factors).tolist()
        total = flint.arb_mat(
            [[w * K[i][k] for w, k in zip(row, part, strict=True)] for row, i in zip(weights, part, strict=True)]
        )
        return total - flint.arb_mat(left) * flint.arb_mat(right) if right else total


def exhausts(budgets: RealArray, pulls: RealArray, R: Real) -> bool:
    """Whether sum_k pull_k (T_k - T_{k-1}) >= R."""
    with arithmetic() as flint:
        T = [flint.arb(0), *(number(flint, t) for t in budgets)]
        spent = sum((number(flint, pull) * (T[k + 1] - T[k]) for k, pull in enumerate(pulls)), flint.arb(0))
        return bool(spent >= number(flint, R))


def number(flint: Any, x: Any) -> Any:
    """Return a number of extended precision as an exact ball."""
    high = float(x)
    return flint.arb(high) + flint.arb(float(x - Real(high)))


def matrix(flint: Any, A: RealArray) -> Any:
    """Return a matrix of numbers as one of exact balls."""
    high = A.astype(np.float64)
    exact = flint.arb_mat(*A.shape, high.ravel().tolist())
    if A.dtype == np.float64:
        return exact
    return exact + flint.arb_mat(*A.shape, (A - high).astype(np.float64).ravel().tolist())


def definite(flint: Any, A: Any, bound: Any) -> bool:
    """Whether lambda_min(A) >= bound: with any C, it is at least s - |A - s I - C C^T|."""
    m = A.nrows()
    shifted = A - bound * _identity(flint, m)
    rounded = np.array([float(x.mid()) for x in shifted.entries()]).reshape(m, m)
    rounded = (rounded + rounded.T) / 2
    if m == 0 or not np.isfinite(rounded).all():
        return m == 0
    room = float(np.linalg.eigvalsh(rounded)[0]) / 2
    if not room > 0:
        return False
    try:
        C = matrix(flint, np.linalg.cholesky(rounded - room * np.eye(m)))
    except np.linalg.LinAlgError:
        return False
    residual = shifted - flint.arb(room) * _identity(flint, m) - C * C.transpose()
    return bool(sum((x**2 for x in residual.entries()), flint.arb(0)) <= flint.arb(room) ** 2)


def _identity(flint: Any, m: int) -> Any:
    return flint.arb_mat(m, m, [1 if i == k else 0 for i in range(m) for k in range(m)])
