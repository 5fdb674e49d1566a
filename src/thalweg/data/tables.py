"""Tables of text: .csv and .tsv with a header."""

from __future__ import annotations

import csv
import difflib
import math
from pathlib import Path

import numpy as np

from .. import _validate as check
from .._errors import InputError
from .._typing import FloatArray

_MISSING = {"", "na", "n/a", "nan", "null", "none", "?", "."}
_SHOWN = 8


def read_table(path: Path, target: str | None) -> tuple[FloatArray, FloatArray, str]:
    """Return inputs, labels and the name of the data, or say what is wrong and in which line and column."""
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            reader = csv.reader(stream, delimiter=delimiter, strict=True)
            header = [name.strip() for name in next(reader, [])]
            column = _target_column(path, header, target)
            lines, rows = [], []
            for row in reader:
                if not row:
                    continue
                if len(row) != len(header):
                    raise InputError(
                        f"{str(path)!r}, line {reader.line_num}: {len(row)} field(s), where the header has "
                        f"{len(header)}. The file may be truncated, or separated by another character."
                    )
                lines.append(reader.line_num)
                rows.append(row)
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{str(path)!r} is not a complete UTF-8 table: {error}.") from None
    if not rows:
        raise InputError(f"{str(path)!r} has a header and no samples.")
    words = [row.pop(column).strip() for row in rows]
    label_name = header.pop(column)
    if not header:
        raise InputError(
            f"{str(path)!r} has no column beside the target {label_name!r}; there is nothing to learn from."
        )
    y, note = _labels(path, label_name, words, lines)
    return _numbers(path, header, rows, lines), y, path.name + note


def _target_column(path: Path, header: list[str], target: str | None) -> int:
    if target is None:
        raise check.fail(
            "load",
            "target",
            f"name the column of labels in {str(path)!r}",
            f"None. Its columns are {_named(header)}",
        )
    if header.count(target) == 1:
        unnamed = header.index("") + 1 if "" in header else 0
        if unnamed:
            raise InputError(
                f"{str(path)!r}: column {unnamed} has no name. If it is an index of the rows, leave it out "
                "(pandas: to_csv(path, index=False)); else name it."
            )
        return header.index(target)
    if target in header:
        raise InputError(f"{str(path)!r} has {header.count(target)} columns called {target!r}. Rename all but one.")
    if header and all(_number(name) is not None for name in header):
        raise InputError(f"{str(path)!r} has no header: its first line holds numbers. Add a line of column names.")
    if len(header) == 1 and (found := next((other for other in ";\t|," if other in header[0]), None)):
        raise InputError(
            f"{str(path)!r} is separated by {found!r}. Write commas in a .csv or tabs in a .tsv, and points in numbers."
        )
    close = difflib.get_close_matches(target, header, n=3)
    guess = f"; did you mean {' or '.join(map(repr, close))}?" if close else "."
    raise check.fail(
        "load",
        "target",
        f"be a column of {str(path)!r}",
        f"{target!r}{guess} Its columns are {_named(header)}",
    )


def _named(names: list[str]) -> str:
    shown = ", ".join(map(repr, names[:_SHOWN]))
    return shown + (f", ... ({len(names)} in all)" if len(names) > _SHOWN else "")


def _numbers(path: Path, header: list[str], rows: list[list[str]], lines: list[int]) -> FloatArray:
    X = np.empty((len(rows), len(header)))
    for i, row in enumerate(rows):
        try:
            X[i] = list(map(float, row))
        except ValueError:
            X[i] = [math.nan if (number := _number(cell)) is None else number for cell in row]
    bad = np.argwhere(~np.isfinite(X))
    if not bad.size:
        return X
    cells = [(int(i), int(k), rows[i][k].strip()) for i, k in bad]
    missing = [cell for cell in cells if cell[2].lower() in _MISSING]
    text = [cell for cell in cells if _number(cell[2]) is None and cell not in missing]
    i, k, word = (text or missing or cells)[0]
    where = f"{str(path)!r}, line {lines[i]}, column {header[k]!r}"
    if text:
        names = list(dict.fromkeys(header[k] for _, k, _ in text))
        raise InputError(
            f"{where}: {word!r} is not a number. Leave out the column(s) of text or write them as numbers: "
            f"{_named(names)}."
        )
    if missing:
        raise InputError(
            f"{where}: a missing value ({len(missing)} in all, in {len({i for i, _, _ in missing})} row(s)). "
            "Fill in the values or drop these rows or columns."
        )
    raise InputError(f"{where}: {word!r} is not finite in float64.")


def _labels(path: Path, name: str, words: list[str], lines: list[int]) -> tuple[FloatArray, str]:
    missing = [line for word, line in zip(words, lines, strict=True) if word.lower() in _MISSING]
    if missing:
        raise InputError(
            f"{str(path)!r}, line {missing[0]}, column {name!r}: a missing label ({len(missing)} in all). "
            "Drop these rows."
        )
    numbers = [_number(word) for word in words]
    if None not in numbers:
        return np.array(numbers, dtype=np.float64), ""
    classes = sorted(set(words))
    if len(classes) != 2:
        raise InputError(
            f"{str(path)!r}: the target column {name!r} holds text with {len(classes)} different value(s) "
            f"({_named(classes)}). Labels must be numbers, or words of exactly two classes."
        )
    y = np.where(np.array(words) == classes[1], 1.0, -1.0)
    return y, f" ({name}: {classes[0]!r} is -1, {classes[1]!r} is 1)"


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None
