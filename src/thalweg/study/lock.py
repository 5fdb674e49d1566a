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
    with closing(sqlite3.connect(folder / "lock.sqlite", timeout=_PATIENCE, isolation_level=None)) as database:
        if not _acquired(database):
            raise InputError(
                f"Another driver is at work on {str(folder)!r}: {_holder(folder)}. "
                "Wait for it, follow it with: thalweg study status, or stop it with Ctrl-C."
            )
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        with suppress(OSError):  # on a full disk too
            (folder / "driver.txt").write_text(f"process {os.getpid()} on {socket.gethostname()} since {since}")
        try:
            yield
        finally:
            (folder / "driver.txt").unlink(missing_ok=True)


def driver_at_work(folder: Path) -> str | None:
    """Say who holds the lock of a store; None if nobody does."""
    if not (folder / "lock.sqlite").exists():
        return None
    with closing(sqlite3.connect(folder / "lock.sqlite", timeout=0.0, isolation_level=None)) as database:
        return None if _acquired(database) else _holder(folder)


def _acquired(database: sqlite3.Connection) -> bool:
    try:
        database.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            return False
        raise InputError(
            f"The lock of the store cannot be had: {error}. Choose a folder that can be written."
        ) from None
    return True


def _holder(folder: Path) -> str:
    with suppress(OSError):
        return (folder / "driver.txt").read_text() or "unknown"
    return "unknown"
