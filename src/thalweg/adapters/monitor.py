"""The Polyak-Lojasiewicz curvature of a training run, from loss, gradient norm and step size, and what it means.

Nothing here knows a framework. With loss L, gradient g and step size eta, time is the sum of the step sizes, and

    curvature           |g|^2/(L - floor), the rate -d log L/dt of the gradient flow from here,
    curvature_discrete  log(L_k/L_{k+1})/eta, what the last step made of it,
    average_curvature   log(L_0/L)/t, the rate since the start.

The first two differ by what the step overshoots: a step along the gradient lowers the loss by eta |g|^2 (1 - eta l/2),
l the curvature of the loss along g. So the ratio of what the loss fell to what gradients promised, `efficiency`, is 1
for small steps, 0 at eta = 2/l, and negative where the loss rises.

A mini-batch of size B has E|g_B|^2 = |g|^2 + tr(covariance)/B: its curvature is too large, often by far. The product of
the gradients of two batches in a row has no such bias, but that of one step's movement; given as `agreement`, it
stands in for |g|^2, smoothed. The loss is that of the batch, smoothed too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from .. import _validate as check
from .._typing import FloatArray

# Entries kept; when they are full every other one is dropped, so that the whole run is covered.
_MOST = 512
# Entries before anything is said.
_FEWEST = 12
# A window is the last quarter of the run. On a plateau the loss falls by less than this share within it, and
# a gradient that grows there does so by at least the larger factor in its square; below the smaller one it does not.
_SHARE, _FLAT, _GROWS, _RESTS = 0.25, 0.02, 1.5, 1.1
# Gradients promise so little that the run could double without the loss falling by this share.
_NOTHING = 1e-3
# What changes while a run is followed, apart from the states kept.
_FIGURES = ("_stride", "_added", "_promised", "_eta", "_first", "_least", "_loss_variance", "_square_variance")
# What is said of mini-batches is to exceed so many standard errors.
_SURE = 3.0
# Share of the promised fall below which the step is too large: at 1/4, eta l = 1.5.
_OVERSHOOT = 0.25


@dataclass(frozen=True)
class Judgement:
    """What a run is doing, with the figures behind it.

    Attributes
    ----------
    state : str
        "starting", "descending", "slowing", "escaping a saddle", "converged", "stuck", "within noise" or "step too
        large". "slowing" is a plateau that gradients could still leave; "stuck" one they cannot, unless by an unstable
        direction not taken yet, which first derivatives do not show; "within noise" one where the scatter of
        mini-batches hides which of the two it is.
    reason : str
        The figures in words, with what to do.
    fall : float
        Share by which the loss, less its floor, fell within the window.
    growth : float
        Factor by which the square of the gradient grew within it.
    efficiency : float
        Fall of the loss relative to what gradients promised.
    steps_to_target : float
        Steps left at the rate within the window; 0 at the target, infinite where the loss does not fall.

    Examples
    --------
    >>> from thalweg.adapters.monitor import PLRecord
    >>> record = PLRecord(target=1e-3)
    >>> record.add(1e-4, 0.1, 0.01)
    >>> print(record.judgement())
    converged: The loss is 0.0001, at most the target 0.001.
    """

    state: str
    reason: str
    fall: float = math.nan
    growth: float = math.nan
    efficiency: float = math.nan
    steps_to_target: float = math.nan

    def __str__(self) -> str:
        return f"{self.state}: {self.reason}"


@dataclass
class _Entry:
    """What is kept of a step: `promised` is the sum of step size times |g|^2 over the steps since the entry before."""

    step: int
    t: float
    loss: float
    square: float
    promised: float = 0.0


class PLRecord:
    """A run as the monitors of all frameworks keep it.

    Parameters
    ----------
    target : float, optional
        Loss that counts as converged; by default a ten-thousandth of the first, above the floor.
    floor : float
        Smallest loss there is, if known: the curvature is that of what lies above it.
    memory : int
        States over which losses and squares of gradients are smoothed; 1 for full batches.
    plain : bool
        Whether steps are along the gradient, so that it promises what they do to the loss. False for Adam and its kin:
        then only a loss that blows up is a step too large.

    Examples
    --------
    >>> from thalweg.adapters.monitor import PLRecord
    >>> record, w = PLRecord(), 1.0
    >>> for _ in range(400):  # the loss w^2/2, whose flow has rate 2
    ...     record.add(w * w / 2, abs(w), 0.01)
    ...     w -= 0.01 * w
    >>> round(record.scalars()["pl/curvature"], 6), record.judgement().state
    (2.0, 'descending')
    """

    def __init__(self, *, target: float | None = None, floor: float = 0.0, memory: int = 1, plain: bool = True) -> None:
        self._floor = check.real("PLRecord", "floor", floor)
        self._given = None if target is None else check.real("PLRecord", "target", target, above=self._floor)
        self._memory = check.positive_int("PLRecord", "memory", memory)
        self._plain = plain
        self._entries: list[_Entry] = []
        self._stride, self._added, self._promised = 1, 0, 0.0
        self._last: _Entry | None = None
        self._before: _Entry | None = None
        self._eta, self._first, self._least = 0.0, math.nan, math.inf
        self._loss_variance = self._square_variance = 0.0  # of one batch

    def add(
        self,
        loss: float,
        gradient_norm: float | None,
        step_size: float,
        *,
        agreement: float | None = None,
        steps: int = 1,
    ) -> None:
        """Add a state: its loss and gradient, and the step size with which it is left.

        Parameters
        ----------
        loss, gradient_norm, step_size : float
            NaN and infinity are allowed in the first two, as diverging runs have them. Gradients that are not finite
            where the loss is are left out: under mixed precision such steps are skipped.
        agreement : float, optional
            Product of this gradient with that of the batch before, for mini-batches, instead of the norm. If both are
            None, as for the first of them, figures of the gradient stay as they are.
        steps : int
            Steps since the state added before, if not every one is.
        """
        eta = check.real("PLRecord.add", "step_size", step_size, at_least=0.0)
        last, value = self._last, float(loss)
        known = agreement is not None or gradient_norm is not None
        norm = math.nan if gradient_norm is None else float(gradient_norm)
        square = norm * norm if agreement is None else float(agreement)
        if known and math.isfinite(value) and not math.isfinite(square):
            return
        if last is None:
            entry = _Entry(0, 0.0, value, square)
            self._first = value
        else:
            # A running mean at first, then an exponential one; it begins anew after what is not finite.
            share, t = max(1 / self._memory, 1 / (1 + self._added)), steps * self._eta
            if math.isfinite(last.loss) and math.isfinite(value):
                self._loss_variance = _averaged(self._loss_variance, (value - last.loss) * (value - last.loss), share)
                value = _averaged(last.loss, value, share)
            if not known:
                square = last.square
            elif self._added == 1 and math.isnan(last.square):
                last.square = self._entries[0].square = square  # stands for the first, which has none of its own
            elif math.isfinite(last.square) and math.isfinite(square):
                self._square_variance = _averaged(
                    self._square_variance, (square - last.square) * (square - last.square), share
                )
                square = _averaged(last.square, square, share)
            self._promised += t * last.square
            entry = _Entry(last.step + steps, last.t + t, value, square)
        if self._added + 1 >= self._memory:  # before, it is that of few batches
            self._least = min(self._least, value)
        self._added, self._eta, self._before, self._last = self._added + 1, eta, last, entry
        if not self._entries or entry.step - self._entries[-1].step >= self._stride:
            entry.promised, self._promised = self._promised, 0.0
            self._entries.append(entry)
        if len(self._entries) > _MOST:
            self._thin()

    def state_dict(self) -> dict[str, Any]:
        """Return the run so far in plain numbers, lists and dicts, for checkpoints."""
        return {
            "entries": [list(astuple(entry)) for entry in self._entries],
            "ends": [None if end is None else list(astuple(end)) for end in (self._before, self._last)],
            "figures": {name: getattr(self, name) for name in _FIGURES},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self._entries = [_Entry(*entry) for entry in state["entries"]]
        self._before, self._last = (None if end is None else _Entry(*end) for end in state["ends"])
        for name in _FIGURES:
            setattr(self, name, state["figures"][name])

    def _thin(self) -> None:
        """Drop every other entry but the first and the last; what they were promised goes to the next."""
        for dropped, kept in zip(self._entries[1::2], self._entries[2::2], strict=True):
            kept.promised += dropped.promised
        self._entries, self._stride = self._entries[::2], 2 * self._stride

    @property
    def target(self) -> float:
        """The loss that counts as converged."""
        return self._floor + 1e-4 * (self._first - self._floor) if self._given is None else self._given

    def scalars(self) -> dict[str, float]:
        """Return the present figures as plain floats, under names that trackers take; see the head of the module.

        NaN where there is none yet.
        """
        here, before = self._last, self._before
        if here is None:
            return {}
        excess = here.loss - self._floor
        found = {
            "pl/loss": here.loss,
            "pl/time": here.t,
            "pl/curvature": _quotient(here.square, excess),
            "pl/curvature_discrete": math.nan,
            "pl/average_curvature": math.nan,
            "pl/steps_to_target": self._steps_to_target(here),
        }
        if before is not None and here.t > before.t:
            fell, since = (_quotient(then - self._floor, excess) for then in (before.loss, self._first))
            found["pl/curvature_discrete"] = _log(fell) / (here.t - before.t)
            found["pl/average_curvature"] = _log(since) / here.t
        return found

    def _steps_to_target(self, here: _Entry) -> float:
        """Steps left at the rate of the gradient here; cheap, as it is asked for at every step."""
        if not here.loss > self.target:
            return 0.0 if math.isfinite(here.loss) else math.inf
        excess = here.loss - self._floor
        pace = self._eta * here.square / excess
        return math.log(excess / (self.target - self._floor)) / pace if pace > 0 else math.inf

    def judgement(self) -> Judgement:
        """Say what the run is doing."""
        here = self._last
        if here is None:
            return Judgement("starting", "Nothing has been seen.")
        if not math.isfinite(here.loss) or (self._added > 1 and not math.isfinite(here.square)):
            return Judgement("step too large", f"The loss is {here.loss:.3g}, its gradient {here.square:.3g} squared.")
        if here.loss <= self.target:
            reason = f"The loss is {here.loss:.3g}, at most the target {self.target:.3g}."
            return Judgement("converged", reason, steps_to_target=0.0)
        window = self._window()
        if len(window) < _FEWEST:
            return Judgement("starting", f"Only {len(window)} of the {_FEWEST} states that it takes have been seen.")
        return self._judge(window)

    def _window(self) -> list[_Entry]:
        assert self._last is not None
        begin = self._last.step * (1 - _SHARE)
        recent = [entry for entry in self._entries if entry.step >= begin]
        return recent if len(recent) >= _FEWEST else self._entries[-_FEWEST:]

    def _doubt(self, variance: float, looks: float) -> float:
        """How far a mean over so many looks of smoothed figures may be off, by the chance of mini-batches."""
        return _SURE * math.sqrt(variance / (looks + 2 * self._memory)) if self._memory > 1 else 0.0

    def _judge(self, window: list[_Entry]) -> Judgement:
        first, last = window[0], window[-1]
        if last.t == first.t:
            return Judgement("stuck", f"The step size has been 0 for {last.step - first.step} steps.", 0.0)
        size, steps = (len(window) // 3 - 1) | 1, last.step - first.step  # odd: the middle is an entry
        earlier, later = (_middle(part) for part in (window[:size], window[-size:]))
        excess = last.loss - self._floor
        fell = earlier["loss"] - later["loss"]
        fall = fell / (earlier["loss"] - self._floor)
        looks = steps / 3 * self._added / last.step
        off, vague = self._doubt(2 * self._loss_variance, looks), self._doubt(self._square_variance, looks)
        promised = math.fsum(entry.promised for entry in window[size // 2 + 1 : len(window) - size // 2])
        sure = promised - vague * (later["t"] - earlier["t"])
        efficiency = fell / promised if self._plain and promised > 0 else math.nan
        growth = later["square"] / earlier["square"] if earlier["square"] > 0 else math.nan
        per_step = -math.log1p(-min(fall, 0.999999)) / (later["step"] - earlier["step"]) if fall > 0 else 0.0
        left = math.log(excess / (self.target - self._floor)) / per_step if per_step else math.inf
        in_words = (
            f"Within the last {steps} steps the loss {'fell' if fall >= 0 else 'rose'} by {abs(fall):.2g} of itself"
        )
        promise = "" if math.isnan(efficiency) else f", {efficiency:.2g} of what gradients promised"
        figures = {"fall": fall, "growth": growth, "efficiency": efficiency, "steps_to_target": left}
        one = _SURE * math.sqrt(self._loss_variance) if self._memory > 1 else 0.0  # the first loss is of one batch
        blown = later["loss"] - one > 4 * self._first or (fell < -off and later["loss"] > 2 * self._least)
        overshot = efficiency < _OVERSHOOT and fell + off < _OVERSHOOT * sure
        if blown or (sure > _FLAT * excess and overshot):
            reason = f"{in_words}{promise}. Halve the step size."
            return Judgement("step too large", reason, **figures)
        if fall >= _FLAT and fell > off:
            return Judgement("descending", f"{in_words}: {left:.3g} more to {self.target:.3g} at this rate.", **figures)
        rises = _rises(window) and later["square"] - earlier["square"] > math.sqrt(2) * vague
        if growth >= _GROWS and rises:
            rate = math.log(growth) / (later["step"] - earlier["step"])
            ready = max(math.log(excess / max(later["square"] * last.t, 1e-300)), 0.0) / rate
            reason = f"{in_words}, while the gradient's square grew {growth:.3g} times: about {ready:.2g} steps to go."
            return Judgement("escaping a saddle", reason, **figures)
        reach = max(later["square"], 0.0) * last.t / excess
        still = not (growth > _RESTS and rises)
        if later["square"] < vague and still:
            reason = (
                f"{in_words}, and gradients of batches agree no more than by chance. Larger batches, smaller steps or "
                "more of them tell whether it still moves."
            )
            return Judgement("within noise", reason, **figures)
        if reach < _NOTHING and still:
            reason = (
                f"{in_words}, and gradients promise {reach:.1g} in as many steps as there have been. It is a minimum, "
                "dead units, or a saddle seen from its stable side, which only second derivatives tell."
            )
            return Judgement("stuck", reason, **figures)
        return Judgement("slowing", f"{in_words}; gradients still promise {reach:.2g} in twice the time.", **figures)


def _quotient(x: float, y: float) -> float:
    """Return x/y as NumPy does, which takes many times as long for one number."""
    return x / y if y else x * math.inf * math.copysign(1.0, y)


def _log(x: float) -> float:
    return math.log(x) if x > 0 else -math.inf if x == 0 else math.nan


def _averaged(before: float, now: float, share: float) -> float:
    return now * share + before * (1 - share)


def _middle(part: list[_Entry]) -> dict[str, float]:
    names = ("step", "t", "loss", "square")
    return {name: float(np.median([getattr(entry, name) for entry in part])) for name in names}


def _rises(window: list[_Entry]) -> bool:
    """Whether the square of the gradient rises over the window as a whole, and not by one of its ends."""
    squares: FloatArray = np.array([entry.square for entry in window])
    parts = [float(np.median(part)) for part in np.array_split(squares, 4)]
    return all(a < b for a, b in pairwise(parts))
