"""Dana, Bach and Pillaud-Vivien (2025), Convergence of shallow ReLU networks on weakly interacting data.

Their convergence theorems, and sharper statements on the same flow, each one object. What they rest on is in
`lemmas`, orthogonal inputs are in `orthogonal_inputs`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from . import conditions, coverage
from .base import Comparison, Guarantee, Hypothesis, Repair
from .setting import ShallowSetting
from .shallow_theorem import (
    ARTICLE,
    OURS,
    ShallowTheorem,
    against_paper,
    against_rate,
    decay,
    fitted_rate,
    paper_constant,
    probability,
    started,
)

if TYPE_CHECKING:
    from ..flow.trajectory import Trajectory


class Theorem1(ShallowTheorem):
    """The loss tends to 0 with probability at least 1 - epsilon over the start, if

    the output weights dominate (Assumption 1), the data interact weakly (Assumption 2) and the width is at least
    4 log(n/epsilon). The local PL curvature is then at least (C/n) min_i |1 - r_i/y_i| at all times, with
    C = (Cx-/Cx+) Cx- Cy-, where Cx- <= |x_i| <= Cx+ and Cy- <= |y_i|.

    Assumption 2 is evaluated by what the proof uses of it: |y_i| |K_i| > |r| kappa_i for every sample (the
    explicit form of Theorem A) and lambda_min(K) >= (Cx-)^2/2.
    """

    name = "theorem-1"
    title = "Theorem 1: weakly interacting data"
    source = f"{ARTICLE}, Theorem 1"

    def hypotheses(self, setting: ShallowSetting) -> tuple[Hypothesis, ...]:
        """Evaluate the hypotheses."""
        s, shortest = setting, float(setting.data.norms.min())
        if s.network is not None:
            reach = conditions.covered(s)
        else:
            law = coverage.paper_width(s.n, s.epsilon)
            reach = Hypothesis("width", "Theorem 1", s.p, ">=", law, "neurons, against 4 log(n/epsilon)")
        gap = "smallest eigenvalue of X X^T, against half of the least |x_i|^2"
        return (
            conditions.domination(s),
            conditions.labels(s),
            conditions.weak_interaction(s, "Assumption 2"),
            Hypothesis("eigenvalue", "Assumption 2", s.interactions.lambda_min, ">=", shortest**2 / 2, gap),
            reach,
            *conditions.together(s),
        )

    def guarantees(self, setting: ShallowSetting) -> tuple[Guarantee, ...]:
        """Return what follows."""
        C = paper_constant(setting.data)
        return (
            probability(setting, conditions.chance(setting)),
            Guarantee("constant", C, "C: at every time the curvature is at least (C/n) min_i |1 - r_i/y_i|"),
            Guarantee("final rate", C / setting.n, "C/n: what the curvature is at least in the end, when r = 0"),
        )

    def repairs(self, setting: ShallowSetting, failed: tuple[Hypothesis, ...]) -> tuple[Repair, ...]:
        """Return what to change."""
        found = super().repairs(setting, failed)
        if any(each.name == "eigenvalue" for each in failed):
            text = "only this theorem's rate asks for so much; Theorem A needs lambda_min(K) > 0"
            found = (*found, Repair("eigenvalue", text))
        return found

    def compare(self, traj: Trajectory) -> tuple[Comparison, ...]:
        """Hold the curvature against the paper's bound."""
        return against_paper(traj)


class Corollary1(ShallowTheorem):
    """For data drawn from a sub-Gaussian law in dimension d of order n^2 or more, the data interact weakly with

    high probability, and Theorem 1 applies. The constant in the order is not stated; for random directions and
    norms and labels of one size, the condition reads n <= 0.6 sqrt(d) asymptotically, a constant of about 3.

    Checked by drawing data and start together: the share of draws that satisfy Theorem A.
    """

    name = "corollary-1"
    title = "Corollary 1: data drawn from a sub-Gaussian law"
    source = f"{ARTICLE}, Corollary 1"

    def silent_on(self, setting: ShallowSetting) -> str:
        """Return why not: it is about a law of the data and of the start."""
        if setting.law is None:
            return "no law of the data was given (law=)"
        return "the start is given, not drawn" if setting.network is not None else super().silent_on(setting)

    def hypotheses(self, setting: ShallowSetting) -> tuple[Hypothesis, ...]:
        """Evaluate the hypotheses."""
        s = setting
        text = f"probability over data and start that Theorem A applies; d = {s.data.d / s.n**2:.3g} n^2"
        share = s.drawn_with_data.chance(s.drawn_with_data.rate_a > 0)
        return (conditions.domination(s), Hypothesis("all at once", "Corollary 1", share, ">=", s.needed, text))

    def guarantees(self, setting: ShallowSetting) -> tuple[Guarantee, ...]:
        """Return what follows."""
        draws = setting.drawn_with_data
        found = (Guarantee("probability", draws.chance(draws.rate_a > 0), "over data and start: the loss tends to 0"),)
        rate = draws.at_least(draws.rate_a, setting.needed)
        if rate > 0:
            found = (*found, Guarantee("rate", rate, f"the loss falls as exp(-rate t), for {setting.needed:g} of them"))
        return found

    def repairs(self, setting: ShallowSetting, failed: tuple[Hypothesis, ...]) -> tuple[Repair, ...]:
        """Return what to change."""
        found = conditions.remedies(setting, tuple(each for each in failed if each.name == "domination"))
        need = conditions.inputs_needed(setting.data)
        width = coverage.union_width(setting.n, setting.epsilon / 2)
        text = f"{setting.n} random directions with these labels and norms need about d = {need} inputs"
        return (*found, Repair("all at once", f"{text}, and width {width}", need))

    def compare(self, traj: Trajectory) -> tuple[Comparison, ...]:
        """Hold the curvature against the paper's bound."""
        return against_paper(traj)


class TheoremA(ShallowTheorem):
    """The loss tends to 0 if lambda_min(K) > 0, no label is 0, and the start

    (i) is dominated, (ii) covers every sample i: some neuron has a_j y_i > 0 and z_ji > 0, and (iii) interacts
    weakly: |y_i| |K_i| > |r| kappa_i for every i. Then mu >= (2/n) lambda_min(K) min_i s_i at all times, with s_i
    computed from the start and a free delta in (0, 1), and liminf mu >= (2/n) lambda_min(K) min_i |y_i|/|x_i|.

    Here K = X X^T, |K_i| is the norm of its row i and kappa_i that norm without the diagonal entry. Any moment of a
    flow may be taken as the start.
    """

    name = "theorem-a"
    title = "Theorem A: explicit weak interaction"
    source = f"{OURS}, Theorem A (after {ARTICLE}, Theorem 1)"

    def hypotheses(self, setting: ShallowSetting) -> tuple[Hypothesis, ...]:
        """Evaluate the hypotheses."""
        return (
            conditions.domination(setting),
            conditions.labels(setting),
            conditions.independence(setting),
            conditions.weak_interaction(setting, "Assumption 2"),
            conditions.covered(setting),
            *conditions.together(setting),
        )

    def guarantees(self, setting: ShallowSetting) -> tuple[Guarantee, ...]:
        """Return what follows."""
        return (
            probability(setting, conditions.chance(setting)),
            *decay(setting, setting.starts.rate_a),
            Guarantee("final rate", fitted_rate(setting), "what the curvature is at least in the end"),
        )

    def compare(self, traj: Trajectory) -> tuple[Comparison, ...]:
        """Hold curvature and loss against the rate guaranteed at the start."""
        return against_rate(traj, float(started(traj).starts.rate_a[0]))


class TheoremA0(ShallowTheorem):
    """The loss tends to 0 from any start with |r| < min_i |y_i|, if lambda_min(K) > 0.

    Then mu >= (2/n) lambda_min(K) min_i s_i at all times, s_i = (sqrt(c^2 + 4 g_i^2) - c)/2, where
    g_i = (|y_i| - |r|)/|x_i| and c = (1/p) sum_j max(|w_j|^2 - a_j^2, 0), which is 0 for a dominated start.

    It makes rigorous the rule to stop once L < min y_i^2/(2n). For a singular K the rule is unsound: for inputs 1
    and 2 in one dimension and labels 1.5 and 2 it is met by runs whose loss stays positive.
    """

    name = "theorem-a0"
    title = "Theorem A0: a residual below every label"
    source = f"{OURS}, Theorem A0 (after the stopping rule of {ARTICLE})"

    def hypotheses(self, setting: ShallowSetting) -> tuple[Hypothesis, ...]:
        """Evaluate the hypotheses."""
        s = setting
        least = float(np.abs(s.data.y).min())
        size = s.starts.at_most(s.starts.residual, s.needed)
        text = "|r| at the start, against the smallest label"
        return (conditions.independence(s), Hypothesis("small residual", "", size, "<", least, text))

    def guarantees(self, setting: ShallowSetting) -> tuple[Guarantee, ...]:
        """Return what follows."""
        return (
            probability(setting, setting.starts.chance(setting.starts.rate_a0 > 0)),
            *decay(setting, setting.starts.rate_a0),
        )

    def repairs(self, setting: ShallowSetting, failed: tuple[Hypothesis, ...]) -> tuple[Repair, ...]:
        """Return what to change: usually, to flow on for a while."""
        found = super().repairs(setting, failed)
        level = float(np.abs(setting.data.y).min()) ** 2 / (2 * setting.n)
        if level == 0:
            return (*found, *conditions.remedies(setting, (conditions.labels(setting),)))
        if [each.name for each in failed] == ["small residual"]:
            text = f"flow first: it applies to any state with a loss below {level:.3g}"
            found = (*found, Repair("small residual", text, level))
        return found

    def compare(self, traj: Trajectory) -> tuple[Comparison, ...]:
        """Hold curvature and loss against the rate guaranteed at the start."""
        return against_rate(traj, float(started(traj).starts.rate_a0[0]))


class LeakyReLU(ShallowTheorem):
    """For a leaky ReLU of slope gamma in (0, 1) the loss tends to 0 at every width, if lambda_min(K) > 0

    and some neuron has |a_j| > |w_j|: mu >= (2/n) gamma^2 lambda_min(K) (1/p) sum_j max(a_j^2 - |w_j|^2, 0).
    """

    name = "leaky-relu"
    title = "Leaky ReLU: any width"
    source = f"{OURS}, leaky ReLU"

    def silent_on(self, setting: ShallowSetting) -> str:
        """Return why not: it is about leaky ReLUs."""
        return "" if setting.slope else "the activation is the ReLU"

    def hypotheses(self, setting: ShallowSetting) -> tuple[Hypothesis, ...]:
        """Evaluate the hypotheses."""
        s = setting
        count = s.starts.at_least(s.starts.surplus, s.needed)
        text = "mean of max(a_j^2 - |w_j|^2, 0) over the neurons"
        return (conditions.independence(s), Hypothesis("surplus", "", count, ">", 0.0, text))

    def guarantees(self, setting: ShallowSetting) -> tuple[Guarantee, ...]:
        """Return what follows."""
        s = setting
        rates = 2 / s.n * s.slope**2 * s.interactions.lambda_min * s.starts.surplus
        return (probability(s, s.starts.chance(rates > 0)), *decay(s, rates))

    def repairs(self, setting: ShallowSetting, failed: tuple[Hypothesis, ...]) -> tuple[Repair, ...]:
        """Return what to change."""
        found = super().repairs(setting, failed)
        if any(each.name == "surplus" and not math.isnan(each.value) for each in failed):
            found = (*found, Repair("surplus", "make one |a_j| larger than |w_j|, as tw.init.dominated does"))
        return found

    def compare(self, traj: Trajectory) -> tuple[Comparison, ...]:
        """Hold curvature and loss against the rate."""
        s = started(traj)
        return against_rate(traj, 2 / s.n * s.slope**2 * s.interactions.lambda_min * float(s.starts.surplus[0]))
