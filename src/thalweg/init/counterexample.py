"""A start that covers every sample and fails for want of domination."""

from __future__ import annotations

import numpy as np

from ..data.dataset import Dataset
from ..networks.shallow import ShallowNetwork


def counterexample() -> tuple[ShallowNetwork, Dataset]:
    """Return a network and two orthogonal samples on which the flow gets stuck.

    Each sample has an active neuron whose output weight has the sign of its label, but |a_1| < |w_1|: the
    output weight of that neuron changes sign, sample 1 loses its only neuron, and |r| tends to 1. With
    a_1 = 2.1 the start is dominated there and the loss tends to 0.

    Examples
    --------
    >>> import thalweg as tw
    >>> network, data = tw.init.counterexample()
    >>> network.loss(data)
    3.48255625
    """
    network = ShallowNetwork(np.array([[0.3, 2.0], [-1.0, 0.5]]), np.array([0.1, -2.0]))
    return network, Dataset(np.eye(2), np.array([1.0, -4.0]), name="counterexample")
