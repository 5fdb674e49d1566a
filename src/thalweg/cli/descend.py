"""thalweg descend: gradient descent on a deep linear network."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .._errors import InputError
from ._linear import (
    AlphaOption,
    BetaOption,
    DepthOption,
    DimOption,
    LinearInit,
    LinearOptions,
    Model,
    ScaleOption,
    ZeroLayerOption,
    finish,
)
from ._output import JsonOption, writable


def descend(
    ctx: typer.Context,
    model: Annotated[Model, typer.Option(help="Kind of network; deep-linear only, so far.")] = Model.deep_linear,
    target: Annotated[
        str | None, typer.Option(help="random, negative-identity, or a file (.npy, .npz or .csv) with a matrix.")
    ] = None,
    dim: DimOption = 10,
    depth: DepthOption = None,
    init: Annotated[LinearInit, typer.Option(help="The start.")] = LinearInit.zas,
    alpha: AlphaOption = 1.0,
    zero_layer: ZeroLayerOption = None,
    beta: BetaOption = 0.0,
    scale: ScaleOption = None,
    seed: Annotated[int, typer.Option(help="Seed of the start, and of a random target.")] = 0,
    step_size: Annotated[
        str, typer.Option(help="A number, or safe: the largest with a proof, from exact zas.")
    ] = "safe",
    steps: Annotated[int, typer.Option(help="Iterations at most.")] = 10_000,
    momentum: Annotated[float, typer.Option(help="Of the heavy ball; 0 for plain gradient descent.")] = 0.0,
    loss_below: Annotated[float | None, typer.Option(help="Stop at this loss; exit code 1 if not reached.")] = None,
    out: Annotated[Path | None, typer.Option(help="Save the run here (.npz).")] = None,
    as_json: JsonOption = False,
) -> None:
    """Run gradient descent on a deep linear network, all layers at once.

    From zero-asymmetric starts a step costs the same at any depth. Ctrl-C stops early; what was computed is shown and
    saved. Exit code 1 if the iteration diverged, or a loss asked for was not reached.

    Examples:

      thalweg descend --depth 1000 --init zas --target random --loss-below 1e-8

      thalweg descend --depth 20 --init near-identity --target negative-identity --step-size 0.01

      thalweg descend --depth 50 --target phi.csv --step-size 1e-3 --momentum 0.9 --out run.npz --json
    """
    writable("--out", out)
    if model is Model.shallow:
        raise InputError("thalweg descend knows deep linear networks only. In Python, tw.descend knows shallow ones.")
    size = _step_size(step_size)
    if size == "safe" and (init is not LinearInit.zas or beta):
        raise InputError("--step-size safe is proved for exact zas only. Give a number for other starts.")
    options = LinearOptions(target, init, depth, dim, alpha, zero_layer, beta, scale)
    network, goal = options.problem(ctx, seed)
    from .. import LossBelow
    from .. import descend as iterate

    stop = None if loss_below is None else LossBelow(loss_below)
    traj = iterate(network, goal, step_size=size, steps=steps, momentum=momentum, stop=stop)
    finish(traj, out, as_json, loss_below)


def _step_size(text: str) -> float | str:
    if text == "safe":
        return text
    try:
        return float(text)
    except ValueError:
        raise InputError(f"--step-size must be a number or safe. Got {text!r}.") from None
