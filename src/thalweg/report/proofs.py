"""The certificate timeline: what is proved from a few states of a run, and from when on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from ..flow.linear import LinearTrajectory
from ..flow.trajectory import Trajectory
from ..plot.sampling import spread
from .content import Chart, Key, Table, number
from .drawing import layout, logarithmic, numbers, trace

if TYPE_CHECKING:
    from ..certify import Certificate
    from ..descent import DescentTrajectory
    from ..networks.deep_linear import DeepLinearNetwork
    from ..networks.shallow import ShallowNetwork

# States of a flow that are certified: each may take seconds.
_STATES = 9
_LOOKS = {"converges": ("green", "circle"), "stuck": ("orange", "x"), "undecided": ("grey", "circle-open")}


@dataclass(frozen=True)
class _Proof:
    """A certificate at one place of the run, and whether the verification confirmed it."""

    x: float
    certificate: Certificate
    verified: bool


def timeline(traj: Trajectory | LinearTrajectory | DescentTrajectory) -> tuple[Chart, Table]:
    """Certify states of a run, verify each certificate, and return them as a chart and as a table.

    Of a flow of a shallow network, up to nine of the output times whose network was kept; of other runs the start and
    the end, which are what is kept of them.
    """
    iteration = None if isinstance(traj, Trajectory) else traj.iteration
    label, x = ("time t", traj.t) if iteration is None else ("iteration", iteration)
    proofs = [_prove(float(x[k]), network, traj) for k, network in _states(traj)]
    first = next((each for each in proofs if each.certificate.decided and each.verified), None)
    said = "No state of those tried is decided."
    if first is not None:
        means = "the loss tends to its least value" if first.certificate.verdict == "converges" else "the loss is stuck"
        said = f"First decided at {label} {number(first.x)}: {means} (test {first.certificate.test})."
    looks = {verdict: (colour, "", symbol) for verdict, (colour, symbol) in _LOOKS.items() if _of(proofs, verdict)}
    chart = Chart(
        "Certificate timeline",
        f"{said} {len(proofs)} states were tried; {_about(traj)}",
        [trace(x, traj.loss, "loss", "blue", "solid"), *_marks(proofs)],
        layout(label, "loss L", logarithmic(traj.loss)),
        (Key("loss", "blue", "solid"), *(Key(name, *look) for name, look in looks.items())),
        _table(proofs, label),
    )
    last = proofs[-1].certificate
    reasons = tuple((test or "-", says) for test, says in last.reasons)
    return chart, Table(
        "Certificate at the end",
        ("test", "what it found"),
        reasons,
        ": ".join(last.explain().splitlines()[0].split(maxsplit=1)),
    )


def _states(
    traj: Trajectory | LinearTrajectory | DescentTrajectory,
) -> list[tuple[int, ShallowNetwork | DeepLinearNetwork]]:
    """Return indices of output times with their networks."""
    if isinstance(traj, Trajectory):
        kept = traj.networks.kept
        return [(int(kept[k]), traj.networks[int(kept[k])]) for k in spread(len(kept), _STATES)]
    begun = [(0, traj.start)] if traj.t[0] == 0 and len(traj) > 1 else []
    return [*begun, (-1, traj.final)]


def _prove(
    x: float, network: ShallowNetwork | DeepLinearNetwork, traj: Trajectory | LinearTrajectory | DescentTrajectory
) -> _Proof:
    from ..certify import certify

    if isinstance(traj, LinearTrajectory):
        certificate = certify(network, traj.target, step_size=_constant_step(traj))
    else:
        certificate = certify(network, traj.data)
    return _Proof(x, certificate, certificate.decided and certificate.verify())


def _constant_step(traj: LinearTrajectory) -> float | None:
    """Return the step of plain gradient descent, which certificates can speak of; None for flows and momentum."""
    if traj.iteration is None or traj.settings["momentum"]:
        return None
    return float(traj.settings["step_size"])  # type: ignore[arg-type]


def _about(traj: Trajectory | LinearTrajectory | DescentTrajectory) -> str:
    if isinstance(traj, Trajectory) or (isinstance(traj, LinearTrajectory) and traj.iteration is None):
        return "each certificate is about the flow from there on."
    if isinstance(traj, LinearTrajectory) and _constant_step(traj) is not None:
        return "each certificate is about gradient descent with this step size from there on."
    return "each certificate is about the gradient flow from there, not about the descent."


def _of(proofs: list[_Proof], verdict: str) -> list[_Proof]:
    return [each for each in proofs if each.certificate.verdict == verdict]


def _marks(proofs: list[_Proof]) -> list[dict[str, object]]:
    marks = []
    for verdict, (colour, symbol) in _LOOKS.items():
        if here := _of(proofs, verdict):
            x, loss = (np.array(values) for values in zip(*((p.x, p.certificate.loss) for p in here), strict=True))
            mark = trace(x, loss, verdict, colour, "solid") | {"mode": "markers", "y": numbers(loss)}
            mark["marker"] |= {"symbol": symbol, "size": 11, "line": {"width": 2}}
            mark["hovertemplate"] = "%{text}<br>%{x:.5g}: %{y:.5g}<extra></extra>"
            mark["text"] = [f"{verdict} {p.certificate.test}" for p in here]
            marks.append(mark)
    return marks


def _table(proofs: list[_Proof], label: str) -> Table:
    columns = (label, "loss", "verdict", "test", "rate at least", "slack", "verified")
    rows = []
    for each in proofs:
        c = each.certificate
        decided = (c.test, number(c.rate), number(c.slack), "yes" if each.verified else "REFUSED")
        rows.append((number(each.x), number(c.loss), c.verdict, *(decided if c.decided else ("-",) * 4)))
    return Table("Certificate timeline", columns, tuple(rows), "Each verdict was verified with other arithmetic.")
