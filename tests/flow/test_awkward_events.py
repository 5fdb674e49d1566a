"""The awkward events, each by name. Every test first makes sure, on the oracle, that its event happens."""

import numpy as np
import pytest
from numpy.testing import assert_allclose

import thalweg as tw
from bank import Case, by_name, case
from oracles import brute_force
from oracles.comparison import RTOL, TOL, assert_follows, flow_case, output_weights, preactivations, reference

KERNELS = pytest.mark.parametrize("kernel", ["numba", "numpy"])


def changes(item: Case):
    """Mode changes of the reference, as (neuron, samples, before, after)."""
    return [(event.neuron, event.samples, event.before, event.after) for event in reference(item).events]


def pairs(item: Case):
    """How many (neuron, sample) pairs change mode, counted with repetition."""
    return sum(len(event.samples) for event in reference(item).events)


@KERNELS
def test_two_events_in_one_step(kernel):
    item = by_name("two_events_in_one_step")
    gaps = np.diff([event.t for event in reference(item).events])
    assert len(gaps) == 2
    assert (gaps > 0).all()
    assert (gaps < 5e-3).all()
    for rtol in (1e-4, RTOL[kernel]):  # the loose one spans all three by one macro step
        traj = flow_case(item, kernel=kernel, rtol=rtol)
        assert traj.events.sum() == 3
        assert np.abs(preactivations(traj) - reference(item).z).max() < max(20 * rtol, TOL[kernel])


@KERNELS
@pytest.mark.parametrize("name", ["simultaneous_pairs", "simultaneous_neurons"])
def test_simultaneous_events(name, kernel):
    item = by_name(name)
    times = np.array([event.t for event in reference(item).events])
    assert len(times) >= 2
    assert np.abs(times[0::2] - times[1::2]).max() < 1e-12
    traj = flow_case(item, kernel=kernel)
    assert_follows(traj, reference(item), TOL[kernel])
    assert traj.events.sum() >= len(times)  # pairs at one place may pass through a mode


@KERNELS
def test_touch_without_crossing(kernel):
    item = by_name("touch_without_crossing")
    dense = brute_force.flow_of(item.network, item.data, np.linspace(0.4, 0.6, 2001))
    closest = dense.z[:, 1, 0].max()
    assert -2e-4 < closest < 0
    assert all((neuron, samples) != (1, (0,)) for neuron, samples, _, _ in changes(item))
    traj = flow_case(item, kernel=kernel)
    assert_follows(traj, reference(item), TOL[kernel])
    assert [traj.networks.mode_map(k)[1, 0] for k in range(len(traj.t))] == [-1] * len(traj.t)


@KERNELS
@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("starts_on_convex_kink", 0),
        ("starts_on_convex_kink_and_rises", 1),
        ("starts_on_convex_kink_and_falls", -1),
        ("starts_on_kink_and_rises", 1),
        ("starts_on_kink_and_falls", -1),
    ],
)
def test_start_on_a_kink(name, mode, kernel):
    """The mode just after t = 0 is the one of the five that the velocities ask for."""
    item = by_name(name)
    assert item.network.W[0] @ item.data.X[0] == 0
    assert reference(item).modes[1, 0, 0] == mode
    traj = flow_case(item, kernel=kernel)
    assert traj.networks.mode_map(1)[0, 0] == mode
    assert_follows(traj, reference(item), TOL[kernel])


@KERNELS
def test_start_on_a_kink_that_repels_takes_one_of_its_branches(kernel):
    """Several solutions start here; the flow is one that leaves, not the one that balances on the kink."""
    X, y, W, a = [[1.0, 0.0], [-0.5, 1.0]], [3.0, 3.0], np.array([[0.0, 1.0]]), [1.0]
    item = case("repels", X, y, W, a, 3.0, "concave, pushed away on both sides")
    with pytest.raises(brute_force.Ambiguous):
        reference(item)
    branches = [brute_force.flow(W + np.array([[s, 0.0]]), a, X, y, item.times).z for s in (-1e-9, 1e-9)]
    assert np.abs(branches[0] - branches[1]).max() > 0.5
    z = preactivations(flow_case(item, kernel=kernel))
    assert min(np.abs(z - branch).max() for branch in branches) < TOL[kernel]


@KERNELS
@pytest.mark.parametrize("name", ["three_parameters", "leaky_slides", "mode_cycling", "duplicates", "slide_exit_up"])
def test_restart_from_a_kink(name, kernel):
    """Restarted in the middle of a slide, where z is 0 to rounding only, the flow goes on sliding."""
    item = by_name(name)
    split = {"three_parameters": 2.0, "leaky_slides": 2.0, "mode_cycling": 0.45, "duplicates": 2.0}.get(name, 1.0)
    middle = brute_force.flow_of(item.network, item.data, [split])
    assert (middle.modes == 0).any()
    first = tw.flow(item.network, item.data, t_end=split, rtol=RTOL[kernel], kernel=kernel)
    later = item.times[item.times > split]
    second = tw.flow(
        first.final, item.data, t_end=item.t_end - split, times=later - split, rtol=RTOL[kernel], kernel=kernel
    )
    exact = reference(item)
    tail = exact.t > split
    assert_allclose(preactivations(second), exact.z[tail], rtol=0, atol=TOL[kernel] * np.abs(exact.z).max())
    assert_allclose(output_weights(second), exact.a[tail], rtol=0, atol=TOL[kernel] * np.abs(exact.a).max())
    assert_allclose(second.loss, exact.loss[tail], rtol=100 * TOL[kernel])
    restarted = tw.flow(first.final, item.data, t_end=1e-6, times=[0.0, 1e-6], rtol=RTOL[kernel], kernel=kernel)
    assert (restarted.networks.mode_map(0) == middle.modes[0]).all()
    assert restarted.events.sum() == 0


@KERNELS
def test_restart_just_beside_a_kink_keeps_its_side(kernel):
    """z = +-1e-9 is not zero: where the kink repels, each side has its own future."""
    X, y, a = [[1.0, 0.0], [-0.5, 1.0]], [3.0, 3.0], [1.0]
    for side in (-1e-9, 1e-9):
        item = case("beside", X, y, [[side, 1.0]], a, 3.0, "beside a repelling kink")
        assert_follows(flow_case(item, kernel=kernel), reference(item), TOL[kernel])


@KERNELS
@pytest.mark.parametrize(
    ("name", "entry", "leave"),
    [
        ("slide_exit_up", (1, 0), (0, 1)),
        ("slide_exit_down", (1, 0), (0, -1)),
        ("slide_from_below", (-1, 0), None),
        ("leaky_slides", (1, 0), (0, -1)),
    ],
)
def test_slide_entry_and_exit(name, entry, leave, kernel):
    item = by_name(name)
    seen = {(before, after) for _, _, before, after in changes(item)}
    assert entry in seen
    assert leave is None or leave in seen
    traj = flow_case(item, kernel=kernel)
    assert_follows(traj, reference(item), TOL[kernel])
    assert traj.events.sum() == pairs(item)


@KERNELS
def test_mode_cycling(kernel):
    item = by_name("mode_cycling")
    cycle = [after for _, samples, _, after in changes(item) if samples == (0,)]
    assert cycle == [1, 0, -1, 1, 0]
    traj = flow_case(item, kernel=kernel)
    assert_follows(traj, reference(item), TOL[kernel])
    assert traj.events.sum() == pairs(item)


@KERNELS
@pytest.mark.parametrize("slope", [0.01, 0.3])
def test_mode_cycling_leaky(slope, kernel):
    start = by_name("mode_cycling")
    item = case(f"cycling_{slope}", start.data.X, start.data.y, start.network.W, start.network.a, 4.0, "leaky", slope)
    assert len(changes(item)) >= 5
    assert_follows(flow_case(item, kernel=kernel), reference(item), TOL[kernel])


@KERNELS
def test_output_at_the_time_of_an_event(kernel):
    """z, a and r are continuous at events; a time asked for, or the end, may fall on one."""
    item = by_name("mode_cycling")
    times = np.array([event.t for event in reference(item).events])
    exact = brute_force.flow_of(item.network, item.data, times)
    traj = tw.flow(item.network, item.data, t_end=times[-1], times=times, rtol=RTOL[kernel], kernel=kernel)
    assert_allclose(traj.t, times, rtol=1e-15)
    assert_allclose(preactivations(traj), exact.z, rtol=0, atol=TOL[kernel] * np.abs(exact.z).max())
    assert_allclose(traj.residuals, exact.r, rtol=0, atol=TOL[kernel] * np.abs(exact.r).max())


@KERNELS
def test_neuron_that_reaches_zero(kernel):
    """At w = 0 every kink meets. The neuron is dead from there, or the run stops there and says so."""
    item = by_name("reaches_zero")
    end = max(event.t for event in reference(item).events)
    assert np.abs(reference(item).z[-1]).max() < 1e-12
    traj = flow_case(item, kernel=kernel)
    if traj.outcome is tw.Outcome.STEP_TOO_SMALL:
        assert traj.t[-1] == pytest.approx(end, abs=1e-3)
    else:
        assert_follows(traj, reference(item), TOL[kernel])
        assert traj.curvature[-1] == 0


@KERNELS
@pytest.mark.parametrize("name", ["output_weight_changes_sign", "counterexample", "counterexample_tilted"])
def test_output_weight_changes_sign(name, kernel):
    item = by_name(name)
    a = reference(item).a
    assert (np.sign(a[0]) != np.sign(a[-1])).any()
    assert_follows(flow_case(item, kernel=kernel), reference(item), TOL[kernel])


@KERNELS
def test_dead_neurons(kernel):
    one, all_ = by_name("dead_neuron"), by_name("all_dead")
    traj = flow_case(one, kernel=kernel)
    assert (traj.final.W[0] == one.network.W[0]).all()
    assert traj.final.a[0] == one.network.a[0]
    still = flow_case(all_, kernel=kernel)
    assert (still.loss == still.loss[0]).all()
    assert (still.curvature == 0).all()
    assert (still.final.W == all_.network.W).all()


def test_nan_and_infinity_are_refused():
    """At the door, by name: never a trajectory of NaN."""
    good = by_name("balanced")
    X, y, W, a = (np.array(part) for part in (good.data.X, good.data.y, good.network.W, good.network.a))
    for bad in (np.nan, np.inf):
        for array, build in ((X, lambda v: tw.Dataset(v, y)), (y, lambda v: tw.Dataset(X, v))):
            broken = array.copy()
            broken.flat[0] = bad
            with pytest.raises(ValueError, match="Dataset must be finite everywhere"):
                build(broken)
        for array, build in ((W, lambda v: tw.ShallowNetwork(v, a)), (a, lambda v: tw.ShallowNetwork(W, v))):
            broken = array.copy()
            broken.flat[0] = bad
            with pytest.raises(ValueError, match="ShallowNetwork must be finite everywhere"):
                build(broken)
        for parameter in ({"t_end": bad}, {"times": [0.0, bad]}, {"rtol": bad}):
            with pytest.raises(ValueError, match=f"'{next(iter(parameter))}' parameter of flow must"):
                tw.flow(good.network, good.data, **{"t_end": 1.0, **parameter})


def test_a_huge_start_is_integrated_or_refused_never_nan():
    """Weights of 1e8 make the flow stiff beyond use; what comes back must still be finite and decreasing."""
    item = by_name("balanced")
    network = tw.ShallowNetwork(item.network.W * 1e8, item.network.a * 1e8)
    traj = tw.flow(network, item.data, t_end=1e-12, times=[0.0, 1e-12], rtol=1e-6)
    assert np.isfinite(traj.loss).all()
    assert (np.diff(traj.loss) <= 0).all()
    assert np.isfinite(traj.final.W).all()


@pytest.mark.parametrize("seed", [3, 8])
def test_a_neuron_that_slides_into_zero_rests_there(seed):
    """In a crowd a neuron held on two kinks in three dimensions follows a ray into w = 0, where all kinks meet."""
    data, network = tw.data.sphere(60, 3, seed=seed), tw.init.dominated(3, 4, seed=1000 + seed)
    traj = tw.flow(network, data, t_end=50.0, rtol=1e-5, progress=False)
    assert not traj.outcome.failed
    resting = np.flatnonzero(~traj.final.W.any(axis=1))
    assert resting.size
    assert np.allclose(np.abs(traj.final.a[resting]), np.sqrt(network.invariant[resting]), rtol=1e-9)
    assert (np.diff(traj.loss) <= 0).all()
    assert traj.audit.energy_error < 1e-2


@KERNELS
def test_a_neuron_between_opposite_inputs_rests_at_zero(kernel):
    """Both sides push towards w = 0, where the kinks of x and -2x are one: no pair of them may be let go there."""
    data = tw.Dataset([[1.0], [-2.0]], [1.0, 3.0])
    start = tw.ShallowNetwork([[0.2], [0.6]], [-5.4, 0.7])
    times = np.linspace(0.0, 0.2, 5)
    traj = tw.flow(start, data, t_end=0.2, times=times, kernel=kernel)
    assert traj.final.W[0] == 0
    assert traj.sliding[-1] == 2  # both samples of that neuron
    assert traj.events.sum() <= 2
    assert traj.audit.energy_error < 1e-3
    assert_allclose(preactivations(traj), brute_force.flow_of(start, data, times).z, atol=1e-6)


@pytest.mark.parametrize("seed", [2, 4, 5])
@pytest.mark.parametrize("angle", [1e-4, 1e-6, 1e-8])
def test_samples_that_are_nearly_equal_flow_as_equal_ones(angle, seed):
    """Their kinks nearly coincide, and what holds a neuron on both is next to singular."""
    rng = np.random.default_rng(seed)
    X, y = rng.normal(size=(16, 12)) / np.sqrt(12), rng.normal(size=16)
    X[4:8], y[4:8] = X[:4], y[:4]
    nearly = X + angle * np.random.default_rng(seed + 99).normal(size=X.shape) / 12
    network, times = tw.init.dominated(12, 8, seed=seed), np.linspace(0.0, 40.0, 9)
    equal = tw.flow(network, tw.Dataset(X, y), t_end=40.0, times=times)
    traj = tw.flow(network, tw.Dataset(nearly, y), t_end=40.0, times=times)
    assert traj.outcome is tw.Outcome.REACHED_END
    heights = np.abs(nearly @ traj.final.W.T)
    assert ((heights[:8] < 1e-12) & (heights[[4, 5, 6, 7, 0, 1, 2, 3]] < 10 * angle)).any()
    assert_allclose(traj.loss, equal.loss, rtol=5 * angle + 1e-6)
