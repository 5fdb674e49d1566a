"""Products of layers, and the gradient with respect to every layer, in O(L) products."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .._typing import FloatArray
from ..data.target import Target


def error_and_gradients(layers: Sequence[FloatArray], target: Target) -> tuple[FloatArray, list[FloatArray]]:
    """Return E = W_L ... W_1 - Phi and the gradients A_l^T E Sigma B_l^T, l = 1..L.

    B_l = W_{l-1} ... W_1 are built once going up; A_l^T E Sigma, A_l = W_L ... W_{l+1}, going down.
    """
    below: list[FloatArray] = [layers[0]]
    for W in layers[1:]:
        below.append(W @ below[-1])
    E = below[-1] - target.Phi
    pull = target.weigh(E)
    gradients = [pull] * len(layers)
    for l in range(len(layers) - 1, 0, -1):
        gradients[l] = pull @ below[l - 1].T
        pull = layers[l].T @ pull
    gradients[0] = pull
    return E, gradients


def squared_norm(matrices: Sequence[FloatArray]) -> float:
    """Return the sum of the squared entries of all matrices."""
    return float(sum(np.vdot(G, G) for G in matrices))


def singular_values(W: FloatArray) -> FloatArray:
    """Return the singular values of a matrix, decreasing."""
    return np.asarray(np.linalg.svd(W, compute_uv=False), dtype=np.float64)
