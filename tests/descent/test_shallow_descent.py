"""Gradient descent on shallow networks against a plain loop, differences of the loss, the flow, a published figure."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_array

import thalweg as tw
from thalweg.descent import descend_many, largest_stable_step

DONE = tw.DescentOutcome
SERIES = ("iteration", "loss", "curvature", "curvature_discrete", "residuals")


def plain_loop(network, data, step_size, steps, kind=np.float64):
    """Descend as PyTorch would, on theta/sqrt(p) by the plain gradient; losses, residuals, curvatures, end."""
    X = data.X.toarray() if data.is_sparse else data.X
    X, y = X.astype(kind), data.y.astype(kind)
    W, a = (v.astype(kind) for v in network.to_unnormalised())
    slope, rate = kind(network.slope), kind(step_size)
    losses, residuals, curvatures = [], [], []
    for k in range(steps + 1):
        z = X @ W.T
        factor = np.where(z > 0, kind(1), slope)
        r = y - (factor * z) @ a
        loss = float(r @ r) / (2 * data.n)
        grad_a = -(factor * z).T @ r / kind(data.n)
        grad_W = -((factor * np.outer(r, a)).T @ X) / kind(data.n)
        losses.append(loss)
        residuals.append(r)
        curvatures.append(float((grad_a**2).sum() + (grad_W**2).sum()) / loss if loss else 0.0)
        if k < steps:
            W, a = W - rate * grad_W, a - rate * grad_a
    end = tw.ShallowNetwork.from_unnormalised(W, a, network.activation, network.slope)
    return np.array(losses), np.array(residuals), np.array(curvatures), end


def assert_same_as_plain_loop(network, data, step_size, steps, rtol=1e-11, **options):
    """Compare every iteration with the plain loop."""
    options.setdefault("record", np.arange(steps + 1))
    traj = tw.descend(network, data, step_size=step_size, steps=steps, **options)
    kind = np.float32 if options.get("precision") == "float32" else np.float64
    losses, residuals, curvatures, end = plain_loop(network, data, step_size, steps + 1, kind)
    k, size = traj.iteration, np.abs(data.y).max()
    k = k[losses[k] > 1e-8 * losses[0]]  # of one neuron a run may end at rounding within these steps
    traj = dataclasses.replace(traj, **{name: getattr(traj, name)[: len(k)] for name in SERIES})
    assert len(k) > 3 or traj.outcome is DONE.STATIONARY
    np.testing.assert_allclose(traj.loss, losses[k], rtol=rtol)
    np.testing.assert_allclose(traj.curvature, curvatures[k], rtol=100 * rtol, atol=rtol * curvatures.max())
    np.testing.assert_allclose(traj.residuals, residuals[k], atol=10 * rtol * size)
    with np.errstate(divide="ignore"):
        decrement = -np.log(losses[k + 1] / losses[k]) / step_size
    seen = losses[k + 1] > 1e-8 * losses[0]
    np.testing.assert_allclose(traj.curvature_discrete[seen], decrement[seen], atol=10 * rtol / step_size)
    if k[-1] == steps:
        end = plain_loop(network, data, step_size, steps, kind)[3]
        np.testing.assert_allclose(traj.final.W, end.W, atol=100 * rtol)
        np.testing.assert_allclose(traj.final.a, end.a, atol=100 * rtol)
    return traj


@settings(max_examples=60, derandomize=True, deadline=None)
@given(
    n=st.sampled_from([2, 9, 40, 255, 256, 257, 530]),
    d=st.sampled_from([2, 5, 20, 90]),
    p=st.sampled_from([2, 7, 24]),
    share=st.sampled_from([0.02, 0.15]),
    slope=st.sampled_from([0.0, 0.3]),
    seed=st.integers(0, 10**6),
)
def test_against_the_plain_loop(n, d, p, share, slope, seed):
    data = tw.data.sphere(n, d, seed=seed)
    activation = "leaky_relu" if slope else "relu"
    network = tw.init.dominated(d, p, seed=seed + 1, activation=activation, slope=slope)
    step = share * min(largest_stable_step(network, data), 10.0)
    traj = assert_same_as_plain_loop(network, data, step, 15)
    assert traj.settings["route"] == ("weights" if n > 2 * d else "Gram matrix")
    assert traj.outcome in (DONE.STEPS_DONE, DONE.STATIONARY, DONE.ROUNDING_FLOOR)


@pytest.mark.parametrize("sparse", [True, False])
def test_orthogonal_inputs(sparse):
    data, network = tw.data.orthogonal(40, seed=1), tw.init.dominated(40, 20, scale=0.01, seed=2)
    data = data if sparse else tw.Dataset(data.X.toarray(), data.y)
    assert assert_same_as_plain_loop(network, data, 1.0, 60).settings["route"] == "orthogonal inputs"


@pytest.mark.parametrize("d", [15, 80])
def test_sparse_inputs(d):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(40, d)) * (rng.random((40, d)) < 0.3)
    X[:, 0] = 1.0
    data = tw.Dataset(csr_array(X), rng.normal(size=40))
    assert_same_as_plain_loop(tw.init.dominated(d, 10, seed=2), data, 0.1, 20)


@pytest.mark.parametrize(("n", "d"), [(300, 20), (30, 40)])
def test_float32(n, d):
    data, network = tw.data.sphere(n, d, seed=1), tw.init.dominated(d, 20, seed=2)
    traj = assert_same_as_plain_loop(network, data, 0.5, 30, rtol=2e-5, precision="float32")
    exact = tw.descend(network, data, step_size=0.5, steps=30, record=traj.iteration)
    error = np.abs(traj.loss / exact.loss - 1).max()
    assert 1e-9 < error < 1e-4
    long = tw.descend(network, tw.data.sphere(5, d, seed=3), step_size=0.5, steps=5000, precision="float32")
    assert long.outcome is DONE.ROUNDING_FLOOR
    assert long.loss[-1] < 1e-9


def test_a_step_goes_along_the_differences_of_the_loss():
    """No formula for the gradient: central differences of the loss, times -p step_size."""
    data, network = tw.data.sphere(7, 3, seed=1), tw.init.dominated(3, 4, seed=2)
    step, h = 0.3, 1e-6
    gradient = np.zeros((4, 4))
    for j in range(4):
        for i in range(4):
            ends = []
            for sign in (1.0, -1.0):
                theta = np.column_stack([network.W, network.a])
                theta[j, i] += sign * h
                ends.append(tw.ShallowNetwork(theta[:, :3], theta[:, 3]).loss(data))
            gradient[j, i] = (ends[0] - ends[1]) / (2 * h)
    traj = tw.descend(network, data, step_size=step, steps=1)
    np.testing.assert_allclose(traj.final.W, network.W - step * network.p * gradient[:, :3], atol=1e-8)
    np.testing.assert_allclose(traj.final.a, network.a - step * network.p * gradient[:, 3], atol=1e-8)
    np.testing.assert_allclose(traj.curvature[0], network.p * (gradient**2).sum() / network.loss(data), rtol=1e-7)


@pytest.mark.parametrize("slope", [0.0, 0.2])
def test_the_subgradient_at_the_kink_is_that_of_the_inactive_side(slope):
    """z = 0 exactly for the first neuron; the second one, active, makes the residual."""
    activation = "leaky_relu" if slope else "relu"
    network = tw.ShallowNetwork([[0.0, 1.0], [1.0, 0.0]], [1.0, 1.0], activation, slope)
    traj = tw.descend(network, tw.Dataset([[1.0, 0.0]], [2.0]), step_size=0.1, steps=1)
    r = 2.0 - 0.5
    np.testing.assert_allclose(traj.final.W, [[0.1 * slope * r, 1.0], [1.0 + 0.1 * r, 0.0]], rtol=1e-15)
    np.testing.assert_allclose(traj.final.a, [1.0, 1.0 + 0.1 * r], rtol=1e-15)


def test_the_distance_to_the_flow_is_of_first_order():
    """Halving the step halves the distance, as long as no kink is met."""
    data, network = tw.data.sphere(4, 6, seed=20), tw.init.dominated(6, 3, seed=20)
    reach = 0.2
    distances = []
    for steps in (60, 120, 240):
        traj = tw.descend(network, data, step_size=reach / steps, steps=steps, record=[0, steps])
        found = traj.distance_to_flow(rtol=1e-10)
        np.testing.assert_array_equal(found.t, traj.t)
        assert found.flow.events.sum() == 0
        distances.append(found.outputs[-1])
    assert distances[0] / distances[1] == pytest.approx(2.0, rel=0.01)
    assert distances[1] / distances[2] == pytest.approx(2.0, rel=0.01)
    assert 1e-5 < distances[2] < 1e-2
    assert f"{distances[2]:.3g}" in str(found)


def test_both_curvatures_meet_as_the_step_shrinks():
    data, network = tw.data.sphere(4, 6, seed=20), tw.init.dominated(6, 3, seed=20)
    gaps = []
    for step in (0.004, 0.002, 0.001):
        traj = tw.descend(network, data, step_size=step, steps=5)
        gaps.append(np.abs(traj.curvature - traj.curvature_discrete).max())
    assert gaps[0] / gaps[1] == pytest.approx(2.0, rel=0.01)
    assert gaps[1] / gaps[2] == pytest.approx(2.0, rel=0.01)
    flow = tw.flow(network, data, t_end=0.025, times=[0.0])
    np.testing.assert_allclose(traj.curvature[0], flow.curvature[0], rtol=1e-12)


@pytest.mark.parametrize(("n", "d"), [(12, 30), (250, 200)])
def test_the_largest_stable_step_is_where_a_fit_stops_being_attractive(n, d):
    """At a fit, perturbed: just below the residuals shrink, just above they grow."""
    network = tw.init.dominated(d, 8, seed=2)
    X = tw.data.sphere(n, d, seed=1).X
    at_fit = tw.Dataset(X, network.predict(X))
    step = largest_stable_step(network, at_fit)
    rng = np.random.default_rng(3)
    near = network.replace(a=network.a + 1e-9 * rng.normal(size=8))
    for factor, grows in ((0.97, False), (1.03, True)):
        traj = tw.descend(near, at_fit, step_size=factor * step, steps=150)
        assert (traj.loss[-1] > traj.loss[0]) == grows
    assert traj.stable_steps[0] == pytest.approx(step, rel=1e-6)


def test_published_protocol():
    """Experiment 1 of Dana, Bach and Pillaud-Vivien (2025) at d = 10, p = 30, of which 40 repetitions are published."""
    d, p, seeds = 10, 30, 400
    for n, published in ((20, 0.95), (30, 0.45), (40, 0.05)):
        steps = math.floor(1.5 * math.sqrt(n * p) * math.log(n * p) / 4 + 1)
        trials = ((tw.init.dominated(d, p, seed=10_000 + s), tw.data.sphere(n, d, seed=s)) for s in range(seeds))
        ends = descend_many(trials, step_size=1.0, steps=steps, loss_below=1 / (2 * n))
        share = np.mean([end.loss <= 1 / (2 * n) for end in ends])
        error = math.sqrt(published * (1 - published) * (1 / 40 + 1 / seeds))
        assert abs(share - published) <= 2 * error


@pytest.mark.parametrize("threads", [1, 3])
def test_many_are_each_as_alone_to_the_last_bit(threads):
    sizes = [(20, 10), (7, 30), (300, 10), (20, 10), (1, 4)]
    trials = [(tw.init.dominated(d, 12, seed=k), tw.data.sphere(n, d, seed=k)) for k, (n, d) in enumerate(sizes)]
    ends = descend_many(iter(trials), step_size=1.0, steps=77, loss_below=0.01, threads=threads)
    for (network, data), end in zip(trials, ends, strict=True):
        traj = tw.descend(network, data, step_size=1.0, steps=77, stop=tw.LossBelow(0.01))
        assert (traj.iteration[-1], traj.loss[-1], traj.curvature[-1]) == (end.iteration, end.loss, end.curvature)
        assert traj.outcome is end.outcome
        np.testing.assert_array_equal(traj.final.W, end.final.W)
        np.testing.assert_array_equal(traj.final.a, end.final.a)
    assert len({end.outcome for end in ends}) > 1
