"""Products of layers with bounds of all their rounding errors, and the problem a certificate speaks of."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from ..._typing import FloatArray
from ...data.target import Target
from ...networks.deep_linear import DeepLinearNetwork
from ..rounding import UNIT, above, gamma, largest_eigenvalue, norm, product_error, smallest_eigenvalue, spectral_norms


@dataclass(frozen=True, eq=False)
class Enclosed:
    """A matrix known to lie within `radius` of `center` in the Frobenius norm."""

    center: FloatArray
    radius: float = 0.0

    @cached_property
    def frobenius(self) -> float:
        """An upper bound of the Frobenius norm of the center."""
        return norm(self.center)

    @cached_property
    def size(self) -> float:
        """An upper bound of the spectral norm of the matrix."""
        return above(float(spectral_norms(self.center)) + self.radius)

    def __matmul__(self, other: Enclosed) -> Enclosed:
        # X Y - A B = (X - A) Y + A (Y - B).
        product = self.center @ other.center
        rounding = product_error(self.center.shape[1], self.frobenius, other.frobenius, product.size)
        return Enclosed(product, above(self.radius * other.size + self.size * other.radius + rounding))

    def power(self, exponent: int) -> Enclosed:
        """Return the matrix to a power of at least 1, by repeated squaring."""
        total, square = None, self
        while True:
            if exponent & 1:
                total = square if total is None else square @ total
            exponent >>= 1
            if not exponent:
                assert total is not None
                return total
            square = square @ square


def product(network: DeepLinearNetwork) -> Enclosed:
    """Return W_L ... W_1 at a cost that depends on the number of distinct layers only.

    With factors X_r, and P_r computed from X_r P_{r-1}, the error is sum_r X_m ... X_{r+1} (X_r P_{r-1} - P_r): what is
    lost on the way counts as much as the factors above let through, which may be far less than their norms multiply to.
    """
    factors = [Enclosed(W).power(count) for W, count in network.runs]
    passing, above_it = [1.0], factors[-1]
    for factor in factors[-2::-1]:
        passing.append(above_it.size)
        above_it = above_it @ factor
    total, radius = Enclosed(factors[0].center), factors[0].radius * passing[-1]
    for factor, passed in zip(factors[1:], passing[-2::-1], strict=True):
        total = factor @ Enclosed(total.center)
        radius += total.radius * passed
    return Enclosed(total.center, above(radius * (1 + len(factors) * 2 * UNIT)))


@dataclass(frozen=True, eq=False)
class Problem:
    """A network and a target, with proved bounds of what all tests start from.

    Attributes
    ----------
    network : DeepLinearNetwork
    target : Target
    least, most : float
        Bounds of the extreme eigenvalues of Sigma: `least` from below, `most` from above. least <= 0 if Sigma could not
        be proved to be positive definite.
    root : float
        At least rho = sqrt(2 (R - R*)) = |E Sigma^(1/2)|, E = W_L ... W_1 - Phi.
    error : float
        At least rho/sqrt(least), which |E| is never above: not now, and not while the loss does not rise.
    """

    network: DeepLinearNetwork
    target: Target
    least: float
    most: float
    root: float
    error: float

    @classmethod
    def of(cls, network: DeepLinearNetwork, target: Target) -> Problem:
        """Evaluate the loss with bounds of all rounding errors."""
        W = product(network)
        center = W.center - target.Phi
        size = norm(center)
        radius = above(W.radius + 2 * UNIT * size)
        if target.scale is not None:
            error = above(size + radius)
            return cls(network, target, target.scale, target.scale, above(math.sqrt(target.scale) * error), error)
        Sigma = target.second_moment
        least, most = smallest_eigenvalue(Sigma), largest_eigenvalue(Sigma)
        square = max(float(np.sum((center @ Sigma) * center)), 0.0)
        square += product_error(center.size + target.d_in + 2, above(size * size), norm(Sigma), center.size)
        root = above(above(math.sqrt(above(square))) + math.sqrt(max(most, 0.0)) * radius)
        return cls(network, target, least, most, root, above(root / math.sqrt(least)) if least > 0 else math.inf)


@dataclass(frozen=True)
class Found:
    """The answer of one test to one state of a deep linear network.

    Attributes
    ----------
    test : str
        A, B or C.
    holds : bool
    says : str
        The reason if it holds, the nearest miss if not.
    rate : float
        R - R* falls at least like exp(-rate t), rate = 2 mu.
    radius : float
        Bound of the path that all layers take together.
    slack : float
        How many times over the decisive inequality holds; below 1 where it fails.
    witness : dict
        Choices of the proof.
    """

    test: str
    holds: bool
    says: str
    rate: float = 0.0
    radius: float = math.inf
    slack: float = 0.0
    witness: Mapping[str, list[float]] = field(default_factory=dict)


def product_below(factors: FloatArray) -> float:
    """Return a lower bound of the product of positive numbers, any number of them, of any size.

    Mantissas are multiplied in pairs and scaled again, so that nothing underflows on the way; m numbers take m - 1
    roundings in all.
    """
    mantissas, exponents = np.frexp(factors)
    relative, exponent = gamma(len(factors)), int(exponents.sum(dtype=np.int64))
    while len(mantissas) > 1:
        if len(mantissas) % 2:
            mantissas = np.append(mantissas, 1.0)
        mantissas, shifts = np.frexp(mantissas[::2] * mantissas[1::2])
        exponent += int(shifts.sum(dtype=np.int64))
    mantissa = float(mantissas[0]) * (1 - above(relative)) if len(mantissas) else 1.0
    if exponent < -1000:
        return 0.0
    return math.ldexp(mantissa * (1 - 4 * UNIT), min(exponent, 1000))
