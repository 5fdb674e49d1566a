"""A data set: inputs, labels, and what the flow needs to know of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from .. import _validate as check
from .._typing import FloatArray, Inputs


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Inputs X (n, d) and labels y (n,).

    Parameters
    ----------
    X : array (n, d) or scipy sparse matrix
        One row per sample. A sparse X stays sparse (CSR); no dense (n, d) matrix is ever formed from it.
    y : array (n,)
        Labels.
    name : str
        What to call the data in tables and reports.

    Raises
    ------
    InputError
        For wrong shapes, n or d of 0, NaN or infinity anywhere, or an input of norm zero (no network of
        this kind can learn from it; drop the sample or append a constant input).

    Examples
    --------
    >>> import thalweg as tw
    >>> data = tw.Dataset([[3.0, 4.0], [0.0, 2.0]], [1.0, -1.0])
    >>> data.n, data.d, data.norms
    (2, 2, array([5., 2.]))
    """

    X: Inputs
    y: FloatArray
    name: str = "data"

    def __post_init__(self) -> None:
        owner = "Dataset"
        X = _sparse_inputs(self.X) if hasattr(self.X, "tocsr") else check.real_array(owner, "X", self.X, 2)
        y = check.real_array(owner, "y", self.y, 1)
        if X.shape[0] == 0 or X.shape[1] == 0:
            raise check.fail(owner, "X", "have at least one sample and one input", f"shape {X.shape}")
        if y.shape[0] != X.shape[0]:
            raise check.fail(owner, "y", f"have one label per row of X, {X.shape[0]}", f"{y.shape[0]}")
        object.__setattr__(self, "X", X)
        object.__setattr__(self, "y", y)
        silent = np.flatnonzero(self.norms == 0)
        if silent.size:
            raise check.fail(
                owner,
                "X",
                "have no row of norm zero: drop such samples, or append a constant input",
                f"a zero row at index {silent[0]} ({silent.size} in all)",
            )

    @property
    def n(self) -> int:
        """Number of samples."""
        return self.X.shape[0]

    @property
    def d(self) -> int:
        """Number of inputs (columns)."""
        return self.X.shape[1]

    @property
    def is_sparse(self) -> bool:
        """Whether X is stored as a sparse matrix."""
        return not isinstance(self.X, np.ndarray)

    @cached_property
    def norms(self) -> FloatArray:
        """Norms |x_i|, an array (n,)."""
        squares = self.X.multiply(self.X).sum(axis=1) if self.is_sparse else np.einsum("ik,ik->i", self.X, self.X)
        return np.sqrt(np.asarray(squares, dtype=np.float64)).reshape(-1)

    @cached_property
    def gram(self) -> FloatArray:
        """Gram matrix K = X X^T as a dense (n, n) array, symmetric to the last bit."""
        product = self.X @ self.X.T
        K = product.toarray() if self.is_sparse else np.asarray(product)
        return (K + K.T) / 2

    @cached_property
    def is_orthogonal(self) -> bool:
        """Whether distinct inputs are orthogonal, to rounding (|cos| at most 1e-14)."""
        if self.is_sparse:
            columns_used = np.diff(self.X.tocsc().indptr)
            if columns_used.max() <= 1:
                return True
            overlap = (abs(self.X) @ abs(self.X).T).nnz
            if overlap > 50 * self.n:  # an orthogonal set with that much overlap in support is not worth a search
                return False
            K = (self.X @ self.X.T).tocoo()
            off = K.row != K.col
            return bool((np.abs(K.data[off]) <= 1e-14 * self.norms[K.row[off]] * self.norms[K.col[off]]).all())
        if self.n > self.d:
            return False
        K = np.abs(self.gram) / np.outer(self.norms, self.norms)
        np.fill_diagonal(K, 0.0)
        return bool(K.max() <= 1e-14)

    def __repr__(self) -> str:
        kind = "sparse " if self.is_sparse else ""
        return f"Dataset({self.name!r}, {kind}n={self.n}, d={self.d})"


def _sparse_inputs(X: Any) -> Any:
    from scipy.sparse import csr_array

    if X.ndim != 2:
        raise check.fail("Dataset", "X", "have 2 dimension(s)", f"shape {X.shape}")
    matrix = csr_array(X, dtype=np.float64)
    matrix.sum_duplicates()
    check.finite("Dataset", "X (stored entries)", matrix.data)
    return matrix
