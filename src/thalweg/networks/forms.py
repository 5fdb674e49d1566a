"""Structured deep linear networks: the forms whose training reduces to a few variables at any depth.

Each function recognises one form, whatever orthogonal changes of basis hide it, and returns None for any other
network. "Balanced" means D_l = W_{l+1}^T W_{l+1} - W_l W_l^T = 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from .._typing import FloatArray
from .deep_linear import DeepLinearNetwork, imbalance

EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True, eq=False)
class ZeroAsymmetric:
    """One zero layer, every other layer alpha times an orthogonal matrix: W_L ... W_{k+1} = alpha^(L-k) `left`.

    Attributes
    ----------
    depth, zero_layer : int
        L, and the number k of the zero layer, 1 to L.
    alpha : float
    left, right : array
        The orthogonal parts of W_L ... W_{k+1} (d_out, d_out) and of W_{k-1} ... W_1 (d_in, d_in).
    """

    depth: int
    zero_layer: int
    alpha: float
    left: FloatArray
    right: FloatArray

    @property
    def hidden(self) -> int:
        """N = L - 1."""
        return self.depth - 1

    def network(self, U: FloatArray, Z: FloatArray, w: FloatArray, grown: FloatArray) -> DeepLinearNetwork:
        """Return a later network of the same training: weight w in the zero layer, alpha + `grown` in the others.

        U (d_out, r) and Z (d_in, r) are the modes of the target. The layers are given in the basis in which all but
        the outermost have no rotation of their own.
        """
        inner, outer = self.right @ Z, self.left.T @ U
        below = self.alpha * np.eye(len(Z)) + (inner * grown) @ inner.T
        above = self.alpha * np.eye(len(U)) + (outer * grown) @ outer.T
        lower, upper = self.zero_layer - 1, self.depth - self.zero_layer
        middle = (outer * w) @ inner.T
        middle = middle if lower else middle @ self.right
        middle = middle if upper else self.left @ middle
        runs = (
            (below @ self.right, min(lower, 1)),
            (below, lower - 1),
            (middle, 1),
            (above, upper - 1),
            (self.left @ above, min(upper, 1)),
        )
        kept = [(W, count) for W, count in runs if count > 0]
        return DeepLinearNetwork([W for W, _ in kept], [count for _, count in kept])


@dataclass(frozen=True, eq=False)
class BalancedHidden:
    """W_1, ..., W_{L-1} square and mutually balanced: their product is H^(N/2) Q, H = V^T V - D for ever.

    Attributes
    ----------
    depth : int
    V : array (d_out, d)
        The last layer.
    H : array (d, d)
        W_{L-1} W_{L-1}^T, positive definite.
    Q : array (d, d)
        The orthogonal polar factor of W_{L-1} ... W_1.
    """

    depth: int
    V: FloatArray
    H: FloatArray
    Q: FloatArray

    @property
    def hidden(self) -> int:
        """N = L - 1."""
        return self.depth - 1

    def margin(self) -> float:
        """Return a lower bound of lambda_min(-D), which H never falls below; it does not owe its sign to rounding."""
        top = float(np.linalg.eigvalsh(self.V.T @ self.V - self.H)[-1])
        return -top - 8 * len(self.H) * EPS * float(np.linalg.norm(self.V) ** 2 + np.linalg.norm(self.H))

    def network(self) -> DeepLinearNetwork:
        """Return a network of this form, its hidden layers in the basis in which all but the first are equal."""
        values, Z = np.linalg.eigh(self.H)
        M = (Z * np.sqrt(np.maximum(values, 0.0))) @ Z.T
        layers, repeats = [M @ self.Q, M, self.V], [1, self.hidden - 1, 1]
        return DeepLinearNetwork(*zip(*((W, n) for W, n in zip(layers, repeats, strict=True) if n), strict=True))


def zero_asymmetric(network: DeepLinearNetwork) -> ZeroAsymmetric | None:
    """Recognise ZAS: exactly one zero layer, the others alpha times an orthogonal matrix."""
    zeros = [k for k, (W, _) in enumerate(network.runs) if not W.any()]
    if len(zeros) != 1 or network.runs[zeros[0]][1] != 1:
        return None
    place = zeros[0]
    others = [W for k, (W, _) in enumerate(network.runs) if k != place]
    alpha = _common_scale(others) if others else 1.0
    if alpha is None:
        return None
    below, above = network.runs[:place], network.runs[place + 1 :]
    left, right = _rotation(above, alpha, network.d_out), _rotation(below, alpha, network.d_in)
    return ZeroAsymmetric(network.depth, sum(count for _, count in below) + 1, alpha, left, right)


def balanced_hidden(network: DeepLinearNetwork) -> BalancedHidden | None:
    """Recognise square, mutually balanced layers below an arbitrary last one that stay invertible along the flow.

    Two or more do if they are invertible now, as their singular values change by a factor of themselves. A lone one
    can become singular unless D = V^T V - H is negative definite.
    """
    *hidden, (V, last) = network.runs
    if last > 1:
        hidden = [*hidden, (V, last - 1)]
    if not hidden or any(W.shape[0] != W.shape[1] for W, _ in hidden) or not _balanced(hidden):
        return None
    top = hidden[-1][0]
    H = top @ top.T
    values = np.linalg.eigvalsh(H)
    if values[0] <= 64 * len(H) * EPS * values[-1]:
        return None
    # In a balanced chain the polar factors multiply: no power of H enters Q.
    Q = np.eye(len(H))
    for W, count in hidden:
        Q = np.linalg.matrix_power(_polar(W), count) @ Q
    form = BalancedHidden(network.depth, V, H, Q)
    return form if form.hidden > 1 or form.margin() > 0 else None


def fully_balanced(network: DeepLinearNetwork) -> bool:
    """Recognise square, invertible layers of which every two neighbours are balanced."""
    if any(W.shape[0] != W.shape[1] for W, _ in network.runs) or not _balanced(network.runs):
        return False
    values = np.linalg.svd(network.runs[0][0], compute_uv=False)
    return bool(values[-1] > 64 * len(values) * EPS * values[0])


def embedded(network: DeepLinearNetwork) -> bool:
    """Recognise an isometric embedding W_1 of the inputs, orthogonal layers above it, and a last layer of zero."""
    *hidden, (last, count) = network.runs
    if last.any() or count > 1 or not hidden:
        return False
    (first, times), *others = hidden
    square = [W for W, _ in others] + [first] * (times > 1)
    isometric = all(np.abs(W.T @ W - np.eye(W.shape[1])).max() <= 8 * len(W) * EPS for W in (first, *square))
    return isometric and all(W.shape[0] == W.shape[1] for W in square)


def _balanced(runs: list[tuple[FloatArray, int]] | tuple[tuple[FloatArray, int], ...]) -> bool:
    pairs = [(W, W) for W, count in runs if count > 1] + [(a[0], b[0]) for a, b in pairwise(runs)]
    return all(
        np.abs(imbalance(below, above)).max() <= 16 * len(above.T) * EPS * np.linalg.norm(below, 2) ** 2
        for below, above in pairs
    )


def _common_scale(layers: list[FloatArray]) -> float | None:
    """Return alpha if every layer is alpha times an orthogonal matrix."""
    if any(W.shape[0] != W.shape[1] for W in layers):
        return None
    sizes = [abs(float(W[0, 0])) if _is_scalar(W) else float(np.linalg.norm(W)) / np.sqrt(len(W)) for W in layers]
    # Where the size can be read off an entry it is exact; it enters to the power N.
    alpha = next((size for size, W in zip(sizes, layers, strict=True) if _is_scalar(W)), sizes[0])
    for size, W in zip(sizes, layers, strict=True):
        d = len(W)
        if abs(size - alpha) > 4 * EPS * alpha or np.abs(W.T @ W - size**2 * np.eye(d)).max() > 8 * d * EPS * size**2:
            return None
    return alpha


def _rotation(runs: tuple[tuple[FloatArray, int], ...], alpha: float, d: int) -> FloatArray:
    """Return the product of the layers of `runs`, each divided by alpha."""
    total = np.eye(d)
    for W, count in runs:
        O = np.sign(W[0, 0]) * np.eye(d) if _is_scalar(W) else _polar(W / alpha)
        total = np.linalg.matrix_power(O, count) @ total
    return total


def _is_scalar(W: FloatArray) -> bool:
    return np.array_equal(W, W[0, 0] * np.eye(len(W)))


def _polar(W: FloatArray) -> FloatArray:
    """Return the orthogonal polar factor; the identity itself for a symmetric positive definite W."""
    if np.array_equal(W, W.T) and np.linalg.eigvalsh(W)[0] > 0:
        return np.eye(len(W))
    P, _, Qt = np.linalg.svd(W)
    return P @ Qt
