"""A data set: inputs, labels, and what the flow needs to know of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from .. import _validate as check
from .._typing import FloatArray
from .coherence import Coherence, coherence, gram_blocks
from .contradictions import Contradictions, contradictions
from .describe import as_html, as_text

# Two inputs are called orthogonal if |cos| is at most this.
ORTHOGONAL = 1e-14
# Columns of a sparse X: a network has a weight for each, of every neuron.
_MOST_COLUMNS = 10**9
# Products of entries spent on looking for orthogonality in a sparse X with overlapping columns.
_SEARCH = 2e7


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Inputs X (n, d) and labels y (n,), both copied.

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
    >>> print(data)
    data
      size       2 samples x 2 inputs (dense)
      norms      2 to 5
      labels     -1 to 1
      coherence  max |cos| 0.8, mean |cos| 0.8
      Gram       lambda_min 1.3, lambda_max 27.7, rank 2
      regime     not weakly interacting: fails by 1.26x at sample 1 (random directions would need n <= 0.849)
    """

    X: Any  # FloatArray or csr_array, which have no typed interface in common
    y: FloatArray
    name: str = "data"

    def __post_init__(self) -> None:
        owner = "Dataset"
        X = _sparse_inputs(self.X) if hasattr(self.X, "tocsr") else check.real_array(owner, "X", self.X, 2, copy=True)
        y = check.real_array(owner, "y", self.y, 1, copy=True)
        if X.shape[0] == 0 or X.shape[1] == 0:
            raise check.fail(owner, "X", "have at least one sample and one input", f"shape {X.shape}")
        if y.shape[0] != X.shape[0]:
            raise check.fail(owner, "y", f"have one label per row of X, {X.shape[0]}", f"{y.shape[0]}")
        object.__setattr__(self, "X", X)
        object.__setattr__(self, "y", y)
        object.__setattr__(self, "name", check.text(owner, "name", self.name))
        if not np.isfinite(self.norms).all():
            raise check.fail(owner, "X", "have rows whose squared norm is a float64: rescale it", "an overflow")
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
        with np.errstate(over="ignore"):  # refused at construction, with a remedy
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
        if self.n > self.d:
            return False
        if self.is_sparse:
            overlaps = np.bincount(self.X.indices).astype(np.float64)
            if overlaps.max() <= 1:
                return True
            if (overlaps**2).sum() > _SEARCH:  # an orthogonal set that overlaps so much is not worth a search
                return False
            K = (self.X @ self.X.T).tocoo()
            off = K.row != K.col
            return bool((np.abs(K.data[off]) <= ORTHOGONAL * self.norms[K.row[off]] * self.norms[K.col[off]]).all())
        for part, block in gram_blocks(self):  # all but orthogonal data are found out in the first block
            block[np.arange(block.shape[0]), np.arange(part.start, part.stop)] = 0.0
            if (np.abs(block) > ORTHOGONAL * np.outer(self.norms[part], self.norms)).any():
                return False
        return True

    @cached_property
    def coherence(self) -> Coherence:
        """Cosines, spectrum of the Gram matrix, and whether the data interact weakly. Computed once."""
        return coherence(self)

    @cached_property
    def contradictions(self) -> Contradictions:
        """Equal inputs with different labels, and the loss no network can go below. Computed once."""
        return contradictions(self)

    def centred(self) -> Dataset:
        """Return the data with the mean of every column of X taken away.

        The centred rows sum to zero, so that the Gram matrix becomes singular (lambda_min = 0) and the
        regime is never weakly interacting. See `uncorrelated` for data that should be.

        Examples
        --------
        >>> import thalweg as tw
        >>> tw.Dataset([[1.0, 0.0], [3.0, 2.0]], [1.0, -1.0]).centred().X
        array([[-1., -1.],
               [ 1.,  1.]])
        """
        X = self._dense("centred")
        return Dataset(X - X.mean(axis=0), self.y, name=f"{self.name}, centred")

    def uncorrelated(self) -> Dataset:
        """Return the data with just enough of the mean input taken away for inner products to average zero.

        Each input loses (1 - s) times the mean input m, s^2 = sum_i |x_i - m|^2 / (n (n - 1) |m|^2), which
        makes the sum of <x_i, x_k> over i != k zero. Unlike `centred` it keeps the rank; equicorrelated
        inputs of one norm become orthogonal. Data whose inner products average zero or less are returned as
        they are.

        Examples
        --------
        >>> import thalweg as tw
        >>> data = tw.data.equicorrelated(4, 6, 0.5, seed=1)
        >>> unit = tw.Dataset(data.X / data.norms[:, None], data.y)
        >>> round(unit.coherence.max_cosine, 3), unit.uncorrelated().coherence.max_cosine < 1e-12
        (0.5, True)
        """
        X = self._dense("uncorrelated")
        mean = X.mean(axis=0)
        spread = float(np.sum((X - mean) ** 2))
        common = self.n * (self.n - 1) * float(mean @ mean)
        if spread >= common:
            return self
        return Dataset(X - (1 - np.sqrt(spread / common)) * mean, self.y, name=f"{self.name}, uncorrelated")

    def save(self, path: str | Path) -> Path:
        """Save to an .npz file, which is complete under its name or not there at all; see `load`.

        Examples
        --------
        >>> import pathlib, tempfile, thalweg as tw
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     tw.data.load(tw.data.sphere(3, 5, seed=1).save(pathlib.Path(folder, "small.npz")))
        Dataset('sphere(n=3, d=5)', n=3, d=5)
        """
        from .files import save

        return save(self, path)

    def _dense(self, method: str) -> FloatArray:
        if isinstance(self.X, np.ndarray):
            return self.X
        raise check.fail(
            f"Dataset.{method}",
            "X",
            "be dense, as taking a mean away fills a sparse X; if memory allows, "
            f"use Dataset(data.X.toarray(), data.y).{method}()",
            f"a sparse matrix of shape {self.X.shape}",
        )

    def __str__(self) -> str:
        return as_text(self)

    def _repr_html_(self) -> str:
        return as_html(self)

    def __repr__(self) -> str:
        kind = "sparse " if self.is_sparse else ""
        return f"Dataset({self.name!r}, {kind}n={self.n}, d={self.d})"


def _sparse_inputs(X: Any) -> Any:
    from scipy.sparse import csr_array

    if X.ndim != 2:
        raise check.fail("Dataset", "X", "have 2 dimension(s)", f"shape {X.shape}")
    if X.dtype.kind not in "biuf":
        raise check.fail("Dataset", "X", "hold real numbers", f"dtype {X.dtype}")
    if X.shape[1] > _MOST_COLUMNS:
        raise check.fail("Dataset", "X", f"have at most {_MOST_COLUMNS:.0e} columns: drop empty ones", f"{X.shape[1]}")
    matrix: Any = csr_array(X, dtype=np.float64, copy=True)  # the canonical form is reached in place
    matrix.sum_duplicates()
    matrix.eliminate_zeros()
    check.finite("Dataset", "X (stored entries)", matrix.data)
    return matrix
