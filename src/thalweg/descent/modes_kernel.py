"""Gradient descent from exact ZAS, mode by mode, compiled. `modes_numpy` is the same in plain NumPy.

The hidden layers are alpha + g in every mode: g is kept apart, as at great depth its changes are below the rounding
of alpha, and enters to the power N.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

_compiled = njit(cache=True, nogil=True)


@_compiled
def advance(sigma, lam, w, g, w_speed, g_speed, hidden, alpha, eta, momentum, count, level, ceiling):
    """Make up to `count` iterations in place; return how many were made, and why no more.

    0: all were made; 1: the excess loss is at most `level`; 2: it exceeds `ceiling` or is not finite, and the state
    is the last one before.
    """
    r = sigma.size
    errors, tops, sides = np.empty(r), np.empty(r), np.empty(r)
    last_w, last_g = w.copy(), g.copy()
    for done in range(count + 1):
        excess = 0.0
        for i in range(r):
            ratio = 1.0 + g[i] / alpha
            log_ratio = math.log1p(g[i] / alpha) if ratio > 0.0 else math.log(max(-ratio, 1e-300))
            top = math.exp(min(hidden * (math.log(alpha) + log_ratio), 600.0))  # |a|^N
            side = top / (alpha * max(abs(ratio), 1e-300)) if hidden > 0 else 0.0  # |a|^(N-1)
            if ratio < 0.0 and hidden % 2 == 1:
                top = -top
            elif ratio < 0.0:
                side = -side
            error = sigma[i] - w[i] * top
            errors[i], tops[i], sides[i] = lam[i] * error, top, side
            excess += 0.5 * lam[i] * error * error
        if not excess <= ceiling:
            w[:], g[:] = last_w, last_g
            return max(done - 1, 0), 2
        if excess <= level:
            return done, 1
        if done == count:
            break
        last_w[:], last_g[:] = w, g
        for i in range(r):
            w_speed[i] = momentum * w_speed[i] + eta * errors[i] * tops[i]
            g_speed[i] = momentum * g_speed[i] + eta * errors[i] * w[i] * sides[i]
        for i in range(r):
            w[i] += w_speed[i]
            g[i] += g_speed[i]
    return count, 0
