"""Saving a drawn figure: picture, data and reading, all of them or none."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from .._files import atomic_writer
from ..flow.interrupt import DeferredInterrupt
from .base import Drawn, Table

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation

_DPI = 130
_MOVING_DPI, _FRAMES_PER_SECOND = 90, 12


def save(drawn: Drawn, folder: str | Path, name: str, *, title: str = "", command: str = "") -> list[Path]:
    """Write NAME.png, NAME.svg, NAME.gif if it moves, NAME.csv or .npz, and NAME.md into a folder.

    Nothing is written before everything is ready, each file is complete under its name, and the first Ctrl-C waits for
    the last one.

    Parameters
    ----------
    drawn : Drawn
    folder : str or Path
        Must exist.
    name : str
        Name of the files without their ending.
    title, command : str
        Heading of the reading, and the command that makes the figure again.

    Returns
    -------
    list of Path

    Raises
    ------
    InputError
        If the folder does not exist or cannot be written.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from thalweg import figures
    >>> drawn = figures.Drawn(Figure(), {"x": np.arange(3)}, "Nothing yet.")
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     [path.name for path in figures.save(drawn, folder, "empty")]
    ['empty.png', 'empty.svg', 'empty.csv', 'empty.md']
    """
    ready = {"png": _picture(drawn, "png"), "svg": _picture(drawn, "svg")}
    if drawn.animate:
        ready["gif"] = _animation(drawn.animate)
    if len({np.shape(column) for column in drawn.table.values()}) == 1 and _one_dimensional(drawn.table):
        ready["csv"] = _csv(drawn.table)
    else:
        ready["npz"] = _npz(drawn.table)
    lines = [*([f"# {title}"] if title else []), drawn.reading, *([f"Made by `{command}`."] if command else [])]
    ready["md"] = ("\n\n".join(lines) + "\n").encode("utf-8")
    paths = []
    with DeferredInterrupt() as interrupt:
        for ending, content in ready.items():
            path = Path(folder) / f"{name}.{ending}"
            with atomic_writer("figures.save", path) as stream:
                stream.write(content)
            paths.append(path)
    if interrupt.asked:
        raise KeyboardInterrupt
    return paths


def _picture(drawn: Drawn, kind: str) -> bytes:
    """Render without date, version and random names, so that the file changes only if the picture does."""
    from matplotlib import rc_context

    metadata = {"Software": None} if kind == "png" else {"Date": None, "Creator": None}
    stream = io.BytesIO()
    with rc_context({"svg.hashsalt": "thalweg", "svg.fonttype": "none"}):
        drawn.figure.savefig(stream, format=kind, dpi=_DPI, metadata=metadata)
    return stream.getvalue()


def _animation(animate: Callable[[], FuncAnimation]) -> bytes:
    """Render the frames. Matplotlib writes animations to files by name only."""
    from matplotlib.animation import PillowWriter

    with TemporaryDirectory(prefix="thalweg-") as folder:
        path = Path(folder) / "moving.gif"
        animate().save(path, PillowWriter(_FRAMES_PER_SECOND), dpi=_MOVING_DPI)
        return path.read_bytes()


def _one_dimensional(table: Table) -> bool:
    return all(np.ndim(column) == 1 for column in table.values())


def _csv(table: Table) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table)
    writer.writerows(zip(*(np.asarray(column).tolist() for column in table.values()), strict=True))
    return text.getvalue().encode("utf-8")


def _npz(table: Table) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **table)  # type: ignore[arg-type]
    return stream.getvalue()
