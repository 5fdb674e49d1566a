"""Targets: the loss against its definition, what data do not see, joint spectra, bad input."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import thalweg as tw

SMALL = settings(max_examples=25, derandomize=True, deadline=None)


@SMALL
@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 10**6))
def test_whitened_loss(d_out, d_in, seed):
    rng = np.random.default_rng(seed)
    Phi, W = rng.normal(size=(2, d_out, d_in))
    target = tw.Target(Phi)
    assert target.loss(W) == pytest.approx(0.5 * np.linalg.norm(W - Phi) ** 2, rel=1e-13)
    assert target.loss(Phi) == 0.0
    assert target.scale == 1.0


@SMALL
@given(st.integers(1, 8), st.integers(1, 4), st.integers(1, 3), st.integers(0, 10**6))
def test_regression_is_the_mean_square_error(n, d_in, d_out, seed):
    """With fewer samples than inputs too, where Sigma is singular."""
    rng = np.random.default_rng(seed)
    X, Y, W = rng.normal(size=(n, d_in)), rng.normal(size=(n, d_out)), rng.normal(size=(d_out, d_in))
    target = tw.Target.regression(X, Y)
    assert target.loss(W) == pytest.approx(((X @ W.T - Y) ** 2).sum() / (2 * n), rel=1e-9)
    assert target.Phi == pytest.approx(Y.T @ np.linalg.pinv(X.T), rel=1e-6, abs=1e-9)  # least norm


def test_regression_on_whitened_data_is_whitened():
    Q = np.linalg.qr(np.random.default_rng(1).normal(size=(8, 3)))[0]
    target = tw.Target.regression(np.eye(4), np.eye(4)[:, :2])
    assert target.scale == 0.25
    assert target.moment_range == (0.25, 0.25)
    almost = tw.Target.regression(Q * np.sqrt(8), Q[:, :2])
    assert almost.moment_range == pytest.approx((1, 1), rel=1e-12)


def test_directions_without_data_are_taken_away():
    target = tw.Target([[1.0, 5.0]], second_moment=np.diag([2.0, 0.0]))
    assert target.Phi.tolist() == [[1.0, 0.0]]
    assert target.moment_range == (2.0, 2.0)


@pytest.mark.parametrize("shape", [(3, 3), (2, 5), (5, 2)])
@pytest.mark.parametrize("sigma", [[3.0, 1.0, 0.5], [2.0, 2.0, 0.0], [1.0, 1.0, 1.0], [0.0, 0.0, 0.0]])
def test_joint_spectrum(shape, sigma):
    rng = np.random.default_rng(3)
    d_out, d_in = shape
    r = min(shape)
    U = np.linalg.qr(rng.normal(size=(d_out, d_out)))[0]
    Z = np.linalg.qr(rng.normal(size=(d_in, d_in)))[0]
    Phi = U[:, :r] * sigma[:r] @ Z[:, :r].T
    lam = np.array([1.0, 2.0, 3.0, 1.0, 2.0])[:d_in]
    target = tw.Target(Phi, Z * lam @ Z.T)
    found = target.spectrum
    assert found is not None
    P, s, R, weights = found
    assert pytest.approx(np.eye(r), abs=1e-13) == P.T @ P
    assert pytest.approx(np.eye(r), abs=1e-13) == R.T @ R
    assert P * s @ R.T == pytest.approx(Phi, abs=1e-13)
    assert target.second_moment @ R == pytest.approx(R * weights, abs=1e-12)


def test_no_joint_spectrum_where_the_matrices_do_not_commute():
    assert tw.Target(np.diag([2.0, 1.0]), [[2.0, 1.0], [1.0, 2.0]]).spectrum is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[1.0, np.nan]],), "'Phi' parameter of Target must be finite"),
        (([1.0, 2.0],), "'Phi' parameter of Target must have 2 dimension"),
        ((np.zeros((0, 3)),), "at least one row"),
        (([[1e100]],), "rescale"),
        ((np.eye(2), np.eye(3)), "have shape"),
        ((np.eye(2), [[1.0, 0.5], [0.0, 1.0]]), "symmetric"),
        ((np.eye(2), np.diag([1.0, -1.0])), "semidefinite"),
        ((np.eye(2), np.zeros((2, 2))), "not all zero"),
        ((np.eye(2), None, -1.0), "'floor' parameter"),
    ],
)
def test_bad_targets(arguments, message):
    with pytest.raises(tw.InputError, match=message):
        tw.Target(*arguments)


@pytest.mark.parametrize(
    ("X", "Y", "message"),
    [
        (np.ones((3, 2)), np.ones(4), "one row per row of X"),
        (np.ones((0, 2)), np.ones(0), "at least one sample"),
        (np.zeros((3, 2)), np.ones(3), "other than zero"),
        (np.full((3, 2), np.inf), np.ones(3), "finite"),
        (np.full((3, 2), 1e90), np.ones(3), "rescale"),
    ],
)
def test_bad_regressions(X, Y, message):
    with pytest.raises(tw.InputError, match=message):
        tw.Target.regression(X, Y)


def test_shapes_of_maps_are_checked():
    with pytest.raises(tw.InputError, match="shape"):
        tw.Target(np.eye(2)).loss(np.eye(3))
