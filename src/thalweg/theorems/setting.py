"""The problem that theorems on shallow networks are checked on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from .. import _validate as check
from ..data.dataset import Dataset
from ..networks.shallow import ShallowNetwork
from . import coverage
from .starts import Interactions, Starts

INITS = ("dominated", "balanced", "gaussian")
# Multiplications that drawing starts may cost by default: some seconds.
_WORK = 1e10
_MOST_DRAWS = 5000
# A random number costs as much as some tens of multiplications.
_DRAWING = 30
# Wider networks are not drawn: their weights would not fit into memory.
WIDEST = 10**8


@dataclass(frozen=True, eq=False)
class ShallowSetting:
    """Data, width and start of a shallow network, with what theorems need to know of them.

    The start is a given network, or drawn from a law: then hypotheses on it are meant in probability, of at
    least 1 - epsilon. Parameters as for `tw.check`.
    """

    data: Dataset
    width: int | None = None
    network: ShallowNetwork | None = None
    init: str = "dominated"
    law: str | Callable[..., Dataset] | None = None
    epsilon: float = 0.05
    activation: str = "relu"
    slope: float = 0.0
    draws: int | None = None
    seed: int = 0
    goal: ClassVar[str] = "the loss tends to 0"
    follow: ClassVar[str] = "follow it with tw.flow(network, data, t_end=1e4, stop=tw.LossBelow(1e-6)), or thalweg flow"

    def __post_init__(self) -> None:
        owner = "check"
        if not isinstance(self.data, Dataset):
            raise check.fail(owner, "data", "be a Dataset (tw.Dataset(X, y))", type(self.data).__name__)
        check.real(owner, "epsilon", self.epsilon, at_least=1e-280, below=1.0)
        check.one_of(owner, "init", self.init, INITS)
        if self.draws is not None:
            check.positive_int(owner, "draws", self.draws)
        check.integer(owner, "seed", self.seed)
        if isinstance(self.law, str):
            check.one_of(owner, "law", self.law, ("sphere", "orthogonal"))
        elif self.law is not None and not callable(self.law):
            raise check.fail(owner, "law", "be 'sphere', 'orthogonal' or a function (n, d, seed=...)", repr(self.law))
        network = self.network
        if network is None:
            if self.width is None:
                raise check.fail(owner, "width", "be given (or a network)", "None")
            object.__setattr__(self, "width", check.positive_int(owner, "width", self.width))
            check.real(owner, "width", self.width, at_most=WIDEST)
            self.draw_network(np.random.SeedSequence(0), d=1)  # refuses a bad activation or slope
            return
        if not isinstance(network, ShallowNetwork):
            raise check.fail(owner, "network", "be a ShallowNetwork", type(network).__name__)
        if network.d != self.data.d:
            raise check.fail(owner, "network", f"have {self.data.d} inputs, as the data have", f"d = {network.d}")
        if self.width not in (None, network.p):
            raise check.fail(owner, "width", f"be left out, or that of the network, {network.p}", self.width)
        for name in ("activation", "slope"):
            object.__setattr__(self, name, getattr(network, name))
        object.__setattr__(self, "width", network.p)

    @property
    def text(self) -> str:
        """The problem in words."""
        kind = f"leaky ReLU of slope {self.slope:g}" if self.slope else "ReLU"
        draws = f"{self.draw_count} draws, probabilities at confidence {coverage.CONFIDENCE:.0%}"
        start = "the start given" if self.network is not None else f"starts drawn by {self.init} ({draws})"
        labels = f"labels {self.data.y.min():.4g} to {self.data.y.max():.4g}"
        return (
            f"{self.data.name}: {self.n} samples x {self.data.d} inputs, {labels}; {self.p} neurons ({kind}), {start}"
        )

    @property
    def p(self) -> int:
        """Width."""
        return int(self.width or 0)

    @property
    def n(self) -> int:
        """Number of samples."""
        return self.data.n

    @property
    def needed(self) -> float:
        """The probability asked for."""
        return 1 - self.epsilon

    @cached_property
    def interactions(self) -> Interactions:
        """What theorems read off the data."""
        return Interactions.of(self.data)

    @cached_property
    def starts(self) -> Starts:
        """The given start, or draws from its law."""
        given = self.network is not None
        return Starts.of([self.network] if self.network else self._drawn(), self.data, self.interactions, given=given)

    @cached_property
    def drawn_with_data(self) -> Starts:
        """Draws of data from `law` and of a start, together."""
        seeds = np.random.SeedSequence((1, self.seed)).spawn(self.draw_count)
        parts = []
        for seed in seeds:
            one, other = seed.spawn(2)
            data = self.draw_data(one)
            parts.append(Starts.of([self.draw_network(other)], data, Interactions.of(data), given=False))
        return Starts.gather(parts)

    @cached_property
    def draw_count(self) -> int:
        """How many starts to draw: twice what epsilon needs, fewer where that costs too much."""
        if self.draws is not None:
            return self.draws
        entries = self.data.X.nnz if self.data.is_sparse else self.n * self.data.d
        affordable = _WORK / (self.p * (entries + _DRAWING * (self.data.d + self.n)))
        wanted = min(2 * coverage.draws_needed(self.epsilon), _MOST_DRAWS)
        return int(np.clip(affordable, 3, wanted))

    @property
    def too_few_draws(self) -> bool:
        """Whether no event could be shown to have the probability asked for."""
        return self.network is None and self.draw_count < coverage.draws_needed(self.epsilon)

    @cached_property
    def independent_signs(self) -> bool:
        """Whether the signs of z_ji are independent over i for the law of the start.

        Normal weights: orthogonal inputs. Independent uniform weights: inputs without a common column.
        """
        data = self.data
        if self.init == "gaussian":
            return data.is_orthogonal
        used = data.X != 0
        return int(np.max(np.asarray(used.sum(axis=0)))) <= 1

    @cached_property
    def covered(self) -> float:
        """Lower bound of the probability of coverage over the law of the start; 0 or 1 for a given one."""
        if self.network is not None:
            return float(self.starts.covered[0] == self.n)
        positive, negative = self.signs
        if self.independent_signs:
            return coverage.exact(positive, negative, self.p)
        return coverage.union_bound(self.n, self.p)

    @property
    def signs(self) -> tuple[int, int]:
        """Number of positive and of negative labels."""
        return int((self.data.y > 0).sum()), int((self.data.y < 0).sum())

    def draw_network(self, seed: np.random.SeedSequence, d: int | None = None) -> ShallowNetwork:
        """Draw a start from its law."""
        from .. import init

        draw = {name: getattr(init, name) for name in INITS}[self.init]
        d = self.data.d if d is None else d
        return draw(d, self.p, seed=seed, activation=self.activation, slope=self.slope)

    def draw_data(self, seed: np.random.SeedSequence) -> Dataset:
        """Draw data of the same size from their law."""
        from ..data import orthogonal, sphere

        if self.law == "orthogonal":
            return orthogonal(self.n, seed=seed)
        law: Any = sphere if self.law == "sphere" else self.law
        data = law(self.n, self.data.d, seed=seed)
        if not isinstance(data, Dataset) or (data.n, data.d) != (self.n, self.data.d):
            got = f"{data!r}"
            raise check.fail("check", "law", f"return a Dataset of {self.n} samples and {self.data.d} inputs", got)
        return data

    def _drawn(self) -> Iterator[ShallowNetwork]:
        """One after the other: together they may not fit in memory."""
        return (self.draw_network(seed) for seed in np.random.SeedSequence((0, self.seed)).spawn(self.draw_count))
