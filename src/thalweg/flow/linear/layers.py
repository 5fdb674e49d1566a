"""The flow of all layers, with no structure assumed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np

from ..._errors import InputError
from ..._typing import FloatArray
from ...data.target import Target
from ...networks.deep_linear import DeepLinearNetwork, imbalance
from ...networks.products import error_and_gradients, singular_values, squared_norm
from .route import LinearState, Model, integrate

MOST_UNKNOWNS = 5_000_000
# Reduced variables have an absolute accuracy only. Values below this share of the largest have too few digits to tell
# when they grow again; in deeper networks they cannot, before times of 1e20 and more.
_LEAST_SHARE, _REVIVING_DEPTH = 1e-5, 12


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

    def resolved(self, y: FloatArray) -> bool:
        """Whether the layers determine the flow, as they always do."""
        return True

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


def spread_is_resolved(values: FloatArray, depth: int) -> bool:
    """Whether the smallest of these values, known to a share of the largest, has digits enough at this depth."""
    return depth > _REVIVING_DEPTH or bool(values.min() > _LEAST_SHARE * values.max())


def until_unresolved(
    model: Model, target: Target, t_end: float, times: FloatArray | None, rtol: float
) -> Iterator[tuple[LinearState, bool]]:
    """March a reduced model, and all layers from where it ends if it ends before its time."""
    state = None
    for state, output in integrate(model, t_end, times, rtol):
        yield state, output
    if state is None or state.t >= t_end:
        return
    begun, network = state.t, state.network()
    try:
        rest = LayerRoute(network, target)
    except InputError:  # too large to be written out
        return
    left = None if times is None else times[times > begun] - begun
    for later, output in rest.march(t_end - begun, left, rtol):
        if later.t > 0:
            yield replace(later, t=min(begun + later.t, t_end), left=begun), output


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
