"""What a named figure is: a function of a size and a seed that returns a picture, its data and what it shows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from numpy.typing import NDArray

if TYPE_CHECKING:
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
    """

    figure: Figure
    table: Table
    reading: str


@dataclass(frozen=True)
class NamedFigure:
    """A figure that can be asked for by name.

    Attributes
    ----------
    name, title : str
    summary : str
        One line on what it shows.
    draw : function
        Of the size ("quick" or "full"), the seed and a `Progress`; it returns a `Drawn`, the same for the same
        arguments up to columns of seconds.
    """

    name: str
    title: str
    summary: str
    draw: Callable[[str, int, Progress], Drawn]
