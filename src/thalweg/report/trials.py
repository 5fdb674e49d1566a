"""The section of a study: where it stands, its charts, and thresholds."""

from __future__ import annotations

import dataclasses
import shlex
from typing import TYPE_CHECKING

from .content import Section, Table, Text, duration, number
from .summary import Fact
from .trial_charts import Group, study_charts

if TYPE_CHECKING:
    from ..stats import Threshold
    from ..study import Progress, Results

_FEW = "a search makes few trials in each cell: read the thresholds"
_AGAIN = "thalweg study run study.toml --store results"


def study_section(found: Results) -> Section:
    """Return the section of a study, complete or not."""
    from ..study import progress_of

    store, study = found.store, found.store.study
    groups = _groups(found)
    now, complete = progress_of(store), not store.to_make()
    thresholds = _thresholds(found, groups)
    made = sum(row["trials"] for group in groups for row in group.rows)
    verdict = f"{'Complete' if complete else 'Not complete'}: {made} trials in {len(study.cells)} cells"
    charts = study_charts(groups) if made else ()
    advice = () if complete else (shlex.join(["thalweg", "study", "resume", str(store.folder)]),)
    return Section(
        title=study.name,
        verdict=verdict if complete else f"{verdict}, of at most {now.most}",
        advice=(*advice, *(f"the damaged chunk {name} will be made again" for name in store.damaged)),
        facts=_facts(found, now, complete),
        charts=charts,
        tables=(thresholds,) if thresholds.rows else (),
        texts=(Text("Specification (study.toml)", study.text), Text("To compute it again", _AGAIN)),
        progress=None if complete else (now.made, now.most),
    )


def _facts(found: Results, now: Progress, complete: bool) -> tuple[Fact, ...]:
    from ..study.designs import Search
    from ..study.labels import labels

    store, study = found.store, found.store.study
    busy = sum(entry.seconds for entry in store.entries)
    facts = [
        Fact("seed", str(study.seed), "of all trials: with the specification it fixes every bit"),
        Fact("cells", labels(study.groups)[1], f"n from {study.cells[0].n} to {study.cells[-1].n}"),
        Fact("design", repr(study.design), _FEW if isinstance(study.design, Search) else ""),
        Fact("computing", duration(busy), f"on one core, in {len(store.entries)} chunks"),
        Fact("disk", f"{sum(entry.bytes for entry in store.entries) / 1e6:.3g} MB", "of results"),
    ]
    if not complete:
        facts.append(
            Fact("left", duration(now.work_left), f"of computing; {duration(now.seconds_left)} at the last rate")
        )
    return tuple(facts)


def _groups(found: Results) -> list[Group]:
    from ..study import Cell
    from ..study.labels import labels

    fields = [field.name for field in dataclasses.fields(Cell)]
    rows = {Cell(**{name: row[name] for name in fields}): row for row in found.table()}
    timed: dict[str, list[float]] = {}
    for entry in found.store.entries:
        seconds, count = timed.setdefault(entry.cell, [0.0, 0.0])
        timed[entry.cell] = [seconds + entry.seconds, count + entry.count]
    study = found.store.study
    names, _ = labels(study.groups)
    return [
        Group(
            name,
            [rows[cell] for cell in group if cell in rows],
            {cell.n: timed[cell.key][0] / timed[cell.key][1] for cell in group if cell.key in timed},
        )
        for name, group in zip(names, study.groups, strict=True)
    ]


def _thresholds(found: Results, groups: list[Group]) -> Table:
    names = {cells: group.label for cells, group in zip(found.store.study.groups, groups, strict=True)}
    rows = tuple((names[cells], *_threshold(each)) for cells, each in found.thresholds())
    lead = "The number of samples at which half of the trials succeed, with its 95 % profile-likelihood interval."
    return Table("Thresholds", ("cells", "n for half", "from", "to", "steepness", "trials"), rows, lead)


def _threshold(each: Threshold) -> tuple[str, ...]:
    return *map(number, (each.estimate, each.low, each.high, each.steepness)), str(each.trials)
