"""What flow and descend share on networks with one hidden layer: options, data and start, and a run in numbers."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .. import _validate as check
from .._errors import InputError

if TYPE_CHECKING:
    from numpy.random import SeedSequence

    from ..data.dataset import Dataset
    from ..descent.shallow import DescentTrajectory
    from ..flow.trajectory import Trajectory
    from ..networks.shallow import ShallowNetwork


class Law(StrEnum):
    """Laws that data can be drawn from."""

    sphere = "sphere"
    orthogonal = "orthogonal"


class Init(StrEnum):
    """Laws that a network can be drawn from."""

    dominated = "dominated"
    balanced = "balanced"
    gaussian = "gaussian"


class Activation(StrEnum):
    """Activations."""

    relu = "relu"
    leaky_relu = "leaky_relu"


DataOption = Annotated[Path | None, typer.Option(help="Data file: .npz, .csv or .tsv.")]
LawOption = Annotated[Law | None, typer.Option(help="Draw the data from a law instead.")]
SamplesOption = Annotated[int | None, typer.Option("--n", help="Samples to draw from the law.")]
InputsOption = Annotated[int | None, typer.Option("--d", help="Inputs of the law (orthogonal: d = n).")]
WidthOption = Annotated[int, typer.Option(help="Number of neurons.")]
ActivationOption = Annotated[Activation, typer.Option(help="Activation.")]
SlopeOption = Annotated[float, typer.Option(help="Slope below zero of leaky_relu.")]
# Options of data and start, which a deep linear network does not have.
OPTIONS = ("data", "law", "n", "d", "width", "activation", "slope")


@dataclass(frozen=True)
class ShallowOptions:
    """The options of a problem with one hidden layer, as given on the command line."""

    data: Path | None
    target: str | None
    law: Law | None
    n: int | None
    d: int | None
    init: Init
    width: int
    activation: Activation
    slope: float

    def problem(self, verb: str, seed: int) -> tuple[ShallowNetwork, Dataset]:
        """Return the start and the data."""
        from .. import init as laws

        for_data, for_start = check.seed_sequence(f"thalweg {verb}", seed).spawn(2)
        data = self._data(for_data)
        draw = {Init.dominated: laws.dominated, Init.balanced: laws.balanced, Init.gaussian: laws.gaussian}[self.init]
        return draw(data.d, self.width, seed=for_start, activation=self.activation.value, slope=self.slope), data

    def _data(self, seed: SeedSequence) -> Dataset:
        from ..data import load, orthogonal, sphere

        if (self.data is None) == (self.law is None):
            raise InputError("Give the data by one of --data FILE and --law sphere|orthogonal.")
        if self.data is not None:
            if self.n is not None or self.d is not None:
                raise InputError("--n and --d belong to --law; the file given by --data has its own size.")
            return load(self.data, self.target)
        if self.target is not None:
            raise InputError("--target belongs to --data; a law draws its own labels.")
        if self.n is None:
            raise InputError(f"--law {self.law} needs --n, the number of samples.")
        if self.law is Law.orthogonal:
            if self.d not in (None, self.n):
                raise InputError(f"--law orthogonal has as many inputs as samples: leave out --d. Got {self.d}.")
            return orthogonal(self.n, seed=seed)
        if self.d is None:
            raise InputError("--law sphere needs --d, the number of inputs.")
        return sphere(self.n, self.d, seed=seed)


def flow_in_numbers(traj: Trajectory) -> dict[str, Any]:
    """Return the end of a flow as plain numbers and words."""
    return _shared(traj) | {
        "t": float(traj.t[-1]),
        "curvature_lower": float(traj.curvature_lower[-1]),
        "curvature_upper": float(traj.curvature_upper[-1]),
        "modes": {name: int(getattr(traj, name)[-1]) for name in ("active", "inactive", "sliding")},
        "events": int(traj.events.sum()),
        "steps": int(traj.steps.sum()),
        "audit": asdict(traj.audit),
    }


def descent_in_numbers(traj: DescentTrajectory) -> dict[str, Any]:
    """Return the end of a descent as plain numbers and words."""
    at_start, at_end = traj.stable_steps
    return _shared(traj) | {
        "iteration": int(traj.iteration[-1]),
        "t": float(traj.t[-1]),
        "curvature_discrete": float(traj.curvature_discrete[-1]),
        "largest_stable_step_at_start": at_start,
        "largest_stable_step": at_end,
    }


def _shared(traj: Trajectory | DescentTrajectory) -> dict[str, Any]:
    return {
        "data": {"name": traj.data.name, "n": traj.data.n, "d": traj.data.d},
        "network": {"p": traj.final.p, "activation": traj.final.activation, "slope": traj.final.slope},
        "outcome": traj.outcome.name,
        "message": str(traj.outcome),
        "loss_at_start": float(traj.loss[0]),
        "loss": float(traj.loss[-1]),
        "curvature": float(traj.curvature[-1]),
        "average_curvature": float(traj.average_curvature[-1]),
        "settings": traj.settings,
    }
