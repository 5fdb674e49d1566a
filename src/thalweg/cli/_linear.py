"""What flow and descend share on deep linear networks: their options, target and start, and a run in numbers."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .. import _validate as check
from .._errors import InputError

if TYPE_CHECKING:
    from numpy.random import SeedSequence

    from ..data.target import Target
    from ..flow.linear import LinearTrajectory
    from ..networks.deep_linear import DeepLinearNetwork


class LinearInit(StrEnum):
    """Starts of deep linear networks."""

    zas = "zas"
    near_identity = "near-identity"
    xavier = "xavier"
    orthogonal = "orthogonal"
    balanced_layers = "balanced-layers"


DepthOption = Annotated[int | None, typer.Option(help="Deep linear: number of layers.")]
DimOption = Annotated[int, typer.Option(help="Deep linear: inputs and outputs of a target that is not a file.")]
AlphaOption = Annotated[float, typer.Option(help="zas: size of the layers that are not zero.")]
ZeroLayerOption = Annotated[int | None, typer.Option(help="zas: number of the zero layer, the last if left out.")]
BetaOption = Annotated[float, typer.Option(help="zas: makes the zero layer this number times the identity.")]
ScaleOption = Annotated[float | None, typer.Option(help="Other deep linear starts: their scale, as in tw.init.")]
# Targets that are not read from a file.
DRAWN = ("random", "negative-identity")
# Options of the start, and of both verbs where the network is deep linear.
OPTIONS = ("depth", "dim", "alpha", "zero_layer", "beta", "scale")


@dataclass(frozen=True)
class LinearOptions:
    """The options of a deep linear problem, as given on the command line."""

    target: str | None
    init: LinearInit
    depth: int | None
    dim: int
    alpha: float
    zero_layer: int | None
    beta: float
    scale: float | None

    def problem(self, ctx: typer.Context, seed: int) -> tuple[DeepLinearNetwork, Target]:
        """Return the start and the target."""
        for_target, for_start = check.seed_sequence(f"thalweg {ctx.info_name}", seed).spawn(2)
        if self.init is LinearInit.zas:
            refuse(ctx, ("scale",), "the other starts; zas has --alpha")
        else:
            refuse(ctx, ("alpha", "zero_layer", "beta"), "--init zas")
        if self.depth is None:
            raise InputError("A deep linear network needs --depth, the number of layers.")
        target = self._target(ctx, for_target)
        return self._start(self.depth, target, for_start), target

    def _target(self, ctx: typer.Context, seed: SeedSequence) -> Target:
        import numpy as np

        from ..data.target import Target
        from ._matrix import read_matrix

        word = self.target
        if word is None:
            raise InputError("Give the target by --target random|negative-identity|FILE.")
        if word not in DRAWN:
            refuse(ctx, ("dim",), "--target random|negative-identity; a file has its own size")
            return Target(read_matrix("--target", Path(word)), name=Path(word).name)
        dim = check.positive_int(f"thalweg {ctx.info_name}", "dim", self.dim)
        if word == "negative-identity":
            return Target(-np.eye(dim), name=f"minus the identity of size {dim}")
        entries = np.random.default_rng(seed).standard_normal((dim, dim)) / np.sqrt(dim)
        return Target(entries, name=f"normal entries of variance 1/{dim}")

    def _start(self, depth: int, target: Target, seed: SeedSequence) -> DeepLinearNetwork:
        from .. import init

        d_in, d_out = target.d_in, target.d_out
        if self.init is LinearInit.zas:
            return init.zas(depth, (d_in, d_out), alpha=self.alpha, zero_layer=self.zero_layer, beta=self.beta)
        if d_in != d_out:
            raise InputError(f"--init {self.init} needs a square target; zas does not. Got {d_out} x {d_in}.")
        draw = getattr(init, self.init.name)
        options = {} if self.scale is None else {"scale": self.scale}
        return draw(depth, d_in, seed=seed, **options)


def refuse(ctx: typer.Context, names: Iterable[str], owner: str) -> None:
    """Refuse options that were given but belong to something else."""
    for param in ctx.command.params:
        source = ctx.get_parameter_source(param.name) if param.name in names else None
        if source is not None and source.name == "COMMANDLINE":
            raise InputError(f"{param.opts[0]} belongs to {owner}.")


def in_numbers(traj: LinearTrajectory) -> dict[str, Any]:
    """Return the end of a run as plain numbers and words."""
    target = traj.target
    return {
        "target": {"name": target.name, "d_out": target.d_out, "d_in": target.d_in, "norm": target.norm},
        "network": {"depth": traj.start.depth, "distinct_layers": len(traj.start.runs)},
        "route": traj.route,
        "why": traj.why,
        "guarantee": traj.guarantee,
        "notes": list(traj.notes),
        "outcome": traj.outcome.name,
        "message": str(traj.outcome),
        "t": float(traj.t[-1]),
        "iteration": None if traj.iteration is None else int(traj.iteration[-1]),
        "loss_at_start": float(traj.loss[0]),
        "loss": float(traj.loss[-1]),
        "bound": float(traj.bound[-1] + target.floor),
        "curvature": float(traj.curvature[-1]),
        "singular_values": traj.singular_values[-1].tolist(),
        "drift": float(traj.drift.max()),
        "settings": traj.settings,
    }
