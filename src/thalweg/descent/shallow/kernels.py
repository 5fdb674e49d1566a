"""Gradient descent on a shallow network, compiled: two matrix products a step, and one pass over the pairs.

Arrays have one row per sample and one column per neuron, so that all a sample needs (its output, its residual, its
pushes on the weights) is made while its row is at hand. What one step adds to the weights is made together with
the loss it starts from, and added when the step is taken: first calls, with nothing to add, judge the start.
"""

from __future__ import annotations

import numpy as np
from numba import njit

# Sums may be reordered, which vectorizes them; NaN and infinity keep their meaning: they are how runs diverge.
_compiled = njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})

# Samples at a time: their rows stay in the cache from the first product to the second.
_BLOCK = 256

ALL_MADE, AT_LEVEL, DIVERGED, STATIONARY = 0, 1, 2, 3


@_compiled
def _respond(Z, Q, shares, gains, slope, r, da):
    """From preactivations Z (w, p) and labels r (w,): residuals in r, pushes in Q, what they add to da; sum r^2.

    The subgradient at z = 0 is that of z < 0: `slope`, 0 for ReLU, as in PyTorch.
    """
    zero, one = Z.dtype.type(0), Z.dtype.type(1)
    squares = 0.0
    for i in range(Z.shape[0]):
        h = zero
        for j in range(Z.shape[1]):
            h += shares[j] * ((one if Z[i, j] > zero else slope) * Z[i, j])
        v = r[i] - h
        r[i] = v
        squares += np.float64(v) * np.float64(v)
        for j in range(Z.shape[1]):
            gain = one if Z[i, j] > zero else slope
            da[j] += gain * Z[i, j] * v
            Q[i, j] = gains[j] * gain * v
    return squares


@_compiled
def _verdict(loss, power, level, ceiling):
    if not loss <= ceiling:
        return DIVERGED
    if loss <= level:
        return AT_LEVEL
    return STATIONARY if power == 0.0 else ALL_MADE


@_compiled
def advance_weights(X, y, slope, eta, W, a, dW, da, r, losses, count, level, ceiling):
    """Make up to `count` steps on the hidden weights W (p, d); return how many, why no more, and the curvature.

    `losses[k]` is the loss after step k + 1 of this call, r the residuals after the last.
    """
    n, p = len(y), len(a)
    Z, Q, part = np.empty(_BLOCK * p, X.dtype), np.empty(_BLOCK * p, X.dtype), np.empty_like(W)
    pace = X.dtype.type(eta / n)
    for k in range(count):
        W += dW
        a += da
        dW[:] = 0
        da[:] = 0
        r[:] = y
        shares, gains = a / X.dtype.type(p), a * pace
        squares = 0.0
        for low in range(0, n, _BLOCK):
            high = min(low + _BLOCK, n)
            rows, size = X[low:high], (high - low) * p
            z, q = Z[:size].reshape(high - low, p), Q[:size].reshape(high - low, p)
            np.dot(rows, W.T, z)
            squares += _respond(z, q, shares, gains, slope, r[low:high], da)
            np.dot(q.T, rows, part)
            dW += part
        da *= pace
        losses[k] = squares / (2 * n)
        power = 0.0
        for j in range(p):
            power += np.float64(da[j]) ** 2
            for i in range(W.shape[1]):
                power += np.float64(dW[j, i]) ** 2
        why = _verdict(losses[k], power, level, ceiling)
        if why != ALL_MADE or k + 1 == count:
            return k + 1, why, power / (eta * eta * p * losses[k]) if losses[k] > 0.0 else 0.0
    return 0, ALL_MADE, 0.0


@_compiled
def advance_preactivations(K, y, slope, eta, Z, moved, a, Q, D, da, r, losses, count, level, ceiling):
    """As `advance_weights`, on preactivations Z (n, p), by the Gram matrix K (n, n), or its diagonal (n,).

    `moved` (n, p) gathers the pushes: hidden weights move by moved^T X.
    """
    n, p = Z.shape
    pace = K.dtype.type(eta / n)
    for k in range(count):
        Z += D
        moved += Q
        a += da
        da[:] = 0
        r[:] = y
        squares = _respond(Z, Q, a / K.dtype.type(p), a * pace, slope, r, da)
        if K.ndim == 1:
            for i in range(n):
                for j in range(p):
                    D[i, j] = K[i] * Q[i, j]
        else:
            np.dot(K, Q, D)
        da *= pace
        losses[k] = squares / (2 * n)
        power = 0.0
        for i in range(n):
            for j in range(p):
                power += np.float64(Q[i, j]) * np.float64(D[i, j])
        power = max(power, 0.0)
        for j in range(p):
            power += np.float64(da[j]) ** 2
        why = _verdict(losses[k], power, level, ceiling)
        if why != ALL_MADE or k + 1 == count:
            return k + 1, why, power / (eta * eta * p * losses[k]) if losses[k] > 0.0 else 0.0
    return 0, ALL_MADE, 0.0
