"""Starts of deep linear networks: their definitions, laws and seeds."""

import math

import numpy as np
import pytest

import thalweg as tw

DRAWN = {
    "near_identity": tw.init.near_identity,
    "xavier": tw.init.xavier,
    "orthogonal": tw.init.orthogonal,
    "balanced_layers": tw.init.balanced_layers,
}


@pytest.mark.parametrize("zero_layer", [None, 1, 3, 6])
def test_zas(zero_layer):
    network = tw.init.zas(6, (3, 2), alpha=0.9, zero_layer=zero_layer)
    place = zero_layer or 6
    for l, W in enumerate(network.layers, 1):
        expected = np.zeros((2, 3)) if l == place else 0.9 * np.eye(3 if l < place else 2)
        assert W.tolist() == expected.tolist()


def test_zas_with_beta():
    assert tw.init.zas(4, 2, beta=-0.5).layers[-1].tolist() == [[-0.5, 0], [0, -0.5]]
    assert tw.init.zas(1, 2).product().tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize(("depth", "norm"), [(2, 3.0), (100, 0.01), (1001, 2.0), (10**6, 5.0)])
def test_zas_alpha(depth, norm):
    N = depth - 1
    alpha = tw.init.zas_alpha(depth, norm)
    assert N * math.log(alpha) * 2 == pytest.approx(max(0.0, math.log(N * norm**2)), rel=1e-6)
    assert tw.init.zas(depth, 2, alpha=alpha).depth == depth
    assert tw.init.zas_alpha(1, norm) == 1.0


@pytest.mark.parametrize("family", DRAWN)
def test_seeds(family):
    draw = DRAWN[family]
    network, again = draw(3, 4, seed=5), draw(3, 4, seed=np.random.SeedSequence(5))
    assert [W.tobytes() for W in network.layers] == [W.tobytes() for W in again.layers]
    assert not np.array_equal(network.product(), draw(3, 4, seed=6).product())


def test_laws():
    noise = np.stack(list(tw.init.near_identity(200, 30, scale=0.5, seed=1).layers)) - np.eye(30)
    assert noise.std() == pytest.approx(0.5 / np.sqrt(30), rel=0.01)
    entries = np.stack(list(tw.init.xavier(200, 30, scale=2.0, seed=1).layers))
    assert entries.std() == pytest.approx(2 / np.sqrt(30), rel=0.01)
    for W in tw.init.orthogonal(5, 6, scale=0.5, seed=1).layers:
        assert pytest.approx(0.25 * np.eye(6), abs=1e-15) == W.T @ W
    traces = [np.trace(tw.init.orthogonal(1, 2, seed=k).product()) for k in range(2000)]
    assert np.mean(traces) == pytest.approx(0, abs=0.1)  # of the Haar law; without the signs of R it is far off
    assert np.mean(np.square(traces)) == pytest.approx(1, abs=0.1)
    products = np.stack([tw.init.balanced_layers(7, 5, scale=3.0, seed=k).product() for k in range(400)])
    assert products.std() == pytest.approx(3 / np.sqrt(5), rel=0.03)


def test_perturbed():
    start = tw.init.zas(50, 20)
    noisy = tw.init.perturbed(start, 0.1, seed=1)
    noise = np.stack(list(noisy.layers)) - np.stack(list(start.layers))
    assert noise.std() == pytest.approx(0.1 / np.sqrt(20), rel=0.01)
    assert tw.init.perturbed(start, 0.0) is start


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: tw.init.zas(0, 3), "'depth' parameter of zas must"),
        (lambda: tw.init.zas(3, 0), "'dim' parameter of zas must"),
        (lambda: tw.init.zas(3, (2, 3, 4)), "'dim' parameter of zas must be a width, or [(]inputs, outputs[)]"),
        (lambda: tw.init.zas(3, 2, alpha=0.0), "'alpha' parameter of zas must"),
        (lambda: tw.init.zas(3, 2, alpha=math.nan), "'alpha' parameter of zas must"),
        (lambda: tw.init.zas(10**6, 2, alpha=1.1), "so near 1"),
        (lambda: tw.init.zas(3, 2, zero_layer=4), "1 to 3"),
        (lambda: tw.init.zas(3, (2, 3), beta=0.1), "'beta' parameter of zas must"),
        (lambda: tw.init.zas_alpha(3, 0.0), "'norm' parameter of zas_alpha must"),
        (lambda: tw.init.xavier(3, 2, scale=-1.0), "'scale' parameter of xavier must"),
        (lambda: tw.init.orthogonal(3, 2.5), "'dim' parameter of orthogonal must"),
        (lambda: tw.init.near_identity(3, 2, scale=math.inf), "'scale' parameter of near_identity must"),
        (lambda: tw.init.balanced_layers(3, 2, seed=-1), "'seed' parameter of balanced_layers must"),
        (lambda: tw.init.perturbed(tw.init.dominated(3, 2), 0.1), "be a DeepLinearNetwork"),
        (lambda: tw.init.perturbed(tw.init.zas(10**8, 3), 0.1), "perturbed would store 9.0e[+]08 .* less depth"),
        (lambda: tw.init.near_identity(10**6, 100), "near_identity would store 1.0e[+]10 .* less depth"),
        (lambda: tw.init.xavier(10**6, 100), "xavier would store"),
        (lambda: tw.init.orthogonal(10**6, 100), "orthogonal would store"),
    ],
)
def test_bad_arguments(make, message):
    with pytest.raises(tw.InputError, match=message):
        make()
