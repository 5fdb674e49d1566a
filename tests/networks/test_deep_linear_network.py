"""Deep linear networks: products, invariants, gradients, the forms that reduce, files."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import thalweg as tw
from thalweg.networks.forms import balanced_hidden, fully_balanced, zero_asymmetric
from thalweg.networks.products import error_and_gradients

SMALL = settings(max_examples=25, derandomize=True, deadline=None)


def chain(rng, widths):
    shapes = pairwise(widths)
    return [rng.normal(size=(after, before)) / np.sqrt(before) for before, after in shapes]


@SMALL
@given(st.lists(st.integers(1, 4), min_size=2, max_size=6), st.integers(0, 10**6))
def test_product_and_prediction(widths, seed):
    rng = np.random.default_rng(seed)
    layers = chain(rng, widths)
    network = tw.DeepLinearNetwork(layers)
    expected = np.eye(widths[0])
    for W in layers:
        expected = W @ expected
    assert network.product() == pytest.approx(expected)
    X = rng.normal(size=(3, widths[0]))
    assert network.predict(X) == pytest.approx(X @ expected.T)
    assert network.transposed().product() == pytest.approx(expected.T)
    assert (network.depth, network.d_in, network.d_out) == (len(layers), widths[0], widths[-1])


@SMALL
@given(st.integers(0, 10**6), st.booleans())
def test_gradients_are_those_of_finite_differences(seed, weighted):
    rng = np.random.default_rng(seed)
    widths = [3, 2, 4, 2]
    layers = chain(rng, widths)
    X = rng.normal(size=(5, 3))
    target = tw.Target(rng.normal(size=(2, 3)), X.T @ X if weighted else None)
    E, gradients = error_and_gradients(layers, target)
    assert pytest.approx(tw.DeepLinearNetwork(layers).product() - target.Phi) == E
    directions = [rng.normal(size=W.shape) for W in layers]
    h = 1e-5
    ahead, behind = (
        tw.DeepLinearNetwork([W + s * h * V for W, V in zip(layers, directions, strict=True)]).loss(target)
        for s in (1, -1)
    )
    slope = sum(np.vdot(G, V) for G, V in zip(gradients, directions, strict=True))
    assert (ahead - behind) / (2 * h) == pytest.approx(slope, rel=1e-6, abs=1e-7)


def test_equal_neighbours_are_one_run():
    network = tw.DeepLinearNetwork([np.eye(3)] * 4 + [np.eye(3) for _ in range(5)] + [np.zeros((3, 3))])
    assert [count for _, count in network.runs] == [9, 1]
    assert len(network.layers) == 10
    assert network.layers[8].tolist() == np.eye(3).tolist()
    assert not network.layers[-1].any()
    assert len(network.layers[2:]) == 8
    assert sum(1 for _ in network.layers) == 10
    with pytest.raises(IndexError, match="10 layers"):
        network.layers[10]


def test_a_million_layers():
    W = np.array([[0.0, -1.0], [1.0, 0.0]])
    network = tw.DeepLinearNetwork([W], repeats=[1_000_001])  # a quarter turn: W^4 = I
    assert network.product().tolist() == W.tolist()
    assert network.invariant(500_000).tolist() == [[0, 0], [0, 0]]


def test_invariants():
    rng = np.random.default_rng(1)
    A, B = rng.normal(size=(2, 3, 3))
    network = tw.DeepLinearNetwork([A, B], repeats=[3, 1])
    found = [D for D, count in network.invariants() for _ in range(count)]
    assert len(found) == 3
    for l in (1, 2, 3):
        W, above = network.layers[l - 1], network.layers[l]
        assert network.invariant(l) == pytest.approx(above.T @ above - W @ W.T)
        assert found[l - 1] == pytest.approx(network.invariant(l))
    with pytest.raises(tw.InputError, match="from 1 to 3"):
        network.invariant(4)


def test_files(tmp_path):
    network = tw.init.perturbed(tw.init.zas(4, (2, 3), zero_layer=2), 0.1, seed=1)
    again = tw.DeepLinearNetwork.load(network.save(tmp_path / "net.npz"))
    assert [W.tobytes() for W in again.layers] == [W.tobytes() for W in network.layers]
    with pytest.raises(tw.InputError, match="no file"):
        tw.DeepLinearNetwork.load(tmp_path / "none.npz")
    whole = (tmp_path / "net.npz").read_bytes()
    (tmp_path / "half.npz").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(tw.InputError, match="complete"):
        tw.DeepLinearNetwork.load(tmp_path / "half.npz")
    tw.init.dominated(3, 2, seed=1).save(tmp_path / "shallow.npz")
    with pytest.raises(tw.InputError, match="not a saved DeepLinearNetwork"):
        tw.DeepLinearNetwork.load(tmp_path / "shallow.npz")


def test_arrays_of_the_user_may_change_later():
    """Layers that were equal are stored once."""
    W = np.eye(2)
    network = tw.DeepLinearNetwork([W, W.copy(), W])
    W *= 5.0
    assert (network.product() == np.eye(2)).all()
    assert network.runs[0][1] == 3


@pytest.mark.parametrize(
    ("layers", "repeats", "message"),
    [
        ([], None, "at least one matrix"),
        (3.0, None, "sequence of matrices"),
        ([np.eye(2), np.eye(3)], None, "fit together"),
        ([np.eye(2), [[np.nan, 1.0]]], None, r"'layers\[1\]' parameter of DeepLinearNetwork must be finite"),
        ([np.ones(3)], None, "2 dimension"),
        ([np.zeros((0, 2))], None, "at least one row"),
        ([np.eye(2) * 1e200], None, "rescale"),
        ([np.ones((1, 2))], [2], "not square"),
        ([np.eye(2)], [0], "integer of at least 1"),
        ([np.eye(2)], [1, 2], "one entry per layer"),
        ([np.eye(2)], 3, "sequence of integers. Got int"),
        ([np.eye(2)], [10**30], r"add up to at most 2\^53"),
    ],
)
def test_bad_networks(layers, repeats, message):
    with pytest.raises(tw.InputError, match=message):
        tw.DeepLinearNetwork(layers, repeats)


@pytest.mark.parametrize("zero_layer", [1, 3, 5])
@pytest.mark.parametrize("turned", [False, True])
def test_zero_asymmetric_is_recognised(zero_layer, turned):
    rng = np.random.default_rng(2)
    layers = list(tw.init.zas(5, (3, 2), alpha=1.1, zero_layer=zero_layer).layers)
    if turned:
        layers = [W if not W.any() else 1.1 * np.linalg.qr(rng.normal(size=W.shape))[0] for W in layers]
    form = zero_asymmetric(tw.DeepLinearNetwork(layers))
    assert form is not None
    assert (form.depth, form.zero_layer) == (5, zero_layer)
    assert form.alpha == pytest.approx(1.1, rel=1e-15)
    left, right = np.eye(2), np.eye(3)
    for W in layers[: zero_layer - 1]:
        right = W @ right
    for W in layers[zero_layer:]:
        left = W @ left
    assert form.left * 1.1 ** (5 - zero_layer) == pytest.approx(left)
    assert form.right * 1.1 ** (zero_layer - 1) == pytest.approx(right)


@pytest.mark.parametrize(
    "layers",
    [
        [np.eye(2), np.zeros((2, 2)), np.zeros((2, 2))],
        [np.eye(2), np.eye(2)],
        [np.eye(2), 1.1 * np.eye(2), np.zeros((2, 2))],
        [np.diag([1.0, 1.000001]), np.zeros((2, 2))],
        [np.eye(3)[:, :2], np.zeros((2, 3))],
    ],
)
def test_what_is_not_zero_asymmetric(layers):
    assert zero_asymmetric(tw.DeepLinearNetwork(layers)) is None


@SMALL
@given(st.integers(2, 6), st.integers(1, 4), st.integers(0, 10**6))
def test_balanced_hidden_form_keeps_product_and_last_layer(depth, d, seed):
    rng = np.random.default_rng(seed)
    V = rng.normal(size=(2, d))
    hidden = tw.init.balanced_layers(depth - 1, d, seed=seed) if depth > 2 else tw.init.orthogonal(1, d, seed=seed)
    network = tw.DeepLinearNetwork([*hidden.layers, V])
    form = balanced_hidden(network)
    if form is None:  # a nearly singular draw, or a lone hidden layer that is not larger than the last
        larger = np.linalg.svd(V, compute_uv=False)[0] < np.linalg.svd(hidden.layers[0], compute_uv=False)[-1]
        assert np.linalg.cond(hidden.layers[0]) > 1e5 or (depth == 2 and not larger)
        return
    again = form.network()
    assert again.depth == depth
    assert again.product() == pytest.approx(network.product(), rel=1e-9, abs=1e-9)
    assert (again.layers[-1] == V).all()
    balance = max((np.abs(D).max() for D, _ in tw.DeepLinearNetwork(again.layers[:-1]).invariants()), default=0.0)
    assert balance < 1e-12 * max(1.0, np.abs(form.H).max())


def test_balanced_hidden_refuses_the_rest():
    assert balanced_hidden(tw.init.xavier(3, 3, seed=1)) is None
    assert balanced_hidden(tw.init.zas(4, 3, zero_layer=2)) is None  # a singular hidden layer
    assert balanced_hidden(tw.DeepLinearNetwork([np.ones((1, 3)), np.ones((2, 1))])) is None
    # D = V^T V - H has an eigenvalue of 0 or more: the lone hidden layer can become singular.
    assert balanced_hidden(tw.DeepLinearNetwork([np.eye(2), np.diag([0.5, 1.0])])) is None
    assert balanced_hidden(tw.DeepLinearNetwork([np.eye(2), np.diag([0.5, 0.99])])) is not None


def test_fully_balanced():
    assert fully_balanced(tw.init.orthogonal(6, 3, seed=1))
    assert fully_balanced(tw.init.balanced_layers(6, 3, seed=1))
    assert not fully_balanced(tw.init.zas(6, 3))
    assert not fully_balanced(tw.init.perturbed(tw.init.orthogonal(6, 3, seed=1), 1e-6, seed=2))
