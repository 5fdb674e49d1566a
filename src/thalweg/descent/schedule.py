"""When a descent is recorded, and when it is to stop."""

from __future__ import annotations

import numpy as np

from .._descent_outcome import DescentOutcome
from .._outcome import Outcome
from .._typing import IntArray
from ..certify.linear import LinearWatch
from ..flow.stops import AnyOf, LossBelow, Stop


def marks(steps: int, first: int, evenly: int) -> IntArray:
    """Return the iterations to record: the first ones all, then evenly spaced ones, the last included."""
    spread = np.linspace(0, steps, min(steps + 1, evenly)).round()
    return np.unique(np.concatenate([np.arange(min(steps, first) + 1), spread])).astype(np.int64)


def loss_level(condition: Stop) -> float:
    """Return the largest loss at which some LossBelow within the condition stops, 0 if there is none."""
    if isinstance(condition, LossBelow):
        return condition.level
    if isinstance(condition, AnyOf):
        return max((loss_level(each) for each in condition.stops), default=0.0)
    return 0.0


def certified_step(condition: Stop) -> float | None:
    """Return the step size that some Certified within the condition speaks of, None if there is none."""
    if isinstance(condition, AnyOf):
        return next((step for each in condition.stops if (step := certified_step(each)) is not None), None)
    return condition.step_size if isinstance(condition, LinearWatch) else None


def ended_by(outcome: Outcome | None, *, proved: bool = False) -> DescentOutcome:
    """Return the end that a stop condition asked for; None stands for LossBelow, judged at every iteration.

    What is certified counts as such only if it is `proved` for this descent: by itself it may speak of the flow.
    """
    name = outcome.name if outcome is not None else "LOSS_BELOW"
    if outcome is Outcome.CERTIFIED and not proved:
        return DescentOutcome.PREDICATE
    return DescentOutcome.__members__.get(name, DescentOutcome.PREDICATE)
