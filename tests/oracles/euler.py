"""Explicit Euler with tiny steps and Richardson extrapolation, which says how far it can be trusted.

It takes 1[z > 0] at its word and knows nothing else of kinks:
sliding comes out as chatter the size of a step.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Extrapolated:
    """Extrapolated z (p, n) and a (p,) at the end, and how far to trust them.

    The error is the larger of what halving the step changed and of what one step changes: events fall
    anywhere in a step, so that two extrapolated values can agree by accident.
    """

    z: np.ndarray
    a: np.ndarray
    error: float


def march(W, a, X, y, t_end, steps, slope=0.0):
    """Return (z, a) after `steps` explicit Euler steps, as one vector, and the largest change of the last."""
    W, a = np.array(W, float), np.array(a, float)
    X, y = np.asarray(X, float), np.asarray(y, float)
    n, p, h = len(y), len(a), t_end / steps
    for _ in range(steps):
        z = W @ X.T
        lam = np.where(z > 0, 1.0, slope)
        s = lam * z
        r = y - a @ s / p
        W, a = W + (h / n) * a[:, None] * ((lam * r) @ X), a + (h / n) * (s @ r)
    end = W @ X.T
    return np.concatenate([end.ravel(), a]), float(np.abs(end - z).max())


def flow(W, a, X, y, t_end, steps=4000, slope=0.0):
    """Extrapolate from `steps` and 2 `steps`, assuming an error of first order."""
    coarse, _ = march(W, a, X, y, t_end, steps, slope)
    fine, jump = march(W, a, X, y, t_end, 2 * steps, slope)
    best = 2 * fine - coarse
    p = len(a)
    return Extrapolated(best[:-p].reshape(p, -1), best[-p:], max(jump, float(np.abs(fine - coarse).max())))
