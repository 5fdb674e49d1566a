"""A reference that shares nothing with the engines: explicit Euler with tiny steps and Richardson extrapolation.

It takes 1[z > 0] at its word and knows nothing else of kinks: sliding comes out as chatter the size of a step. It says
how far it can be trusted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .._typing import FloatArray


@dataclass(frozen=True)
class Extrapolated:
    """Extrapolated z (p, n) and a (p,) at the end, and how far to trust them.

    The error is the larger of what halving the step changed and of what one step changes: events fall
    anywhere in a step, so that two extrapolated values can agree by accident.
    """

    z: FloatArray
    a: FloatArray
    error: float


def march(
    W: Any, a: Any, X: Any, y: Any, t_end: float, steps: int, slope: float = 0.0
) -> tuple[FloatArray, FloatArray, float]:
    """Return W and a after `steps` explicit Euler steps, and the largest change of z in the last."""
    W, a = np.array(W, float), np.array(a, float)
    X, y = np.asarray(X, float), np.asarray(y, float)
    n, p, h = len(y), len(a), t_end / steps
    z = W @ X.T
    for _ in range(steps):
        z = W @ X.T
        lam = np.where(z > 0, 1.0, slope)
        s = lam * z
        r = y - a @ s / p
        W, a = W + (h / n) * a[:, None] * ((lam * r) @ X), a + (h / n) * (s @ r)
    return W, a, float(np.abs(W @ X.T - z).max())


def flow(W: Any, a: Any, X: Any, y: Any, t_end: float, steps: int = 4000, slope: float = 0.0) -> Extrapolated:
    """Extrapolate from `steps` and 2 `steps`, assuming an error of first order."""
    X = np.asarray(X, float)
    coarse_W, coarse_a, _ = march(W, a, X, y, t_end, steps, slope)
    fine_W, fine_a, jump = march(W, a, X, y, t_end, 2 * steps, slope)
    changed = max(float(np.abs((fine_W - coarse_W) @ X.T).max()), float(np.abs(fine_a - coarse_a).max()))
    return Extrapolated((2 * fine_W - coarse_W) @ X.T, 2 * fine_a - coarse_a, max(jump, changed))
