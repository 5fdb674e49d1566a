"""thalweg descend: gradient descent on a data file, on a law, or towards the target of a deep linear network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .._errors import InputError
from . import _linear, _shallow
from ._linear import LinearInit, LinearOptions
from ._model import InitOption, LossBelowOption, Model, ModelOption, SeedOption, TargetOption, chosen, one_of
from ._output import JsonOption, ReportOption, finish, keep, refuse_outputs
from ._shallow import Init, ShallowOptions

if TYPE_CHECKING:
    from ..data.dataset import Dataset
    from ..networks.shallow import ShallowNetwork


def descend(
    ctx: typer.Context,
    model: ModelOption = None,
    data: _shallow.DataOption = None,
    target: TargetOption = None,
    law: _shallow.LawOption = None,
    n: _shallow.SamplesOption = None,
    d: _shallow.InputsOption = None,
    width: _shallow.WidthOption = 30,
    init: InitOption = None,
    depth: _linear.DepthOption = None,
    dim: _linear.DimOption = 10,
    alpha: _linear.AlphaOption = 1.0,
    zero_layer: _linear.ZeroLayerOption = None,
    beta: _linear.BetaOption = 0.0,
    scale: _linear.ScaleOption = None,
    activation: _shallow.ActivationOption = _shallow.Activation.relu,
    slope: _shallow.SlopeOption = 0.0,
    seed: SeedOption = 0,
    step_size: Annotated[
        str | None,
        typer.Option(
            help="A number. Deep linear from exact zas: safe (the default) is the largest with a proof.",
            show_default=False,
        ),
    ] = None,
    steps: Annotated[int, typer.Option(help="Iterations at most.")] = 10_000,
    momentum: Annotated[
        float, typer.Option(help="Deep linear: of the heavy ball; 0 for plain gradient descent.")
    ] = 0.0,
    precision: Annotated[str, typer.Option(help="Shallow: float64, or float32 in half the time.")] = "float64",
    loss_below: LossBelowOption = None,
    out: Annotated[Path | None, typer.Option(help="Save the run here (.npz).")] = None,
    report: ReportOption = None,
    as_json: JsonOption = False,
) -> None:
    """Run gradient descent on a network: one hidden layer on data, or deep linear towards a target.

    The step is that of the plain gradient of all weights, as in PyTorch. Ctrl-C stops early; what was computed is shown
    and saved. Exit code 1 if the iteration diverged, or a loss asked for was not reached.

    Examples:

      thalweg descend --data genes.csv --target relapse --width 60 --step-size 0.5

      thalweg descend --law sphere --n 100 --d 100 --step-size 1 --steps 5000 --loss-below 1e-3 --out run.npz

      thalweg descend --depth 1000 --init zas --target random --loss-below 1e-5

      thalweg descend --depth 20 --init near-identity --target negative-identity --step-size 0.01

      thalweg descend --depth 50 --target phi.csv --step-size 1e-3 --momentum 0.9 --out run.npz --json
    """
    refuse_outputs(out, report)
    kind = chosen(ctx, model, depth, shallow_only=("precision",), linear_only=("momentum",))
    from .. import LossBelow
    from .. import descend as iterate

    stop = None if loss_below is None else LossBelow(loss_below)
    if kind is Model.deep_linear:
        start, size = one_of(LinearInit, init), _step_size(step_size or "safe")
        if size == "safe" and (start is not LinearInit.zas or beta):
            raise InputError("--step-size safe is proved for exact zas only. Give a number for other starts.")
        options = LinearOptions(target, start, depth, dim, alpha, zero_layer, beta, scale)
        network, goal = options.problem(ctx, seed)
        shown = False if as_json else None
        run = iterate(network, goal, step_size=size, steps=steps, momentum=momentum, stop=stop, progress=shown)
        finish(run, _linear.in_numbers(run), keep(run, out, report, seed), as_json, loss_below)
        return
    problem = ShallowOptions(data, target, law, n, d, one_of(Init, init), width, activation, slope)
    hidden, dataset = problem.problem("descend", seed)
    eta = _shallow_step(step_size, hidden, dataset)
    traj = iterate(
        hidden, dataset, step_size=eta, steps=steps, stop=stop, precision=precision, progress=False if as_json else None
    )
    finish(traj, _shallow.descent_in_numbers(traj), keep(traj, out, report, seed), as_json, loss_below)


def _shallow_step(text: str | None, network: ShallowNetwork, data: Dataset) -> float:
    """Read --step-size, which has no default on data; what is stable is said instead."""
    if text is not None and (size := _step_size(text)) != "safe":
        return float(size)
    from ..descent import largest_stable_step

    given = "has no --step-size safe" if text else "needs --step-size, a number"
    largest = largest_stable_step(network, data)
    raise InputError(f"A shallow network {given}. The largest stable step at this start is {largest:.3g}.")


def _step_size(text: str) -> float | str:
    if text == "safe":
        return text
    try:
        return float(text)
    except ValueError:
        raise InputError(f"--step-size must be a number or safe. Got {text!r}.") from None
