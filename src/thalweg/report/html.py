"""One self-contained HTML page that opens offline: figures, tables and provenance."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from .. import _validate as check
from .._files import write_text
from .charts import Chart, charts
from .page import render
from .summary import Summary, summarize

if TYPE_CHECKING:
    from ..flow.trajectory import Trajectory


@dataclass(frozen=True)
class _Section:
    title: str
    summary: Summary
    charts: list[Chart]
    data: str
    network: str
    settings: dict[str, object]


def write(
    traj: Trajectory | Sequence[Trajectory],
    path: str | Path,
    *,
    title: str = "Gradient flow",
    command: str | None = None,
) -> Path:
    """Write one trajectory, or several one below the other, to a self-contained HTML file.

    Parameters
    ----------
    traj : Trajectory or sequence of Trajectory
    path : str or Path
        Where to write. The file is complete under its name or not there at all.
    title : str
        Heading of the page.
    command : str, optional
        The command that made the runs, to be printed with the versions.

    Raises
    ------
    InputError
        If the folder does not exist or cannot be written, or there is no trajectory.
    """
    check.output_path("report.write", path)
    trajectories = list(traj) if isinstance(traj, Sequence) else [traj]
    if not trajectories:
        raise check.fail("report.write", "traj", "hold at least one trajectory", "none")
    return write_text("report.write", path, _page([_section(each) for each in trajectories], title, command))


def _page(sections: list[_Section], title: str, command: str | None) -> str:
    from plotly.offline import get_plotlyjs

    return render("report.html.j2", title=title, command=command, sections=sections, plotly=get_plotlyjs())


def _section(traj: Trajectory) -> _Section:
    start = traj.networks.start
    return _Section(traj.data.name, summarize(traj), charts(traj), str(traj.data), repr(start), dict(traj.settings))
