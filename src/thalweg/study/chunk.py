"""A chunk: the results of some consecutive trials of one cell, in one file that is never changed.

The first line is a header in JSON, with the checksum of all that follows it; the rest is an array of dtype TRIAL in
NumPy's format.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .._errors import InputError
from .._files import BROKEN_FILE, atomic_writer, reason
from .._stored import numbers, texts
from .cell import TRIAL, Cell

FORMAT = "thalweg chunk 1"
SUFFIX = ".chunk"


def file_name(cell: Cell, first: int, count: int) -> str:
    """Return the name of the file of some trials: what is in it, so that it need not be opened to know."""
    return f"{cell.key}-{first:08d}-{count}{SUFFIX}"


@dataclass(frozen=True, eq=False)
class Chunk:
    """Results of the trials `first`, `first` + 1, ... of a cell.

    Attributes
    ----------
    seed : int
        Seed of the study.
    cell : Cell
    trials : array of dtype TRIAL
    seconds, finished : float
        Wall time that the trials took together, and when they were finished, in seconds since 1970.
    memory : float
        Largest resident size of the process so far, in bytes; 0 where it is not known.
    version : str
        Of thalweg.
    """

    seed: int
    cell: Cell
    trials: np.ndarray
    seconds: float
    finished: float
    memory: float
    version: str

    @property
    def first(self) -> int:
        """Number of the first trial."""
        return int(self.trials["trial"][0])

    @property
    def name(self) -> str:
        """Name of the file."""
        return file_name(self.cell, self.first, len(self.trials))

    def save(self, folder: Path) -> Path:
        """Write the file under a temporary name, sync it, rename it."""
        stream = io.BytesIO()
        np.save(stream, self.trials)
        body = stream.getvalue()
        header = {
            "format": FORMAT,
            "sha256": hashlib.sha256(body).hexdigest(),
            "seed": self.seed,
            "cell": dataclasses.asdict(self.cell),
            "seconds": self.seconds,
            "finished": self.finished,
            "memory": self.memory,
            "version": self.version,
        }
        path = folder / self.name
        with atomic_writer("study", path) as file:
            file.write(json.dumps(header).encode() + b"\n" + body)
        return path

    @classmethod
    def load(cls, path: Path) -> Chunk:
        """Read a file and verify it.

        Raises
        ------
        InputError
            If it is truncated, altered, or no chunk.
        """
        try:
            line, _, body = path.read_bytes().partition(b"\n")
            header = json.loads(line)
            if header["format"] != FORMAT:
                raise ValueError(f"its format is {header['format']!r}")
            if hashlib.sha256(body).hexdigest() != header["sha256"]:
                raise ValueError("the checksum does not agree")
            trials = np.load(io.BytesIO(body), allow_pickle=False)
            if trials.dtype != TRIAL or not len(trials):
                raise ValueError("it holds no trials")
            numbers(header, ("seed", "seconds", "finished", "memory"))
            texts(header, ("version",))
            chunk = cls(
                header["seed"],
                Cell(**header["cell"]),
                trials,
                *(header[k] for k in ("seconds", "finished", "memory", "version")),
            )
            if chunk.name != path.name:
                raise ValueError("its name is not that of its contents")
            return chunk
        except (OSError, *BROKEN_FILE) as error:
            raise InputError(f"{str(path)!r} is not a complete chunk of a study: {reason(error)}.") from None
