"""Certificates fire where they should and never where they must not, and what they promise happens."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import thalweg as tw
from thalweg.testing import check_certificate

bounded = settings(max_examples=15, deadline=None, derandomize=True)


def states(network, data, times, **options):
    times = np.asarray(times, float)
    traj = tw.flow(network, data, t_end=times[-1], times=times, progress=False, **options)
    return [traj.networks[k] for k in range(len(traj.t))]


def first(network, data, times, test):
    """Return the first certificate of a kind along a run."""
    found = (tw.certify(state, data) for state in states(network, data, times))
    return next((certificate for certificate in found if certificate.test == test), None)


# Where each test fires


def test_high_dimension_is_certified_at_the_start():
    data = tw.data.sphere(20, 5000, seed=1)
    certificate = tw.certify(tw.init.dominated(5000, 30, seed=2), data)
    assert (certificate.verdict, certificate.test, certificate.limit_loss) == ("converges", "A", 0.0)
    assert 0 < certificate.rate < 0.3
    assert math.isfinite(certificate.radius)


def test_small_residual_on_independent_inputs_is_certified_whatever_the_start():
    """A0, with neurons |a| < |w| as well: the guaranteed kernel stays below the kernel there is."""
    data = tw.Dataset(np.eye(3), [1.0, -1.0, 1.0])
    W = np.array([[1.0, -1.0, 1.0], [-1.0, 1.1, -1.0]])
    network = tw.ShallowNetwork(W, [1.6, -1.5])
    assert (network.invariant < 0).all()
    certificate = tw.certify(network, data)
    assert (certificate.verdict, certificate.test) == ("converges", "A0")
    traj = tw.flow(network, data, t_end=1.0, times=[0.0, 1.0])
    assert certificate.rate <= traj.curvature[0]
    check_certificate(certificate)


@pytest.mark.parametrize("slope", [0.05, 0.5])
def test_leaky_networks_of_independent_inputs_are_certified_at_any_start(slope):
    data = tw.data.sphere(6, 12, seed=3)
    network = tw.init.dominated(12, 2, seed=4, activation="leaky_relu", slope=slope)
    certificate = tw.certify(network, data)
    assert (certificate.verdict, certificate.test) == ("converges", "leaky")
    check_certificate(certificate)


@pytest.mark.parametrize("slope", [0.0, 0.2])
def test_more_samples_than_inputs_are_certified_near_the_end(slope):
    """B, which alone can: lambda_min(K) = 0. It fires above L = 1e-8 here, with thousands of pairs still to slide."""
    data = tw.data.sphere(24, 8, seed=5)
    leaky = {"activation": "leaky_relu", "slope": slope} if slope else {}
    network = tw.init.dominated(8, 30, seed=6, **leaky)
    certificate = first(network, data, np.linspace(0, 400, 41), "B")
    assert certificate is not None
    assert certificate.loss > 1e-9
    check_certificate(certificate)


def test_dying_samples_are_certified_with_the_exact_limit():
    """N or N1 in runs of few neurons; where N does, the run ends at the limit to 1e-9."""
    exact = 0
    for seed in range(12):
        data, network = tw.data.sphere(8, 20, seed=seed), tw.init.dominated(20, 3, seed=100 + seed)
        certificate = tw.certify(states(network, data, [0.0, 200.0])[-1], data)
        if certificate.verdict != "stuck":
            continue
        if certificate.limit_loss is not None:
            exact += 1
            end = tw.flow(certificate.network, data, t_end=2000.0, times=[2000.0], progress=False)
            assert end.loss[-1] == pytest.approx(certificate.limit_loss, rel=1e-9)
            assert (end.residuals[-1][certificate.stuck] == data.y[certificate.stuck]).all()
        check_certificate(certificate)
    assert exact >= 4


def test_a_dead_sample_is_seen_at_once():
    data = tw.Dataset(np.eye(2), [1.0, -1.0])
    network = tw.ShallowNetwork([[1.0, 0.5], [-0.3, -0.4]], [1.5, -1.0])
    certificate = tw.certify(network, data)
    assert certificate.verdict == "stuck"
    assert certificate.stuck.tolist() == [1]
    assert certificate.loss_floor == pytest.approx(0.25)
    check_certificate(certificate)


def test_pairs_held_on_a_stuck_sample_do_not_hide_it():
    """A wrong neuron that slides on the dead sample for ever: N with a held pair, which the state has at 1e-17."""
    found = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        X = np.array([[1.0, 0.0], [0.6, 0.8]]) + 0.05 * rng.normal(size=(2, 2))
        data = tw.Dataset(X, [-1.5, 2.0])
        network = tw.ShallowNetwork([rng.uniform(0.1, 0.6, 2)], [1.0])
        traj = tw.flow(network, data, t_end=4.0, times=[4.0], progress=False)
        if traj.networks.mode_map(-1)[0, 0] != 0:
            continue
        certificate = tw.certify(traj.networks[-1], data)
        assert (certificate.verdict, certificate.test) == ("stuck", "N"), certificate.explain()
        assert certificate.limit_loss == pytest.approx(1.5**2 / 4, rel=1e-15)
        check_certificate(certificate)
        found += 1
    assert found >= 5


def test_no_active_neuron_at_all_is_stuck_where_it_is():
    data, network = tw.Dataset(np.eye(2), [1.0, -2.0]), tw.ShallowNetwork(-np.ones((2, 2)), [2.0, -2.0])
    certificate = tw.certify(network, data)
    assert (certificate.verdict, certificate.test) == ("stuck", "N")
    assert certificate.limit_loss == certificate.loss == pytest.approx(1.25)
    assert certificate.radius == 0


def test_orthogonal_data_of_any_size():
    data = tw.data.orthogonal(5000, seed=1)
    for seed in range(50):
        network = tw.init.dominated(5000, 45, seed=seed)
        certificate = tw.certify(network, data)
        if certificate.decided:
            break
    assert (certificate.verdict, certificate.test) == ("converges", "A")


# Traps


def test_near_realizable_labels_beyond_capacity_are_never_certified():
    """n = 60, d = 3, p = 4: 16 parameters; the loss comes close to 0 and stays there."""
    for seed in range(3):
        rng = np.random.default_rng(seed)
        X = rng.normal(size=(60, 3))
        teacher = tw.ShallowNetwork(rng.normal(size=(4, 3)), 3 * rng.normal(size=4))
        data = tw.Dataset(X, teacher.predict(X) + 1e-6 * rng.normal(size=60))
        near = tw.ShallowNetwork(teacher.W + 1e-4 * rng.normal(size=(4, 3)), teacher.a)
        for state in [near, *states(near, data, np.geomspace(0.1, 300, 6))]:
            certificate = tw.certify(state, data)
            assert certificate.verdict != "converges", certificate.explain()


def test_the_rule_that_the_loss_is_below_1_over_2n_is_not_enough():
    """d = 1, x = (1, 2), y = (1.5, 2): every run ends at 2 n L = 0.2 < 1."""
    data, network = tw.Dataset([[1.0], [2.0]], [1.5, 2.0]), tw.ShallowNetwork([[1.0]], [1.1])
    path = states(network, data, [0.0, 1.0, 10.0, 1000.0])
    assert {tw.certify(state, data).verdict for state in path} <= {"undecided", "stuck"}
    assert path[-1].loss(data) == pytest.approx(0.2 / 4)


def test_the_counterexample_without_domination_is_stuck_and_its_dominated_twin_converges():
    network, data = tw.init.counterexample()
    verdicts = [tw.certify(state, data).verdict for state in states(network, data, [0.0, 5.0, 100.0])]
    assert "converges" not in verdicts
    twin = tw.ShallowNetwork(network.W, [2.1, network.a[1]])
    assert tw.certify(states(twin, data, [0.0, 5.0, 100.0])[-1], data).verdict == "converges"


def test_a_dead_neuron_that_may_change_its_sign_is_not_taken_for_dead():
    """n = p = 1, x = y = 1, w = 1, a = -0.1 converges: |a| < |w|, and the sign changes."""
    data, network = tw.Dataset([[1.0]], [1.0]), tw.ShallowNetwork([[1.0]], [-0.1])
    assert tw.certify(network, data).verdict != "stuck"
    assert tw.flow(network, data, t_end=100.0).loss[-1] < 1e-12


def test_contradicting_labels_never_converge():
    data, network = tw.Dataset([[1.0, 0.0], [1.0, 0.0]], [1.0, 1.001]), tw.init.dominated(2, 6, seed=1)
    for state in states(network, data, [0.0, 10.0, 1000.0], accept_contradictions=True):
        assert tw.certify(state, data).verdict != "converges"


def test_a_neuron_of_zero_weights_is_no_obstacle():
    data, network = tw.Dataset(np.eye(2), [1.49, -1.0]), tw.ShallowNetwork([[1.0, -0.5], [0.0, 0.0]], [3.0, 0.0])
    certificate = tw.certify(network, data)
    assert (certificate.test, certificate.stuck.tolist()) == ("N", [1])
    assert certificate.verify()
    check_certificate(certificate)


@pytest.mark.parametrize(
    ("W", "a", "invariant", "y"),
    [
        ([[1e-162]], [-1e-163], None, [1.0]),  # squares underflow: the sign of c would be lost
        ([[1e-170]], [0.0], None, [1.0]),
        ([[1.0]], [-(1 - 4e-7)], [0.0], [1.0]),  # an invariant that is not that of the weights
        ([[1e150]], [1e150], None, [1.0]),
        ([[1.0]], [2.0], None, [1e200]),
        ([[1.0]], [2.0], None, [1e-200]),
    ],
)
def test_what_float64_cannot_tell_is_refused(W, a, invariant, y):
    with pytest.raises(tw.InputError):
        tw.certify(tw.ShallowNetwork(W, a, invariant=invariant), tw.Dataset([[1.0]], y))


@bounded
@given(st.integers(0, 10**6))
def test_never_a_false_certificate(seed):
    """Random small runs: what is certified along them comes true. The long sweep is in benchmarks/."""
    rng = np.random.default_rng(seed)
    n, d, p = int(rng.integers(1, 8)), int(rng.integers(1, 12)), int(rng.integers(1, 7))
    data = tw.Dataset(rng.normal(size=(n, d)), rng.choice([-1, 1], n) * rng.uniform(0.3, 2, n))
    W = rng.normal(size=(p, d)) * rng.choice([0.1, 1.0])
    a = np.linalg.norm(W, axis=1) * rng.choice([-1, 1], p) * rng.choice([0.5, 1.1, 2.0], p)
    leaky = {"activation": "leaky_relu", "slope": 0.1} if rng.random() < 0.2 else {}
    network = tw.ShallowNetwork(W, a, **leaky)
    seen = set()
    for state in [network, *states(network, data, [1.0, 10.0, 100.0])]:
        certificate = tw.certify(state, data)
        if certificate.test not in seen:
            seen.add(certificate.test)
            check_certificate(certificate, seconds=3.0)


# What a certificate says, and the checks of it


def test_the_check_notices_false_promises():
    """The judge of all the tests above can condemn."""
    import dataclasses

    data = tw.data.sphere(5, 200, seed=1)
    honest = tw.certify(tw.init.dominated(200, 12, seed=2), data)
    check_certificate(honest)
    steep = tw.flow(honest.network, data, t_end=1.0, times=[0.0]).curvature[0]
    for change in ({"rate": 3 * steep}, {"radius": 1e-3}, {"loss_floor": 0.1}):
        with pytest.raises(AssertionError):
            check_certificate(dataclasses.replace(honest, **change))


def test_the_verdict_does_not_depend_on_the_order_of_neurons_or_samples():
    data, network = tw.data.sphere(12, 30, seed=1), tw.init.dominated(30, 10, seed=2)
    state = states(network, data, [0.0, 40.0])[-1]
    rng = np.random.default_rng(0)
    j, i = rng.permutation(10), rng.permutation(12)
    one = tw.certify(state, data)
    other = tw.certify(
        tw.ShallowNetwork(state.W[j], state.a[j], invariant=state.invariant[j]), tw.Dataset(data.X[i], data.y[i])
    )
    assert (one.verdict, one.test) == (other.verdict, other.test)
    assert one.rate == pytest.approx(other.rate, rel=1e-6)


def test_sparse_inputs_get_the_certificate_of_dense_ones():
    from scipy.sparse import csr_array

    data = tw.data.sphere(8, 100, seed=1)
    network = tw.init.dominated(100, 14, seed=2)
    state = states(network, data, [0.0, 5.0])[-1]
    dense, sparse = tw.certify(state, data), tw.certify(state, tw.Dataset(csr_array(data.X), data.y))
    assert dense.decided
    assert (dense.test, dense.rate) == (sparse.test, pytest.approx(sparse.rate, rel=1e-9))


def test_an_undecided_state_says_what_each_test_missed():
    data, network = tw.data.sphere(30, 10, seed=1), tw.init.dominated(10, 20, seed=2)
    certificate = tw.certify(network, data)
    assert not certificate.decided
    assert (certificate.rate, certificate.radius, certificate.limit_loss) == (0.0, math.inf, None)
    text = certificate.explain()
    assert text.startswith("undecided")
    for test, says in certificate.reasons:
        assert test in text
        assert says in text
    assert certificate.to_dict()["verdict"] == "undecided"


def test_explanations_begin_with_the_verdict_and_escape_markup():
    data = tw.Dataset(np.eye(2), [1.0, -1.0])
    certificate = tw.certify(tw.ShallowNetwork([[1.0, -0.5], [-0.3, 0.4]], [1.5, -1.0]), data)
    assert str(certificate).startswith("converges")
    assert "&lt;=" in certificate._repr_html_()
    assert repr(certificate).startswith("Certificate('converges'")


@pytest.mark.parametrize(
    ("network", "data"),
    [
        ("network", tw.Dataset([[1.0]], [1.0])),
        (tw.ShallowNetwork([[1.0]], [1.0]), np.eye(2)),
        (tw.ShallowNetwork([[1.0, 2.0]], [1.0]), tw.Dataset([[1.0]], [1.0])),
    ],
)
def test_bad_input_is_refused(network, data):
    with pytest.raises(tw.InputError, match="certify must"):
        tw.certify(network, data)


# Along a run


def test_a_run_stops_when_it_is_decided_and_can_be_certified_there():
    data, network = tw.data.sphere(24, 8, seed=5), tw.init.dominated(8, 30, seed=6)
    traj = tw.flow(network, data, t_end=1e4, stop=tw.Certified())
    assert traj.outcome is tw.Outcome.CERTIFIED
    certificate = tw.certify(traj.final, data)
    assert (certificate.verdict, certificate.test) == ("converges", "B")
    # No later than in steps of a fifth of the residual: a state well before it is not decided.
    early = tw.flow(network, data, t_end=traj.t[-1], times=[0.5 * traj.t[-1]]).networks[0]
    assert tw.certify(early, data).verdict == "undecided"


def test_a_stuck_run_stops_as_well():
    data, network = tw.data.sphere(8, 20, seed=0), tw.init.dominated(20, 2, seed=100)
    traj = tw.flow(network, data, t_end=1e4, stop=tw.Certified() | tw.Stationary())
    assert traj.outcome is tw.Outcome.CERTIFIED_STUCK
    assert tw.certify(traj.final, data).verdict == "stuck"


def test_dead_samples_stop_a_run_whatever_the_residual():
    """N1 needs nothing of the residual: one negative label, and no neuron of that sign."""
    data = tw.Dataset(tw.data.sphere(30, 3, seed=1).X, [*[1.0] * 29, -1.0])
    network = tw.init.dominated(3, 3, seed=1)
    network = tw.ShallowNetwork(network.W, np.abs(network.a))
    assert tw.certify(network, data).test == "N1"
    traj = tw.flow(network, data, t_end=200.0, stop=tw.Certified(), progress=False)
    assert traj.outcome is tw.Outcome.CERTIFIED_STUCK
    assert traj.t[-1] < 1


def test_the_stop_gives_the_same_run_twice():
    data, network, stop = tw.data.sphere(10, 60, seed=1), tw.init.dominated(60, 10, seed=2), tw.Certified()
    one, two = (tw.flow(network, data, t_end=1e3, stop=stop) for _ in range(2))
    assert one.t[-1] == two.t[-1]


def test_the_stop_outside_a_run_says_what_to_use():
    with pytest.raises(TypeError, match=r"tw\.certify"):
        tw.Certified()(None)
