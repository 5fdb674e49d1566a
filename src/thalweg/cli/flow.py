"""thalweg flow: follow the gradient flow on a data file, on a law, or towards the target of a deep linear network."""

from __future__ import annotations

from functools import reduce
from operator import or_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from . import _linear, _shallow
from ._linear import LinearInit, LinearOptions
from ._model import InitOption, LossBelowOption, Model, ModelOption, SeedOption, TargetOption, chosen, one_of
from ._output import JsonOption, ReportOption, finish, keep, refuse_outputs
from ._shallow import Init, ShallowOptions

if TYPE_CHECKING:
    from ..flow import Stop


def flow(
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
    t_end: Annotated[float, typer.Option(help="Time to flow to.")] = 100.0,
    rtol: Annotated[float, typer.Option(help="Relative tolerance.")] = 1e-6,
    loss_below: LossBelowOption = None,
    certify: Annotated[
        bool,
        typer.Option(
            "--certify", help="Stop once it is proved what becomes of the run; exit code 1 if it is not to 0."
        ),
    ] = False,
    accept_contradictions: Annotated[
        bool,
        typer.Option("--accept-contradictions", help="Flow even if equal inputs carry different labels."),
    ] = False,
    threads: Annotated[int, typer.Option(help="Threads to compute with.")] = 1,
    out: Annotated[Path | None, typer.Option(help="Save the trajectory here (.npz).")] = None,
    report: ReportOption = None,
    as_json: JsonOption = False,
) -> None:
    """Follow the exact gradient flow of a network: one hidden layer on data, or deep linear towards a target.

    Ctrl-C stops early; what was computed is shown and saved.

    Examples:

      thalweg flow --data genes.csv --target relapse --width 60 --report genes.html

      thalweg flow --law sphere --n 60 --d 2000 --t-end 120 --out run.npz

      thalweg flow --law sphere --n 60 --d 2000 --t-end 1e4 --certify

      thalweg flow --law orthogonal --n 500 --loss-below 1e-6 --json

      thalweg flow --model deep-linear --depth 1000 --init zas --target random --t-end 3

      thalweg flow --depth 8 --init xavier --target random --t-end 1e4 --certify
    """
    refuse_outputs(out, report)
    kind = chosen(ctx, model, depth, shallow_only=("accept_contradictions", "threads"))
    from .. import certify as prove
    from .. import flow as follow

    stop = _stop(loss_below, certify)
    if kind is Model.deep_linear:
        start = one_of(LinearInit, init)
        options = LinearOptions(target, start, depth, dim, alpha, zero_layer, beta, scale)
        network, goal = options.problem(ctx, seed)
        run = follow(network, goal, t_end=t_end, rtol=rtol, stop=stop, progress=False if as_json else None)
        saved = keep(run, out, report, seed, certify)
        proof = prove(run.final, goal) if certify else None
        finish(run, _linear.in_numbers(run), saved, as_json, loss_below, proof)
        return
    problem = ShallowOptions(data, target, law, n, d, one_of(Init, init), width, activation, slope)
    hidden, dataset = problem.problem("flow", seed)
    traj = follow(
        hidden,
        dataset,
        t_end=t_end,
        rtol=rtol,
        stop=stop,
        progress=False if as_json else None,
        threads=threads,
        accept_contradictions=accept_contradictions,
    )
    saved = keep(traj, out, report, seed, certify)
    certificate = prove(traj.final, dataset) if certify else None
    finish(traj, _shallow.flow_in_numbers(traj), saved, as_json, loss_below, certificate)


def _stop(loss_below: float | None, certify: bool) -> Stop | None:
    from .. import Certified, LossBelow

    conditions = [*([LossBelow(loss_below)] if loss_below is not None else []), *([Certified()] if certify else [])]
    return reduce(or_, conditions) if conditions else None
