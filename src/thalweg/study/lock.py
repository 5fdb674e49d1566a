"""One driver at a time: a lock that the operating system drops when its holder dies, however it dies."""

from __future__ import annotations

import os
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from .._errors import InputError

# A reader that looks whether a driver runs holds the lock for an instant.
_PATIENCE = 1.0


@contextmanager
def driver_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of a store; refuse if another driver does.

    It is the lock of an empty sqlite file, the most portable one at hand. A driver on another host is seen if the file
    system has locks across hosts, as NFS with lockd has.
    """
    try:
        held = _lock(folder, _PATIENCE, "BEGIN EXCLUSIVE")
    except sqlite3.DatabaseError as error:
        raise InputError(
            f"The lock of the store {str(folder)!r} cannot be had: {error}. Choose a folder that can be written; if "
            "lock.sqlite is broken, delete it."
        ) from None
    if held is None:
        raise InputError(
            f"Another driver is at work on {str(folder)!r}: {_holder(folder)}. "
            "Wait for it, follow it with: thalweg study status, or stop it with Ctrl-C."
        )
    with closing(held):
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        with suppress(OSError):  # on a full disk too
            (folder / "driver.txt").write_text(f"process {os.getpid()} on {socket.gethostname()} since {since}")
        try:
            yield
        finally:
            with suppress(OSError):
                (folder / "driver.txt").unlink()


def driver_at_work(folder: Path) -> str | None:
    """Say who holds the lock of a store; None if nobody does. It asks by reading, so that any reader can."""
    if not os.path.exists(folder / "lock.sqlite"):
        return None
    try:
        seen = _lock(folder, 0.0, "SELECT name FROM sqlite_master")
    except sqlite3.DatabaseError:  # a broken file, or one this user cannot read: no driver is known of
        return None
    if seen is None:
        return _holder(folder)
    seen.close()
    return None


def _lock(folder: Path, patience: float, statement: str) -> sqlite3.Connection | None:
    """Open the file and execute what takes a lock; None if another process holds one that does not allow it."""
    database = sqlite3.connect(folder / "lock.sqlite", timeout=patience, isolation_level=None)
    try:
        database.execute(statement)
    except sqlite3.DatabaseError as error:
        database.close()
        if "locked" in str(error):
            return None
        raise
    return database


def _holder(folder: Path) -> str:
    with suppress(OSError):
        return (folder / "driver.txt").read_text() or "unknown"
    return "unknown"
