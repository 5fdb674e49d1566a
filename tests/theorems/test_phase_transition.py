"""The closed forms of groups of orthogonal inputs: against an integrator, the flow and each other."""

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

import thalweg as tw
from oracles.closed_forms import orthogonal_group
from thalweg.theorems import ShallowSetting, phase_transition


def data_of_norm(k, n=10, seed=3):
    rng = np.random.default_rng(seed)
    return tw.Dataset(k * np.eye(n), rng.uniform(1, 2, n) * np.repeat([1, -1], [n - 4, 4]))


def closed(network, data, j, times):
    rows = np.flatnonzero(network.preactivations(data.X)[j] > 0)
    k, size = data.norms[rows[0]], np.linalg.norm(data.y[rows])
    u = network.preactivations(data.X)[j, rows] / k
    cosine = min(u @ np.abs(data.y[rows]) / np.linalg.norm(u) / size, 1.0)
    s = k * size * times / data.n
    N = phase_transition.squared_weight(s, network.a[j] ** 2, cosine, network.p * size / k)
    return rows, N, phase_transition.alignment(s, cosine), k * size, cosine, network.p * size / k


@pytest.mark.parametrize("cosine", [1.0, 0.95, 0.85])
@pytest.mark.parametrize("k", [1.0, 1.7])
def test_against_the_flow_an_integrator_and_another_transcription(cosine, k):
    data = data_of_norm(k)
    network = tw.init.group(data, scale=0.02, cosine=cosine, seed=1)
    traj = tw.flow(network, data, t_end=80.0, times=np.linspace(0, 80, 33), rtol=1e-12)
    times = traj.t  # the fit reaches rounding before the end
    assert len(times) > 15
    for j in range(network.p):
        rows, N, c, _, _, _ = closed(network, data, j, times)
        a = np.array([each.a[j] for each in traj.networks])
        np.testing.assert_allclose(a**2, N, rtol=1e-10)
        u0 = network.preactivations(data.X)[j, rows] / k
        labels = np.abs(data.y[rows])

        def rate(t, state, labels=labels):
            w, a = state[:-1], state[-1]
            r = k * (labels - k * a * w / network.p) / data.n
            return np.append(a * r, w @ r)

        start = np.append(u0, abs(network.a[j]))
        reference = solve_ivp(rate, (0, times[-1]), start, "DOP853", times, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(reference.y[-1] ** 2, N, rtol=1e-9)
        aligned = labels @ reference.y[:-1] / np.linalg.norm(labels) / np.linalg.norm(reference.y[:-1], axis=0)
        np.testing.assert_allclose(aligned, c, rtol=1e-10)
        w, other = orthogonal_group(u0, labels, k, data.n, network.p, times)
        np.testing.assert_allclose(other**2, N, rtol=1e-10)
        np.testing.assert_allclose(w @ labels / np.linalg.norm(w, axis=1) / np.linalg.norm(labels), c, rtol=1e-10)


def test_no_overflow_long_after_the_transition():
    N = phase_transition.squared_weight(np.array([0.0, 400.0, 1e6]), 1e-30, 0.3, 7.0)
    np.testing.assert_allclose(N, [1e-30, 7.0, 7.0], rtol=1e-12)


@pytest.mark.parametrize("scale", [1e-1, 1e-3, 1e-6])
def test_transition_time_and_width_on_a_run(scale):
    """One group, unit norms: N = pD/2 at t*, and the loss falls from 90 to 10 % within 3.688/log(pD/N0 - 1) t*."""
    data = tw.Dataset(np.eye(8), np.random.default_rng(2).uniform(1, 2, 8))
    network = tw.init.group(data, scale=scale)
    D = float(np.linalg.norm(data.y))
    finding = tw.check("group-initialization", data=data, network=network)["group-initialization"]
    time, width = finding["first transition"], finding["relative width"]
    assert time == pytest.approx(8 / (2 * D) * math.log(D / scale**2 - 1))
    assert width == pytest.approx(3.688 / math.log(D / scale**2 - 1), rel=2e-4)
    fine = np.linspace(0, 2.5 * time, 1001)
    traj = tw.flow(network, data, t_end=2.5 * time, times=fine, rtol=1e-11)
    share = traj.loss / (D**2 / 16)
    crossed = {level: np.interp(-level, -share, traj.t) for level in (0.9, 0.1)}
    assert (crossed[0.1] - crossed[0.9]) / time == pytest.approx(width, rel=4e-4)
    middle = np.array([each.a[0] ** 2 for each in traj.networks])
    assert np.interp(D / 2, middle, traj.t) == pytest.approx(time, rel=1e-5)
    assert traj.curvature[-1] == pytest.approx(finding["final rate"], rel=1e-3)


@pytest.mark.parametrize("cosine", [0.9, 0.6, 0.4])
def test_transition_time_of_a_leaning_start_is_asymptotic(cosine):
    D, n, p = 4.0, 10, 1
    errors = []
    for start in (1e-3, 1e-6, 1e-9):
        exact = brentq(
            lambda t, start=start: (
                phase_transition.squared_weight(np.array([D * t / n]), start, cosine, p * D)[0] - p * D / 2
            ),
            0.0,
            1e3,
        )
        errors.append(abs(phase_transition.transition_time(D, n, start, cosine, p * D) / exact - 1))
    assert errors[2] < errors[0]
    assert errors[2] < 1e-3


def test_a_start_beyond_the_transition_has_none():
    assert phase_transition.transition_time(4.0, 10, 3.0, 1.0, 4.0) == 0
    assert math.isinf(phase_transition.relative_width(3.0, 4.0))


def test_final_rate_of_a_leaning_start_is_a_lower_bound():
    data = data_of_norm(1.0)
    network = tw.init.group(data, scale=0.1, cosine=0.9, seed=1)
    finding = tw.check("group-initialization", data=data, network=network)["group-initialization"]
    traj = tw.flow(network, data, t_end=400.0, rtol=1e-8, stop=tw.LossBelow(1e-12))
    assert finding["final rate"] <= traj.curvature[-1] * 1.001


@pytest.mark.parametrize(("size", "alpha"), [(64, 0.5), (8, 0.75), (1, 1.0)])
def test_groups_of_n_to_the_two_minus_two_alpha_have_rates_of_order_n_to_the_minus_alpha(size, alpha):
    data = tw.Dataset(np.eye(64), np.ones(64))
    network = tw.init.group(data, [range(k, k + size) for k in range(0, 64, size)])
    finding = tw.check("group-initialization", data=data, network=network)["group-initialization"]
    assert finding["alpha"] == pytest.approx(alpha)
    assert finding["final rate"] == pytest.approx(4 * 64**-alpha)


@pytest.mark.parametrize(
    ("spoil", "name"),
    [
        (lambda network: network.replace(a=2 * network.a), "balance"),
        (lambda network: network.replace(a=-network.a), "signs"),
        (lambda network: network.replace(W=network.W[:1], a=network.a[:1]), "every sample"),
        (lambda network: network.replace(W=network.W[[0, 1, 1]], a=network.a[[0, 1, 1]]), "one neuron each"),
    ],
)
def test_other_starts_are_no_group_initialization(spoil, name):
    data = data_of_norm(1.0)
    setting = ShallowSetting(data, network=spoil(tw.init.group(data)))
    report = tw.check("group-initialization", data=data, network=setting.network)
    assert name in [each.name for each in report["group-initialization"].failed]
    assert any("tw.init.group(data)" in text for text in report.next_steps)


def test_norms_must_be_equal_within_a_group():
    data = tw.data.orthogonal(8, seed=1)
    report = tw.check("group-initialization", data=data, network=tw.init.group(data))
    assert [each.name for each in report["group-initialization"].failed] == ["equal norms"]
