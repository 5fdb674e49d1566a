"""The section of one run: a flow or a descent, of a shallow or a deep linear network, or the flow of any loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..descent import DescentTrajectory
from ..descent.shallow import words as descent_words
from ..flow.linear import LinearTrajectory
from ..flow.linear import words as linear_words
from ..flow.loss_trajectory import LossTrajectory
from ..flow.loss_words import facts as loss_facts
from ..flow.loss_words import verdict as loss_verdict
from ..flow.trajectory import Trajectory
from .charts import charts
from .content import Section, Table, Text
from .hypotheses import hypothesis_tables
from .proofs import timeline
from .summary import Fact, summarize
from .training import descent_charts, linear_charts, loss_charts

# Sizes up to which theorems are checked unasked: in seconds.
_SAMPLES, _WIDTH = 1000, 300


def run_section(
    traj: Trajectory | LinearTrajectory | DescentTrajectory | LossTrajectory, *, certify: bool, check: bool | None
) -> Section:
    """Return the section of a run; `certify` and `check` as for `thalweg.report.write`."""
    if isinstance(traj, LossTrajectory):  # which no theorem and no certificate speaks of
        return _loss(traj)
    if isinstance(traj, Trajectory):
        section = _flow(traj)
    elif isinstance(traj, LinearTrajectory):
        section = _deep_linear(traj)
    else:
        section = _descent(traj)
    if check or (check is None and _quick(traj)):
        section = replace(section, tables=(*hypothesis_tables(traj), *section.tables))
    if certify:
        chart, reasons = timeline(traj)
        section = replace(section, charts=(chart, *section.charts), tables=(reasons, *section.tables))
    return section


def _flow(traj: Trajectory) -> Section:
    summary = summarize(traj)
    start = traj.networks.start
    call = f"flow(traj.networks.start, traj.data, t_end={float(traj.t[-1])!r}, accept_contradictions=True"
    return Section(
        title=traj.data.name,
        verdict=summary.verdict,
        advice=summary.advice,
        facts=summary.facts,
        charts=charts(traj),
        tables=(_facts_table("Audit", summary.checks), _settings(traj.settings)),
        texts=(Text("Data and start", f"{traj.data}\n{start!r}"), _again(traj, call, "rtol", "kernel")),
    )


def _descent(traj: DescentTrajectory) -> Section:
    facts, advice = _parted(descent_words.facts(traj))
    call = f"descend(traj.start, traj.data, steps={int(traj.iteration[-1])}"
    return Section(
        title=traj.data.name,
        verdict=descent_words.verdict(traj),
        advice=advice,
        facts=facts,
        charts=descent_charts(traj),
        tables=(_settings(traj.settings),),
        texts=(
            Text("Data and start", f"{traj.data}\n{traj.start!r}"),
            _again(traj, call, "step_size", "precision"),
        ),
    )


def _deep_linear(traj: LinearTrajectory) -> Section:
    facts, advice = _parted(linear_words.facts(traj))
    if traj.iteration is None:
        call = f"flow(traj.start, traj.target, t_end={float(traj.t[-1])!r}"
    else:
        call = f"descend(traj.start, traj.target, steps={int(traj.iteration[-1])}"
    return Section(
        title=traj.target.name,
        verdict=linear_words.verdict(traj),
        advice=advice,
        facts=facts,
        charts=linear_charts(traj),
        tables=(_settings(traj.settings),),
        texts=(_again(traj, call, "rtol", "step_size", "momentum", "kernel"),),
    )


def _loss(traj: LossTrajectory) -> Section:
    facts, advice = _parted(loss_facts(traj))
    return Section(
        title="Flow of a loss",
        verdict=loss_verdict(traj),
        advice=advice,
        facts=facts,
        charts=loss_charts(traj),
        tables=(_settings(traj.settings),),
        texts=(),
    )


def _again(traj: Trajectory | LinearTrajectory | DescentTrajectory, call: str, *names: str) -> Text:
    """Return lines of Python that compute a run again, with those of its settings that the call takes."""
    options = "".join(f", {name}={traj.settings[name]!r}" for name in names if traj.settings.get(name) is not None)
    lines = f'traj = tw.{type(traj).__name__}.load("run.npz")\nagain = tw.{call}{options})'
    return Text("To compute it again from the saved run", f"import thalweg as tw\n{lines}")


def _parted(lines: Sequence[tuple[str, str]]) -> tuple[tuple[Fact, ...], tuple[str, ...]]:
    """Part the lines of a print-out into facts and what to do next."""
    facts = tuple(Fact(label, text) for label, text in lines if label != "next")
    return facts, tuple(text.rstrip(".") for label, text in lines if label == "next")


def _facts_table(title: str, facts: Sequence[Fact]) -> Table:
    rows = tuple((fact.label, fact.value, fact.meaning) for fact in facts)
    return Table(title, ("check", "value", "meaning"), rows)


def _settings(settings: dict[str, str | int | float | None]) -> Table:
    rows = tuple((name, str(value)) for name, value in settings.items())
    return Table("Settings", ("setting", "value"), rows)


def _quick(traj: Trajectory | LinearTrajectory | DescentTrajectory) -> bool:
    """Whether theorems are checked in seconds."""
    if isinstance(traj, LinearTrajectory):
        return max(traj.target.d_in, traj.target.d_out) <= _WIDTH
    return traj.data.n <= _SAMPLES
