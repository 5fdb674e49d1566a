"""The group initialization: its definition, and the closed form of its flow against explicit steps."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import thalweg as tw


def unit_data(n, seed, rotated=False):
    rng = np.random.default_rng(seed)
    X = np.linalg.qr(rng.standard_normal((n + 2, n + 2)))[0][:n] if rotated else np.eye(n)
    return tw.Dataset(X, rng.uniform(1, 2, n) * np.where(np.arange(n) % 3 == 0, -1, 1))


def euler(network, data, t, steps):
    """Explicit steps of the flow, with nothing else known of it."""
    X, p, n, h = data.X, network.p, data.n, t / steps
    W, a = network.W.copy(), network.a.copy()
    for _ in range(steps):
        z = W @ X.T
        r = data.y - a @ np.maximum(z, 0) / p
        W, a = W + h / n * (a[:, None] * ((z > 0) * r)) @ X, a + h / n * np.maximum(z, 0) @ r
    return W, a


@settings(max_examples=40, derandomize=True, deadline=None)
@given(st.integers(2, 12), st.floats(0.001, 10.0), st.floats(0.75, 1.0), st.booleans(), st.integers(0, 10**6))
def test_definition(n, scale, cosine, rotated, seed):
    data = unit_data(n, seed, rotated)
    groups = [np.flatnonzero(data.y > 0), np.flatnonzero(data.y < 0)]
    groups = [rows for rows in groups if cosine == 1 or (rows.size > 1 and _share(data, rows) < cosine)]
    if not groups:
        return
    network = tw.init.group(data, groups, scale=scale, cosine=cosine, seed=seed)
    z = network.preactivations(data.X)
    assert network.invariant.tolist() == [0.0] * len(groups)
    np.testing.assert_allclose(np.abs(network.a), np.linalg.norm(network.W, axis=1), rtol=1e-14)
    np.testing.assert_allclose(np.abs(network.a), scale, rtol=1e-12)
    for j, rows in enumerate(groups):
        outside = np.setdiff1d(np.arange(n), rows)
        assert (z[j, rows] > 0).all()
        assert (z[j, outside] < 0).all()
        assert np.abs(z[j, outside]).sum() <= 1e-7 * scale
        assert (np.sign(data.y[rows]) == np.sign(network.a[j])).all()
        labels = np.abs(data.y[rows])
        got = z[j, rows] @ labels / (np.linalg.norm(z[j, rows]) * np.linalg.norm(labels))
        assert got == pytest.approx(cosine, abs=1e-10)


def _share(data, rows):
    labels = np.abs(data.y[rows])
    return labels.min() / np.linalg.norm(labels)


@pytest.mark.parametrize("cosine", [1.0, 0.8])
@pytest.mark.parametrize("norm", [1.0, 1.5])
def test_closed_form_of_the_flow(cosine, norm):
    n, t = 6, 4.0
    base = unit_data(n, 7, rotated=True)
    data = tw.Dataset(norm * base.X, base.y)
    groups = [np.flatnonzero(data.y > 0), np.flatnonzero(data.y < 0)]
    network = tw.init.group(data, groups, scale=0.3, cosine=cosine, seed=3)
    coarse, fine = euler(network, data, t, 4000), euler(network, data, t, 8000)
    a = 2 * fine[1] - coarse[1]  # Richardson
    W = 2 * fine[0] - coarse[0]
    for j, rows in enumerate(groups):
        # In terms of u = <w, x>/|x| the flow is that of inputs of norm 1, labels k y, and k^2/p for 1/p.
        D, p = norm * np.linalg.norm(data.y[rows]), network.p / norm**2
        s, N0, c0 = D * t / n, 0.09, cosine
        G = np.cosh(s) + c0 * np.sinh(s)
        total = (1 - c0**2) * s / 2 + (1 + c0**2) * np.sinh(2 * s) / 4 + c0 * (np.cosh(2 * s) - 1) / 2
        assert a[j] ** 2 == pytest.approx(N0 * G**2 / (1 + 2 * N0 / (p * D) * total), rel=1e-5)
        u = W[j] @ base.X[rows].T
        c = u @ np.abs(data.y[rows]) / np.linalg.norm(u) / np.linalg.norm(data.y[rows])
        assert c == pytest.approx(1.0 if c0 == 1 else np.tanh(s + np.arctanh(c0)), abs=1e-6)


def test_sparse_orthogonal_data_and_default_groups():
    data = tw.data.orthogonal(50, seed=1)
    network = tw.init.group(data)
    z = network.preactivations(data.X)
    assert network.p == 2
    assert ((z > 0) == (np.sign(network.a)[:, None] == np.sign(data.y))).all()
    # Inputs of different norms: the direction of growth at the start is that of |x_i| y_i.
    u = z / data.norms
    rows = data.y > 0
    np.testing.assert_allclose(u[0, rows] / (data.norms * data.y)[rows], u[0, rows][0] / (data.norms * data.y)[rows][0])


def test_the_lean_is_drawn_from_the_seed():
    data = unit_data(12, 1)
    draws = [tw.init.group(data, cosine=0.9, seed=k).W.tobytes() for k in range(6)]
    assert draws[0] == tw.init.group(data, cosine=0.9, seed=0).W.tobytes()
    assert len(set(draws)) > 1


@pytest.mark.parametrize(
    ("groups", "arguments", "message"),
    [
        ([[1], [1, 2]], {}, "disjoint groups. Got a sample twice"),
        ([[0, 1]], {}, "labels of one sign"),
        ([[9]], {}, "indices of samples, 0 to 5"),
        ([[-1]], {}, "indices of samples"),
        ([[]], {}, "indices of samples"),
        ([[0.5]], {}, "indices of samples"),
        ([], {}, "Got none"),
        (5, {}, "sequence of sequences of indices. Got 5"),
        ([[1, 2]], {"scale": 0.0}, "'scale' parameter of group"),
        ([[1, 2]], {"cosine": 0.0}, "'cosine' parameter of group"),
        ([[1, 2]], {"cosine": 1.1}, "at most 1"),
        ([[1, 2]], {"cosine": 0.1}, "'cosine' parameter of group must be 1, or above"),
        ([[1]], {"cosine": 0.9}, "'cosine' parameter of group must be 1, or above 1"),
    ],
)
def test_bad_groups(groups, arguments, message):
    with pytest.raises(tw.InputError, match=message):
        tw.init.group(unit_data(6, 1), groups, **arguments)


def test_correlated_inputs_have_no_group_initialization():
    with pytest.raises(tw.InputError, match="'data' parameter of group must have orthogonal inputs"):
        tw.init.group(tw.data.sphere(3, 5, seed=1))
    with pytest.raises(tw.InputError, match="'data' parameter of group must be a Dataset"):
        tw.init.group(np.eye(3))
