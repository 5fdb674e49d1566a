"""Test C checked again: products in extended precision, their norms by Cholesky factors, bounds by iteration."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..._typing import FloatArray
from ...networks.deep_linear import DeepLinearNetwork
from ..extended import UNIT, Real, RealArray, above, accuracy, below, gram, norm, row_norms
from .replay_products import spectral

_DOUBLE = 2.0**-53
# Sums of at most 512 products of positive numbers in float64 are right to this, relative, many times over.
_COARSE = 1e-11


def sizes(network: DeepLinearNetwork) -> FloatArray:
    """Return upper bounds n_ij of |W_j ... W_{i+1}|_2, an array (L+1, L+1)."""
    L, d = network.depth, max(max(W.shape) for W, _ in network.runs)
    n = np.eye(L + 1)
    stack, errors = np.zeros((0, d, d), Real), np.zeros(0, Real)
    for i in range(L - 1, -1, -1):
        W = np.zeros((d, d), Real)
        layer = network.layers[i]
        W[: layer.shape[0], : layer.shape[1]] = layer
        lengths = row_norms(stack.reshape(len(stack), d * d))
        errors = above(spectral(W) * errors + (d + 2) * UNIT * lengths * norm(W))
        stack, errors = np.concatenate([W[None], stack @ W]), np.append(Real(0), errors)
        n[i, i + 1 :] = above(_norms(stack) + errors).astype(np.float64) * (1 + 4 * _DOUBLE)
    return n


def _norms(stack: RealArray) -> RealArray:
    """Return upper bounds of the largest singular values: s^2 I - G = C C^T within |residual|."""
    d = stack.shape[-1]
    rounded = stack.astype(np.float64)
    lengths = row_norms(stack.reshape(len(stack), d * d))
    G = np.swapaxes(rounded, -1, -2) @ rounded
    top = np.linalg.eigvalsh(G)[:, -1] * (1 + 1e-10) + 1e-300
    try:
        C = np.linalg.cholesky(top[:, None, None] * np.eye(d) - G)
    except np.linalg.LinAlgError:
        return lengths
    residual = top[:, None, None] * np.eye(d) - G - C @ np.swapaxes(C, -1, -2)
    rest = row_norms(residual.reshape(len(stack), d * d).astype(Real))
    # Rounding the stack to float64, its Gram matrix, C C^T, whose trace is at most d top, and two differences.
    error = (4 * d + 16) * _DOUBLE * (lengths**2 + d * top)
    return np.minimum(np.sqrt(above(top + rest + error)), lengths)


def curvature(network: DeepLinearNetwork) -> tuple[RealArray, Any]:
    """Return K = sum_l A_l A_l^T (x) B_l^T B_l and a bound of its error."""
    layers = [W.astype(Real) for W in network.layers]
    above_it, below_it = [(np.eye(network.d_out, dtype=Real), Real(0))], [(np.eye(network.d_in, dtype=Real), Real(0))]
    for W in layers[:0:-1]:
        A, a = above_it[-1]
        above_it.append((A @ W, _next(A, a, W)))
    for W in layers[:-1]:
        B, b = below_it[-1]
        below_it.append((W @ B, _next(B, b, W)))
    K, error = Real(0), Real(0)
    for (A, a), (B, b) in zip(above_it[::-1], below_it, strict=True):
        (X, x), (Y, y) = _gram(A, a), _gram(np.ascontiguousarray(B.T), b)
        K = K + np.kron(X, Y)
        error += norm(X) * y + x * norm(Y) + x * y + (len(layers) + 2) * UNIT * norm(X) * norm(Y)
    return np.asarray(K), above(error, 4 * len(layers))


def _next(M: RealArray, error: Any, W: RealArray) -> Any:
    return above(error * spectral(W) + (len(W) + W.shape[1] + 2) * UNIT * norm(M) * norm(W))


def _gram(M: RealArray, error: Any) -> tuple[RealArray, Any]:
    """Return M M^T and a bound of its error, that of M included."""
    size = norm(M)
    return gram(M), above(2 * size * error + error**2 + accuracy(M.shape[1]) * size**2)


def march(n: FloatArray, distances: RealArray, least: Any, most: Any) -> tuple[Any, Any, Any, Any] | None:
    """Return at the last distance: m from below, |J| and lambda_max(Q) from above, int m from below."""
    spent, bend, begun = Real(0), 0.0, Real(0)
    for end in distances:
        x = end - begun
        h = float(x) * (1 + _COARSE)
        ahead = n
        for _ in range(len(n)):  # products of length l are right after l rounds
            ahead, before = n + h * _growth(ahead) * (1 + 2 * _COARSE), ahead
            if np.array_equal(ahead, before):
                break
        if not (n + h * _growth(ahead) * (1 + _COARSE) <= ahead).all():
            return None
        n, begun = ahead, end
        bend = max(bend, _bend(n))
        fall = above(Real(bend) * x)
        after = least - fall - UNIT * (least + fall)
        if not after > 0:
            return None
        spent = below(spent + x * (1 - UNIT) * (least + after) / 2)
        least, most = after, above(most + fall)
    return least, most, Real(bend), spent


def _growth(n: FloatArray) -> FloatArray:
    return np.sqrt((n * n)[:, :-1] @ (n * n)[1:, :])


def _bend(n: FloatArray) -> float:
    """Return an upper bound of lambda_max(Q), Q nonnegative: the largest ratio (Q x)_l/x_l, x positive."""
    Q = np.triu(np.outer(n[0, :-1], n[1:, -1]) * n[1:, :-1], 1)
    Q = Q + Q.T
    if not np.isfinite(Q).all():
        return np.inf
    x = np.abs(np.linalg.eigh(Q)[1][:, -1]) + 1e-9
    return float(np.max(Q @ x / x)) * (1 + _COARSE) + 1e-300
