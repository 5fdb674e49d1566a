"""The target of a deep linear network: a matrix, or a regression on data."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .. import _validate as check
from .._typing import FloatArray

# Beyond this, squares of errors times squares of layers come near the end of float64.
LARGEST = 1e70
# Eigenvalues of the second moment below this share of the largest are rounding.
_RANK = 1e-13


@dataclass(frozen=True, eq=False, repr=False)
class Target:
    """A linear map Phi (d_out, d_in) to learn, with loss R(W) = 1/2 tr((W - Phi) Sigma (W - Phi)^T) + floor.

    On whitened data Sigma = I and R(W) = 1/2 ||W - Phi||_F^2. `Target.regression` makes the target of a linear
    regression, whitened or not.

    Parameters
    ----------
    Phi : array (d_out, d_in)
        The map. Directions that Sigma does not see are taken away from it: they change no loss.
    second_moment : array (d_in, d_in), optional
        Sigma, symmetric and positive semidefinite. The identity if left out.
    floor : float
        The least loss any linear map can have, at least 0.
    name : str
        What to call the target in tables.

    Raises
    ------
    InputError
        For wrong shapes, an empty Phi, NaN or infinity, entries beyond 1e70, or a second moment that is not
        symmetric and positive semidefinite.

    Examples
    --------
    >>> import numpy as np, thalweg as tw
    >>> target = tw.Target([[2.0, 0.0], [0.0, -1.0]])
    >>> target.loss(np.eye(2))
    2.5
    """

    Phi: FloatArray
    second_moment: FloatArray = None  # type: ignore[assignment]
    floor: float = 0.0
    name: str = "target"

    def __post_init__(self) -> None:
        owner = "Target"
        Phi = check.real_array(owner, "Phi", self.Phi, 2, copy=True)
        if 0 in Phi.shape:
            raise check.fail(owner, "Phi", "have at least one row and one column", f"shape {Phi.shape}")
        if (size := float(np.abs(Phi).max())) > LARGEST:
            raise check.fail(owner, "Phi", f"have entries of at most {LARGEST:g}: rescale it", f"{size:g}")
        d = Phi.shape[1]
        if self.second_moment is None:
            moment = np.eye(d)
        else:
            moment = _second_moment(self.second_moment, d)
            values, vectors = np.linalg.eigh(moment)
            seen = vectors[:, values > _RANK * values[-1]]
            if seen.shape[1] < d:
                Phi = Phi @ seen @ seen.T
        object.__setattr__(self, "Phi", Phi)
        object.__setattr__(self, "second_moment", moment)
        object.__setattr__(self, "name", check.text(owner, "name", self.name))
        object.__setattr__(self, "floor", check.real(owner, "floor", self.floor, at_least=0.0))

    @classmethod
    def regression(cls, X: Any, Y: Any, *, name: str = "regression") -> Target:
        """Return the target of the regression of Y on X: R(W) = (1/2n) sum_i |W x_i - y_i|^2.

        Phi is the least-squares map of minimum norm, Sigma = X^T X / n, the floor its loss.

        Parameters
        ----------
        X : array (n, d_in)
            Inputs, one row per sample.
        Y : array (n, d_out) or (n,)
            Outputs.
        name : str
            What to call it in tables.

        Examples
        --------
        >>> import thalweg as tw
        >>> target = tw.Target.regression([[1.0], [1.0]], [3.0, 5.0])
        >>> target.Phi, target.floor
        (array([[4.]]), 0.5)
        """
        owner = "Target.regression"
        inputs = check.real_array(owner, "X", X, 2)
        outputs = check.real_array(owner, "Y", Y, np.ndim(Y) if np.ndim(Y) in (1, 2) else 2)
        n = len(inputs)
        if 0 in inputs.shape or not outputs.size:
            raise check.fail(owner, "X", "have at least one sample, one input and one output", f"shape {inputs.shape}")
        if len(outputs) != n:
            raise check.fail(owner, "Y", f"have one row per row of X, {n}", f"{len(outputs)}")
        outputs = outputs.reshape(n, -1)
        for label, array in (("X", inputs), ("Y", outputs)):
            if (size := float(np.abs(array).max())) > LARGEST:
                raise check.fail(owner, label, f"have entries of at most {LARGEST:g}: rescale it", f"{size:g}")
        if not inputs.any():
            raise check.fail(owner, "X", "have an entry other than zero", "zeros only")
        Phi: FloatArray = np.asarray(np.linalg.lstsq(inputs, outputs, rcond=np.sqrt(_RANK))[0].T, dtype=np.float64)
        rest = outputs - inputs @ Phi.T
        return cls(Phi, inputs.T @ inputs / n, floor=float(np.sum(rest * rest)) / (2 * n), name=name)

    @property
    def d_out(self) -> int:
        """Number of outputs."""
        return self.Phi.shape[0]

    @property
    def d_in(self) -> int:
        """Number of inputs."""
        return self.Phi.shape[1]

    @cached_property
    def norm(self) -> float:
        """Spectral norm of Phi."""
        return float(np.linalg.norm(self.Phi, 2))

    @cached_property
    def scale(self) -> float | None:
        """c if Sigma = c I to the last bit, else None. Training then is that on whitened data, c times as fast."""
        c = float(self.second_moment[0, 0])
        return c if np.array_equal(self.second_moment, c * np.eye(self.d_in)) else None

    @cached_property
    def moment_range(self) -> tuple[float, float]:
        """Smallest nonzero and largest eigenvalue of Sigma."""
        if self.scale is not None:
            return self.scale, self.scale
        values = np.linalg.eigvalsh(self.second_moment)
        return float(values[values > _RANK * values[-1]][0]), float(values[-1])

    def error(self, W: FloatArray) -> FloatArray:
        """Return E = W - Phi."""
        W = check.real_array("Target.error", "W", W, 2)
        if W.shape != self.Phi.shape:
            raise check.fail("Target.error", "W", f"have the shape {self.Phi.shape} of Phi", f"shape {W.shape}")
        return W - self.Phi

    def weigh(self, E: FloatArray) -> FloatArray:
        """Return E Sigma, the gradient of the loss with respect to the product of the layers."""
        return self.scale * E if self.scale is not None else E @ self.second_moment

    def excess(self, E: FloatArray) -> float:
        """Return the loss above the floor, 1/2 tr(E Sigma E^T)."""
        return 0.5 * float(np.sum(self.weigh(E) * E))

    def loss(self, W: FloatArray) -> float:
        """Return R(W) for a matrix W (d_out, d_in)."""
        return self.excess(self.error(W)) + self.floor

    @cached_property
    def spectrum(self) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray] | None:
        """(U, sigma, Z, lam) with Phi = U diag(sigma) Z^T and Sigma Z = Z diag(lam), or None if there is none.

        There is one if and only if Phi^T Phi and Sigma commute. U (d_out, r), Z (d_in, r), r = min(d_out, d_in).
        """
        if self.scale is not None:
            U, sigma, Zt = np.linalg.svd(self.Phi, full_matrices=False)
            return U, sigma, Zt.T, np.full(len(sigma), self.scale)
        return _joint_spectrum(self.Phi, self.second_moment)

    def __repr__(self) -> str:
        data = "whitened" if self.scale == 1.0 else f"Sigma = {self.scale:g} I" if self.scale else "with data"
        return f"Target({self.name!r}, {self.d_out} x {self.d_in}, {data}, norm {self.norm:.3g})"


def _second_moment(value: Any, d: int) -> FloatArray:
    moment = check.real_array("Target", "second_moment", value, 2)
    if moment.shape != (d, d):
        raise check.fail("Target", "second_moment", f"have shape ({d}, {d})", f"shape {moment.shape}")
    size = float(np.abs(moment).max())
    if not 0 < size <= LARGEST:
        raise check.fail("Target", "second_moment", f"have entries up to {LARGEST:g}, not all zero", f"{size:g}")
    if np.abs(moment - moment.T).max() > 1e-12 * size:
        raise check.fail("Target", "second_moment", "be symmetric", "a matrix that is not")
    moment = (moment + moment.T) / 2
    if (least := float(np.linalg.eigvalsh(moment)[0])) < -1e-12 * size:
        raise check.fail("Target", "second_moment", "be positive semidefinite", f"an eigenvalue {least:g}")
    return moment


def _joint_spectrum(Phi: FloatArray, Sigma: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray] | None:
    """Diagonalise Phi^T Phi and Sigma together, if they commute."""
    gram = Phi.T @ Phi
    size, weight = max(float(np.abs(gram).max()), np.finfo(float).tiny), float(np.abs(Sigma).max())
    # Eigenvectors of a generic combination diagonalise both; of either alone they need not.
    Z = np.linalg.eigh(gram / size + 0.6180339887498949 * Sigma / weight)[1]
    Z = Z[:, np.argsort(-np.linalg.norm(Phi @ Z, axis=0), kind="stable")]
    Q, R = np.linalg.qr(Phi @ Z)
    r = min(Phi.shape)
    sigma = np.abs(np.diag(R))
    rotated = Z.T @ Sigma @ Z
    lam = np.diag(rotated)
    slack = 1e-13 * Phi.shape[1]
    stray = np.abs(R - np.pad(np.diag(np.diag(R)), ((0, 0), (0, R.shape[1] - r)))).max()
    if stray > slack * np.sqrt(size) or np.abs(rotated - np.diag(lam)).max() > slack * weight:
        return None
    signs = np.where(np.diag(R) < 0, -1.0, 1.0)
    return Q * signs, sigma, Z[:, :r], np.maximum(lam[:r], 0.0)
