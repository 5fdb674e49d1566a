"""thalweg check: which theorems guarantee that a network can be trained on a data file?"""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from ._output import JsonOption, print_json, say
from ._shallow import Activation, Init, Law


def check(
    file: Annotated[Path, typer.Argument(help="Data file: .npz, .csv or .tsv.")],
    width: Annotated[int, typer.Option(help="Number of neurons.")],
    target: Annotated[str | None, typer.Option(help="Column of the data file that holds the labels.")] = None,
    epsilon: Annotated[float, typer.Option(help="Probability of failure to allow for.")] = 0.05,
    init: Annotated[Init, typer.Option(help="Law of the start.")] = Init.dominated,
    law: Annotated[
        Law | None, typer.Option(help="Law the data are drawn from, if known: some theorems speak of laws.")
    ] = None,
    activation: Annotated[Activation, typer.Option(help="Activation.")] = Activation.relu,
    slope: Annotated[float, typer.Option(help="Slope below zero of leaky_relu.")] = 0.0,
    as_json: JsonOption = False,
) -> None:
    """Check which theorems apply to a data file, by what margin, and what they guarantee.

    Exit code 0 if some theorem guarantees that the loss tends to 0 from at least a share 1 - epsilon of the starts,
    1 if none does, 2 for bad input.

    Examples:

      thalweg check genes.csv --target relapse --width 60

      thalweg check data.npz --width 50 --epsilon 0.01 --init balanced --json

      thalweg check data.npz --width 50 --activation leaky_relu --slope 0.1
    """
    from .. import check as examine
    from ..data import load

    report = examine(
        data=load(file, target),
        width=width,
        epsilon=epsilon,
        init=init.value,
        law=None if law is None else law.value,
        activation=activation.value,
        slope=slope,
    )
    if as_json:
        print_json(report.to_dict())
    else:
        typer.echo(str(report))
        if report.converges:
            column = ["--target", target] if target else []
            start = ["--width", str(width), "--init", init.value]
            start += ["--activation", activation.value, "--slope", str(slope)] if slope else []
            say("run", shlex.join(["thalweg", "flow", "--data", str(file), *column, *start]))
    if not report.converges:
        raise typer.Exit(1)
