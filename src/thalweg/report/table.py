"""A trajectory as a table: for the terminal, as plain text, for notebooks."""

from __future__ import annotations

import html
import io
import shutil
from typing import TYPE_CHECKING

from .summary import Fact, summarize

if TYPE_CHECKING:
    from rich.table import Table

    from ..flow.trajectory import Trajectory


def as_table(traj: Trajectory) -> Table:
    """Return the rich table of a trajectory, the verdict in its title."""
    from rich.table import Table
    from rich.text import Text

    summary = summarize(traj)
    table = Table(title=Text(summary.verdict, style="bold"), title_justify="left", box=None, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_column(style="dim", overflow="fold")

    def add(fact: Fact) -> None:
        table.add_row(*(Text(part) for part in (fact.label, fact.value, fact.meaning)))  # Text: no markup in names

    for fact in summary.facts:
        add(fact)
    table.add_section()
    for fact in summary.checks:
        add(fact)
    if summary.advice:
        table.caption = Text("\n".join(f"next  {text}" for text in summary.advice))
        table.caption_justify = "left"
    return table


def as_text(traj: Trajectory) -> str:
    """Return the table as plain text, as wide as the terminal."""
    from rich.console import Console

    stream = io.StringIO()
    width = shutil.get_terminal_size((110, 24)).columns
    Console(file=stream, width=width, color_system=None).print(as_table(traj))
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())


def as_html(traj: Trajectory) -> str:
    """Return the table as a fragment of HTML."""
    summary = summarize(traj)
    rows = "".join(
        f"<tr><th scope='row' style='text-align:left'>{html.escape(fact.label)}</th>"
        f"<td style='text-align:left'>{html.escape(fact.value)}</td>"
        f"<td style='text-align:left'>{html.escape(fact.meaning)}</td></tr>"
        for fact in (*summary.facts, *summary.checks)
    )
    advice = "".join(f"<p>Next: {html.escape(text)}</p>" for text in summary.advice)
    return f"<div><p><b>{html.escape(summary.verdict)}</b></p><table>{rows}</table>{advice}</div>"
