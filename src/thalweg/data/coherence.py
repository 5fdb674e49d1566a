"""How strongly the inputs of a data set interact."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from .._typing import FloatArray

if TYPE_CHECKING:
    from .dataset import Dataset

# Entries of one block of the Gram matrix: 32 MB.
_BLOCK = 2**22
# Largest side on which a full symmetric eigenvalue problem is solved (about 4 s on one core).
_FULL_SPECTRUM = 3000


@dataclass(frozen=True)
class Coherence:
    """Summary of the Gram matrix K = X X^T, and of the weakly interacting regime.

    Attributes
    ----------
    max_cosine, mean_cosine : float
        Largest and mean |cos| between distinct inputs (0 for a single sample).
    lambda_min, lambda_max : float or None
        Extreme eigenvalues of K. lambda_min is 0 where it is below the rounding of the computation. Above
        3000 samples and inputs both are Lanczos estimates, None if these did not converge.
    rank : int or None
        Numerical rank of K; None above 3000 samples and inputs.
    margin : float
        min_i |y_i| |K_i| / (|y| kappa_i), K_i being row i of K and kappa_i its norm without the diagonal
        entry. Infinite for orthogonal inputs, 0 if a label is 0.
    worst_sample : int
        The sample at which the minimum is attained.
    regime : str
        The verdict and its reason, in words.

    Notes
    -----
    The regime is *weakly interacting* if the margin is above 1. Then, from a start with output zero and
    |a_j| >= |w_j| in which every sample i has an active neuron with a_j y_i > 0, the loss of a ReLU network
    tends to 0. For norms and labels of one size and random directions the condition reads, asymptotically,
    n <= 0.6 sqrt(d).

    The condition implies lambda_min > 0: if K v = 0, take the i with the largest |v_i|/|y_i|; then
    K_ii |v_i| <= kappa_i (|v|^2 - v_i^2)^(1/2) <= kappa_i (|v_i|/|y_i|) (|y|^2 - y_i^2)^(1/2) < K_ii |v_i|
    unless v = 0. In particular it never holds for centred inputs, nor for n > d.

    Examples
    --------
    >>> import thalweg as tw
    >>> summary = tw.data.orthogonal(5, seed=1).coherence
    >>> summary.max_cosine, summary.rank, summary.weakly_interacting
    (0.0, 5, True)
    """

    max_cosine: float
    mean_cosine: float
    lambda_min: float | None
    lambda_max: float | None
    rank: int | None
    margin: float
    worst_sample: int
    regime: str

    @property
    def weakly_interacting(self) -> bool:
        """Whether the data are in the weakly interacting regime."""
        return self.margin > 1


def gram_blocks(data: Dataset) -> Iterator[tuple[slice, FloatArray]]:
    """Yield the Gram matrix in dense blocks of consecutive rows."""
    transposed = data.X.T.tocsr() if data.is_sparse else data.X.T
    rows = max(1, _BLOCK // data.n)
    for start in range(0, data.n, rows):
        part = slice(start, min(start + rows, data.n))
        block = data.X[part] @ transposed
        yield part, block if isinstance(block, np.ndarray) else block.toarray()


def coherence(data: Dataset) -> Coherence:
    """Compute the coherence summary, without an (n, n) matrix for n above 3000."""
    norms = data.norms
    largest = total = 0.0
    kappa = np.zeros(data.n)
    if data.is_orthogonal:
        lambda_min, lambda_max = float(norms.min()) ** 2, float(norms.max()) ** 2
        rank = data.n
    else:
        for part, block in gram_blocks(data):
            block[np.arange(block.shape[0]), np.arange(part.start, part.stop)] = 0.0
            kappa[part] = np.sqrt(np.einsum("ij,ij->i", block, block))
            cosines = np.abs(block, out=block)
            cosines /= norms
            cosines /= norms[part, None]
            largest = max(largest, float(cosines.max()))
            total += float(cosines.sum())
        lambda_min, lambda_max, rank = _spectrum(data)
    margin, worst = _margin(np.abs(data.y), norms, kappa)
    return Coherence(
        max_cosine=min(largest, 1.0),  # parallel inputs give 1 up to rounding
        mean_cosine=total / max(data.n * (data.n - 1), 1),
        lambda_min=lambda_min,
        lambda_max=lambda_max,
        rank=rank,
        margin=margin,
        worst_sample=worst,
        regime=_regime(data, margin, worst),
    )


def _margin(sizes: FloatArray, norms: FloatArray, kappa: FloatArray) -> tuple[float, int]:
    ours = sizes * np.hypot(kappa, norms**2)
    theirs = np.linalg.norm(sizes) * kappa
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where(ours == 0, 0.0, ours / theirs)
    worst = int(np.argmin(ratios))
    return float(ratios[worst]), worst


def _regime(data: Dataset, margin: float, worst: int) -> str:
    if math.isinf(margin):
        return "weakly interacting: the inputs are orthogonal"
    if margin > 1:
        return f"weakly interacting: |y_i| |K_i| > |y| kappa_i everywhere, by {margin:.3g}x at sample {worst}"
    if margin == 0:
        return f"not weakly interacting: the label of sample {worst} is 0 (for two classes use -1 and 1)"
    reading = f"random directions would need n <= {0.6 * math.sqrt(data.d):.3g}"
    return f"not weakly interacting: fails by {1 / margin:.3g}x at sample {worst} ({reading})"


def _spectrum(data: Dataset) -> tuple[float | None, float | None, int | None]:
    side = min(data.n, data.d)
    if side > _FULL_SPECTRUM:
        lambda_min = 0.0 if data.n > data.d else _lanczos(data, "SA")
        return lambda_min, _lanczos(data, "LA"), None
    if data.n <= data.d:
        K = data.gram
    else:  # the other Gram matrix has the same positive eigenvalues
        product = data.X.T @ data.X
        K = product if isinstance(product, np.ndarray) else product.toarray()
    values = np.linalg.eigvalsh(K)
    rank = int((values > side * np.finfo(np.float64).eps * values[-1]).sum())
    return float(values[0]) if rank == data.n else 0.0, float(values[-1]), rank


def _lanczos(data: Dataset, which: str) -> float | None:
    from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh

    X = data.X
    K: Any = LinearOperator((data.n, data.n), matvec=lambda v: X @ (X.T @ v))  # pyright: ignore[reportCallIssue]
    start = np.random.default_rng(0).standard_normal(data.n)  # ARPACK's own start is not reproducible
    settings: Any = {"v0": start, "ncv": 40, "maxiter": 20, "tol": 1e-3}
    try:
        value = np.ravel(eigsh(K, k=1, which=which, return_eigenvectors=False, **settings))[0]
    except ArpackNoConvergence:
        return None
    return max(float(value), 0.0)
