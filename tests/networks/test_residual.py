"""Nonlinear residual networks: outputs by hand, and gradients against finite differences."""

import numpy as np
import pytest

import thalweg as tw
from thalweg.networks.residual import LOSSES, ResidualNetwork, loss_and_gradient, parameters


def network(activation="relu", scalars=True, depth=3, seed=0):
    rng = np.random.default_rng(seed)
    U, V = rng.normal(size=(2, depth, 4, 4)) / 2
    numbers = rng.normal(size=(depth, 4)) if scalars else None
    return ResidualNetwork(rng.normal(size=(4, 5)), V, U, rng.normal(size=(3, 4)), numbers, activation)


def samples(n=7, seed=1):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 5)), np.eye(3)[rng.integers(0, 3, n)]


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_outputs_sample_by_sample(activation):
    net, (X, _) = network(activation), samples()
    act = {"relu": lambda x: max(x, 0.0), "tanh": np.tanh}[activation]
    for x, output in zip(X, net.predict(X), strict=True):
        z = net.inward @ x
        for V, U, (b, b1, b2, m) in zip(net.V, net.U, net.scalars, strict=True):
            z = z + m * U @ (np.array([act(u) for u in V @ (z + b) + b1]) + b2)
        np.testing.assert_allclose(output, net.head @ z, rtol=1e-12)


def test_losses_by_hand():
    net, (X, Y) = network(), samples()
    F = net.predict(X)
    assert loss_and_gradient(net, X, Y, "squared")[0] == pytest.approx(((F - Y) ** 2).sum() / 14, rel=1e-12)
    chosen = [f[y.argmax()] - np.logaddexp.reduce(f) for f, y in zip(F, Y, strict=True)]
    assert loss_and_gradient(net, X, Y, "logistic")[0] == pytest.approx(-np.mean(chosen), rel=1e-12)


@pytest.mark.parametrize("scalars", [True, False])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_gradient_against_central_differences(activation, loss, scalars):
    net, (X, Y) = network(activation, scalars), samples()
    gradient = loss_and_gradient(net, X, Y, loss)[1]
    arrays = parameters(net)
    assert gradient.keys() == arrays.keys()
    h = 1e-6
    for name, array in arrays.items():
        slopes = np.empty_like(array)
        for index in np.ndindex(array.shape):
            kept = array[index]
            values = []
            for moved in (kept + h, kept - h):
                array[index] = moved
                values.append(loss_and_gradient(net, X, Y, loss)[0])
            array[index] = kept
            slopes[index] = (values[0] - values[1]) / (2 * h)
        np.testing.assert_allclose(gradient[name], slopes, rtol=1e-5, atol=1e-7, err_msg=name)


def test_the_softmax_does_not_overflow():
    net, (X, Y) = network(), samples()
    large = ResidualNetwork(1e3 * net.inward, net.V, net.U, net.head)
    value, gradient = loss_and_gradient(large, X, Y, "logistic")
    assert np.isfinite(value)
    assert all(np.isfinite(slope).all() for slope in gradient.values())


def test_zero_branches_are_a_linear_network():
    net, (X, _) = network(scalars=False), samples()
    flat = ResidualNetwork(net.inward, net.V, np.zeros_like(net.U), net.head)
    np.testing.assert_allclose(flat.predict(X), X @ net.inward.T @ net.head.T, rtol=1e-12)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"V": np.zeros((3, 4, 5))}, "'V'"),
        ({"U": np.zeros((2, 4, 4))}, "'U'"),
        ({"head": np.zeros((3, 3))}, "'head'"),
        ({"scalars": np.zeros((3, 3))}, "'scalars'"),
        ({"inward": np.full((4, 5), np.nan)}, "finite"),
        ({"activation": "sigmoid"}, "'activation'"),
    ],
)
def test_bad_networks_are_refused(changes, words):
    net = network()
    whole = parameters(net) | {"activation": "relu"} | changes
    with pytest.raises(tw.InputError, match=words):
        ResidualNetwork(**whole)


def test_bad_inputs_are_refused():
    with pytest.raises(tw.InputError, match="5 columns"):
        network().predict(np.zeros((2, 4)))
    with pytest.raises(tw.InputError, match="'loss'"):
        loss_and_gradient(network(), *samples(), "hinge")
