"""The kernel of `modes_kernel` in plain NumPy."""

from __future__ import annotations

import numpy as np


def advance(sigma, lam, w, g, w_speed, g_speed, hidden, alpha, eta, momentum, count, level, ceiling):
    """Make up to `count` iterations in place; see `modes_kernel.advance`."""
    last = w.copy(), g.copy()
    with np.errstate(all="ignore"):
        for done in range(count + 1):
            a = alpha + g
            logs = np.where(a > 0, np.log1p(g / alpha), np.log(np.maximum(-a / alpha, 1e-300))) + np.log(alpha)
            size = np.exp(np.minimum(hidden * logs, 600.0))
            top = size * np.where(a < 0, -1.0, 1.0) ** hidden
            side = size / np.maximum(np.abs(a), 1e-300) * np.where(a < 0, -1.0, 1.0) ** (hidden - 1)
            error = sigma - w * top
            excess = 0.5 * float(np.sum(lam * error**2))
            if not excess <= ceiling:
                w[:], g[:] = last
                return max(done - 1, 0), 2
            if excess <= level:
                return done, 1
            if done == count:
                break
            last = w.copy(), g.copy()
            w_speed[:] = momentum * w_speed + eta * lam * error * top
            g_speed[:] = momentum * g_speed + (eta * lam * error * w * side if hidden else 0.0)
            w += w_speed
            g += g_speed
    return count, 0
