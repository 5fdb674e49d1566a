"""What a trajectory says, in words: one list of facts for the terminal, the notebook and the report."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from ..flow.audit import Audit
    from ..flow.trajectory import Trajectory

# Beyond these an audit line is marked: the invariant and the output weights are kept to rounding, the energy
# identity is a quadrature over the steps.
_DRIFT_EXPECTED = 1e-9
_ENERGY_EXPECTED = 1e-2
_OUTPUT_EXPECTED = 1e-3
# Errors of this size, usual in other methods, were seen to change paths.
_TANGENTIAL_CLOSE = 1e-4


@dataclass(frozen=True)
class Fact:
    """One line: a label, a value, and what the value means.

    Examples
    --------
    >>> import thalweg as tw
    >>> traj = tw.flow(tw.init.dominated(20, 8, seed=2), tw.data.sphere(6, 20, seed=1), t_end=5.0)
    >>> tw.report.summarize(traj).facts[0]
    Fact(label='data', value='sphere(n=6, d=20)', meaning='6 samples x 20 inputs')
    """

    label: str
    value: str
    meaning: str = ""


@dataclass(frozen=True)
class Summary:
    """A trajectory in words: the verdict first, then the facts, then the checks, then what to do next.

    Examples
    --------
    >>> import thalweg as tw
    >>> traj = tw.flow(tw.init.dominated(20, 8, seed=2), tw.data.sphere(6, 20, seed=1), t_end=5.0)
    >>> [check.label for check in tw.report.summarize(traj).checks][:3]
    ['invariant drift', 'energy identity', 'loss increase']
    """

    verdict: str
    facts: tuple[Fact, ...]
    checks: tuple[Fact, ...]
    advice: tuple[str, ...]


def summarize(traj: Trajectory) -> Summary:
    """Put a trajectory into words.

    Examples
    --------
    >>> import thalweg as tw
    >>> traj = tw.flow(tw.init.dominated(20, 8, seed=2), tw.data.sphere(6, 20, seed=1), t_end=5.0)
    >>> tw.report.summarize(traj).verdict
    'The flow reached t_end (t = 5, loss ...)'
    """
    message, _, advice = str(traj.outcome).partition(". ")
    next_steps = (advice.rstrip("."), *_warnings(traj.audit))
    return Summary(
        f"{message.rstrip('.')} (t = {traj.t[-1]:.6g}, loss {traj.loss[-1]:.3g})",
        _facts(traj),
        checks(traj.audit),
        tuple(text for text in next_steps if text),
    )


def _facts(traj: Trajectory) -> tuple[Fact, ...]:
    pairs = traj.data.n * traj.final.p
    with np.errstate(divide="ignore"):
        factor = traj.loss[0] / traj.loss[-1]
    shares = [f"{name} {share(count[-1], pairs)}" for name, count in mode_counts(traj).items()]
    return (
        Fact("data", traj.data.name, f"{traj.data.n} samples x {traj.data.d} inputs"),
        Fact("network", f"{traj.final.p} neurons, {activation(traj)}"),
        Fact("time", f"{traj.t[0]:.6g} to {traj.t[-1]:.6g}", f"{len(traj)} output times"),
        Fact("loss", f"{traj.loss[0]:.3g} to {traj.loss[-1]:.3g}", f"fell by a factor of {factor:.3g}"),
        Fact(
            "curvature",
            f"{traj.curvature[-1]:.3g}",
            f"-d log L/dt, in [{traj.curvature_lower[-1]:.3g}, {traj.curvature_upper[-1]:.3g}]",
        ),
        Fact("average", f"{traj.average_curvature[-1]:.3g}", "log(L(0)/L(t))/t"),
        Fact("modes", ", ".join(shares), f"of {pairs} (neuron, sample) pairs"),
        Fact("events", f"{int(traj.events.sum())}", f"mode changes, {traj.events.sum() / pairs:.2f} per pair"),
        Fact("steps", f"{int(traj.steps.sum())}", "accepted"),
    )


def checks(audit: Audit) -> tuple[Fact, ...]:
    """Put an audit into words, each figure judged by what is expected of it."""

    def judged(value: float, limit: float, meaning: str) -> str:
        return f"ok: {meaning}" if value <= limit else f"LARGE: {meaning}, expected below {limit:g}"

    return (
        Fact(
            "invariant drift",
            f"{audit.invariant_drift:.1e}",
            judged(audit.invariant_drift, _DRIFT_EXPECTED, "a^2 - |w|^2 is conserved"),
        ),
        Fact(
            "energy identity",
            f"{audit.energy_error:.1e}",
            judged(audit.energy_error, _ENERGY_EXPECTED, "curvature integrates to log loss"),
        ),
        Fact(
            "loss increase",
            f"{audit.largest_loss_increase:.1e}",
            judged(audit.largest_loss_increase, 0.0, "over any step, must be 0"),
        ),
        Fact("local error", f"{audit.local_error:.1e}", "relative, of the residuals, per step"),
        Fact(
            "tangential distance",
            f"{audit.tangential_distance:.1e}" if math.isfinite(audit.tangential_distance) else "none",
            "starts further apart than this may take different paths: see traj.conditioning()",
        ),
        Fact(
            "output weights",
            f"{audit.output_weight_error:.1e}",
            judged(audit.output_weight_error, _OUTPUT_EXPECTED, "from the invariant and integrated"),
        ),
    )


def _warnings(audit: Audit) -> list[str]:
    warnings = []
    if audit.tangential_distance < _TANGENTIAL_CLOSE:
        warnings.append(
            f"This path passes a tangential hit at a relative distance of {audit.tangential_distance:.0e}: another "
            "branch may lie that near. Run traj.conditioning() before you compare it with other runs or methods"
        )
    if audit.nonunique_pairs:
        warnings.append(
            f"{audit.nonunique_pairs} pairs rest at their kink where another solution would let them go (orthogonal "
            "inputs are not unique there); the one that rests was taken"
        )
    if audit.largest_loss_increase > 0:
        warnings.append("The loss rose within a step, which the flow never does: do not use this run, report it")
    return warnings


def mode_counts(traj: Trajectory) -> dict[str, np.ndarray]:
    """Return the counts (T,) of pairs in each mode, by the name of the mode."""
    return {"active": traj.active, "inactive": traj.inactive, "sliding": traj.sliding}


def activation(traj: Trajectory) -> str:
    """Return the activation in words."""
    network = traj.final
    return f"leaky ReLU with slope {network.slope:g}" if network.slope else "ReLU"


def share(count: float, of: int) -> str:
    """Return a share in percent, with one digit more where it is small."""
    percent = 100.0 * float(count) / of
    return f"{percent:.0f} %" if percent == 0 or percent >= 10 else f"{percent:.2g} %"
