"""Writing files so that a final name never holds half a file; reading files that may be broken."""

import os
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ._errors import InputError
from ._validate import output_path

# What NumPy, zipfile and zlib raise on files that are not what they should be.
BROKEN_FILE = (EOFError, KeyError, NotImplementedError, TypeError, ValueError, zipfile.BadZipFile, zlib.error)


@contextmanager
def atomic_writer(owner: str, path: str | Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path`; sync it and give it the final name only on success.

    Raises
    ------
    InputError
        If the folder does not exist or cannot be written.
    """
    final = output_path(owner, path)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{final.name}.", suffix=".tmp", dir=final.parent)
    except OSError as error:
        raise InputError(f"{owner} cannot write {str(final)!r}: {error.strerror}. Choose a writable folder.") from None
    try:
        with os.fdopen(handle, "wb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)  # mkstemp makes private files; a result is an ordinary file
        os.replace(name, final)
    except BaseException:
        with suppress(OSError):
            os.unlink(name)
        raise


def write_text(owner: str, path: str | Path, text: str) -> Path:
    """Write a UTF-8 text file atomically and return its path."""
    with atomic_writer(owner, path) as stream:
        stream.write(text.encode("utf-8"))
    return Path(path)


@contextmanager
def saved_file(kind: str, path: str | Path) -> Iterator[BinaryIO]:
    """Open a file of this library's own to be read with NumPy; whatever is wrong with it is one InputError.

    Given a path instead of a stream, np.load leaves a broken file open.
    """
    try:
        with open(path, "rb") as stream:
            yield stream
    except FileNotFoundError:
        raise InputError(f"There is no file {str(path)!r}.") from None
    except InputError:
        raise
    except (OSError, *BROKEN_FILE) as error:
        raise InputError(f"{str(path)!r} is not a complete saved {kind}: {error}.") from None


@contextmanager
def saved_arrays(kind: str, path: str | Path, file_format: str) -> Iterator[dict[str, Any]]:
    """Read all arrays of an .npz file of this library's own; what goes wrong in using them is the same InputError."""
    with saved_file(kind, path) as stream:
        if not zipfile.is_zipfile(stream):
            raise InputError(f"{str(path)!r} is not a complete saved {kind}: it is truncated or foreign.")
        stream.seek(0)
        stored = np.load(stream, allow_pickle=False)
        if (found := str(stored["format"])) != file_format:
            raise InputError(f"{str(path)!r} is not a saved {kind} that this version reads: it holds {found!r}.")
        yield {name: stored[name] for name in stored.files}
