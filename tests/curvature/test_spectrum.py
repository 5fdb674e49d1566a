"""Spectrum and alignment: dense, matrix-free, and as a quadrature."""

import io
import sys

import numpy as np
import pytest
from numpy.testing import assert_allclose

import thalweg as tw
from bank import by_name
from oracles.comparison import flow_case
from thalweg.curvature import alignment, extreme_eigenvalues, spectrum, tangent_kernel, tangent_kernel_at

# The functions of these names hide their modules.
SPECTRUM = sys.modules["thalweg.curvature.spectrum"]
ALIGNMENT = sys.modules["thalweg.curvature.alignment"]


@pytest.fixture
def small(monkeypatch):
    """Treat everything above 50 samples as large."""
    monkeypatch.setattr(SPECTRUM, "DENSE", 50)
    monkeypatch.setattr(ALIGNMENT, "DENSE", 50)


@pytest.fixture(scope="module")
def traj():
    """A flow with sliding pairs."""
    network = tw.init.dominated(12, 10, seed=2)
    return tw.flow(network, tw.data.sphere(30, 12, seed=1), t_end=60.0, times=np.linspace(0.0, 60.0, 7))


def kernels():
    """A kernel of each kind: orthogonal, orthogonal and dense, sparse, dense."""
    import scipy.sparse

    data = tw.data.orthogonal(120, seed=1)
    yield tangent_kernel(tw.init.dominated(120, 30, scale=0.01, seed=2), data)
    turn = np.linalg.qr(np.random.default_rng(0).normal(size=(120, 120)))[0]
    yield tangent_kernel(tw.init.dominated(120, 30, seed=2), tw.Dataset(data.X @ turn, data.y))
    sparse = scipy.sparse.random(90, 200, density=0.05, random_state=3, format="csr")
    sparse = sparse + scipy.sparse.eye(90, 200)
    yield tangent_kernel(tw.init.dominated(200, 20, seed=4), tw.Dataset(sparse, np.arange(90.0)))
    network = tw.init.dominated(100, 9, seed=5, activation="leaky_relu", slope=0.2)
    yield tangent_kernel(network, tw.data.sphere(80, 100, seed=6))


@pytest.mark.parametrize("kernel", list(kernels()), ids=["orthogonal", "rotated", "sparse", "leaky"])
def test_the_ends_of_large_spectra(kernel, small):
    exact = np.linalg.eigvalsh(kernel.matrix)
    assert_allclose(extreme_eigenvalues(kernel), exact[[0, -1]], rtol=1e-8)
    found = spectrum(kernel, 3)
    assert not found.complete
    assert_allclose(found.values, exact[[0, 1, 2, -3, -2, -1]], rtol=1e-8)
    for value, vector in zip(found.values, found.vectors.T, strict=True):
        assert_allclose(kernel.apply(vector), value * vector, atol=1e-6 * exact[-1])


def test_more_samples_than_the_rank(small):
    kernel = tangent_kernel(tw.init.dominated(3, 5, seed=1), tw.data.sphere(60, 3, seed=2))
    assert kernel.rank_bound == 20
    smallest, largest = extreme_eigenvalues(kernel)
    assert smallest == 0
    assert_allclose(largest, np.linalg.eigvalsh(kernel.matrix)[-1], rtol=1e-10)


def test_what_does_not_converge_is_left_out(small, monkeypatch):
    monkeypatch.setattr(SPECTRUM, "_PATIENCE", 1)
    kernel = tangent_kernel(tw.init.dominated(400, 60, seed=1), tw.data.sphere(300, 400, seed=2))
    assert extreme_eigenvalues(kernel)[0] is None
    assert len(spectrum(kernel, 2)) == 2


def test_a_dead_sample_has_eigenvalue_zero(small):
    """Orthogonal, no neuron active on sample 7: H is singular, which the inverse has to bear."""
    network = tw.init.dominated(60, 8, seed=3)
    W = network.W.copy()
    W[:, 7] = -np.abs(W[:, 7])
    kernel = tangent_kernel(network.replace(W=W), tw.data.orthogonal(60, seed=1))
    found = spectrum(kernel, 1)
    assert found.values[0] == pytest.approx(0.0, abs=1e-12)
    assert abs(found.vectors[7, 0]) == pytest.approx(1.0)


def test_shares_make_the_curvature(traj):
    for k in range(len(traj)):
        found = spectrum(tangent_kernel_at(traj, k))
        assert found.complete
        assert found.shares.sum() == pytest.approx(1.0)
        assert found.rates @ found.shares == pytest.approx(traj.curvature[k], rel=1e-10)


def test_a_residual_along_an_eigenvector_decays_at_its_rate():
    """No sliding: choose labels so that r is an eigenvector of H, which does not depend on the labels."""
    network, data = tw.init.dominated(8, 5, seed=1), tw.data.sphere(6, 8, seed=2)
    found = spectrum(tangent_kernel(network, data))
    labels = network.predict(data.X) + found.vectors[:, 2]
    told = spectrum(tangent_kernel(network, tw.Dataset(data.X, labels)))
    assert_allclose(told.shares, [0, 0, 1, 0, 0, 0], atol=1e-12)
    h = 1e-6
    loss = tw.flow(network, tw.Dataset(data.X, labels), t_end=h, times=[0.0, h], rtol=1e-12).loss
    assert np.log(loss[0] / loss[1]) / h == pytest.approx(found.rates[2], rel=1e-4)


def test_alignment_along_a_trajectory(traj):
    assert traj.sliding.any()
    found = alignment(traj)
    assert_allclose(found.t, traj.t)
    assert_allclose(found.curvature, traj.curvature, rtol=1e-10)
    assert_allclose(found.shares.sum(axis=1), 1.0)
    assert ((found.carriers >= 1) & (found.carriers <= traj.data.n)).all()
    low, middle, high = (found.quantile(level) for level in (0.1, 0.5, 0.9))
    assert ((low <= middle) & (middle <= high)).all()
    for k in range(len(found)):  # half of the loss at most lies below the median, and half above
        assert found.shares[k][found.rates[k] < middle[k]].sum() <= 0.5 + 1e-12
        assert found.shares[k][found.rates[k] > middle[k]].sum() <= 0.5 + 1e-12


@pytest.mark.parametrize("nodes", [1, 4, 30])
def test_the_quadrature_has_the_moments_of_the_spectrum(traj, nodes):
    """Gauss quadrature of m nodes is exact for powers below 2m; with n nodes it is the spectrum."""
    exact, found = alignment(traj), alignment(traj, nodes=nodes)
    assert not found.exact
    for power in range(min(2 * nodes, 6)):
        moments = [(each.shares * each.rates**power).sum(axis=1) for each in (exact, found)]
        assert_allclose(moments[1], moments[0], rtol=1e-9)


def test_the_quadrature_of_few_directions():
    """r in an invariant subspace: the rest has no weight."""
    traj = flow_case(by_name("one_sample"))
    assert_allclose(alignment(traj, nodes=1).curvature, traj.curvature, rtol=1e-10)
    network = tw.ShallowNetwork(-np.eye(3)[:1], [1.0])
    still = tw.flow(network, tw.Dataset(np.eye(3), [1.0, 2.0, 3.0]), t_end=1.0, times=[0.0])
    assert_allclose(alignment(still, nodes=3).curvature, 0.0)
    assert_allclose(alignment(still, nodes=3).shares.sum(axis=1), 1.0)


def test_large_trajectories_use_the_quadrature(small):
    traj = tw.flow(tw.init.dominated(80, 20, seed=1), tw.data.orthogonal(80, seed=2), t_end=50.0, times=[0.0, 50.0])
    found = alignment(traj)
    assert (found.exact, found.rates.shape) == (False, (2, 30))
    assert_allclose(found.curvature, traj.curvature, rtol=1e-10)


def test_times_are_thinned_and_the_last_is_kept(traj):
    found = alignment(traj, times=3)
    assert len(found) == 3
    assert found.t[-1] == traj.t[-1]
    assert "30 eigenvectors" in str(found)
    assert "quadrature of 5 nodes" in str(alignment(traj, nodes=5))


def test_the_picture(traj):
    for each in (alignment(traj), alignment(traj, times=1)):
        figure = each.plot()
        ax = figure.axes[0]
        (line,) = ax.lines
        assert_allclose(line.get_ydata(), each.curvature)
        stream = io.BytesIO()
        figure.savefig(stream, format="png")
        assert stream.getvalue().startswith(b"\x89PNG")
    (mesh,) = alignment(traj).plot().axes[0].collections
    drawn = mesh.get_array().sum(axis=0)  # of every time all but the smallest shares
    assert ((drawn > 0.9) & (drawn < 1 + 1e-9)).all()


def test_bad_input_is_named(traj):
    for arguments, name in [({"times": 0}, "times"), ({"nodes": 0}, "nodes"), ({"nodes": 31}, "nodes")]:
        with pytest.raises(tw.InputError, match=f"'{name}' parameter"):
            alignment(traj, **arguments)
    for function in (spectrum, extreme_eigenvalues):
        with pytest.raises(tw.InputError, match="TangentKernel"):
            function(traj)
    with pytest.raises(tw.InputError, match="'traj' parameter"):
        alignment(traj.data)
    with pytest.raises(tw.InputError, match="'count' parameter"):
        spectrum(tangent_kernel_at(traj), 0)
    with pytest.raises(tw.InputError, match="'level' parameter"):
        alignment(traj).quantile(1.5)
