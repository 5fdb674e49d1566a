"""thalweg figure: draw a named figure, or all of them, with data and readings."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .._errors import InputError
from ._output import JsonOption, folder_for, print_json, say, writable

if TYPE_CHECKING:
    from ..figures.base import Progress

_PATIENCE = 2.0


class Size(StrEnum):
    """How much to compute for a figure."""

    quick = "quick"
    full = "full"


def figure(
    name: Annotated[str | None, typer.Argument(help="Name of the figure.")] = None,
    list_all: Annotated[bool, typer.Option("--list", help="List the figures there are.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Draw all of them, and a page that shows them.")] = False,
    size: Annotated[Size, typer.Option(help="Seconds, or the numbers of the documentation: minutes.")] = Size.quick,
    out: Annotated[Path, typer.Option(help="Folder to write into; made if need be.")] = Path(),
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    workers: Annotated[int, typer.Option(help="Processes to compute in; results do not depend on it.")] = 1,
    store: Annotated[
        Path | None, typer.Option(help="Folder that keeps trials, so that a figure that was interrupted goes on.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Draw a named figure: NAME.png and .svg, .gif where it moves, its data, .csv or .npz, and what it shows, .md.

    With --all every figure is drawn, and index.html shows them with their readings and data; a figure that needs an
    extra which is not installed is named there. Ctrl-C stops the work; only figures that are finished are written.

    Examples:

      thalweg figure --list

      thalweg figure saddle

      thalweg figure depth --size full --out figures --seed 1

      thalweg figure convergence --size full --workers 2 --store trials

      thalweg figure --all --out figures --workers 2
    """
    from .. import figures

    if list_all:
        _list(as_json)
        return
    if every:
        if name is not None:
            raise InputError(f"--all draws every figure: leave out {name!r}, or leave out --all.")
        _draw_all(out, as_json, size=size.value, seed=seed, workers=workers, store=store)
        return
    if name is None:
        raise InputError("Name a figure, or ask for --list or --all.")
    chosen = figures.named(name)
    command = f"thalweg figure {name} --size {size.value} --seed {seed}"
    try:
        with folder_for("--out", out):
            writable("--out", out / f"{name}.png")
            with _bar(wanted=not as_json) as progress:
                drawn = figures.draw(name, size=size.value, seed=seed, workers=workers, store=store, progress=progress)
            saved = figures.save(drawn, out, name, title=chosen.title, command=command)
    except KeyboardInterrupt:
        typer.echo("thalweg: interrupted; no file was left half written.", err=True)
        raise typer.Exit(1) from None
    if as_json:
        files = [str(path) for path in saved]
        print_json({"name": name, "size": size.value, "seed": seed, "reading": drawn.reading, "saved": files})
    else:
        typer.echo(drawn.reading)
        say("saved", ", ".join(str(path) for path in saved))


def _list(as_json: bool) -> None:
    from ..figures import FIGURES

    if as_json:
        print_json({"figures": [{"name": f.name, "title": f.title, "summary": f.summary} for f in FIGURES]})
        return
    width = max(len(each.name) for each in FIGURES)
    for each in FIGURES:
        typer.echo(f"{each.name:<{width}}  {each.summary}")


def _draw_all(out: Path, as_json: bool, *, size: str, seed: int, workers: int, store: Path | None) -> None:
    """Draw every figure and the page; the exit code is 1 if one failed or the work was interrupted."""
    from .. import figures

    page = out / "index.html"
    done = []
    interrupted = False
    try:
        with folder_for("--out", out):
            writable("--out", page)
            with _bar(wanted=not as_json) as progress:
                how: Any = {"workers": workers, "store": store, "progress": progress}
                for made in figures.reproduce(out, size=size, seed=seed, **how):
                    done.append(made)
                    if not as_json:
                        drawn = made.state == "drawn"
                        what = f"drawn in {made.seconds:.3g} s" if drawn else f"{made.state}: {made.text}"
                        typer.echo(f"{made.name:<22} {what}")
    except KeyboardInterrupt:
        interrupted = True
        typer.echo(f"thalweg: interrupted; figures finished and kept: {len(done)}.", err=True)
    if as_json:
        keys = ("name", "state", "seconds", "text")
        entries = [
            {key: getattr(made, key) for key in keys} | {"saved": [str(path) for path in made.files]} for made in done
        ]
        print_json({"size": size, "seed": seed, "figures": entries, "report": str(page) if done else None})
    elif done:
        say("report", str(page))
    if interrupted or any(made.state == "failed" for made in done):
        raise typer.Exit(1)


@contextmanager
def _bar(wanted: bool) -> Iterator[Progress]:
    """Show the share of the work that is done, on a terminal and after two seconds."""
    if not (wanted and sys.stderr.isatty()):
        yield lambda share, text: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    columns: list[Any] = [BarColumn(bar_width=24), TaskProgressColumn(), TextColumn("{task.description}")]
    bar = Bar(*columns, TimeRemainingColumn(), console=Console(stderr=True), transient=True)
    task, due = bar.add_task("", total=1.0), time.monotonic() + _PATIENCE

    def show(share: float, text: str) -> None:
        if time.monotonic() > due:
            bar.start()  # does nothing if it runs already
            bar.update(task, completed=share, description=text)

    try:
        yield show
    finally:
        bar.stop()
