"""thalweg study: many trials, in a store that survives crashes."""

from __future__ import annotations

import dataclasses
import json
import math
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .._errors import InputError
from ._output import JsonOption, print_json, say

if TYPE_CHECKING:
    from ..study import Crew, Progress, Study

_HELP = """Run many trials over a grid or a design.

Examples:

  thalweg study plan threshold.toml --workers 8

  thalweg study run threshold.toml --store results --workers 8

  thalweg study table results
"""
study = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help=_HELP)

Spec = Annotated[Path, typer.Argument(metavar="SPEC.toml", help="The specification.")]
Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The store.")]
StoreOption = Annotated[Path, typer.Option(help="Folder of the results; made if need be.")]
Workers = Annotated[int, typer.Option(help="Worker processes, each with one thread of BLAS.")]
Dask = Annotated[str | None, typer.Option(help="Compute on Dask: the address of a scheduler, 'local', or 'slurm'.")]


@study.command()
def run(spec: Spec, store: StoreOption, workers: Workers = 1, dask: Dask = None, as_json: JsonOption = False) -> None:
    """Make the trials of a study that its store does not have yet.

    Exit code 0 if the study is complete, 1 if not (interrupted, disk full, workers lost, trials that raised).

    Examples:

      thalweg study run threshold.toml --store results --workers 8

      thalweg study run threshold.toml --store results --dask tcp://host:8786 --workers 100
    """
    from ..study import Study

    _run(Study.load(spec), store, _crew(workers, dask), as_json)


@study.command()
def resume(folder: Folder, workers: Workers = 1, dask: Dask = None, as_json: JsonOption = False) -> None:
    """Go on with a study that was interrupted, killed or out of room; merge the results of a SLURM array.

    Example:

      thalweg study resume results --workers 8
    """
    _run(None, folder, _crew(workers, dask), as_json)


@study.command()
def status(folder: Folder, as_json: JsonOption = False) -> None:
    """Show how far a study is, its rate, and the time left. Exit code 0 if it is complete, 1 if not.

    Example:

      thalweg study status results
    """
    from ..study import Store, progress_of
    from ..study.lock import driver_at_work

    store = Store.reading(folder)
    now, driver = progress_of(store), driver_at_work(folder)
    complete, waiting = not store.to_make(), len(store.inbox())
    if as_json:
        facts = {"name": store.study.name, "complete": complete, "driver": driver}
        facts |= {"damaged": store.damaged, "inbox": waiting}
        print_json(facts | dataclasses.asdict(now))
    else:
        typer.echo(f"{store.study.name}: {'complete' if complete else 'running' if driver else 'stopped'}")
        say("trials", f"{now.made} of {'' if complete else 'at most '}{now.most}, in {len(store.study.cells)} cells")
        if not math.isnan(now.rate):
            say("rate", f"{now.rate:.3g} trials a second of late")
        if not complete and not math.isnan(now.seconds_left):
            say("left", f"{_duration(now.seconds_left)} at that rate")
        if driver:
            say("driver", driver)
        for name in store.damaged:
            say("damaged", f"{name}: its trials will be made again")
        if waiting:
            say("inbox", f"{waiting} files with results of an array, which resume adds")
        if not complete and not driver:
            say("next", _to("resume", folder))
    if not complete:
        raise typer.Exit(1)


@study.command()
def table(
    folder: Folder,
    parquet: Annotated[Path | None, typer.Option(help="Also write every trial to this parquet file.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of rows in JSON, for machines.")] = False,
) -> None:
    """Print successes with their 95 % intervals, cell by cell, and the thresholds in n.

    Examples:

      thalweg study table results

      thalweg study table results --json

      thalweg study table results --parquet trials.parquet
    """
    from ..study import results
    from ..study.labels import labels

    found = results(folder)
    if parquet is not None:
        found.to_parquet(parquet)
    rows = found.table()
    for name in found.store.damaged:
        remedy = f"mend it with: {_to('resume', folder)}"
        typer.echo(f"thalweg: the file {name} is damaged and left out; {remedy}", err=True)
    if as_json:
        typer.echo(json.dumps(rows))
        return
    if not rows:
        typer.echo("No trials yet.")
        say("next", _to("resume", folder))
        return
    columns = ["d", "n", "p", "trials", "successes", "low", "high"]
    varied = [key for key in ("method", "step_size", "law", "init", "scale", "slope") if _varies(rows, key)]
    typer.echo("  ".join(f"{name:>9}" for name in varied + columns))
    for row in rows:
        typer.echo("  ".join(f"{_cell(row[name]):>9}" for name in varied + columns))
    groups = found.store.study.groups
    names = dict(zip(groups, labels(groups)[0], strict=True)) if len(groups) > 1 else {}
    for group, threshold in found.thresholds():
        ends = f"95 % from {threshold.low:.5g} to {threshold.high:.5g}, {threshold.trials} trials"
        own = f" ({names[group]})" if names else ""
        say("threshold", f"{_half(threshold.estimate)}{own}; {ends}")
    if parquet is not None:
        say("saved", str(parquet))


@study.command()
def plan(
    spec: Spec,
    workers: Annotated[int, typer.Option(help="Workers to plan for.")] = 1,
    store: Annotated[Path | None, typer.Option(help="A store whose timings to learn from.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Forecast wall time, core-hours, memory and disk, from the timings in a store or from a few trials.

    Examples:

      thalweg study plan million.toml --workers 1000

      thalweg study plan million.toml --workers 1000 --store pilot
    """
    from ..study import Study
    from ..study import plan as forecast

    found = forecast(Study.load(spec), workers, store)
    if as_json:
        print_json(dataclasses.asdict(found))
        return
    say("trials", f"at most {found.trials}, {found.stored} of them in the store")
    say("wall time", f"{_duration(3600 * found.wall_hours)} with {workers} worker{'s' if workers > 1 else ''}")
    say("core-hours", f"{found.core_hours:.3g}; the longest trial takes {_duration(found.longest_trial)}")
    say("memory", f"{found.memory / 1e9:.2g} GB for each worker")
    say("disk", f"{found.disk / 1e6:.3g} MB")
    say("from", f"the timings of {found.timed} trials")


@study.command(name="export-array")
def export_array(
    spec: Spec,
    store: StoreOption,
    jobs: Annotated[int, typer.Option(help="Jobs of the array.")] = 100,
    as_json: JsonOption = False,
) -> None:
    """Write a SLURM array: a script and a task list, whose results 'thalweg study resume' merges.

    Example:

      thalweg study export-array million.toml --store results --jobs 1000
    """
    from ..study import Study
    from ..study import export_array as export

    script = export(Study.load(spec), store, jobs)
    if as_json:
        print_json({"saved": [str(script)]})
        return
    say("saved", str(script))
    say("next", f"{shlex.join(['sbatch', str(script)])}; when jobs are done: {_to('resume', store)}")


@study.command(name="array-task")
def array_task(
    folder: Folder,
    job: Annotated[int, typer.Argument(help="SLURM_ARRAY_TASK_ID.")],
    as_json: JsonOption = False,
) -> None:
    """Compute one job of an exported array; its script calls this.

    Exit code 1 if a trial raised.

    Example:

      thalweg study array-task results 0
    """
    from ..study import run_array_task

    made, problems = run_array_task(folder, job)
    if as_json:
        print_json({"made": made, "problems": problems})
    else:
        say("made", f"{made} trials")
        for problem in problems:
            say("problem", problem)
    if problems:
        raise typer.Exit(1)


def _crew(workers: int, where: str | None) -> Crew:
    from ..study import dask, processes, serial

    if workers < 1:
        raise InputError(f"--workers must be at least 1. Got {workers}.")
    if where is not None:
        return dask(where, workers)
    return serial() if workers == 1 else processes(workers)


def _run(specified: Study | None, store: Path, crew: Crew, as_json: bool) -> None:
    from ..study import Ending, run_study

    with _Bar(wanted=not as_json) as bar:
        report = run_study(specified, store, crew, on_progress=bar.show)
    if as_json:
        print_json({**dataclasses.asdict(report), "ending": report.ending.name, "message": str(report.ending)})
    else:
        typer.echo(str(report.ending))
        say("made", f"{report.made} trials in {_duration(report.seconds)}")
        for problem in report.problems[:10]:
            say("problem", problem)
        say("next", _to("table" if report.ending is Ending.COMPLETE else "resume", store))
    if report.ending is not Ending.COMPLETE:
        raise typer.Exit(1)


class _Bar:
    """A progress bar with rate and time left, on a terminal."""

    def __init__(self, *, wanted: bool) -> None:
        self._bar: Any = None
        if wanted and sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, TaskProgressColumn, TextColumn
            from rich.progress import Progress as Bar

            columns = (BarColumn(bar_width=24), TaskProgressColumn(), TextColumn("{task.fields[text]}"))
            self._bar = Bar(*columns, console=Console(stderr=True), transient=True)
            self._task = self._bar.add_task("study", text="")

    def __enter__(self) -> _Bar:
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(self, *ignored: object) -> None:
        if self._bar is not None:
            self._bar.stop()

    def show(self, now: Progress) -> None:
        """Update the bar."""
        if self._bar is not None:
            rate = "" if math.isnan(now.rate) else f"  {now.rate:.3g}/s  left {_duration(now.seconds_left)}"
            text = f"{now.made} of {now.most} trials{rate}"
            self._bar.update(self._task, completed=now.made, total=now.most, text=text)


def _to(verb: str, folder: Path) -> str:
    """Return a command on a store, as one would type it."""
    return shlex.join(["thalweg", "study", verb, str(folder)])


def _varies(rows: list[dict[str, Any]], key: str) -> bool:
    return len({row[key] for row in rows}) > 1


def _cell(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _half(estimate: float) -> str:
    if 0 < estimate < math.inf:
        return f"n = {estimate:.5g} for half"
    return f"half of the trials succeed {'beyond' if estimate else 'below'} the sizes tried"


def _duration(seconds: float) -> str:
    if math.isnan(seconds):
        return "not known yet"
    if seconds < 100:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 6000 else f"{seconds / 3600:.3g} h"
