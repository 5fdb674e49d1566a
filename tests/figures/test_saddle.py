"""The saddle of scalar networks: the field, the stable manifold, the trajectories."""

import numpy as np
import pytest

import thalweg as tw
from thalweg.figures import saddle
from thalweg.figures.base import Work
from thalweg.flow.linear.layers import LayerRoute
from thalweg.networks.products import error_and_gradients


@pytest.fixture(scope="module")
def table():
    return saddle.measure(saddle.Setting(draws=2, saddles=2), Work(3))


@pytest.mark.parametrize("depth", [2, 3])
def test_the_field_is_that_of_the_network(depth):
    w = np.random.default_rng(0).normal(size=depth)
    layers = [np.array([[value]]) for value in w]
    slopes = error_and_gradients(layers, tw.Target([[saddle.PHI]]))[1]
    np.testing.assert_allclose(saddle.velocity(w), [-slope[0, 0] for slope in slopes], rtol=1e-12)


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_the_hessian_is_the_derivative_of_the_field(depth):
    w, h = np.random.default_rng(1).normal(size=depth), 1e-6
    slopes = [(saddle.velocity(w - h * e) - saddle.velocity(w + h * e)) / (2 * h) for e in np.eye(depth)]
    np.testing.assert_allclose(saddle.hessian(w), slopes, rtol=1e-7, atol=1e-8)


def test_the_stable_manifold_in_depth_2_is_the_diagonal():
    for half in saddle.stable_manifold([0.0, 0.0]):
        assert np.linalg.norm(half[-1]) > 3
        np.testing.assert_allclose(half[:, 0], half[:, 1], atol=1e-9)


@pytest.mark.parametrize("s", [0.3, 1.7])
def test_the_stable_manifold_in_depth_3_has_the_invariants_of_its_saddle(s):
    """w_1^2 - w_2^2 = s^2 and w_2 = +-w_3, the sign such that the product is positive, and phi is not."""
    for half in saddle.stable_manifold([s, 0.0, 0.0]):
        np.testing.assert_allclose(half[:, 0] ** 2 - half[:, 1] ** 2, s * s, atol=1e-8)
        np.testing.assert_allclose(half[:, 1], half[:, 2], atol=1e-8)
        assert (np.prod(half[1:], axis=1) > 0).all()


@pytest.mark.parametrize("depth", [2, 3])
def test_starts_on_the_manifold_go_to_the_saddle(depth):
    half = saddle.stable_manifold(np.eye(depth)[0] * (depth == 3))[0]
    _, states = saddle.trajectory(half[60], t_end=12.0)
    assert np.linalg.norm(states[-1] - np.eye(depth)[0] * (depth == 3)) < 1e-3
    _, off = saddle.trajectory(half[60] * np.where(np.arange(depth) == depth - 1, 1.01, 1.0), t_end=40.0)
    assert abs(np.prod(off[-1]) - saddle.PHI) < 1e-6


@pytest.mark.parametrize("depth", [2, 3])
@pytest.mark.parametrize("kind", ["ZAS", "near-identity", "Xavier"])
def test_trajectories_are_those_of_the_flow(table, depth, kind):
    """The engine of deep linear networks has equations of its own."""
    for t, w, loss in saddle.curves(table, depth, kind):
        keep = (loss > 1e-9) & (t < 20)
        network = tw.DeepLinearNetwork([[[value]] for value in w[0]])
        target = tw.Target([[saddle.PHI]])
        states = LayerRoute(network, target).march(20.0, t[keep], 1e-9)
        followed = [state.excess for state, output in states if output]
        np.testing.assert_allclose(followed, loss[keep], rtol=1e-5)


def test_the_identity_stays_at_the_saddle_and_zas_does_not(table):
    for depth in (2, 3):
        ((_, _, stuck),) = saddle.curves(table, depth, "identity")
        ((_, _, solved),) = saddle.curves(table, depth, "ZAS")
        assert stuck[-1] > 0.49
        assert solved[-1] < 1e-12
