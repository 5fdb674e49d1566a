"""What the theorems on shallow networks share: their setting, how rates are put, and how runs are held against them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from .._typing import FloatArray
from . import conditions
from .base import Comparison, Guarantee, Hypothesis, Repair, Theorem
from .setting import ShallowSetting

if TYPE_CHECKING:
    from ..data.dataset import Dataset
    from ..flow.trajectory import Trajectory

PAPER = "dana-bach-pillaud-vivien"
ARTICLE = "Dana, Bach and Pillaud-Vivien (2025)"
OURS = "thalweg documentation"
# A rate is read off the state of a run to within its rounding.
ROUNDING = 1e-9
# Below this share of the first loss the residuals are next to rounding, and there is no rate to measure.
_FITTED = 1e-24
_FALL = 1e6


class ShallowTheorem(Theorem):
    """A theorem on shallow ReLU networks; abstract."""

    paper = PAPER
    setting = ShallowSetting

    def silent_on(self, setting: ShallowSetting) -> str:
        """Return why not: it is about the ReLU."""
        return "the activation is leaky" if setting.slope else ""

    def repairs(self, setting: ShallowSetting, failed: tuple[Hypothesis, ...]) -> tuple[Repair, ...]:
        """Return what to change for the hypotheses that fail."""
        return conditions.remedies(setting, failed)


def probability(setting: ShallowSetting, value: float) -> Guarantee:
    """The guarantee that the loss tends to 0."""
    if setting.network is not None:
        return Guarantee("probability", 1.0, "the loss tends to 0 from this start")
    below_one = min(value, 1 - 2.0**-53)  # 1 is for what is certain
    return Guarantee("probability", below_one, "the loss tends to 0 from at least this share of the starts")


def decay(setting: ShallowSetting, rates: FloatArray) -> tuple[Guarantee, ...]:
    """What a rate mu >= rate for ever says; nothing if the draws are too few to know one."""
    rate = setting.starts.at_least(rates, setting.needed)
    if not rate > 0:
        return ()
    share = "" if setting.network is not None else f", from {setting.needed:g} or more of the starts"
    return (
        Guarantee("rate", rate, f"the loss falls at least as exp(-rate t), at all times{share}"),
        Guarantee("time", math.log(_FALL) / rate, "by then the loss has fallen by a factor of 10^6 or more"),
    )


def against_rate(traj: Trajectory, rate: float) -> tuple[Comparison, ...]:
    """Hold a rate that is guaranteed from the start against curvature and loss of a run."""
    bound = traj.loss[0] * np.exp(-rate * (traj.t - traj.t[0]))
    live = unfitted(traj)
    return (
        Comparison("curvature", traj.curvature[live], np.full(int(live.sum()), rate), ">=", ROUNDING),
        Comparison("loss", traj.loss[live], bound[live], "<=", ROUNDING),
    )


def unfitted(traj: Trajectory) -> np.ndarray:
    """Where the loss of a run is above rounding, a mask (T,)."""
    return traj.loss > _FITTED * traj.loss[0]


def against_paper(traj: Trajectory) -> tuple[Comparison, ...]:
    """Hold the curvature of a run against the paper's bound (C/n) min_i |1 - r_i/y_i|."""
    live = unfitted(traj)
    fitted = np.min(np.abs(1 - traj.residuals[live] / traj.data.y), axis=1)
    bound = paper_constant(traj.data) / traj.data.n * fitted
    return (Comparison("curvature", traj.curvature[live], bound, ">=", ROUNDING),)


def fitted_rate(setting: ShallowSetting) -> float:
    """The curvature that a dominated network has at least once it fits: (2/n) lambda_min(K) min_i |y_i|/|x_i|."""
    data = setting.data
    return 2 / data.n * setting.interactions.lambda_min * float(np.min(np.abs(data.y) / data.norms))


def started(traj: Trajectory) -> ShallowSetting:
    """The problem of a run, with the start that it had."""
    return ShallowSetting(traj.data, network=traj.networks.start)


def paper_constant(data: Dataset) -> float:
    """C = (Cx-/Cx+) Cx- Cy-, where Cx- <= |x_i| <= Cx+ and Cy- <= |y_i|."""
    return float(data.norms.min() ** 2 / data.norms.max() * np.abs(data.y).min())
