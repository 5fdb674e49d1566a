"""What the theorems rest on: coverage, the curvature bounds, and why domination cannot be dropped."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from . import conditions, coverage
from .base import Comparison, Guarantee, Hypothesis
from .setting import ShallowSetting
from .shallow_theorem import ARTICLE, OURS, ROUNDING, ShallowTheorem, fitted_rate, started, unfitted

if TYPE_CHECKING:
    from ..flow.trajectory import Trajectory


class Coverage(ShallowTheorem):
    """A random start covers every sample with probability at least 1 - n (3/4)^p,

    so that a width p >= log(n/epsilon)/log(4/3) = 3.476 log(n/epsilon) suffices for 1 - epsilon (the paper's
    law is 4 log(n/epsilon)). Signs of the output weights are fair and independent of the hidden weights, whose law is
    symmetric. If the signs of z_ji are independent over the samples, the probability is exactly
    E (1 - 2^-m)^(n+) (1 - 2^-(p-m))^(n-), m binomial(p, 1/2), for n+ positive and n- negative labels.
    """

    name = "coverage"
    title = "Coverage: every sample has a neuron"
    source = f"{ARTICLE}, width law of Theorem 1; exact form: {OURS}"
    converges = False

    def hypotheses(self, setting: ShallowSetting) -> tuple[Hypothesis, ...]:
        """Evaluate the hypotheses."""
        return (conditions.labels(setting), conditions.covered(setting))

    def guarantees(self, setting: ShallowSetting) -> tuple[Guarantee, ...]:
        """Return probabilities and widths."""
        s = setting
        widths = (
            Guarantee("width", coverage.union_width(s.n, s.epsilon), f"suffices for any data at 1 - {s.epsilon:g}"),
            Guarantee("width, paper", coverage.paper_width(s.n, s.epsilon), "4 log(n/epsilon)"),
        )
        if s.network is not None:
            return (Guarantee("covered", float(s.starts.covered[0]), "samples, all of them"), *widths)
        hits, draws = int((s.starts.covered == s.n).sum()), len(s.starts.covered)
        low, high = coverage.clopper_pearson(hits, draws)
        interval = f"{hits} of {draws} draws on these data; between {low:.4g} and {high:.4g}, each with confidence 99%"
        found = [
            Guarantee("union bound", coverage.union_bound(s.n, s.p), "lower bound of the probability, any data"),
            Guarantee("Monte Carlo", hits / draws, interval),
        ]
        if s.independent_signs:
            found.insert(1, Guarantee("exact", coverage.exact(*s.signs, s.p), "the signs are independent here"))
        return (*found, *widths)

    def compare(self, traj: Trajectory) -> tuple[Comparison, ...]:
        """Draw starts as wide as that of the run, on its data: their share against the probabilities."""
        s = ShallowSetting(traj.data, traj.networks.start.p, draws=400)
        hits = int((s.starts.covered == s.n).sum())
        low, high = (np.array([end]) for end in coverage.clopper_pearson(hits, 400))
        union = np.array([coverage.union_bound(s.n, s.p)])
        found = [Comparison("upper end of the interval of the share", high, union, ">=", 0.0)]
        if s.independent_signs:
            exact = np.array([coverage.exact(*s.signs, s.p)])
            found.append(Comparison("upper end, independent signs", high, exact, ">=", 0.0))
            found.append(Comparison("lower end, independent signs", low, exact, "<=", 0.0))
        return tuple(found)


class CurvatureBounds(ShallowTheorem):
    """At every state of the flow (2/n) lambda_min(K) min_i S_i <= mu, S_i = (1/p) sum_j a_j^2 1[z_ji > 0].

    If |a_j| >= |w_j| for every neuron, also mu <= (4/n) |X|_2^2 max_i S_i, and |h_i|/|x_i| <= S_i, so that a fitted
    network has mu >= (2/n) lambda_min(K) min_i |y_i|/|x_i|. Both hold while pairs slide, with the strict z > 0.
    """

    name = "curvature-bounds"
    title = "Curvature bounds: how fast the loss can fall"
    source = f"{ARTICLE}, section 4, with the norms of the inputs kept"
    converges = False

    def hypotheses(self, setting: ShallowSetting) -> tuple[Hypothesis, ...]:
        """Evaluate the hypotheses."""
        return (conditions.domination(setting), conditions.independence(setting))

    def guarantees(self, setting: ShallowSetting) -> tuple[Guarantee, ...]:
        """Return what a fit would have."""
        return (
            Guarantee(
                "fitted rate", fitted_rate(setting), "what the curvature is at least wherever the loss is near 0"
            ),
        )

    def compare(self, traj: Trajectory) -> tuple[Comparison, ...]:
        """Hold the curvature against both bounds, and the outputs against S, at the networks that were kept."""
        low, high, outputs, shares, measured = [], [], [], [], []
        facts = started(traj).interactions
        for k in np.intersect1d(traj.networks.kept, np.flatnonzero(unfitted(traj))):
            network = traj.networks[int(k)]
            S = network.a**2 @ (traj.networks.mode_map(int(k)) > 0) / network.p
            low.append(2 / traj.data.n * facts.lambda_min * S.min())
            high.append(4 / traj.data.n * facts.operator_norm**2 * S.max())
            outputs.append(np.max(np.abs(traj.data.y - traj.residuals[k]) / traj.data.norms - S))
            shares.append(S.max())
            measured.append(traj.curvature[k])
        computed, size = np.array(measured), np.array(shares)
        return (
            Comparison("curvature", computed, np.array(low), ">=", ROUNDING),
            Comparison("curvature", computed, np.array(high), "<=", ROUNDING),
            Comparison("outputs over norms, beyond S", size + np.array(outputs), size, "<=", ROUNDING),
        )


class Counterexample(ShallowTheorem):
    """Coverage without domination does not suffice, not even for orthogonal inputs: for X = I, y = (1, -4),
    W = ((0.3, 2), (-1, 0.5)) and a = (0.1, -2) every sample is covered, but the loss tends to 1/4.

    Neuron 1 has |a_1| < |w_1|: its output weight changes sign, sample 1 loses its only neuron, and |r| tends to 1.
    With a_1 = 2.1 the start is dominated in that neuron, and the loss tends to 0.
    """

    name = "counterexample"
    title = "Counterexample: a covered start that gets stuck"
    source = f"{OURS}, counterexample"
    converges = False

    def silent_on(self, setting: ShallowSetting) -> str:
        """Return why not: it is about one start on two samples."""
        from ..init import counterexample

        start, data = counterexample()
        ours, network = setting.data, setting.network
        if (ours.n, ours.d) == (2, 2) and not ours.is_sparse and network is not None and network.p == start.p:
            parts = ((ours.X, data.X), (ours.y, data.y), (network.W, start.W), (network.a, start.a))
            if all(np.array_equal(one, other) for one, other in parts) and not setting.slope:
                return ""
        return "it is about one start, tw.init.counterexample()"

    def hypotheses(self, setting: ShallowSetting) -> tuple[Hypothesis, ...]:
        """Evaluate what Theorem A needs besides domination, and that domination fails."""
        text = "neurons with |a_j| >= |w_j|, fewer than all"
        return (
            conditions.independence(setting),
            conditions.weak_interaction(setting, "Assumption 2"),
            conditions.covered(setting),
            Hypothesis("no domination", "Assumption 1", float(setting.starts.dominated[0]), "<", setting.p, text),
        )

    def guarantees(self, setting: ShallowSetting) -> tuple[Guarantee, ...]:
        """Return the limit of the loss."""
        return (Guarantee("limit of the loss", 0.25, "1/4, and not 0: |r| tends to 1"),)

    def compare(self, traj: Trajectory) -> tuple[Comparison, ...]:
        """Hold the loss against its limit: never below, and there in the end."""
        limit = np.full(len(traj.t), 0.25)
        return (
            Comparison("loss", traj.loss, limit, ">=", ROUNDING),
            Comparison("last loss", traj.loss[-1:], limit[-1:], "==", 1e-6),
        )
