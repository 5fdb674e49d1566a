"""Noise on a start."""

from __future__ import annotations

import numpy as np

from .. import _validate as check
from .._typing import Seed
from ..networks.deep_linear import DeepLinearNetwork
from .storable import refuse_unstorable


def perturbed(network: DeepLinearNetwork, scale: float, *, seed: Seed = None) -> DeepLinearNetwork:
    """Return the network with scale G_l added to every layer, entries of G_l independent normal of variance 1/columns.

    Every layer becomes different from the others, and is stored.

    Parameters
    ----------
    network : DeepLinearNetwork
    scale : float
        Size of the noise, at least 0.
    seed : int or SeedSequence, optional
        Fresh entropy if left out.

    Examples
    --------
    >>> import thalweg as tw
    >>> tw.init.perturbed(tw.init.zas(20, 3), 0.01, seed=1)
    DeepLinearNetwork(depth 20, 3 -> 3, 20 distinct layers)
    """
    owner = "perturbed"
    if not isinstance(network, DeepLinearNetwork):
        raise check.fail(owner, "network", "be a DeepLinearNetwork", type(network).__name__)
    scale = check.real(owner, "scale", scale, at_least=0.0)
    if scale == 0.0:
        return network
    refuse_unstorable(owner, sum(W.size * count for W, count in network.runs))
    rng = np.random.default_rng(check.seed_sequence(owner, seed))
    noisy = [W + scale / np.sqrt(W.shape[1]) * rng.standard_normal(W.shape) for W in network.layers]
    return DeepLinearNetwork(noisy)
