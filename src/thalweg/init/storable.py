"""What a start whose layers all differ may store."""

from __future__ import annotations

from .._errors import InputError

_MOST_ENTRIES = 2e8


def refuse_unstorable(owner: str, entries: float) -> None:
    """Refuse to draw more numbers than memory is likely to hold."""
    if entries > _MOST_ENTRIES:
        raise InputError(
            f"{owner} would store {entries:.1e} numbers, as all layers differ. Take less depth or width, or zas."
        )
