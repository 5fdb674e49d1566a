"""Orthogonal layers."""

from __future__ import annotations

import numpy as np

from .. import _validate as check
from .._typing import FloatArray, Seed
from ..networks.deep_linear import DeepLinearNetwork
from .storable import refuse_unstorable


def orthogonal(depth: int, dim: int, *, scale: float = 1.0, seed: Seed = None) -> DeepLinearNetwork:
    """Draw layers that are `scale` times independent orthogonal matrices, uniform on the orthogonal group.

    The start is fully balanced, so that its flow reduces to that of the product (Saxe, McClelland and Ganguli, 2014,
    introduced it; Arora, Cohen and Hazan, 2018, derived that flow).

    Parameters
    ----------
    depth, dim : int
        Number of layers, and width.
    scale : float
        Singular value of every layer, above 0.
    seed : int or SeedSequence, optional
        Fresh entropy if left out.

    Examples
    --------
    >>> import numpy as np, thalweg as tw
    >>> W = tw.init.orthogonal(50, 4, seed=1).product()
    >>> bool(np.allclose(W @ W.T, np.eye(4)))
    True
    """
    owner = "orthogonal"
    depth, dim = check.positive_int(owner, "depth", depth), check.positive_int(owner, "dim", dim)
    refuse_unstorable(owner, depth * dim**2)
    scale = check.real(owner, "scale", scale, above=0.0)
    rng = np.random.default_rng(check.seed_sequence(owner, seed))
    return DeepLinearNetwork([scale * haar(rng, dim) for _ in range(depth)])


def haar(rng: np.random.Generator, dim: int) -> FloatArray:
    """Draw one matrix uniformly from the orthogonal group."""
    Q, R = np.linalg.qr(rng.standard_normal((dim, dim)))
    return Q * np.sign(np.diag(R))  # without the signs the law would depend on how QR is computed
