"""The orthogonal flow against closed forms, SciPy with located events, its twin, and what it conserves."""

import itertools

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.sparse import csr_array
from scipy.stats import ortho_group

import thalweg as tw
from thalweg.flow import orthogonal
from thalweg.flow.orthogonal import OrthogonalEngine, load_kernels
from thalweg.flow.trajectory import rebuild


def flow(network, data, t_end, rtol=1e-6, **options):
    engine = OrthogonalEngine(network, data, rtol=rtol, **options)
    while engine.t < t_end:
        assert engine.step(t_end)
    return engine


def flow_to_loss(network, data, level, rtol=1e-6):
    engine = OrthogonalEngine(network, data, rtol=rtol)
    while engine.loss > level:
        assert engine.step(np.inf)
    return engine


def covered(n, p, seed, scale=0.01):
    """Experiment 2: draw the network again until every sample has an active neuron of its label's sign."""
    data = tw.data.orthogonal(n, seed=seed)
    for draw in itertools.count():
        network = tw.init.dominated(n, p, scale=scale, seed=10_000 * seed + draw)
        up = network.a > 0
        if np.where(data.y > 0, (network.W[up] > 0).any(0), (network.W[~up] > 0).any(0)).all():
            return network, data


def small(seed, slope=0.0, n=5, p=4):
    """A small problem of any signs: half of the neurons have |a| < |w|."""
    rng = np.random.default_rng(seed)
    data = tw.Dataset(np.diag(rng.uniform(1, 2, n)), rng.uniform(1, 2, n) * rng.choice([-1, 1], n))
    W = rng.normal(size=(p, n))
    a = np.linalg.norm(W, axis=1) * rng.choice([0.3, 1.2], p) * rng.choice([-1, 1], p)
    return tw.ShallowNetwork(W, a, "leaky_relu" if slope else "relu", slope), data


def reference(network, data, t_end):
    """DOP853 from event to event; a ReLU pair that reached 0 stays. Rows of X must be multiples of e_i."""
    k, y, n, p, slope = data.norms, data.y, data.n, network.p, network.slope
    state = np.concatenate([network.W.ravel(), network.a])
    on = network.W > 0
    t, events = 0.0, 0

    def velocity(_, state):
        u, a = state[:-p].reshape(p, n), state[-p:]
        weight = np.where(on, 1.0, slope)
        rho = k * (y - k * (a @ (weight * u)) / p) / n
        return np.concatenate([(np.outer(a, rho) * weight).ravel(), (weight * u) @ rho])

    while t < t_end:
        watched = np.flatnonzero(on if not slope else np.ones_like(on))

        def crossing(index):
            def value(_, now):
                return now[index]

            value.terminal, value.direction = True, -1 if on.flat[index] else 1
            return value

        run = solve_ivp(
            velocity,
            (t, t_end),
            state,
            "DOP853",
            rtol=1e-11,
            atol=1e-13,
            events=[crossing(i) for i in watched],
        )
        t, state = run.t[-1], run.y[:, -1]
        for index, times in zip(watched, run.t_events, strict=True):
            if len(times):
                state[index] = 0.0
                on.flat[index] = not on.flat[index]
                events += 1
    return state[:-p].reshape(p, n), state[-p:], events


@pytest.mark.parametrize("cosine", [1.0, 0.9])
@pytest.mark.parametrize("k", [1.0, 1.5])
def test_group_initialization_follows_its_closed_form(cosine, k):
    y = np.array([1.0, 2.0, 1.5, -1.2, -1.8])
    data = tw.Dataset(k * np.eye(5), y)
    network = tw.init.group(data, scale=0.1, cosine=cosine, seed=3)
    p, n, N0 = network.p / k**2, data.n, 0.01
    for t in (1.0, 6.0, 12.0, 40.0):
        engine = flow(network, data, t, rtol=1e-8)
        now = engine.network()
        for j, members in enumerate((slice(0, 3), slice(3, 5))):
            D, w = k * np.linalg.norm(y[members]), now.W[j, members]
            s = D * t / n
            turned = np.tanh(s + np.arctanh(cosine)) if cosine < 1 else 1.0
            integral = (1 - cosine**2) * s / 2 + (1 + cosine**2) * np.sinh(2 * s) / 4
            integral += cosine * (np.cosh(2 * s) - 1) / 2
            G = np.cosh(s) + cosine * np.sinh(s)
            # The closed form has |x_i| = 1: inputs of norm k see the labels y_i/k through k^2 h.
            N = N0 * G**2 / (1 + 2 * N0 / (p * D) * integral)
            assert now.a[j] ** 2 == pytest.approx(N, rel=1e-6)
            assert w @ np.abs(y[members]) * k / (np.linalg.norm(w) * D) == pytest.approx(turned, abs=1e-7)
    assert engine.nonunique == 0


@pytest.mark.parametrize("slope", [0.0, 0.3])
@pytest.mark.parametrize("seed", range(6))
def test_agrees_with_scipy_and_located_events(seed, slope):
    network, data = small(seed, slope)
    W, a, events = reference(network, data, 8.0)
    for rtol, within in ((1e-6, 1e-5), (1e-4, 1e-3)):
        engine = flow(network, data, 8.0, rtol)
        now = engine.network()
        assert np.abs(now.W - W).max() <= within * np.abs(W).max()
        assert np.abs(now.a - a).max() <= within * np.abs(a).max()
        exact = tw.ShallowNetwork(W, a, network.activation, slope).residuals(data)
        assert np.linalg.norm(engine.residuals - exact) <= within * np.linalg.norm(exact)
        assert engine.events == events


def test_the_scipy_comparison_sees_events_and_output_weights_that_change_sign():
    runs = [(network, flow(network, data, 8.0)) for network, data in map(small, range(6))]
    assert sum(engine.events for _, engine in runs) >= 9
    assert any((network.a * engine.output_weights() < 0).any() for network, engine in runs)


@pytest.mark.parametrize("slope", [0.0, 0.2])
def test_numpy_twin_and_threads(slope):
    network, data = small(7, slope, n=40, p=6)
    compiled, plain = (flow(network, data, 20.0, kernel=kernel) for kernel in ("numba", "numpy"))
    assert (compiled.events, compiled.nonunique) == (plain.events, plain.nonunique)
    assert compiled.events > 5
    # Rounding enters the choice of the steps, so that whole flows agree to the accuracy asked for.
    np.testing.assert_allclose(compiled.network().W, plain.network().W, rtol=0, atol=1e-5)
    np.testing.assert_allclose(compiled.residuals, plain.residuals, rtol=0, atol=1e-5)
    assert compiled.curvature() == pytest.approx(plain.curvature(), rel=1e-4)
    assert compiled.curvature_bounds() == pytest.approx(plain.curvature_bounds(), rel=1e-4)


@pytest.mark.parametrize("leak", [0.0, 0.04])
def test_compiled_passes_equal_the_numpy_ones(leak):
    rng = np.random.default_rng(1)
    n, p = 50, 7
    state, rho, norms, y = rng.normal(size=(n, p)), rng.normal(size=(n, 7)), rng.uniform(1, 2, n), rng.normal(size=n)
    a, gain, rates = rng.normal(size=p), 0.2 * rng.normal(size=(6, p)), rng.normal(size=(2, p))
    found = []
    for kernel in ("numba", "numpy"):
        passes, r, sums, after = load_kernels(kernel), np.empty(n), np.empty(n), np.empty_like(state)
        pull, squares, power = passes.evaluate(state, leak, rho, gain, a, norms, y, r)
        moving, crossings, fall = passes.advance(state, leak, rho, gain, rates, y[:2] ** 2, after)
        passes.weigh(state, leak, a**2, sums)
        assert crossings > 20
        found.append([r, sums, after, pull, squares, power, moving, crossings, fall])
    for compiled, plain in zip(*found, strict=True):
        np.testing.assert_allclose(compiled, plain, rtol=1e-11, atol=1e-12)


def test_the_result_does_not_depend_on_the_number_of_threads(monkeypatch):
    monkeypatch.setattr(orthogonal, "BLOCK", 7)
    network, data = small(7, n=40, p=6)
    one, two = (flow(network, data, 20.0, threads=threads) for threads in (1, 2))
    np.testing.assert_array_equal(one.residuals, two.residuals)
    np.testing.assert_array_equal(one.network().W, two.network().W)


@pytest.mark.parametrize("scale", [1e-4, 1e-9, 1e-40])
def test_a_start_next_to_the_saddle_leaves_it_in_time(scale):
    """One group with c0 = 1: a^2 is half way to p D at t = (n/2D) log(p D/a(0)^2 - 1), here with p = 1 and D = 5."""
    data = tw.Dataset(np.eye(2), [3.0, 4.0])
    half_way = 2 / 10 * np.log(5 / scale**2 - 1)
    end = flow(tw.init.group(data, scale=scale), data, half_way)
    np.testing.assert_allclose(end.output_weights() ** 2, 2.5, rtol=1e-4)


@pytest.mark.parametrize("slope", [0.0, 0.2])
def test_conserved_and_monotone_quantities(slope):
    network, data = small(11, slope, n=30, p=8)
    engine = OrthogonalEngine(network, data, rtol=1e-5)
    losses = [engine.loss]
    while engine.t < 60.0:
        assert engine.step(60.0)
        losses.append(engine.loss)
        lower, upper = engine.curvature_bounds()
        assert lower * (1 - 1e-12) <= engine.curvature() <= upper * (1 + 1e-12)
    assert (np.diff(losses) <= 0).all()
    now = engine.network()
    size = now.a**2 + (now.W**2).sum(1)
    assert np.abs(now.a**2 - (now.W**2).sum(1) - network.invariant).max() <= 1e-14 * size.max()
    np.testing.assert_allclose(now.residuals(data), engine.residuals, atol=1e-13)
    audit = engine.audit()
    assert audit.invariant_drift <= 1e-13
    assert audit.largest_loss_increase == 0
    assert 0 < audit.energy_error < 1e-3
    assert flow(network, data, 60.0, rtol=1e-8).audit().energy_error < audit.energy_error / 50
    assert 0 < audit.local_error < 1e-5
    assert 0 < audit.output_weight_error < 1e-4
    assert audit.tangential_distance == np.inf  # nothing turns back above a kink


@pytest.mark.parametrize("slope", [0.0, 0.2])
def test_curvature_is_the_speed_of_the_log_loss(slope):
    network, data = small(3, slope, n=12, p=5)
    engine = flow(network, data, 2.0)
    X, now, r = data.X, engine.network(), engine.residuals
    z = now.preactivations(X)
    push = now.a[:, None] * np.where(z > 0, 1.0, slope) * r
    speed = (((push @ X) ** 2).sum() + ((now.activate(z) @ r) ** 2).sum()) / (now.p * data.n**2)
    assert engine.curvature() == pytest.approx(speed / engine.loss, rel=1e-12)
    before = engine.loss
    assert engine.step(2.0 + 1e-5)
    assert np.log(before / engine.loss) / 1e-5 == pytest.approx(speed / before, rel=1e-4)


@pytest.mark.parametrize("extra", [0, 4])
@pytest.mark.parametrize("slope", [0.0, 0.2])
def test_rotated_dense_inputs_agree_with_the_diagonal(extra, slope):
    network, data = small(2, slope)
    n, d = data.n, data.n + extra
    Q = ortho_group.rvs(d, random_state=1)
    W = np.hstack([network.W, np.ones((network.p, extra))]) @ Q
    a = network.a * np.linalg.norm(W, axis=1) / np.linalg.norm(network.W, axis=1)
    straight = tw.ShallowNetwork(np.hstack([network.W, np.ones((network.p, extra))]), a, network.activation, slope)
    rotated = tw.ShallowNetwork(W, a, network.activation, slope)
    X = np.hstack([data.X, np.zeros((n, extra))])
    plain, turned = tw.Dataset(csr_array(X), data.y), tw.Dataset(X @ Q, data.y)
    assert turned.is_orthogonal
    one, two = flow(straight, plain, 10.0), flow(rotated, turned, 10.0)
    np.testing.assert_allclose(two.residuals, one.residuals, atol=1e-8)
    np.testing.assert_allclose(two.network().W, one.network().W @ Q, atol=1e-8)
    np.testing.assert_array_equal(two.modes(), one.modes())
    assert one.audit().invariant_drift < 1e-14
    for engine, start, inputs in ((one, straight, plain), (two, rotated, turned)):
        moved = engine.moved()
        assert moved.shape == (network.p, n if d > n else d)
        again = rebuild(start, inputs, moved, engine.output_weights())
        np.testing.assert_allclose(again.residuals(inputs), engine.residuals, atol=1e-12)
        np.testing.assert_array_equal(again.preactivations(inputs.X) > 0, engine.modes() == 1)


@pytest.mark.parametrize("rotate", [False, True])
def test_restart_half_way_gives_the_whole(rotate):
    network, data = covered(40, 16, seed=4)
    if rotate:
        Q = ortho_group.rvs(40, random_state=1)
        network = tw.ShallowNetwork(network.W @ Q, network.a)
        data = tw.Dataset(np.asarray(data.X @ Q), data.y)
    whole = flow(network, data, 120.0)
    first = flow(network, data, 60.0)
    assert first.nonunique > 20  # pairs that a restart must not set free
    half = flow(first.network(), data, 60.0)
    assert np.log(half.loss / whole.loss) == pytest.approx(0, abs=1e-5)
    np.testing.assert_allclose(half.network().W, whole.network().W, atol=1e-6)
    assert first.events + half.events == whole.events


def test_a_pair_held_at_zero_is_counted_once_when_it_could_leave():
    # The first sample is fitted by neuron 0, which the second then carries beyond its label: r_1 changes sign.
    data = tw.Dataset(np.eye(2), [0.5, 3.0])
    W = [[1.0, 0.3], [0.01, -1.0], [0.0, -1.0]]
    network = tw.ShallowNetwork(W, [1.1, -1.2, -1.3])
    engine = OrthogonalEngine(network, data, rtol=1e-6)
    assert engine.nonunique == 0  # r_1 > 0 keeps both down
    counts = []
    while engine.t < 40.0:
        assert engine.step(40.0)
        counts.append((engine.residuals[0] < 0, engine.events, engine.nonunique))
    turned, events, nonunique = map(list, zip(*counts, strict=True))
    first = turned.index(True)
    assert set(nonunique[:first]) == {0}
    assert set(nonunique[first:]) == {2}
    assert events[-1] == 1
    assert (engine.network().W[1:, 0] <= 0).all()
    assert OrthogonalEngine(tw.ShallowNetwork(W, [1.1, -1.2, 1.3]), data, rtol=1e-6).nonunique == 1


@pytest.mark.parametrize("kernel", ["numba", "numpy"])
def test_a_pair_that_touches_zero_and_turns_within_a_step_stays(kernel):
    # u = 0.1 - t + 2 t^2 over a step of 1: below 0 between 0.14 and 0.36, and 1.1 at the end.
    state, after, rho = np.array([[0.1, 0.2]]), np.empty((1, 2)), np.array([[-1.0, 3.0]])
    gain, rates = np.full((2, 2), 0.5), np.ones((2, 2))
    moving, crossings, _ = load_kernels(kernel).advance(state, 0.0, rho, gain, rates, np.ones(2), after)
    np.testing.assert_allclose(after, [[0.0, 1.2]])
    np.testing.assert_allclose(moving, [0.0, 1.44])
    assert crossings == 1


def test_uncovered_samples_stay_and_a_network_at_rest_goes_on():
    data = tw.Dataset(np.eye(2), [1.0, -2.0])
    network = tw.ShallowNetwork([[0.1, -0.2], [-0.1, -0.3]], [0.5, 0.5])
    engine = flow(network, data, 200.0)
    assert engine.loss == pytest.approx(1.0, rel=1e-9)  # y_2^2/(2 n)
    assert engine.curvature_bounds()[0] == 0
    dead = tw.ShallowNetwork([[-1.0, -1.0]], [2.0])
    engine = flow(dead, data, 5.0)
    assert (engine.t, engine.loss, engine.curvature()) == (5.0, 1.25, 0.0)
    assert engine.audit().tangential_distance == np.inf


def test_runs_to_the_rounding_of_the_labels_without_raising_the_loss():
    network, data = covered(20, 14, seed=1)
    engine = OrthogonalEngine(network, data, rtol=1e-6)
    for _ in range(3000):
        before = engine.loss
        if engine.loss < 1e-27 or not engine.step(np.inf):
            break
        assert engine.loss <= before
    assert engine.loss < 1e-26


def test_experiment_two_reproduces_the_asymptotic_curvature():
    n, p = 100, int(np.log(100 / 0.05) / np.log(4 / 3)) + 1
    rows = []
    for seed in range(12):
        network, data = covered(n, p, seed)
        start = network.loss(data)
        engine = flow_to_loss(network, data, 1e-6 / (2 * n), rtol=1e-5)
        S = (network.replace(W=engine.network().W, a=engine.output_weights()).a ** 2) @ (engine.modes() > 0) / p
        average = np.log(start / engine.loss) / engine.t
        paper = (2 / n * S.min(), 16 / n * S.max())
        rows.append((engine.curvature(), average, *paper))
        lower, upper = engine.curvature_bounds()
        assert paper[0] <= lower <= engine.curvature() <= upper <= paper[1]
    found = np.sqrt(n) * np.exp(np.log(rows).mean(axis=0))
    np.testing.assert_allclose(found, [0.78, 0.87, 0.35, 18.0], rtol=0.25)


@pytest.mark.parametrize("t_end", [100.0, 2000.0])
def test_a_wrong_neuron_that_all_but_vanishes_does_no_harm(t_end):
    """a = w = exp(-t): what is left of both is rounding, later not even that."""
    data, network = tw.Dataset([[1.0]], [1.0]), tw.ShallowNetwork([[1.0]], [-1.0])
    traj = tw.flow(network, data, t_end=t_end, progress=False)
    assert traj.loss[-1] == 0.5
    assert abs(traj.final.a[0]) < 1e-12
    again = tw.flow(traj.final, data, t_end=1.0, progress=False)
    assert again.loss[-1] == 0.5
