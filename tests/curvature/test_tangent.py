"""The tangent kernel against the curvature of the flow, finite differences and its own parts."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import thalweg as tw
from bank import BANK, DRAWN, SLIDING, by_name
from oracles.comparison import flow_case
from thalweg.curvature import tangent_kernel, tangent_kernel_at


@pytest.mark.parametrize("case", [*BANK, *DRAWN], ids=str)
def test_the_curvature_of_the_trajectory(case):
    """mu read off H, by products and from the dense matrix; the engine finds it from velocities."""
    traj = flow_case(case, rtol=1e-5)
    for k in range(len(traj)):
        kernel = tangent_kernel_at(traj, k)
        r, H = traj.residuals[k], kernel.matrix
        assert kernel.curvature == pytest.approx(traj.curvature[k], rel=1e-11, abs=1e-14)
        assert 2 / kernel.n * (r @ H @ r) == pytest.approx(traj.curvature[k] * (r @ r), rel=1e-10, abs=1e-14)


@pytest.mark.parametrize("case", [*SLIDING, by_name("leaky_slides"), by_name("duplicates_slide"), *DRAWN[::6]], ids=str)
def test_residuals_move_by_the_kernel(case):
    """n r' = -H r as vectors, r' by central differences where no mode changes; mu alone would tell less."""
    h, checked = 1e-3, 0
    middles = case.t_end * np.array([0.11, 0.29, 0.53, 0.79])
    traj = flow_case(case, times=np.ravel(middles[:, None] + [-h, 0.0, h]), rtol=1e-9)
    for k in range(1, len(traj) - 1, 3):
        if traj.events[k : k + 2].any():
            continue
        kernel = tangent_kernel_at(traj, k)
        slope = (traj.residuals[k + 1] - traj.residuals[k - 1]) / (2 * h)
        expected = -kernel.apply(traj.residuals[k]) / kernel.n
        rate = 1 + np.abs(kernel.matrix).max()
        assert_allclose(slope, expected, rtol=0, atol=h**2 * rate**3 * np.abs(traj.residuals).max())
        checked += 1
    assert checked


@pytest.mark.parametrize("slope", [0.0, 0.3])
def test_without_sliding_it_is_the_gram_matrix_of_gradients(slope):
    """H = p J J^T, J the gradients of the outputs by central differences."""
    rng = np.random.default_rng(3)
    kind = ("leaky_relu", slope) if slope else ("relu", 0.0)
    network = tw.ShallowNetwork(rng.normal(size=(3, 4)), rng.normal(size=3), *kind)
    data = tw.Dataset(rng.normal(size=(6, 4)), rng.normal(size=6))
    theta = np.concatenate([network.W.ravel(), network.a])

    def outputs(theta):
        return tw.ShallowNetwork(theta[:12].reshape(3, 4), theta[12:], *kind).predict(data.X)

    h = 1e-6
    J = np.array([(outputs(theta + h * e) - outputs(theta - h * e)) / (2 * h) for e in np.eye(15)]).T
    assert_allclose(tangent_kernel(network, data).matrix, 3 * J @ J.T, atol=1e-8)


def test_products_diagonal_and_operator_agree_with_the_matrix():
    traj = flow_case(by_name("duplicates_slide"))
    slid = int(np.argmax(traj.sliding))
    assert traj.sliding[slid] > 0
    kernel = tangent_kernel_at(traj, slid)
    H = kernel.matrix
    assert_allclose(kernel.operator @ np.eye(kernel.n), H, atol=1e-13)
    assert_allclose(kernel.diagonal, np.diag(H), atol=1e-13)
    assert np.linalg.eigvalsh(H)[0] > -1e-12
    assert np.linalg.matrix_rank(H) <= kernel.rank_bound


def test_sparse_inputs_are_as_dense_ones():
    """More columns than samples, a sliding pair put there by hand."""
    rng = np.random.default_rng(5)
    X = rng.normal(size=(6, 9)) * (rng.random((6, 9)) < 0.5) + np.eye(6, 9)
    W = rng.normal(size=(3, 9))
    W[0] -= (W[0] @ X[2]) / (X[2] @ X[2]) * X[2]
    network, y = tw.ShallowNetwork(W, [1.0, -1.0, 0.5]), rng.normal(size=6)
    modes = np.sign(network.preactivations(X))
    modes[0, 2] = 0
    import scipy.sparse

    dense, sparse = (tangent_kernel(network, tw.Dataset(A, y), modes=modes) for A in (X, scipy.sparse.csr_array(X)))
    assert len(dense.held) == len(sparse.held) == 1
    v = rng.normal(size=6)
    assert_allclose(sparse.matrix, dense.matrix, atol=1e-13)
    assert_allclose(sparse.apply(v), dense.matrix @ v, atol=1e-13)


@pytest.mark.parametrize("case", [*SLIDING[:5], by_name("leaky_slides"), *DRAWN[:12]], ids=str)
def test_modes_are_found_from_the_network(case):
    """A rebuilt network has z of 1e-17 where it slides: that is neither active nor inactive."""
    traj = flow_case(case, rtol=1e-5)
    for k in range(len(traj)):
        found = tangent_kernel(traj.networks[k], case.data)
        assert found.curvature == pytest.approx(traj.curvature[k], rel=1e-8)


def test_heavisides_of_rounding_would_overstate():
    """Why the multipliers matter: taken as active, the sliding pair adds to mu."""
    traj = flow_case(by_name("three_parameters"))
    kernel = tangent_kernel_at(traj, 5)
    assert (kernel.modes == 0).any()
    as_active = tangent_kernel(traj.networks[5], traj.data, modes=np.where(kernel.modes == 0, 1, kernel.modes))
    assert as_active.curvature > 1.5 * kernel.curvature


def test_a_network_that_fits_has_curvature_zero():
    network = tw.ShallowNetwork([[1.0, 0.0]], [1.0])
    assert tangent_kernel(network, tw.Dataset([[2.0, 0.0]], [2.0])).curvature == 0


def test_bad_input_is_named():
    network, data = tw.ShallowNetwork([[1.0, 0.0]], [1.0]), tw.Dataset([[2.0, 0.5]], [2.0])
    for arguments, modes, message in [
        ((data, data), None, "'network' parameter"),
        ((network, network), None, "'data' parameter"),
        ((network, tw.Dataset([[1.0]], [1.0])), None, "1 inputs"),
        ((network, data), [[1, 1]], "shape"),
        ((network, data), [[2]], "sliding"),
        ((network, data), [[-1]], "mode -1 for neuron 0 and sample 0"),
        ((network, data), [[0]], "mode 0 for neuron 0 and sample 0"),
    ]:
        with pytest.raises(tw.InputError, match=message):
            tangent_kernel(*arguments, modes=None if modes is None else np.array(modes))
    with pytest.raises(tw.InputError, match="1 entries"):
        tangent_kernel(network, data).apply(np.ones(2))
    with pytest.raises(tw.InputError, match="'traj' parameter"):
        tangent_kernel_at(network)
    traj = tw.flow(network, data, t_end=1.0, times=[0.0, 1.0])
    for index in (2, -3, 0.0, True):
        with pytest.raises(tw.InputError, match="'index' parameter"):
            tangent_kernel_at(traj, index)
