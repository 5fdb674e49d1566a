"""Step sizes for plain gradient descent from zero-asymmetric starts: the proved one, and one to keep away from."""

from __future__ import annotations

import math

from .. import _validate as check
from ..data.target import Target
from ..networks.deep_linear import DeepLinearNetwork
from ..networks.forms import ZeroAsymmetric, zero_asymmetric

# Steps within this distance of the one-step size, relative, leave at most 1 % of the loss after one step.
_NEAR = 0.1


def safe_step(network: DeepLinearNetwork, target: Target, *, norm: float | None = None) -> float:
    """Return the largest step size eta* with a proof: no overshoot, no oscillation, from exact ZAS.

    With N = L - 1, a0 = alpha^(2N) and s the spectral norm of Phi,

        eta* = 1 / ((max(e a0, N s^2/alpha^2) + N s^2/alpha^2) lambda_max),   e = 2.718...,

    and R_k - R* <= (1 - eta a0 lambda_min)^(2k) (R_0 - R*) for every eta <= eta*, every mode of the target growing
    monotonically. lambda_min and lambda_max are the extreme nonzero eigenvalues of the second moment of the data, 1
    if they are whitened. Nearly sharp: overshoot was seen from 1.06 eta* on.

    Parameters
    ----------
    network : DeepLinearNetwork
        A zero-asymmetric start.
    target : Target
        Whitened, or with a second moment that commutes with Phi^T Phi.
    norm : float, optional
        An upper bound of the spectral norm of Phi to use in its place.

    Raises
    ------
    InputError
        If the start is not exactly zero-asymmetric or the data do not commute with the target: nothing is proved there.

    Examples
    --------
    >>> import thalweg as tw
    >>> tw.descent.safe_step(tw.init.zas(101, 2), tw.Target([[2.0, 0.0], [0.0, 1.0]]))
    0.00125
    """
    owner = "safe_step"
    form = zero_asymmetric(network)
    if form is None:
        must = "be exactly zero-asymmetric (tw.init.zas) for a proved step: give step_size as a number otherwise"
        raise check.fail(owner, "network", must, repr(network))
    if target.spectrum is None:
        must = "have data whose second moment commutes with Phi^T Phi for a proved step: give step_size as a number"
        raise check.fail(owner, "target", must, repr(target))
    size = target.norm if norm is None else check.real(owner, "norm", norm, at_least=target.norm * (1 - 1e-12))
    push = form.hidden * (size / form.alpha) ** 2
    return 1.0 / ((max(math.e * first_gain(form), push) + push) * target.moment_range[1])


def first_gain(form: ZeroAsymmetric) -> float:
    """Return a0 = alpha^(2N), the factor from the step size to the part of the error a first step takes away."""
    return math.exp(2 * form.hidden * math.log(form.alpha))


def one_step_note(form: ZeroAsymmetric, target: Target, step_size: float) -> str | None:
    """Say so if the step size all but solves every whitened target in one step, which makes comparisons vacuous."""
    if target.scale is None:
        return None
    gain = first_gain(form) * target.scale
    left = abs(1.0 - step_size * gain)
    if left > _NEAR:
        return None
    return (
        f"step_size = {step_size:.6g} lies next to alpha^(-2(L-1)) = {1 / gain:.6g}: on whitened data the first step "
        f"from this start leaves {left:.2g} of the error whatever the target. A grid of step sizes that contains or "
        "approaches this value says nothing about the start; keep it a factor of 2 away."
    )
