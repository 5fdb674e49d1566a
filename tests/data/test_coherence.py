"""Coherence against closed forms and brute force."""

import importlib

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import thalweg as tw

coherence_module = importlib.import_module("thalweg.data.coherence")


def brute_force(data):
    """Everything of the summary, from the definition, sample by sample."""
    X = data.X.toarray() if data.is_sparse else data.X
    n = len(X)
    cosines, ratios = [], []
    for i in range(n):
        others = [float(X[i] @ X[k]) for k in range(n) if k != i]
        cosines += [abs(float(X[i] @ X[k])) / (np.linalg.norm(X[i]) * np.linalg.norm(X[k])) for k in range(n) if k != i]
        row = np.sqrt(sum(value**2 for value in others) + float(X[i] @ X[i]) ** 2)
        ratios.append(abs(data.y[i]) * row / (np.linalg.norm(data.y) * np.linalg.norm(others)))
    singular = np.linalg.svd(X, compute_uv=False)
    smallest = singular[-1] ** 2 if n <= data.d else 0.0
    return max(cosines), np.mean(cosines), smallest, singular[0] ** 2, min(ratios), int(np.argmin(ratios))


@settings(max_examples=30, derandomize=True, deadline=None)
@given(st.integers(2, 9), st.integers(1, 12), st.booleans(), st.integers(0, 10**6))
def test_summary_is_its_definition(n, d, sparse, seed):
    data = tw.data.sphere(n, d, seed=seed)
    if sparse:
        data = tw.Dataset(sp.csr_array(data.X), data.y)
    expected = brute_force(data)
    got = data.coherence
    found = (got.max_cosine, got.mean_cosine, got.lambda_min, got.lambda_max, got.margin)
    assert found == pytest.approx(expected[:5], rel=1e-9, abs=1e-12)
    assert got.rank == min(n, d)
    assert got.weakly_interacting == (expected[4] > 1)


def test_the_worst_sample_is_named():
    data = tw.data.sphere(7, 40, seed=3)
    assert data.coherence.worst_sample == brute_force(data)[5]
    assert f"at sample {data.coherence.worst_sample}" in data.coherence.regime


@pytest.mark.parametrize("correlation", [-1 / 5, -0.1, 0.0, 0.3, 0.95])
def test_equicorrelated_has_one_cosine_and_a_known_spectrum(correlation):
    data = tw.data.equicorrelated(6, 9, correlation, seed=4)
    cosines = (data.gram / np.outer(data.norms, data.norms))[~np.eye(6, dtype=bool)]
    np.testing.assert_allclose(cosines, correlation, atol=1e-14)
    assert data.coherence.max_cosine == pytest.approx(abs(correlation), abs=1e-13)
    assert data.coherence.mean_cosine == pytest.approx(abs(correlation), abs=1e-13)
    unit = tw.Dataset(data.X / data.norms[:, None], data.y).coherence
    values = sorted([1 - correlation, 1 + 5 * correlation])
    assert (unit.lambda_min, unit.lambda_max) == pytest.approx(values, abs=1e-13)
    assert unit.rank == (5 if correlation == -1 / 5 else 6)


def test_margin_of_equicorrelated_inputs_has_a_closed_form():
    # |K_i| = sqrt(1 + (n-1) c^2) and kappa_i = c sqrt(n-1) for unit inputs; |y| = sqrt(n) |y_i|.
    n, c = 5, 0.2
    X = tw.data.equicorrelated(n, 5, c, seed=1).X
    data = tw.Dataset(X / np.linalg.norm(X, axis=1)[:, None], [1.0, -1.0, 1.0, 1.0, -1.0])
    expected = np.sqrt(1 + (n - 1) * c**2) / (np.sqrt(n) * c * np.sqrt(n - 1))
    assert data.coherence.margin == pytest.approx(expected, rel=1e-12)
    assert data.coherence.weakly_interacting


def test_orthogonal_inputs_need_no_gram_matrix():
    data = tw.data.orthogonal(200_000, seed=5)
    got = data.coherence
    assert (got.max_cosine, got.mean_cosine, got.margin, got.rank) == (0.0, 0.0, np.inf, data.n)
    assert (got.lambda_min, got.lambda_max) == pytest.approx((data.X.data.min() ** 2, data.X.data.max() ** 2))
    assert got.weakly_interacting
    assert "gram" not in data.__dict__


def test_a_zero_label_is_outside_the_regime_even_if_orthogonal():
    got = tw.Dataset(np.eye(3), [1.0, 0.0, 1.0]).coherence
    assert got.margin == 0
    assert not got.weakly_interacting
    assert "label of sample 1 is 0" in got.regime


def test_a_single_sample():
    got = tw.Dataset([[3.0, 4.0]], [1.0]).coherence
    assert (got.max_cosine, got.mean_cosine, got.lambda_min, got.rank) == (0.0, 0.0, 25.0, 1)
    assert got.weakly_interacting


def test_blocks_and_lanczos_agree_with_the_whole(monkeypatch):
    data, fresh = tw.data.sphere(60, 400, seed=6), tw.data.sphere(60, 400, seed=6)
    whole = data.coherence
    monkeypatch.setattr(coherence_module, "_BLOCK", 420)  # seven rows at a time
    monkeypatch.setattr(coherence_module, "_FULL_SPECTRUM", 10)
    parts = fresh.coherence
    assert parts.rank is None
    for name in ("max_cosine", "mean_cosine", "margin"):
        assert getattr(parts, name) == pytest.approx(getattr(whole, name), rel=1e-12)
    assert (parts.lambda_min, parts.lambda_max) == pytest.approx((whole.lambda_min, whole.lambda_max), rel=1e-2)
    tall = tw.data.sphere(60, 20, seed=6).coherence
    assert (tall.lambda_min, tall.rank) == (0.0, None)


def test_high_dimension_stays_sparse():
    rng = np.random.default_rng(0)
    columns = rng.choice(10**6, size=(100, 50))
    X = sp.coo_array((rng.standard_normal(5000), (np.repeat(np.arange(100), 50), columns.ravel())), (100, 10**6))
    data = tw.Dataset(X, rng.choice([-1.0, 1.0], 100))
    used = np.unique(columns)
    small = tw.Dataset(X.tocsc()[:, used].toarray(), data.y)
    assert data.coherence.lambda_min == pytest.approx(small.coherence.lambda_min)
    assert data.coherence.margin == pytest.approx(small.coherence.margin)


@settings(max_examples=40, derandomize=True, deadline=None)
@given(st.integers(2, 6), st.integers(2, 60), st.integers(0, 10**6))
def test_weak_interaction_implies_a_definite_gram_matrix(n, d, seed):
    data = tw.data.sphere(n, d, seed=seed)
    if data.coherence.weakly_interacting:
        assert data.coherence.lambda_min > 0


def test_the_regime_opens_with_the_verdict():
    data = tw.data.sphere(10, 5000, seed=1)
    assert data.coherence.weakly_interacting
    assert data.coherence.regime.startswith("weakly interacting")
    assert tw.data.sphere(100, 50, seed=1).coherence.regime.startswith("not weakly interacting: fails by")
