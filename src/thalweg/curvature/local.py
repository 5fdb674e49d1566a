"""The local PL curvature along a run: its average, and bounds of it at a state."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from .._typing import FloatArray, ModeArray

if TYPE_CHECKING:
    from ..flow.coordinates import Coordinates


def average(t: FloatArray, loss: FloatArray, local: FloatArray) -> FloatArray:
    """Return log(L(t_0)/L(t))/(t - t_0) along a run, an array (T,); at the first of the times the local curvature.

    Parameters
    ----------
    t, loss, local : array (T,)
        Times, losses, less their floor if there is one, and local curvatures.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = np.where(loss < 0, np.nan, np.log(loss[0] / loss)) / (t - t[0])
    return np.where(t > t[0], rate, local)


def bounds(
    coordinates: Coordinates, modes: ModeArray, a: FloatArray, squares: FloatArray, slope: float
) -> tuple[float, float]:
    """Return a lower and an upper bound of the local PL curvature.

    With S_i = (1/p) sum_j a_j^2 lambda_ji^2 over pairs away from their kink,

        (2/n) lambda_min(K) min_i S_i  <=  mu  <=  (2/n) |X|_2^2 max_i (1/p) sum_j (a_j^2 + |w_j|^2) lambda_ji^2,

    where under |a_j| >= |w_j| the right-hand side is at most (4/n) |X|_2^2 max_i S_i. Dana, Bach and
    Pillaud-Vivien (2025), section 4, with the norms of the inputs kept.

    Parameters
    ----------
    coordinates : Coordinates
        The inputs.
    modes : array (p, n)
        1 active, -1 inactive, 0 sliding.
    a, squares : array (p,)
        Output weights, and squared norms of the hidden weights in the span of the inputs.
    slope : float
        Slope of the leaky ReLU, 0 for ReLU.
    """
    p, n = modes.shape
    active = (modes == 1).astype(np.float64)
    quiet = 1.0 - active
    low = (a**2 / p) @ (active + slope**2 * quiet)
    high = ((a**2 + squares) / p) @ (active + slope**2 * quiet)
    smallest, largest = coordinates.extreme_eigenvalues
    return 2.0 / n * smallest * float(low.min()), 2.0 / n * largest * float(high.max())
