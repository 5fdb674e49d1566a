"""What a named figure is: how its data are measured, drawn and read, at two sizes."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from numpy.typing import NDArray

from .. import _validate as check

if TYPE_CHECKING:
    from matplotlib.animation import FuncAnimation
    from matplotlib.figure import Figure

SIZES = ("quick", "full")

# Called now and then with the share of the work that is done and a few words on what comes next.
Progress: TypeAlias = Callable[[float, str], None]
Table: TypeAlias = dict[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class Drawn:
    """A figure that was drawn.

    Attributes
    ----------
    figure : matplotlib Figure
    table : dict of arrays
        All that is drawn, by name. Columns of one length are saved as a .csv file, anything else as an .npz file.
    reading : str
        One paragraph on what the picture shows, with the numbers of this run.
    animate : function or None
        Makes the animation, where there is one; frames are drawn only when it is saved.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from thalweg.figures import Drawn
    >>> drawn = Drawn(Figure(), {"x": np.arange(3)}, "Nothing yet.")
    >>> drawn.animate is None
    True
    """

    figure: Figure
    table: Table
    reading: str
    animate: Callable[[], FuncAnimation] | None = None


@dataclass(frozen=True)
class Work:
    """How to measure.

    Attributes
    ----------
    seed : int
        Of everything random.
    workers : int
        Processes that may compute; results do not depend on it.
    store : Path or None
        Folder that keeps the trials of studies, so that work that was interrupted goes on; nowhere, if None.
    progress : function
        See `Progress`.

    Raises
    ------
    InputError
        For a seed below 0, no workers, or a store that is a file.

    Examples
    --------
    >>> from thalweg.figures import Work
    >>> Work(workers=2).seed
    0
    """

    seed: int = 0
    workers: int = 1
    store: Path | None = None
    progress: Progress = lambda share, text: None

    def __post_init__(self) -> None:
        check.integer("figure", "seed", self.seed)  # nothing else can be written into a command
        check.positive_int("figure", "workers", self.workers)
        if self.store is not None and os.path.exists(self.store) and not os.path.isdir(self.store):
            raise check.fail("figure", "store", "be a folder, or a new one", repr(str(self.store)))


@dataclass(frozen=True)
class NamedFigure:
    """A figure that can be asked for by name.

    Attributes
    ----------
    name, title : str
    summary : str
        One line on what it shows.
    sizes : mapping
        What to measure at the sizes "quick" and "full".
    measure : function
        Of one of these and a `Work`: the table, the same for the same seed up to columns of seconds.
    picture, read : functions
        Of the table: the picture, and one paragraph on what it shows, with the numbers of this table.
    animate : function or None
        Of the table: a moving picture.

    Examples
    --------
    >>> import numpy as np
    >>> from matplotlib.figure import Figure
    >>> from thalweg.figures import NamedFigure, Work
    >>> line = NamedFigure(
    ...     "line",
    ...     "A line",
    ...     "nothing else",
    ...     {"quick": 3, "full": 300},
    ...     measure=lambda count, work: {"x": np.arange(count)},
    ...     picture=lambda table: Figure(),
    ...     read=lambda table: f"The line ends at {table['x'][-1]}.",
    ... )
    >>> line.draw("full", Work()).reading
    'The line ends at 299.'
    """

    name: str
    title: str
    summary: str
    sizes: Mapping[str, Any]
    measure: Callable[[Any, Work], Table]
    picture: Callable[[Table], Figure]
    read: Callable[[Table], str]
    animate: Callable[[Table], FuncAnimation] | None = None

    def draw(self, size: str, work: Work) -> Drawn:
        """Measure, draw and read."""
        table = self.measure(self.sizes[size], work)
        animate = partial(self.animate, table) if self.animate else None
        return Drawn(self.picture(table), table, self.read(table), animate)
