"""The specification of a study, in TOML: sections, keys, and what each may be."""

from __future__ import annotations

import itertools
import math
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import _validate as check
from .._errors import InputError
from .._files import reason
from . import rules
from .cell import Cell
from .designs import Design, Grid, Precise, Search

LAWS = ("sphere", "orthogonal")
# More than any study can fill; a range is written in a line, and a mistake in it would take all memory.
_MOST_CELLS = 1_000_000
INITS = ("dominated", "balanced", "gaussian")
# Sections and their keys, each with the value it has when left out; `...` must be given.
_KEYS: dict[str, dict[str, Any]] = {
    "study": {"name": ..., "method": ...},
    "grid": {
        "n": ...,
        "d": None,
        "p": ...,
        "law": "sphere",
        "init": "dominated",
        "scale": 1.0,
        "slope": 0.0,
        "covered": False,
    },
    "trials": {"repetitions": None, "seed": ...},
    "design": {"kind": "grid", "trials": None, "batch": None, "width": None},
    "descend": {"step_size": 1.0, "steps": ..., "precision": "float64"},
    "flow": {"t_end": 1e5, "rtol": 1e-6},
    "success": {"loss_below": None, "certified": False},
}


@dataclass(frozen=True, eq=False, repr=False)
class Study:
    """A study: its cells, in groups that differ in n alone, and how many trials each is to have.

    Attributes
    ----------
    name : str
    seed : int
    groups : tuple of tuples of Cell
    design : Design
    text : str
        The specification, in TOML.

    Examples
    --------
    >>> import thalweg as tw
    >>> study = tw.study.Study.from_toml('''
    ... [study]
    ... name = "small"
    ... method = "flow"
    ... [grid]
    ... n = [4, 6]
    ... d = 40
    ... p = "coverage(0.05)"
    ... [trials]
    ... repetitions = 3
    ... seed = 7
    ... [success]
    ... certified = true
    ... ''')
    >>> [(cell.n, cell.p) for cell in study.cells]
    [(4, 16), (6, 17)]
    """

    name: str
    seed: int
    groups: tuple[tuple[Cell, ...], ...]
    design: Design
    text: str

    @property
    def cells(self) -> tuple[Cell, ...]:
        """All cells, each once: groups whose rules for p agree at some n share the cell."""
        return tuple(dict.fromkeys(itertools.chain.from_iterable(self.groups)))

    @property
    def most(self) -> int:
        """The most trials the study can need."""
        return sum(most for _, most in self.distinct())

    def distinct(self) -> Iterator[tuple[tuple[Cell, ...], int]]:
        """Yield the cells of each group that no group before it has, with the most trials they can need."""
        seen = set[Cell]()
        for group in self.groups:
            if cells := tuple(cell for cell in group if cell not in seen):
                yield cells, self.design.most(cells)
                seen.update(cells)

    @classmethod
    def load(cls, path: str | Path) -> Study:
        """Read a specification from a TOML file.

        Raises
        ------
        InputError
            If there is no such file, or a key is unknown, missing, of the wrong type, or impossible.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except FileNotFoundError:
            raise InputError(f"There is no file {str(path)!r}.") from None
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{str(path)!r} cannot be read as a text in UTF-8: {error}.") from None
        return cls.from_toml(text, str(path))

    @classmethod
    def from_toml(cls, text: str, name: str = "the specification") -> Study:
        """Read a specification from a text; `name` is what messages call it."""
        try:
            sections = tomllib.loads(text)
        except (ValueError, RecursionError) as error:  # of numbers and nesting without end too
            raise InputError(f"{name!r} is not TOML: {reason(error)}.") from None
        tables = _Tables(name, sections)
        title = tables.word("study", "name")
        if not title.isprintable():  # it stands in scripts and print-outs
            raise check.fail(name, "study.name", "have no control characters", repr(title))
        seed = check.integer(name, "trials.seed", tables.get("trials", "seed"))
        design = _design(tables)
        groups = _groups(tables)
        tables.all_used()
        return cls(title, seed, groups, design, text)

    def same_trials(self, other: Study) -> bool:
        """Whether trials of equal cells and numbers are the same in another study, so that they share a store."""
        return (self.name, self.seed) == (other.name, other.seed)

    def __repr__(self) -> str:
        return f"Study({self.name!r}, {len(self.cells)} cells, at most {self.most} trials)"


def accept(owner: str, study: object) -> Study:
    """Accept a study, and not the name of its file."""
    if not isinstance(study, Study):
        raise check.fail(owner, "study", "be a Study: Study.load(path) reads one", repr(study))
    return study


class _Tables:
    """The sections of a specification; every method refuses bad values by the name of the key."""

    def __init__(self, owner: str, sections: Mapping[str, Any]) -> None:
        self.owner, self._used = owner, set[str]()
        for section, keys in sections.items():
            if section not in _KEYS:
                raise check.fail(owner, section, f"be one of the sections {', '.join(_KEYS)}", "an unknown name")
            if not isinstance(keys, dict):
                raise check.fail(owner, section, f"be a section, [{section}]", repr(keys))
            for key in keys:
                if key not in _KEYS[section]:
                    must = f"be one of the keys {', '.join(_KEYS[section])}"
                    raise check.fail(owner, f"{section}.{key}", must, "an unknown name")
        self._sections = sections

    def get(self, section: str, key: str) -> Any:
        """Return a value, or what stands for it when left out."""
        self._used.add(section)
        value = self._sections.get(section, {}).get(key, _KEYS[section][key])
        if value is ...:
            raise check.fail(self.owner, f"{section}.{key}", "be given", "nothing")
        return value

    def given(self, section: str, key: str, why: str) -> Any:
        """Return a value that must be given for a reason."""
        value = self.get(section, key)
        if value is None:
            raise check.fail(self.owner, f"{section}.{key}", f"be given {why}", "nothing")
        return value

    def word(self, section: str, key: str) -> str:
        """Return a text that is not empty."""
        value = self.get(section, key)
        if not isinstance(value, str) or not value.strip():
            raise check.fail(self.owner, f"{section}.{key}", "be a text", repr(value))
        return value

    def count(self, section: str, key: str) -> int:
        """Return an integer of at least 1."""
        return rules.count(self.owner, f"{section}.{key}", self.get(section, key))

    def number(self, section: str, key: str, **bounds: float) -> float:
        """Return a real number within bounds."""
        return check.real(self.owner, f"{section}.{key}", self.get(section, key), **bounds)

    def flag(self, section: str, key: str) -> bool:
        """Return true or false."""
        value = self.get(section, key)
        if not isinstance(value, bool):
            raise check.fail(self.owner, f"{section}.{key}", "be true or false", repr(value))
        return value

    def list(self, section: str, key: str, accept: Callable[[str, str, Any], Any]) -> list[Any]:
        """Return the entries of a list, or of the list of one value, each accepted by a function."""
        value = self.get(section, key)
        name = f"{section}.{key}"
        entries = self._range(name, value) if isinstance(value, dict) else value
        entries = entries if isinstance(entries, list) else [entries]
        accepted = [accept(self.owner, name, entry) for entry in entries]
        if not entries or len(set(entries)) < len(entries):
            raise check.fail(self.owner, name, "have at least one entry, and none twice", repr(value))
        return accepted

    def _range(self, name: str, value: dict[str, Any]) -> list[int]:
        if set(value) != {"from", "to", "step"}:
            raise check.fail(self.owner, name, "have the keys from, to and step if it is a range", repr(value))
        keys = ("from", "to", "step")
        first, last, step = (check.positive_int(self.owner, f"{name}.{key}", value[key]) for key in keys)
        if (last - first) // step >= _MOST_CELLS:
            raise check.fail(self.owner, name, f"have at most {_MOST_CELLS} entries", repr(value))
        return list(range(first, last + 1, step))

    def all_used(self) -> None:
        """Refuse sections that mean nothing here."""
        for section in self._sections:
            if section not in self._used:
                raise check.fail(self.owner, section, "be left out: the study has no use for it", "a section")


def _design(tables: _Tables) -> Design:
    kind = check.one_of(tables.owner, "design.kind", tables.get("design", "kind"), ("grid", "precision", "threshold"))
    if kind == "grid":
        _left_out(tables, kind, "design", "trials", "batch", "width")
        return Grid(_count(tables, "trials", "repetitions", "for a grid"))
    why = f"for a design of kind {kind!r}"
    batch = 10 if tables.get("design", "batch") is None else tables.count("design", "batch")
    if kind == "precision":
        _left_out(tables, kind, "design", "trials")
        tables.given("design", "width", why)
        width = tables.number("design", "width", above=0.0, below=1.0)
        return Precise(width, batch, _count(tables, "trials", "repetitions", why))
    _left_out(tables, kind, "design", "width")
    trials = _count(tables, "design", "trials", why)
    _left_out(tables, kind, "trials", "repetitions")
    return Search(trials, batch)


def _count(tables: _Tables, section: str, key: str, why: str) -> int:
    tables.given(section, key, why)
    return tables.count(section, key)


def _left_out(tables: _Tables, kind: str, section: str, *keys: str) -> None:
    for key in keys:
        if (value := tables.get(section, key)) is not None:
            must = f"be left out for a design of kind {kind!r}"
            raise check.fail(tables.owner, f"{section}.{key}", must, repr(value))


def _groups(tables: _Tables) -> tuple[tuple[Cell, ...], ...]:
    def word(choices: tuple[str, ...]) -> Callable[[str, str, Any], str]:
        return lambda owner, name, value: check.one_of(owner, name, value, choices)

    def number(**bounds: float) -> Callable[[str, str, Any], float]:
        return lambda owner, name, value: check.real(owner, name, value, **bounds)

    sizes = sorted(tables.list("grid", "n", rules.count))
    dimensions = [None] if tables.get("grid", "d") is None else tables.list("grid", "d", rules.count)
    covered = tables.flag("grid", "covered")
    level = _level(tables)
    axes = [
        tables.list("study", "method", _method),
        tables.list("grid", "law", word(LAWS)),
        tables.list("grid", "init", word(INITS)),
        tables.list("grid", "scale", number(above=0.0)),
        tables.list("grid", "slope", number(at_least=0.0, below=1.0)),
        dimensions,
        tables.list("grid", "p", rules.width),
    ]
    if (count := math.prod(map(len, [sizes, *axes]))) > _MOST_CELLS:
        raise check.fail(tables.owner, "grid", f"have at most {_MOST_CELLS} cells", f"{count}")
    groups = []
    for method, law, init, scale, slope, d, width in itertools.product(*axes):
        if (d is None) == (law == "sphere"):
            must = "be given for the law 'sphere'" if d is None else "be left out for the law 'orthogonal', where d = n"
            raise check.fail(tables.owner, "grid.d", must, "nothing" if d is None else d)
        if init == "dominated" and scale > 1:
            raise check.fail(tables.owner, "grid.scale", "be at most 1 for the start 'dominated'", scale)
        for settings in _settings(tables, method):
            groups.append(
                tuple(
                    Cell(
                        n=n,
                        d=d or n,
                        p=width(n),
                        law=law,
                        init=init,
                        scale=scale,
                        slope=slope,
                        covered=covered,
                        method=method,
                        loss_below=level(n),
                        **settings(n, width(n)),
                    )
                    for n in sizes
                )
            )
    return tuple(groups)


def _method(owner: str, name: str, value: object) -> str:
    if value in ("descend", "flow"):
        return str(value)
    if isinstance(value, str) and re.fullmatch(r"[\w.]+:\w+", value):
        return value
    raise check.fail(owner, name, "be 'descend', 'flow' or 'module:function'", repr(value))


def _level(tables: _Tables) -> Callable[[int], float | None]:
    value, certified = tables.get("success", "loss_below"), tables.flag("success", "certified")
    if (value is not None) == certified:
        got = "both" if certified else "neither"
        raise check.fail(tables.owner, "success", "have one of loss_below = ... and certified = true", got)
    return (lambda n: None) if certified else rules.level(tables.owner, "success.loss_below", value)


def _settings(tables: _Tables, method: str) -> list[Callable[[int, int], dict[str, Any]]]:
    """Return the settings of a method, as functions of n and p: one for each step size."""
    owner = tables.owner
    if method == "flow":
        t_end = tables.number("flow", "t_end", above=0.0)
        rtol = tables.number("flow", "rtol", at_least=1e-12, at_most=1e-2)
        return [lambda n, p: {"t_end": t_end, "rtol": rtol}]
    if method == "descend":
        made = rules.steps(owner, "descend.steps", tables.get("descend", "steps"))
        precision = check.one_of(owner, "descend.precision", tables.get("descend", "precision"), ("float64", "float32"))
        sizes = tables.list("descend", "step_size", lambda o, k, v: check.real(o, k, v, above=0.0))
        return [
            lambda n, p, size=size: {"step_size": size, "steps": made(n, p), "precision": precision} for size in sizes
        ]
    return [lambda n, p: {}]
