"""thalweg certify: prove what becomes of a run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .._errors import InputError
from ._output import JsonOption, print_json, say, writable

if TYPE_CHECKING:
    from ..certify import Certificate


def certify(
    run: Annotated[Path, typer.Argument(help="A saved trajectory (.npz), or a saved certificate (.json) to verify.")],
    when: Annotated[int, typer.Option(help="Output time to certify, counted from 0; -1 is the end of the run.")] = -1,
    exact: Annotated[
        bool, typer.Option("--exact", help="Verify in ball arithmetic (needs the extra 'verify').")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="Save the certificate here (.json).")] = None,
    as_json: JsonOption = False,
) -> None:
    """Prove that a saved run converges, or that it is stuck, from one of its states.

    Every certificate is verified with other arithmetic before it is shown. Given a saved certificate, it is verified
    only. Exit code 0 if it is certified that the loss tends to 0, 1 if not (stuck, or undecided), 2 for bad input.

    Examples:

      thalweg certify run.npz

      thalweg certify run.npz --out proof.json

      thalweg certify proof.json --exact
    """
    writable("--out", out)
    certificate = _certificate(run, when)
    verified = certificate.verify(exact=exact)
    if out is not None:
        certificate.save(out)
    if as_json:
        saved = [str(out)] if out is not None else []
        print_json(certificate.to_dict() | {"verified": verified, "saved": saved})
    else:
        _print(certificate, verified, exact)
        if out is not None:
            say("saved", str(out))
    if not (certificate.verdict == "converges" and verified):
        raise typer.Exit(1)


def _certificate(path: Path, when: int) -> Certificate:
    from ..certify import Certificate
    from ..certify import certify as prove
    from ..flow.trajectory import Trajectory

    if path.suffix.lower() == ".json":
        return Certificate.load(path)
    traj = Trajectory.load(path)
    if not -len(traj) <= when < len(traj):
        raise InputError(f"--when must be an output time of the run, {-len(traj)} to {len(traj) - 1}. Got {when}.")
    if when in (-1, len(traj) - 1):
        return prove(traj.final, traj.data)
    try:
        return prove(traj.networks[when], traj.data)
    except IndexError as error:
        raise InputError(f"--when {when}: {error}") from None


def _print(certificate: Certificate, verified: bool, exact: bool) -> None:
    typer.echo(certificate.explain())
    if certificate.decided:
        how = "in ball arithmetic" if exact else "from its parts, in other arithmetic"
        say("verified" if verified else "REFUSED", how if verified else f"the proof does not hold {how}")
