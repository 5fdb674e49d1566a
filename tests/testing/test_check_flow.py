"""check_flow passes what engines compute, and catches every corruption of it."""

import dataclasses

import numpy as np
import pytest

import bank
import thalweg as tw
from thalweg.testing import check_flow
from thalweg.testing.shallow import _energy_faults


def flow_of(name, **options):
    case = bank.by_name(name)
    return tw.flow(case.network, case.data, t_end=case.t_end, accept_contradictions=True, **options)


@pytest.mark.parametrize("case", bank.BANK[::2] + bank.DRAWN[::4], ids=str)
def test_flows_of_the_bank_pass(case):
    for options in ({}, {"times": case.times}, {"rtol": 1e-3}):
        check_flow(tw.flow(case.network, case.data, t_end=case.t_end, accept_contradictions=True, **options))


@pytest.mark.parametrize("name", ["slide_exit_up", "starts_on_convex_kink", "leaky_three", "more_inputs_than_samples"])
def test_isolated_flows_agree_with_the_reference(name):
    check_flow(flow_of(name), reference_steps=4000)


def test_flows_of_other_engines_pass():
    check_flow(tw.flow(tw.init.dominated(30, 12, seed=1, scale=0.1), tw.data.orthogonal(30, seed=2), t_end=200.0))
    smooth = tw.SmoothNetwork.of(tw.init.dominated(5, 8, seed=1), "tanh")
    check_flow(tw.flow(smooth, tw.data.sphere(6, 5, seed=2), t_end=20.0))
    target = tw.Target(np.random.default_rng(3).normal(size=(3, 3)))
    for start in (tw.init.zas(40, 3), tw.init.xavier(4, 3, seed=4), tw.init.balanced_layers(5, 3, seed=5)):
        check_flow(tw.flow(start, target, t_end=10.0))


@pytest.fixture(scope="module")
def sliding():
    """Sixteen samples in eighteen dimensions: held pairs, mode changes, and a loss that goes on falling."""
    traj = tw.flow(tw.init.gaussian(18, 6, seed=1), tw.data.sphere(16, 18, seed=1), t_end=30.0)
    assert traj.sliding[-1] > 0
    check_flow(traj)
    return traj


def changed(series, k, factor):
    series = series.copy()
    series[k] *= factor
    return series


def with_networks(traj, **parts):
    return dataclasses.replace(traj, networks=dataclasses.replace(traj.networks, **parts))


def release(traj, mode):
    """Call the pairs that slide at the end active or inactive."""
    modes = traj.networks.modes.copy()
    held = modes[-1] == 0
    modes[-1][held] = mode
    counts = {"sliding": traj.sliding, "active" if mode == 1 else "inactive": None}
    moved = {name: getattr(traj, name).copy() for name in counts}
    moved["sliding"][-1] -= held.sum()
    moved["active" if mode == 1 else "inactive"][-1] += held.sum()
    return dataclasses.replace(with_networks(traj, modes=modes), **moved)


def hold(traj):
    """Call the pair that is nearest its kink at the end, but moves, sliding."""
    modes, moved = traj.networks.modes.copy(), traj.networks.moved.copy()
    z = np.where(modes[-1] == 0, np.inf, np.abs(traj.networks[-1].preactivations(traj.data.X)))
    j, i = np.unravel_index(np.argmin(z), z.shape)
    name = "active" if modes[-1, j, i] == 1 else "inactive"
    counts = {name: getattr(traj, name).copy(), "sliding": traj.sliding.copy()}
    counts[name][-1] -= 1
    counts["sliding"][-1] += 1
    modes[-1, j, i] = 0
    return dataclasses.replace(with_networks(traj, modes=modes, moved=moved), **counts)


def scaled_neuron(traj):
    """Scale a neuron at the end, up in a and down in w: the same function, no longer balanced."""
    a, moved, W = traj.networks.a.copy(), traj.networks.moved.copy(), traj.networks[-1].W
    a[-1, 0] *= 1.001
    if traj.data.d <= traj.data.n:
        moved[-1, 0] -= W[0] * (1 - 1 / 1.001)
    else:
        moved[-1, 0] -= np.linalg.lstsq(traj.data.X.T, W[0] * (1 - 1 / 1.001), rcond=None)[0]
    return with_networks(traj, a=a, moved=moved)


def jumped(traj):
    """Let everything after the middle move twice as fast: states are right, the path between two is too long."""
    t = traj.t.copy()
    t[len(t) // 2 :] = t[len(t) // 2] + (t[len(t) // 2 :] - t[len(t) // 2]) / 2
    return dataclasses.replace(traj, t=t, curvature=traj.curvature, settings=traj.settings)


CORRUPTIONS = {
    "a loss that rises": (
        lambda traj: dataclasses.replace(traj, loss=changed(traj.loss, -1, 1.1)),
        "the loss rises",
    ),
    "a NaN": (lambda traj: dataclasses.replace(traj, curvature=changed(traj.curvature, 5, np.nan)), "curvature is nan"),
    "times out of order": (
        lambda traj: dataclasses.replace(traj, t=traj.t[np.r_[0, 2, 1, 3 : len(traj.t)]]),
        "times do not increase",
    ),
    "a series cut short": (lambda traj: dataclasses.replace(traj, loss=traj.loss[:-1]), "have the shapes"),
    "residuals of another length": (
        lambda traj: dataclasses.replace(traj, residuals=traj.residuals[:, :-1]),
        "have the shapes",
    ),
    "time that runs twice as fast": (jumped, "log L falls by"),
    "curvatures 1 % too large": (
        lambda traj: dataclasses.replace(traj, curvature=1.01 * traj.curvature),
        "log L falls by",
    ),
    "one curvature 0.1 % too large": (
        lambda traj: dataclasses.replace(traj, curvature=changed(traj.curvature, -1, 1.001)),
        "the velocities make it",
    ),
    "an upper bound too low": (
        lambda traj: dataclasses.replace(traj, curvature_upper=0.9 * traj.curvature),
        "is above",
    ),
    "a lower bound too high": (
        lambda traj: dataclasses.replace(traj, curvature_lower=1.1 * traj.curvature),
        "is below",
    ),
    "one residual off": (
        lambda traj: dataclasses.replace(
            traj, residuals=traj.residuals + 1e-4 * (np.arange(len(traj.t)) == 0)[:, None]
        ),
        "residuals are not those",
    ),
    "losses 0.1 % too small": (lambda traj: dataclasses.replace(traj, loss=0.999 * traj.loss), "the loss"),
    "counts of modes": (
        lambda traj: dataclasses.replace(traj, active=traj.active + 1, inactive=traj.inactive - 1),
        "pairs are counted",
    ),
    "held pairs called active": (lambda traj: release(traj, 1), "the velocities make it"),
    "held pairs called inactive": (lambda traj: release(traj, -1), "the velocities make it"),
    "a moving pair called held": (hold, "slides at z"),
    "modes upside down": (lambda traj: with_networks(traj, modes=-traj.networks.modes), "has the mode"),
    "a neuron that is not balanced": (scaled_neuron, "a\\^2 - \\|w\\|\\^2"),
    "weights that are not finite": (
        lambda traj: with_networks(traj, a=np.full_like(traj.networks.a, np.nan)),
        "not finite",
    ),
    "another final network": (
        lambda traj: dataclasses.replace(traj, final=traj.networks.start),
        "the final network has the loss",
    ),
    "a final network of another width": (
        lambda traj: dataclasses.replace(traj, final=tw.init.dominated(18, 5, seed=1)),
        "the final network is",
    ),
    "a final network that is not balanced": (
        lambda traj: dataclasses.replace(traj, final=tw.ShallowNetwork(traj.final.W / 1.001, traj.final.a * 1.001)),
        "the final network has a\\^2",
    ),
}


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_corruptions_are_caught(sliding, name):
    corrupt, words = CORRUPTIONS[name]
    with pytest.raises(AssertionError, match=words):
        check_flow(corrupt(sliding))


def test_a_held_pair_that_should_leave_is_caught():
    """A pair put exactly on its kink by hand: active inputs lift it, and no multiplier holds it there."""
    data = tw.Dataset([[1.0, 0.0], [0.5, 0.75**0.5]], [1.0, 2.0])
    traj = tw.flow(tw.ShallowNetwork([[0.0, 0.9]], [1.6]), data, t_end=1.0)
    check_flow(traj)
    assert traj.networks.modes[0].tolist() == [[1, 1]]
    modes = traj.networks.modes.copy()
    modes[0, 0, 0] = 0
    count = np.eye(len(traj.t), dtype=int)[0]
    stuck = dataclasses.replace(with_networks(traj, modes=modes), active=traj.active - count, sliding=count)
    with pytest.raises(AssertionError, match=r"no multiplier in \[0, 1\] holds pair \(0, 0\)"):
        check_flow(stuck)


def test_weights_that_move_further_than_the_loss_pays_for_are_caught():
    """The same states in half the time, at outputs too far apart for the curvature to tell."""
    traj = flow_of("one_sample", times=[0.0, 0.2, 0.4])
    assert not list(_energy_faults(traj, traj.networks.kept, 1e-6))
    (fault,) = _energy_faults(dataclasses.replace(traj, t=0.5 * traj.t), traj.networks.kept, 1e-6)
    assert "the fall of the loss pays for" in fault


def test_another_branch_is_caught_by_the_reference(sliding):
    traj = flow_of("more_inputs_than_samples")
    other = tw.ShallowNetwork(1.001 * traj.networks.start.W, traj.networks.start.a)
    swapped = with_networks(traj, start=other)
    with pytest.raises(AssertionError):
        check_flow(swapped, reference_steps=4000)
    with pytest.raises(AssertionError, match="steps of the reference are too few"):
        check_flow(traj, reference_steps=3)


@pytest.fixture(scope="module")
def linear():
    target = tw.Target(np.random.default_rng(3).normal(size=(3, 3)))
    traj = tw.flow(tw.init.zas(6, 3), target, t_end=5.0)
    assert np.isfinite(traj.bound).all()
    check_flow(traj)
    return traj


LINEAR = {
    "a rise": (lambda traj: {"excess": changed(traj.excess, -1, 1.5)}, "rises"),
    "a curvature": (lambda traj: {"curvature": 1.05 * traj.curvature}, "log L falls by"),
    "another end": (lambda traj: {"final": traj.start}, "the final network has the loss"),
    "singular values": (lambda traj: {"singular_values": 1.001 * traj.singular_values}, "singular values off"),
    "a drift": (lambda traj: {"drift": traj.drift + 0.01}, "drift by"),
    "a bound": (lambda traj: {"bound": 0.5 * traj.excess}, "above what is proved"),
    "another start": (lambda traj: {"start": tw.init.zas(6, 3, alpha=1.1)}, "eigenvalues"),
}


@pytest.mark.parametrize("name", LINEAR)
def test_corruptions_of_deep_linear_flows_are_caught(linear, name):
    corrupt, words = LINEAR[name]
    with pytest.raises(AssertionError, match=words):
        check_flow(dataclasses.replace(linear, **corrupt(linear)))


def test_what_is_no_flow_is_refused(linear):
    data = tw.data.sphere(5, 8, seed=1)
    descent = tw.descend(tw.init.dominated(8, 6, seed=2), data, step_size=0.1, steps=3)
    steps = tw.descend(linear.start, linear.target, step_size=1e-3, steps=3)
    for traj in (descent, steps, "run.npz", None):
        with pytest.raises(tw.InputError, match="The 'traj' parameter of check_flow must be"):
            check_flow(traj)
    with pytest.raises(tw.InputError, match="reference_steps"):
        check_flow(linear, reference_steps=10)
    with pytest.raises(tw.InputError, match="tolerance"):
        check_flow(linear, tolerance=0.0)
