"""One run in detail: the table against a direct flow, certificates, and general solvers against calculus."""

import numpy as np
import pytest

import thalweg as tw
from thalweg.figures import chatter
from thalweg.figures import run as figure
from thalweg.figures.base import Work

N, D, P = 8, 12, 10


@pytest.fixture(scope="module")
def table():
    return figure.measure(figure.Setting(((N, D, P), (N, 160, P))), Work(seed=2))


@pytest.fixture(scope="module")
def traj():
    """The first problem, drawn and run without the figure."""
    of_data, of_start = np.random.SeedSequence([2, N, D, P]).spawn(2)
    data, start = tw.data.sphere(N, D, seed=of_data), tw.init.dominated(D, P, seed=of_start)
    return tw.flow(start, data, t_end=32.0, times=np.linspace(0.0, 32.0, 401))


def loss_of(W, a, data):
    return float(np.sum((data.y - a @ np.maximum(W @ data.X.T, 0.0) / len(a)) ** 2)) / (2 * data.n)


def test_rows_are_those_of_a_direct_flow(table, traj):
    run = figure.of_problem(table, 0, "run_")
    pairs = {"t": traj.t, "loss": traj.loss, "curvature": traj.curvature, "sliding": traj.sliding}
    pairs |= {"lower": traj.curvature_lower, "upper": traj.curvature_upper, "active": traj.active}
    for name, column in pairs.items():
        np.testing.assert_array_equal(run[name], column)
    assert (run["active"] + run["inactive"] + run["sliding"] == N * P).all()


def test_bounds_hold(table):
    for k in (0, 1):
        run = figure.of_problem(table, k, "run_")
        assert (run["lower"] <= run["curvature"] * (1 + 1e-9)).all()
        assert (run["curvature"] <= run["upper"] * (1 + 1e-9)).all()


def test_the_curvature_is_the_fall_of_the_loss(table):
    """Its integral, by the trapezoidal rule over 401 times."""
    run = figure.of_problem(table, 1, "run_")
    fall = np.log(run["loss"][0] / run["loss"][-1])
    assert np.trapezoid(run["curvature"], run["t"]) == pytest.approx(fall, rel=5e-3)


def test_certificates_hold_from_their_time_on_and_not_before(table, traj):
    """The first certificate is the first that `tw.certify` finds; each is confirmed by an independent replay."""
    tests = figure.of_problem(table, 0, "certificate_")
    fired = dict(zip(tests["test"].tolist(), tests["t"].tolist(), strict=True))
    assert {"rule", "A0", "A", "B"} == set(fired)
    index = {name: int(np.flatnonzero(traj.t == t)[0]) for name, t in fired.items()}
    assert traj.loss[index["rule"]] < 1 / (2 * N) <= traj.loss[index["rule"] - 1]
    first = min(("A0", "A", "B"), key=lambda name: index[name])
    certificate = tw.certify(traj.networks[index[first]], traj.data)
    assert certificate.verdict == "converges"
    assert certificate.test == first
    assert certificate.verify()
    assert not tw.certify(traj.networks[index[first] - 1], traj.data).decided
    # A0 by hand: |r| below the smallest label.
    sizes = np.linalg.norm(traj.residuals, axis=1)
    assert index["A0"] == np.flatnonzero(sizes < np.abs(traj.data.y).min())[0]
    np.testing.assert_array_equal(tests["loss"], traj.loss[[index[name] for name in tests["test"]]])


def test_the_speed_is_minus_p_times_the_gradient():
    """By central differences of the loss, away from kinks."""
    data, network = tw.data.sphere(5, 4, seed=1), tw.init.dominated(4, 3, seed=2)
    W, a, X, h = network.W, network.a, data.X, 1e-6
    assert np.abs(W @ X.T).min() > 1e-3
    plain = chatter.Plain(X @ X.T, data.y)
    gradient_W, gradient_a = np.empty_like(W), np.empty_like(a)
    for place in np.ndindex(W.shape):
        e = np.zeros_like(W)
        e[place] = h
        gradient_W[place] = (loss_of(W + e, a, data) - loss_of(W - e, a, data)) / (2 * h)
    for j in range(3):
        e = h * np.eye(3)[j]
        gradient_a[j] = (loss_of(W, a + e, data) - loss_of(W, a - e, data)) / (2 * h)
    dz, da = plain.speed(W @ X.T, a)
    np.testing.assert_allclose(dz, -3 * gradient_W @ X.T, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(da, -3 * gradient_a, rtol=1e-6, atol=1e-9)
    squares = (gradient_W**2).sum() + (gradient_a**2).sum()
    assert plain.reported(W @ X.T, a) == pytest.approx(3 * squares / loss_of(W, a, data), rel=1e-6)


def test_general_solvers_follow_the_flow_where_nothing_changes_sides():
    data, network = tw.data.sphere(5, 40, seed=26), tw.init.dominated(40, 3, seed=26)
    t_end = 0.1
    traj = tw.flow(network, data, t_end=t_end, times=[0.0, t_end], rtol=1e-10)
    assert traj.events.sum() == traj.sliding.max() == 0
    plain = chatter.Plain(np.asarray(data.gram), data.y)
    start = network.preactivations(data.X), network.a
    coarse, fine = (chatter.euler(plain, *start, t_end / count, count) for count in (200, 400))
    times, *states, evaluations = chatter.runge_kutta(plain, *start, t_end)
    assert times[-1] == pytest.approx(t_end, rel=1e-15)
    assert evaluations >= 3 * (len(times) - 1)
    for k, exact in enumerate((traj.final.preactivations(data.X), traj.final.a)):
        # Of first order: extrapolated to steps of length zero.
        np.testing.assert_allclose(2 * fine[k][-1] - coarse[k][-1], exact, rtol=0, atol=1e-7)
        assert np.abs(fine[k][-1] - exact).max() > 1e-6
        np.testing.assert_allclose(states[k][-1], exact, rtol=0, atol=1e-4)
    reported = plain.reported(traj.final.preactivations(data.X), traj.final.a)
    assert reported == pytest.approx(traj.curvature[-1], rel=1e-9)


def test_the_pair_begins_to_slide_and_euler_jumps(table, traj):
    close = figure.of_problem(table, 0, "close_")
    j, i = int(close["neuron"][0]), int(close["sample"][0])
    exact, euler = (close["solver"] == name for name in ("exact", "Euler"))
    slides = np.array([traj.networks.mode_map(k)[j, i] == 0 for k in range(401)])
    begins = round(close["t"].min() / 0.08) + 5
    assert not slides[begins - 1]
    assert slides[begins : begins + 11].all()
    assert (close["z"][exact][20:] == 0).all()
    assert close["z"][exact][0] != 0
    tail = close["z"][euler][20:] > 0
    assert 0 < tail.sum() < len(tail)
    # The exact curve is that of the whole run, seen more closely.
    at = np.isclose(close["t"][exact][::4, None], traj.t).argmax(axis=1)
    np.testing.assert_allclose(close["curvature"][exact][::4], traj.curvature[at], rtol=1e-3)
    # Heaviside steps that are 1 half of the time, squared, make more of the pair than its multiplier does.
    assert close["curvature"][euler][20:].mean() > close["curvature"][exact][20:].mean()


def test_patience_ends(monkeypatch):
    monkeypatch.setattr(chatter, "PATIENCE", 4)
    data, network = tw.data.sphere(5, 4, seed=1), tw.init.dominated(4, 3, seed=2)
    plain = chatter.Plain(np.asarray(data.gram), data.y)
    times, z, a, _ = chatter.runge_kutta(plain, network.preactivations(data.X), network.a, 100.0)
    assert len(times) == len(z) == len(a) == 4
    assert times[-1] < 100.0


def test_reading_and_picture(table):
    said = figure.read(table)
    tests = figure.of_problem(table, 0, "certificate_")
    for name, t in zip(tests["test"].tolist(), tests["t"].tolist(), strict=True):
        assert f"{'rule L < 1/(2n)' if name == 'rule' else name} at t = {t:.3g}" in said
    assert len(figure.picture(table).axes) == 10


def test_problems_without_sliding_are_drawn_too(table):
    without = {name: column for name, column in table.items() if not name.startswith("close_")}
    assert figure.of_problem(without, 0, "close_") == {}
    assert "No pair slides for long." in figure.read(without)
    assert len(figure.picture(without).axes) == 10
