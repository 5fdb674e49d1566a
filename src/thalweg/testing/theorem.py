"""Theorems against runs whose start satisfies their hypotheses."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _validate as check
from ..flow.linear import LinearTrajectory
from ..flow.trajectory import Trajectory
from ..theorems import LinearSetting, ShallowSetting
from ..theorems.base import Comparison, Finding, Theorem
from ..theorems.linear_theorem import DescentTheorem

# Accuracy of a run; and the share of the first loss below which a loss is next to rounding.
_TOLERANCE, _FITTED = 1e-4, 1e-20


def check_theorem(theorem: Theorem, traj: Trajectory | LinearTrajectory, setting: Any = None) -> Finding | None:
    """See that a theorem whose hypotheses hold at the start of a run tells the truth about it.

    If they hold, something must follow; every comparison of the theorem with the run must be obeyed; and a rate, where
    one is guaranteed, must bound the loss at all outputs. If they fail, nothing may be claimed, and a repair must be
    offered. A theorem that is silent on the problem, or whose hypotheses fail, passes: look at the finding.

    Parameters
    ----------
    theorem : Theorem
    traj : Trajectory or LinearTrajectory
        Its data and start are the problem.
    setting : ShallowSetting or LinearSetting, optional
        The problem, where it is not just that start: a law of data, say.

    Returns
    -------
    Finding or None
        What the theorem says of the problem; None where it is silent.

    Raises
    ------
    AssertionError
        If anything in the run contradicts the theorem.

    Examples
    --------
    >>> import thalweg as tw
    >>> from thalweg.testing import check_theorem
    >>> from thalweg.theorems import THEOREMS
    >>> data, network = tw.data.sphere(4, 600, seed=1), tw.init.dominated(600, 16, seed=2)
    >>> traj = tw.flow(network, data, t_end=50.0)
    >>> findings = [check_theorem(theorem, traj) for theorem in THEOREMS]
    >>> [finding.theorem.name for finding in findings if finding and finding.converges]
    ['theorem-1', 'theorem-a']
    """
    if not isinstance(theorem, Theorem):
        raise check.fail("check_theorem", "theorem", "be a Theorem", type(theorem).__name__)
    setting = _setting(traj) if setting is None else setting
    about_steps = isinstance(theorem, DescentTheorem)
    if not isinstance(setting, theorem.setting) or about_steps != _descended(traj) or theorem.silent_on(setting):
        return None
    finding = theorem.check(setting)
    found = []
    if finding.holds:
        found += [] if finding.guarantees else ["its hypotheses hold, and nothing follows"]
        comparisons = theorem.compare(traj)
        found += [] if comparisons else ["it is held against nothing in the run"]
        found += [fault for each in comparisons if (fault := _fault(each))]
        found += _rate_faults(finding, traj)
    else:
        found += [f"it claims a {each.name}, though {finding.failed[0].name} fails" for each in finding.guarantees]
        found += [] if finding.repairs else [f"{finding.failed[0].name} fails, and no repair is offered"]
    if found:
        raise AssertionError(f"{theorem.name} against {traj!r}: {'; '.join(found)}")
    return finding


def _setting(traj: Trajectory | LinearTrajectory) -> ShallowSetting | LinearSetting:
    if isinstance(traj, Trajectory):
        return ShallowSetting(traj.data, network=traj.networks.start)
    if isinstance(traj, LinearTrajectory):
        step = None if traj.iteration is None else float(traj.settings["step_size"] or 0.0)
        return LinearSetting(traj.target, network=traj.start, step_size=step)
    raise check.fail("check_theorem", "traj", "be a Trajectory or a LinearTrajectory", type(traj).__name__)


def _descended(traj: Trajectory | LinearTrajectory) -> bool:
    return isinstance(traj, LinearTrajectory) and traj.iteration is not None


def _fault(comparison: Comparison) -> str:
    if comparison.computed.shape != comparison.theoretical.shape:
        shapes = f"{comparison.computed.shape} and {comparison.theoretical.shape}"
        return f"{comparison.what}: computed and theoretical values have the shapes {shapes}"
    if comparison.holds:
        return ""
    return f"{comparison.what} is not {comparison.relation} what the theorem says, by {comparison.violation:.3g} of it"


def _rate_faults(finding: Finding, traj: Trajectory | LinearTrajectory) -> list[str]:
    """Compare the loss with the exponential of a guaranteed rate, without the theorem's own comparison."""
    rates = [each.value for each in finding.guarantees if each.name == "rate"]
    if not rates or finding.probability < 1:
        return []
    excess = traj.excess if isinstance(traj, LinearTrajectory) else traj.loss
    clock = np.asarray(getattr(traj, "iteration", None) if _descended(traj) else traj.t, dtype=np.float64)
    bound = excess[0] * np.maximum(np.exp(-rates[0] * (clock - clock[0])) * (1 + _TOLERANCE), _FITTED)
    over = excess - bound
    if (over > 0).any():
        k = int(np.argmax(over / bound))
        return [f"at {clock[k]:.6g} the loss {excess[k]:.6g} is above {bound[k]:.6g}, by the rate {rates[0]:.6g}"]
    return []
