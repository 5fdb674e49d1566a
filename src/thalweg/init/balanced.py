"""The balanced initialization: |a_j| = |w_j|."""

from __future__ import annotations

import numpy as np

from .. import _validate as check
from .._typing import Seed
from ..networks.shallow import ShallowNetwork


def balanced(
    d: int, p: int, *, scale: float = 1.0, seed: Seed = None, activation: str = "relu", slope: float = 0.0
) -> ShallowNetwork:
    """Draw a network with |a_j| = |w_j| for every neuron, the boundary case of Assumption 1.

    Entries of W are uniform on scale * (-1, 1)/sqrt(d); a_j = |w_j| with a fair sign. The invariants are set
    to 0 exactly; computed from W and a they would be rounding of either sign.

    Parameters
    ----------
    d, p : int
        Number of inputs and width.
    scale : float
        Factor on W and a, above 0.
    seed : int or SeedSequence, optional
        Fresh entropy if left out.
    activation, slope
        As for `ShallowNetwork`.

    Examples
    --------
    >>> import thalweg as tw
    >>> tw.init.balanced(10, 3, seed=1).invariant
    array([0., 0., 0.])
    """
    d, p = check.positive_int("balanced", "d", d), check.positive_int("balanced", "p", p)
    scale = check.real("balanced", "scale", scale, above=0.0)
    rng = np.random.default_rng(check.seed_sequence("balanced", seed))
    W = scale * rng.uniform(-1.0, 1.0, (p, d)) / np.sqrt(d)
    a = np.linalg.norm(W, axis=1) * rng.choice([-1.0, 1.0], p)
    return ShallowNetwork(W, a, activation, slope, invariant=np.zeros(p))
