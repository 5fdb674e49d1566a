"""The engine against the brute-force flow and the closed forms, over the bank and over random draws."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import thalweg as tw
from bank import BANK, DRAWN, by_name
from oracles import closed_forms
from oracles.comparison import TOL, assert_follows, flow_case, output_weights, preactivations, reference


@pytest.mark.parametrize(
    ("case", "kernel"), [(case, "numba") for case in BANK] + [(case, "numpy") for case in BANK[::2]], ids=str
)
def test_the_bank(case, kernel):
    traj = flow_case(case, kernel=kernel)
    assert_follows(traj, reference(case), TOL[kernel])
    assert traj.audit.largest_loss_increase == 0
    assert traj.audit.invariant_drift < 1e-12


@pytest.mark.parametrize("case", DRAWN, ids=str)
def test_random_draws(case):
    assert_follows(flow_case(case), reference(case), TOL["numba"])


@pytest.mark.parametrize("case", DRAWN[::4], ids=str)
def test_random_draws_by_the_twin(case):
    assert_follows(flow_case(case, kernel="numpy"), reference(case), TOL["numpy"])


@pytest.mark.parametrize("case", [*BANK[::3], *DRAWN[::8]], ids=str)
def test_the_twin_agrees_with_the_kernel(case):
    """Same method, so the same steps: they differ by rounding only."""
    fast, slow = (flow_case(case, kernel=kernel, rtol=1e-4) for kernel in ("numba", "numpy"))
    scale = np.abs(preactivations(fast)).max()
    assert_allclose(preactivations(slow), preactivations(fast), rtol=0, atol=1e-8 * scale)
    assert fast.steps.sum() == slow.steps.sum()


@pytest.mark.parametrize("name", ["mode_cycling", "slide_exit_up", "leaky_slides", "simultaneous_neurons"])
def test_error_falls_with_the_tolerance(name):
    case = by_name(name)
    exact = reference(case)
    for rtol in (1e-4, 1e-6, 1e-8):
        error = np.abs(preactivations(flow_case(case, rtol=rtol)) - exact.z).max() / np.abs(exact.z).max()
        assert error < 20 * rtol, (rtol, error)


def test_one_sample_is_the_closed_form():
    case = by_name("one_sample")
    traj = flow_case(case)
    W, a = closed_forms.single_sample(case.data.X[0], case.data.y[0], case.network.W[0], case.network.a[0], case.times)
    assert_allclose([network.W[0] for network in traj.networks], W, rtol=0, atol=TOL["numba"])
    assert_allclose(output_weights(traj)[:, 0], a, rtol=0, atol=TOL["numba"])


def test_a_sliding_neuron_is_the_closed_form():
    case = by_name("starts_on_convex_kink")
    (x1, x2), (y1, y2) = case.data.X, case.data.y
    W, a, r, mu, _ = closed_forms.SlidingNeuron(x1, x2, y1, y2).at(
        np.linalg.norm(case.network.W), case.network.a[0], case.times
    )
    traj = flow_case(case)
    assert_allclose([network.W[0] for network in traj.networks], W, rtol=0, atol=TOL["numba"])
    assert_allclose(output_weights(traj)[:, 0], a, rtol=0, atol=TOL["numba"])
    assert_allclose(traj.residuals, r, rtol=0, atol=TOL["numba"])
    assert_allclose(traj.curvature, mu, rtol=0, atol=TOL["numba"])


def test_a_leaky_crossing_is_the_closed_form():
    case = by_name("leaky_crosses")
    slope, omega, a = case.network.slope, case.network.W[0, 0], case.network.a[0]
    y = case.data.y[0]
    before, after = closed_forms.OneDirection(slope, y, 1), closed_forms.OneDirection(1.0, y, 1)
    crossing = before.time_to(omega, a, 0.0)
    early, late = case.times[case.times < crossing], case.times[case.times > crossing]
    expected = np.r_[before.at(omega, a, early)[0], after.at(0.0, np.sqrt(a**2 - omega**2), late - crossing)[0]]
    assert_allclose(preactivations(flow_case(case))[:, 0, 0], expected, rtol=0, atol=TOL["numba"])


@pytest.mark.parametrize("length", [1.0, 1.4])
def test_an_orthogonal_group_is_the_closed_form(length):
    """Both by the orthogonal path and, in a rotated frame with a dead sample more, by any path."""
    w, y, p = np.array([0.06, 0.08]), np.array([1.5, 1.0]), 2
    W = np.zeros((p, 4))
    W[0, :2], W[1] = w, [-1.0, -1.0, -1.0, -1.0]
    network = tw.ShallowNetwork(W, [np.linalg.norm(w), 2.0])
    data = tw.Dataset(length * np.eye(4)[:3], np.r_[y, -1.2])
    times = np.linspace(0, 14, 8)
    traj = tw.flow(network, data, t_end=14.0, times=times, rtol=1e-8)
    W_t, a_t = closed_forms.orthogonal_group(w, y, length, 3, p, times)
    assert_allclose([network.W[0, :2] for network in traj.networks], W_t, rtol=0, atol=TOL["numba"])
    assert_allclose(output_weights(traj)[:, 0], a_t, rtol=0, atol=TOL["numba"])
