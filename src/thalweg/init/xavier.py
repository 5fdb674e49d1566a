"""Xavier's initialization of deep linear networks."""

from __future__ import annotations

import numpy as np

from .. import _validate as check
from .._typing import Seed
from ..networks.deep_linear import DeepLinearNetwork
from .storable import refuse_unstorable


def xavier(depth: int, dim: int, *, scale: float = 1.0, seed: Seed = None) -> DeepLinearNetwork:
    """Draw layers whose entries are independent normal of standard deviation scale/sqrt(dim) (Glorot and Bengio, 2010).

    In deep networks of fixed width the singular values of the product spread over many orders of magnitude.

    Parameters
    ----------
    depth, dim : int
        Number of layers, and width.
    scale : float
        Factor on every layer, above 0.
    seed : int or SeedSequence, optional
        Fresh entropy if left out.

    Examples
    --------
    >>> import thalweg as tw
    >>> tw.init.xavier(3, 4, seed=1)
    DeepLinearNetwork(depth 3, 4 -> 4, 3 distinct layers)
    """
    owner = "xavier"
    depth, dim = check.positive_int(owner, "depth", depth), check.positive_int(owner, "dim", dim)
    refuse_unstorable(owner, depth * dim**2)
    scale = check.real(owner, "scale", scale, above=0.0)
    rng = np.random.default_rng(check.seed_sequence(owner, seed))
    return DeepLinearNetwork(scale / np.sqrt(dim) * rng.standard_normal((depth, dim, dim)))
