"""Eigenvalues of the tangent kernel, and which of its eigenvectors carry the loss.

While the modes and the kernel stay, the part of the residuals along an eigenvector of H with eigenvalue lambda decays
at the rate lambda/n, and its loss at (2/n) lambda. So mu is the mean of these rates, weighted by shares of |r|^2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _validate as check
from .._typing import FloatArray
from .tangent import DENSE, TangentKernel, require_kernel

# Products spent on one end of a large spectrum before it is given up.
_PATIENCE = 2000


@dataclass(frozen=True, eq=False, repr=False)
class Spectrum:
    """Eigenvalues and eigenvectors of the NTK Gram matrix at a state, and how |r|^2 is shared among them.

    Attributes
    ----------
    values : array (k,)
        Eigenvalues of H, ascending: all n of them, or those found at the two ends.
    vectors : array (n, k)
        Eigenvectors, in columns.
    shares : array (k,)
        Share of |r|^2 along each eigenvector. All of them add up to 1.
    n : int
        Number of samples.

    Examples
    --------
    >>> import thalweg as tw
    >>> data, network = tw.data.sphere(4, 20, seed=1), tw.init.dominated(20, 8, seed=2)
    >>> found = tw.curvature.spectrum(tw.curvature.tangent_kernel(network, data))
    >>> found.rates.round(3), found.complete
    (array([1.04 , 3.186, 4.536, 7.838]), True)
    """

    values: FloatArray
    vectors: FloatArray
    shares: FloatArray
    n: int

    @property
    def rates(self) -> FloatArray:
        """Rates (2/n) lambda at which the loss along each eigenvector decays, an array (k,)."""
        return 2.0 / self.n * self.values

    @property
    def complete(self) -> bool:
        """Whether all eigenvalues are there."""
        return len(self.values) == self.n

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        return f"Spectrum({len(self)} of {self.n} eigenvalues, {self.values[0]:.4g} to {self.values[-1]:.4g})"

    def __str__(self) -> str:
        order = np.argsort(-self.shares, kind="stable")[:5]
        lines = [
            f"{len(self)} of {self.n} eigenvalues of the tangent kernel, {self.values[0]:.4g} to {self.values[-1]:.4g}",
            f"  they carry {100 * min(self.shares.sum(), 1.0):.4g} % of the loss, most of it along",
        ]
        lines += [
            f"  {100 * self.shares[k]:6.2f} %  eigenvalue {self.values[k]:.4g}, decays at {self.rates[k]:.4g}"
            for k in order
        ]
        return "\n".join(lines)


def spectrum(kernel: TangentKernel, count: int | None = None) -> Spectrum:
    """Compute eigenvalues and eigenvectors of H.

    Up to 2000 samples all of them, by a dense solver; above, `count` at each end by Lanczos, without forming H. For
    orthogonal inputs H is a diagonal plus p rank-one terms: its lower end is then found by inverting it, at O(np^2).
    For other inputs the lower end of a large, crowded spectrum may not converge: it is left out.

    Parameters
    ----------
    kernel : TangentKernel
        From `tangent_kernel` or `tangent_kernel_at`.
    count : int, optional
        How many eigenvalues at each end; by default all, or 6 at each end above 2000 samples.

    Examples
    --------
    >>> import thalweg as tw
    >>> data, network = tw.data.sphere(4, 20, seed=1), tw.init.dominated(20, 8, seed=2)
    >>> print(tw.curvature.spectrum(tw.curvature.tangent_kernel(network, data)))
    4 of 4 eigenvalues of the tangent kernel, 2.08 to 15.68
      they carry 100 % of the loss, most of it along
       72.14 %  eigenvalue 9.073, decays at 4.536
       12.60 %  eigenvalue 2.08, decays at 1.04
        8.59 %  eigenvalue 15.68, decays at 7.838
        6.67 %  eigenvalue 6.371, decays at 3.186
    """
    require_kernel("spectrum", kernel)
    n = kernel.n
    if count is not None:
        check.positive_int("spectrum", "count", count)
    if n <= DENSE:
        values, vectors = np.linalg.eigh(kernel.matrix)
        if count is not None and 2 * count < n:
            ends = np.r_[:count, n - count : n]
            values, vectors = values[ends], vectors[:, ends]
    else:
        k = min(count or 6, n // 4)
        ends = [_lowest(kernel, k), lanczos(kernel, k, "LA")]
        values = np.concatenate([end[0] for end in ends])
        vectors = np.hstack([end[1] for end in ends])
    values = np.maximum(values, 0.0)  # H is positive semidefinite: less is rounding
    size = float(np.linalg.norm(kernel.residuals))
    shares = (vectors.T @ (kernel.residuals / size)) ** 2 if size > 0 else np.zeros(len(values))
    return Spectrum(values, vectors, shares, n)


def extreme_eigenvalues(kernel: TangentKernel) -> tuple[float | None, float]:
    """Return the smallest and the largest eigenvalue of H; None for a smallest that did not converge.

    Parameters
    ----------
    kernel : TangentKernel
        From `tangent_kernel` or `tangent_kernel_at`.

    Examples
    --------
    >>> import thalweg as tw
    >>> data = tw.data.orthogonal(5000, seed=1)
    >>> kernel = tw.curvature.tangent_kernel(tw.init.dominated(5000, 40, scale=0.01, seed=2), data)
    >>> smallest, largest = tw.curvature.extreme_eigenvalues(kernel)
    >>> bool(kernel.input_part.min() <= smallest <= kernel.diagonal.min())
    True
    """
    require_kernel("extreme_eigenvalues", kernel)
    if kernel.n <= DENSE:
        values = np.maximum(np.linalg.eigvalsh(kernel.matrix), 0.0)
        return float(values[0]), float(values[-1])
    largest = float(lanczos(kernel, 1, "LA")[0][0])
    if kernel.rank_bound < kernel.n:
        return 0.0, largest
    lowest = _lowest(kernel, 1)[0]
    return (max(float(lowest[0]), 0.0) if len(lowest) else None), largest


def _lowest(kernel: TangentKernel, count: int) -> tuple[FloatArray, FloatArray]:
    """Return the lowest eigenvalues found, ascending, and their eigenvectors."""
    if not kernel.data.is_orthogonal:
        return lanczos(kernel, count, "SA")
    from scipy.linalg import cho_factor, cho_solve
    from scipy.sparse.linalg import LinearOperator

    # (D + s^T s/p - sigma)^-1 by the identity of Woodbury, for a sigma just below the spectrum.
    sigma = float(kernel.input_part.min() - 1e-3 * kernel.input_part.mean())
    inverse, s = 1.0 / (kernel.input_part - sigma), kernel.outputs
    core = cho_factor(kernel.network.p * np.eye(len(s)) + (s * inverse) @ s.T)

    def solve(v: FloatArray) -> FloatArray:
        v = inverse * np.ravel(v)
        return v - inverse * (s.T @ cho_solve(core, s @ v))

    inverted: Any = LinearOperator((kernel.n, kernel.n), matvec=solve, dtype=np.float64)  # pyright: ignore[reportCallIssue]
    return lanczos(kernel, count, "LM", sigma=sigma, OPinv=inverted)


def lanczos(kernel: TangentKernel, count: int, which: str, **inverted: Any) -> tuple[FloatArray, FloatArray]:
    """Return eigenvalues, ascending, and eigenvectors at one end; none if they do not converge."""
    from scipy.sparse.linalg import ArpackNoConvergence, eigsh

    start = np.random.default_rng(0).standard_normal(kernel.n)  # ARPACK's own start is not reproducible
    width = max(40, 4 * count)
    settings: Any = {"v0": start, "ncv": width, "maxiter": max(_PATIENCE // width, 1), **inverted}
    try:
        values, vectors = eigsh(kernel.operator, k=count, which=which, **settings)
    except ArpackNoConvergence:
        return np.empty(0), np.empty((kernel.n, 0))
    order = np.argsort(values)
    return values[order], vectors[:, order]
