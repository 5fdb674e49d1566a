"""Certificates against what the flow does from the certified state."""

from __future__ import annotations

import numpy as np

from .. import _validate as check
from ..certify import Certificate
from ..data import Dataset
from ..flow import WallTime, flow
from ..networks import ShallowNetwork

# Relative error of a flow at rtol 1e-6, and the share of the largest loss there could be that is only rounding.
_FLOW_ERROR, _ROUNDING = 1e-3, 1e-20
# How far the limit of a stuck run may be from the one that was proved, relative to that of the labels.
_LIMIT_ERROR = 1e-9


def check_certificate(certificate: Certificate, *, horizon: float | None = None, seconds: float = 60.0) -> None:
    """Flow on from a certified state of a shallow network and see that what the certificate says comes true.

    Its own arithmetic has no part in this: L(t) is compared with the guaranteed bound at 41 output times, the weights
    with the guaranteed radius, the loss with the floor that it never goes below.

    Parameters
    ----------
    certificate : Certificate
        An undecided one claims nothing and passes.
    horizon : float, optional
        Time to flow for; by default 20/rate, in [1, 1000].
    seconds : float
        Wall time after which what has been seen is enough.

    Raises
    ------
    AssertionError
        If anything contradicts the certificate.

    Examples
    --------
    >>> import thalweg as tw
    >>> from thalweg.testing import check_certificate
    >>> data, network = tw.data.sphere(5, 200, seed=1), tw.init.dominated(200, 12, seed=2)
    >>> check_certificate(tw.certify(network, data))
    """
    if not isinstance(certificate, Certificate):
        raise check.fail("check_certificate", "certificate", "be a Certificate", type(certificate).__name__)
    if not certificate.decided:
        return
    network, data, rate = certificate.network, certificate.data, certificate.rate
    if not isinstance(network, ShallowNetwork) or not isinstance(data, Dataset):
        raise check.fail("check_certificate", "certificate", "be of a shallow network", type(network).__name__)
    end = min(max(20.0 / rate, 1.0), 1e3) if rate else 100.0
    if horizon is not None:
        end = check.real("check_certificate", "horizon", horizon, above=0.0)
    times = end * np.concatenate([[0.0], np.geomspace(1e-4, 1.0, 40)])
    traj = flow(network, data, t_end=end, times=times, rtol=1e-6, progress=False, stop=WallTime(seconds))
    size = float(np.max(data.y**2)) + _largest_output(network, data) ** 2
    excess = traj.loss - certificate.loss_floor
    found = []
    if excess.min() < -_LIMIT_ERROR * size:
        found.append(f"the loss falls {-excess.min():.3g} below the floor {certificate.loss_floor:.6g}")
    if certificate.limit_loss is not None:
        allowed = (certificate.loss - certificate.limit_loss) * np.exp(-rate * traj.t) * (1 + _FLOW_ERROR)
        allowed = np.maximum(allowed, 0.0) + _ROUNDING * size + _LIMIT_ERROR * certificate.limit_loss
        if (excess > allowed).any():
            k = int(np.argmax(excess / allowed))
            found.append(f"at t = {traj.t[k]:.4g} the excess {excess[k]:.6g} is above the bound {allowed[k]:.6g}")
        moved = max(
            float(np.sqrt(np.sum((each.W - network.W) ** 2) + np.sum((each.a - network.a) ** 2)))
            for each in traj.networks
        )
        room = 1e-12 * float(np.linalg.norm(network.W) + np.linalg.norm(network.a))
        if moved > certificate.radius * (1 + _FLOW_ERROR) + room:
            found.append(f"the weights move by {moved:.6g}, beyond the radius {certificate.radius:.6g}")
    if found:
        raise AssertionError(f"{certificate!r}: {'; '.join(found)}")


def _largest_output(network: ShallowNetwork, data: Dataset) -> float:
    """Return what the terms of an output may add up to: rounding is relative to it."""
    return float(data.norms.max() * np.mean(np.abs(network.a) * np.linalg.norm(network.W, axis=1)))
