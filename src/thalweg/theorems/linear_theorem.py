"""What the theorems on deep linear networks share: hypotheses, how rates are put, how runs are held against them."""

from __future__ import annotations

import math
import sys
from abc import abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from ..descent.steps import one_step_note
from ..flow.linear.drive import rounding_floor
from ..networks.forms import EPS
from .base import Comparison, Guarantee, Hypothesis, Repair, Theorem
from .linear_setting import LinearSetting

if TYPE_CHECKING:
    from ..flow.linear.trajectory import LinearTrajectory

PAPER = "wu-wang-ma"
ARTICLE = "Wu, Wang and Ma (2019)"
OURS = "thalweg documentation"
# Times and numbers of steps are given for this fall of the loss.
_FALL = 1e10
# Rates and losses of a run are read to within this, beyond the accuracy asked of the run.
_ROUNDING = 1e-9
# Below this share of the first loss the error of layers stepped one by one is next to rounding.
_FITTED = 1e-12


class LinearTheorem(Theorem):
    """A theorem on deep linear networks; abstract."""

    paper = PAPER
    setting = LinearSetting

    @abstractmethod
    def rate(self, setting: LinearSetting) -> float:
        """Return the rate: the loss falls at least as exp(-rate t), or as exp(-rate k) in k steps of descent."""

    def repairs(self, setting: LinearSetting, failed: tuple[Hypothesis, ...]) -> tuple[Repair, ...]:
        """Return what to change for the hypotheses that fail."""
        return tuple(_remedy(setting, each) for each in failed)


class FlowTheorem(LinearTheorem):
    """A theorem on the gradient flow of deep linear networks; abstract."""

    def silent_on(self, setting: LinearSetting) -> str:
        """Return why not: it is about the flow."""
        return "it is about the gradient flow, and a step size was given" if setting.step_size is not None else ""

    def guarantees(self, setting: LinearSetting) -> tuple[Guarantee, ...]:
        """Return the rate and a time."""
        rate = self.rate(setting)
        if not rate > 0:  # it underflows
            return ()
        falling = setting.falling
        return (
            Guarantee("rate", rate, f"{falling} falls at least as exp(-rate t), at all times"),
            Guarantee("time", math.log(_FALL) / rate, f"by then {falling} has fallen by a factor of 10^10 or more"),
        )

    def compare(self, traj: LinearTrajectory) -> tuple[Comparison, ...]:
        """Hold the rate against loss and curvature of a run."""
        rate, tolerance = self.rate(started(traj)), _ROUNDING + 10 * float(traj.settings["rtol"] or 0.0)
        live = traj.excess > _FITTED * traj.excess[0]
        bound = traj.excess[0] * np.exp(-rate * (traj.t - traj.t[0]))
        return (
            Comparison("loss", traj.excess[live], bound[live], "<=", tolerance),
            Comparison("curvature", traj.curvature[live], np.full(int(live.sum()), rate), ">=", tolerance),
        )


class DescentTheorem(LinearTheorem):
    """A theorem on plain gradient descent; abstract. Without a step size, the largest it allows is meant."""

    @abstractmethod
    def largest(self, setting: LinearSetting) -> float:
        """Return the largest step size allowed, for a start and data that satisfy the other hypotheses."""

    def step(self, setting: LinearSetting) -> float:
        """Return the step size given, or the largest allowed."""
        return setting.step_size or max(self.largest(setting), sys.float_info.min)

    def step_size(self, setting: LinearSetting, number: str) -> Hypothesis:
        """Compare the step size with the largest allowed."""
        text = "given" if setting.step_size else "the largest allowed, as none was given"
        return Hypothesis("step size", number, self.step(setting), "<=", self.largest(setting), text)

    def guarantees(self, setting: LinearSetting) -> tuple[Guarantee, ...]:
        """Return the step size, the rate and a number of steps."""
        rate, falling = self.rate(setting), setting.falling
        found = (Guarantee("step size", self.step(setting), "of plain gradient descent, for all layers at once"),)
        if not rate > 0:  # it underflows
            return found
        return (
            *found,
            Guarantee("rate", rate, f"{falling} falls at least as exp(-rate k) in k steps, and never rises"),
            Guarantee(
                "steps", math.ceil(math.log(_FALL) / rate), f"after which {falling} is at most 10^-10 of its first"
            ),
        )

    def repairs(self, setting: LinearSetting, failed: tuple[Hypothesis, ...]) -> tuple[Repair, ...]:
        """Return what to change; a step size that makes any comparison vacuous is named as such."""
        found = super().repairs(setting, failed)
        if setting.form is not None and setting.step_size is not None:
            note = one_step_note(setting.form, setting.target, setting.step_size)
            found += (Repair("step size", note),) if note else ()
        return found

    def compare(self, traj: LinearTrajectory) -> tuple[Comparison, ...]:
        """Hold the rate against the loss of a run, its rounding allowed for."""
        setting, iteration = started(traj), np.asarray(traj.iteration)
        bound = traj.excess[0] * np.exp(-self.rate(setting) * iteration)
        allowed = (np.sqrt(bound) + math.sqrt(rounding_floor(traj.target))) ** 2
        return (Comparison("loss", traj.excess, allowed, "<=", _ROUNDING),)


def started(traj: LinearTrajectory) -> LinearSetting:
    """The problem of a run."""
    step = None if traj.iteration is None else float(traj.settings["step_size"] or 0.0)
    return LinearSetting(traj.target, network=traj.start, step_size=step)


def zero_layer(s: LinearSetting, number: str) -> Hypothesis:
    """A layer is zero."""
    return Hypothesis("zero layer", number, s.zero_layers, ">=", 1, "layers that are zero; exactly one must be")


def other_layers(s: LinearSetting, number: str) -> Hypothesis:
    """All others are one number times orthogonal matrices."""
    text = "distance of all layers but one zero layer from alpha times orthogonal matrices, beyond rounding"
    return Hypothesis("other layers", number, s.stray, "<=", 0.0, text)


def zero_last(s: LinearSetting, number: str) -> Hypothesis:
    """The last layer is zero."""
    return Hypothesis("last layer", number, float(np.abs(s.last).max()), "<=", 0.0, "largest entry of W_L")


def whitened(s: LinearSetting, number: str) -> Hypothesis:
    """The data are whitened."""
    gap = float(np.abs(s.target.second_moment - np.eye(s.target.d_in)).max())
    return Hypothesis("whitened", number, gap, "<=", 1e-12, "largest entry of Sigma - I, Sigma the second moment")


def commuting(s: LinearSetting, number: str) -> Hypothesis:
    """Second moment and target have common eigenvectors."""
    gap = 0.0
    if s.target.spectrum is None:
        Sigma, gram = s.target.second_moment, s.target.Phi.T @ s.target.Phi
        size = float(np.linalg.norm(Sigma) * np.linalg.norm(gram))
        gap = max(float(np.linalg.norm(Sigma @ gram - gram @ Sigma)) / size, EPS)
    text = "commutator of Sigma and Phi^T Phi over the product of their norms, beyond rounding"
    return Hypothesis("commuting data", number, gap, "<=", 0.0, text)


def _remedy(s: LinearSetting, failed: Hypothesis) -> Repair:
    d_in, d_out = s.target.d_in, s.target.d_out
    start = f"start from tw.init.zas({s.start.depth}, {d_in if d_in == d_out else (d_in, d_out)})"
    changes = {
        "square": "zas-any-layer holds for targets of every shape",
        "whitened": "whiten the inputs, or take the rate of zas-any-layer, which allows for data",
        "commuting data": "whiten the inputs; the flow converges all the same, see zas-any-layer",
        "step size": f"take a step size of at most {failed.threshold:.4g}",
        "norm of the last layer": f"scale the last layer down, or {start}",
    }
    value = failed.threshold if failed.name in ("step size", "norm of the last layer") else math.nan
    return Repair(failed.name, changes.get(failed.name, start), value)
