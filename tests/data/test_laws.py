"""Random data: the laws hold, and a seed gives the same bits."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import thalweg as tw

LAWS = {
    "sphere": lambda n, seed: tw.data.sphere(n, 7, seed=seed),
    "orthogonal": lambda n, seed: tw.data.orthogonal(n, seed=seed),
    "equicorrelated": lambda n, seed: tw.data.equicorrelated(n, n + 2, 0.4, seed=seed),
}


def dense(data):
    return data.X.toarray() if data.is_sparse else data.X


@pytest.mark.parametrize("law", LAWS)
@settings(max_examples=15, derandomize=True, deadline=None)
@given(st.integers(1, 20), st.integers(0, 2**40))
def test_law(law, n, seed):
    data, again = LAWS[law](n, seed), LAWS[law](n, np.random.SeedSequence(seed))
    assert dense(data).tobytes() == dense(again).tobytes()
    assert data.y.tobytes() == again.y.tobytes()
    assert (dense(LAWS[law](n, seed + 1)) != dense(data)).any()
    for sizes in (data.norms, np.abs(data.y)):
        assert sizes.min() >= 1 - 1e-12
        assert sizes.max() <= 2 + 1e-12


def test_large_samples_have_the_moments_of_the_law():
    data = tw.data.sphere(20_000, 3, seed=1)
    directions = data.X / data.norms[:, None]
    np.testing.assert_allclose(directions.T @ directions / data.n, np.eye(3) / 3, atol=0.01)
    np.testing.assert_allclose(directions.mean(axis=0), 0, atol=0.02)
    assert data.norms.mean() == pytest.approx(1.5, abs=0.01)
    assert np.sign(data.y).mean() == pytest.approx(0, abs=0.03)


def test_the_frame_of_equicorrelated_inputs_is_rotated_uniformly():
    first = np.array([tw.data.equicorrelated(2, 2, 0.0, seed=k).X[0] for k in range(400)])
    assert np.abs(first.mean(axis=0)).max() < 0.2  # four standard errors; a fixed sign convention gives 0.9
    assert (first > 0).mean() == pytest.approx(0.5, abs=0.08)


def test_teacher_labels_are_the_outputs_of_the_teacher():
    inputs = tw.data.sphere(12, 6, seed=1)
    network = tw.init.gaussian(6, 3, seed=2)
    data = tw.data.teacher(network, inputs)
    expected = [sum(network.a[j] * max(float(network.W[j] @ x), 0.0) for j in range(3)) / 3 for x in inputs.X]
    np.testing.assert_allclose(data.y, expected, atol=1e-14)
    assert network.loss(data) == 0
    np.testing.assert_array_equal(data.X, inputs.X)


def test_teacher_of_another_dimension():
    with pytest.raises(tw.InputError, match="'network' parameter of teacher must be a ShallowNetwork"):
        tw.data.teacher(None, tw.data.sphere(3, 4, seed=1))
    with pytest.raises(tw.InputError, match="'inputs' parameter of teacher must be a Dataset"):
        tw.data.teacher(tw.init.gaussian(5, 3, seed=1), np.eye(5))
    with pytest.raises(tw.InputError, match="must have 5 columns, as W has"):
        tw.data.teacher(tw.init.gaussian(5, 2, seed=1), tw.data.sphere(4, 6, seed=1))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: tw.data.sphere(0, 3), "'n' parameter of sphere must be an integer of at least 1. Got 0"),
        (lambda: tw.data.sphere(3, 0), "'d' parameter of sphere"),
        (lambda: tw.data.sphere(2.5, 3), "'n' parameter of sphere"),
        (lambda: tw.data.sphere(3, 3, seed=-1), "'seed' parameter of sphere"),
        (lambda: tw.data.orthogonal(True), "'n' parameter of orthogonal"),
        (lambda: tw.data.equicorrelated(4, 3, 0.1), "'d' parameter of equicorrelated must be at least n = 4"),
        (lambda: tw.data.equicorrelated(3, 3, 1.0), "'correlation' parameter .* below 1"),
        (lambda: tw.data.equicorrelated(3, 3, -0.6), "at least -0.5"),
        (lambda: tw.data.equicorrelated(3, 3, np.nan), "'correlation' parameter"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(tw.InputError, match=message):
        call()


def test_the_example_is_learnable_and_not_trivial():
    data = tw.data.example()
    assert (data.n, data.d, data.is_sparse) == (115, 2738, True)
    assert set(data.y) == {-1.0, 1.0}
    assert not data.contradictions
    assert data.coherence.max_cosine < 0.5
    # Ridge regression with each sample left out in turn, by brute force.
    right = 0
    for i in range(data.n):
        rest = np.delete(np.arange(data.n), i)
        weights = np.linalg.solve(data.gram[np.ix_(rest, rest)] + 0.3 * np.eye(data.n - 1), data.y[rest])
        right += (data.gram[i, rest] @ weights) * data.y[i] > 0
    assert right / data.n > 0.85
    assert (data.y < 0).mean() < 0.76
