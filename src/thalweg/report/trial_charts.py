"""The charts of a study: shares of success with intervals, outcomes, and costs."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from textwrap import wrap
from typing import Any

import numpy as np

from .content import Chart, Key, Table, duration
from .drawing import layout, logarithmic, numbers, trace

# Groups are told apart by colour, dash and marker together.
_COLOURS = ("blue", "orange", "green", "purple", "amber", "grey")
_DASHES = ("solid", "dash", "dot", "dashdot", "longdash")
_SYMBOLS = ("circle", "square", "diamond", "triangle-up", "x", "star", "circle-open")
_PATTERNS = ("", "/", "x", ".")


@dataclass(frozen=True)
class Group:
    """The cells of a study that differ in n alone: a label, rows of `Results.table`, and seconds for a trial by n."""

    label: str
    rows: list[dict[str, Any]]
    seconds: dict[int, float]


def study_charts(groups: list[Group]) -> tuple[Chart, ...]:
    """Return the charts of a study in which some trials are made."""
    return _phase_diagram(groups), _outcomes(groups), _costs(groups)


def _looks(k: int) -> tuple[str, str, str]:
    """Return colour, dash and marker of a group by its number."""
    return _COLOURS[k % len(_COLOURS)], _DASHES[k % len(_DASHES)], _SYMBOLS[k % len(_SYMBOLS)]


def _keys(groups: list[Group]) -> tuple[Key, ...]:
    return tuple(Key(group.label, *_looks(k)) for k, group in enumerate(groups))


def _phase_diagram(groups: list[Group]) -> Chart:
    traces, cells = [], []
    for k, group in enumerate(groups):
        n, share, low, high = (np.array(values, dtype=float) for values in _columns(group))
        colour, dash, marker = _looks(k)
        line = trace(n, share, group.label, colour, dash)
        line |= {
            "mode": "lines+markers",
            "hovertemplate": "%{fullData.name}<br>n = %{x}: %{y:.3g} %<br>%{text}<extra></extra>",
        }
        line["marker"] |= {"symbol": marker, "size": 8}
        line["error_y"] = {
            "type": "data",
            "symmetric": False,
            "array": numbers(high - share),
            "arrayminus": numbers(share - low),
            "thickness": 1,
        }
        line["text"] = [_interval(row) for row in group.rows]
        traces.append(line)
        cells += [
            (f"{group.label}, n = {row['n']}", str(row["trials"]), str(row["successes"]), *map(_percent, _shares(row)))
            for row in group.rows
        ]
    axes = layout("samples n", "trials that succeed, in %", {"range": [-3, 103]})
    caption = (
        "Phase diagram: share of trials that succeed against the number of samples, "
        f"{_ends(groups)}; bars are 95 % intervals of Clopper and Pearson."
    )
    table = Table("Phase diagram", ("cell", "trials", "successes", "share", "from", "to"), tuple(cells))
    return Chart("Phase diagram", caption, traces, axes, _keys(groups), table)


def _columns(group: Group) -> list[list[float]]:
    rows = [(row["n"], *_shares(row)) for row in group.rows]
    return [list(column) for column in zip(*rows, strict=True)] or [[], [], [], []]


def _shares(row: dict[str, Any]) -> tuple[float, float, float]:
    """Return share, low and high of a row in percent."""
    return 100 * row["successes"] / row["trials"], 100 * row["low"], 100 * row["high"]


def _interval(row: dict[str, Any]) -> str:
    _, low, high = _shares(row)
    return f"{row['successes']} of {row['trials']}, 95 % from {_percent(low)} to {_percent(high)}"


def _percent(value: float) -> str:
    return f"{value:.3g} %"


def _ends(groups: list[Group]) -> str:
    cells = [row for group in groups for row in group.rows]
    shares = [_shares(row)[0] for row in cells]
    return f"between {_percent(min(shares))} and {_percent(max(shares))} over {len(cells)} cells"


def _outcomes(groups: list[Group]) -> Chart:
    counts = {group.label: _counted(group) for group in groups if group.rows}
    names = sorted({name for counted in counts.values() for name in counted})
    labels = list(counts)
    traces = []
    for k, name in enumerate(names):
        made = [counts[label][name] for label in labels]
        shares = [100 * count / sum(counts[label].values()) for count, label in zip(made, labels, strict=True)]
        traces.append(
            {
                "type": "bar",
                "orientation": "h",
                "y": labels,
                "x": numbers(np.array(shares)),
                "name": name,
                "legendgroup": name,
                "text": [str(count) for count in made],
                "hovertemplate": "%{y}: %{fullData.name}<br>%{text} trials, %{x:.3g} %<extra></extra>",
                "textposition": "none",
                "marker": {
                    "color": f"${_COLOURS[k % len(_COLOURS)]}",
                    "pattern": {"shape": _PATTERNS[k % len(_PATTERNS)]},
                },
            }
        )
    wrapped = [wrap(label, 20) for label in labels]
    rungs = {
        "type": "category",
        "autorange": "reversed",
        "showgrid": False,
        "tickvals": labels,
        "ticktext": ["<br>".join(lines) for lines in wrapped],
    }
    height = 90 + sum(20 + 16 * len(lines) for lines in wrapped)
    axes = layout("trials in %", "", rungs) | {"barmode": "stack", "height": max(200, height)}
    axes["margin"]["l"] = 16 + 8 * max(len(line) for lines in wrapped for line in lines)
    total = sum(counts.values(), Counter[str]())
    caption = "How the trials ended: " + ", ".join(f"{count} {name}" for name, count in sorted(total.items())) + "."
    rows = tuple((label, *(str(counted[name]) for name in names)) for label, counted in counts.items())
    keys = tuple(Key(name, _COLOURS[k % len(_COLOURS)]) for k, name in enumerate(names))
    return Chart("Outcomes", caption, traces, axes, keys, Table("Outcomes", ("cells", *names), rows))


def _counted(group: Group) -> Counter[str]:
    return sum((Counter(row["outcomes"]) for row in group.rows), Counter())


def _costs(groups: list[Group]) -> Chart:
    traces, rows = [], []
    for k, group in enumerate(groups):
        colour, dash, marker = _looks(k)
        n, seconds = np.array(list(group.seconds), dtype=float), np.array(list(group.seconds.values()))
        line = trace(n, seconds, group.label, colour, dash)
        line["mode"] = "lines+markers"
        line["marker"] |= {"symbol": marker, "size": 8}
        traces.append(line)
        rows += [(f"{group.label}, n = {size}", duration(each)) for size, each in group.seconds.items()]
    every = [each for group in groups for each in group.seconds.values()]
    caption = f"Seconds of computing for one trial, from {duration(min(every))} to {duration(max(every))}."
    axes = layout("samples n", "seconds for a trial", logarithmic(np.array(every)))
    return Chart("Cost", caption, traces, axes, _keys(groups), Table("Cost", ("cell", "for one trial"), tuple(rows)))
