"""Gradient descent from the zero-asymmetric initialization: the paper's theorem, and a sharper one."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from ..descent.steps import first_gain, safe_step
from . import linear_theorem as shared
from .base import Comparison, Hypothesis, Repair
from .linear_setting import LinearSetting
from .linear_theorem import ARTICLE, OURS, DescentTheorem
from .wu_wang_ma import papers_start

if TYPE_CHECKING:
    from ..flow.linear.trajectory import LinearTrajectory

# What one step takes away, at least, with the larger identity and the proved step; at N s^2 = 1 it is met with
# equality, up to rounding.
_SHARE = (1 - 1e-12) / (math.e + 1)


class PaperDescent(DescentTheorem):
    """From the zero-asymmetric initialization on whitened data, with phi = max(2 |Phi|_F, 3/sqrt(L), 1) and a step

    eta <= min(1/(4 L^3 phi^6), 1/(144 L^2 phi^4)), plain gradient descent has R_k <= (1 - eta/2)^k R_0, which is
    O(L^3 log(1/eps)) steps to a loss of eps. The constants are quoted as recalled; as quoted, the statement follows
    from zas-descent.
    """

    name = "zas-descent-paper"
    title = "Zero-asymmetric initialization: gradient descent, as in the paper"
    source = f"{ARTICLE}, theorem on gradient descent; constants as recalled"

    def hypotheses(self, setting: LinearSetting) -> tuple[Hypothesis, ...]:
        """Evaluate the hypotheses."""
        return *papers_start(setting), self.step_size(setting, "")

    def largest(self, setting: LinearSetting) -> float:
        """Return the largest step size allowed; it may underflow."""
        L = setting.start.depth
        phi = math.log(max(2 * float(np.linalg.norm(setting.target.Phi)), 3 / math.sqrt(L), 1.0))
        return min(math.exp(-3 * math.log(L) - 6 * phi) / 4, math.exp(-2 * math.log(L) - 4 * phi) / 144)

    def rate(self, setting: LinearSetting) -> float:
        """Return the rate of the loss per step."""
        return -math.log1p(-self.step(setting) / 2)


class ZasDescent(DescentTheorem):
    """Plain gradient descent from any one zero layer and all others alpha times the identity (or orthogonal): with

    N = L - 1, a0 = alpha^(2N), s >= |Phi|_2 and a step eta <= eta* = 1/(max(e a0, N s^2/alpha^2) + N s^2/alpha^2),
    R_k <= (1 - eta a0)^(2k) R_0, every mode of the target grows monotonically, and none overshoots. At eta* and
    alpha = 1 it takes at most (max(e, N s^2) + N s^2)/2 log(1/eps) + 1 steps to eps R_0. On data whose second moment
    commutes with Phi^T Phi, with extreme nonzero eigenvalues lambda_min and lambda_max, the same holds of the loss
    above its floor, with eta*/lambda_max in place of eta* and eta a0 lambda_min in place of eta a0.
    """

    name = "zas-descent"
    title = "Gradient descent from zero-asymmetric starts: a sharper theorem"
    source = f"{OURS}, proved there"

    def hypotheses(self, setting: LinearSetting) -> tuple[Hypothesis, ...]:
        """Evaluate the hypotheses; there is a step size to compare with only if the others hold."""
        start = (shared.zero_layer(setting, ""), shared.other_layers(setting, ""), shared.commuting(setting, ""))
        return (*start, self.step_size(setting, "eta*")) if all(each.holds for each in start) else start

    def largest(self, setting: LinearSetting) -> float:
        """Return eta*."""
        return safe_step(setting.start, setting.target)

    def rate(self, setting: LinearSetting) -> float:
        """Return the rate of the loss per step."""
        return -2 * math.log1p(-self.step(setting) * gain(setting) * setting.target.moment_range[0])

    def compare(self, traj: LinearTrajectory) -> tuple[Comparison, ...]:
        """Hold loss and singular values against a run: none overshoots, and their sum grows."""
        target, values = traj.target, traj.singular_values
        assert target.spectrum is not None  # the hypotheses hold
        top = np.sort(target.spectrum[1])[::-1]
        beyond, slack = np.max(values - top, axis=1), 128 * np.finfo(float).eps * top[0]
        total = values.sum(axis=1)
        return (
            *super().compare(traj),
            Comparison("singular values, overshoot", top[0] + beyond, np.full(len(values), top[0] + slack), "<=", 0.0),
            Comparison("sum of singular values, growth", total[1:] + slack, total[:-1], ">=", 0.0),
        )


class LargerIdentity(DescentTheorem):
    """With a slightly larger identity the number of steps does not depend on depth or target: on whitened data, for a

    zero-asymmetric start, if eta <= eta* (as in zas-descent) and eta alpha^(2N) >= 1/(e + 1), then
    R_k <= (e/(e + 1))^(2k) R_0, which is at most 37 steps to 10^-10. Both hold for eta = eta* and
    alpha = max(1, N s^2)^(1/(2N)), tw.init.zas_alpha(depth, s), where the same s >= |Phi|_2 enters both.
    """

    name = "larger-identity"
    title = "A slightly larger identity: 37 steps at every depth"
    source = f"{OURS}, proved with zas-descent"

    def hypotheses(self, setting: LinearSetting) -> tuple[Hypothesis, ...]:
        """Evaluate the hypotheses; there is a step size to compare with only if the others hold."""
        start = (shared.zero_layer(setting, ""), shared.other_layers(setting, ""), shared.whitened(setting, ""))
        if not all(each.holds for each in start):
            return start
        first = self.step(setting) * gain(setting)
        text = "eta alpha^(2N), the share of the error that the first step takes away"
        return (*start, self.step_size(setting, "eta*"), Hypothesis("first step", "", first, ">=", _SHARE, text))

    def largest(self, setting: LinearSetting) -> float:
        """Return eta*."""
        return safe_step(setting.start, setting.target)

    def rate(self, setting: LinearSetting) -> float:
        """Return the rate of the loss per step."""
        return -2 * math.log1p(-_SHARE)

    def repairs(self, setting: LinearSetting, failed: tuple[Hypothesis, ...]) -> tuple[Repair, ...]:
        """Return what to change: the size of the identity, and with it the step."""
        found = super().repairs(setting, failed)
        if not any(each.name == "first step" for each in failed):
            return found
        from ..init import zas_alpha

        alpha = zas_alpha(setting.start.depth, setting.target.norm) if setting.target.norm else 1.0
        text = f"take alpha = {alpha:.7g} (tw.init.zas_alpha) and the step size that is safe there"
        return (*(each for each in found if each.hypothesis != "first step"), Repair("first step", text, alpha))


def gain(setting: LinearSetting) -> float:
    """Return a0 = alpha^(2N) of a start that satisfies the hypotheses."""
    form = setting.form
    assert form is not None
    return first_gain(form)
