"""The index of a store: which trials are where. It only saves reading the chunks, and can be rebuilt from them."""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from .chunk import Chunk


@dataclass(frozen=True)
class Entry:
    """What the index knows of a chunk."""

    name: str
    bytes: int
    cell: str
    first: int
    count: int
    seconds: float
    finished: float
    memory: float

    @classmethod
    def of(cls, chunk: Chunk, path: Path) -> Entry:
        """Describe a chunk that is saved at `path`."""
        size = path.stat().st_size
        size_and_place = (chunk.name, size, chunk.cell.key, chunk.first, len(chunk.trials))
        return cls(*size_and_place, chunk.seconds, chunk.finished, chunk.memory)


_COLUMNS = [field.name for field in fields(Entry)]
_CREATE = f"CREATE TABLE IF NOT EXISTS chunks ({', '.join(_COLUMNS)}, PRIMARY KEY (name))"
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM chunks"
_INSERT = f"INSERT OR REPLACE INTO chunks VALUES ({', '.join('?' * len(_COLUMNS))})"


class Index:
    """The entries of all chunks, in memory and, for the driver, in an sqlite file.

    Nothing is synced: an index that a crash has broken is begun anew, and the store fills it from the chunks.
    """

    def __init__(self, path: Path, *, writable: bool) -> None:
        self.entries: dict[str, Entry] = {}
        self._database: sqlite3.Connection | None = None
        if writable:
            try:
                self._database = _open(path)
            except sqlite3.DatabaseError:
                path.unlink(missing_ok=True)
                with suppress(sqlite3.DatabaseError):  # on a full disk there is none, and the next driver reads more
                    self._database = _open(path)
            if self._database is not None:
                self._read(self._database)
        elif path.exists():
            name = f"{path.absolute().as_uri()}?mode=ro"
            with suppress(sqlite3.Error), closing(sqlite3.connect(name, uri=True)) as database:
                self._read(database)

    def _read(self, database: sqlite3.Connection) -> None:
        self.entries = {row[0]: Entry(*row) for row in database.execute(_SELECT)}

    def add(self, entry: Entry) -> None:
        """Enter a chunk."""
        self.entries[entry.name] = entry
        if self._database is not None:
            with suppress(sqlite3.OperationalError):  # a full disk; the chunk itself is safe
                self._database.execute(_INSERT, astuple(entry))

    def remove(self, name: str) -> None:
        """Forget a chunk."""
        self.entries.pop(name, None)
        if self._database is not None:
            with suppress(sqlite3.OperationalError):
                self._database.execute("DELETE FROM chunks WHERE name = ?", (name,))

    def close(self) -> None:
        """Close the file."""
        if self._database is not None:
            self._database.close()


def _open(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, isolation_level=None)
    try:
        database.execute("PRAGMA synchronous = OFF")
        database.execute(_CREATE)
        database.execute(_SELECT).fetchall()  # sees what is broken
    except sqlite3.DatabaseError:
        database.close()
        raise
    return database
