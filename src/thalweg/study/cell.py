"""A cell: one point of a study. A trial is drawn and run from the cell, the seed of the study and its number alone."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from .._errors import InputError

if TYPE_CHECKING:
    from ..data.dataset import Dataset
    from ..networks.shallow import ShallowNetwork

TRIAL = np.dtype(
    [
        ("trial", "<u4"),
        ("success", "?"),
        ("outcome", "S16"),
        ("steps_made", "<u4"),
        ("t", "<f8"),
        ("loss", "<f8"),
        ("curvature", "<f8"),
        ("average_curvature", "<f8"),
        ("curvature_lower", "<f8"),
        ("curvature_upper", "<f8"),
    ]
)
"""What is kept of a trial. `t` is the time of the flow, or iterations times the step size; `steps_made` counts
iterations, or steps of the integrator."""
# Redraws of a start that is to cover every sample.
_REDRAWS = 10_000


@dataclass(frozen=True)
class Cell:
    """One point of a study, every rule in it worked out: nothing else decides what its trials are.

    Attributes
    ----------
    n, d, p : int
        Samples, inputs and width.
    law : str
        Law of the data: "sphere" or "orthogonal".
    init : str
        Law of the start: "dominated", "balanced" or "gaussian".
    scale, slope : float
        Of the start; a slope above 0 is that of leaky ReLU.
    covered : bool
        Whether the start is drawn again until every sample is covered.
    method : str
        "descend", "flow", or "module:function" for a function of one's own.
    step_size, steps, precision
        Of descent; the flow is always in float64.
    t_end, rtol
        Of the flow.
    loss_below : float or None
        Success is a loss of at most this; None if it is a certificate.

    Examples
    --------
    >>> from thalweg.study import Cell
    >>> cell = Cell(n=5, d=8, p=6, method="flow", t_end=2.0, rtol=1e-6, loss_below=0.5)
    >>> data, network = cell.draw(seed=7, trial=0)
    >>> data.X.shape, network.W.shape
    ((5, 8), (6, 8))
    """

    n: int
    d: int
    p: int
    law: str = "sphere"
    init: str = "dominated"
    scale: float = 1.0
    slope: float = 0.0
    covered: bool = False
    method: str = "descend"
    step_size: float | None = None
    steps: int | None = None
    precision: str = "float64"
    t_end: float | None = None
    rtol: float | None = None
    loss_below: float | None = None

    @cached_property
    def key(self) -> str:
        """Name of the cell: a hash of everything in it."""
        return _digest(dataclasses.asdict(self)).hex()[:16]

    @property
    def label(self) -> str:
        """The cell in a few words."""
        return f"n={self.n} d={self.d} p={self.p} {self.law} {self.init} {self.method}"

    def seeds(self, seed: int, trial: int) -> tuple[np.random.SeedSequence, np.random.SeedSequence]:
        """Return the seeds of the data and of the start of a trial.

        They depend on the problem and not on the method, so that methods are compared on the same problems.
        """
        problem = (self.n, self.d, self.p, self.law, self.init, self.scale, self.slope, self.covered)
        words = np.frombuffer(_digest(list(problem)), dtype="<u4").tolist()
        data, start = np.random.SeedSequence([seed, *words], spawn_key=(trial,)).spawn(2)
        return data, start

    def draw(self, seed: int, trial: int) -> tuple[Dataset, ShallowNetwork]:
        """Draw the data and the start of a trial."""
        from .. import data as laws
        from .. import init as starts

        data_seed, start_seed = self.seeds(seed, trial)
        if self.law == "orthogonal":
            data = laws.orthogonal(self.n, seed=data_seed)
        else:
            data = laws.sphere(self.n, self.d, seed=data_seed)
        law = {"dominated": starts.dominated, "balanced": starts.balanced, "gaussian": starts.gaussian}[self.init]
        activation = "leaky_relu" if self.slope else "relu"
        for _ in range(_REDRAWS):
            (attempt,) = start_seed.spawn(1)
            network = law(data.d, self.p, scale=self.scale, seed=attempt, activation=activation, slope=self.slope)
            if not self.covered or covers(network, data):
                return data, network
        raise InputError(f"No start of {self.label} in {_REDRAWS} covers every sample. Choose a larger width p.")

    def run(self, seed: int, trial: int) -> np.ndarray:
        """Run one trial and return its record, a scalar of dtype TRIAL.

        Raises
        ------
        KeyboardInterrupt
            If its outcome is INTERRUPTED: its run caught Ctrl-C, and half a trial is no result.
        """
        from .methods import method

        record = np.zeros((), TRIAL)
        for name, value in method(self.method)(self, seed, trial).items():
            record[name] = value
        if record["outcome"] == b"INTERRUPTED":
            raise KeyboardInterrupt
        record["trial"] = trial
        return record


def covers(network: ShallowNetwork, data: Dataset) -> bool:
    """Say whether every sample has an active neuron whose output weight has the sign of its label."""
    active = np.asarray(data.X @ network.W.T) > 0
    right = np.sign(data.y)[:, None] * np.sign(network.a) > 0
    return bool((active & right).any(axis=1).all())


def _digest(value: Any) -> bytes:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).digest()
