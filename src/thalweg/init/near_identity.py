"""The near-identity initialization of deep linear networks."""

from __future__ import annotations

import numpy as np

from .. import _validate as check
from .._typing import Seed
from ..networks.deep_linear import DeepLinearNetwork
from .storable import refuse_unstorable


def near_identity(depth: int, dim: int, *, scale: float | None = None, seed: Seed = None) -> DeepLinearNetwork:
    """Draw layers I + scale G_l, the entries of G_l independent normal of variance 1/dim.

    On targets with a negative determinant the product must pass a singular matrix on its way. From the identity itself
    training fails on symmetric targets with a negative eigenvalue (Bartlett, Helmbold and Long, 2018); with noise it
    can take very long.

    Parameters
    ----------
    depth, dim : int
        Number of layers, and width.
    scale : float, optional
        Size of the noise, at least 0; 1/depth if left out, which keeps the product within a bounded distance of I.
    seed : int or SeedSequence, optional
        Fresh entropy if left out.

    Examples
    --------
    >>> import thalweg as tw
    >>> tw.init.near_identity(20, 5, scale=0.0).product().trace()
    np.float64(5.0)
    """
    owner = "near_identity"
    depth, dim = check.positive_int(owner, "depth", depth), check.positive_int(owner, "dim", dim)
    refuse_unstorable(owner, depth * dim**2)
    scale = 1.0 / depth if scale is None else check.real(owner, "scale", scale, at_least=0.0)
    rng = np.random.default_rng(check.seed_sequence(owner, seed))
    return DeepLinearNetwork(np.eye(dim) + scale / np.sqrt(dim) * rng.standard_normal((depth, dim, dim)))
