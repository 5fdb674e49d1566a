"""Comparing a trajectory of the library with the brute-force reference."""

from functools import cache

import numpy as np
from numpy.testing import assert_allclose

import thalweg as tw

from . import brute_force

# The twin is slow: it is run at a looser tolerance. The kernels' agreement is tested apart.
RTOL = {"numba": 1e-8, "numpy": 1e-5}
TOL = {"numba": 5e-6, "numpy": 5e-4}


@cache
def reference(case):
    """Return the brute-force flow of a case of the bank, computed once."""
    return brute_force.flow_of(case.network, case.data, case.times)


def flow_case(case, *, times=None, rtol=None, kernel="numba", seconds=300.0):
    """Flow a case of the bank; a run that never ends stops and fails its test.

    The first run of a process may spend a minute on compiling.
    """
    return tw.flow(
        case.network,
        case.data,
        t_end=case.t_end,
        times=case.times if times is None else times,
        rtol=RTOL[kernel] if rtol is None else rtol,
        kernel=kernel,
        stop=tw.WallTime(seconds),
        accept_contradictions=True,
    )


def preactivations(traj):
    """z at every output time, (T, p, n)."""
    return np.array([network.preactivations(traj.data.X) for network in traj.networks])


def output_weights(traj):
    """a at every output time, (T, p)."""
    return np.array([network.a for network in traj.networks])


def assert_losses_agree(loss, expected, tol):
    """Compare losses of residuals that agree to `tol`, relative to the largest."""
    expected = np.asarray(expected)
    error = tol * np.sqrt(expected * expected.max()) + tol**2 * expected.max()
    assert (np.abs(loss - expected) <= 4 * error).all(), ("loss", loss, expected)


def assert_follows(traj, exact, tol, mu_tol=None):
    """Compare z, a, r, loss, mu and modes; errors are relative to the size of each quantity.

    Where the loss has fallen to a square of the tolerance, mu is a quotient of errors and is not compared.
    """
    done = len(exact.t)
    if traj.outcome in (tw.Outcome.ROUNDING_FLOOR, tw.Outcome.STATIONARY):
        done = int((exact.t <= traj.t[-1]).sum())  # stopped early, for a good reason
    assert len(traj.t) >= done, (traj.outcome, traj.t[-1])
    assert_allclose(traj.t[:done], exact.t[:done], rtol=1e-15, atol=0)
    z, a, r = exact.z[:done], exact.a[:done], exact.r[:done]
    assert_allclose(preactivations(traj)[:done], z, rtol=0, atol=tol * max(np.abs(z).max(), 1.0), err_msg="z")
    assert_allclose(output_weights(traj)[:done], a, rtol=0, atol=tol * np.abs(a).max(), err_msg="a")
    assert_allclose(traj.residuals[:done], r, rtol=0, atol=tol * np.abs(r).max(), err_msg="r")
    assert_losses_agree(traj.loss[:done], exact.loss[:done], tol)
    resolved = np.sqrt(exact.loss[:done] / exact.loss[0]) > 100 * tol
    for k in np.flatnonzero(resolved):
        scale = np.sqrt(exact.loss[0] / exact.loss[k])
        allowed = (mu_tol or 20 * tol) * scale * max(exact.mu[k], exact.mu.max())
        assert abs(traj.curvature[k] - exact.mu[k]) <= allowed, ("mu", k, traj.curvature[k], exact.mu[k])
    for k in range(done):
        # A pair that rests at zero, or slides on the verge of leaving, has no mode to speak of.
        clear = (exact.hold[k] > 100 * tol) | (np.abs(z[k]) > 10 * tol)
        modes = traj.networks.mode_map(k)
        assert (modes[clear] == exact.modes[k][clear]).all(), ("modes", k, modes, exact.modes[k])
        assert (traj.active[k], traj.inactive[k], traj.sliding[k]) == tuple(int((modes == m).sum()) for m in (1, -1, 0))
