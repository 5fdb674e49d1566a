"""What a zero-asymmetric initialization did to a network, in words."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from ..report.prose import as_html

# Names of one pattern that are printed one by one.
_FEW = 2


@dataclass(frozen=True)
class Change:
    """One layer: its name, what was done to it, and why.

    Examples
    --------
    >>> from thalweg.adapters.report import Change
    >>> Change("blocks.0.conv2", "weight", "last layer of a branch")
    Change(name='blocks.0.conv2', what='weight', why='last layer of a branch')
    """

    name: str
    what: str
    why: str


@dataclass(frozen=True, repr=False)
class ZASReport:
    """What a zero-asymmetric initialization did to a network.

    Attributes
    ----------
    branches : int
        Residual branches, each of which is 0 now.
    head : str or None
        The layer that computes the output, 0 now; None if there is none, or it was left as it was.
    zeroed, scaled, left : tuple of Change
        Layers set to 0, layers multiplied by a factor, and what was left as it was.

    Examples
    --------
    >>> from thalweg.adapters.report import Change, ZASReport
    >>> report = ZASReport(3, None, tuple(Change(f"blocks.{k}", "weight", "last layer") for k in range(3)), (), ())
    >>> print(report)
    ZAS        3 residual branches computed as 0
      zeroed   blocks.0 ... blocks.2 (3 in all): weight; last layer
    """

    branches: int
    head: str | None
    zeroed: tuple[Change, ...]
    scaled: tuple[Change, ...]
    left: tuple[Change, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain numbers, words and lists."""
        plain = asdict(self)
        return plain | {name: list(plain[name]) for name in ("zeroed", "scaled", "left")}

    def lines(self) -> list[tuple[str, str]]:
        """Return the report as (label, text), layers of one pattern together."""
        found = []
        for label, changes in (("zeroed", self.zeroed), ("scaled", self.scaled), ("left", self.left)):
            for (_, what, why), names in _alike(changes).items():
                words = ", ".join(names) if len(names) <= _FEW else f"{names[0]} ... {names[-1]} ({len(names)} in all)"
                found.append((label, f"{words}: {what}; {why}" if what else f"{words}: {why}"))
        return found

    def verdict(self) -> str:
        """Return what the network computes now."""
        many = f"{self.branches} residual branch{'es' if self.branches > 1 else ''}"
        head = f", and so is the head, {self.head}" if self.head else ""
        return f"{many} computed as 0{head}"

    def __str__(self) -> str:
        return "\n".join(["ZAS        " + self.verdict(), *(f"  {label:<8} {text}" for label, text in self.lines())])

    def __repr__(self) -> str:
        return f"ZASReport(branches={self.branches}, head={self.head!r}, scaled={len(self.scaled)})"

    def _repr_html_(self) -> str:
        return as_html(f"ZAS: {self.verdict()}", self.lines())


def _alike(changes: tuple[Change, ...]) -> dict[tuple[str, str, str], list[str]]:
    """Group changes of the same kind to names that differ in numbers only."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for change in changes:
        groups.setdefault((re.sub(r"\d+", "*", change.name), change.what, change.why), []).append(change.name)
    return groups
