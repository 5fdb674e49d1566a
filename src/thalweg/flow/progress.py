"""The progress bar of a flow."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

from .stops import RunningState

PATIENCE = 2.0


class Progress:
    """Show time, loss, curvature and events of a run; on a terminal only, and not before two seconds, unless asked.

    Parameters
    ----------
    wanted : bool or None
        True to show it at once, False never, None to decide.
    t_end : float
        The time at which the bar is full.
    label : str
        What the run is doing.
    """

    def __init__(self, wanted: bool | None, t_end: float, label: str = "flowing") -> None:
        self._t_end, self._label = t_end, label
        patience = 0.0 if wanted else PATIENCE
        possible = wanted is True or (wanted is None and sys.stderr.isatty())
        self._due = time.monotonic() + patience if possible else float("inf")
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Progress:
        return self

    def show(self, state: RunningState) -> None:
        """Update the bar with a running state."""
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + 0.1
        bar = self._bar or self._open()
        events = f"  events {state.events}" if state.events else ""  # descent has none
        bar.update(
            self._task,
            completed=state.t,
            text=f"t {state.t:.4g}  loss {state.loss:.2e}  mu {state.curvature:.2e}{events}",
        )

    def _open(self) -> Any:
        from rich.console import Console
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self._bar = Bar(
            TextColumn(self._label),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TextColumn("{task.fields[text]}"),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._bar.add_task("flow", total=self._t_end, text="")
        self._bar.start()
        return self._bar

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
