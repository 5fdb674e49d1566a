"""thalweg demo: two short runs, on real data and on a law, and a report of both."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ._output import JsonOption, print_json, say, writable
from ._shallow import flow_in_numbers

if TYPE_CHECKING:
    from ..data.dataset import Dataset
    from ..flow.trajectory import Trajectory

_WIDTH = 40
_T_END = 2000.0
_LOSS = 1e-6


def demo(
    report: Annotated[Path, typer.Option(help="Where to write the report.")] = Path("thalweg-demo.html"),
    as_json: JsonOption = False,
) -> None:
    """Flow on a real data set and on inputs drawn from a sphere, and write a report of both.

    Examples:

      thalweg demo

      thalweg demo --report /tmp/demo.html
    """
    writable("--report", report)
    from ..data import example, sphere

    runs = [_run(dataset, quiet=as_json) for dataset in (example(), sphere(60, 2000, seed=1))]
    from ..report import write

    write(runs, report, title="Two gradient flows", command="thalweg demo")
    if as_json:
        print_json({"runs": [flow_in_numbers(traj) for traj in runs], "report": str(report)})
    else:
        say("report", f"{report} (one file, opens offline)")


def _run(dataset: Dataset, *, quiet: bool) -> Trajectory:
    from .. import LossBelow, flow
    from ..init import dominated
    from ..report import summarize

    network = dominated(dataset.d, _WIDTH, seed=2)
    if not quiet:
        say("data", f"{dataset.name}: {dataset.n} samples x {dataset.d} inputs")
    traj = flow(network, dataset, t_end=_T_END, stop=LossBelow(_LOSS), progress=not quiet)
    if not quiet:
        summary = summarize(traj)
        say("verdict", summary.verdict)
        for fact in summary.facts:
            if fact.label in ("loss", "curvature", "modes", "events"):
                say(fact.label, f"{fact.value}  ({fact.meaning})")
        for text in summary.advice:
            say("next", text)
        typer.echo()
    return traj
