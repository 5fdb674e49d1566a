"""Flows of deep linear networks: every reduction against all layers, the bounds, the limits, the ends of runs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

import thalweg as tw
from thalweg.flow.linear import LinearTrajectory, flow_deep_linear, infinite_depth
from thalweg.flow.linear.drive import choose
from thalweg.flow.linear.layers import LayerRoute

TIMES = [0.0, 0.03, 0.2, 0.6]


def gaussian_target(d_out, d_in, seed=1, moment=False):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(2 * d_in, d_in))
    return tw.Target(rng.normal(size=(d_out, d_in)) / np.sqrt(d_in), X.T @ X / len(X) if moment else None)


def all_layers(network, target, times=TIMES):
    return [state for state, output in LayerRoute(network, target).march(times[-1], np.array(times), 1e-12) if output]


def assert_same(network, target, route, times=TIMES, rtol=1e-10):
    """Compare the route that is chosen with the integration of every layer; invariants of the layers included."""
    traj = flow_deep_linear(network, target, t_end=times[-1], times=times, rtol=1e-12)
    assert traj.route == route
    states = all_layers(network, target, times)
    first = states[0].excess
    seen = traj.excess > 1e-7 * first  # below, the integrated error is a difference of rounded numbers
    assert seen.sum() >= 3
    np.testing.assert_allclose(traj.excess[seen], np.array([state.excess for state in states])[seen], rtol=rtol)
    curvature = np.array([state.curvature for state in states])
    np.testing.assert_allclose(traj.curvature[seen], curvature[seen], rtol=1e-10)
    expected = np.array([state.singular_values for state in states])
    np.testing.assert_allclose(traj.singular_values, expected, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(traj.final.product(), states[-1].network().product(), rtol=1e-9, atol=1e-11)
    assert traj.final.depth == network.depth
    assert all(state.drift < 1e-11 for state in states)
    then, now = (
        [np.linalg.eigvalsh(D) for D, n in some.invariants() for _ in range(n)] for some in (network, traj.final)
    )
    for before, after in zip(then, now, strict=True):
        np.testing.assert_allclose(after, before, atol=1e-10)
    return traj


# Every depth with every width; positions of the zero layer and sizes alpha in turn.
GRID = [
    (L, d, (1, (L + 1) // 2, L)[(i + 2 * j) % 3], (0.9, 1.0, 1.1)[(i + j + 1) % 3])
    for i, L in enumerate((3, 10, 50))
    for j, d in enumerate((2, 10, 20))
]


@pytest.mark.parametrize(("L", "d", "zero_layer", "alpha"), GRID)
def test_error_clock_against_all_layers(L, d, zero_layer, alpha):
    network, target = tw.init.zas(L, d, alpha=alpha, zero_layer=zero_layer), gaussian_target(d, d)
    first = target.excess(target.Phi)
    once = flow_deep_linear(network, target, t_end=1e9, stop=tw.LossBelow(0.05 * first))
    times = np.interp(np.log([1 / 0.9, 2.0, 1 / 0.06]), np.log(first / once.excess), once.t)
    assert_same(network, target, "error clock", times=[0.0, *times])


@pytest.mark.parametrize("alpha", [0.9, 1.0, 1.1])
@pytest.mark.parametrize("zero_layer", [1, 2, 5])
def test_error_clock_for_rectangles_rotations_and_low_rank(zero_layer, alpha):
    rng = np.random.default_rng(4)
    network = tw.init.zas(5, (3, 4), alpha=alpha, zero_layer=zero_layer)
    turned = [alpha * np.linalg.qr(rng.normal(size=W.shape))[0] if W.any() else W for W in network.layers]
    target = tw.Target(np.outer(rng.normal(size=4), rng.normal(size=3)))
    for start in (network, tw.DeepLinearNetwork(turned)):
        assert_same(start, target, "error clock")


def test_error_clock_for_data_that_commute_with_the_target():
    rng = np.random.default_rng(5)
    Z = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    target = tw.Target(rng.permutation(np.eye(3)) * [2.0, 2.0, 0.5] @ Z.T, Z * [1.0, 3.0, 0.2] @ Z.T)
    assert_same(tw.init.zas(4, 3, zero_layer=2), target, "error clock")


@pytest.mark.parametrize("depth", [1, 2])
def test_shallow_depths(depth):
    assert_same(tw.init.zas(depth, 3), gaussian_target(3, 3), "error clock")
    assert_same(tw.init.zas(depth, 1), tw.Target([[-1.5]]), "error clock")
    assert_same(tw.init.orthogonal(depth, 3, seed=1), gaussian_target(3, 3), "product")
    one = flow_deep_linear(tw.init.zas(1, 3), target := gaussian_target(3, 3), t_end=2.0, times=[1.0, 2.0])
    np.testing.assert_allclose(one.excess, target.excess(target.Phi) * np.exp([-2.0, -4.0]), rtol=1e-13)


@pytest.mark.parametrize("depth", [10**4, 10**6])
@pytest.mark.parametrize("alpha", [1.0, 1 + 1e-6])
def test_error_clock_at_great_depth_against_the_modes(depth, alpha):
    """DOP853 on dw/dt = (sigma - p) a^N, mode by mode."""
    sigma, N = np.array([3.0, 0.7, 0.02]), depth - 1
    end = 3.0 / np.sqrt(depth)

    def velocity(t, w):
        power = np.exp(N * (np.log(alpha) + np.log1p((w / alpha) ** 2) / 2))
        return (sigma - w * power) * power

    run = solve_ivp(velocity, (0, end), np.zeros(3), method="DOP853", rtol=1e-12, atol=1e-16, t_eval=[end / 2, end])
    p = run.y.T * np.exp(N * (np.log(alpha) + np.log1p((run.y.T / alpha) ** 2) / 2))
    traj = flow_deep_linear(
        tw.init.zas(depth, 3, alpha=alpha), tw.Target(np.diag(sigma)), t_end=end, times=[end / 2, end]
    )
    np.testing.assert_allclose(traj.singular_values, p, rtol=1e-9)


@pytest.mark.parametrize(("L", "d"), [(3, 2), (3, 20), (10, 10), (50, 10)])
@pytest.mark.parametrize("moment", [False, True])
def test_reduction_with_a_rotating_q(L, d, moment):
    target = gaussian_target(d, d, moment=moment)
    times = TIMES if L < 50 else [0.0, 0.03, 0.2]
    traj = assert_same(tw.init.zas(L, d, beta=0.3), target, "reduced (V, Q)", times=times)
    hidden = tw.DeepLinearNetwork(traj.final.layers[:-1]).product()
    assert np.abs(hidden - hidden.T).max() > 1e-3  # Q is not I


@pytest.mark.parametrize("seed", range(4))
def test_reduction_of_random_balanced_hidden_layers(seed):
    rng = np.random.default_rng(seed)
    hidden = tw.init.balanced_layers(4, 3, seed=seed)
    network = tw.DeepLinearNetwork([*hidden.layers, rng.normal(size=(2, 3))])
    assert_same(network, gaussian_target(2, 3, moment=bool(seed % 2)), "reduced (V, Q)", rtol=1e-10)
    target = tw.Target(gaussian_target(2, 3).Phi.T, 0.5 * np.eye(2))
    assert_same(network.transposed(), target, "reduced (V, Q)", rtol=1e-10)


DEPTH_2 = {
    "near-identity": tw.init.near_identity,
    "xavier": tw.init.xavier,
    "orthogonal": tw.init.orthogonal,
    "larger first": lambda L, d, seed: tw.DeepLinearNetwork(
        [np.eye(d), tw.init.xavier(1, d, scale=0.3, seed=seed).product()]
    ),
}


@settings(max_examples=24, derandomize=True, deadline=None)
@given(st.sampled_from(sorted(DEPTH_2)), st.integers(1, 3), st.integers(0, 10**6), st.booleans())
def test_two_layers_take_no_reduction_that_breaks(start, d, seed, moment):
    """A lone hidden layer is balanced whatever it is, but nothing keeps it from becoming singular unless D < 0."""
    network, target, times = DEPTH_2[start](2, d, seed=seed), gaussian_target(d, d, seed, moment), [0.3, 1.0, 3.0, 8.0]
    traj = flow_deep_linear(network, target, t_end=8.0, times=times, rtol=1e-9)
    expected = np.array([state.excess for state in all_layers(network, target, times)])[: len(traj)]
    scale = target.excess(target.Phi)
    np.testing.assert_allclose(traj.excess, expected, rtol=1e-8, atol=1e-10 * scale)
    assert len(traj) == len(times) or traj.outcome is tw.Outcome.ROUNDING_FLOOR


def test_a_hidden_layer_that_becomes_singular():
    """At depth 2 w_1 goes through 0 on its way from 0.1 to 1; w_2^2 - w_1^2 is conserved."""
    times = [1.0, 2.0, 5.0]
    for pair in ([0.1, -1.0], [-1.0, 0.1], [0.9, -1.0]):
        run = solve_ivp(
            lambda t, w: (1 - w[0] * w[1]) * w[::-1],
            (0, 5),
            pair,
            method="DOP853",
            rtol=1e-13,
            atol=1e-15,
            t_eval=times,
        )
        start = tw.DeepLinearNetwork([[[w]] for w in pair])
        traj = flow_deep_linear(start, tw.Target([[1.0]]), t_end=5.0, times=times)
        np.testing.assert_allclose(traj.excess, 0.5 * (1 - run.y[0] * run.y[1]) ** 2, rtol=1e-5, atol=1e-16)


def test_reductions_hand_over_to_all_layers_at_a_saddle():
    """Singular values of hidden layers, or of the product, fall until too few digits are left to go on with them."""
    rng = np.random.default_rng([3, 3, 0])
    hidden = tw.init.balanced_layers(2, 3, seed=0)
    V, target = 1.5 * rng.normal(size=(3, 3)), tw.Target(rng.normal(size=(3, 3)))
    reflected = tw.Target(tw.init.orthogonal(2, 3, seed=1).product() @ np.diag([2.0, 1.5, -1.0]))
    for network, aim in (
        (tw.DeepLinearNetwork([*hidden.layers, V]), target),
        (tw.init.orthogonal(2, 3, seed=1), reflected),
    ):
        times = np.linspace(1.0, 12.0, 8)
        traj = flow_deep_linear(network, aim, t_end=12.0, times=times, rtol=1e-9)
        reduced, _, left = traj.route.partition(", all layers from t = ")
        assert reduced in ("product", "reduced (V, Q)")
        assert 0 < float(left) < 12
        assert "too few digits" in traj.why
        assert np.linalg.svd(traj.final.layers[0], compute_uv=False)[-1] < 1e-3
        states = all_layers(network, aim, times)
        np.testing.assert_allclose(traj.t, times, rtol=1e-15)
        np.testing.assert_allclose(traj.excess, [state.excess for state in states], rtol=1e-8)
        np.testing.assert_allclose(traj.final.product(), states[-1].network().product(), atol=1e-8)


def test_data_that_do_not_commute_leave_the_reduction():
    target = gaussian_target(3, 3, moment=True)
    assert_same(tw.init.zas(6, 3), target, "reduced (V, Q)")
    assert choose(tw.init.zas(6, 3, zero_layer=3), target).name == "all layers"


@pytest.mark.parametrize(("L", "d"), [(3, 2), (10, 10), (20, 3)])
@pytest.mark.parametrize("moment", [False, True])
def test_product_route(L, d, moment):
    target = gaussian_target(d, d, moment=moment)
    assert_same(tw.init.orthogonal(L, d, seed=2), target, "product")
    assert_same(tw.init.balanced_layers(L, d, seed=2), target, "product", rtol=1e-10)


def test_identity_start_runs_into_the_saddle_of_minus_identity():
    """Products c(t) I with dc/dt = -L c^(2-2/L) (c + 1), which do not reach 0."""
    times = [1.0, 20.0]
    start = tw.DeepLinearNetwork([np.eye(2)], [3])
    traj = flow_deep_linear(start, tw.Target(-np.eye(2)), t_end=20.0, times=times, rtol=1e-9)
    run = solve_ivp(lambda t, c: -3 * c ** (4 / 3) * (c + 1), (0, 20), [1.0], rtol=1e-11, atol=1e-14, t_eval=times)
    np.testing.assert_allclose(traj.singular_values[:, 0], run.y[0], rtol=1e-8)
    assert traj.loss[-1] > 1.0  # 1/2 ||0 + I||^2


def test_other_starts_are_integrated_whole():
    network = tw.init.perturbed(tw.init.zas(6, 3), 0.1, seed=1)
    traj = flow_deep_linear(network, gaussian_target(3, 3), t_end=0.5, rtol=1e-12)
    assert traj.route == "all layers"
    fine = [traj.excess[0]]
    for k in range(len(traj) - 1):
        fine.append(fine[-1] * np.exp(-(traj.t[k + 1] - traj.t[k]) * (traj.curvature[k] + traj.curvature[k + 1]) / 2))
    assert fine[-1] == pytest.approx(traj.excess[-1], rel=1e-3)  # the curvature integrates to the log loss
    Ds = zip(network.invariants(), traj.final.invariants(), strict=True)
    assert max(np.abs(a - b).max() for (a, _), (b, _) in Ds) < 1e-12


@settings(max_examples=30, derandomize=True, deadline=None)
@given(
    st.integers(2, 30),
    st.integers(1, 4),
    st.integers(1, 4),
    st.floats(0.8, 1.2),
    st.integers(0, 10**6),
    st.booleans(),
)
def test_zas_stays_below_its_bound_and_never_rises(depth, d_in, d_out, alpha, seed, moment):
    target = gaussian_target(d_out, d_in, seed, moment)
    network = tw.init.zas(depth, (d_in, d_out), alpha=alpha, zero_layer=1 + seed % depth)
    traj = flow_deep_linear(network, target, t_end=0.2, times=np.linspace(0, 0.2, 9))
    unresolved = 1e-12 * target.excess(target.Phi)  # below, integration promises nothing
    assert (traj.excess <= traj.bound * (1 + 1e-9) + unresolved).all()
    assert (np.diff(traj.excess) <= unresolved).all()


@pytest.mark.parametrize(
    ("network", "phi", "rate"),
    [
        (tw.init.zas(4, 2, alpha=0.9, zero_layer=2), [[1.0, 0.0], [0.0, -2.0]], 0.9**6),
        (tw.init.zas(4, 2, beta=0.4), [[1.0, 0.0], [0.0, -2.0]], (1 - 0.4**2) ** 3),
        (tw.init.zas(4, 2, beta=0.4, zero_layer=1), [[1.0, 0.0], [0.0, -2.0]], (1 - 0.4**2) ** 3),
        (tw.init.zas(4, 2, beta=1.0), -np.eye(2), 0.0),
        (tw.DeepLinearNetwork([np.eye(2)], [4]), 1.2 * np.eye(2), 4 * (1.2 - np.sqrt(0.08)) ** 1.5),
        (tw.DeepLinearNetwork([np.eye(2)], [4]), -np.eye(2), 0.0),
    ],
)
def test_bounds_of_other_starts(network, phi, rate):
    traj = flow_deep_linear(network, tw.Target(phi), t_end=3.0)
    assert traj.settings["rate"] == pytest.approx(rate, rel=1e-12, abs=1e-300)
    assert (traj.excess <= traj.bound * (1 + 1e-9)).all()
    assert ("none" in traj.guarantee) == (rate == 0)


def _start(*layers, repeats=None):
    return tw.DeepLinearNetwork(layers, repeats)


@pytest.mark.parametrize(
    ("network", "moment", "low", "high", "word"),
    [
        # Attained at the start, where all layers but the last, of zero, are isometries.
        (_start(np.eye(5, 3), np.eye(5), np.zeros((2, 5)), repeats=[1, 4, 1]), True, 1.0, 1.0, "embedding"),
        (_start(np.eye(5, 3), np.zeros((2, 5))), False, 1.0, 1.0, "embedding"),
        (tw.init.perturbed(tw.init.zas(5, (3, 2)), 1e-3, seed=1), False, 0.95, 1.05, "certificate A"),
        (_start(np.ones((2, 3))), False, 1.0 - 1e-12, 1.0, "certificate A"),  # one layer: a quadratic
    ],
)
def test_bounds_that_theorems_and_certificates_prove(network, moment, low, high, word):
    target = gaussian_target(2, 3, moment=moment)
    traj = flow_deep_linear(network, target, t_end=3.0)
    assert low <= traj.settings["rate"] / target.moment_range[0] <= high
    assert word in traj.guarantee
    assert (traj.excess <= traj.bound * (1 + 1e-9)).all()


def test_starts_near_an_invertible_target_have_a_bound():
    network = tw.DeepLinearNetwork([np.diag([1.0, 2.0]), [[1.0, 0.3], [0.0, 1.0]]])
    traj = flow_deep_linear(network, tw.Target(network.product() + 0.2), t_end=3.0)
    assert "certificate B" in traj.guarantee
    assert (traj.excess <= traj.bound * (1 + 1e-9)).all()
    assert traj.bound[-1] < 0.5 * traj.bound[0]


def test_limit_of_infinite_depth():
    """Finite depths come nearer at the rate 1/N."""
    target = gaussian_target(3, 3)
    v = np.random.default_rng(2).normal(size=(3, 3)) * 0.3
    times = [0.0, 0.1, 0.5]
    for start in (None, v):
        limit = infinite_depth(target, times=times, v=start)
        gaps = []
        for depth in (1001, 10_001):
            root = np.sqrt(depth - 1)
            last = np.zeros((3, 3)) if start is None else start / root
            network = tw.DeepLinearNetwork([np.eye(3), last], [depth - 1, 1])
            finite = flow_deep_linear(network, tw.Target(target.Phi / root), t_end=0.5, times=times, rtol=1e-9)
            gaps.append(np.abs(finite.excess * (depth - 1) / limit.loss - 1).max())
            np.testing.assert_allclose(finite.curvature, limit.curvature, rtol=2e-2)
        assert gaps[1] < 1e-3
        assert gaps[1] == pytest.approx(gaps[0] / 10, rel=0.2)


def test_the_two_limits_agree():
    target = gaussian_target(3, 3)
    clock = infinite_depth(target, times=[0.1, 0.5])
    equation = infinite_depth(target, times=[0.1, 0.5], v=np.full((3, 3), 1e-13))
    np.testing.assert_allclose(clock.loss, equation.loss, rtol=1e-9)
    np.testing.assert_allclose(clock.singular_values, equation.singular_values, rtol=1e-9)


def test_ends_of_runs():
    target, network = gaussian_target(3, 3), tw.init.zas(8, 3)
    level = 1e-6
    early = flow_deep_linear(network, target, t_end=1e3, stop=tw.LossBelow(level) | tw.WallTime(60))
    assert early.outcome is tw.Outcome.LOSS_BELOW
    assert early.loss[-1] <= level < early.loss[-2]
    exact = flow_deep_linear(network, target, t_end=1e6)
    assert exact.outcome is tw.Outcome.ROUNDING_FLOOR
    assert flow_deep_linear(network, target, t_end=0.1).outcome is tw.Outcome.REACHED_END
    stuck = flow_deep_linear(tw.DeepLinearNetwork([np.zeros((3, 3))], [2]), target, t_end=1.0)
    assert stuck.outcome is tw.Outcome.STATIONARY
    assert flow_deep_linear(network, tw.Target(np.zeros((3, 3))), t_end=1.0).outcome is tw.Outcome.ROUNDING_FLOOR


@pytest.mark.parametrize("start", [tw.init.xavier(4, 2, seed=1), tw.init.zas(4, 2, beta=0.3)])
def test_flows_end_where_integration_resolves_no_more(start):
    """A loss that its curvature makes fall by e^10, and that does not fall, is error: to go on would take for ever."""
    target = tw.Target([[1.0, 2.0], [0.0, -1.0]])
    traj = flow_deep_linear(start, target, t_end=1e6)
    assert traj.outcome is tw.Outcome.ROUNDING_FLOOR
    assert traj.excess[-1] < 1e-18 * traj.excess[0]
    assert any("smaller rtol" in note for note in traj.notes)
    # What only moves slowly is waited for, here a mode whose error of 1e-7 falls at the rate 1e-8.
    slow = tw.DeepLinearNetwork([np.diag([1.0, 1e-4]), np.diag([1.0, 0.0])])
    late = flow_deep_linear(slow, tw.Target(np.diag([2.0, 1e-7])), t_end=1e3)
    assert late.outcome is tw.Outcome.REACHED_END
    assert late.excess[-1] == pytest.approx(0.5e-14, rel=1e-3)


def test_long_plateaus_take_no_steps_of_stability():
    """A fast mode that is learnt must not hold a slow one to its pace, which would take some 200 000 steps here."""
    network = tw.DeepLinearNetwork([np.diag([1.0, 1e-3]), np.diag([2.0, 0.0])])
    steps = []
    traj = flow_deep_linear(
        network, tw.Target(np.diag([8.0, 1e-5])), t_end=1e5, times=[1e5], stop=lambda state: steps.append(state.t)
    )
    slow = solve_ivp(
        lambda t, w: (1e-5 - w[0] * w[1]) * w[::-1], (0, 1e5), [1e-3, 0.0], "Radau", rtol=1e-10, atol=1e-15
    )
    error = 1e-5 - slow.y[0, -1] * slow.y[1, -1]
    assert traj.route == "all layers"
    assert traj.excess[-1] == pytest.approx(0.5 * error**2, rel=1e-5)
    assert len(steps) < 5000


@pytest.mark.parametrize("size", [1e60, 1e-60, 1e-200])
@pytest.mark.parametrize("start", [tw.init.zas(4, 2), tw.init.zas(4, 2, beta=1e-3)])
def test_targets_of_any_size(size, start):
    """At 1e60 everything happens within 1e-60 of time; at 1e-200 squares are no float64 and nothing is left to fit."""
    traj = flow_deep_linear(start, tw.Target(size * np.diag([1.0, -2.0])), t_end=1e-3)
    assert np.isfinite(traj.loss).all()
    assert (np.diff(traj.loss) <= 1e-12 * traj.loss[:-1]).all()


@pytest.mark.parametrize("start", [tw.init.zas(7, 3), tw.init.zas(7, 3, beta=0.2), tw.init.xavier(4, 3, seed=3)])
def test_restart_gives_the_same_path(start):
    target = gaussian_target(3, 3)
    whole = flow_deep_linear(start, target, t_end=1.0, times=[1.0], rtol=1e-11)
    half = flow_deep_linear(start, target, t_end=0.4, rtol=1e-11)
    again = flow_deep_linear(half.final, target, t_end=0.6, times=[0.6], rtol=1e-11)
    np.testing.assert_allclose(again.excess, whole.excess, rtol=1e-9)


def test_files_words_and_pictures(tmp_path):
    target = tw.Target.regression(np.random.default_rng(1).normal(size=(9, 3)), np.arange(9.0), name="ages")
    traj = flow_deep_linear(tw.init.zas(5, (3, 1)), target, t_end=1.0)
    assert traj.loss[-1] == traj.excess[-1] + target.floor
    again = LinearTrajectory.load(traj.save(tmp_path / "run.npz"))
    for name in ("t", "excess", "curvature", "singular_values", "drift", "bound"):
        assert getattr(again, name).tobytes() == getattr(traj, name).tobytes()
    assert str(again) == str(traj)
    assert again.final.product().tobytes() == traj.final.product().tobytes()
    assert "ages" in str(traj)
    assert "bound" in traj._repr_html_()
    assert len(traj.plot().axes) == 3
    assert "fell by a factor of" in str(traj)
    risen = tw.descend(tw.init.zas(2, 2), tw.Target(np.eye(2)), step_size=3.0, steps=1)  # the error from 1 to 2
    assert "1 to 4, its excess rose by a factor of 4" in str(risen)
    none = tw.flow(tw.init.zas(2, 2), tw.Target(np.zeros((2, 2))), t_end=1.0)
    assert "factor" not in str(none)
    (tmp_path / "half.npz").write_bytes((tmp_path / "run.npz").read_bytes()[:300])
    with pytest.raises(tw.InputError, match="complete saved LinearTrajectory"):
        LinearTrajectory.load(tmp_path / "half.npz")
    traj.final.save(tmp_path / "net.npz")
    with pytest.raises(tw.InputError, match="not a saved LinearTrajectory"):
        LinearTrajectory.load(tmp_path / "net.npz")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"network": tw.init.dominated(3, 2, seed=1)}, "be a DeepLinearNetwork"),
        ({"target": np.eye(3)}, "be a Target"),
        ({"network": tw.init.zas(3, 2)}, "have 3 inputs and 3 outputs"),
        ({"t_end": 0.0}, "'t_end' parameter"),
        ({"rtol": 1e-14}, "'rtol' parameter"),
        ({"times": [0.5, 0.1]}, "increase"),
        ({"times": []}, "at least one entry"),
        ({"times": [2.0]}, "lie within"),
        ({"network": tw.DeepLinearNetwork([1e80 * np.eye(3)])}, "Rescale"),
        ({"network": tw.DeepLinearNetwork([0.5 * np.eye(3), np.zeros((3, 3))], [10**6, 1])}, "nearer to 1"),
        ({"network": tw.DeepLinearNetwork([5.0 * np.eye(3), np.zeros((3, 3))], [10**6, 1])}, "nearer to 1"),
        ({"network": tw.DeepLinearNetwork([[[1.0, 2, 0], [0, 1, 0], [0, 0, 1]]], [10**6])}, "reduc|Rescale"),
    ],
)
def test_bad_arguments(change, message):
    arguments = {"network": tw.init.zas(3, 3), "target": gaussian_target(3, 3), "t_end": 1.0} | change
    with pytest.raises(tw.InputError, match=message):
        flow_deep_linear(**arguments)
