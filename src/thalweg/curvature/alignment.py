"""Which eigenvectors of the tangent kernel carry the loss, along a trajectory."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .. import _validate as check
from .._typing import FloatArray
from ._arguments import require_trajectory
from .spectrum import spectrum
from .tangent import DENSE, TangentKernel, tangent_kernel_at

if TYPE_CHECKING:
    from matplotlib.figure import FigureBase

    from ..flow.trajectory import Trajectory


@dataclass(frozen=True, eq=False, repr=False)
class Alignment:
    """How the loss is shared among the eigenvectors of the tangent kernel, at some output times.

    Attributes
    ----------
    t : array (T,)
        Times.
    rates : array (T, k)
        (2/n) lambda: how fast the loss along each eigenvector decays while the kernel stays; ascending.
    shares : array (T, k)
        Share of |r|^2 along it. Rows add up to 1, and sum_k rates shares is the local PL curvature.
    exact : bool
        Whether these are the eigenvectors, or the nodes of a quadrature that stand for clusters of them.

    Examples
    --------
    >>> import thalweg as tw
    >>> data, network = tw.data.sphere(4, 20, seed=1), tw.init.dominated(20, 8, seed=2)
    >>> found = tw.curvature.alignment(tw.flow(network, data, t_end=5.0, times=[0.0, 5.0]))
    >>> bool((found.quantile(0.1) <= found.quantile(0.9)).all()), len(found.carriers)
    (True, 2)
    """

    t: FloatArray
    rates: FloatArray
    shares: FloatArray
    exact: bool

    @property
    def curvature(self) -> FloatArray:
        """Local PL curvature sum_k rates shares, an array (T,)."""
        return (self.rates * self.shares).sum(axis=1)

    @property
    def carriers(self) -> FloatArray:
        """How many eigenvectors carry the loss, 1/sum_k shares^2, an array (T,) between 1 and k."""
        squares = (self.shares**2).sum(axis=1)
        return np.divide(1.0, squares, out=np.zeros_like(squares), where=squares > 0)

    def quantile(self, level: float) -> FloatArray:
        """Return the rate below which the given share of the loss decays, an array (T,).

        Parameters
        ----------
        level : float
            In [0, 1]; 0.5 for the median.
        """
        level = check.real("Alignment.quantile", "level", level, at_least=0.0, at_most=1.0)
        reached = np.cumsum(self.shares, axis=1) >= level - 1e-12
        return self.rates[np.arange(len(self.t)), np.argmax(reached, axis=1)]

    def plot(self, figure: FigureBase | None = None) -> FigureBase:
        """Draw the shares of the loss over time and rate, with the curvature, their mean."""
        from ..plot._curvature import alignment

        return alignment(self, figure)

    def __len__(self) -> int:
        return len(self.t)

    def __repr__(self) -> str:
        return f"Alignment({len(self)} times, {self.rates.shape[1]} {'eigenvectors' if self.exact else 'nodes'})"

    def __str__(self) -> str:
        rows = np.unique(np.linspace(0, len(self) - 1, min(len(self), 6)).round().astype(int))
        low, middle, high = (self.quantile(level) for level in (0.1, 0.5, 0.9))
        lines = [
            f"alignment with the {self.rates.shape[1]} eigenvectors of the tangent kernel"
            if self.exact
            else f"alignment with the tangent kernel, by a quadrature of {self.rates.shape[1]} nodes",
            "          t  curvature  carriers  rates of 10, 50, 90 % of the loss",
        ]
        lines += [
            f"  {self.t[k]:9.4g}  {self.curvature[k]:9.4g}  {self.carriers[k]:8.4g}  "
            f"{low[k]:.3g}, {middle[k]:.3g}, {high[k]:.3g}"
            for k in rows
        ]
        return "\n".join(lines)


def alignment(traj: Trajectory, *, times: int = 60, nodes: int | None = None) -> Alignment:
    """Find how the loss is shared among the eigenvectors of the tangent kernel, along a trajectory.

    Up to 2000 samples by all eigenvectors; above, or if `nodes` are given, by that many steps of Lanczos from r. Their
    Ritz values are the nodes of the Gauss quadrature of the shares: sums over eigenvectors of shares times a polynomial
    in lambda of degree below 2 nodes are exact, and the curvature is one of them.

    Parameters
    ----------
    traj : Trajectory
        The trajectory.
    times : int
        At most so many of the output times whose network was kept, evenly thinned, the last included.
    nodes : int, optional
        Use a quadrature of so many nodes, at most n. By default all eigenvectors, or 30 nodes above 2000 samples.

    Examples
    --------
    >>> import thalweg as tw
    >>> data, network = tw.data.sphere(10, 5, seed=1), tw.init.dominated(5, 8, seed=2)
    >>> traj = tw.flow(network, data, t_end=60.0, times=[0.0, 20.0, 60.0])
    >>> found = tw.curvature.alignment(traj)
    >>> bool(abs(found.curvature / traj.curvature - 1).max() < 1e-9)
    True
    >>> print(found)
    alignment with the 10 eigenvectors of the tangent kernel
              t  curvature  carriers  rates of 10, 50, 90 % of the loss
    ...
    """
    require_trajectory("alignment", "traj", traj)
    times = check.positive_int("alignment", "times", times)
    n = traj.data.n
    if nodes is not None and check.positive_int("alignment", "nodes", nodes) > n:
        raise check.fail("alignment", "nodes", f"be at most n = {n}", nodes)
    if nodes is None and n > DENSE:
        nodes = 30
    kept = traj.networks.kept
    if not kept.size:
        raise check.fail("alignment", "traj", "have kept a network: ask for times=... in tw.flow", "none")
    chosen = kept[np.unique(np.linspace(len(kept) - 1, 0, min(times, len(kept))).round().astype(int))]
    rates, shares = [], []
    for k in chosen:
        kernel = tangent_kernel_at(traj, int(k))
        if nodes is None:
            found = spectrum(kernel)
            values, weights = found.values, found.shares
        else:
            values, weights = _quadrature(kernel, nodes)
        rates.append(2.0 / n * values)
        shares.append(weights)
    return Alignment(traj.t[chosen], np.array(rates), np.array(shares), nodes is None)


def _quadrature(kernel: TangentKernel, nodes: int) -> tuple[FloatArray, FloatArray]:
    """Return nodes and weights of the Gauss quadrature of the shares of |r|^2 over the spectrum (Golub and Welsch).

    Where r lies in an invariant subspace of fewer dimensions, the rest is filled with weights of zero.
    """
    size = float(np.linalg.norm(kernel.residuals))
    if size == 0:
        return np.zeros(nodes), np.zeros(nodes)
    basis = np.zeros((nodes, kernel.n))
    basis[0] = kernel.residuals / size
    projected = np.zeros((nodes, nodes))
    for k in range(nodes):
        v = kernel.apply(basis[k])
        projected[k, k] = basis[k] @ v
        for _ in range(2):  # orthogonal to all before it, to rounding
            v -= basis.T @ (basis @ v)
        length = float(np.linalg.norm(v))
        if k + 1 == nodes or length <= 1e-12 * projected.max():
            break
        basis[k + 1] = v / length
        projected[k, k + 1] = projected[k + 1, k] = length
    values, vectors = np.linalg.eigh(projected)
    return np.maximum(values, 0.0), vectors[0] ** 2
