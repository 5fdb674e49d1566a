"""Certificates of deep linear networks: from a state, and along a run."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from ... import _validate as check
from ..._outcome import Outcome
from ...data.target import Target
from ...flow.linear.drive import fitting
from ...flow.stops import RunningState, Stop
from ...networks.deep_linear import DeepLinearNetwork
from ..certificate import Certificate
from .conserved import conserved
from .enclosed import Found, Problem
from .near_target import near_target
from .nearby import nearby

# Between two attempts the excess loss must have fallen by this factor; C costs as much as many steps of a flow.
_FALL, _FALL_NEARBY = 0.8, 0.3


def certify_deep_linear(network: DeepLinearNetwork, target: object, *, step_size: float | None = None) -> Certificate:
    """Prove that a deep linear network learns its target from this state, by the flow or by gradient descent.

    The rate of the certificate is 2 mu:

        R(t) - R* <= (R(t0) - R*) exp(-rate (t - t0)) for all t >= t0, for the flow, and
        R_{k+1} - R* <= (1 - step_size rate) (R_k - R*) from here on, for gradient descent.

    Parameters
    ----------
    network : DeepLinearNetwork
        The state: a start, or any network along a run. Structured networks are not written out.
    target : Target
        Its second moment must be proved to be positive definite; what is singular to rounding is left undecided.
    step_size : float, optional
        Speak of plain gradient descent with this constant step size (test C only) instead of the flow.

    Returns
    -------
    Certificate
        *converges* (tests A, B, C) or *undecided*. Of A and B the one with the better rate; C where neither holds.

    Raises
    ------
    InputError
        For shapes that do not fit, or a step size that is not a positive number.

    Examples
    --------
    >>> import numpy as np, thalweg as tw
    >>> target = tw.Target(-np.eye(6))
    >>> certificate = tw.certify(tw.init.zas(depth=1_000_000, dim=6), target)
    >>> certificate.verdict, certificate.test, round(certificate.rate, 6)
    ('converges', 'A', 2.0)
    >>> tw.certify(tw.init.near_identity(10, 6, scale=0.0), target).verdict
    'undecided'
    """
    if not isinstance(target, Target):
        raise check.fail("certify", "data", "be a Target (tw.Target(Phi))", type(target).__name__)
    fitting("certify", network, target)
    if step_size is not None:
        step_size = check.real("certify", "step_size", step_size, above=0.0)
    with np.errstate(all="ignore"):  # what overflows or is NaN proves nothing
        problem = Problem.of(network, target)
        if not problem.least > 0:
            says = "the second moment of the data is singular, to rounding"
            return conclude(problem, [Found("data", False, says)])
        if step_size is not None:
            return conclude(problem, [nearby(problem, step_size)])
        tried = [conserved(problem), near_target(problem)]
        if not any(found.holds for found in tried):
            tried.append(nearby(problem))
        return conclude(problem, tried)


def conclude(problem: Problem, tried: list[Found]) -> Certificate:
    """Put what the tests found into a certificate."""
    network, target = problem.network, problem.target
    best = max(tried, key=lambda found: (found.holds, found.rate, found.slack))
    return Certificate(
        verdict="converges" if best.holds else "undecided",
        test=best.test if best.holds else "",
        rate=best.rate,
        radius=best.radius,
        loss=network.loss(target),
        limit_loss=target.floor if best.holds else None,
        loss_floor=target.floor,
        stuck=np.zeros(0, np.int64),
        slack=best.slack,
        reasons=tuple((each.test, each.says) for each in tried),
        network=network,
        data=target,
        witness=best.witness,
    )


@dataclass
class LinearWatch(Stop):
    """The attempts of one run of a deep linear network: A once, as it is conserved, B and C as the loss falls."""

    target: Target
    step_size: float | None = None
    conserved_tried: bool = False
    near: float = field(default=math.inf)
    nearby: float = field(default=math.inf)

    def __call__(self, state: RunningState) -> Outcome | None:
        excess = state.loss - self.target.floor
        if not excess <= self.near:
            return None
        self.near = _FALL * excess
        network = state.network()
        assert isinstance(network, DeepLinearNetwork)
        with np.errstate(all="ignore"):
            problem = Problem.of(network, self.target)
            if not problem.least > 0:
                return None
            held = self.step_size is None and near_target(problem).holds
            if self.step_size is None and not self.conserved_tried:
                self.conserved_tried = True
                held = held or conserved(problem).holds
            if not held and excess <= self.nearby:
                self.nearby = _FALL_NEARBY * excess
                held = nearby(problem, self.step_size).holds
        return Outcome.CERTIFIED if held else None
