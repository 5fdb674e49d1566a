"""The hypotheses that theorems on shallow networks share, evaluated, and what repairs each of them."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .._errors import InputError
from ..data.dataset import Dataset
from . import coverage
from .base import Hypothesis, Repair
from .setting import ShallowSetting

# Sizes up to which a repair may form a dense X, and an (n, n) matrix.
_DENSE = 2e7
_SAMPLES = 3000


def domination(s: ShallowSetting) -> Hypothesis:
    """Assumption 1: |a_j| >= |w_j| for every neuron."""
    sure = s.network is None and s.init in ("dominated", "balanced")
    count = float(s.p) if sure else s.starts.at_least(s.starts.dominated, s.needed)
    text = "neurons with |a_j| >= |w_j|, which keep their sign"
    return Hypothesis("domination", "Assumption 1", count, ">=", s.p, text)


def labels(s: ShallowSetting) -> Hypothesis:
    """Every label differs from 0."""
    return Hypothesis("labels", "", float(np.count_nonzero(s.data.y)), ">=", s.n, "labels other than 0")


def independence(s: ShallowSetting) -> Hypothesis:
    """lambda_min(K) > 0, to rounding."""
    facts = s.interactions
    rounding = s.n * float(np.finfo(np.float64).eps) * facts.operator_norm**2
    how = "; an estimate" if facts.estimated else ""
    text = f"smallest eigenvalue of X X^T (Gershgorin: {facts.gershgorin:.3g}{how})"
    return Hypothesis("independent inputs", "", facts.lambda_min, ">", rounding, text)


def weak_interaction(s: ShallowSetting, number: str) -> Hypothesis:
    """|y_i| |K_i| > R kappa_i for every sample."""
    limit = s.interactions.limit(s.data.y)
    orthogonal = math.isinf(limit)
    size = float(s.starts.residual.max()) if orthogonal else s.starts.at_most(s.starts.residual, s.needed)
    text = "|r| at the start; above this, samples may push each other off"
    return Hypothesis("weak interaction", number, size, "<", limit, text)


def covered(s: ShallowSetting) -> Hypothesis:
    """Every sample has an active neuron with an output weight of its label's sign."""
    if s.network is not None:
        text = "samples with an active neuron of their sign"
        return Hypothesis("coverage", "Theorem 1", float(s.starts.covered[0]), ">=", s.n, text)
    how = "exact" if s.independent_signs else "union bound"
    text = f"probability that each sample has a neuron of its sign ({how})"
    return Hypothesis("coverage", "Theorem 1", s.covered, ">=", s.needed, text)


def together(s: ShallowSetting) -> tuple[Hypothesis, ...]:
    """All of it at once, in probability; nothing for a start that is given."""
    if s.network is not None:
        return ()
    return (Hypothesis("all at once", "", chance(s), ">=", s.needed, "probability of all of the above"),)


def chance(s: ShallowSetting) -> float:
    """Lower bound of the probability that a start satisfies the hypotheses of Theorem A."""
    if s.network is not None:
        return float(s.starts.rate_a[0] > 0)
    limit = s.interactions.limit(s.data.y)
    weak = 1.0 if math.isinf(limit) else s.starts.chance(s.starts.residual < limit)
    return max(s.starts.chance(s.starts.rate_a > 0), s.covered + weak - 1)


def remedies(s: ShallowSetting, failed: tuple[Hypothesis, ...]) -> tuple[Repair, ...]:
    """Return what to change for the hypotheses that fail."""
    found: list[Repair] = []
    own = [each for each in failed if each.name != "all at once"]
    for each in own or failed:
        if math.isnan(each.value):
            found.append(_more_draws(s, each))
        elif each.name in _REMEDIES:
            found += _REMEDIES[each.name](s, each)
    return tuple(found)


def _more_draws(s: ShallowSetting, failed: Hypothesis) -> Repair:
    count = coverage.draws_needed(s.epsilon)
    return Repair(failed.name, f"draw more starts: draws={count} or more decide at epsilon = {s.epsilon:g}", count)


def _all_at_once(s: ShallowSetting, failed: Hypothesis) -> list[Repair]:
    if s.too_few_draws:
        return [_more_draws(s, failed)]
    width = coverage.union_width(s.n, s.epsilon / 2)
    text = f"satisfy the hypotheses above with room to spare: width {width} leaves half of epsilon to the others"
    return [Repair(failed.name, text, width)]


def _dominate(s: ShallowSetting, failed: Hypothesis) -> list[Repair]:
    text = (
        "draw the start with --init dominated (tw.init.dominated) or balanced; without domination even a covered "
        "start on orthogonal data may get stuck (tw.init.counterexample)"
    )
    found = [Repair(failed.name, text)]
    network = s.network
    if network is not None:
        size = network.a**2 + np.einsum("jk,jk->j", network.W, network.W)
        if (network.invariant >= -1e-12 * size).all():
            text = "if |a_j| = |w_j| is meant, say so: ShallowNetwork(..., invariant=zeros); computed, it is rounded"
            found.append(Repair(failed.name, text))
    return found


def _label(s: ShallowSetting, failed: Hypothesis) -> list[Repair]:
    zero = int((s.data.y == 0).sum())
    text = f"drop or shift the {zero} label(s) that are 0; two classes are best coded -1 and 1"
    return [Repair(failed.name, text, zero)]


def _make_independent(s: ShallowSetting, failed: Hypothesis) -> list[Repair]:
    rank = s.data.coherence.rank
    if rank is None:
        return []
    text = f"keep at most {rank} of the {s.n} samples, the rank of X, or add inputs: these are linearly dependent"
    return [Repair(failed.name, text, rank)]


def _widen(s: ShallowSetting, failed: Hypothesis) -> list[Repair]:
    if failed.name == "width":
        width = coverage.paper_width(s.n, s.epsilon)
        return [Repair(failed.name, f"width {width} satisfies the theorem's own law 4 log(n/epsilon)", width)]
    if s.independent_signs and s.network is None:
        width = coverage.exact_width(*s.signs, s.epsilon)
    else:
        width = coverage.union_width(s.n, s.epsilon)
    again = "draw another start; " if s.network is not None else ""
    return [Repair(failed.name, f"{again}width {width} covers every sample with probability {s.needed:g}", width)]


def _weaken(s: ShallowSetting, failed: Hypothesis) -> list[Repair]:
    """What makes |r| smaller than the data allow: a smaller output, less correlated inputs, fewer samples."""
    allowed, size = failed.threshold, float(np.linalg.norm(s.data.y))
    if allowed > size:  # |r| <= |y| + scale |h|, and |h| <= |r| + |y|
        scale = 0.99 * (allowed - size) / (failed.value + size)
        text = f"multiply the hidden weights of the start by {scale:.2g} or less (scale=...): then |r| is about |y|"
        return [Repair(failed.name, text, scale)]
    found = []
    margin = _margin_uncorrelated(s.data)
    if margin > s.data.coherence.margin:
        outcome = f"holds by {margin:.3g}x" if margin > 1 else f"still fails, by {1 / margin:.3g}x"
        text = f"take out the common direction, data.uncorrelated(): from a small start it {outcome}"
        found.append(Repair(failed.name, text, margin))
    count = supported(s.data).size if s.n <= _SAMPLES else 0
    if count:
        text = (
            f"keep the {count} of {s.n} samples that interact least, thalweg.theorems.conditions.supported(data), "
            "with a small start"
        )
        found.append(Repair(failed.name, text, count))
    need = inputs_needed(s.data)
    if need > s.data.d:
        text = f"more inputs: {s.n} samples with these labels and norms need about d = {need} in random directions"
        found.append(Repair(failed.name, text, need))
    return found


def inputs_needed(data: Dataset) -> int:
    """Return about how many inputs d make random directions interact weakly, with these labels and norms.

    In random directions kappa_i^2 is near |x_i|^2 sum_{k != i} |x_k|^2/d; |y_i| |K_i| > |y| kappa_i then reads
    d > max_i (|y|^2/y_i^2 - 1) sum_{k != i} |x_k|^2/|x_i|^2. Deviations from the mean ask for more: the factor of
    1.6 was measured, for 10 to 40 samples.

    Examples
    --------
    >>> import numpy as np, thalweg as tw
    >>> from thalweg.theorems.conditions import inputs_needed
    >>> inputs_needed(tw.Dataset(np.eye(11), np.ones(11)))
    160
    """
    labels, squares = data.y**2, data.norms**2
    if not labels.all():
        return data.d  # no number of inputs helps
    return math.ceil(1.6 * float(np.max((labels.sum() / labels - 1) * (squares.sum() / squares - 1))) - 1e-9)


def supported(data: Dataset) -> np.ndarray:
    """Return indices of samples that interact weakly from a start with output 0.

    The worst sample is dropped until the rest satisfy |y_i| |K_i| > |y| kappa_i; a larger set may exist.

    Examples
    --------
    >>> import thalweg as tw
    >>> from thalweg.theorems.conditions import supported
    >>> supported(tw.data.sphere(60, 2000, seed=1)).size
    34
    """
    squares = data.gram**2
    diagonal = np.diag(squares).copy()
    np.fill_diagonal(squares, 0.0)
    kept, kappa, sizes = np.arange(data.n), squares.sum(axis=1), data.y**2
    while kept.size:
        others = np.maximum(kappa[kept], 0.0)
        slack = sizes[kept] * (diagonal[kept] + others) - sizes[kept].sum() * others * (1 + 1e-9)
        if (slack > 0).all():
            return kept
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(sizes[kept] == 0, 0.0, sizes[kept] * (1 + diagonal[kept] / others))
        worst = kept[np.argmin(ratio)]
        kappa -= squares[:, worst]
        kept = kept[kept != worst]
    return kept


def _margin_uncorrelated(data: Dataset) -> float:
    """Margin of weak interaction after `Dataset.uncorrelated`; 0 if that cannot be done."""
    if data.is_sparse and data.n * data.d > _DENSE:
        return 0.0
    X = data.X.toarray() if data.is_sparse else data.X
    try:
        return Dataset(X, data.y).uncorrelated().coherence.margin
    except InputError:  # an input lies in the common direction
        return 0.0


_REMEDIES: dict[str, Callable[[ShallowSetting, Hypothesis], list[Repair]]] = {
    "domination": _dominate,
    "labels": _label,
    "independent inputs": _make_independent,
    "weak interaction": _weaken,
    "coverage": _widen,
    "width": _widen,
    "all at once": _all_at_once,
}
