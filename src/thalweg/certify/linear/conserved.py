"""Test A: what the flow conserves keeps all layers but one away from being singular.

D_l = W_{l+1}^T W_{l+1} - W_l W_l^T never changes along the flow. Let all layers but the k-th, the pivot, be square. As
W_k W_k^T and W_k^T W_k have no negative eigenvalue,

    s_l = s_{l+1} - lambda_max(D_l) for l = k-1, ..., 1,    s_l = s_{l-1} + lambda_min(D_{l-1}) for l = k+1, ..., L,

from s_k = 0, bound the squares of the singular values of W_l from below for ever. If all are positive, the gradient of
the k-th layer alone has |A_k^T E Sigma B_k^T|^2 >= prod_{l != k} s_l |E Sigma|^2 >= 2 mu (R - R*) with
mu = lambda_min(Sigma) prod s_l. No two pivots k < j can be valid: their sums add up to
sum lambda_min(D_l) - sum lambda_max(D_l) <= 0 over l = k, ..., j-1.
"""

from __future__ import annotations

import math

import numpy as np

from ..._typing import FloatArray, IntArray
from ...networks.deep_linear import DeepLinearNetwork, imbalance
from ..rounding import TINY, UNIT, above, below, gamma, largest_eigenvalue, norm, smallest_eigenvalue
from .enclosed import Found, Problem, product_below

# Every layer has a bound of its own, of which the product is taken: some seconds for as many as this.
MOST_LAYERS = 10**7


def conserved(problem: Problem) -> Found:
    """Look for a pivot that no state of the flow can do without moving."""
    network, test = problem.network, "A"
    if network.depth > MOST_LAYERS:
        return Found(test, False, f"not tried on {network.depth} layers: it bounds each, of up to {MOST_LAYERS}")
    pivots = candidates(network)
    if not pivots.size:
        return Found(test, False, "two or more layers are not square")
    low, high = spectra(network)
    if not (np.isfinite(low).all() and np.isfinite(high).all()):
        return Found(test, False, "the invariants of the layers are beyond float64")
    k = int(pivots[np.argmax(_worst(low, high)[pivots])])
    bounds, slack = gains(low, high, k)
    if not (bounds > 0).all():
        worst = int(np.argmin(bounds))
        layer = worst + 1 if worst < k else worst + 2
        return Found(
            test,
            False,
            f"no layer can be the pivot: at best, layer {k + 1}, but then the invariants allow layer {layer} to become "
            f"singular (s = {bounds[worst]:.3g})",
            slack=slack,
        )
    gain = product_below(bounds)
    mu = below(gain * problem.least)
    if not mu > 0:
        return Found(test, False, f"the product of the bounds s_l is too small for float64 ({gain:.3g})", slack=slack)
    least = f"all others keep singular values of at least {math.sqrt(bounds.min()):.4g}" if bounds.size else "alone"
    says = f"layer {k + 1} is a pivot: {least}, so that mu = {mu:.4g} for ever"
    return Found(
        test, True, says, below(2 * mu), above(problem.error / math.sqrt(gain)), slack, {"pivot": [float(k + 1)]}
    )


def candidates(network: DeepLinearNetwork) -> IntArray:
    """Return the layers, from 0, without which all layers are square."""
    square = np.repeat([W.shape[0] == W.shape[1] for W, _ in network.runs], [count for _, count in network.runs])
    oblong = np.flatnonzero(~square)
    if not oblong.size:
        oblong = np.arange(len(square))
    elif oblong.size > 1:
        oblong = oblong[:0]
    return oblong.astype(np.int64)


def spectra(network: DeepLinearNetwork) -> tuple[FloatArray, FloatArray]:
    """Return lower bounds of lambda_min(D_l) and upper bounds of lambda_max(D_l), arrays (L-1,)."""
    ends: list[tuple[float, float]] = []
    counts: list[int] = []
    for k, (W, count) in enumerate(network.runs):
        if count > 1:
            # A symmetric layer commutes with itself to the last bit, which no rounding must hide at great depth.
            ends.append((0.0, 0.0) if np.array_equal(W, W.T) else _extremes(W, W))
            counts.append(count - 1)
        if k + 1 < len(network.runs):
            ends.append(_extremes(W, network.runs[k + 1][0]))
            counts.append(1)
    low, high = np.repeat(np.array(ends).reshape(-1, 2), counts, axis=0).T
    return low, high


def _extremes(lower: FloatArray, upper: FloatArray) -> tuple[float, float]:
    D = imbalance(lower, upper)
    # D is a difference: its error is measured by the layers, not by D.
    squares = norm(lower) ** 2 + norm(upper) ** 2
    error = above((gamma(max(upper.shape[0], lower.shape[1])) + 2 * UNIT) * squares) + D.size * TINY
    return smallest_eigenvalue(D) - above(error), largest_eigenvalue(D) + above(error)


def _worst(low: FloatArray, high: FloatArray) -> FloatArray:
    """Return for every pivot the smallest s_l, up to rounding: an array (L,)."""
    down, up = (np.concatenate([[0.0], np.cumsum(each)]) for each in (high, low))
    beyond = np.array([math.inf])
    least_below = np.concatenate([beyond, np.minimum.accumulate(down)[:-1]])
    least_above = np.concatenate([np.minimum.accumulate(up[::-1])[::-1][1:], beyond])
    return np.minimum(least_below - down, least_above - up)


def gains(low: FloatArray, high: FloatArray, k: int) -> tuple[FloatArray, float]:
    """Return lower bounds of s_l, l != k, an array (L-1,), and the smallest ratio of gains to losses."""
    bounds, ratio = [], math.inf
    for terms in (-high[:k][::-1], low[k:]):
        # Zeros add without rounding.
        relative = gamma(int(np.count_nonzero(terms)) + 1)
        plus, minus = np.cumsum(np.maximum(terms, 0.0)), np.cumsum(np.maximum(-terms, 0.0))
        taken = minus + above(relative * (plus + minus))
        bounds.append(np.cumsum(terms) - above(relative * (plus + minus)))
        losing = taken > 0
        ratio = min(ratio, float(np.min(plus[losing] / taken[losing], initial=math.inf if plus.all() else 0.0)))
    return np.concatenate([bounds[0][::-1], bounds[1]]), ratio
