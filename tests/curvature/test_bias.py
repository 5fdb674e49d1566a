"""Norms at convergence, and the least variation norm against linear programming."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.optimize import linprog

import thalweg as tw
from thalweg.curvature import implicit_bias, minimum_norm, minimum_norm_interpolator


def directions(n):
    """Unit vectors: a fine circle, or a spiral over the sphere."""
    if n == 2:
        angle = np.linspace(0, 2 * np.pi, 1441)
        return np.stack([np.cos(angle), np.sin(angle)], axis=1)
    k = np.arange(12000) + 0.5
    height, angle = 1 - 2 * k / len(k), np.pi * (1 + 5**0.5) * k
    ring = np.sqrt(1 - height**2)
    sphere = np.stack([ring * np.cos(angle), ring * np.sin(angle), height], axis=1)
    flat = directions(2)[::4]  # coordinate planes, where minimisers of one sign lie
    planes = [np.insert(flat, axis, 0.0, axis=1) for axis in range(3)]
    return np.concatenate([sphere, *planes])


def least_by_linear_programming(lengths, y, slope):
    """The least total mass over a grid of directions u, features c_i sigma(u_i): from above, and close to it."""
    u = directions(len(y))
    features = lengths[:, None] * np.where(u.T > 0, u.T, slope * u.T)
    found = linprog(np.ones(2 * len(u)), A_eq=np.hstack([features, -features]), b_eq=y)
    assert found.status == 0
    return found.fun


@pytest.mark.parametrize("slope", [0.0, 0.1, 0.3, 0.6])
@pytest.mark.parametrize("y", [[3.0, -1.0], [0.2, -3.0], [1.0, 1.0], [-1.3, 0.0], [1.0, 0.7, -1.5], [-0.5, -2.0, 1.0]])
def test_the_least_norm_is_that_of_a_linear_program(y, slope):
    lengths = np.array([1.0, 1.7, 0.6])[: len(y)]
    least = minimum_norm(tw.Dataset(np.diag(lengths), y), slope=slope)
    found = least_by_linear_programming(lengths, np.array(y), slope)
    assert least * (1 - 1e-9) <= found <= least * (1 + (1e-5 if len(y) == 2 else 2e-3))


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 5), st.sampled_from([0.0, 0.05, 0.4, 0.9]))
def test_no_network_is_smaller_than_the_least_norm(seed, n, p, slope):
    """Any network interpolates its own outputs, so its l1 norm is a bound; the interpolator meets the least one."""
    rng = np.random.default_rng(seed)
    kind = ("leaky_relu", slope) if slope else ("relu", 0.0)
    Q = np.linalg.qr(rng.normal(size=(n + 2, n + 2)))[0][:n]
    X = Q * rng.uniform(0.5, 2.0, n)[:, None]
    network = tw.ShallowNetwork(rng.normal(size=(p, n + 2)), rng.normal(size=p), *kind)
    data = tw.Dataset(X, network.predict(X))
    bias = implicit_bias(network, data)
    least = minimum_norm(data, slope=slope)
    assert bias.minimum == least <= bias.l1 * (1 + 1e-12)
    assert bias.l1 <= bias.l2 * (1 + 1e-12)

    interpolator = minimum_norm_interpolator(data, slope=slope)
    assert interpolator.p <= 2
    assert_allclose(interpolator.predict(X), data.y, atol=1e-12)
    told = implicit_bias(interpolator, data)
    assert_allclose([told.l1, told.l2], least, rtol=1e-12, atol=1e-12)


def test_the_two_forms_meet():
    """P = N/gamma^2 is where the formula for a leaky ReLU changes."""
    for y in ([4.0, -1.0], [1.0, -4.0]):
        data = tw.Dataset(np.eye(2), y)
        left, right = (minimum_norm(data, slope=0.5 + e) for e in (-1e-9, 1e-9))
        assert left == pytest.approx(right, rel=1e-8)


def test_all_labels_zero():
    data = tw.Dataset(np.eye(2), [0.0, 0.0])
    assert minimum_norm(data) == 0
    network = minimum_norm_interpolator(data)
    assert_allclose(network.predict(data.X), 0)
    bias = implicit_bias(network, data)
    assert (bias.ratio, bias.effective_width) == (None, 0)


def test_groups_converge_to_the_least_norm():
    """A closed form: from weights along the labels the limit is the interpolator of least norm, from any scale."""
    data = tw.Dataset(np.eye(4), [1.0, 2.0, -2.0, -1.0])
    traj = tw.flow(tw.init.group(data, scale=0.3), data, t_end=80.0, rtol=1e-8)
    bias = implicit_bias(traj.final, data)
    assert bias.ratio == pytest.approx(1.0, rel=1e-7)
    assert bias.minimum == pytest.approx(2 * 5**0.5)
    assert bias.l2 == pytest.approx(bias.l1, rel=1e-7)
    assert_allclose(traj.final.W, minimum_norm_interpolator(data).W, atol=1e-6)


def test_small_balanced_starts_approach_the_least_norm():
    """Boursier, Pillaud-Vivien and Flammarion (2022): the excess vanishes with the scale. Large starts keep theirs."""
    data = tw.data.orthogonal(4, seed=1)
    ratios = []
    for scale in (1.0, 1e-2, 1e-6):
        # Wide enough for a neuron of either sign that is active on all samples of that sign, as their theorem asks.
        traj = tw.flow(tw.init.balanced(4, 60, scale=scale, seed=5), data, t_end=2000.0, stop=tw.LossBelow(1e-12))
        assert traj.loss[-1] < 1e-11
        ratios.append(implicit_bias(traj.final, data).ratio)
    assert ratios[0] > ratios[1] > ratios[2] >= 1 - 1e-5
    assert ratios[0] > 1.1
    assert ratios[2] < 1.001


def test_other_data_have_no_known_minimum():
    data = tw.data.sphere(4, 6, seed=1)
    bias = implicit_bias(tw.init.dominated(6, 3, seed=2), data)
    assert bias.minimum is None
    assert bias.ratio is None
    assert "unknown" in str(bias)
    assert bias.neurons.shape == (3,)
    assert 1 <= bias.effective_width <= 3
    for function in (minimum_norm, minimum_norm_interpolator):
        with pytest.raises(tw.InputError, match="orthogonal inputs"):
            function(data)


def test_bad_input_is_named():
    data = tw.Dataset(np.eye(2), [1.0, 2.0])
    for slope in (-0.1, 1.0, np.nan, "0.1"):
        with pytest.raises(tw.InputError, match="'slope' parameter"):
            minimum_norm(data, slope=slope)
    with pytest.raises(tw.InputError, match="'data' parameter"):
        minimum_norm(data.X)
    with pytest.raises(tw.InputError, match="'network' parameter"):
        implicit_bias(data, data)
    with pytest.raises(tw.InputError, match="have 2 inputs"):
        implicit_bias(tw.init.dominated(3, 2, seed=1), data)
