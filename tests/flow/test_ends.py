"""How runs end: at rest, at the rounding floor, where no velocity is left, on several threads."""

import numpy as np
import pytest

import thalweg as tw

STUCK = tw.data.sphere(20, 30, seed=1), tw.init.dominated(30, 8, seed=2)  # two samples die; the loss stays at .0312


def test_a_stuck_flow_comes_to_rest_and_jumps_to_any_end():
    data, network = STUCK
    long = tw.flow(network, data, t_end=1e9, times=[1e3, 1e6, 1e9])
    assert long.outcome is tw.Outcome.STATIONARY
    assert long.t.tolist() == [1e3, 1e6, 1e9]
    np.testing.assert_array_equal(long.residuals[1], long.residuals[2])
    # What is left is the loss of samples that no neuron of the right sign is active for (weakly interacting data).
    r = long.residuals[-1]
    dead = np.abs(r) > 1e-6
    z, up = long.final.preactivations(data.X), long.final.a > 0
    for i in np.flatnonzero(dead):
        assert not (z[up == (data.y[i] > 0), i] > 1e-9).any()
    assert long.loss[-1] == pytest.approx(float(r[dead] @ r[dead]) / 40, rel=1e-12)


@pytest.mark.parametrize("rtol", [1e-4, 1e-6, 1e-8])
def test_a_run_past_its_fit_ends_at_the_rounding_floor(rtol):
    data, network = tw.data.sphere(10, 200, seed=1), tw.init.dominated(200, 20, seed=2)
    traj = tw.flow(network, data, t_end=1e5, rtol=rtol)
    assert traj.outcome is tw.Outcome.ROUNDING_FLOOR
    assert traj.loss[-1] < 1e-25
    assert np.abs(traj.final.residuals(data)).max() < 1e-12
    assert (np.diff(traj.loss) <= 0).all()


def test_output_weights_agree_with_their_own_integral():
    traj = tw.flow(STUCK[1], STUCK[0], t_end=50.0)
    assert traj.audit.output_weight_error < 1e-5
    assert traj.audit.energy_error < 1e-3


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_follow_the_same_path(threads):
    data, network = tw.data.sphere(40, 20, seed=3), tw.init.dominated(20, 10, seed=4)
    one, several = (tw.flow(network, data, t_end=20.0, times=[5.0, 20.0], threads=k) for k in (1, threads))
    np.testing.assert_allclose(several.residuals, one.residuals, atol=1e-9)
    np.testing.assert_allclose(several.final.W, one.final.W, atol=1e-9)
