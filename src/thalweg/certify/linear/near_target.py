"""Test B: near an invertible target the product of the layers stays invertible.

Let |E| <= e < s, s the smallest singular value of Phi. Then A_1 = W_L ... W_2 has, with W = A_1 W_1,
sigma_min(A_1) |W_1| >= sigma_min(W) >= s - e. So |grad_1| |W_1| >= lambda_min(Sigma) e (s - e), which is what makes
(s - e)/|W_1| increase: |W_1|' <= |grad_1|, and -e' = |grad|^2/(lambda_min(Sigma) e). The same holds of W_L. Hence, for
all later time, R - R* decays with

    mu = lambda_min(Sigma) (s - e)^2 (1/|W_1|^2 + 1/|W_L|^2)    of the present state.

The first term needs Phi to have as many columns as rows at least, the second as many rows as columns.
"""

from __future__ import annotations

import math

import numpy as np

from ..rounding import UNIT, above, below, smallest_singular_value, spectral_norms
from .enclosed import Found, Problem


def near_target(problem: Problem) -> Found:
    """Compare the error with the smallest singular value of the target."""
    network, Phi, test = problem.network, problem.target.Phi, "B"
    if network.depth < 2:
        return Found(test, False, "needs two layers or more")
    s, e = smallest_singular_value(Phi), problem.error
    slack = s / e if e > 0 else math.inf if s > 0 else 0.0
    if not s > 0:
        return Found(test, False, "the target is singular, to rounding")
    if not e < s:
        what = f"the error {e:.4g} is not below the smallest singular value {s:.4g} of the target"
        return Found(test, False, what, slack=slack)
    margin = (s - e) * (1 - 2 * UNIT)
    ends = []
    if Phi.shape[0] <= Phi.shape[1]:
        ends.append(network.layers[0])
    if Phi.shape[0] >= Phi.shape[1]:
        ends.append(network.layers[-1])
    # The product is not singular, so that no layer is zero.
    gain = below(sum(float((margin / spectral_norms(W)) ** 2) for W in ends))
    mu = below(gain * problem.least)
    if not (mu > 0 and np.isfinite(mu)):
        return Found(test, False, f"the error {e:.4g} is below {s:.4g}, but the rate is beyond float64", slack=slack)
    says = f"the error {e:.4g} is below the smallest singular value {s:.4g} of the target: mu = {mu:.4g} for ever"
    return Found(test, True, says, below(2 * mu), above(problem.error / math.sqrt(gain)), slack)
