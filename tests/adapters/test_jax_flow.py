"""The flow of a JAX loss: closed forms, the exact engines, conserved quantities, kinks, and refusals."""

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import thalweg as tw

jax = pytest.importorskip("jax", reason="JAX is not installed: pip install 'thalweg[jax]'")
import jax.numpy as jnp  # noqa: E402

from thalweg.adapters.jax import LossTrajectory, kinks  # noqa: E402

TIMES = [0.0, 0.5, 2.0, 5.0]


def test_a_quadratic_has_a_closed_form():
    H = jnp.array([0.5, 1.0, 4.0])
    start = {"w": jnp.array([1.0, -2.0, 0.5]), "steps": np.array(7)}  # integers stay as they are
    traj = tw.flow(lambda p: 0.5 * jnp.sum(H * p["w"] ** 2), start, t_end=5.0, times=TIMES, rtol=1e-9)
    w = np.array([1.0, -2.0, 0.5]) * np.exp(-np.outer(TIMES, H))
    loss = 0.5 * (w**2 @ np.array(H))
    np.testing.assert_allclose(traj.loss, loss, rtol=1e-7)
    np.testing.assert_allclose(traj.curvature, (w**2 @ np.array(H) ** 2) / loss, rtol=1e-7)
    np.testing.assert_allclose(traj.final["w"], w[-1], rtol=1e-7, atol=1e-13)
    assert traj.final["steps"] == 7
    assert traj.audit.energy_drift < 1e-7
    assert traj.audit.kinks == ()
    assert traj.outcome.name == "REACHED_END"


def test_a_floor_is_taken_off():
    traj = tw.flow(lambda w: 3 + 0.5 * jnp.sum(w**2), jnp.ones(2), t_end=3.0, floor=3.0)
    np.testing.assert_allclose(traj.curvature, 2.0, rtol=1e-5)
    np.testing.assert_allclose(traj.average_curvature, 2.0, rtol=1e-5)
    below = tw.flow(lambda w: 3 + 0.5 * jnp.sum(w**2), jnp.ones(2), t_end=3.0, floor=5.0)
    assert np.isnan(below.average_curvature).all()


def test_deep_linear_networks_agree_with_their_exact_route():
    Phi = np.random.default_rng(0).standard_normal((3, 3))

    def loss(layers):
        product = jnp.eye(3)
        for W in layers:
            product = W @ product
        return 0.5 * jnp.sum((product - Phi) ** 2)

    layers = [jnp.eye(3)] * 4 + [jnp.zeros((3, 3))]
    traj = tw.flow(loss, layers, t_end=5.0, times=TIMES, rtol=1e-9)
    exact = tw.flow(tw.init.zas(5, 3), tw.Target(Phi), t_end=5.0, times=TIMES)
    np.testing.assert_allclose(traj.loss, exact.loss, rtol=1e-6)
    np.testing.assert_allclose(traj.curvature, exact.curvature, rtol=1e-6)


def test_smooth_losses_agree_with_scipy():
    rng = np.random.default_rng(1)
    X, y = rng.standard_normal((12, 4)), np.sign(rng.standard_normal(12))

    def loss(w):  # logistic, on a tanh layer
        return jnp.mean(jax.nn.softplus(-y * (jnp.tanh(X @ w["W"].T) @ w["a"])))

    start = {"W": 0.3 * rng.standard_normal((5, 4)), "a": rng.standard_normal(5)}

    def field(_, w):
        W, a = w[:20].reshape(5, 4), w[20:]
        s = np.tanh(X @ W.T)
        g = -y / (1 + np.exp(y * (s @ a))) / 12
        return -np.concatenate([(np.outer(g, a) * (1 - s**2)).T.dot(X).ravel(), s.T @ g])

    w0 = np.concatenate([start["W"].ravel(), start["a"]])
    end = solve_ivp(field, (0, 5), w0, rtol=1e-11, atol=1e-12).y[:, -1]
    for solver in ("tsit5", "dopri8", "kvaerno5"):
        traj = tw.flow(loss, start, t_end=5.0, times=[5.0], rtol=1e-8, solver=solver)
        np.testing.assert_allclose(traj.final["W"].ravel(), end[:20], rtol=1e-6)
        np.testing.assert_allclose(traj.final["a"], end[20:], rtol=1e-6)
        assert traj.audit.kinks == ()


def test_a_small_start_is_left_at_the_right_time():
    """ab = 1 from (s, s): with u = a^2, u' = 2u(1 - u), so that u = 1/(1 + (1/s^2 - 1) exp(-2t))."""
    s, times = 1e-7, np.array([14.0, 16.0, 17.0, 19.0])
    traj = tw.flow(lambda w: 0.5 * (w[0] * w[1] - 1) ** 2, jnp.full(2, s), t_end=19.0, times=times, rtol=1e-8)
    u = 1 / (1 + (1 / s**2 - 1) * np.exp(-2 * times))
    np.testing.assert_allclose(traj.loss, 0.5 * (1 - u) ** 2, rtol=1e-4)


def test_long_stretches_and_stops():
    traj = tw.flow(
        lambda w: jnp.sum(jnp.array([1e4, 1.0]) * w**2) / 2, jnp.ones(2), t_end=20.0, times=[20.0],
        stop=tw.LossBelow(1e-30),
    )  # fmt: skip
    assert traj.settings["steps"] > 2000  # more than one stretch may take
    assert traj.loss[-1] == pytest.approx(0.5 * np.exp(-40), rel=1e-3)
    early = tw.flow(lambda w: jnp.sum(w**2), jnp.ones(2), t_end=20.0, stop=tw.LossBelow(1e-3))
    assert early.outcome.name == "LOSS_BELOW"
    assert early.t[-1] < 3
    asked = tw.flow(lambda w: jnp.sum(w**2), jnp.ones(2), t_end=20.0, stop=lambda state: state.network()[0] < 0.5)
    assert asked.outcome.name == "PREDICATE"
    rest = tw.flow(lambda w: 1 + jnp.sum(0 * w), jnp.ones(2), t_end=20.0)
    assert rest.outcome.name == "STATIONARY"
    fit = tw.flow(lambda w: jnp.sum(w**2), jnp.zeros(2), t_end=20.0)  # no gradient, and no loss
    assert fit.outcome.name == "ROUNDING_FLOOR"
    with pytest.raises(tw.InputError, match="leave out Certified"):
        tw.flow(lambda w: jnp.sum(w**2), jnp.ones(2), t_end=1.0, stop=tw.LossBelow(1e-9) | tw.Certified())


def test_kinks_are_told_and_their_damage_is_measured():
    """2|w - 1| + w has slopes 3 and -1 at w = 1, where its flow rests; a solver's gradients never vanish."""
    with pytest.warns(UserWarning, match=r"kinks \(abs\)"):
        traj = tw.flow(lambda w: 2 * jnp.abs(w - 1) + w, jnp.array(2.0), t_end=3.0, rtol=1e-3)
    assert traj.audit.energy_drift > 0.1
    assert traj.loss[-1] == pytest.approx(1.0, abs=0.05)
    with pytest.warns(UserWarning, match="max in relu"):
        away = tw.flow(lambda w: jax.nn.relu(w) ** 2, jnp.array(2.0), t_end=1.0)
    assert away.audit.energy_drift < 1e-5  # it never gets there


def test_which_functions_have_kinks():
    def of(function):
        return kinks(lambda w: jnp.sum(function(w)), jnp.ones(3))

    smooth = (jnp.tanh, jax.nn.softplus, jax.nn.gelu, jax.nn.silu, jax.nn.logsumexp, jax.nn.log_softmax, jnp.square)
    assert [of(each) for each in smooth] == [()] * len(smooth)
    assert [bool(of(each)) for each in (jax.nn.relu, jax.nn.leaky_relu, jnp.abs, jnp.max, jax.nn.elu)] == [True] * 5
    assert of(lambda w: jax.lax.stop_gradient(jnp.abs(w)) * w) == ()
    assert of(lambda w: jnp.max(jnp.arange(3.0)) * w) == ()
    assert of(lambda w: jax.lax.scan(lambda c, x: (c + jnp.abs(x), None), 0.0, w)[0]) != ()
    assert of(jax.jit(lambda w: jnp.maximum(w, 0))) != ()


def test_a_run_survives_a_file(tmp_path):
    start = {"a": jnp.arange(12.0), "b": [jnp.ones((2, 2)), jnp.array(3.0)]}

    def loss(p):
        return jnp.sum(p["a"] ** 2) + jnp.sum(p["b"][0] ** 2) + p["b"][1] ** 2

    traj = tw.flow(loss, start, t_end=1.0)
    again = LossTrajectory.load(traj.save(tmp_path / "run.npz"), like=start)
    assert jax.tree.all(
        jax.tree.map(lambda a, b: bool((np.asarray(a) == np.asarray(b)).all()), again.final, traj.final)
    )
    assert (again.outcome, again.audit, again.settings) == (traj.outcome, traj.audit, traj.settings)
    assert str(again) == str(traj)
    assert "t_end" in traj.settings
    assert "REACHED_END" in repr(again)
    assert "<" in again._repr_html_()
    assert len(again.plot().axes) == 2
    with pytest.raises(tw.InputError, match="shapes"):
        LossTrajectory.load(tmp_path / "run.npz", like=start["b"])
    (tmp_path / "cut.npz").write_bytes((tmp_path / "run.npz").read_bytes()[:-30])
    with pytest.raises(tw.InputError, match="not a complete"):
        LossTrajectory.load(tmp_path / "cut.npz", like=start)


@pytest.mark.parametrize(
    ("loss", "params", "options", "words"),
    [
        (lambda w: w, jnp.ones(2), {}, "'loss'"),
        (lambda w: jnp.log(jnp.sum(w)), -jnp.ones(2), {}, "nan"),
        (lambda w: jnp.sum(w), np.arange(3), {}, "'params'"),
        (lambda w: jnp.sum(w), jnp.ones(2), {"t_end": -1.0}, "'t_end'"),
        (lambda w: jnp.sum(w), jnp.ones(2), {"rtol": 0.5}, "'rtol'"),
        (lambda w: jnp.sum(w), jnp.ones(2), {"solver": "euler"}, "'solver'"),
        (lambda w: jnp.sum(w), jnp.ones(2), {"times": [2.0, 1.0]}, "'times'"),
    ],
)
def test_bad_input_is_refused(loss, params, options, words):
    with pytest.raises(tw.InputError, match=words):
        tw.flow(loss, params, **{"t_end": 5.0} | options)


def test_a_loss_without_a_bottom_ends_with_what_it_has():
    traj = tw.flow(lambda w: -jnp.sum(w**4), jnp.ones(1), t_end=1.0)  # blows up at t = 1/8
    assert traj.outcome.name == "STEP_TOO_SMALL"
    assert traj.t[-1] == pytest.approx(1 / 8, rel=0.1)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (lambda w: jnp.sum((w > 0) * w), ("a comparison",)),
        (lambda w: jax.lax.cond(w[0] > 0, lambda: w[0], lambda: 0 * w[0]), ("cond",)),
        (lambda w: jnp.sum(jax.lax.cummax(w)), ("cummax",)),
        (lambda w: jnp.sum(jax.lax.top_k(w, 2)[0]), ("top_k",)),
        (lambda w: jnp.sum(jnp.where(jnp.array([True, False, True]), w, 0.0)), ()),
        (lambda w: jax.lax.cond(jnp.array(1.0) > 0, lambda v: v[0] ** 2, lambda v: 0 * v[0], w), ()),
        (lambda w: jnp.sum(jnp.logaddexp(0.0, w)) + jnp.std(w), ()),
    ],
)
def test_choices_by_parameters_are_kinks_and_those_by_data_are_not(loss, expected):
    assert kinks(loss, jnp.ones(3)) == expected


def test_stops_are_judged_between_outputs_that_are_far_apart():
    """A million units of time take over ten thousand stretches; the only output is at their end."""
    seen = []

    def stop(state):
        seen.append(state.t)
        return len(seen) == 3

    traj = tw.flow(lambda w: 0.5 * jnp.sum(w**2), jnp.ones(2), t_end=1e6, times=[1e6], stop=stop)
    assert traj.outcome is tw.Outcome.PREDICATE
    assert traj.t[-1] == seen[-1] < 1e6
    assert len(traj) == 1


@pytest.mark.parametrize("leaf", [jax.random.key(0), 2, "name"])
def test_leaves_that_are_no_numbers_stay(leaf):
    start = {"w": jnp.ones(2, jnp.bfloat16), "other": leaf}
    traj = tw.flow(lambda p: 0.5 * jnp.sum(p["w"] ** 2), start, t_end=1.0, times=[1.0])
    np.testing.assert_allclose(traj.final["w"], np.exp(-1), rtol=1e-5)
    assert traj.final["other"] is leaf


def test_losses_that_no_flow_can_follow():
    def loops(w):
        return jnp.sum(jax.lax.while_loop(lambda c: jnp.sum(c) < 10, lambda c: 2 * c, w))

    with pytest.raises(tw.InputError, match="reverse mode"):
        tw.flow(loops, jnp.ones(2), t_end=1.0)
    with pytest.raises(tw.InputError, match="rescale the loss"):
        tw.flow(lambda w: 1e200 * jnp.sum(w**2), jnp.ones(2), t_end=1.0)
    traj = tw.flow(lambda w: -jnp.sum(w**3), jnp.ones(2), t_end=1.0, times=[1.0])  # runs off at t = 1/3
    assert traj.t[-1] == pytest.approx(1 / 3, rel=1e-4)
    assert "runs off to infinity" in str(traj)
