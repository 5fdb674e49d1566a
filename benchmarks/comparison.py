"""Timed runs, their errors, and how long a method needs for an error it may not have reached."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

import numpy as np

from peers import End

FAR = 100.0  # nothing is extrapolated to so many times the longest run


@dataclass(frozen=True)
class Errors:
    """Relative errors of the preactivations, of the residuals and of the loss, at the end."""

    z: float
    r: float
    loss: float

    @property
    def worst(self) -> float:
        return max(self.z, self.r, self.loss)


@dataclass(frozen=True, eq=False)
class Reference:
    """The end that all are compared with."""

    z: np.ndarray
    a: np.ndarray
    y: np.ndarray

    def residuals(self, z, a):
        return self.y - a @ np.maximum(z, 0.0) / len(a)

    def errors(self, end: End) -> Errors:
        r, true = self.residuals(end.z, end.a), self.residuals(self.z, self.a)
        return Errors(distance(end.z, self.z), distance(r, true), abs(float(r @ r) / float(true @ true) - 1))


def distance(x, reference):
    """Relative distance in the Euclidean norm."""
    return float(np.linalg.norm(x - reference) / np.linalg.norm(reference))


@dataclass(eq=False)
class Entry:
    """One method at one setting: a row of the table."""

    method: str
    symbol: str
    setting: float
    solve: Callable[[float], End]
    seconds: list[float] = field(default_factory=list)
    processor_seconds: list[float] = field(default_factory=list)
    end: End | None = None
    errors: Errors | None = None

    def run(self, reference: Reference | None = None) -> Entry:
        """Run once more, on the clock; with a reference, keep the errors."""
        wall, processor = time.perf_counter(), time.process_time()
        end = self.solve(self.setting)
        self.processor_seconds.append(time.process_time() - processor)
        self.seconds.append(time.perf_counter() - wall)
        if reference is not None:
            self.end, self.errors = end, None if end.z is None else reference.errors(end)
        return self

    @property
    def median(self) -> float:
        return median(self.seconds)

    @property
    def cores(self) -> float:
        """Processor time per elapsed time: above 1 with several threads, below on a busy machine."""
        return median(self.processor_seconds) / self.median

    def within(self, target: float, which: str) -> bool:
        """Whether an error, named as in `Errors`, is within the target."""
        return self.errors is not None and getattr(self.errors, which) <= target


@dataclass(frozen=True)
class Need:
    """Time a method needs for the error asked for.

    `how` is "measured", "extrapolated", or "more than": then it ran for `seconds` without getting there. `least` has
    been measured in any case.
    """

    method: str
    seconds: float
    how: str
    least: float
    best_error: float | None
    order: float | None

    @classmethod
    def of(cls, entries: list[Entry], target: float, which: str) -> Need:
        """Judge a method by one of the errors of its runs, which go from loose to tight."""
        method = entries[0].method
        done = [entry for entry in entries if entry.errors is not None]
        errors = [getattr(entry.errors, which) for entry in done]
        best = min(errors, default=None)
        order = observed_order([entry.end.products for entry in done], errors)
        there = [entry.median for entry in done if entry.within(target, which)]
        if there:
            return cls(method, min(there), "measured", min(there), best, order)
        least = max(entry.median for entry in entries)
        if order is not None and order > 0.1:
            guess = done[-1].median * (errors[-1] / target) ** (1 / order)
            if guess < FAR * least:
                return cls(method, max(guess, least), "extrapolated", least, best, order)
        return cls(method, least, "more than", least, best, order)


def observed_order(products: list[int], errors: list[float]) -> float | None:
    """Return the power of the work with which the error fell over the last three runs."""
    if len(errors) < 2:
        return None
    return -float(np.polyfit(np.log(products[-3:]), np.log(errors[-3:]), 1)[0])


def table(entries: list[Entry], unit: float) -> str:
    """Return a table of all runs; `unit` is the time that ratios refer to."""
    head = ("method", "setting", "products", "seconds", "runs", "cores", "error z", "error r", "error loss", "ratio")
    lines = ["{:26s} {:>12s} {:>10s} {:>9s} {:>4s} {:>5s} {:>8s} {:>8s} {:>10s} {:>8s}".format(*head)]
    for e in entries:
        found = e.errors
        errors = f"{found.z:8.1e} {found.r:8.1e} {found.loss:10.1e}" if found else f"{'given up':>28s}"
        lines.append(
            f"{e.method:26s} {e.symbol + ' ' + format(e.setting, '.3g'):>12s} {e.end.products:10d} {e.median:9.4f} "
            f"{len(e.seconds):4d} {e.cores:5.2f} {errors} {e.median / unit:8.3g}"
        )
    return "\n".join(lines)


def needs_table(needs: list[Need], title: str, unit: float) -> str:
    """Return a table of the time each method needs for the error asked for."""
    lines = [title]
    for need in sorted(needs, key=lambda need: (need.how == "more than", need.seconds)):
        best = "none finished" if need.best_error is None else f"best error {need.best_error:.1e}"
        order = "" if need.order is None else f", order {need.order:.2f}"
        sign = ">" if need.how == "more than" else " "
        lines.append(
            f"  {need.method:24s} {sign}{need.seconds:10.3f} s {need.how:12s} {sign}{need.seconds / unit:8.1f} times; "
            f"at least {need.least / unit:.1f} measured ({best}{order})"
        )
    return "\n".join(lines)
