"""The shallow network against a plain loop, and its files."""

import os

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import thalweg as tw
from thalweg._files import saved_kind


def by_loop(W, a, slope, x, scaling):
    total = 0.0
    for j in range(len(a)):
        z = sum(float(w) * float(v) for w, v in zip(W[j], x, strict=True))
        total += a[j] * (z if z > 0 else slope * z)
    return total * scaling


def network_of(kind, d, p, seed):
    slope = {"relu": 0.0, "leaky_relu": 0.2}[kind]
    return tw.init.gaussian(d, p, seed=seed, activation=kind, slope=slope)


@settings(max_examples=30, derandomize=True, deadline=None)
@given(
    st.integers(1, 6),
    st.integers(1, 5),
    st.integers(1, 5),
    st.sampled_from(["relu", "leaky_relu"]),
    st.integers(0, 99),
)
def test_forward_and_loss_are_those_of_a_plain_loop(n, d, p, kind, seed):
    network, data = network_of(kind, d, p, seed), tw.data.sphere(n, d, seed=seed + 1)
    expected = np.array([by_loop(network.W, network.a, network.slope, x, 1 / p) for x in data.X])
    np.testing.assert_allclose(network.predict(data.X), expected, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(network.predict(sp.csr_array(data.X)), expected, rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(network.residuals(data), data.y - expected, rtol=1e-12, atol=1e-13)
    assert network.loss(data) == pytest.approx(sum((data.y - expected) ** 2) / (2 * n), rel=1e-12)
    z = network.preactivations(data.X)
    assert z.shape == (p, n)
    assert z[p - 1, n - 1] == pytest.approx(float(network.W[p - 1] @ data.X[n - 1]), rel=1e-12)


@settings(max_examples=30, derandomize=True, deadline=None)
@given(st.integers(1, 5), st.integers(1, 7), st.sampled_from(["relu", "leaky_relu"]), st.integers(0, 99))
def test_the_unnormalised_network_computes_the_same(d, p, kind, seed):
    network, data = network_of(kind, d, p, seed), tw.data.sphere(4, d, seed=seed + 1)
    W, a = network.to_unnormalised()
    plain = np.array([by_loop(W, a, network.slope, x, 1.0) for x in data.X])  # no factor 1/p
    np.testing.assert_allclose(plain, network.predict(data.X), rtol=1e-12, atol=1e-13)
    back = tw.ShallowNetwork.from_unnormalised(W, a, network.activation, network.slope)
    np.testing.assert_allclose(back.W, network.W, rtol=1e-14)
    np.testing.assert_allclose(back.a, network.a, rtol=1e-14)
    assert back.loss(data) == pytest.approx(network.loss(data), rel=1e-12)


def test_the_activation_at_and_around_zero():
    z = np.array([-2.0, -0.0, 0.0, 3.0])
    assert tw.ShallowNetwork([[1.0]], [1.0]).activate(z).tolist() == [0, 0, 0, 3]
    assert tw.ShallowNetwork([[1.0]], [1.0], "leaky_relu", 0.5).activate(z).tolist() == [-1, 0, 0, 3]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[np.nan]], [1.0]), "'W' parameter of ShallowNetwork must be finite"),
        (([[1.0]], [np.inf]), "'a' parameter of ShallowNetwork must be finite"),
        (([1.0], [1.0]), r"'W' .* 2 dimension\(s\)"),
        ((np.empty((0, 2)), []), "at least one neuron"),
        ((np.empty((2, 0)), [1.0, 1.0]), "one neuron and one input"),
        (([[1.0], [2.0]], [1.0]), r"'a' .* shape \(2,\)"),
        (([[1e200]], [1.0]), "squares are float64: rescale them. Got an overflow"),
        (([[1.0]], [1e200]), "squares are float64: rescale them. Got an overflow"),
        (([[1.0]], [1.0], "tanh"), "'activation' .* one of 'relu', 'leaky_relu'"),
        (([[1.0]], [1.0], "relu", 0.1), "'slope' .* be 0 for 'relu'"),
        (([[1.0]], [1.0], "leaky_relu"), "'slope' .* above 0"),
        (([[1.0]], [1.0], "leaky_relu", 1.0), "below 1"),
        (([[1.0]], [2.0], "relu", 0.0, [3.1]), "'invariant' .* equal .* 3.1 against 3.0 at neuron 0"),
        (([[1.0]], [2.0], "relu", 0.0, [3.0, 3.0]), r"'invariant' .* shape \(1,\)"),
    ],
)
def test_bad_parameters(arguments, message):
    with pytest.raises(tw.InputError, match=message):
        tw.ShallowNetwork(*arguments)


@pytest.mark.parametrize("X", [np.ones((2, 3)), sp.csr_array(np.ones((2, 3))), [[1.0, np.nan]], [1.0, 2.0]])
def test_bad_inputs(X):
    with pytest.raises(tw.InputError, match="'X' parameter of ShallowNetwork"):
        tw.ShallowNetwork([[1.0, 2.0]], [1.0]).predict(X)


def test_the_invariant_is_computed_or_kept_as_given():
    network = tw.ShallowNetwork([[3.0, 4.0]], [6.0])
    assert network.invariant.tolist() == [11.0]
    W = np.array([[0.1, 0.7]])
    kept = tw.ShallowNetwork(W, np.linalg.norm(W, axis=1), invariant=[0.0])
    assert kept.invariant.tolist() == [0.0]
    assert network.replace(a=[7.0]).invariant.tolist() == [24.0]
    assert kept.replace(W=W, invariant=kept.invariant).invariant.tolist() == [0.0]


@pytest.mark.parametrize("kind", ["relu", "leaky_relu"])
def test_files_keep_every_bit(tmp_path, kind):
    network = tw.init.balanced(4, 3, seed=1, activation=kind, slope=0.0 if kind == "relu" else 0.3)
    back = tw.ShallowNetwork.load(network.save(tmp_path / "network.npz"))
    assert back.W.tobytes() == network.W.tobytes()
    assert back.a.tobytes() == network.a.tobytes()
    assert back.invariant.tolist() == [0.0] * 3
    assert (back.activation, back.slope) == (network.activation, network.slope)
    assert os.listdir(tmp_path) == ["network.npz"]


def test_broken_files_are_refused(tmp_path):
    path, cut = tmp_path / "network.npz", tmp_path / "cut.npz"
    tw.init.gaussian(4, 3, seed=1).save(path)
    whole = path.read_bytes()
    for length in [0, 1, 5, 30, *range(60, len(whole), 83), len(whole) - 1]:
        cut.write_bytes(whole[:length])
        with pytest.raises(tw.InputError, match="not a complete saved ShallowNetwork"):
            tw.ShallowNetwork.load(cut)
    np.savez(cut, X=np.eye(2))
    with pytest.raises(tw.InputError, match="not a complete saved ShallowNetwork"):
        tw.ShallowNetwork.load(cut)
    np.save(tmp_path / "array.npy", np.eye(2))
    with pytest.raises(tw.InputError, match="not a complete saved ShallowNetwork"):
        tw.ShallowNetwork.load(tmp_path / "array.npy")
    np.savez(cut, format="other")
    with pytest.raises(tw.InputError, match="is not a saved ShallowNetwork"):
        tw.ShallowNetwork.load(cut)
    with pytest.raises(tw.InputError, match="There is no file"):
        tw.ShallowNetwork.load(tmp_path / "none.npz")
    with pytest.raises(tw.InputError, match="existing folder"):
        tw.init.gaussian(4, 3, seed=1).save(tmp_path / "none" / "network.npz")


def test_repr_counts_the_dominated_neurons():
    network = tw.ShallowNetwork([[1.0], [2.0]], [1.5, 1.0], "leaky_relu", 0.25)
    assert repr(network) == "ShallowNetwork(p=2, d=1, leaky_relu(0.25), dominated 1/2)"


@pytest.mark.parametrize("build", [tw.ShallowNetwork, lambda W, a: tw.SmoothNetwork(W, a, "tanh")])
def test_arrays_of_the_user_may_change_later(build):
    """Otherwise the invariant would be that of other weights."""
    W, a = np.ones((2, 3)), np.full(2, 2.0)
    network = build(W, a)
    W *= 5.0
    a *= 5.0
    assert (network.W == 1).all()
    assert (network.a == 2).all()


def test_compressed_files_are_refused_before_they_are_unpacked(tmp_path):
    """A few kilobytes can unpack to gigabytes; `save` compresses nothing."""
    small, bomb = tmp_path / "small.npz", tmp_path / "bomb.npz"
    tw.init.dominated(4, 3, seed=1).save(small)
    with np.load(small) as parts:
        np.savez_compressed(bomb, **parts, junk=np.zeros(10**6))
    assert bomb.stat().st_size < 10_000
    with pytest.raises(tw.InputError, match="not a complete saved ShallowNetwork: its parts are compressed"):
        tw.ShallowNetwork.load(bomb)
    assert saved_kind(small) == "thalweg-shallow-network"
    assert saved_kind(bomb) == ""
