"""The flow of fully balanced layers in their product alone (Arora, Cohen and Hazan, 2018)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..._typing import FloatArray
from ...data.target import Target
from ...init.balanced_layers import balanced_factors
from ...networks.deep_linear import DeepLinearNetwork
from ...networks.products import singular_values
from .layers import spread_is_resolved, until_unresolved
from .route import LinearState


class ProductModel:
    """dW/dt = -sum_l (W W^T)^((L-l)/L) E Sigma (W^T W)^((l-1)/L), in the singular basis of W.

    There, each entry of the gradient is multiplied by kappa_ij = sum_l lam_i^(L-l) lam_j^(l-1), lam = s^(2/L), the
    divided differences of s^2 with respect to lam.
    """

    def __init__(self, product: FloatArray, depth: int, target: Target) -> None:
        self._d, self.depth, self._target = len(product), depth, target
        self.start = product.ravel()

    def _frame(self, y: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
        """Return the singular vectors and values of W, E, the gradient in their basis, and kappa."""
        W = y.reshape(self._d, self._d)
        P, s, Rt = np.linalg.svd(W)
        E = W - self._target.Phi
        logs = np.log(np.maximum(s, 1e-290))
        high, gap = np.maximum(logs[:, None], logs), -np.abs(logs[:, None] - logs)
        top = np.exp(np.minimum((2 - 2 / self.depth) * high, 300.0))
        narrow = np.where(gap < 0, gap, -1.0)
        ratio = np.where(gap < 0, np.expm1(2 * narrow) / np.expm1(2 * narrow / self.depth), self.depth)
        return P, s, Rt, E, P.T @ self._target.weigh(E) @ Rt.T, top * ratio

    def velocity(self, t: float, y: FloatArray) -> FloatArray:
        """Return dy/dt."""
        P, _, Rt, _, pull, kappa = self._frame(y)
        return -(P @ (pull * kappa) @ Rt).ravel()

    def resolved(self, y: FloatArray) -> bool:
        """Whether the singular values have digits enough for the flow to go on in the product alone."""
        return spread_is_resolved(singular_values(y.reshape(self._d, self._d)), self.depth)

    def state(self, t: float, y: FloatArray) -> LinearState:
        """Read the state of the network off y."""
        _, s, _, E, pull, kappa = self._frame(y)
        excess = self._target.excess(E)
        curvature = float(np.sum(pull**2 * kappa)) / excess if excess > 0 else 0.0
        return LinearState(
            t, excess, curvature, s, 0.0, lambda: balanced_factors(y.reshape(self._d, self._d), self.depth)
        )


class ProductRoute:
    """Arora's closed form for the product of fully balanced layers."""

    name = "product"
    why = "all layers are square and balanced, so that their product alone carries the flow"

    def __init__(self, network: DeepLinearNetwork, target: Target) -> None:
        self._target = target
        self._model = ProductModel(network.product(), network.depth, target)

    def march(self, t_end: float, times: FloatArray | None, rtol: float) -> Iterator[tuple[LinearState, bool]]:
        """Yield the states; see `Route`."""
        return until_unresolved(self._model, self._target, t_end, times, rtol)
