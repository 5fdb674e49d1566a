"""What a page of the report is made of: sections of facts, charts and tables. The template draws nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .summary import Fact


@dataclass(frozen=True)
class Table:
    """A table with a header; the first cell of every row is its heading.

    Attributes
    ----------
    title : str
    columns : tuple of str
    rows : tuple of tuples of str
    lead : str
        A sentence before it.
    closing : tuple of str
        Sentences after it.
    folded : bool
        Whether it is opened by a click only.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    lead: str = ""
    closing: tuple[str, ...] = ()
    folded: bool = False


@dataclass(frozen=True)
class Key:
    """One entry of a chart's key: a line, a symbol, both, or else a patch; a button if what it names can be hidden."""

    name: str
    colour: str
    dash: str = ""
    symbol: str = ""
    button: bool = True


@dataclass(frozen=True)
class Chart:
    """One chart: what plotly.js draws, the same in a sentence, and the same as a table.

    Colours in `data` are names such as "$blue", which the page looks up in its style sheet for light and dark.
    """

    title: str
    caption: str
    data: list[dict[str, Any]]
    layout: dict[str, Any]
    keys: tuple[Key, ...]
    table: Table


@dataclass(frozen=True)
class Text:
    """A text shown as it is, such as a specification or a few lines of Python."""

    title: str
    text: str


@dataclass(frozen=True)
class Section:
    """One run or one study on the page: the verdict first, then what to do, facts, charts and tables."""

    title: str
    verdict: str
    advice: tuple[str, ...]
    facts: tuple[Fact, ...]
    charts: tuple[Chart, ...]
    tables: tuple[Table, ...]
    texts: tuple[Text, ...]
    progress: tuple[int, int] | None = None


def number(value: float) -> str:
    """Return a number as it is read: a few digits, and words where it has none."""
    if value != value:
        return "unknown"
    return f"{value:.4g}" if abs(value) != float("inf") else "infinite" if value > 0 else "-infinite"


def duration(seconds: float) -> str:
    """Return a time in the unit that suits it."""
    if seconds != seconds:
        return "not known yet"
    if seconds < 100:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 6000 else f"{seconds / 3600:.3g} h"
