"""What a theorem is here, and what checking its hypotheses gives.

A theorem is one object: setting, statement, source; it checks its hypotheses on a problem, says what follows or
what to change, and can be held against a simulated run. Papers add theirs to `THEOREMS` (see the package); a
problem may be of any kind, as only the theorems written for it look inside.
"""

from __future__ import annotations

import inspect
import math
import operator
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from .._typing import FloatArray

_RELATIONS = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}

# A factor from here on says no more than that it holds or fails.
_TELLING = 1e6


@dataclass(frozen=True)
class Hypothesis:
    """One hypothesis of a theorem, evaluated.

    Attributes
    ----------
    name, number : str
        What it is called, and its number in the source.
    value, threshold : float
        What the problem has and what the theorem needs. A value that is not known is NaN, and fails.
    relation : {">", ">=", "<", "<="}
        How the value must compare with the threshold.
    meaning : str
        The same in words.

    Examples
    --------
    >>> from thalweg.theorems import Hypothesis
    >>> width = Hypothesis("width", "", 30.0, ">=", 20.0, "neurons")
    >>> width.holds, width.margin, width.verdict
    (True, 1.5, 'holds by 1.5x')
    """

    name: str
    number: str
    value: float
    relation: str
    threshold: float
    meaning: str

    @property
    def holds(self) -> bool:
        """Whether the hypothesis holds."""
        return bool(_RELATIONS[self.relation](self.value, self.threshold))

    @property
    def margin(self) -> float:
        """The factor by which it holds (above 1) or fails (below 1)."""
        large, small = (self.value, self.threshold) if ">" in self.relation else (self.threshold, self.value)
        if math.isnan(self.value) or math.isinf(small):
            return 0.0
        if small <= 0:
            return math.inf if self.holds else 0.0
        return max(large / small, 0.0)

    @property
    def verdict(self) -> str:
        """Whether it holds and by what factor, in words."""
        word, factor = ("holds", self.margin) if self.holds else ("FAILS", 1 / self.margin if self.margin else math.inf)
        return f"{word} by {factor:.3g}x" if 1.0005 <= factor < _TELLING else word

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and words."""
        return vars(self) | {"margin": self.margin, "holds": self.holds}


@dataclass(frozen=True)
class Guarantee:
    """One thing that follows: a probability, a rate, a time.

    Examples
    --------
    >>> import thalweg as tw
    >>> finding = tw.check("theorem-1", data=tw.data.sphere(5, 4000, seed=1), width=40)["theorem-1"]
    >>> finding.guarantees[0].name, finding["probability"] > 0.9
    ('probability', True)
    """

    name: str
    value: float
    meaning: str


@dataclass(frozen=True)
class Repair:
    """A change after which a hypothesis holds, or that comes nearest to it.

    Attributes
    ----------
    hypothesis : str
        Name of the hypothesis that fails.
    change : str
        What to do, and what it brings.
    value : float
        The number in it (a width, a count of samples, a margin); NaN if there is none.

    Examples
    --------
    >>> import thalweg as tw
    >>> finding = tw.check("theorem-1", data=tw.data.sphere(6, 20, seed=1), width=8)["theorem-1"]
    >>> [(repair.hypothesis, repair.value) for repair in finding.repairs if repair.hypothesis == "width"]
    [('width', 20)]
    """

    hypothesis: str
    change: str
    value: float = math.nan


@dataclass(frozen=True, eq=False)
class Comparison:
    """Computed against theoretical values along a run.

    Attributes
    ----------
    what : str
        The quantity.
    computed, theoretical : array (T,)
        As measured on the run, and as the theorem says.
    relation : {">=", "<=", "=="}
        How computed must compare with theoretical.
    tolerance : float
        Relative error allowed: that of the run.

    Examples
    --------
    >>> import numpy as np
    >>> from thalweg.theorems import Comparison
    >>> curvature = Comparison("curvature", np.array([2.0, 0.9]), np.array([1.0, 1.0]), ">=", tolerance=1e-6)
    >>> round(curvature.violation, 12), curvature.holds
    (0.1, False)
    """

    what: str
    computed: FloatArray
    theoretical: FloatArray
    relation: str
    tolerance: float

    @property
    def violation(self) -> float:
        """Largest amount by which the theorem is missed, relative to the theoretical value; 0 if nowhere."""
        gap = self.computed - self.theoretical
        gap = {">=": -gap, "<=": gap, "==": np.abs(gap)}[self.relation]
        scale = np.maximum(np.abs(self.theoretical), np.finfo(np.float64).tiny)
        return float(np.max(np.maximum(gap, 0.0) / scale, initial=0.0))

    @property
    def holds(self) -> bool:
        """Whether the run obeys the theorem at every output time, within the tolerance."""
        return self.computed.size > 0 and bool(np.isfinite(self.computed).all()) and self.violation <= self.tolerance


@dataclass(frozen=True)
class Finding:
    """What one theorem says about one problem.

    Attributes
    ----------
    theorem : Theorem
        The theorem.
    hypotheses : tuple of Hypothesis
        Its hypotheses, evaluated.
    guarantees : tuple of Guarantee
        What follows; empty unless all hypotheses hold.
    repairs : tuple of Repair
        What to change; empty if all hypotheses hold.

    Examples
    --------
    >>> import thalweg as tw
    >>> finding = tw.check("theorem-1", data=tw.data.sphere(6, 20, seed=1), width=8)["theorem-1"]
    >>> finding.holds, [each.name for each in finding.failed]
    (False, ['weak interaction', 'eigenvalue', 'width', 'all at once'])
    """

    theorem: Theorem
    hypotheses: tuple[Hypothesis, ...]
    guarantees: tuple[Guarantee, ...]
    repairs: tuple[Repair, ...]

    @property
    def holds(self) -> bool:
        """Whether all hypotheses hold."""
        return all(each.holds for each in self.hypotheses)

    @property
    def converges(self) -> bool:
        """Whether the theorem guarantees that the loss tends to 0, with the probability asked for."""
        return self.holds and self.theorem.converges

    @property
    def failed(self) -> tuple[Hypothesis, ...]:
        """The hypotheses that fail."""
        return tuple(each for each in self.hypotheses if not each.holds)

    @property
    def probability(self) -> float:
        """The probability with which the conclusion holds; 1 if nothing is left to chance, 0 if it does not follow."""
        return self._values.get("probability", float(self.holds))

    def time_to_fall(self, factor: float) -> float:
        """Return the time in which the loss falls by a factor, by the guaranteed rate; infinite without one.

        For theorems on gradient descent, the number of steps, before it is rounded up.
        """
        rate = self._values.get("rate", 0.0)
        return math.log(factor) / rate if rate > 0 else math.inf

    @property
    def _values(self) -> dict[str, float]:
        return {each.name: each.value for each in self.guarantees}

    def __getitem__(self, name: str) -> float:
        """Return the value of a guarantee by its name."""
        return self._values[name]

    def to_dict(self) -> dict[str, Any]:
        """Return plain numbers and words."""
        return {
            "theorem": self.theorem.name,
            "title": self.theorem.title,
            "source": self.theorem.source,
            "statement": self.theorem.statement,
            "holds": self.holds,
            "converges": self.converges,
            "hypotheses": [each.to_dict() for each in self.hypotheses],
            "guarantees": [vars(each) for each in self.guarantees],
            "repairs": [vars(each) for each in self.repairs],
        }


class Theorem(ABC):
    """A theorem: its docstring is the statement.

    Attributes
    ----------
    name, title : str
        What `tw.check` calls it, and a heading.
    paper : str
        Name of the paper all of whose theorems run together.
    source : str
        Where it is stated, with its number.
    setting : type
        The kind of problem it is about.
    converges : bool
        Whether its conclusion is that the loss tends to 0.

    Examples
    --------
    >>> from thalweg.theorems import THEOREMS
    >>> theorem = next(each for each in THEOREMS if each.name == "theorem-1")
    >>> theorem.title, theorem.paper, theorem.converges
    ('Theorem 1: weakly interacting data', 'dana-bach-pillaud-vivien', True)
    """

    name: ClassVar[str]
    title: ClassVar[str]
    paper: ClassVar[str]
    source: ClassVar[str]
    setting: ClassVar[type]
    converges: ClassVar[bool] = True

    @property
    def statement(self) -> str:
        """The statement in words."""
        return inspect.getdoc(type(self)) or ""

    def silent_on(self, setting: Any) -> str:
        """Return why the theorem has nothing to say on this problem; empty if it has."""
        return ""

    @abstractmethod
    def hypotheses(self, setting: Any) -> tuple[Hypothesis, ...]:
        """Evaluate the hypotheses."""

    @abstractmethod
    def guarantees(self, setting: Any) -> tuple[Guarantee, ...]:
        """Return what follows if they hold."""

    @abstractmethod
    def repairs(self, setting: Any, failed: tuple[Hypothesis, ...]) -> tuple[Repair, ...]:
        """Return what to change for those that fail."""

    @abstractmethod
    def compare(self, traj: Any) -> tuple[Comparison, ...]:
        """Hold the theorem against a run whose start satisfies the hypotheses."""

    def check(self, setting: Any) -> Finding:
        """Evaluate the hypotheses, then say what follows or what to change."""
        hypotheses = self.hypotheses(setting)
        failed = tuple(each for each in hypotheses if not each.holds)
        guarantees = () if failed else self.guarantees(setting)
        return Finding(self, hypotheses, guarantees, self.repairs(setting, failed) if failed else ())
