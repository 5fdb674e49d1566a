"""thalweg certify: prove what becomes of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .._errors import InputError
from .._files import saved_kind
from ._checkpoint import certify_checkpoint, is_checkpoint
from ._linear import refuse
from ._model import Model
from ._output import JsonOption, print_json, say, writable

if TYPE_CHECKING:
    from ..certify import Certificate
    from ..flow.linear import LinearTrajectory
    from ..networks.deep_linear import DeepLinearNetwork


def certify(
    ctx: typer.Context,
    run: Annotated[
        Path,
        typer.Argument(
            help="A saved trajectory (.npz), a saved certificate (.json) to verify, or a PyTorch checkpoint (.pt)."
        ),
    ],
    when: Annotated[int, typer.Option(help="Output time to certify, counted from 0; -1 is the end of the run.")] = -1,
    data: Annotated[Path | None, typer.Option(help="Checkpoint: the data file, .npz, .csv or .tsv.")] = None,
    target: Annotated[
        str | None,
        typer.Option(
            help="Checkpoint: column of the data file that holds the labels; of a deep linear network without --data, "
            "a file (.npy, .npz or .csv) with the matrix to learn."
        ),
    ] = None,
    model: Annotated[
        Model | None, typer.Option(help="Checkpoint: kind of network, if it cannot be told from the weights.")
    ] = None,
    slope: Annotated[
        float, typer.Option(help="Checkpoint: slope below zero of a LeakyReLU, which a checkpoint does not hold.")
    ] = 0.0,
    step_size: Annotated[
        float | None, typer.Option(help="Deep linear: certify gradient descent with this step size, not the flow.")
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="Verify in ball arithmetic (needs the extra 'verify').")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Save the certificate here (.json).")] = None,
    as_json: JsonOption = False,
) -> None:
    """Prove that a saved run, or the training of a PyTorch checkpoint, converges or is stuck.

    Every certificate is verified with other arithmetic before it is shown. Given a saved certificate, it is verified
    only. Exit code 0 if it is certified that the loss tends to 0, 1 if not (stuck, or undecided), 2 for bad input.

    Examples:

      thalweg certify run.npz

      thalweg certify run.npz --out proof.json

      thalweg certify descent.npz --step-size 0.01

      thalweg certify proof.json --exact

      thalweg certify checkpoint.pt --data table.csv --target answer
    """
    writable("--out", out)
    read_as = ""
    if is_checkpoint(run):
        refuse(ctx, ("when",), "a run; a checkpoint is one state")
        certificate, read_as = certify_checkpoint(run, data, target, model, slope, step_size)
    else:
        refuse(ctx, ("data", "target", "model", "slope"), "a PyTorch checkpoint; a run has its own")
        certificate = _certificate(run, when, step_size)
    verified = certificate.verify(exact=exact)
    if out is not None:
        certificate.save(out)
    if as_json:
        saved = [str(out)] if out is not None else []
        extra = {"read_as": read_as} if read_as else {}
        print_json(certificate.to_dict() | extra | {"verified": verified, "saved": saved})
    else:
        if read_as:
            say("read as", read_as)
        _print(certificate, verified, exact)
        if out is not None:
            say("saved", str(out))
    if not (certificate.verdict == "converges" and verified):
        raise typer.Exit(1)


def _certificate(path: Path, when: int, step_size: float | None) -> Certificate:
    from ..certify import Certificate
    from ..certify import certify as prove
    from ..flow.linear import LinearTrajectory
    from ..flow.trajectory import Trajectory

    if path.suffix.lower() == ".json":
        if step_size is not None:
            raise InputError("--step-size belongs to a run; a certificate has its own.")
        return Certificate.load(path)
    if saved_kind(path) == "thalweg-linear-trajectory":
        run = LinearTrajectory.load(path)
        _refuse_time(when, len(run))
        return prove(_deep_linear(run, when), run.target, step_size=step_size)
    if step_size is not None:
        raise InputError("--step-size belongs to runs of deep linear networks: of shallow ones the flow is certified.")
    traj = Trajectory.load(path)
    _refuse_time(when, len(traj))
    if when in (-1, len(traj) - 1):
        return prove(traj.final, traj.data)
    try:
        return prove(traj.networks[when], traj.data)
    except IndexError as error:
        raise InputError(f"--when {when}: {error}") from None


def _refuse_time(when: int, count: int) -> None:
    if not -count <= when < count:
        raise InputError(f"--when must be an output time of the run, {-count} to {count - 1}. Got {when}.")


def _deep_linear(run: LinearTrajectory, when: int) -> DeepLinearNetwork:
    """Return the network at an output time, of which start and end are kept."""
    if when in (-1, len(run) - 1):
        return run.final
    if when in (0, -len(run)) and run.t[0] == 0:
        return run.start
    raise InputError(f"--when {when}: of a deep linear network only the start and the end (-1) are kept.")


def _print(certificate: Certificate, verified: bool, exact: bool) -> None:
    typer.echo(certificate.explain())
    if certificate.decided:
        how = "in ball arithmetic" if exact else "from its parts, in other arithmetic"
        say("verified" if verified else "REFUSED", how if verified else f"the proof does not hold {how}")
