"""Writing files so that a final name never holds half a file; reading files that may be broken."""

import lzma
import os
import struct
import tempfile
import tokenize
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ._errors import InputError
from ._validate import output_path

# What NumPy, zipfile and the modules they decompress with raise on files that are not what they should be.
# MemoryError is for arrays that are far larger than any memory, by their own word; RuntimeError
# for encryption, and for endless nesting.
BROKEN_FILE = (
    AttributeError,
    EOFError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    lzma.LZMAError,
    struct.error,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)

# Of what exceptions say, this much is repeated: some repeat the file.
_LONGEST = 200


@contextmanager
def atomic_writer(owner: str, path: str | Path) -> Iterator[BinaryIO]:
    """Open a temporary file beside `path`; sync it and give it the final name only on success.

    Raises
    ------
    InputError
        If the folder does not exist or cannot be written, or the disk is full.
    """
    final = output_path(owner, path)
    try:
        handle, name = tempfile.mkstemp(prefix=f".{final.name}.", suffix=".tmp", dir=final.parent)
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
    except OSError as error:
        why = error.strerror or error
        raise InputError(f"{owner} cannot write {str(final)!r}: {why}. Make room, or choose another folder.") from None


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
        raise InputError(f"{str(path)!r} is not a complete saved {kind}: {reason(error)}.") from None


@contextmanager
def saved_arrays(kind: str, path: str | Path, file_format: str) -> Iterator[dict[str, Any]]:
    """Read all arrays of an .npz file of this library's own; what goes wrong in using them is the same InputError."""
    with saved_file(kind, path) as stream:
        if not zipfile.is_zipfile(stream):
            raise InputError(f"{str(path)!r} is not a complete saved {kind}: it is truncated or foreign.")
        stream.seek(0)
        stored = np.load(stream, allow_pickle=False)
        if isinstance(stored, np.ndarray):
            raise InputError(f"{str(path)!r} is not a complete saved {kind}: it holds a single array.")
        _refuse_compressed(stored.zip)
        if (found := str(stored["format"])) != file_format:
            raise InputError(f"{str(path)!r} is not a saved {kind} that this version reads: it holds {found!r}.")
        yield {name: stored[name] for name in stored.files}


def _refuse_compressed(archive: zipfile.ZipFile) -> None:
    """Refuse what no file of this library is: a small one could unpack to more than memory holds."""
    if any(part.compress_type != zipfile.ZIP_STORED for part in archive.infolist()):
        raise ValueError("its parts are compressed")


def reason(error: BaseException) -> str:
    """Return what an exception says, in one short line."""
    said = " ".join(str(error).split()) or type(error).__name__
    return said if len(said) <= _LONGEST else f"{said[:_LONGEST]}..."


def saved_kind(path: str | Path) -> str:
    """Return the format that an .npz file of this library says it has, without its version; "" of any other file."""
    try:
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as parts:
            _refuse_compressed(parts.zip)
            return str(parts["format"]).rpartition("-")[0]
    except (OSError, *BROKEN_FILE):
        return ""
