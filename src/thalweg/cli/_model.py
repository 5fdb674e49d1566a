"""The choice between the two kinds of networks, which flow and descend leave to an option."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, TypeVar

import typer

from .._errors import InputError
from . import _linear, _shallow
from ._linear import LinearInit
from ._shallow import Init


class Model(StrEnum):
    """Kinds of networks."""

    shallow = "shallow"
    deep_linear = "deep-linear"


ModelOption = Annotated[
    Model | None, typer.Option(help="Kind of network; deep-linear if --depth is given, shallow otherwise.")
]
TargetOption = Annotated[
    str | None,
    typer.Option(
        help="Column of the data file that holds the labels. Deep linear: random, negative-identity, or a file "
        "(.npy, .npz or .csv) with a matrix."
    ),
]
InitOption = Annotated[
    str | None,
    typer.Option(
        help="The start: dominated (the default), balanced or gaussian. Deep linear: zas (the default), "
        "near-identity, xavier, orthogonal or balanced-layers."
    ),
]
SeedOption = Annotated[int, typer.Option(help="Seed of the start, and of the law or a random target.")]
LossBelowOption = Annotated[float | None, typer.Option(help="Stop at this loss; exit code 1 if not reached.")]

_Kinds = TypeVar("_Kinds", Init, LinearInit)


def chosen(
    ctx: typer.Context,
    model: Model | None,
    depth: int | None,
    *,
    shallow_only: Iterable[str] = (),
    linear_only: Iterable[str] = (),
) -> Model:
    """Return the kind of network, with the options refused that belong to the other kind."""
    kind = model or (Model.shallow if depth is None else Model.deep_linear)
    if kind is Model.deep_linear:
        _linear.refuse(ctx, (*_shallow.OPTIONS, *shallow_only), "--model shallow")
    else:
        _linear.refuse(ctx, (*_linear.OPTIONS, *linear_only), "--model deep-linear")
    return kind


def one_of(kinds: type[_Kinds], init: str | None) -> _Kinds:
    """Read --init, by default the first of its kind."""
    names = list(kinds)
    if init is not None and init not in names:
        model = "deep linear" if kinds is LinearInit else "shallow"
        raise InputError(f"--init of a {model} network must be one of {', '.join(names)}. Got {init!r}.")
    return names[0] if init is None else kinds(init)
