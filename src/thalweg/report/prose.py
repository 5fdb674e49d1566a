"""A verdict and lines of facts, as plain text and as HTML."""

from __future__ import annotations

import html
from collections.abc import Iterable


def as_text(verdict: str, facts: Iterable[tuple[str, str]]) -> str:
    """Return the verdict, and one line for each (heading, text)."""
    return "\n".join([verdict, *(f"  {heading:<11} {text}" for heading, text in facts)])


def as_html(verdict: str, facts: Iterable[tuple[str, str]]) -> str:
    """Return the same as a fragment of HTML."""
    rows = "".join(
        f"<tr><th scope='row' style='text-align:left'>{html.escape(heading)}</th>"
        f"<td style='text-align:left'>{html.escape(text)}</td></tr>"
        for heading, text in facts
    )
    return f"<div><p><b>{html.escape(verdict)}</b></p><table>{rows}</table></div>"
