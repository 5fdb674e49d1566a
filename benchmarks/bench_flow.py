"""Time the exact flow against general integrators, side by side with the error of each; see README.md."""

from __future__ import annotations

import single_thread  # noqa: F401  # isort: skip  # before everything that starts threads

import argparse
import json
import os
import platform
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from itertools import pairwise
from pathlib import Path

import thalweg as tw
from comparison import Entry, Need, Reference, distance, needs_table, table
from peers import PEERS, End, Problem

TARGET = 2e-4  # relative error at the end
ERRORS = {"z": "z", "worst": "all of z, r and loss"}  # that the target is asked of
OUR_TOLERANCES = (1e-2, 1e-3, 1e-4, 1e-5, 1e-6)
OUT = Path(__file__).resolve().parent.parent / "out"
LONG = 5.0  # seconds; a run as long as this is not repeated, it is its own average


@dataclass(frozen=True)
class Case:
    """Inputs on the sphere and the dominated initialization, with fixed seeds."""

    n: int
    d: int
    p: int
    t_end: float
    wanted: float | None = None  # how many times faster than the fastest peer
    reference_rtol: float = 1e-9
    published_step: float | None = None  # the step of a published experiment with explicit Euler
    published_wanted: float | None = None  # at most so many times its cost

    def __str__(self) -> str:
        return f"n={self.n} d={self.d} p={self.p} T={self.t_end:g}"


CASES = (
    Case(60, 2000, 30, 120.0, wanted=40.0),
    Case(100, 100, 30, 160.0),
    Case(300, 100, 30, 200.0, wanted=60.0),
    Case(1300, 100, 36, 870.0, reference_rtol=1e-8, published_step=1.0, published_wanted=8.0),
)
QUICK_CASES = (
    Case(10, 200, 8, 20.0, reference_rtol=1e-8),
    Case(40, 10, 10, 20.0, reference_rtol=1e-8, published_step=1.0),
)


def flow_entries(case, data, network, tolerances, threads=1) -> list[Entry]:
    """Set up the exact flow, each run from a fresh Dataset: nothing derived from the inputs is kept between runs."""

    def solve(rtol):
        fresh = tw.Dataset(data.X, data.y)
        traj = tw.flow(network, fresh, t_end=case.t_end, times=[case.t_end], rtol=rtol, threads=threads, progress=False)
        # Four products per accepted step; what was refused is in the time only.
        return End(traj.final.preactivations(data.X), traj.final.a, 4 * int(traj.steps.sum()))

    name = "thalweg" if threads == 1 else f"thalweg, {threads} threads"
    return [Entry(name, "rtol", rtol, solve) for rtol in tolerances]


def say(what: str) -> None:
    """Show on a terminal what is being run, until something else is said."""
    if sys.stderr.isatty():
        print(f"\r{what:60s}\r", end="", file=sys.stderr, flush=True)


def choose(entries: Sequence[Entry], which: str) -> Entry:
    """Return the loosest run within the target such that all tighter ones are within it too; luck does not count."""
    chosen = entries[-1]
    for entry in reversed(entries):
        if not entry.within(TARGET, which):
            break
        chosen = entry
    return chosen


def survey(problem, cap, reference) -> tuple[list[list[Entry]], list[str]]:
    """Run every peer once at each setting, until all errors are within the target or time is up; name the missing."""
    found, skipped = [], []
    for name, prepare in PEERS.items():
        if name == "Euler on z" and problem.shape[1] >= 2 * problem.shape[2]:
            continue  # no cheaper than Euler on the weights
        try:
            peer = prepare(problem, cap)
        except ImportError as error:
            skipped.append(f"{name} (no module {error.name})")
            continue
        entries = []
        for setting in peer.settings:
            say(f"{name} at {setting:.3g}")
            entries.append(Entry(name, peer.symbol, setting, peer.solve).run(reference))
            if entries[-1].errors is None or entries[-1].within(TARGET, "worst"):
                break
        found.append(entries)
    return found, skipped


def check_reference(euler: list[Entry], reference: Reference) -> dict[str, float] | None:
    """Compare the reference with something that shares no code with it: Euler, extrapolated by Richardson."""
    pairs = [(x, y) for x, y in pairwise(euler) if y.errors and x.setting == 2 * y.setting]
    if not pairs:
        return None
    coarse, fine = pairs[-1]
    return {
        "step": fine.setting,
        "halving changed z by": distance(coarse.end.z, fine.end.z),
        "fine against reference": fine.errors.z,
        "extrapolated against reference": distance(2 * fine.end.z - coarse.end.z, reference.z),
    }


def run_case(case: Case, seed: int, repeats: int, cap: float | None, threads: int) -> dict:
    """Measure one case, print its tables, return all numbers."""
    print(f"\n=== {case}, seed {seed}", flush=True)
    data, network = tw.data.sphere(case.n, case.d, seed=seed), tw.init.dominated(case.d, case.p, seed=seed + 1)
    problem = Problem.of(data, network, case.t_end)
    for count in (1, threads):  # compile, or load what was compiled
        tw.flow(network, data, t_end=1e-3 * case.t_end, threads=count, progress=False)
    begun = time.perf_counter()
    end = flow_entries(case, data, network, (case.reference_rtol,))[0].solve(case.reference_rtol)
    reference = Reference(end.z, end.a, data.y)
    print(f"reference: thalweg at rtol {case.reference_rtol:g}, {time.perf_counter() - begun:.1f} s", flush=True)

    ours = [entry.run(reference) for entry in flow_entries(case, data, network, OUR_TOLERANCES)]
    chosen = choose(ours, "z")
    shared = flow_entries(case, data, network, (chosen.setting,), threads)[0].run(reference)
    if cap is None:
        cap = min(60.0, max(5.0, 2.5 * (case.wanted or 20.0) * chosen.median))
    peers, skipped = survey(problem, cap, reference)

    rows = [*ours, shared, *(entry for entries in peers for entry in entries)]
    short = [entry for entry in rows if entry.median < LONG and entry.errors is not None]
    for count in range(1, repeats):
        say(f"repeat {count + 1} of {repeats}")
        for entry in short:
            entry.run()
    unit = chosen.median
    needs = {which: [Need.of(entries, TARGET, which) for entries in peers] for which in ERRORS}
    units = {which: choose(ours, which).median for which in ERRORS}
    check = check_reference(next((e for e in peers if e[0].method == "Euler"), []), reference)

    say("")
    print(f"cap {cap:.1f} s a run; ratios to thalweg at rtol {chosen.setting:g}, the loosest within {TARGET:g}\n")
    print(table(rows, unit), "\n")
    for which, text in ERRORS.items():
        title = f"time for an error of {TARGET:g} in {text}; thalweg {units[which]:.3f} s"
        print(needs_table(needs[which], title, units[which]), "\n")
    if skipped:
        print("skipped: " + ", ".join(skipped))
    if check:
        print("reference against Euler: " + ", ".join(f"{name} {value:.3g}" for name, value in check.items()))
    verdicts = judge(case, chosen, shared, needs, units, peers)
    print("\n".join(f"{name}: {value}" for name, value in verdicts.items()), flush=True)
    return {
        "case": asdict(case),
        "cap": cap,
        "chosen_rtol": chosen.setting,
        "runs": [as_numbers(entry, unit) for entry in rows],
        "needs": {which: [asdict(need) for need in found] for which, found in needs.items()},
        "skipped": skipped,
        "reference_check": check,
        "verdicts": verdicts,
    }


def judge(case, chosen, shared, needs, units, peers) -> dict[str, str]:
    """Say how the targets of the case were met."""
    unit, verdicts = chosen.median, {}
    if chosen.cores < 0.9:
        verdicts["busy"] = f"other programs took {1 - chosen.cores:.0%} of the processor: times mean little"
    if not chosen.within(TARGET, "z"):
        verdicts["error"] = f"thalweg itself missed {TARGET:g} at every tolerance: {chosen.errors.z:.1e}"
    for which, text in ERRORS.items() if peers else ():
        proven = min(needs[which], key=lambda need: need.least).least / units[which]
        likely = min(needs[which], key=lambda need: (need.how == "more than", need.seconds))
        ratio = likely.seconds / units[which]
        verdict = f"{ratio:.1f} times faster than {likely.method} ({likely.how}), {proven:.1f} times at least"
        if case.wanted and which == "z":
            met = "met" if proven >= case.wanted else "met by extrapolation" if ratio >= case.wanted else "missed"
            verdict += f"; wanted {case.wanted:g}: {met}"
        verdicts[f"same error in {text}"] = verdict
    published = [e for entries in peers for e in entries if e.method == "Euler" and e.setting == case.published_step]
    if published:
        cost = published[0].median
        text = f"{unit / cost:.3g} times the cost of {case.t_end / case.published_step:.0f} Euler steps"
        text += f", {shared.median / cost:.3g} with several threads"
        if case.published_wanted:
            text += f"; wanted {case.published_wanted:g}: {'met' if unit <= case.published_wanted * cost else 'missed'}"
        verdicts["published experiment"] = text
    return verdicts


def as_numbers(entry: Entry, unit: float) -> dict:
    """Return a row for the JSON file."""
    return {
        "method": entry.method,
        entry.symbol: entry.setting,
        "products": entry.end.products,
        "median_seconds": entry.median,
        "seconds": entry.seconds,
        "processor_seconds": entry.processor_seconds,
        "errors": entry.errors and asdict(entry.errors),
        "ratio": entry.median / unit,
    }


def surroundings() -> dict:
    """Return what the numbers depend on."""
    from threadpoolctl import threadpool_info

    versions = {}
    for name in ("thalweg", "numpy", "scipy", "numba", "torch", "torchdiffeq", "jax", "diffrax"):
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            versions[name] = None
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
        "versions": versions,
        "thread pools": threadpool_info(),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="two small cases, under a minute")
    parser.add_argument("--case", type=int, action="append", metavar="K", help="only the K-th case, from 1; repeatable")
    parser.add_argument("--seed", type=int, default=1, help="of the inputs; the network has the next one")
    parser.add_argument("--repeats", type=int, default=5, help="runs of which the median is taken")
    parser.add_argument("--cap", type=float, help="seconds after which a run of a peer is given up")
    parser.add_argument("--threads", type=int, default=2, help="threads of the flow's extra row")
    options = parser.parse_args()
    cases = QUICK_CASES if options.quick else CASES
    chosen = options.case or range(1, len(cases) + 1)
    if not all(1 <= k <= len(cases) for k in chosen):
        parser.error(f"--case must be from 1 to {len(cases)}")
    cap = options.cap or (0.4 if options.quick else None)

    OUT.mkdir(exist_ok=True)
    path = OUT / ("bench_flow_quick.json" if options.quick else "bench_flow.json")
    report = {"surroundings": surroundings(), "target": TARGET, "seed": options.seed, "cases": {}}
    for k in chosen:
        report["cases"][str(k)] = run_case(cases[k - 1], options.seed, options.repeats, cap, options.threads)
        path.write_text(json.dumps(report, indent=1))  # after each case: a run takes long
    print(f"\nwritten to {path}")


if __name__ == "__main__":
    main()
