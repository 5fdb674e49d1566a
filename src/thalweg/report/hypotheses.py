"""The hypotheses of theorems at the start of a run, as tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..flow.linear import LinearTrajectory
from ..flow.trajectory import Trajectory
from .content import Table, number

if TYPE_CHECKING:
    from ..descent import DescentTrajectory
    from ..theorems.base import Finding
    from ..theorems.report import Report

_COLUMNS = ("hypothesis", "has", "needs", "verdict", "meaning")


def hypothesis_tables(traj: Trajectory | LinearTrajectory | DescentTrajectory) -> tuple[Table, ...]:
    """Check the theorems on the actual start of a run, and return one table for each, and one of what to do next."""
    found = _checked(traj)
    next_steps = tuple(f"Next: {text}." for text in found.next_steps)
    silent = tuple(found.silent.items())
    ending = Table("Theorems with nothing to say here", ("theorem", "why"), silent, folded=True) if silent else None
    head = Table(
        "Hypotheses of theorems",
        ("theorem", "hypotheses", "failing"),
        tuple(_row(each) for each in found.findings),
        f"At the start: {found.verdict}.",
        next_steps,
    )
    return (head, *(_table(each) for each in found.findings), *([ending] if ending else []))


def _checked(traj: Trajectory | LinearTrajectory | DescentTrajectory) -> Report:
    from ..theorems import check

    if isinstance(traj, LinearTrajectory):
        step = traj.settings.get("step_size") if traj.iteration is not None else None
        return check(target=traj.target, network=traj.start, step_size=None if step is None else float(step))
    start = traj.networks.start if isinstance(traj, Trajectory) else traj.start
    return check(data=traj.data, network=start)


def _row(finding: Finding) -> tuple[str, ...]:
    failing = ", ".join(f"{each.name} {each.verdict.lower()}" for each in finding.failed)
    return finding.theorem.title, "hold" if finding.holds else "do not hold", failing or "none"


def _table(finding: Finding) -> Table:
    rows = tuple(
        (
            f"{each.name} ({each.number})" if each.number else each.name,
            number(each.value),
            f"{each.relation} {number(each.threshold)}",
            each.verdict,
            each.meaning,
        )
        for each in finding.hypotheses
    )
    then = tuple(f"Then {each.name} {number(each.value)}: {each.meaning}." for each in finding.guarantees)
    return Table(finding.theorem.title, _COLUMNS, rows, f"{finding.theorem.source}.", then, folded=True)
