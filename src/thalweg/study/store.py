"""The store of a study: immutable chunks in a folder. It knows nothing of who computes them.

study.toml      the specification
chunks/         results: one checksummed file per chunk, complete under its name or not there
inbox/          chunks computed elsewhere (a SLURM array), to be adopted by the next driver
damaged/        chunks that failed their checksum, set aside; their trials are computed again
index.sqlite    what is where; rebuilt from the chunks whenever it is missing, broken or out of date
lock.sqlite     held by the one driver
"""

from __future__ import annotations

import os
import shlex
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np

from .. import _validate as check
from .._errors import InputError
from .._files import write_text
from .._typing import BoolArray, IntArray
from .cell import TRIAL, Cell
from .chunk import SUFFIX, Chunk
from .index import Entry, Index
from .lock import driver_lock
from .spec import Study


class Store:
    """The results in a folder; made by `Store.reading` or `Store.writing`.

    Attributes
    ----------
    folder : Path
    study : Study
        As its specification is kept in the store.
    damaged : list of str
        Names of chunks found broken. They are left out, and their trials count as missing; a driver that opens the
        store sets them aside.

    Examples
    --------
    >>> import tempfile, thalweg as tw
    >>> study = tw.study.Study.from_toml('''
    ... study = {name = "small", method = "descend"}
    ... grid = {n = [5, 10], d = 10, p = 20}
    ... trials = {repetitions = 3, seed = 7}
    ... descend = {steps = "published"}
    ... success = {loss_below = "1/(2n)"}
    ... ''')
    >>> folder = tempfile.mkdtemp()
    >>> made = tw.study.run_study(study, folder).made
    >>> store = tw.study.Store.reading(folder)
    >>> cell = store.study.cells[0]
    >>> store.done(cell), store.missing(cell, 5)
    (array([0, 1, 2]), [(3, 5)])
    """

    def __init__(self, folder: Path, study: Study, *, writable: bool) -> None:
        self.folder, self.study, self.damaged = folder, study, list[str]()
        self._chunks, self._writable = folder / "chunks", writable
        self._index = Index(folder / "index.sqlite", writable=writable)
        self._by_cell: dict[str, dict[str, Entry]] = defaultdict(dict)
        self._successes: dict[str, BoolArray] = {}

    @classmethod
    def reading(cls, folder: str | Path) -> Store:
        """Open a store to read it, whether or not a driver is at work on it.

        Raises
        ------
        InputError
            If the folder holds no store.
        """
        folder = Path(folder)
        store = cls(folder, _kept_study(folder), writable=False)
        store._synchronize(verify=False)
        return store

    @classmethod
    @contextmanager
    def writing(cls, folder: str | Path, study: Study | None = None) -> Iterator[Store]:
        """Open a store as its one driver: make it if need be, verify every chunk, adopt those in the inbox.

        Parameters
        ----------
        folder : path
        study : Study, optional
            What is to be studied; it replaces the specification kept, of which it must have the name and the seed, so a
            study can be extended. By default the one kept.

        Raises
        ------
        InputError
            If another driver is at work, or the store belongs to another study.
        """
        folder = Path(folder)
        if study is None or os.path.exists(folder / "study.toml"):
            kept = _kept_study(folder)
            study = study or kept
            if not study.same_trials(kept):
                must = f"be a new folder, or the store of {study.name!r} with seed {study.seed}"
                raise check.fail("a study", "store", must, f"that of {kept.name!r} with seed {kept.seed} in {folder}")
        for each in (folder, folder / "chunks"):
            make_folder(each)
        with driver_lock(folder):
            _keep_study(folder, study)
            for leftover in (folder / "chunks").glob(".*.tmp"):
                leftover.unlink()
            store = cls(folder, study, writable=True)
            try:
                store._synchronize(verify=True)
                store._adopt()
                yield store
            finally:
                store._index.close()

    @property
    def entries(self) -> list[Entry]:
        """What is known of every chunk, without reading them."""
        return list(self._index.entries.values())

    def add(self, chunk: Chunk) -> None:
        """Keep the results of a chunk: on return they survive a crash of the machine."""
        path = chunk.save(self._chunks)
        _sync_folder(self._chunks)
        self._enter(Entry.of(chunk, path))

    def done(self, cell: Cell) -> IntArray:
        """Return the numbers of the trials of a cell that are in the store, increasing."""
        ranges = [np.arange(entry.first, entry.first + entry.count) for entry in self._by_cell[cell.key].values()]
        return np.unique(np.concatenate([np.empty(0, np.int64), *ranges]))

    def missing(self, cell: Cell, count: int) -> list[tuple[int, int]]:
        """Return the ranges [first, last) of the first `count` trials of a cell that are not in the store."""
        gaps, reached = [], 0
        for entry in sorted(self._by_cell[cell.key].values(), key=lambda entry: entry.first):
            if reached < min(entry.first, count):
                gaps.append((reached, min(entry.first, count)))
            reached = max(reached, entry.first + entry.count)
        return [*gaps, (reached, count)] if reached < count else gaps

    def trials(self, cell: Cell) -> np.ndarray:
        """Return the results of a cell, an array (m,) of dtype TRIAL in the order of the trials, verified."""
        parts = [np.empty(0, TRIAL)]
        for name in sorted(self._by_cell[cell.key]):
            try:
                parts.append(Chunk.load(self._chunks / name).trials)
            except InputError:
                self._leave_out(self._by_cell[cell.key].pop(name).name)
        joined = np.concatenate(parts)
        return joined[np.unique(joined["trial"], return_index=True)[1]]  # chunks of two sources may overlap

    def successes(self, cell: Cell) -> BoolArray:
        """Return whether each trial of a cell succeeded, up to the first trial that is missing."""
        known = self._successes.get(cell.key, np.zeros(0, bool))
        if len(known) < len(self.done(cell)):
            trials = self.trials(cell)
            gapless = trials["trial"] == np.arange(len(trials))
            known = self._successes[cell.key] = trials["success"][gapless]
        return known

    def to_make(self) -> list[tuple[Cell, int, int]]:
        """Return the trials that the design of the study wants now and that are missing, as ranges [first, last)."""
        counts: dict[Cell, int] = {}  # a cell may lie in two groups, whose rules for p agree at its n
        for group in self.study.groups:
            for cell, count in zip(group, self.study.design.wanted(group, self.successes), strict=True):
                counts[cell] = max(count, counts.get(cell, 0))
        return [(cell, first, last) for cell, count in counts.items() for first, last in self.missing(cell, count)]

    def inbox(self) -> list[Path]:
        """Return the files of chunks that were computed elsewhere and wait for a driver to adopt them."""
        return sorted((self.folder / "inbox").glob(f"*{SUFFIX}"))

    def _synchronize(self, *, verify: bool) -> None:
        """Make the index agree with the chunks; load those it does not know, or all of them."""
        sizes, known = self._sizes(), self._index.entries
        for name in set(known) - set(sizes):
            self._index.remove(name)
        for name in sorted(sizes):
            if verify or name not in known or known[name].bytes != sizes[name]:
                self._examine(name)
        for entry in self.entries:
            self._by_cell[entry.cell][entry.name] = entry

    def _sizes(self) -> dict[str, int]:
        """Return the sizes in bytes of all chunks, by their names."""
        try:
            with os.scandir(self._chunks) as listing:
                return {file.name: file.stat().st_size for file in listing if file.name.endswith(SUFFIX)}
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise InputError(f"The folder {str(self._chunks)!r} cannot be read: {error.strerror}.") from None

    def _leave_out(self, name: str) -> None:
        self._index.remove(name)
        self.damaged.append(name)

    def _examine(self, name: str) -> None:
        path = self._chunks / name
        try:
            chunk = Chunk.load(path)
            if chunk.seed != self.study.seed:
                raise InputError(f"{str(path)!r} has the seed {chunk.seed}.")
        except InputError:
            self._leave_out(name)
            if self._writable:
                make_folder(self.folder / "damaged")
                path.replace(self.folder / "damaged" / name)
        else:
            self._index.add(Entry.of(chunk, path))

    def _adopt(self) -> None:
        for path in self.inbox():
            path.replace(self._chunks / path.name)
            self._examine(path.name)
            if (entry := self._index.entries.get(path.name)) is not None:
                self._by_cell[entry.cell][entry.name] = entry

    def _enter(self, entry: Entry) -> None:
        self._index.add(entry)
        self._by_cell[entry.cell][entry.name] = entry


def _kept_study(folder: Path) -> Study:
    if not os.path.exists(folder / "study.toml"):
        begin = shlex.join(["thalweg", "study", "run", "SPEC.toml", "--store", str(folder)])
        raise InputError(f"{str(folder)!r} holds no study. Begin one with: {begin}")
    return Study.load(folder / "study.toml")


def _keep_study(folder: Path, study: Study) -> None:
    path = folder / "study.toml"
    if not path.exists() or path.read_text(encoding="utf-8") != study.text:
        write_text("study", path, study.text)


def make_folder(folder: Path) -> None:
    """Make a folder of a store, with those it is in."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"The folder {str(folder)!r} cannot be made: {error.strerror}. Choose another.") from None


def _sync_folder(folder: Path) -> None:
    """Sync the name of a new file too, where the operating system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
