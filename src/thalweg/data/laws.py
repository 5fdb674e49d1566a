"""Random inputs of the paper's laws."""

from __future__ import annotations

import numpy as np

from .. import _validate as check
from .._typing import FloatArray, Seed
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
