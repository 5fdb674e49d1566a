"""Ctrl-C in the runs behind a figure, which return what they have instead of raising."""

from __future__ import annotations

from enum import Enum
from typing import Protocol, TypeVar


class _Run(Protocol):
    @property
    def outcome(self) -> Enum: ...


_AnyRun = TypeVar("_AnyRun", bound=_Run)


def whole(run: _AnyRun) -> _AnyRun:
    """Return a run that is whole.

    Raises
    ------
    KeyboardInterrupt
        If Ctrl-C cut it short: half a run is no data.

    Examples
    --------
    >>> import thalweg as tw
    >>> from thalweg.figures.interruption import whole
    >>> network, data = tw.init.counterexample()
    >>> whole(tw.flow(network, data, t_end=1.0)).outcome.name
    'REACHED_END'
    """
    if run.outcome.name == "INTERRUPTED":
        raise KeyboardInterrupt
    return run
