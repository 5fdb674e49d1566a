"""Gradient descent on deep linear networks: reduced against all layers, the theorem, the ends of runs."""

import signal

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import thalweg as tw
from thalweg.descent.descenders import LayerDescent
from thalweg.flow.linear import flow_deep_linear
from thalweg.networks.products import error_and_gradients


def gaussian_target(d_out, d_in, seed=1):
    return tw.Target(np.random.default_rng(seed).normal(size=(d_out, d_in)) / np.sqrt(d_in))


def assert_same_as_all_layers(network, target, step_size, steps=60, momentum=0.0, kernel="numba", rtol=1e-10):
    """Compare with the plain loop over all layers, entry by entry, at the first and last iterations."""
    traj = tw.descend(network, target, step_size=step_size, steps=steps, momentum=momentum, kernel=kernel)
    assert traj.route == "modes"
    layers = [W.copy() for W in network.layers]
    speeds = [np.zeros_like(W) for W in layers]
    losses = []
    for _ in range(int(traj.iteration[-1]) + 1):
        E, gradients = error_and_gradients(layers, target)
        losses.append((target.excess(E), sum((G * G).sum() for G in gradients) / target.excess(E)))
        final = layers
        speeds = [momentum * V - traj.settings["step_size"] * G for V, G in zip(speeds, gradients, strict=True)]
        layers = [W + V for W, V in zip(layers, speeds, strict=True)]
    expected = np.array(losses)[traj.iteration]
    seen = expected[:, 0] > 1e-8 * expected[0, 0]
    assert seen.sum() > 5
    np.testing.assert_allclose(traj.excess[seen], expected[seen, 0], rtol=rtol)
    np.testing.assert_allclose(traj.curvature[seen], expected[seen, 1], rtol=rtol)
    product = tw.DeepLinearNetwork(final).product()
    np.testing.assert_allclose(traj.final.product(), product, atol=1e-11)
    np.testing.assert_allclose(traj.singular_values[-1], np.linalg.svd(product)[1], rtol=1e-9, atol=1e-11)
    return traj


GRID = [
    (L, d, (1, (L + 1) // 2, L)[(i + 2 * j) % 3], (0.9, 1.0, 1.1)[(i + j + 1) % 3])
    for i, L in enumerate((3, 10, 50))
    for j, d in enumerate((2, 10, 20))
]


@pytest.mark.parametrize(("L", "d", "zero_layer", "alpha"), GRID)
@pytest.mark.parametrize("momentum", [0.0, 0.6])
def test_modes_against_all_layers(L, d, zero_layer, alpha, momentum):
    network, target = tw.init.zas(L, d, alpha=alpha, zero_layer=zero_layer), gaussian_target(d, d)
    step = tw.descent.safe_step(network, target) * (1 - momentum)
    traj = assert_same_as_all_layers(network, target, step, momentum=momentum)
    slow = tw.descend(network, target, step_size=step, steps=60, momentum=momentum, kernel="numpy")
    count = int((traj.excess > 1e-8 * traj.excess[0]).sum())
    np.testing.assert_allclose(slow.excess[:count], traj.excess[:count], rtol=1e-10)


@pytest.mark.parametrize("zero_layer", [1, 2, 4])
def test_rectangles_rotations_and_commuting_data(zero_layer):
    rng = np.random.default_rng(3)
    network = tw.init.zas(4, (3, 2), zero_layer=zero_layer)
    turned = [np.linalg.qr(rng.normal(size=W.shape))[0] if W.any() else W for W in network.layers]
    Z = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    target = tw.Target(np.array([[1.5, 0.0, 0.0], [0.0, 0.5, 0.0]]) @ Z.T, Z * [0.5, 2.0, 1.0] @ Z.T)
    for start in (network, tw.DeepLinearNetwork(turned)):
        assert_same_as_all_layers(start, target, 0.05)


@pytest.mark.parametrize("kernel", ["numba", "numpy"])
@pytest.mark.parametrize("depth", [1, 2, 3, 4])
def test_large_steps_overshoot_as_all_layers_do(depth, kernel):
    """Far beyond the proved step the hidden modes change sign; powers of negative numbers are then due."""
    network, target = tw.init.zas(depth, 2), tw.Target(np.diag([3.0, 0.1]))
    step = {1: 1.9, 2: 0.9, 3: 0.47, 4: 0.36}[depth]
    traj = tw.descend(network, target, step_size=step, steps=12, kernel=kernel)
    layers = LayerDescent(network, target, step, 0.0)
    losses = [layers.state(0.0).excess]
    for _ in range(int(traj.iteration[-1])):
        layers.advance(1, 0.0, np.inf)
        losses.append(layers.state(0.0).excess)
    np.testing.assert_allclose(traj.excess, losses, rtol=1e-8)
    assert max(losses[1:]) > losses[0] or depth == 1


@pytest.mark.parametrize(
    ("depth", "median"),
    [(3, 82), (10, 216), (100, 526), (1000, 1096), (10**4, 2643), (10**5, 7348), (10**6, 22070)],
)
def test_iterations_at_the_safe_step(depth, median):
    """Counts measured with another program: Gaussian of variance 1/d, d = 10, condition at most 5."""
    counts = []
    for seed in range(8):
        U, sigma, Vt = np.linalg.svd(np.random.default_rng(seed).normal(size=(10, 10)) / np.sqrt(10))
        target = tw.Target(U * np.maximum(sigma, sigma[0] / 5) @ Vt)
        stop = tw.LossBelow(1e-10 * target.excess(target.Phi))
        traj = tw.descend(tw.init.zas(depth, 10), target, step_size="safe", steps=50_000, stop=stop)
        assert traj.outcome is tw.DescentOutcome.LOSS_BELOW
        counts.append(traj.iteration[-1])
    assert np.median(counts) == pytest.approx(median, rel=0.05)


@pytest.mark.parametrize("depth", [2, 3, 30, 10**4, 10**6])
@pytest.mark.parametrize("condition", [1.0, 1e3])
def test_the_larger_identity_needs_at_most_37_iterations(depth, condition):
    sigma = np.geomspace(2.0, 2.0 / condition, 5)
    target = tw.Target(np.diag(sigma))
    network = tw.init.zas(depth, 5, alpha=tw.init.zas_alpha(depth, target.norm))
    stop = tw.LossBelow(1e-10 * target.excess(target.Phi))
    traj = tw.descend(network, target, step_size="safe", steps=37, stop=stop)
    assert traj.outcome is tw.DescentOutcome.LOSS_BELOW


@settings(max_examples=80, derandomize=True, deadline=None)
@given(
    st.sampled_from([1, 2, 3, 7, 40, 1000]),
    st.floats(0.7, 1.3),
    st.lists(st.floats(0.0, 8.0), min_size=1, max_size=4),
    st.floats(0.1, 1.0),
    st.booleans(),
)
def test_bound_of_the_discrete_theorem(depth, alpha, sigma, share, weighted):
    """Below the proved step: the bound holds, every mode grows, none overshoots."""
    alpha = alpha if depth < 100 else 1 + (alpha - 1) / 100
    lam = np.linspace(0.5, 2.0, len(sigma)) if weighted else np.ones(len(sigma))
    target = tw.Target(np.diag(sigma), np.diag(lam))
    network = tw.init.zas(depth, len(sigma), alpha=alpha)
    traj = tw.descend(network, target, step_size=share * tw.descent.safe_step(network, target), steps=200)
    top = np.array(sorted(sigma, reverse=True))
    assert (np.sqrt(traj.excess) <= np.sqrt(traj.bound) * (1 + 1e-9) + 1e-14 * top[0]).all()
    assert (np.diff(traj.singular_values, axis=0) >= -1e-14 * (1 + top)).all()
    assert (traj.singular_values <= top * (1 + 1e-13) + 1e-300).all()
    assert "eta*" in traj.guarantee


def test_overshoot_beyond_the_safe_step():
    """eta* is nearly sharp: some target overshoots at twice of it."""
    target, network = tw.Target([[3.0]]), tw.init.zas(50, 1)
    step = tw.descent.safe_step(network, target)
    assert tw.descend(network, target, step_size=step, steps=500).singular_values.max() <= 3.0 * (1 + 1e-14)
    beyond = tw.descend(network, target, step_size=2 * step, steps=500)
    assert beyond.singular_values.max() > 3.0001
    assert np.isnan(beyond.bound).all()
    assert "above the proved eta*" in beyond.guarantee


def test_safe_step_formula():
    network, target = tw.init.zas(11, 2, alpha=1.1), tw.Target(np.diag([2.0, 1.0]), 4.0 * np.eye(2))
    push, gain = 10 * 4 / 1.21, 1.1**20
    expected = 1 / (4 * (max(np.e * gain, push) + push))
    assert tw.descent.safe_step(network, target) == pytest.approx(expected, rel=1e-12)
    assert tw.descent.safe_step(network, target, norm=3.0) < expected
    with pytest.raises(tw.InputError, match="'norm' parameter of safe_step"):
        tw.descent.safe_step(network, target, norm=1.0)


@pytest.mark.parametrize(("scale", "alpha"), [(1.0, 1.0), (4.0, 1.05), (1.0, 0.9)])
def test_one_step_pitfall_is_explained(scale, alpha):
    target = tw.Target(gaussian_target(4, 4).Phi, scale * np.eye(4))
    network = tw.init.zas(6, 4, alpha=alpha, zero_layer=3)
    gain = scale * alpha**10
    vacuous = tw.descend(network, target, step_size=1 / gain, steps=1)
    assert vacuous.excess[1] < 1e-28 * vacuous.excess[0]
    near = tw.descend(network, target, step_size=1.05 / gain, steps=1)
    assert near.excess[1] == pytest.approx(0.0025 * near.excess[0], rel=1e-9)
    assert "whatever the target" in vacuous.notes[0]
    assert "whatever the target" in str(near)
    assert tw.descend(network, target, step_size=0.5 / gain, steps=1).notes == ()


def test_invariants_drift_as_they_must():
    """D_l(k+1) = D_l(k) + eta^2 (G_{l+1}^T G_{l+1} - G_l G_l^T) exactly."""
    target, network = gaussian_target(3, 3), tw.init.xavier(4, 3, seed=1)
    traj = tw.descend(network, target, step_size=0.05, steps=1)
    assert traj.route == "all layers"
    _, G = error_and_gradients(list(network.layers), target)
    for l in range(1, 4):
        moved = 0.05**2 * (G[l].T @ G[l] - G[l - 1] @ G[l - 1].T)
        assert traj.final.invariant(l) - network.invariant(l) == pytest.approx(moved, abs=1e-14)
    zas = tw.init.zas(4, 3)
    reduced = tw.descend(zas, target, step_size=0.05, steps=30)
    now = max(np.linalg.norm(reduced.final.invariant(l) - zas.invariant(l), 2) for l in (1, 2, 3))
    assert reduced.drift[-1] == pytest.approx(now, rel=1e-9)
    assert 0 < reduced.drift[-1] < 0.05


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_small_steps_follow_the_flow(momentum):
    """Heavy ball at step eta (1 - momentum) is the flow in the limit as well."""
    target, network, eta = gaussian_target(3, 3), tw.init.zas(6, 3), 2e-4
    traj = tw.descend(network, target, step_size=eta * (1 - momentum), steps=2500, momentum=momentum)
    exact = flow_deep_linear(network, target, t_end=0.5, times=[0.5])
    assert traj.loss[-1] == pytest.approx(exact.loss[0], rel=2e-2)


def test_ends_of_runs(tmp_path):
    target, network = gaussian_target(3, 3), tw.init.zas(6, 3)
    done = tw.descend(network, target, step_size="safe", steps=5)
    assert (done.outcome, list(done.iteration)) == (tw.DescentOutcome.STEPS_DONE, [0, 1, 2, 3, 4, 5])
    assert (np.diff(done.loss) < 0).all()
    level = tw.descend(network, target, step_size="safe", steps=10**6, stop=tw.LossBelow(1e-6) | tw.WallTime(60))
    assert level.outcome is tw.DescentOutcome.LOSS_BELOW
    exact = tw.descend(network, target, step_size="safe", steps=10**6)
    assert exact.outcome is tw.DescentOutcome.ROUNDING_FLOOR
    assert tw.descend(network, target, step_size=9.0, steps=1000).outcome is tw.DescentOutcome.DIVERGED
    wild = tw.descend(tw.init.xavier(6, 3, seed=1), target, step_size=50.0, steps=1000)
    assert wild.outcome is tw.DescentOutcome.DIVERGED
    assert wild.outcome.failed
    assert np.isfinite(wild.loss).all()
    for W in wild.final.layers:
        assert np.isfinite(W).all()
    stuck = tw.descend(tw.DeepLinearNetwork([np.zeros((3, 3))], [2]), target, step_size=0.1, steps=10)
    assert stuck.outcome is tw.DescentOutcome.STATIONARY
    asked = tw.descend(network, target, step_size=0.01, steps=10, stop=lambda state: state.t > 0.035)
    assert (asked.outcome, asked.iteration[-1]) == (tw.DescentOutcome.PREDICATE, 4)
    again = tw.LinearTrajectory.load(done.save(tmp_path / "gd.npz"))
    assert str(again) == str(done)
    assert again.outcome is done.outcome
    assert len(done.plot().axes) == 3


def test_conditions_are_judged_at_the_start():
    target = gaussian_target(3, 3)
    traj = tw.descend(tw.init.zas(6, 3), target, step_size=0.01, steps=10, stop=lambda state: True)
    assert (traj.outcome, list(traj.iteration)) == (tw.DescentOutcome.PREDICATE, [0])


@pytest.mark.parametrize("start", [tw.init.zas(3, 3), tw.init.xavier(100, 3, seed=1)])
def test_interrupts_are_heard_between_two_recorded_iterations(start):
    """Of 10^12 iterations, hundreds of millions lie between two marks; what was computed is kept."""
    target = gaussian_target(3, 3)

    def ctrl_c(state):
        if state.t == 0:
            signal.setitimer(signal.ITIMER_REAL, 0.5)

    def heard(number, frame):
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGALRM, heard)
    try:
        traj = tw.descend(start, target, step_size=1e-12, steps=10**12, stop=ctrl_c)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, before)
    assert traj.outcome is tw.DescentOutcome.INTERRUPTED
    assert traj.iteration[-1] not in np.linspace(0, 10**12, 1792).round()
    assert traj.t[-1] == pytest.approx(1e-12 * traj.iteration[-1])


def test_progress_is_shown_when_asked(capsys):
    """Where there is no terminal, a bar that is asked for ends a line; one that is not writes nothing."""
    for progress, written in ((True, True), (None, False), (False, False)):
        tw.descend(tw.init.zas(20, 3), gaussian_target(3, 3), step_size=1e-3, steps=300, progress=progress)
        assert bool(capsys.readouterr().err) is written


def test_records_are_thinned():
    traj = tw.descend(tw.init.zas(10**4, 2), gaussian_target(2, 2), step_size=1e-6, steps=20_000)
    assert len(traj) < 2100
    assert list(traj.iteration[:257]) == list(range(257))
    assert traj.iteration[-1] == 20_000


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"network": tw.init.dominated(3, 2, seed=1), "step_size": 0.1},
            "'data' parameter of descend must be a Dataset",
        ),
        ({"network": None}, "be a ShallowNetwork or a DeepLinearNetwork"),
        ({"precision": "float32"}, "'precision' parameter of descend must be left out: it is for shallow"),
        ({"data": np.eye(3)}, "be a Target"),
        ({"steps": 0}, "'steps' parameter"),
        ({"step_size": -1.0}, "'step_size' parameter"),
        ({"step_size": "fast"}, "or 'safe'"),
        ({"momentum": 1.0}, "'momentum' parameter"),
        ({"momentum": 0.5}, "'momentum' parameter of descend must be 0 with"),
        ({"kernel": "fortran"}, "'kernel' parameter"),
        ({"network": tw.init.zas(4, 3, beta=0.1)}, "exactly zero-asymmetric"),
        ({"data": tw.Target(np.diag([1.0, 2, 3]), np.eye(3) + 0.3)}, "commutes"),
        ({"network": tw.init.zas(10**8, 3, beta=0.1), "step_size": 0.1}, "less depth"),
    ],
)
def test_bad_arguments(change, message):
    arguments = {
        "network": tw.init.zas(3, 3),
        "data": gaussian_target(3, 3),
        "step_size": "safe",
        "steps": 3,
    } | change
    with pytest.raises(tw.InputError, match=message):
        tw.descend(**arguments)
