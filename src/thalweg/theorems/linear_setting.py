"""The problem that theorems on deep linear networks are checked on."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np

from .. import _validate as check
from .._typing import FloatArray
from ..data.target import Target
from ..flow.linear.drive import fitting
from ..networks.deep_linear import DeepLinearNetwork
from ..networks.forms import EPS, ZeroAsymmetric, zero_asymmetric

INITS = ("zas", "near_identity", "xavier", "orthogonal", "balanced_layers")


@dataclass(frozen=True, eq=False)
class LinearSetting:
    """A target and the start of a deep linear network, with what theorems need to know of them.

    The start is a given network, or the one that an initialization draws at a depth; with a step size the question
    is about gradient descent. Parameters as for `tw.check`.
    """

    target: Target
    depth: int | None = None
    network: DeepLinearNetwork | None = None
    init: str = "zas"
    step_size: float | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        owner = "check"
        if not isinstance(self.target, Target):
            raise check.fail(owner, "target", "be a Target (tw.Target(Phi))", type(self.target).__name__)
        check.one_of(owner, "init", self.init, INITS)
        if self.step_size is not None:
            object.__setattr__(self, "step_size", check.real(owner, "step_size", self.step_size, above=0.0))
        if self.network is None:
            if self.depth is None:
                raise check.fail(owner, "depth", "be given (or a network)", "None")
            object.__setattr__(self, "network", self._draw(check.positive_int(owner, "depth", self.depth)))
        fitting(owner, self.network, self.target)
        if self.depth not in (None, self.start.depth):
            must = f"be left out, or that of the network, {self.start.depth}"
            raise check.fail(owner, "depth", must, self.depth)

    @property
    def start(self) -> DeepLinearNetwork:
        """The start: given, or drawn."""
        return cast(DeepLinearNetwork, self.network)

    @property
    def text(self) -> str:
        """The problem in words."""
        how = "" if self.step_size is None else f", gradient descent with step size {self.step_size:.4g}"
        return f"{self.target!r}, learnt by {self.start!r}{how}"

    @property
    def falling(self) -> str:
        """What tends to 0, in words."""
        return "the loss above its floor" if self.target.floor else "the loss"

    @property
    def goal(self) -> str:
        """What convergence means, in words."""
        return f"{self.falling} tends to 0"

    @property
    def follow(self) -> str:
        """How to see it happen, in words."""
        if self.step_size is None:
            return "follow it with tw.flow(network, target, t_end=...), or thalweg flow --model deep-linear"
        return (
            f"follow it with tw.descend(network, target, step_size={self.step_size:.6g}, steps=...), or thalweg descend"
        )

    @property
    def hidden(self) -> int:
        """N = L - 1."""
        return self.start.depth - 1

    @cached_property
    def form(self) -> ZeroAsymmetric | None:
        """The start as an exactly zero-asymmetric one, if it is one."""
        return zero_asymmetric(self.start)

    @property
    def zero_layers(self) -> int:
        """How many layers are zero."""
        return sum(count for W, count in self.start.runs if not W.any())

    @cached_property
    def stray(self) -> float:
        """How far the layers other than one zero layer are from one number times orthogonal matrices."""
        if self.form is not None:
            return 0.0
        places = [k for k, (W, _) in enumerate(self.start.runs) if not W.any()]
        found = distance(self._without(places[0]))[1] if places else distance(self.start.runs)[1]
        # What is told apart from a zero-asymmetric start by its layers is not at distance 0.
        return max(found, EPS) if self.zero_layers == 1 else found

    @property
    def below_last(self) -> tuple[tuple[FloatArray, int], ...]:
        """The layers W_1, ..., W_{L-1}, as `DeepLinearNetwork.runs`."""
        return self._without(len(self.start.runs) - 1)

    @property
    def last(self) -> FloatArray:
        """W_L."""
        return self.start.runs[-1][0]

    def _without(self, place: int) -> tuple[tuple[FloatArray, int], ...]:
        """The runs with one layer less in one place."""
        runs = [(W, count - (k == place)) for k, (W, count) in enumerate(self.start.runs)]
        return tuple((W, count) for W, count in runs if count)

    def _draw(self, depth: int) -> DeepLinearNetwork:
        from .. import init

        d_in, d_out = self.target.d_in, self.target.d_out
        if self.init == "zas":
            return init.zas(depth, (d_in, d_out))
        if d_in != d_out:
            raise check.fail("check", "init", "be 'zas' unless there are as many inputs as outputs", repr(self.init))
        return getattr(init, self.init)(depth, d_in, seed=self.seed)


def distance(runs: tuple[tuple[FloatArray, int], ...]) -> tuple[float, float]:
    """Return alpha and the largest entry of W^T W / alpha^2 - I over all layers; infinity if one is not square.

    alpha is the size of the first layer.
    """
    if not runs:
        return 1.0, 0.0
    alpha = float(np.linalg.norm(runs[0][0])) / math.sqrt(runs[0][0].shape[1])
    if alpha == 0.0 or any(W.shape[0] != W.shape[1] for W, _ in runs):
        return alpha, math.inf
    scaled = [W / alpha for W, _ in runs]
    return alpha, max(float(np.abs(W.T @ W - np.eye(W.shape[1])).max()) for W in scaled)
