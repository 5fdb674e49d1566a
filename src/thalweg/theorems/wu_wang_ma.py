"""Wu, Wang and Ma (2019), Global convergence of gradient descent for deep linear residual networks: the flow.

Their theorem on the gradient flow from the zero-asymmetric initialization, and what holds beyond it on the same
flow, each one object. Gradient descent is in `zas_descent`.
"""

from __future__ import annotations

import math

import numpy as np

from ..networks.forms import EPS
from . import linear_theorem as shared
from .base import Hypothesis, Repair
from .linear_setting import LinearSetting, distance
from .linear_theorem import ARTICLE, OURS, FlowTheorem


class ZasFlow(FlowTheorem):
    """From the zero-asymmetric initialization, W_L = 0 and all other layers the identity, the gradient flow on whitened

    data has R(t) <= exp(-2t) R(0) for every square target Phi and every depth L.
    """

    name = "zas-flow"
    title = "Zero-asymmetric initialization: the flow"
    source = f"{ARTICLE}, theorem on the gradient flow"

    def hypotheses(self, setting: LinearSetting) -> tuple[Hypothesis, ...]:
        """Evaluate the hypotheses."""
        return papers_start(setting)

    def rate(self, setting: LinearSetting) -> float:
        """Return the rate of the loss."""
        return 2.0


class ZasAnyLayer(FlowTheorem):
    """Any one layer may be the zero layer, and the others alpha times the identity (or orthogonal), alpha > 0:

    R(t) - R* <= exp(-2 alpha^(2(L-1)) lambda t) (R(0) - R*) for every target, square or not, where R* is the least loss
    and lambda the smallest nonzero eigenvalue of the second moment of the data, 1 if they are whitened.
    """

    name = "zas-any-layer"
    title = "Any zero layer, any size of the others"
    source = f"{OURS}; after {ARTICLE}"

    def hypotheses(self, setting: LinearSetting) -> tuple[Hypothesis, ...]:
        """Evaluate the hypotheses."""
        return shared.zero_layer(setting, ""), shared.other_layers(setting, "")

    def rate(self, setting: LinearSetting) -> float:
        """Return the rate of the loss."""
        form = setting.form
        assert form is not None  # the hypotheses hold
        return 2 * math.exp(2 * form.hidden * math.log(form.alpha)) * setting.target.moment_range[0]


class SmallLastLayer(FlowTheorem):
    """The last layer need not be zero: let its spectral norm be beta, and the others alpha times the identity (or

    orthogonal), alpha > beta. Then R(t) - R* <= exp(-2 (alpha^2 - beta^2)^(L-1) lambda t) (R(0) - R*) for every
    target, with R* and lambda as in zas-any-layer. For alpha = 1 this rate keeps its size as the depth grows only if
    beta is of order 1/sqrt(L) or less.
    """

    name = "small-last-layer"
    title = "A last layer that is small instead of zero"
    source = f"{OURS}; after {ARTICLE}"

    def hypotheses(self, setting: LinearSetting) -> tuple[Hypothesis, ...]:
        """Evaluate the hypotheses."""
        alpha, gap = distance(setting.below_last)
        text = "distance of all layers but the last from alpha times orthogonal matrices"
        return (
            Hypothesis("other layers", "", gap, "<=", _rounding(setting), text),
            Hypothesis("norm of the last layer", "", _norm(setting), "<", alpha, "beta, against alpha"),
        )

    def rate(self, setting: LinearSetting) -> float:
        """Return the rate of the loss."""
        alpha, beta = distance(setting.below_last)[0], _norm(setting)
        gap = (alpha - beta) * (alpha + beta)
        return 2 * math.exp(setting.hidden * math.log(gap)) * setting.target.moment_range[0]


class RectangularData(FlowTheorem):
    """Regression on data, with hidden layers of any width h >= d_in: let W_1 be an isometric embedding (W_1^T W_1 = I),

    W_2, ..., W_{L-1} the identity (or orthogonal), and W_L = 0. Then R(t) - R* <= exp(-2 lambda t) (R(0) - R*) for
    every target, where R* is the least loss and lambda the smallest nonzero eigenvalue of the second moment of the
    data.
    """

    name = "rectangular-data"
    title = "Data, and hidden layers wider than the inputs"
    source = f"{OURS}; after {ARTICLE}"

    def hypotheses(self, setting: LinearSetting) -> tuple[Hypothesis, ...]:
        """Evaluate the hypotheses."""
        first, *others = setting.below_last or ((np.eye(setting.target.d_in), 1),)
        embedding = np.abs(first[0].T @ first[0] - np.eye(first[0].shape[1])).max()
        text = "distance of W_1 from an isometric embedding of the inputs"
        changes = max((abs(W.shape[0] - W.shape[1]) for W, _ in others), default=0)
        gap = max((float(np.abs(W.T @ W - np.eye(W.shape[1])).max()) for W, _ in others), default=0.0)
        return (
            shared.zero_last(setting, ""),
            Hypothesis("first layer", "", float(embedding), "<=", _rounding(setting), text),
            Hypothesis("hidden width", "", changes, "<=", 0, "largest change of width from W_2 to W_{L-1}"),
            Hypothesis("hidden layers", "", gap, "<=", _rounding(setting), "distance from orthogonal matrices"),
        )

    def rate(self, setting: LinearSetting) -> float:
        """Return the rate of the loss."""
        return 2 * setting.target.moment_range[0]

    def repairs(self, setting: LinearSetting, failed: tuple[Hypothesis, ...]) -> tuple[Repair, ...]:
        """Return what to change."""
        text = "take W_1 = numpy.eye(h, d_in), the identity for W_2, ..., W_{L-1}, and W_L = 0"
        return tuple(Repair(each.name, text) for each in failed)


def papers_start(setting: LinearSetting) -> tuple[Hypothesis, ...]:
    """The paper's setting: square layers, whitened data, W_L = 0, the identity elsewhere."""
    target, gap = setting.target, 0.0
    for W, _ in setting.below_last:
        gap = max(gap, float(np.abs(W - np.eye(len(W))).max()) if W.shape[0] == W.shape[1] else math.inf)
    return (
        Hypothesis("square", "", abs(target.d_out - target.d_in), "<=", 0, "outputs less inputs"),
        shared.whitened(setting, ""),
        shared.zero_last(setting, "ZAS"),
        Hypothesis("identity", "ZAS", gap, "<=", 0.0, "largest distance of an entry of W_1, ..., W_{L-1} from I"),
    )


def _norm(setting: LinearSetting) -> float:
    """The spectral norm of the last layer."""
    return float(np.linalg.norm(setting.last, 2))


def _rounding(setting: LinearSetting) -> float:
    """The distance from isometries that rounding of the entries makes."""
    return 8 * max(max(W.shape) for W, _ in setting.start.runs) * EPS
