"""The flow of all layers, with no structure assumed."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from ..._errors import InputError
from ..._typing import FloatArray
from ...data.target import Target
from ...networks.deep_linear import DeepLinearNetwork, imbalance
from ...networks.products import error_and_gradients, singular_values, squared_norm
from .route import LinearState, integrate

MOST_UNKNOWNS = 5_000_000


class LayerModel:
    """dW_l/dt = -A_l^T E Sigma B_l^T for l = 1..L, all layers in one vector."""

    def __init__(self, network: DeepLinearNetwork, target: Target) -> None:
        self._shapes = [W.shape for W in network.layers]
        self._cuts = np.cumsum([0, *(a * b for a, b in self._shapes)])
        self._target = target
        self.depth = network.depth
        self.start = np.concatenate([W.ravel() for W in network.layers])
        self._invariants = invariants(self._layers(self.start))
        norms = [float(np.linalg.norm(W, 2)) ** 2 for W in network.layers]
        self._sizes = [max(below, above, 1e-300) for below, above in pairwise(norms)]

    def _layers(self, y: FloatArray) -> list[FloatArray]:
        return [
            y[a:b].reshape(shape) for a, b, shape in zip(self._cuts[:-1], self._cuts[1:], self._shapes, strict=True)
        ]

    def velocity(self, t: float, y: FloatArray) -> FloatArray:
        """Return dy/dt."""
        return -np.concatenate([G.ravel() for G in error_and_gradients(self._layers(y), self._target)[1]])

    def state(self, t: float, y: FloatArray) -> LinearState:
        """Read the state of the network off y."""
        layers = self._layers(y)
        E, gradients = error_and_gradients(layers, self._target)
        excess = self._target.excess(E)
        curvature = squared_norm(gradients) / excess if excess > 0 else 0.0
        moved = zip(invariants(layers), self._invariants, self._sizes, strict=True)
        drift = max((float(np.abs(now - then).max()) / size for now, then, size in moved), default=0.0)
        values = singular_values(E + self._target.Phi)
        return LinearState(t, excess, curvature, values, drift, lambda: DeepLinearNetwork(layers))


class LayerRoute:
    """Integration of every layer."""

    name = "all layers"
    why = "no reduction applies to this start, so that every layer is integrated"

    def __init__(self, network: DeepLinearNetwork, target: Target) -> None:
        refuse_large("flow", network)
        self._model = LayerModel(network, target)

    def march(self, t_end: float, times: FloatArray | None, rtol: float) -> Iterator[tuple[LinearState, bool]]:
        """Yield the states; see `Route`."""
        return integrate(self._model, t_end, times, rtol)


def invariants(layers: list[FloatArray]) -> list[FloatArray]:
    """Return D_1, ..., D_{L-1}."""
    return [imbalance(below, above) for below, above in pairwise(layers)]


def refuse_large(owner: str, network: DeepLinearNetwork) -> None:
    """Refuse to write out networks that only a reduction could handle."""
    unknowns = sum(W.size * count for W, count in network.runs)
    if unknowns > MOST_UNKNOWNS:
        raise InputError(
            f"No reduction applies to this start, and {owner} would follow {unknowns:.1e} weights. Take a network of "
            "less depth, or a start that reduces: zas, orthogonal or balanced layers."
        )
