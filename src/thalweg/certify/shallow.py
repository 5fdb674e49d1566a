"""tw.certify: try the tests from the cheapest to the most searching one."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from .. import _validate as check
from ..data.dataset import Dataset
from ..data.target import Target
from ..networks.deep_linear import DeepLinearNetwork
from ..networks.shallow import ShallowNetwork, refuse_extremes
from .base import Finding
from .certificate import Certificate
from .early import early_tests
from .geometry import Geometry
from .linear import certify_deep_linear
from .rounding import above, below, gamma
from .silent import dead
from .slabs import nearby
from .state import State


def certify(
    network: ShallowNetwork | DeepLinearNetwork, data: Dataset | Target, *, step_size: float | None = None
) -> Certificate:
    """Prove what becomes of the gradient flow from this state, if one of the tests can.

    Parameters
    ----------
    network : ShallowNetwork or DeepLinearNetwork
        The state: a start, or any network along a trajectory. ReLU or leaky ReLU; for deep linear networks see
        `thalweg.certify.linear.certify_deep_linear`.
    data : Dataset or Target
        Inputs and labels; the target of a deep linear network.
    step_size : float, optional
        Speak of plain gradient descent with this constant step size instead of the flow. Deep linear networks only.

    Returns
    -------
    Certificate
        *converges* (tests A0, leaky, A, B), *stuck* (N1, N) or *undecided*, with rate, radius, limit and reasons.

    Raises
    ------
    InputError
        For a network that does not fit the data.

    Notes
    -----
    A0 and A are sharpened forms of the stopping rule and of the main theorem of Dana, Bach and Pillaud-Vivien (2025);
    B and N bound how far the network can still move. See the chapter on certificates for statements and proofs.

    Examples
    --------
    >>> import thalweg as tw
    >>> data = tw.data.sphere(20, 5000, seed=1)
    >>> certificate = tw.certify(tw.init.dominated(5000, 30, seed=2), data)
    >>> certificate.verdict, certificate.test, certificate.verify()
    ('converges', 'A', True)
    """
    if isinstance(network, DeepLinearNetwork):
        return certify_deep_linear(network, data, step_size=step_size)
    if not isinstance(network, ShallowNetwork):
        must = "be a ShallowNetwork or a DeepLinearNetwork"
        raise check.fail("certify", "network", must, type(network).__name__)
    if step_size is not None:
        must = "be left out for a ShallowNetwork: only its flow is certified"
        raise check.fail("certify", "step_size", must, step_size)
    if not isinstance(data, Dataset):
        raise check.fail("certify", "data", "be a Dataset (tw.Dataset(X, y))", type(data).__name__)
    if network.d != data.d:
        raise check.fail("certify", "network", f"have {data.d} inputs, as the data have", f"d = {network.d}")
    refuse_extremes(network, data)
    state = State.of(network, Geometry(data))
    findings: list[Finding] = []
    for finding in _tests(state):
        findings.append(finding)
        if finding.holds:
            return conclude(finding, findings, state, network)
    return _undecided(findings, state, network)


def _tests(state: State) -> Iterator[Finding]:
    for test in early_tests(state):
        yield test(state)
    finding = nearby(state)
    yield finding
    if not finding.holds:  # N says more than N1 where both hold
        yield dead(state)


def conclude(finding: Finding, findings: list[Finding], state: State, network: ShallowNetwork) -> Certificate:
    """Put what a finding proves into a certificate."""
    n, y = state.n, state.y
    floor = float(np.sum(y[finding.stuck] ** 2)) / (2 * n)
    R = finding.residual
    still = finding.exact and R == 0
    return Certificate(
        verdict=finding.verdict,
        test=finding.test,
        rate=below(2 * finding.lam / n),
        # int |(W', a')| dt <= sqrt(p R T) with T <= R/lam.
        radius=above(R * math.sqrt(state.p / finding.lam)) if finding.lam > 0 else 0.0 if still else math.inf,
        loss=_loss(state),
        limit_loss=floor if finding.exact else None,
        loss_floor=below(floor * (1 - gamma(n + 2))),
        stuck=finding.stuck,
        slack=finding.slack,
        reasons=tuple((each.test, each.says) for each in findings),
        network=network,
        data=state.geometry.data,
        witness=finding.witness,
    )


def _undecided(findings: list[Finding], state: State, network: ShallowNetwork) -> Certificate:
    return Certificate(
        verdict="undecided",
        test="",
        rate=0.0,
        radius=math.inf,
        loss=_loss(state),
        limit_loss=None,
        loss_floor=0.0,
        stuck=np.zeros(0, np.int64),
        slack=max(each.slack for each in findings),
        reasons=tuple((each.test, each.says) for each in findings),
        network=network,
        data=state.geometry.data,
    )


def _loss(state: State) -> float:
    return float(state.r @ state.r) / (2 * state.n)
