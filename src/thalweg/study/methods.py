"""What a trial does: descend, flow, or a function of the user's own."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from .._errors import InputError
from .._outcome import Outcome

if TYPE_CHECKING:
    from .cell import Cell

Method = Callable[["Cell", int, int], Mapping[str, Any]]


def descend(cell: Cell, seed: int, trial: int) -> dict[str, Any]:
    """Descend from the start of a trial."""
    from ..certify import certify
    from ..descent import descend_many

    data, network = cell.draw(seed, trial)
    (run,) = descend_many(
        [(network, data)],
        step_size=cell.step_size,  # type: ignore[arg-type]
        steps=cell.steps,  # type: ignore[arg-type]
        loss_below=cell.loss_below,
        precision=cell.precision,
    )
    certified = cell.loss_below is None and certify(run.final, data).verdict == "converges"
    t = run.iteration * (cell.step_size or 0.0)
    fall = math.log(network.loss(data) / run.loss) if run.loss > 0 else math.inf
    return {
        "success": certified or (cell.loss_below is not None and run.loss <= cell.loss_below),
        "outcome": run.outcome.name,
        "steps_made": run.iteration,
        "t": t,
        "loss": run.loss,
        "curvature": run.curvature,
        "average_curvature": fall / t if t else run.curvature,
        "curvature_lower": math.nan,
        "curvature_upper": math.nan,
    }


def flow(cell: Cell, seed: int, trial: int) -> dict[str, Any]:
    """Follow the exact gradient flow from the start of a trial."""
    from ..certify import Certified
    from ..flow import LossBelow, Stationary
    from ..flow import flow as follow

    data, network = cell.draw(seed, trial)
    end = cell.t_end or 0.0
    aim = Certified() if cell.loss_below is None else LossBelow(cell.loss_below)
    run = follow(
        network,
        data,
        t_end=end,
        times=[0.0, end],  # only the end is of interest
        rtol=cell.rtol,  # type: ignore[arg-type]
        stop=aim | Stationary(),
        progress=False,
    )
    certified = run.outcome is Outcome.CERTIFIED
    return {
        "success": certified if cell.loss_below is None else run.loss[-1] <= cell.loss_below,
        "outcome": run.outcome.name,
        "steps_made": run.steps.sum(),
        "t": run.t[-1],
        "loss": run.loss[-1],
        "curvature": run.curvature[-1],
        "average_curvature": run.average_curvature[-1],
        "curvature_lower": run.curvature_lower[-1],
        "curvature_upper": run.curvature_upper[-1],
    }


@cache
def method(name: str) -> Method:
    """Return the function that runs a trial: one of this module, or "module:function" imported.

    It is called with the cell, the seed of the study and the number of the trial, and returns fields of the record:
    `success`, `outcome` (a word of up to 16 letters), `steps_made`, `t`, `loss` and the curvatures; what it leaves out
    is 0.
    """
    if name in ("descend", "flow"):
        return {"descend": descend, "flow": flow}[name]
    module, _, function = name.partition(":")
    try:
        return getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        remedy = "Put the folder of its module on PYTHONPATH, for every worker."
        raise InputError(f"The method {name!r} cannot be imported: {error}. {remedy}") from None
