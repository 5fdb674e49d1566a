"""The dominated initialization of paper 1."""

from __future__ import annotations

import numpy as np

from .. import _validate as check
from .._typing import Seed
from ..networks.shallow import ShallowNetwork


def dominated(
    d: int, p: int, *, scale: float = 1.0, seed: Seed = None, activation: str = "relu", slope: float = 0.0
) -> ShallowNetwork:
    """Draw a network whose output weights dominate: |a_j| >= |w_j| (Assumption 1).

    Entries of W are uniform on (-1, 1)/sqrt(d), PyTorch's default; |a_j| = |w_j| + Exp(1) with a fair sign;
    then W is multiplied by `scale`. Law of the experiments of Dana, Bach and Pillaud-Vivien (2025).

    Parameters
    ----------
    d, p : int
        Number of inputs and width.
    scale : float
        Factor on W, in (0, 1]: above 1 the domination could fail.
    seed : int or SeedSequence, optional
        Fresh entropy if left out.
    activation, slope
        As for `ShallowNetwork`.

    Examples
    --------
    >>> import thalweg as tw
    >>> bool((tw.init.dominated(10, 4, seed=1).invariant > 0).all())
    True
    """
    d, p = check.positive_int("dominated", "d", d), check.positive_int("dominated", "p", p)
    scale = check.real("dominated", "scale", scale, above=0.0, at_most=1.0)
    rng = np.random.default_rng(check.seed_sequence("dominated", seed))
    W = rng.uniform(-1.0, 1.0, (p, d)) / np.sqrt(d)
    a = (np.linalg.norm(W, axis=1) + rng.exponential(size=p)) * rng.choice([-1.0, 1.0], p)
    return ShallowNetwork(W * scale, a, activation, slope)
