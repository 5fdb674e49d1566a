"""Lines, axes, keys and tables that all charts share."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._typing import FloatArray
from ..plot.sampling import spread
from .content import Chart, Key, Table, number

# Rows of the table beside a chart.
_ROWS = 30
# Ticks of a logarithmic axis.
_DECADES = 8


@dataclass(frozen=True)
class Line:
    """One line of a chart: told apart by dash as well as by colour."""

    name: str
    y: FloatArray
    colour: str
    dash: str


def line_chart(
    title: str, caption: str, x: tuple[str, np.ndarray], y: str, lines: Sequence[Line], *, log: bool = True
) -> Chart:
    """Draw lines over one axis; a logarithmic scale is dropped where no value is positive."""
    label, values = x
    traces = [trace(values, each.y, each.name, each.colour, each.dash) for each in lines]
    keys = tuple(Key(each.name, each.colour, each.dash) for each in lines)
    table = series_table(title, label, values, {each.name: each.y for each in lines})
    return Chart(
        title, caption, traces, layout(label, y, logarithmic(*(line.y for line in lines)) if log else None), keys, table
    )


def bundle(
    title: str, caption: str, x: tuple[str, np.ndarray], y: str, lines: Sequence[tuple[str, Line]], *, log: bool
) -> Chart:
    """Draw many thin lines in a few groups, given as (group, line); the key and its buttons are of the groups."""
    label, values = x
    traces, keys = [], dict[str, Key]()
    for group, each in lines:
        keys.setdefault(group, Key(group, each.colour, each.dash))
        thin = trace(values, each.y, each.name, each.colour, each.dash)
        thin["line"]["width"], thin["legendgroup"] = 1, group
        traces.append(thin)
    ends = tuple((each.name, number(each.y[0]), number(each.y[-1])) for _, each in lines)
    table = Table(title, (y, f"at {label} {number(values[0])}", f"at {label} {number(values[-1])}"), ends)
    axes = layout(label, y, logarithmic(*(each.y for _, each in lines)) if log else None)
    return Chart(title, caption, traces, axes, tuple(keys.values()), table)


def trace(x: np.ndarray, y: np.ndarray, name: str, colour: str, dash: str) -> dict[str, Any]:
    """Return one line, or one marker where there is a single value."""
    return {
        "type": "scatter",
        "mode": "lines" if len(x) > 1 else "markers",
        "x": numbers(x),
        "y": numbers(y),
        "name": name,
        "legendgroup": name,
        "line": {"color": f"${colour}", "dash": dash, "width": 2},
        "marker": {"color": f"${colour}"},
        "hovertemplate": "%{fullData.name}<br>%{x:.5g}: %{y:.5g}<extra></extra>",
    }


def numbers(values: np.ndarray) -> list[float | None]:
    """Round to what a screen shows; JSON has no NaN or infinity, a gap stands for them."""
    return [float(f"{value:.7g}") if np.isfinite(value) else None for value in values]


def logarithmic(*series: FloatArray) -> dict[str, Any]:
    """Return what makes an axis logarithmic, if a value is positive; over many decades with ticks at powers of ten."""
    positive = np.concatenate([each[np.isfinite(each) & (each > 0)] for each in series])
    if not positive.size:
        return {}
    decades = float(np.log10(positive.max() / positive.min()))
    ticks = {"dtick": int(np.ceil(decades / _DECADES))} if decades > 2 else {"dtick": "D2"} if decades > 1 else {}
    return {"type": "log", **ticks}


def layout(x: str, y: str, vertical: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return axes with titles, and room for them and their numbers; `vertical` is added to the vertical one."""
    # Margins that follow the labels may never settle: the room they take decides which labels there are.
    return {
        "xaxis": {"title": {"text": x}, "tickangle": 0, "exponentformat": "power"},
        "yaxis": {"title": {"text": y, "standoff": 6}, "exponentformat": "power"} | (vertical or {}),
        "margin": {"l": 76, "r": 14, "t": 12, "b": 45},
        "showlegend": False,
        "height": 340,
    }


def series_table(title: str, x: str, values: np.ndarray, series: Mapping[str, FloatArray]) -> Table:
    """Return series as a table, thinned evenly to what can be read."""
    kept = spread(len(values), _ROWS)
    rows = tuple(tuple(number(float(each[k])) for each in (values, *series.values())) for k in kept)
    lead = f"{len(kept)} of {len(values)} rows, evenly spread." if len(kept) < len(values) else ""
    return Table(title, (x, *series), rows, lead)
