"""Certificates checked again, from their parts, with arithmetic and code of their own.

Nothing here is shared with what makes certificates. Inputs, labels, weights and invariants are exact numbers; every
figure is computed again in extended precision with its error (`extended`, `enclosure`); the proofs are in
`replay_early` for the cheap tests, and in `replay_tube` and `replay_pull` for B and N; `balls` repeats the last step
in ball arithmetic. What a certificate says must follow from what is found. Of its witness only the choices are used.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .. import _validate as check
from .._typing import FloatArray, IntArray
from ..data.dataset import Dataset
from ..networks.shallow import ShallowNetwork
from . import balls, replay_early
from .certificate import Certificate
from .enclosure import Enclosure, Kernel, enclose
from .extended import UNIT, Real
from .replay_pull import Pull
from .replay_tube import Tube, rounding, snap
from .slabs import MOST_SLABS

_DOUBLE = 2.0**-53
# Angles |X| T beyond this would need hyperbolic functions of numbers no certificate has.
_LARGEST_ANGLE = 50


def verify(certificate: Certificate, *, exact: bool = False) -> bool:
    """Check a certificate again from its stored parts, with other arithmetic than it was made with.

    Parameters
    ----------
    certificate : Certificate
    exact : bool
        Check the final inequalities in ball arithmetic (python-flint, the extra `verify`) as well.

    Returns
    -------
    bool
        Whether verdict, rate, radius, losses and stuck samples are all confirmed. An undecided certificate claims
        nothing: False.

    Raises
    ------
    InputError
        If the network or the data of the certificate cannot be used.
    MissingExtraError
        For `exact` without python-flint.

    Examples
    --------
    >>> import dataclasses, thalweg as tw
    >>> data = tw.data.sphere(10, 1000, seed=1)
    >>> certificate = tw.certify(tw.init.dominated(1000, 20, seed=2), data)
    >>> certificate.verify()
    True
    >>> dataclasses.replace(certificate, rate=1.01 * certificate.rate).verify()
    False
    """
    if not isinstance(certificate, Certificate):
        raise check.fail("verify", "certificate", "be a Certificate", type(certificate).__name__)
    network, data = certificate.network, certificate.data
    if not isinstance(network, ShallowNetwork) or not isinstance(data, Dataset):
        got = f"{type(network).__name__} and {type(data).__name__}"
        raise check.fail("verify", "certificate", "speak of a ShallowNetwork and a Dataset", got)
    if network.d != data.d:
        must = f"have a network with {data.d} inputs, as its data have"
        raise check.fail("verify", "certificate", must, f"d = {network.d}")
    if exact:
        with balls.arithmetic():
            pass  # or say at once that python-flint is missing
    claim = _claim(certificate, data.n)
    if claim is None:
        return False
    with np.errstate(all="ignore"):  # what overflows or is NaN confirms nothing
        return bool(_confirmed(claim, Kernel(data), network, exact))


@dataclass(frozen=True)
class _Claim:
    """What a certificate says, as numbers that can be compared."""

    verdict: str
    test: str
    rate: float
    radius: float
    loss: float
    limit: float | None
    floor: float
    stuck: IntArray
    witness: Mapping[str, FloatArray]


def _claim(certificate: Certificate, n: int) -> _Claim | None:
    """Read the fields of a certificate about n samples; None if they make no sense."""
    try:
        rate, radius, loss, floor = (
            float(getattr(certificate, name)) for name in ("rate", "radius", "loss", "loss_floor")
        )
        limit = None if certificate.limit_loss is None else float(certificate.limit_loss)
        stuck = np.asarray(certificate.stuck)
        witness = {str(key): np.asarray(value, np.float64) for key, value in certificate.witness.items()}
    except (AttributeError, TypeError, ValueError, OverflowError):
        return None
    whole = stuck.ndim == 1 and (stuck.size == 0 or stuck.dtype.kind in "iu")
    if not whole or len(np.unique(stuck)) != stuck.size or ((stuck < 0) | (stuck >= n)).any():
        return None
    if not (math.isfinite(rate) and rate >= 0 and radius >= 0 and math.isfinite(loss) and math.isfinite(floor)):
        return None
    verdict, test = certificate.verdict, certificate.test
    if not isinstance(verdict, str) or not isinstance(test, str):
        return None
    return _Claim(verdict, test, rate, radius, loss, limit, floor, stuck.astype(np.int64), witness)


def _confirmed(claim: _Claim, kernel: Kernel, network: ShallowNetwork, exact: bool) -> bool:
    """Whether everything that is claimed follows."""
    state = enclose(network, kernel)
    live = np.ones(kernel.n, bool)
    live[claim.stuck] = False
    if claim.test == "N1":
        proved = replay_early.dead(state, kernel.data, claim.stuck)
        says = claim.verdict == "stuck" and claim.limit is None and claim.rate == 0 and math.isinf(claim.radius)
        return bool(proved and says and _same_loss(claim, state, kernel) and _same_floor(claim, kernel.data))
    if claim.test in ("A0", "leaky", "A"):
        pull = _early_pull(claim, state, kernel, exact) if live.all() else Real(0)
    elif claim.test in ("B", "N") and kernel.small:
        if not state.slope:
            # A silent sample with label 0 has residual 0, stuck like the others, but costs nothing.
            live &= ~((kernel.data.y == 0) & (state.z <= rounding(state, kernel)).all(axis=0))
        nearby = _snapped(state, network, kernel, live)
        if nearby is None:
            return False
        state, pull = nearby, _nearby_pull(claim, nearby, kernel, live, exact)
    else:
        return False
    level = float(np.sum(kernel.data.y[claim.stuck] ** 2))
    if claim.verdict != ("stuck" if level > 0 else "converges") or claim.limit is None:
        return False
    if not (_same_loss(claim, state, kernel) and _same_floor(claim, kernel.data) and _same_limit(claim)):
        return False
    return _follows(claim, pull, state, live)


def _follows(claim: _Claim, pull: Real, state: Enclosure, live: np.ndarray) -> bool:
    """Whether rate and radius follow from |r|' <= -pull |r|/n: the path is at most sqrt(p int |r| / n) R^(1/2)."""
    if not live.any():
        return bool(claim.rate == 0 and pull > 0)
    if not pull > 0 or not Real(claim.rate) * len(live) * (1 - 4 * UNIT) <= 2 * pull:
        return False
    path = np.sqrt(Real(state.p)) * state.residual_norm(live) / np.sqrt(pull)
    return bool(path * (1 - 8 * UNIT) <= claim.radius)


def _early_pull(claim: _Claim, state: Enclosure, kernel: Kernel, exact: bool) -> Real:
    if exact and kernel.small and not (kernel.lowest > 0 and balls.Balls(kernel).lowest_is(kernel.lowest)):
        return Real(0)
    if claim.test == "A0":
        return replay_early.residual_below_labels(state, kernel)
    if claim.test == "leaky":
        return replay_early.leaky(state, kernel)
    delta = claim.witness.get("delta")
    if delta is None or delta.shape != (1,):
        return Real(0)
    return replay_early.weak_interaction(state, kernel, float(delta[0]))


def _snapped(state: Enclosure, network: ShallowNetwork, kernel: Kernel, live: np.ndarray) -> Enclosure | None:
    """Return the state with preactivations within rounding of 0 on silent samples set to 0; None if some are active."""
    if live.all():
        return state
    found = snap(state, kernel, ~live)
    if found is None:
        return None
    near, moved = found
    state = enclose(network, kernel, moved)
    z, error = np.where(near, 0, state.z), np.where(near, 0, state.z_error)
    if (~(z + error < 0) & ~near & ~live).any():
        return None
    return dataclasses.replace(state, z=z, z_error=error, s=np.where(near, 0, state.s))


def _nearby_pull(claim: _Claim, state: Enclosure, kernel: Kernel, live: np.ndarray, exact: bool) -> Real:
    """Return the pull of the last slab, which holds all along, if the slabs exhaust the residual; 0 if they do not."""
    budgets, pulls, shares = (claim.witness.get(key, np.zeros(0)) for key in ("budgets", "pulls", "shares"))
    if budgets.ndim != 1 or budgets.size > MOST_SLABS or not budgets.shape == pulls.shape == shares.shape:
        return Real(0)
    steps = np.diff(budgets.astype(Real), prepend=Real(0))
    tube = Tube(state, kernel, live)
    sane = (
        np.isfinite(budgets).all() and (steps > 0).all() and (pulls > 0).all() and ((shares > 0) & (shares <= 1)).all()
    )
    if not sane or not tube.X * np.max(budgets, initial=0) <= _LARGEST_ANGLE:
        return Real(0)
    spent = np.sum(pulls.astype(Real) * steps) * (1 - (pulls.size + 8) * UNIT)
    if not spent >= tube.R or (exact and not balls.exhausts(budgets, pulls, tube.R)):
        return Real(0)
    M, sets = Pull(state, kernel, live), None
    exactly = balls.Balls(kernel) if exact else None
    for budget, pull, share in zip(budgets.astype(Real), pulls, shares.astype(Real), strict=True):
        sets = tube.within(budget)
        if not M.at_least(sets, share) >= pull:
            return Real(0)
        if exactly is not None and not exactly.pull_is(state, live, sets, share, pull):
            return Real(0)
    sets = tube.within(Real(0)) if sets is None else sets
    if not tube.stays_silent(sets):
        return Real(0)
    return Real(pulls[-1]) if pulls.size else Real(np.inf)


def _same_loss(claim: _Claim, state: Enclosure, kernel: Kernel) -> bool:
    """Whether the loss is this, to 1e-9 of it or to the rounding of float64."""
    data = kernel.data
    R = state.residual_norm()
    terms = (data.d + state.p + 16) * _DOUBLE
    each = terms * (np.mean(state.a_high * state.w_high) * kernel.sizes + np.abs(data.y)) + state.r_error
    error = np.sqrt(np.sum(each**2))
    return bool(abs(claim.loss - R**2 / (2 * data.n)) <= 1e-9 * claim.loss + error * (2 * R + error) / (2 * data.n))


def _same_limit(claim: _Claim) -> bool:
    """Whether the limit is the floor, which is rounded down."""
    return claim.limit is not None and 0 <= claim.limit - claim.floor <= 1e-12 * claim.limit


def _same_floor(claim: _Claim, data: Dataset) -> bool:
    """Whether the floor of the loss is what the labels of the stuck samples alone cost, rounded down."""
    floor = np.sum(data.y[claim.stuck].astype(Real) ** 2) / (2 * data.n)
    return bool(floor * (1 - 1e-12) <= claim.floor <= floor * (1 + 8 * UNIT))
