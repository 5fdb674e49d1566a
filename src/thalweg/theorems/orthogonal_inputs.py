"""Theorems on orthogonal inputs: the rate lies between the orders 1/n and 1/sqrt(n), and how it changes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from .._typing import FloatArray, IntArray
from . import conditions, phase_transition
from .base import Comparison, Guarantee, Hypothesis, Repair
from .setting import ShallowSetting
from .shallow_theorem import ARTICLE, OURS, ROUNDING, ShallowTheorem, decay, probability, started, unfitted

if TYPE_CHECKING:
    from ..data.dataset import Dataset
    from ..flow.trajectory import Trajectory
    from ..networks.shallow import ShallowNetwork

# A closed form and a run agree to a modest multiple of the tolerance of the run.
_AGREEMENT = 100


class OrthogonalInputs(ShallowTheorem):
    """For orthogonal inputs, labels other than 0 and a dominated start that covers every sample the loss tends to 0,
    and (2/n) min_i |x_i|^2 S_i <= mu <= (4/n) max_i |x_i|^2 S_i at all times, S_i = (1/p) sum_j a_j^2 1[z_ji > 0].

    As |h_i|/|x_i| <= S_i, the final rate is at least (2/n) min_i |x_i| |y_i|: of order 1/n. It can be as large as of
    order 1/sqrt(n), which a group initialization attains; no constant of an upper bound in terms of the data
    alone is stated. The paper's bounds, for 1 <= |x_i| <= 2, are (2/n) min_i S_i and (16/n) max_i S_i.
    """

    name = "orthogonal-inputs"
    title = "Orthogonal inputs: a rate between 1/n and 1/sqrt(n)"
    source = f"{ARTICLE}, orthogonal inputs; with the norms kept: {OURS}"

    def silent_on(self, setting: ShallowSetting) -> str:
        """Return why not: it is about orthogonal inputs."""
        return super().silent_on(setting) or ("" if setting.data.is_orthogonal else "the inputs are not orthogonal")

    def hypotheses(self, setting: ShallowSetting) -> tuple[Hypothesis, ...]:
        """Evaluate the hypotheses."""
        return (conditions.domination(setting), conditions.labels(setting), conditions.covered(setting))

    def guarantees(self, setting: ShallowSetting) -> tuple[Guarantee, ...]:
        """Return what follows."""
        data, n = setting.data, setting.n
        slowest = 2 / n * float(np.min(data.norms * np.abs(data.y)))
        return (
            probability(setting, conditions.chance(setting)),
            *decay(setting, setting.starts.rate_a),
            Guarantee("final rate", slowest, "of order 1/n: what the curvature is at least in the end"),
        )

    def compare(self, traj: Trajectory) -> tuple[Comparison, ...]:
        """Hold the curvature against both bounds, at the networks that were kept."""
        data, low, high = traj.data, [], []
        kept = np.intersect1d(traj.networks.kept, np.flatnonzero(unfitted(traj)))
        for k in kept:
            S = traj.networks[int(k)].a ** 2 @ (traj.networks.mode_map(int(k)) > 0) / traj.final.p
            low.append(2 / data.n * float(np.min(data.norms**2 * S)))
            high.append(4 / data.n * float(np.max(data.norms**2 * S)))
        measured = traj.curvature[kept]
        return (
            Comparison("curvature", measured, np.array(low), ">=", ROUNDING),
            Comparison("curvature", measured, np.array(high), "<=", ROUNDING),
        )


@dataclass(frozen=True, eq=False)
class Groups:
    """The groups of a group initialization: arrays (g,), one entry for each neuron that is active.

    `worst_sharing`, `imbalance`, `wrong` and `spread` say how far a network is from one.
    """

    neurons: IntArray
    samples: tuple[IntArray, ...]
    D: FloatArray
    start: FloatArray
    cosine: FloatArray
    ceiling: FloatArray
    worst_sharing: int
    imbalance: float
    wrong: int
    spread: float

    @classmethod
    def of(cls, network: ShallowNetwork, data: Dataset) -> Groups:
        """Read them off a start."""
        z = network.preactivations(data.X)
        active = z > 0
        neurons = np.flatnonzero(active.any(axis=1))
        samples = tuple(np.flatnonzero(active[j]) for j in neurons)
        D, cosine, ceiling, imbalance, spread = [], [], [], 0.0, 0.0
        for j, rows in zip(neurons, samples, strict=True):
            k, u = data.norms[rows], z[j, rows] / data.norms[rows]
            along = np.abs(data.y[rows])
            size = float(np.linalg.norm(along))
            D.append(float(k.mean()) * size)
            ceiling.append(network.p * size / float(k.mean()))
            cosine.append(min(float(u @ along) / (float(np.linalg.norm(u)) * size), 1.0) if size else 0.0)
            # What lies outside the group counts as imbalance too: N is both a^2 and |u|^2.
            imbalance = max(imbalance, abs(float(u @ u) / network.a[j] ** 2 - 1) if network.a[j] else math.inf)
            spread = max(spread, float(k.max() / k.min()) - 1)
        # A cosine that is 1 to rounding is 1: the closed form has no neighbour to fear, the time of transition has.
        aligned = np.array([1.0 if c > 1 - 1e-14 else c for c in cosine])
        signs = np.sign(network.a[neurons])
        wrong = sum(int((np.sign(data.y[rows]) != sign).sum()) for rows, sign in zip(samples, signs, strict=True))
        start = network.a[neurons] ** 2
        sharing = int(active.sum(axis=0).max())
        return cls(neurons, samples, np.array(D), start, aligned, np.array(ceiling), sharing, imbalance, wrong, spread)


class GroupInitialization(ShallowTheorem):
    """From a group initialization on orthogonal inputs every group evolves by itself, by a closed form: the squared
    output weight N of its neuron grows from N0 to pD/k^2, and its loss falls in a phase transition around
    (n/2D) log(pD/(k^2 N0) - 1) (if the neuron is aligned with the labels), where D = k |y| over the group.

    The fall from 90 % to 10 % of the group's loss takes 3.688/log(pD/(k^2 N0) - 1) of that time. The final rate is
    (4/n) min D for aligned groups and (2/n) min D else. Groups of about n^(2 - 2 alpha) samples give a rate of
    order n^-alpha, for any alpha from 1/2 (one group) to 1 (one sample each). Samples in no group are never fitted.
    """

    name = "group-initialization"
    title = "Group initialization: closed form and phase transition"
    source = f"{ARTICLE}, orthogonal inputs; closed form for any start: {OURS}"

    def silent_on(self, setting: ShallowSetting) -> str:
        """Return why not: it is about a start on orthogonal inputs."""
        if reason := super().silent_on(setting):
            return reason
        if not setting.data.is_orthogonal:
            return "the inputs are not orthogonal"
        return "" if setting.network is not None else "no start was given (network=tw.init.group(data))"

    def hypotheses(self, setting: ShallowSetting) -> tuple[Hypothesis, ...]:
        """Evaluate the hypotheses."""
        groups = _groups(setting)
        fitted = sum(rows.size for rows in groups.samples)
        rows = (
            ("one neuron each", groups.worst_sharing, "<=", 1, "most neurons active on one sample"),
            ("every sample", fitted, ">=", setting.n, "samples with an active neuron"),
            ("balance", groups.imbalance, "<=", 1e-12, "largest |u|^2/a^2 - 1, u the weights along the group's inputs"),
            ("signs", groups.wrong, "<=", 0, "samples whose neuron has the sign opposite to their label"),
            ("equal norms", groups.spread, "<=", 1e-12, "largest spread of |x_i| within a group, relative"),
        )
        return tuple(Hypothesis(name, "", float(value), sign, limit, text) for name, value, sign, limit, text in rows)

    def guarantees(self, setting: ShallowSetting) -> tuple[Guarantee, ...]:
        """Return what follows."""
        groups, n = _groups(setting), setting.n
        times = [
            phase_transition.transition_time(D, n, N, c, top)
            for D, N, c, top in zip(groups.D, groups.start, groups.cosine, groups.ceiling, strict=True)
        ]
        aligned = bool((groups.cosine == 1).all())
        rate = (4 if aligned else 2) / n * float(groups.D.min())
        smallest = min(rows.size for rows in groups.samples)
        alpha = 1 - math.log(smallest) / (2 * math.log(n)) if n > 1 else 1.0
        about = "" if aligned else "about "
        found = [
            probability(setting, 1.0),
            Guarantee("first transition", min(times), f"{about}when the first group is half grown"),
            Guarantee("last transition", max(times), f"{about}when the last one is"),
            Guarantee(
                "final rate", rate, "what the curvature tends to" if aligned else "what it is at least in the end"
            ),
            Guarantee(
                "alpha", alpha, f"smallest group: {smallest} samples = n^(2 - 2 alpha), a rate of order n^-alpha"
            ),
        ]
        if aligned:
            widths = [
                phase_transition.relative_width(N, top) for N, top in zip(groups.start, groups.ceiling, strict=True)
            ]
            text = "from 90 % to 10 % of a group's loss, over the time of its transition (the widest)"
            found.insert(3, Guarantee("relative width", max(widths), text))
        return tuple(found)

    def repairs(self, setting: ShallowSetting, failed: tuple[Hypothesis, ...]) -> tuple[Repair, ...]:
        """Return what to change."""
        norms = setting.data.norms
        text = "start from tw.init.group(data)"
        if norms.max() / norms.min() - 1 > 1e-12:
            text += ", with inputs of one norm in each group"
        return (Repair(failed[0].name, text),)

    def compare(self, traj: Trajectory) -> tuple[Comparison, ...]:
        """Hold squared output weights and alignments against the closed form, at the networks that were kept."""
        data, groups = traj.data, _groups(started(traj))
        kept = traj.networks.kept
        networks = [traj.networks[int(k)] for k in kept]
        tolerance = _AGREEMENT * float(traj.settings["rtol"] or 0.0)
        found = []
        for at, (j, rows) in enumerate(zip(groups.neurons, groups.samples, strict=True)):
            s = groups.D[at] * traj.t[kept] / data.n
            N = phase_transition.squared_weight(s, groups.start[at], groups.cosine[at], groups.ceiling[at])
            u = np.array([network.preactivations(data.X)[j, rows] for network in networks])
            along = np.abs(data.y[rows])
            cosines = u @ along / (np.linalg.norm(u, axis=1) * np.linalg.norm(along))
            c = phase_transition.alignment(s, groups.cosine[at])
            weights = np.array([network.a[j] ** 2 for network in networks])
            found.append(Comparison(f"a^2 of neuron {j}", weights, N, "==", tolerance))
            found.append(Comparison(f"alignment of neuron {j}", cosines, c, "==", tolerance))
        return tuple(found)


def _groups(setting: ShallowSetting) -> Groups:
    return Groups.of(cast("ShallowNetwork", setting.network), setting.data)  # given: see silent_on
