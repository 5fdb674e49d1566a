"""What all theorems say about a problem: the verdict first, then reasons, then what to do next."""

from __future__ import annotations

import html
import io
import math
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .base import Finding

if TYPE_CHECKING:
    from rich.console import Group


@dataclass(frozen=True, eq=False, repr=False)
class Report:
    """The findings of `tw.check`. It prints well, indexes by the name of a theorem, and exports by `to_dict`.

    Attributes
    ----------
    problem : str
        What was checked, in words.
    findings : tuple of Finding
        One for each theorem that concerns the problem: those whose hypotheses hold first, then the nearest misses.
    silent : dict
        Names of the theorems with nothing to say here, and why.
    goal, follow : str
        What convergence means for this kind of problem, and how to see it happen.

    Examples
    --------
    >>> import thalweg as tw
    >>> report = tw.check("theorem-1", data=tw.data.sphere(5, 4000, seed=1), width=40)
    >>> report.converges, report.verdict
    (True, 'the loss tends to 0 from at least 0.974 of the starts (Theorem 1: weakly interacting data)')
    """

    problem: str
    findings: tuple[Finding, ...]
    silent: dict[str, str]
    goal: str
    follow: str

    @property
    def converges(self) -> bool:
        """Whether some theorem guarantees that the loss tends to 0, with the probability asked for."""
        return any(each.converges for each in self.findings)

    @property
    def verdict(self) -> str:
        """The outcome in a sentence."""
        sure = [each for each in self.findings if each.converges]
        if sure:
            found = sure[0]
            share = found.probability
            whence = "from this start" if share == 1 else f"from at least {_share(share)} of the starts"
            return f"{self.goal} {whence} ({found.theorem.title})"
        open_ones = [each for each in self.findings if each.theorem.converges]
        if open_ones:
            near = open_ones[0]
            own = [each for each in near.failed if each.name != "all at once"] or near.failed
            reasons = ", ".join(f"{each.name} {each.verdict.lower()}" for each in own)
            return f"no theorem guarantees convergence here; nearest is {near.theorem.title} ({reasons})"
        if any(each.holds for each in self.findings):
            return "the hypotheses hold; what follows is below"
        return "no theorem asked for has anything to say here"

    @property
    def next_steps(self) -> tuple[str, ...]:
        """What to do next: follow the flow, or the repairs of all theorems, each once."""
        if self.converges:
            return (self.follow,)
        repairs = [each for finding in self.findings for each in finding.repairs]
        return tuple(dict.fromkeys(f"{each.hypothesis}: {each.change}" for each in repairs))

    def __getitem__(self, name: str) -> Finding:
        """Return the finding of one theorem, by its name."""
        return {each.theorem.name: each for each in self.findings}[name]

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and words; NaN and infinity stay what they are."""
        return {
            "problem": self.problem,
            "verdict": self.verdict,
            "converges": self.converges,
            "next": list(self.next_steps),
            "theorems": [each.to_dict() for each in self.findings],
            "silent": self.silent,
        }

    def __rich__(self) -> Group:
        from rich.console import Group
        from rich.table import Table
        from rich.text import Text

        parts: list[Any] = [_labelled("problem", self.problem), _labelled("verdict", self.verdict, "bold")]
        for finding in self.findings:
            table = Table(
                title=Text(_heading(finding), style="bold"), title_justify="left", box=None, show_header=False
            )
            table.add_column(no_wrap=True)
            for style in ("", "", "", "dim"):
                table.add_column(style=style, overflow="fold")
            for row in _rows(finding):
                table.add_row(*map(Text, row))
            parts += [Text(), table]
            parts += [_labelled("  then", text) for text in _conclusions(finding)]
        parts += [Text(), *(_labelled(label, text) for label, text in self._ending())]
        return Group(*parts)

    def __str__(self) -> str:
        from rich.console import Console

        stream = io.StringIO()
        width = shutil.get_terminal_size((120, 24)).columns
        Console(file=stream, width=width, color_system=None).print(self)
        return "\n".join(line.rstrip() for line in stream.getvalue().splitlines()).rstrip()

    def __repr__(self) -> str:
        return f"Report({self.verdict})"

    def _repr_html_(self) -> str:
        parts = [f"<p>{html.escape(self.problem)}</p><p><b>{html.escape(self.verdict)}</b></p>"]
        for finding in self.findings:
            rows = "".join(
                "<tr>" + "".join(f"<td style='text-align:left'>{html.escape(cell)}</td>" for cell in row) + "</tr>"
                for row in _rows(finding)
            )
            closing = "".join(f"<p>Then: {html.escape(text)}</p>" for text in _conclusions(finding))
            parts.append(f"<h4>{html.escape(_heading(finding))}</h4><table>{rows}</table>{closing}")
        parts += [f"<p>{label.capitalize()}: {html.escape(text)}</p>" for label, text in self._ending()]
        return f"<div>{''.join(parts)}</div>"

    def _ending(self) -> Iterator[tuple[str, str]]:
        for text in self.next_steps:
            yield "next", text
        if self.silent:
            yield "silent", "; ".join(f"{name}, as {why}" for name, why in self.silent.items())


def _heading(finding: Finding) -> str:
    word = "holds" if finding.holds else "does not apply"
    return f"{finding.theorem.title} [{finding.theorem.name}]: {word}"


def _rows(finding: Finding) -> list[tuple[str, ...]]:
    return [
        (
            f"  {each.name}" + (f" ({each.number})" if each.number else ""),
            _number(each.value),
            f"needs {each.relation} {_number(each.threshold)}",
            each.verdict,
            each.meaning,
        )
        for each in finding.hypotheses
    ]


def _conclusions(finding: Finding) -> list[str]:
    return [f"{each.name} {_number(each.value)}: {each.meaning}" for each in finding.guarantees]


def _labelled(label: str, text: str, style: str = "") -> Any:
    from rich.table import Table
    from rich.text import Text

    line = Table.grid(padding=(0, 1))
    line.add_column(width=9)
    line.add_column(overflow="fold")
    line.add_row(Text(label), Text(text, style=style))
    return line


def _number(value: float) -> str:
    if math.isnan(value):
        return "unknown"
    if math.isinf(value):
        return "infinity"
    if 0.99 < value < 1:
        return _share(value)
    return f"{value:.4g}"


def _share(value: float) -> str:
    """A probability near 1 with as many nines as it has, rounded down."""
    if value >= 1 or value <= 0:
        return f"{value:g}"
    digits = max(3, 1 - math.floor(math.log10(1 - value)))
    return f"{math.floor(value * 10**digits) / 10**digits:.{digits}f}"
