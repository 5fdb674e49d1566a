"""The neural tangent kernel of a state, with the true sliding multipliers.

Residuals obey n r' = -H r. Neuron j with active and inactive samples C and sliding samples S moves by
w_j' = (a_j/n) P_j X_C^T Lam_j r_C, where Lam_j = diag(sigma') on C and P_j projects on the orthogonal complement of the
inputs in S: the sliding forces take away just that part of the drive. So

    H = (1/p) sum_j [a_j^2 Lam_j X P_j X^T Lam_j + s_j s_j^T],    s_j = sigma(z_j),  Lam_j = 0 and s_j = 0 on S,

and mu = (2/n) r^T H r / |r|^2 is the local PL curvature of the true flow. Dana, Bach and Pillaud-Vivien (2025),
section 4, with the projections that sliding asks for.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _validate as check
from .._typing import FloatArray, ModeArray
from ..data.dataset import Dataset
from ..networks.shallow import ShallowNetwork
from ._arguments import require_state, require_trajectory

if TYPE_CHECKING:
    from ..flow.trajectory import Trajectory

# Up to this many samples (n, n) matrices are formed: 32 MB, and about a second for all eigenvectors.
DENSE = 2000
# A mode must fit its preactivation z/(|w||x|) to this, far above rounding.
_FITS = 1e-9
# Singular values of sliding directions below this share of the largest are rounding: parallel inputs.
_DEPENDENT = 1e-10


@dataclass(frozen=True, eq=False, repr=False)
class TangentKernel:
    """The NTK Gram matrix H (n, n) of a state; built by `tangent_kernel` or `tangent_kernel_at`.

    Attributes
    ----------
    network : ShallowNetwork
        The state.
    data : Dataset
        The data.
    modes : array (p, n)
        1 active, -1 inactive, 0 sliding.
    residuals : array (n,)
        Residuals at the state.

    Examples
    --------
    >>> import numpy as np, thalweg as tw
    >>> network = tw.ShallowNetwork([[1.0, 0.0], [0.0, -1.0]], [2.0, 4.0])
    >>> H = tw.curvature.tangent_kernel(network, tw.Dataset([[3.0, 0.0], [0.0, 1.0]], [1.0, 1.0]))
    >>> H.apply(np.ones(2)), H.diagonal, H.rank_bound
    (array([22.5,  0. ]), array([22.5,  0. ]), 2)
    """

    network: ShallowNetwork
    data: Dataset
    modes: ModeArray
    residuals: FloatArray

    @property
    def n(self) -> int:
        """Number of samples, the side of H."""
        return self.data.n

    @cached_property
    def multipliers(self) -> FloatArray:
        """The diagonals of Lam_j, (p, n): 1 where active, the slope where inactive, 0 where sliding."""
        return np.where(self.modes == 1, 1.0, np.where(self.modes == -1, self.network.slope, 0.0))

    @cached_property
    def outputs(self) -> FloatArray:
        """Outputs s_ji = sigma(z_ji) of the hidden neurons, (p, n)."""
        return self.multipliers * self.network.preactivations(self.data.X)

    @cached_property
    def held(self) -> list[tuple[int, FloatArray]]:
        """Neurons with sliding pairs, each with an orthonormal basis (rows) of the inputs it is held at."""
        found = []
        for j in np.flatnonzero((self.modes == 0).any(axis=1) & (self.network.a != 0)):
            X: Any = self.data.X[np.flatnonzero(self.modes[j] == 0)]
            rows = X.toarray() if self.data.is_sparse else X
            _, values, directions = np.linalg.svd(rows, full_matrices=False)
            found.append((int(j), directions[values > _DEPENDENT * values[0]]))
        return found

    @cached_property
    def diagonal(self) -> FloatArray:
        """H_ii, an array (n,), without forming H."""
        diagonal = self.input_part + np.einsum("ji,ji->i", self.outputs, self.outputs) / self.network.p
        for removal in self._removals():
            diagonal -= np.einsum("ik,ik->i", removal, removal)
        return diagonal

    @cached_property
    def input_part(self) -> FloatArray:
        """|x_i|^2 (1/p) sum_j a_j^2 lambda_ji^2, an array (n,): for orthogonal inputs H is diag of it + s^T s/p."""
        return self.data.norms**2 * (self.network.a**2 @ self.multipliers**2) / self.network.p

    @property
    def matrix(self) -> FloatArray:
        """H as a dense symmetric array (n, n); formed anew at each call."""
        p, lam, s = self.network.p, self.multipliers, self.outputs
        H = self.data.gram * ((lam.T * (self.network.a**2 / p)) @ lam) + s.T @ s / p
        for removal in self._removals():
            H -= removal @ removal.T
        return (H + H.T) / 2

    def apply(self, v: FloatArray) -> FloatArray:
        """Return H v for v (n,), by products with the inputs: O(np) for orthogonal ones, O(npd) for dense ones."""
        v = check.real_array("TangentKernel.apply", "v", v, 1)
        if v.shape != (self.n,):
            raise check.fail("TangentKernel.apply", "v", f"have {self.n} entries, one per sample", f"shape {v.shape}")
        X, lam, s = self.data.X, self.multipliers, self.outputs
        drive = np.asarray(X.T @ (lam * v).T)  # (d, p)
        for j, basis in self.held:
            drive[:, j] -= basis.T @ (basis @ drive[:, j])
        pushed = np.einsum("ij,ji,j->i", np.asarray(X @ drive), lam, self.network.a**2)
        return (pushed + s.T @ (s @ v)) / self.network.p

    @property
    def operator(self) -> Any:
        """H as a SciPy LinearOperator, for its iterative methods."""
        from scipy.sparse.linalg import LinearOperator

        apply: Any = lambda v: self.apply(np.ravel(v))  # noqa: E731
        return LinearOperator((self.n, self.n), matvec=apply, rmatvec=apply, dtype=np.float64)  # pyright: ignore[reportCallIssue]

    @property
    def curvature(self) -> float:
        """mu = (2/n) r^T H r/|r|^2, the local PL curvature; 0 where r = 0."""
        size = float(np.abs(self.residuals).max())
        if size == 0:
            return 0.0
        r = self.residuals / size  # squares of small residuals would underflow
        return 2.0 / self.n * float(r @ self.apply(r)) / float(r @ r)

    @property
    def rank_bound(self) -> int:
        """A bound of the rank of H: p d + p, or n."""
        return min(self.n, self.network.p * (self.data.d + 1))

    def _removals(self) -> Iterator[FloatArray]:
        """Yield what each held neuron lacks: H = (as if nothing slid) - sum of T T^T over these T (n, |S|)."""
        a, lam = self.network.a / np.sqrt(self.network.p), self.multipliers
        for j, basis in self.held:
            yield a[j] * lam[j][:, None] * np.asarray(self.data.X @ basis.T)

    def __repr__(self) -> str:
        return f"TangentKernel({self.data.name!r}, n={self.n}, p={self.network.p})"

    def __str__(self) -> str:
        sliding = int((self.modes == 0).sum())
        return (
            f"neural tangent kernel of {self.data.name}: {self.n} samples, {self.network.p} neurons, "
            f"{sliding} sliding pairs\n"
            f"  curvature  {self.curvature:.4g}  mu = (2/n) r^T H r/|r|^2\n"
            f"  diagonal   {self.diagonal.min():.4g} to {self.diagonal.max():.4g}"
        )


def tangent_kernel(network: ShallowNetwork, data: Dataset, *, modes: ModeArray | None = None) -> TangentKernel:
    """Build the NTK Gram matrix of a network on data, with the true sliding multipliers.

    Parameters
    ----------
    network : ShallowNetwork
        The state.
    data : Dataset
        Inputs and labels.
    modes : array (p, n), optional
        1 active, -1 inactive, 0 sliding. By default those the flow takes from this state: preactivations within
        rounding of zero are settled as at the start of a flow.

    Examples
    --------
    >>> import thalweg as tw
    >>> network = tw.ShallowNetwork([[1.0, 0.0], [0.0, -1.0]], [2.0, 4.0])
    >>> H = tw.curvature.tangent_kernel(network, tw.Dataset([[3.0, 0.0], [0.0, 1.0]], [1.0, 1.0]))
    >>> H.matrix
    array([[22.5,  0. ],
           [ 0. ,  0. ]])
    >>> print(H)
    neural tangent kernel of data: 2 samples, 2 neurons, 0 sliding pairs
      curvature  18  mu = (2/n) r^T H r/|r|^2
      diagonal   0 to 22.5
    """
    owner = "tangent_kernel"
    require_state(owner, network, data)
    modes = _settled(network, data) if modes is None else _checked(owner, network, data, modes)
    return TangentKernel(network, data, modes, network.residuals(data))


def tangent_kernel_at(traj: Trajectory, index: int = -1) -> TangentKernel:
    """Build the NTK Gram matrix at an output time of a trajectory, with the modes the flow had there.

    Parameters
    ----------
    traj : Trajectory
        The trajectory.
    index : int
        Which output time; the last by default. Its network must have been kept.

    Examples
    --------
    >>> import thalweg as tw
    >>> data, network = tw.data.sphere(10, 5, seed=1), tw.init.dominated(5, 8, seed=2)
    >>> traj = tw.flow(network, data, t_end=20.0, times=[0.0, 10.0, 20.0])
    >>> H = tw.curvature.tangent_kernel_at(traj, 1)
    >>> bool(abs(H.curvature / traj.curvature[1] - 1) < 1e-9)
    True
    """
    owner = "tangent_kernel_at"
    require_trajectory(owner, "traj", traj)
    kept = traj.networks.kept
    whole = isinstance(index, int | np.integer) and not isinstance(index, bool)
    if not whole or not -len(traj) <= index < len(traj) or index % len(traj) not in kept:
        must = f"be an output time whose network was kept ({len(kept)} of {len(traj)}; ask for times=...)"
        raise check.fail(owner, "index", must, repr(index))
    return TangentKernel(traj.networks[index], traj.data, traj.networks.mode_map(index), traj.residuals[index])


def require_kernel(owner: str, kernel: object) -> None:
    """Refuse what is no tangent kernel."""
    if not isinstance(kernel, TangentKernel):
        must = "be a TangentKernel (from tangent_kernel or tangent_kernel_at)"
        raise check.fail(owner, "kernel", must, type(kernel).__name__)


def _settled(network: ShallowNetwork, data: Dataset) -> ModeArray:
    """Return the modes with which the flow would leave this state.

    Only pairs within rounding of zero need a flow to settle them.
    """
    z = network.preactivations(data.X)
    rounding = 8 * np.finfo(np.float64).eps * np.sqrt(data.d) * np.linalg.norm(network.W, axis=1)
    if (np.abs(z) > np.outer(rounding, data.norms)).all():
        return np.sign(z).astype(np.int8)
    from ..flow.solve import engine_for

    return engine_for(network, data, rtol=1e-6, kernel="numba", threads=1).modes()


def _checked(owner: str, network: ShallowNetwork, data: Dataset, modes: ModeArray) -> ModeArray:
    """Refuse modes of another shape, other numbers, or at odds with the preactivations."""
    modes = np.asarray(modes)
    if modes.shape != (network.p, data.n):
        raise check.fail(owner, "modes", f"have shape {(network.p, data.n)}", f"shape {modes.shape}")
    if not np.isin(modes, (-1, 0, 1)).all():
        raise check.fail(owner, "modes", "hold 1 (active), -1 (inactive) and 0 (sliding) only", "other entries")
    cosines = network.preactivations(data.X) / data.norms
    lengths = np.linalg.norm(network.W, axis=1)[:, None]
    wrong = np.where(modes == 0, np.abs(cosines), -modes * cosines) > _FITS * lengths
    if wrong.any():
        j, i = np.argwhere(wrong)[0]
        got = f"mode {modes[j, i]} for neuron {j} and sample {i}, where z/|x| = {cosines[j, i]:.3g}"
        raise check.fail(owner, "modes", "fit the signs of the preactivations", got)
    return modes.astype(np.int8)
