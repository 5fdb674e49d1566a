"""One self-contained HTML page that opens offline: charts, tables and provenance."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from .. import _validate
from .._files import write_text
from .page import render

if TYPE_CHECKING:
    from ..descent import DescentTrajectory
    from ..flow.linear import LinearTrajectory
    from ..flow.loss_trajectory import LossTrajectory
    from ..flow.trajectory import Trajectory
    from ..study import Results
    from .content import Section

Reported: TypeAlias = "Trajectory | LinearTrajectory | LossTrajectory | DescentTrajectory | Results"

# Symbols and patterns of the lines in a key, as in the charts.
_SYMBOLS = {"circle": "●", "circle-open": "○", "square": "■", "diamond": "◆", "triangle-up": "▲", "x": "✖", "star": "★"}
_DASHES = {"solid": "none", "dash": "7 4", "dot": "2.5 2.5", "dashdot": "7 3 2 3", "longdash": "11 4"}


def write(
    runs: Reported | Sequence[Reported],
    path: str | Path,
    *,
    title: str | None = None,
    command: str | None = None,
    seed: int | None = None,
    certify: bool = False,
    check: bool | None = None,
) -> Path:
    """Write runs and studies, one below the other, to a self-contained HTML file.

    Parameters
    ----------
    runs : Trajectory, LinearTrajectory, LossTrajectory, DescentTrajectory, Results, or sequence of them
        Results are those of a study, ``tw.study.results(store)``, complete or not.
    path : str or Path
        Where to write. The file is complete under its name or not there at all.
    title : str, optional
        Heading of the page; says what there is by default.
    command, seed : optional
        The command that made the runs and its seed, to be printed with the versions.
    certify : bool
        Whether to certify some states of each run and draw when its fate was decided. It takes as long as so many calls
        of `thalweg.certify`, which does not speak of flows of other losses.
    check : bool, optional
        Whether to check the hypotheses of theorems on each start, as `thalweg.check` does. By default where that takes
        seconds: for up to 1000 samples, and deep linear networks up to width 300.

    Raises
    ------
    InputError
        If the folder does not exist or cannot be written, or there is nothing to report, or something else.

    Examples
    --------
    >>> import tempfile
    >>> import thalweg as tw
    >>> traj = tw.flow(tw.init.dominated(40, 8, seed=2), tw.data.sphere(6, 40, seed=1), t_end=5.0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     page = tw.report.write(traj, f"{folder}/run.html", certify=True).read_text(encoding="utf-8")
    >>> "Certificate timeline" in page, "http://" in page[: page.index("<script>")]
    (True, False)
    """
    _validate.output_path("report.write", path)
    each = list(runs) if isinstance(runs, Sequence) else [runs]
    if not each:
        raise _validate.fail("report.write", "runs", "hold at least one run or study", "none")
    sections = [_section(one, certify=certify, check=check) for one in each]
    heading = _heading(each) if title is None else title
    return write_text("report.write", path, _page(sections, heading, command, seed))


def _section(run: Reported, *, certify: bool, check: bool | None) -> Section:
    from ..descent import DescentTrajectory
    from ..flow.linear import LinearTrajectory
    from ..flow.loss_trajectory import LossTrajectory
    from ..flow.trajectory import Trajectory

    if isinstance(run, Trajectory | LinearTrajectory | LossTrajectory | DescentTrajectory):
        from .runs import run_section

        return run_section(run, certify=certify, check=check)
    from ..study import Results

    if not isinstance(run, Results):
        must = "be a run of flow or descend, or Results of a study (tw.study.results(store))"
        raise _validate.fail("report.write", "runs", must, type(run).__name__)
    from .trials import study_section

    return study_section(run)


def _heading(runs: list[Reported]) -> str:
    names = {
        "Trajectory": "Gradient flow",
        "LinearTrajectory": "Training of a deep linear network",
        "LossTrajectory": "Gradient flow of a loss",
        "DescentTrajectory": "Gradient descent",
        "Results": "Study",
    }
    return " and ".join(dict.fromkeys(names[type(run).__name__] for run in runs))


def _page(sections: list[Section], title: str, command: str | None, seed: int | None) -> str:
    from plotly.offline import get_plotlyjs

    looks = {"dashes": _DASHES, "symbols": _SYMBOLS}
    return render(
        "report.html.j2", title=title, command=command, seed=seed, sections=sections, plotly=get_plotlyjs(), **looks
    )
