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
from dataclasses import astuple
from typing import Any

from .. import _validate as check
from .judgement import FEWEST, Entry, Judgement, Run, judge, latest

# Entries kept; when they are full every other one is dropped, so that the whole run is covered.
_MOST = 512
# What changes while a run is followed, apart from the states kept.
_FIGURES = ("_stride", "_added", "_promised", "_eta", "_first", "_least", "_loss_variance", "_square_variance")


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
        self._entries: list[Entry] = []
        self._stride, self._added, self._promised = 1, 0, 0.0
        self._last: Entry | None = None
        self._before: Entry | None = None
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
            entry = Entry(0, 0.0, value, square)
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
            entry = Entry(last.step + steps, last.t + t, value, square)
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
        self._entries = [Entry(*entry) for entry in state["entries"]]
        self._before, self._last = (None if end is None else Entry(*end) for end in state["ends"])
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

    def _steps_to_target(self, here: Entry) -> float:
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
        if len(self._entries) < FEWEST:
            seen = f"Only {len(self._entries)} of the {FEWEST} states that it takes have been seen."
            return Judgement("starting", seen)
        looks = self._added / here.step
        variances = (self._loss_variance, self._square_variance)
        losses = (self._first, self._least, self._floor, self.target)
        return judge(latest(self._entries), Run(*losses, self._plain, self._memory, looks, *variances))


def _quotient(x: float, y: float) -> float:
    """Return x/y as NumPy does, which takes many times as long for one number."""
    return x / y if y else x * math.inf * math.copysign(1.0, y)


def _log(x: float) -> float:
    return math.log(x) if x > 0 else -math.inf if x == 0 else math.nan


def _averaged(before: float, now: float, share: float) -> float:
    return now * share + before * (1 - share)
