"""Certificates along a run: a stop condition that costs next to nothing until it can succeed."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .. import _validate as check
from .._outcome import Outcome
from .._typing import FloatArray
from ..data.dataset import Dataset
from ..data.target import Target
from ..flow.stops import RunningState, Stop
from .early import early_tests
from .geometry import Geometry
from .linear import LinearWatch
from .silent import dead
from .slabs import nearby, promising
from .state import State

# Between two attempts the loss, or the residual that is not stuck, must have fallen by this factor.
EARLY_FALL, NEAR_FALL = 0.8, 0.8
# The angle R |X|/lambda by which weights may turn at most, above which B has never succeeded, with room to spare.
HOPEFUL = 0.5


@dataclass(frozen=True)
class Certified(Stop):
    """Stop once what becomes of the run is proved: the loss tends to 0, or is stuck at a positive level.

    The tests of `tw.certify` are tried along the way, the cheap ones whenever the loss has fallen by a fifth, the
    others once the residual is small enough for them to have a chance, and then whenever it has fallen by a fifth.
    Runs that neither converge nor lose samples are never decided: combine with another condition.

    Parameters
    ----------
    step_size : float, optional
        That of a gradient descent which this condition ends, for deep linear networks: it then speaks of the
        descent with this constant step from there on, and otherwise of the flow.

    Examples
    --------
    >>> import thalweg as tw
    >>> data, network = tw.data.sphere(10, 300, seed=2), tw.init.dominated(300, 12, seed=2)
    >>> traj = tw.flow(network, data, t_end=1e4, stop=tw.Certified())
    >>> traj.outcome.name, tw.certify(traj.final, data).verdict
    ('CERTIFIED', 'converges')
    """

    step_size: float | None = None

    def __post_init__(self) -> None:
        if self.step_size is not None:
            check.real("Certified", "step_size", self.step_size, above=0.0)

    def begin(self, data: Dataset | Target | None) -> Stop:
        """Prepare the inputs once for the run."""
        if data is None:
            must = "leave out Certified(): only ReLU, leaky ReLU and deep linear networks have certificates"
            raise check.fail("flow", "stop", must, repr(self))
        if isinstance(data, Target):
            return LinearWatch(data, self.step_size)
        if self.step_size is not None:
            raise check.fail("Certified", "step_size", "be left out for shallow networks", self.step_size)
        return _Watch(data)

    def __call__(self, state: RunningState) -> Outcome | None:
        raise TypeError("tw.Certified() knows its data only within tw.flow; use tw.certify(network, data) elsewhere.")


class _Watch(Stop):
    """The attempts of one run."""

    def __init__(self, data: Dataset) -> None:
        self._data, self._geometry = data, Geometry(data)
        self._early, self._near, self._silent = math.inf, math.inf, 0

    def __call__(self, state: RunningState) -> Outcome | None:
        early, pull = self._due(state)
        if not (early or pull):
            return None
        here = State.of(state.network(), self._geometry)
        tests = [
            *(early_tests(here) if early and self._geometry.smallest > 0 else ()),
            *((nearby,) if pull and promising(here, pull) else ()),
            dead,
        ]
        found = next((found for test in tests if (found := test(here)).holds), None)
        if found is None:
            return None
        return Outcome.CERTIFIED if found.verdict == "converges" else Outcome.CERTIFIED_STUCK

    def _due(self, state: RunningState) -> tuple[bool, float]:
        """Say whether the early tests are due, and the others: 0 if not, else a pull that lambda_min(H) is below."""
        early = state.loss <= self._early
        if early:
            self._early = EARLY_FALL * state.loss
        # The residual of a sample without an active neuron is its label to the last bit.
        quiet = state.residuals == self._data.y
        live = _norm(state.residuals[~quiet])
        silent = int(np.count_nonzero(quiet))
        if silent != self._silent:
            self._silent, self._near = silent, math.inf
        # n R' = -(r, H r)/R: an upper bound of lambda_min(H) on the samples that are not stuck, for nothing.
        pull = 0.5 * state.curvature * (_norm(state.residuals) / live) ** 2 * len(quiet) if live else math.inf
        hopeful = live * math.sqrt(self._geometry.largest) <= HOPEFUL * pull
        near = self._geometry.whole and live <= self._near and hopeful
        if near:
            self._near = NEAR_FALL * live
        return early, pull if near else 0.0


def _norm(x: FloatArray) -> float:
    return float(np.sqrt(x @ x))
