"""Time what every process pays: the import of thalweg, and its first flow with kernels compiled or loaded."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

OUT = Path(__file__).resolve().parent.parent / "out"
WANTED = 0.3  # seconds for the import

IMPORT = """
import time
begun, processor = time.perf_counter(), time.process_time()
import thalweg
print(time.perf_counter() - begun, time.process_time() - processor)
"""

# Numba counts a miss for every function that a process compiles, and a hit for every one that it loads.
FIRST_FLOW = """
import gc, json, time
begun = time.perf_counter()
import thalweg as tw
data, network = tw.data.sphere(20, 30, seed=1), tw.init.dominated(30, 8, seed=2)
imported = time.perf_counter()
tw.flow(network, data, t_end=5.0, progress=False)
first = time.perf_counter()
tw.flow(network, data, t_end=5.0, progress=False)
second = time.perf_counter()
from numba.core.dispatcher import Dispatcher
kernels = [k for k in gc.get_objects() if isinstance(k, Dispatcher) and k.py_func.__module__.startswith("thalweg.")]
print(json.dumps({
    "import": imported - begun,
    "first flow": first - imported,
    "second flow": second - first,
    "compiled": sum(sum(kernel.stats.cache_misses.values()) for kernel in kernels),
    "loaded": sum(sum(kernel.stats.cache_hits.values()) for kernel in kernels),
}))
"""


def fresh(code: str, cache: str | None = None) -> str:
    """Run code in a new process, with its own cache of kernels, and return what it printed."""
    environment = os.environ | ({"NUMBA_CACHE_DIR": cache} if cache else {})
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=10, help="processes of which the median is taken")
    options = parser.parse_args()

    fresh(IMPORT)  # writes bytecode, fills the disk cache
    runs = [tuple(map(float, fresh(IMPORT).split())) for _ in range(options.repeats)]
    imports, processor = zip(*runs, strict=True)
    verdict = "met" if median(imports) <= WANTED else "missed"
    print(
        f"import thalweg: median {median(imports):.3f} s, {min(imports):.3f} to {max(imports):.3f} s; "
        f"{median(processor):.3f} s of processor time; wanted {WANTED}: {verdict}"
    )

    with tempfile.TemporaryDirectory() as cache:
        cold = json.loads(fresh(FIRST_FLOW, cache))
        warm = [json.loads(fresh(FIRST_FLOW, cache)) for _ in range(min(options.repeats, 3))]
    typical = sorted(warm, key=lambda run: run["first flow"])[len(warm) // 2]
    print(f"{'process':8s} {'import':>8s} {'first flow':>11s} {'second flow':>12s} {'compiled':>9s} {'loaded':>7s}")
    for name, run in (("cold", cold), ("warm", typical)):
        print(
            f"{name:8s} {run['import']:8.3f} {run['first flow']:11.3f} {run['second flow']:12.3f} "
            f"{run['compiled']:9d} {run['loaded']:7d}"
        )
    recompiled = max(run["compiled"] for run in warm)
    print("kernels cached: " + ("met, nothing is recompiled" if not recompiled else f"missed, {recompiled} recompiled"))

    OUT.mkdir(exist_ok=True)
    path = OUT / "bench_startup.json"
    report = {"import": imports, "import, processor time": processor, "cold": cold, "warm": warm}
    path.write_text(json.dumps(report, indent=1))
    print(f"written to {path}")


if __name__ == "__main__":
    main()
