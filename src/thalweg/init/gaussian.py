"""The Gaussian initialization."""

from __future__ import annotations

import numpy as np

from .. import _validate as check
from .._typing import Seed
from ..networks.shallow import ShallowNetwork


def gaussian(
    d: int, p: int, *, scale: float = 1.0, seed: Seed = None, activation: str = "relu", slope: float = 0.0
) -> ShallowNetwork:
    """Draw independent normal weights.

    Entries of W have standard deviation scale/sqrt(d), so that |w_j| is about `scale`; those of a have
    standard deviation `scale`. About two thirds of the neurons are not dominated: |a_j| < |w_j|.

    Parameters
    ----------
    d, p : int
        Number of inputs and width.
    scale : float
        Size of the weights, above 0. Small ones start near the saddle at the origin.
    seed : int or SeedSequence, optional
        Fresh entropy if left out.
    activation, slope
        As for `ShallowNetwork`.

    Examples
    --------
    >>> import thalweg as tw
    >>> tw.init.gaussian(10, 3, scale=0.1, seed=1).W.shape
    (3, 10)
    """
    d, p = check.positive_int("gaussian", "d", d), check.positive_int("gaussian", "p", p)
    scale = check.real("gaussian", "scale", scale, above=0.0)
    rng = np.random.default_rng(check.seed_sequence("gaussian", seed))
    W = scale * rng.standard_normal((p, d)) / np.sqrt(d)
    return ShallowNetwork(W, scale * rng.standard_normal(p), activation, slope)
