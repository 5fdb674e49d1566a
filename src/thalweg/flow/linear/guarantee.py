"""What is proved about a start before anything is computed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ...data.target import Target
from ...networks.deep_linear import DeepLinearNetwork
from ...networks.forms import balanced_hidden, embedded, fully_balanced, zero_asymmetric


@dataclass(frozen=True)
class Guarantee:
    """A proved rate: the excess loss at time t is at most exp(-2 rate t) times the first. 0 if none is known."""

    rate: float
    text: str


def guarantee(network: DeepLinearNetwork, target: Target) -> Guarantee:
    """Return the best rate known for the gradient flow from this start.

    Zero-asymmetric starts (Wu, Wang and Ma, 2019, for alpha = 1): alpha^(2N) times the smallest nonzero second moment
    of the data, whatever the target. Balanced hidden layers with D = W_L^T W_L - W_{L-1} W_{L-1}^T < 0: the same with
    (-lambda_max(D))^N. Balanced layers that begin nearer to an invertible target than its smallest singular value, by
    a margin c: L c^(2-2/L) (Arora, Cohen, Golowich and Hu, 2019, for the flow). An isometric embedding of the inputs
    into wider orthogonal layers below a last layer of zero: that second moment. Any other start: what `tw.certify`
    proves of it by its tests A and B.
    """
    least = target.moment_range[0]
    if (form := zero_asymmetric(network)) is not None:
        rate = float(np.exp(2 * form.hidden * np.log(form.alpha))) * least
        return Guarantee(rate, "zero-asymmetric start: rate alpha^(2(L-1)) lambda_min, for every target")
    for side, text in ((network, "last"), (network.transposed(), "first")):
        # Transposed, the data would stand on the other side.
        if text == "first" and target.scale is None:
            continue
        hidden = balanced_hidden(side)
        if hidden is None:
            continue
        if (margin := hidden.margin()) > 0:
            rate = float(np.exp(hidden.hidden * np.log(margin))) * least
            return Guarantee(rate, f"balanced layers larger than the {text}: rate (-lambda_max D)^(L-1) lambda_min")
    if target.scale is not None and target.d_in == target.d_out and fully_balanced(network):
        smallest = float(np.linalg.svd(target.Phi, compute_uv=False)[-1])
        margin = smallest - float(np.linalg.norm(target.error(network.product())))
        if margin > 0:
            L = network.depth
            rate = L * margin ** (2 - 2 / L) * target.scale
            return Guarantee(rate, "balanced layers nearer to the target than its smallest singular value")
    if embedded(network):
        return Guarantee(least, "isometric embedding, orthogonal hidden layers and a last layer of zero: lambda_min")
    return _certified(network, target)


def _certified(network: DeepLinearNetwork, target: Target) -> Guarantee:
    """Return the rate that the certificates A and B prove, which need nothing but the start and no search."""
    from ...certify.linear.conserved import conserved
    from ...certify.linear.enclosed import Problem
    from ...certify.linear.near_target import near_target

    with np.errstate(all="ignore"):  # what overflows or is NaN proves nothing
        problem = Problem.of(network, target)
        tried = [conserved(problem), near_target(problem)] if problem.least > 0 else []
    if (best := max((found for found in tried if found.holds), key=lambda found: found.rate, default=None)) is None:
        return Guarantee(0.0, "none: no rate is known for this start; the loss never increases")
    return Guarantee(best.rate / 2, f"certificate {best.test}: {best.says}")
