"""Write the tables of docs/benchmarks.md from recorded results, benchmarks/recorded/*.json.

    python benchmarks/tables.py            # rewrite what stands between the marks
    python benchmarks/tables.py --check    # exit code 1 if it would change

To record: run a benchmark on a quiet machine and copy out/bench_NAME.json to benchmarks/recorded/NAME.json.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "benchmarks.md"


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """Markdown."""
    lines = [list(head), *map(list, rows)]
    lines.insert(1, ["---"] * len(lines[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def seconds(value: float) -> str:
    """Two digits."""
    return f"{value:.2g}" if value < 9.95 else f"{value:.0f}"


def depth(recorded: dict[str, Any]) -> str:
    """Seconds against depth, the error of the final loss in brackets."""
    rows = recorded["rows"]
    depths = sorted({row["depth"] for row in rows})
    kinds = list(dict.fromkeys((row["task"], row["method"]) for row in rows))
    found = {(row["task"], row["method"], row["depth"]): row for row in rows}

    def cell(kind: tuple[str, str], depth: int) -> str:
        row = found.get((*kind, depth))
        return f"{seconds(row['seconds'])} ({row['error']:.0e})" if row else ""

    heads = (f"depth {depth:.0e}" if depth >= 1e4 else f"depth {depth}" for depth in depths)
    return table(["task", "method", *heads], ([*kind, *(cell(kind, depth) for depth in depths)] for kind in kinds))


def flow(recorded: dict[str, Any]) -> str:
    """How many times as long as thalweg each peer takes to the same error of the preactivations."""
    cases = list(recorded["cases"].values())
    ours = [
        next(run for run in case["runs"] if run["method"] == "thalweg" and run["rtol"] == case["chosen_rtol"])
        for case in cases
    ]

    def cell(peer: str, case: dict[str, Any], own: float) -> str:
        need = next((need for need in case["needs"]["z"] if need["method"] == peer), None)
        if need is None:
            return ""
        times = (need["least"] if need["how"] == "more than" else need["seconds"]) / own
        said = f"{times:.2g}" if times < 99.5 else f"{times:.0f}"
        return {"measured": said, "extrapolated": f"about {said}", "more than": f"over {said}"}[need["how"]]

    heads = ("{n}, {d}, {p}, {t_end:g}".format(**case["case"]) for case in cases)
    first = [f"{run['median_seconds']:.2g} s ({run['errors']['z']:.0e})" for run in ours]
    peers = [need["method"] for need in cases[0]["needs"]["z"]]
    rows = [
        [peer, *(cell(peer, case, run["median_seconds"]) for case, run in zip(cases, ours, strict=True))]
        for peer in peers
    ]
    return table(["samples, inputs, neurons, time", *heads], [["thalweg", *first], *rows])


def descent(recorded: dict[str, Any]) -> str:
    """Milliseconds a step on the published experiment, and successes."""
    names = list(next(iter(recorded.values())))

    def pace(name: str) -> float:
        return sum(row[name][0] for row in recorded.values()) / sum(row[name][2] for row in recorded.values())

    peer = min(pace(name) for name in names if name.startswith("PyTorch float64"))
    lines = [
        [
            name,
            *(f"{1e3 * row[name][0] / row[name][2]:.3f} ({row[name][3]})" for row in recorded.values()),
            f"{peer / pace(name):.2f}",
        ]
        for name in names
    ]
    sizes = (f"n = {n}: ms (successes)" for n in recorded)
    return table(["method", *sizes, "times faster than the best PyTorch in float64"], lines)


def monitor(recorded: dict[str, Any]) -> str:
    """Seconds a training step, and what the monitor adds."""
    lines = []
    for model, ways in recorded.items():
        for way, values in ways.items():
            share = median(one / other - 1 for one, other in zip(values, ways["bare"], strict=True))
            lines.append([model, way, f"{1e3 * median(values):.1f}", "" if way == "bare" else f"{100 * share:.1f} %"])
    return table(["network", "watched", "ms a step", "added"], lines)


TABLES: dict[str, Callable[[dict[str, Any]], str]] = {
    "depth": depth,
    "descent": descent,
    "monitor": monitor,
    "flow": flow,
}


def page(text: str) -> str:
    """The page with its tables made anew."""
    for name, make in TABLES.items():
        recorded = json.loads((ROOT / "benchmarks" / "recorded" / f"{name}.json").read_text(encoding="utf-8"))
        begin, end = f"<!-- table {name} -->\n", "<!-- end -->"
        before, found, rest = text.partition(begin)
        _, closed, after = rest.partition(end)
        if not (found and closed):
            raise ValueError(f"docs/benchmarks.md has no marks for the table {name!r}")
        text = f"{before}{begin}\n{make(recorded)}\n\n{end}{after}"
    return text


def main() -> int:
    before = PAGE.read_text(encoding="utf-8")
    after = page(before)
    if "--check" in sys.argv:
        return int(before != after)
    PAGE.write_text(after, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
