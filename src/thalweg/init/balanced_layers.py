"""Balanced deep linear networks."""

from __future__ import annotations

import numpy as np

from .. import _validate as check
from .._typing import Seed
from ..networks.deep_linear import DeepLinearNetwork


def balanced_layers(depth: int, dim: int, *, scale: float = 1.0, seed: Seed = None) -> DeepLinearNetwork:
    """Draw layers that are mutually balanced, W_{l+1}^T W_{l+1} = W_l W_l^T, with a normal product.

    The product A has independent normal entries of standard deviation scale/sqrt(dim); with A = P S R^T the layers
    are S^(1/L) R^T, S^(1/L), ..., P S^(1/L) (Arora, Cohen, Golowich and Hu, 2019, procedure 1). The shallow
    namesake, for networks with one hidden layer, is `balanced`.

    Parameters
    ----------
    depth, dim : int
        Number of layers, and width.
    scale : float
        Size of the product, above 0.
    seed : int or SeedSequence, optional
        Fresh entropy if left out.

    Examples
    --------
    >>> import thalweg as tw
    >>> network = tw.init.balanced_layers(30, 4, seed=1)
    >>> all(abs(D).max() < 1e-14 for D, _ in network.invariants())
    True
    """
    owner = "balanced_layers"
    depth, dim = check.positive_int(owner, "depth", depth), check.positive_int(owner, "dim", dim)
    scale = check.real(owner, "scale", scale, above=0.0)
    rng = np.random.default_rng(check.seed_sequence(owner, seed))
    return balanced_factors(scale / np.sqrt(dim) * rng.standard_normal((dim, dim)), depth)


def balanced_factors(product: np.ndarray, depth: int) -> DeepLinearNetwork:
    """Return balanced layers with the given square product."""
    if depth == 1:
        return DeepLinearNetwork([product])
    P, s, Rt = np.linalg.svd(product)
    root = s ** (1.0 / depth)
    middle = [(np.diag(root), depth - 2)] if depth > 2 else []
    runs = [(root[:, None] * Rt, 1), *middle, (P * root, 1)]
    return DeepLinearNetwork([W for W, _ in runs], [count for _, count in runs])
