"""Random inputs and labels."""

from __future__ import annotations

import numpy as np

from .. import _validate as check
from .._typing import FloatArray, Seed
from ..networks.shallow import ShallowNetwork
from .dataset import Dataset


def _labels(rng: np.random.Generator, n: int) -> FloatArray:
    """Labels with |y_i| uniform on [1, 2] and fair signs."""
    return rng.uniform(1.0, 2.0, n) * rng.choice([-1.0, 1.0], n)


def sphere(n: int, d: int, *, seed: Seed = None) -> Dataset:
    """Draw n inputs with directions uniform on the sphere of R^d.

    Norms |x_i| and |y_i| are uniform on [1, 2], signs of y_i fair: the law of the experiments of Dana, Bach
    and Pillaud-Vivien (2025), section 5.

    Parameters
    ----------
    n, d : int
        Number of samples and of inputs.
    seed : int or SeedSequence, optional
        Fresh entropy if left out.

    Examples
    --------
    >>> import thalweg as tw
    >>> tw.data.sphere(3, 5, seed=1).X.shape
    (3, 5)
    """
    n, d = check.positive_int("sphere", "n", n), check.positive_int("sphere", "d", d)
    rng = np.random.default_rng(check.seed_sequence("sphere", seed))
    X = rng.standard_normal((n, d))
    X *= (rng.uniform(1.0, 2.0, n) / np.linalg.norm(X, axis=1))[:, None]
    return Dataset(X, _labels(rng, n), name=f"sphere(n={n}, d={d})")


def orthogonal(n: int, *, seed: Seed = None) -> Dataset:
    """Draw n orthogonal inputs x_i = c_i e_i, stored sparse.

    c_i and |y_i| are uniform on [1, 2], signs of y_i fair: experiment 2 of Dana, Bach and Pillaud-Vivien
    (2025).

    Examples
    --------
    >>> import thalweg as tw
    >>> tw.data.orthogonal(1000, seed=1).X.nnz
    1000
    """
    from scipy.sparse import dia_array

    n = check.positive_int("orthogonal", "n", n)
    rng = np.random.default_rng(check.seed_sequence("orthogonal", seed))
    lengths = rng.uniform(1.0, 2.0, n)
    X = dia_array((lengths[None, :], [0]), shape=(n, n))
    return Dataset(X, _labels(rng, n), name=f"orthogonal(n={n})")


def equicorrelated(n: int, d: int, correlation: float, *, seed: Seed = None) -> Dataset:
    """Draw n inputs all pairs of which have the same cosine.

    The frame of directions is rotated uniformly at random. Norms |x_i| and |y_i| are uniform on [1, 2], signs
    of y_i fair, as in `sphere`.

    Parameters
    ----------
    n, d : int
        Number of samples and of inputs, d >= n.
    correlation : float
        The cosine, at least -1/(n - 1) and below 1.
    seed : int or SeedSequence, optional
        Fresh entropy if left out.

    Examples
    --------
    >>> import thalweg as tw
    >>> round(tw.data.equicorrelated(5, 8, 0.3, seed=1).coherence.max_cosine, 12)
    0.3
    """
    owner = "equicorrelated"
    n, d = check.positive_int(owner, "n", n), check.positive_int(owner, "d", d)
    if d < n:
        raise check.fail(owner, "d", f"be at least n = {n}", d)
    lowest = -1.0 / (n - 1) if n > 1 else -1.0
    correlation = check.real(owner, "correlation", correlation, at_least=lowest, below=1.0)
    rng = np.random.default_rng(check.seed_sequence(owner, seed))
    frame, triangle = np.linalg.qr(rng.standard_normal((d, n)))
    frame *= np.sign(np.diag(triangle))  # makes the frame uniform, and independent of the QR's sign convention
    # The square root of the matrix of cosines, (1 - c) I + c 11^T, is of the same form.
    along, across = np.sqrt(max(1 + (n - 1) * correlation, 0.0)), np.sqrt(1 - correlation)
    directions = across * frame.T + (along - across) / n * frame.sum(axis=1)
    X = directions * rng.uniform(1.0, 2.0, n)[:, None]
    return Dataset(X, _labels(rng, n), name=f"equicorrelated(n={n}, d={d}, correlation={correlation:g})")


def teacher(network: ShallowNetwork, inputs: Dataset) -> Dataset:
    """Label the inputs of a data set by the outputs of a network, the teacher.

    Examples
    --------
    >>> import thalweg as tw
    >>> network = tw.init.gaussian(10, 3, seed=1)
    >>> data = tw.data.teacher(network, tw.data.sphere(20, 10, seed=2))
    >>> network.loss(data)
    0.0
    """
    if not isinstance(network, ShallowNetwork):
        raise check.fail("teacher", "network", "be a ShallowNetwork", type(network).__name__)
    if not isinstance(inputs, Dataset):
        raise check.fail("teacher", "inputs", "be a Dataset (tw.Dataset(X, y))", type(inputs).__name__)
    return Dataset(inputs.X, network.predict(inputs.X), name=f"{inputs.name}, teacher of width {network.p}")
