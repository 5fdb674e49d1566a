"""What every gradient flow does, on problems drawn by hypothesis."""

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import thalweg as tw
from oracles import brute_force
from oracles.comparison import assert_losses_agree, output_weights, preactivations
from thalweg.testing import check_flow

RTOL, TOL = 1e-8, 2e-5  # an isolated path may still amplify local errors a hundredfold
T_END = 3.0
TIMES = T_END * np.array([0.0, 0.0319, 0.0872, 0.1713, 0.3191, 0.5527, 0.7717, 1.0])

bounded = settings(max_examples=10, deadline=None, derandomize=True)


@st.composite
def problems(draw, max_n=6, max_d=6, max_p=4):
    """A network and data of generic position: shapes, slope, domination and a seed are drawn."""
    n, d, p = draw(st.integers(1, max_n)), draw(st.integers(2, max_d)), draw(st.integers(1, max_p))
    slope = draw(st.sampled_from([0.0, 0.0, 0.01, 0.3]))
    ratio = draw(st.sampled_from([0.6, 1.0, 1.4]))
    rng = np.random.default_rng(draw(st.integers(0, 10**6)))
    X, y, W = rng.normal(size=(n, d)), 1.5 * rng.normal(size=n), rng.normal(size=(p, d))
    a = ratio * np.linalg.norm(W, axis=1) * rng.choice([-1, 1], p)
    return network_of(W, a, slope), tw.Dataset(X, y), rng


def network_of(W, a, slope):
    return tw.ShallowNetwork(W, a, *(("leaky_relu", slope) if slope else ()))


def isolated(network, data):
    """Whether a perturbed start follows the same path: at a tangential hit the flow map jumps.

    There no two computations that differ in rounding need agree. The oracle decides.
    """
    rng = np.random.default_rng(0)
    X = data.X
    try:
        paths = [
            brute_force.flow(network.W + size * rng.normal(size=network.W.shape), network.a, X, data.y, TIMES,
                             slope=network.slope, rtol=1e-10).z
            for size in (0.0, 1e-6, 1e-6)
        ]  # fmt: skip
    except brute_force.Ambiguous:
        return False
    return all(np.abs(path - paths[0]).max() < 1e-4 for path in paths[1:])


def flow(network, data, times=TIMES, rtol=RTOL):
    return tw.flow(network, data, t_end=times[-1], times=times, rtol=rtol)


def assert_same_path(first, second, match=lambda z: z):
    assert_allclose(preactivations(first), match(preactivations(second)), rtol=0, atol=TOL)
    assert_losses_agree(first.loss, second.loss, TOL)


@bounded
@given(problems())
def test_every_flow_conforms(problem):
    network, data, _ = problem
    for rtol in (1e-3, 1e-6):
        traj = tw.flow(network, data, t_end=T_END, rtol=rtol)
        check_flow(traj)
        assert traj.audit.largest_loss_increase == 0


@bounded
@given(problems())
def test_the_invariant_is_conserved(problem):
    network, data, _ = problem
    c = network.a**2 - (network.W**2).sum(1)
    for now in flow(network, data, rtol=1e-4).networks:
        size = now.a**2 + (now.W**2).sum(1)
        assert_allclose(now.a**2 - (now.W**2).sum(1) - c, 0, atol=1e-12 * size.max())


@bounded
@given(problems())
def test_the_curvature_is_the_slope_of_the_log_loss(problem):
    """Central differences over intervals in which no mode changes."""
    network, data, _ = problem
    h = 1e-3
    middles = np.array([0.3, 0.9, 1.7, 2.6])
    traj = flow(network, data, times=np.ravel(middles[:, None] + [-h, 0.0, h]), rtol=1e-9)
    assume(len(traj.t) == 12)
    log, mu = np.log(traj.loss).reshape(4, 3), traj.curvature.reshape(4, 3)
    events, resolved = traj.events.reshape(4, 3), traj.loss.reshape(4, 3)[:, 1] > 1e-6 * traj.loss[0]
    quiet = (events[:, 1] == 0) & (events[:, 2] == 0) & resolved
    slope = (log[:, 0] - log[:, 2]) / (2 * h)
    # the difference errs by h^2/6 times the third derivative, a cubic in the rates
    allowed = 1e-5 + h**2 * (1 + mu.max()) ** 3
    assert (np.abs(slope - mu[:, 1])[quiet] <= allowed).all(), (slope, mu[:, 1], events)


@bounded
@given(problems())
def test_neurons_and_samples_have_no_order(problem):
    network, data, rng = problem
    assume(isolated(network, data))
    j, i = rng.permutation(network.p), rng.permutation(data.n)
    other = flow(network_of(network.W[j], network.a[j], network.slope), tw.Dataset(data.X[i], data.y[i]))
    assert_same_path(other, flow(network, data), lambda z: z[:, j][:, :, i])


@bounded
@given(problems())
def test_rotating_the_inputs_changes_nothing(problem):
    network, data, rng = problem
    assume(isolated(network, data))
    Q, _ = np.linalg.qr(rng.normal(size=(data.d, data.d)))
    rotated = flow(network_of(network.W @ Q, network.a, network.slope), tw.Dataset(data.X @ Q, data.y))
    assert_same_path(rotated, flow(network, data))


@bounded
@given(problems(), st.sampled_from([1e-3, 0.5, 40.0]))
def test_units_of_the_labels_are_a_unit_of_time(problem, s):
    """(W, a) -> s (W, a) and y -> s^2 y: h scales by s^2, and time by 1/s^2."""
    network, data, _ = problem
    assume(isolated(network, data))
    scaled = tw.flow(
        network_of(s * network.W, s * network.a, network.slope),
        tw.Dataset(data.X, s**2 * data.y),
        t_end=TIMES[-1] / s**2,
        times=TIMES / s**2,
        rtol=RTOL,
    )
    plain = flow(network, data)
    assert_allclose(preactivations(scaled) / s, preactivations(plain), rtol=0, atol=TOL)
    assert_losses_agree(scaled.loss / s**4, plain.loss, TOL)
    assert_allclose(scaled.curvature / s**2, plain.curvature, rtol=0, atol=100 * TOL * (1 + plain.curvature.max()))


@bounded
@given(problems(), st.floats(0.05, 0.95))
def test_a_restart_continues_the_same_path(problem, fraction):
    network, data, _ = problem
    assume(isolated(network, data))
    split = fraction * T_END
    first = tw.flow(network, data, t_end=split, rtol=RTOL)
    assume(first.outcome is tw.Outcome.REACHED_END)
    second = tw.flow(first.final, data, t_end=T_END - split, times=[T_END - split], rtol=RTOL)
    whole = flow(network, data)
    assert_allclose(preactivations(second)[-1], preactivations(whole)[-1], rtol=0, atol=TOL)
    assert_allclose(output_weights(second)[-1], output_weights(whole)[-1], rtol=0, atol=TOL)


@bounded
@given(problems(max_n=4))
def test_only_the_row_space_moves(problem):
    """With more inputs than samples: the same path in row-space coordinates, and the rest of w fixed."""
    network, data, rng = problem
    assume(isolated(network, data))
    Q = np.linalg.qr(rng.normal(size=(data.d + 5, data.d + 5)))[0][: data.d]
    aside = rng.normal(size=(network.p, data.d + 5))
    aside -= aside @ Q.T @ Q
    # the component aside enters the invariant only: give both networks the same a
    wide = flow(network_of(network.W @ Q + aside, network.a, network.slope), tw.Dataset(data.X @ Q, data.y))
    assert_same_path(wide, flow(network, data))
    still = wide.final.W - wide.final.W @ Q.T @ Q
    assert_allclose(still, aside, rtol=0, atol=1e-12)


@bounded
@given(problems())
def test_duplicating_every_neuron_changes_nothing(problem):
    """Mean-field scaling: two copies of each neuron predict what one does, for all time."""
    network, data, _ = problem
    assume(isolated(network, data))
    twice = network_of(np.repeat(network.W, 2, 0), np.repeat(network.a, 2), network.slope)
    double, single = flow(twice, data), flow(network, data)
    assert_same_path(double, single, lambda z: np.repeat(z, 2, 1))
    assert_allclose(double.residuals, single.residuals, rtol=0, atol=TOL * np.abs(data.y).max())


@bounded
@given(problems())
def test_duplicating_every_sample_changes_nothing(problem):
    """Each sample twice: K is singular, the mean over samples is the same."""
    network, data, _ = problem
    assume(isolated(network, data))
    twice = tw.Dataset(np.repeat(data.X, 2, 0), np.repeat(data.y, 2))
    assert_same_path(flow(network, twice), flow(network, data), lambda z: np.repeat(z, 2, 2))
