"""All figures, one after the other, into one folder, with a page that shows them."""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .. import _validate as check
from .._errors import InputError, MissingExtraError
from .._files import write_text
from . import registry
from .base import SIZES, NamedFigure, Work
from .files import save

_KINDS = {".png": "image/png", ".gif": "image/gif"}


@dataclass(frozen=True)
class Made:
    """What became of a figure.

    Attributes
    ----------
    name, title, summary : str
        Of the figure.
    command : str
        Makes it by itself.
    state : str
        "drawn", "skipped" for want of an extra, "failed", or "not made" yet.
    text : str
        The reading of a figure that was drawn; otherwise why not, and the remedy.
    files : tuple of Path
    seconds : float

    Examples
    --------
    >>> from thalweg.figures import Made
    >>> Made("line", "A line", "nothing else", "thalweg figure line").state
    'not made'
    """

    name: str
    title: str
    summary: str
    command: str
    state: str = "not made"
    text: str = ""
    files: tuple[Path, ...] = ()
    seconds: float = 0.0

    @property
    def images(self) -> list[str]:
        """Pictures, still and moving, as data URLs."""
        found = [path for path in self.files if path.suffix in _KINDS]
        return [f"data:{_KINDS[path.suffix]};base64,{b64encode(path.read_bytes()).decode()}" for path in found]

    @property
    def data(self) -> list[str]:
        """Names of the files of data."""
        return [path.name for path in self.files if path.suffix in (".csv", ".npz")]

    @property
    def pictures(self) -> list[str]:
        """Names of the files of pictures."""
        return [path.name for path in self.files if path.suffix in (".svg", *_KINDS)]


def reproduce(folder: str | Path, *, size: str = "quick", **how: Any) -> Iterator[Made]:
    """Draw and save every figure, and yield what became of each.

    After each one `folder`/index.html is written anew, complete under its name, so that whatever stops the work leaves
    a page of all that was done. Figures whose extra is not installed are skipped, and named with the remedy.

    Parameters
    ----------
    folder : str or Path
        Must exist.
    size, **how
        As for `draw`.

    Raises
    ------
    InputError
        As for `draw`, or if the folder does not exist or cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> from thalweg import figures
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     made = next(figures.reproduce(folder))
    ...     print(made.name, made.state, made.data)
    saddle drawn ['saddle.csv']
    """
    folder = Path(folder)
    check.output_path("figures.reproduce", folder / "index.html")
    check.one_of("figures.reproduce", "size", size, SIZES)
    work = Work(**how)
    entries = [
        Made(each.name, each.title, each.summary, f"thalweg figure {each.name} --size {size} --seed {work.seed}")
        for each in registry.FIGURES
    ]
    for place, figure in enumerate(registry.FIGURES):
        entries[place] = _make(figure, entries[place], folder, size, work)
        _write(entries, folder, size, work.seed)
        yield entries[place]


def _make(figure: NamedFigure, entry: Made, folder: Path, size: str, work: Work) -> Made:
    """Draw and save one figure; what the user can mend is told, anything else is raised."""

    def named(share: float, text: str) -> None:
        work.progress(share, f"{figure.name}: {text}")

    begun = time.perf_counter()
    try:
        drawn = figure.draw(size, replace(work, progress=named))
        files = save(drawn, folder, figure.name, title=figure.title, command=entry.command)
    except MissingExtraError as error:
        return replace(entry, state="skipped", text=str(error))
    except InputError as error:
        return replace(entry, state="failed", text=str(error))
    seconds = time.perf_counter() - begun
    return replace(entry, state="drawn", text=drawn.reading, files=tuple(files), seconds=seconds)


def _write(entries: list[Made], folder: Path, size: str, seed: int) -> None:
    from ..report.page import render

    absent = [entry for entry in entries if entry.state != "drawn"]
    summary = f"{len(entries) - len(absent)} of {len(entries)} figures were drawn"
    if absent:
        summary += "; " + ", ".join(f"{entry.name} was {entry.state}" for entry in absent)
    page = render(
        "figures.html.j2",
        title=f"Reproductions, {size} size",
        summary=f"{summary}.",
        absent=bool(absent),
        entries=entries,
        command=f"thalweg figure --all --size {size} --seed {seed}",
        seed=seed,
        size=size,
    )
    write_text("figures.reproduce", folder / "index.html", page)
