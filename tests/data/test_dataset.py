"""The Dataset itself: what it refuses, what it says, what it derives."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

import thalweg as tw


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        ([[1.0, np.nan]], [1.0], r"'X' parameter of Dataset must be finite.*nan at index \(0, 1\)"),
        ([[1.0, 0.0], [-np.inf, 1.0]], [1.0, 1.0], r"-inf at index \(1, 0\) \(1 in all\)"),
        (sp.csr_array([[1.0, np.inf]]), [1.0], r"X \(stored entries\).*finite"),
        ([[1.0]], [np.nan], "'y' parameter of Dataset must be finite"),
        ([[1.0], [2.0]], [1.0], "one label per row of X, 2. Got 1"),
        ([1.0, 2.0], [1.0, 2.0], r"2 dimension\(s\)"),
        ([[1.0]], [[1.0]], r"1 dimension\(s\)"),
        (np.empty((0, 3)), [], "at least one sample"),
        (np.empty((3, 0)), [1.0, 1.0, 1.0], "one sample and one input"),
        (sp.csr_array((0, 3)), [], "at least one sample"),
        ([[1.0], [0.0], [0.0]], [1.0, 1.0, 1.0], r"zero row at index 1 \(2 in all\)"),
        (sp.csr_array([[1.0, 0.0], [0.0, 0.0]]), [1.0, 1.0], "append a constant input.*zero row at index 1"),
        ([[1e200]], [1.0], "overflow"),
        (sp.csr_array([[1e200]]), [1.0], "overflow"),
        ([["a"]], [1.0], "real numbers"),
        ([[1j]], [1.0], "real numbers"),
        (sp.csr_array([[1j]]), [1.0], "hold real numbers"),
        ([[1.0], [1.0, 2.0]], [1.0, 1.0], "real numbers"),
        (np.array([["2020-01-01"]], "M8[D]"), [1.0], r"real numbers.*datetime64\[D\]"),
        (np.ma.masked_array([[1.0, 2.0]], [[False, True]]), [1.0], "no masked entries"),
        (sp.csr_array(([1.0], ([0], [10**12])), shape=(1, 10**12 + 1)), [1.0], "at most 1e\\+09 columns"),
    ],
)
def test_bad_data_is_refused_with_the_reason(X, y, message):
    with pytest.raises(tw.InputError, match=message):
        tw.Dataset(X, y)


def test_a_sparse_input_of_the_user_is_not_changed():
    X = sp.csr_array((np.array([1.0, 2.0, 0.0]), np.array([1, 1, 0]), np.array([0, 3])), shape=(1, 3))
    data = tw.Dataset(X, [1.0])
    assert X.nnz == 3
    assert data.X.nnz == 1
    assert data.norms == [3.0]


def test_arrays_of_the_user_may_change_later():
    X, y = np.eye(2), np.ones(2)
    data = tw.Dataset(X, y)
    X *= 3.0
    y *= 3.0
    assert (np.eye(2) == data.X).all()
    assert (data.y == 1).all()


@pytest.mark.parametrize(
    "build", [lambda name: tw.Dataset([[1.0]], [1.0], name), lambda name: tw.Target([[1.0]], name=name)]
)
def test_a_name_is_a_text(build):
    with pytest.raises(tw.InputError, match=r"'name' parameter of (Dataset|Target) must be a text. Got None"):
        build(None)


def test_float32_and_integers_are_upcast():
    assert tw.Dataset(np.ones((2, 2), np.float32), [1, 2]).X.dtype == np.float64
    assert tw.Dataset(sp.csr_array(np.ones((2, 2), np.int32)), [1, 2]).X.dtype == np.float64


@pytest.mark.parametrize("sparse", [False, True])
def test_orthogonality(sparse):
    def data(X):
        return tw.Dataset(sp.csr_array(X) if sparse else X, np.ones(len(X)))

    rotated = np.linalg.qr(np.random.default_rng(1).standard_normal((5, 5)))[0]
    nearly = rotated.copy()
    nearly[0] += 1e-12 * nearly[4]
    assert data(np.diag([1.0, 2.0, 3.0])).is_orthogonal
    assert data(rotated[:4]).is_orthogonal
    assert not data(nearly).is_orthogonal
    assert not data(np.array([[1.0], [1.0]])).is_orthogonal
    assert data(np.array([[2.0]])).is_orthogonal


@settings(max_examples=30, derandomize=True, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(-2, 2)), min_size=1, max_size=9), st.booleans())
def test_contradictions_are_those_of_brute_force(samples, sparse):
    inputs = np.array([[1.0, -0.0], [0.0, 1.0], [1.0, 1.0]])
    X, y = inputs[[k for k, _ in samples]], np.array([label for _, label in samples], float)
    got = tw.Dataset(sp.csr_array(X) if sparse else X, y).contradictions
    floor, groups = 0.0, []
    for k in range(3):
        rows = [i for i, (kind, _) in enumerate(samples) if kind == k]
        if len(set(y[rows])) > 1:
            groups.append(tuple(rows))
            floor += sum((y[i] - sum(y[rows]) / len(rows)) ** 2 for i in rows) / (2 * len(samples))
    assert set(got.groups) == set(groups)
    assert got.floor == pytest.approx(floor, rel=1e-12)
    assert bool(got) == bool(groups)


def test_the_floor_is_a_least_squares_minimum():
    # Any function of the inputs is a vector with equal entries on equal inputs: project the labels on those.
    X = np.array([[1.0, 2.0], [1.0, 2.0], [0.0, 1.0], [1.0, 2.0]])
    y = np.array([1.0, -1.0, 3.0, 2.0])
    indicator = np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 0.0]])
    _, squares, _, _ = np.linalg.lstsq(indicator, y, rcond=None)
    data = tw.Dataset(X, y)
    assert data.contradictions.floor == pytest.approx(squares[0] / 8)
    assert "samples 0 and 1 are the same input with different labels" in str(data)
    assert f"{squares[0] / 8:.4g}" in str(data.contradictions)


def test_equal_inputs_with_equal_labels_do_not_contradict():
    data = tw.Dataset([[1.0, 0.0], [1.0, 0.0]], [2.0, 2.0])
    assert not data.contradictions
    assert data.contradictions.floor == 0
    assert "conflict" not in str(data)


def test_centred_columns_have_mean_zero_and_a_singular_gram_matrix():
    data = tw.data.sphere(8, 30, seed=2).centred()
    np.testing.assert_allclose(data.X.mean(axis=0), 0, atol=1e-15)
    assert (data.coherence.lambda_min, data.coherence.rank) == (0.0, 7)
    assert not data.coherence.weakly_interacting


def test_uncorrelated_inner_products_average_zero_and_the_rank_stays():
    base = tw.data.sphere(8, 30, seed=2)
    shifted = tw.Dataset(base.X + 3.0, base.y)
    data = shifted.uncorrelated()
    assert np.sum(data.gram) == pytest.approx(np.trace(data.gram), rel=1e-12)
    assert data.coherence.rank == 8
    assert data.coherence.max_cosine < 0.6 < shifted.coherence.max_cosine


def test_uncorrelated_makes_equicorrelated_inputs_orthogonal():
    data = tw.data.equicorrelated(6, 10, 0.7, seed=3)
    unit = tw.Dataset(data.X / data.norms[:, None], data.y)
    assert unit.uncorrelated().coherence.max_cosine < 1e-13
    opposed = tw.Dataset([[1.0, 0.0], [-1.0, 1.0]], [1.0, 1.0])
    assert opposed.uncorrelated() is opposed


@pytest.mark.parametrize("method", ["centred", "uncorrelated"])
def test_a_sparse_matrix_is_not_filled_in_silence(method):
    with pytest.raises(tw.InputError, match=r"must be dense.*toarray\(\), data.y\)." + method):
        getattr(tw.data.orthogonal(3, seed=1), method)()


def test_printing_says_what_the_data_are():
    text = str(tw.data.sphere(10, 5000, seed=1))
    for part in (
        "10 samples x 5000 inputs",
        "norms",
        "labels",
        "max |cos|",
        "mean |cos|",
        "lambda_min",
        "regime",
    ):
        assert part in text
    assert repr(tw.data.orthogonal(4, seed=1)) == "Dataset('orthogonal(n=4)', sparse n=4, d=4)"


def test_printing_large_data_computes_nothing_large():
    data = tw.Dataset(np.random.default_rng(0).standard_normal((3000, 2)), np.ones(3000))
    assert "ask for data.coherence" in str(data)
    assert "coherence" not in data.__dict__
    assert data.coherence.rank == 2
    assert "rank 2" in str(data)


def test_html_is_escaped():
    page = tw.Dataset([[1.0]], [1.0], name="<b>")._repr_html_()
    assert "&lt;b&gt;" in page
    assert "<b>" not in page


def test_zeros_of_either_sign_are_the_same_input():
    assert tw.Dataset([[1.0, 0.0], [1.0, -0.0]], [1.0, -1.0]).contradictions.groups == ((0, 1),)
