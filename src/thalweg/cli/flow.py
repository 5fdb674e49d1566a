"""thalweg flow: follow the gradient flow on a data file, on a law, or towards the target of a deep linear network."""

from __future__ import annotations

import shlex
import sys
from enum import StrEnum
from functools import reduce
from operator import or_
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from .. import _validate as check
from .._errors import InputError
from .._outcome import Outcome
from ._linear import (
    OPTIONS,
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
    refuse,
)
from ._output import JsonOption, in_numbers, print_json, say, writable

if TYPE_CHECKING:
    from numpy.random import SeedSequence

    from ..data.dataset import Dataset
    from ..flow import Stop
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


_Kinds = TypeVar("_Kinds", Init, LinearInit)
# Options that a deep linear network does not have.
_SHALLOW = (
    *("data", "law", "n", "d", "width", "activation", "slope"),
    *("accept_contradictions", "threads", "report"),
)


def flow(
    ctx: typer.Context,
    model: Annotated[Model, typer.Option(help="Kind of network.")] = Model.shallow,
    data: Annotated[Path | None, typer.Option(help="Data file: .npz, .csv or .tsv.")] = None,
    target: Annotated[
        str | None,
        typer.Option(
            help="Column of the data file that holds the labels. Deep linear: random, negative-identity, or a file "
            "(.npy, .npz or .csv) with a matrix."
        ),
    ] = None,
    law: Annotated[Law | None, typer.Option(help="Draw the data from a law instead.")] = None,
    n: Annotated[int | None, typer.Option("--n", help="Samples to draw from the law.")] = None,
    d: Annotated[int | None, typer.Option("--d", help="Inputs of the law (orthogonal: d = n).")] = None,
    width: Annotated[int, typer.Option(help="Number of neurons.")] = 30,
    init: Annotated[
        str | None,
        typer.Option(
            help="The start: dominated (the default), balanced or gaussian. Deep linear: zas (the default), "
            "near-identity, xavier, orthogonal or balanced-layers."
        ),
    ] = None,
    depth: DepthOption = None,
    dim: DimOption = 10,
    alpha: AlphaOption = 1.0,
    zero_layer: ZeroLayerOption = None,
    beta: BetaOption = 0.0,
    scale: ScaleOption = None,
    activation: Annotated[Activation, typer.Option(help="Activation.")] = Activation.relu,
    slope: Annotated[float, typer.Option(help="Slope below zero of leaky_relu.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Seed of the start, and of the law or a random target.")] = 0,
    t_end: Annotated[float, typer.Option(help="Time to flow to.")] = 100.0,
    rtol: Annotated[float, typer.Option(help="Relative tolerance.")] = 1e-6,
    loss_below: Annotated[float | None, typer.Option(help="Stop at this loss; exit code 1 if not reached.")] = None,
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
    report: Annotated[Path | None, typer.Option(help="Write a self-contained HTML report here.")] = None,
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

      thalweg flow --model deep-linear --depth 8 --init xavier --target random --t-end 1e4 --certify
    """
    writable("--out", out)
    if model is Model.deep_linear:
        refuse(ctx, _SHALLOW, "--model shallow")
        options = LinearOptions(target, _one_of(LinearInit, init), depth, dim, alpha, zero_layer, beta, scale)
        _follow_linear(options, ctx, seed, t_end, rtol, loss_below, certify, out, as_json)
        return
    refuse(ctx, OPTIONS, "--model deep-linear")
    writable("--report", report)
    if out is not None and out == report:
        raise InputError(f"--out and --report must be two files. Got {str(out)!r} for both.")
    data_seed, start_seed = check.seed_sequence("thalweg flow", seed).spawn(2)
    dataset = _data(data, target, law, n, d, data_seed)
    network = _start(_one_of(Init, init), dataset.d, width, start_seed, activation, slope)
    from .. import certify as prove
    from .. import flow as follow

    traj = follow(
        network,
        dataset,
        t_end=t_end,
        rtol=rtol,
        stop=_stop(loss_below, certify),
        progress=not as_json,
        threads=threads,
        accept_contradictions=accept_contradictions,
    )
    saved = []
    if out is not None:
        saved.append(traj.save(out))
    if report is not None:
        from ..report import write

        saved.append(write(traj, report, title=f"Gradient flow on {dataset.name}", command=_command()))
    certificate = prove(traj.final, dataset) if certify else None
    proof = {"certificate": certificate.to_dict()} if certificate else {}
    if as_json:
        print_json(in_numbers(traj) | proof | {"saved": [str(path) for path in saved]})
    else:
        typer.echo(str(traj))
        if certificate:
            typer.echo(str(certificate))
        if saved:
            say("saved", ", ".join(str(path) for path in saved))
    missed = loss_below is not None and traj.loss[-1] > loss_below
    unproved = certificate is not None and certificate.verdict != "converges"
    if missed or unproved or traj.outcome.failed or traj.outcome is Outcome.INTERRUPTED:
        raise typer.Exit(1)


def _follow_linear(
    options: LinearOptions,
    ctx: typer.Context,
    seed: int,
    t_end: float,
    rtol: float,
    loss_below: float | None,
    certify: bool,
    out: Path | None,
    as_json: bool,
) -> None:
    network, goal = options.problem(ctx, seed)
    from .. import certify as prove
    from .. import flow as follow

    stop = _stop(loss_below, certify)
    traj = follow(network, goal, t_end=t_end, rtol=rtol, stop=stop, progress=not as_json)
    finish(traj, out, as_json, loss_below, prove(traj.final, goal) if certify else None)


def _stop(loss_below: float | None, certify: bool) -> Stop | None:
    from .. import Certified, LossBelow

    conditions = [*([LossBelow(loss_below)] if loss_below is not None else []), *([Certified()] if certify else [])]
    return reduce(or_, conditions) if conditions else None


def _one_of(kinds: type[_Kinds], init: str | None) -> _Kinds:
    """Read --init, by default the first of its kind."""
    names = list(kinds)
    if init is not None and init not in names:
        model = "deep linear" if kinds is LinearInit else "shallow"
        raise InputError(f"--init of a {model} network must be one of {', '.join(names)}. Got {init!r}.")
    return names[0] if init is None else kinds(init)


def _data(
    file: Path | None, target: str | None, law: Law | None, n: int | None, d: int | None, seed: SeedSequence
) -> Dataset:
    from ..data import load, orthogonal, sphere

    if (file is None) == (law is None):
        raise InputError("Give the data by one of --data FILE and --law sphere|orthogonal.")
    if file is not None:
        if n is not None or d is not None:
            raise InputError("--n and --d belong to --law; the file given by --data has its own size.")
        return load(file, target)
    if target is not None:
        raise InputError("--target belongs to --data; a law draws its own labels.")
    if n is None:
        raise InputError(f"--law {law.value if law else ''} needs --n, the number of samples.")
    if law is Law.orthogonal:
        if d not in (None, n):
            raise InputError(f"--law orthogonal has as many inputs as samples: leave out --d. Got {d}.")
        return orthogonal(n, seed=seed)
    if d is None:
        raise InputError("--law sphere needs --d, the number of inputs.")
    return sphere(n, d, seed=seed)


def _start(init: Init, d: int, width: int, seed: SeedSequence, activation: Activation, slope: float) -> ShallowNetwork:
    from .. import init as laws

    draw = {Init.dominated: laws.dominated, Init.balanced: laws.balanced, Init.gaussian: laws.gaussian}[init]
    return draw(d, width, seed=seed, activation=activation.value, slope=slope)


def _command() -> str:
    return shlex.join(["thalweg", *sys.argv[1:]])
