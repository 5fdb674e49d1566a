"""What tw.flow promises around the engines: what it refuses, when it stops, what it records."""

import dataclasses
import os
import signal
import sys

import numpy as np
import pytest

import thalweg as tw
from thalweg.flow import recorder
from thalweg.flow.conditioning import _perturbed

ENGINES = pytest.mark.parametrize("kind", ["sphere", "orthogonal"])


def problem(kind="sphere"):
    """A start for each of the two engines."""
    data = tw.data.sphere(12, 30, seed=1) if kind == "sphere" else tw.data.orthogonal(30, seed=1)
    return tw.init.dominated(30, 12, seed=2), data


def at_rest():
    """A network that is active on no sample: nothing ever moves."""
    return tw.ShallowNetwork([[-1.0, -1.0]], [1.0]), tw.Dataset([[1.0, 0.2], [0.3, 1.0]], [1.0, -1.0])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"t_end": -1.0}, "'t_end' parameter of flow must be a finite number, above 0. Got -1.0"),
        ({"t_end": 0.0}, "'t_end'"),
        ({"t_end": "10"}, "'t_end'.*Got '10'"),
        ({"t_end": 10**400}, "'t_end' parameter of flow must be a finite number, above 0. Got 1000"),
        ({"times": [0.0, 2.0, 1.0]}, "'times' parameter of flow must increase. Got 2 before 1"),
        ({"times": [1.0, 1.0]}, "must increase. Got 1 before 1"),
        ({"times": [-1.0, 1.0]}, r"lie within \[0, t_end = 5\]. Got -1"),
        ({"times": [1.0, 6.0]}, r"lie within \[0, t_end = 5\]. Got 6"),
        ({"times": []}, "at least one entry"),
        ({"times": [[1.0, 2.0]]}, r"1 dimension\(s\)"),
        ({"rtol": 0.0}, "'rtol' parameter of flow must be a finite number, at least 1e-12 and at most 0.01. Got 0"),
        ({"rtol": 1e-20}, "'rtol'.*Got 1e-20"),
        ({"rtol": 1.0}, "'rtol'.*Got 1.0"),
        ({"kernel": "cuda"}, "'kernel' parameter of flow must be one of 'numba', 'numpy'. Got 'cuda'"),
        ({"threads": 0}, "'threads'.*at least 1"),
        ({"stop": 3.0}, "'stop' parameter of flow must be a stop condition"),
        ({"stop": tw.LossBelow}, r"be an instance: write LossBelow\(...\). Got the class LossBelow"),
        ({"network": "a network"}, "'network'.*ShallowNetwork"),
        ({"network": tw.init.dominated(31, 4, seed=1)}, "have 30 inputs, as the data have. Got d = 31"),
        ({"data": np.eye(30)}, "'data'.*Dataset"),
    ],
)
def test_bad_arguments(arguments, message):
    network, data = problem()
    with pytest.raises(tw.InputError, match=message):
        tw.flow(**({"network": network, "data": data, "t_end": 5.0} | arguments))


def test_numbers_of_any_kind_give_the_same_run(tmp_path):
    """Kernels are compiled for float64: a narrower t_end must reach neither them nor the file."""
    network, data = problem()
    plain = tw.flow(network, data, t_end=1.0, rtol=1e-4)
    other = tw.flow(network, data, t_end=np.float32(1.0), rtol=np.float64(1e-4), threads=np.int64(1))
    assert other.t.dtype == np.float64
    assert other.settings == plain.settings
    np.testing.assert_array_equal(other.loss, plain.loss)
    assert len(tw.Trajectory.load(other.save(tmp_path / "run.npz"))) == len(plain)


@ENGINES
@pytest.mark.parametrize("factors", [(1e200, 1, 1), (1, 1e100, 1), (1, 1, 1e80), (1e308, 1e153, 1e153)])
def test_what_would_overflow_is_refused(kind, factors):
    network, data = problem(kind)
    labels, inputs, weights = factors
    large = tw.ShallowNetwork(weights * network.W, weights * network.a)
    with pytest.raises(tw.InputError, match=r"too large for products of them in float64\. Rescale"):
        tw.flow(large, tw.Dataset(inputs * data.X, np.sign(data.y) * labels), t_end=1.0)


def test_bad_stop_conditions():
    for build in (lambda: tw.LossBelow(0.0), lambda: tw.Stationary(-1.0), lambda: tw.WallTime(np.nan)):
        with pytest.raises(tw.InputError, match="must be a finite number, above 0"):
            build()
    with pytest.raises(tw.InputError, match="level"):
        tw.LossBelow("1e-6")


def test_contradicting_labels_are_refused_unless_accepted():
    X, y = [[1.0, 0.0], [1.0, 0.0], [0.3, 1.0]], [1.0, 2.0, 1.0]
    data = tw.Dataset(X, y)
    network = tw.ShallowNetwork([[1.0, 0.5], [0.2, 1.0]], [1.5, 1.5])
    with pytest.raises(tw.InputError, match=r"samples 0 and 1 .* cannot fall below 0\.08333"):
        tw.flow(network, data, t_end=1.0)
    traj = tw.flow(network, data, t_end=200.0, accept_contradictions=True)
    # The mean of the two labels fits best: (0.5^2 + 0.5^2)/(2 * 3).
    assert traj.loss[-1] == pytest.approx(1 / 12, rel=1e-6)
    assert traj.loss[-1] >= (1 - 1e-12) / 12


@ENGINES
def test_stop_conditions_and_their_compositions(kind):
    network, data = problem(kind)

    def run(stop, times=None):
        return tw.flow(network, data, t_end=500.0, times=times, stop=stop)

    level = 0.3 * network.loss(data)
    below = run(tw.LossBelow(level))
    assert below.outcome is tw.Outcome.LOSS_BELOW
    assert below.loss[-1] <= level < below.loss[-2]
    late = run(lambda state: state.t >= 3.0)
    assert late.outcome is tw.Outcome.PREDICATE
    assert late.t[-2] < 3.0 <= late.t[-1]
    assert run(tw.WallTime(1e-9)).outcome is tw.Outcome.WALL_TIME
    never = tw.LossBelow(1e-300)
    for stop in (never | tw.LossBelow(level), (lambda state: False) | never | tw.LossBelow(level)):
        both = run(stop)
        assert both.outcome is tw.Outcome.LOSS_BELOW
        assert both.t[-1] == below.t[-1]
    assert run(tw.LossBelow(level) | (lambda state: state.t > 0)).outcome is tw.Outcome.PREDICATE


def test_a_stop_function_sees_the_state():
    network, data = problem()
    seen = []
    traj = tw.flow(network, data, t_end=2.0, stop=seen.append)
    assert [state.t for state in seen] == list(traj.t[1:])
    assert [state.loss for state in seen] == list(traj.loss[1:])
    np.testing.assert_array_equal(seen[-1].residuals, traj.residuals[-1])
    assert seen[-1].events == traj.events.sum()
    assert (seen[-1].network().W == traj.final.W).all()


@ENGINES
def test_a_run_that_stops_early_ends_with_the_time_it_stopped(kind):
    network, data = problem(kind)
    traj = tw.flow(network, data, t_end=9.0, times=[0.0, 1.0, 8.0], stop=lambda state: state.t >= 1.5)
    assert len(traj) == 3
    assert 1.5 <= traj.t[2] < 8.0
    assert (traj.networks[-1].W == traj.final.W).all()
    # At an output time it is not recorded twice.
    traj = tw.flow(network, data, t_end=9.0, times=[0.0, 1.0, 8.0], stop=lambda state: state.t >= 1.0)
    assert list(traj.t) == [0.0, 1.0]


def test_rest_is_said_and_recorded():
    network, data = at_rest()
    stopped = tw.flow(network, data, t_end=10.0, times=[0.0, 1.0, 9.0], stop=tw.Stationary())
    assert stopped.outcome is tw.Outcome.STATIONARY
    assert 0.0 < stopped.t[-1] <= 1.0
    through = tw.flow(network, data, t_end=10.0, times=[0.0, 1.0, 9.0])
    assert through.outcome is tw.Outcome.STATIONARY
    assert list(through.t) == [0.0, 1.0, 9.0]
    assert (through.loss == network.loss(data)).all()


def test_output_times_are_those_asked_for():
    network, data = problem()
    times = [0.5, 1.25, 4.0]
    traj = tw.flow(network, data, t_end=6.0, times=times)
    assert list(traj.t) == times
    for k, t in enumerate(times):
        alone = tw.flow(network, data, t_end=t)
        np.testing.assert_allclose(traj.networks[k].W, alone.final.W, atol=1e-5)
    np.testing.assert_allclose(traj.final.W, tw.flow(network, data, t_end=6.0).final.W, atol=1e-5)


def test_the_last_network_is_kept_however_little_memory_there_is(monkeypatch):
    network, data = problem()
    monkeypatch.setattr(recorder, "MEMORY", 1e4)
    traj = tw.flow(network, data, t_end=20.0)
    assert list(traj.networks.kept) == [len(traj) - 1]
    assert (traj.networks[-1].W == traj.final.W).all()
    assert (np.diff(traj.t) > 0).all()
    with pytest.raises(IndexError, match="not kept, to save memory"):
        traj.networks[0]


@ENGINES
def test_an_interrupt_keeps_what_was_computed(kind):
    network, data = problem(kind)
    handler = signal.getsignal(signal.SIGINT)

    def press(state):
        if state.t >= 1.0:
            os.kill(os.getpid(), signal.SIGINT)

    traj = tw.flow(network, data, t_end=50.0, stop=press)
    assert traj.outcome is tw.Outcome.INTERRUPTED
    assert 1.0 <= traj.t[-1] < 50.0
    assert traj.loss[-1] == pytest.approx(traj.final.loss(data), rel=1e-9)
    assert signal.getsignal(signal.SIGINT) is handler

    def press_twice(state):
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        tw.flow(network, data, t_end=50.0, stop=press_twice)
    assert signal.getsignal(signal.SIGINT) is handler


def test_threads_do_not_change_the_flow():
    network, data = problem()
    one, two = (tw.flow(network, data, t_end=5.0, times=[5.0], threads=threads) for threads in (1, 2))
    np.testing.assert_allclose(one.final.W, two.final.W, atol=1e-5)


# Conditioning


@pytest.mark.parametrize("family", [tw.init.dominated, tw.init.balanced, tw.init.gaussian])
def test_perturbations_have_the_size_asked_for(family):
    network, data = family(30, 40, seed=5), tw.data.sphere(12, 30, seed=1)
    traj = tw.flow(network, data, t_end=0.01)
    other = _perturbed(network, traj, 1e-4, np.random.default_rng(0))
    norms = np.linalg.norm(network.W, axis=1)
    np.testing.assert_allclose(np.linalg.norm(other.W - network.W, axis=1), 1e-4 * norms)
    assert (np.abs(other.a - network.a) <= 1.001e-4 * norms).all()
    dominated = network.invariant >= 0
    assert (other.invariant[dominated] == network.invariant[dominated]).all()


@ENGINES
def test_a_smooth_path_is_isolated_whatever_the_output_times(kind):
    network, data = problem(kind)
    whole = tw.flow(network, data, t_end=2.0)
    answer = whole.conditioning()
    assert answer.isolated
    assert 0 < answer.response < 3
    assert str(answer).startswith("isolated path: a 1e-04 perturbation moves z by")
    # The end of the run need not be an output time: ends are compared at the last one.
    part = tw.flow(network, data, t_end=8.0, times=[2.0]).conditioning()
    np.testing.assert_allclose(part.responses, answer.responses, rtol=0.2)


def nearly_tangential(height):
    """z of sample 0 falls while sample 1 is being fitted and would rise after: too low a start falls through."""
    data = tw.Dataset([[1.0, 0.0], [-0.6, 0.8]], [1.0, 3.0])
    return tw.flow(tw.ShallowNetwork([[height, 0.5]], [1.0]), data, t_end=6.0)


def test_a_branch_within_reach_is_found():
    low, high = 0.02, 0.8
    while high - low > 1e-6:
        middle = (low + high) / 2
        turned = nearly_tangential(middle).networks.mode_map(-1)[0, 0] == 1
        low, high = (low, middle) if turned else (middle, high)
    for near in map(nearly_tangential, (low, high)):
        assert near.audit.tangential_distance < 1e-5
        assert "Run traj.conditioning()" in str(near).replace("\n", " ")
        answer = near.conditioning(relative=1e-4)
        assert not answer.isolated
        assert answer.response > 1e3
        assert str(answer).startswith("another branch within reach: a 1e-04 perturbation of the start moves z by")
    far = nearly_tangential(high + 0.3)
    assert far.audit.tangential_distance > 1e-3
    assert far.conditioning(relative=1e-4).isolated


def test_conditioning_refuses_what_it_cannot_judge():
    network, data = problem()
    traj = tw.flow(network, data, t_end=1.0)
    for relative in (0.0, 0.5, np.nan, 1e-7):  # the last is below rtol
        with pytest.raises(tw.InputError, match="'relative' parameter of conditioning"):
            traj.conditioning(relative=relative)
    with pytest.raises(tw.InputError, match="'seeds'"):
        traj.conditioning(seeds=0)
    with pytest.raises(tw.InputError, match="flowed for some time"):
        dataclasses.replace(traj, t=traj.t[:1]).conditioning()


def test_an_interrupted_conditioning_gives_no_answer(monkeypatch):
    network, data = problem()
    traj = tw.flow(network, data, t_end=1.0)

    def interrupted(*arguments, **options):
        return dataclasses.replace(tw.flow(*arguments, **options), outcome=tw.Outcome.INTERRUPTED)

    monkeypatch.setattr(sys.modules["thalweg.flow.solve"], "flow", interrupted)
    with pytest.raises(KeyboardInterrupt):
        traj.conditioning()


@pytest.mark.parametrize("scale", [1e-2, 1e-5, 1e-8])
def test_small_starts_leave_the_saddle_in_time(scale):
    """Near the saddle the residuals say nothing of the error: with a = w, a' = a (1 - a^2), which has a closed form."""
    data, network = tw.Dataset([[1.0], [1.0]], [1.0, 1.0]), tw.ShallowNetwork([[scale]], [scale], invariant=[0.0])
    traj = tw.flow(network, data, t_end=30.0, times=np.linspace(0.0, 30.0, 31), rtol=1e-6)
    exact = (1 + (scale**-2 - 1) * np.exp(-2 * traj.t)) ** -0.5
    assert np.abs([each.a[0] for each in traj.networks] / exact - 1).max() < 1e-5


@pytest.mark.parametrize(
    ("start", "options", "word"),
    [
        ("shallow", {"floor": 1.0}, "'floor'"),
        ("shallow", {"solver": "dopri8"}, "'solver'"),
        ("deep linear", {"kernel": "numpy"}, "'kernel'"),
        ("deep linear", {"threads": 2}, "'threads'"),
        ("smooth", {"accept_contradictions": True}, "'accept_contradictions'"),
        ("smooth", {"floor": 1.0}, "'floor'"),
        ("loss", {"threads": 2}, "'threads'"),
        ("nothing", {}, "'network'"),
    ],
)
def test_options_of_other_networks_are_refused(start, options, word):
    data, drawn = tw.data.sphere(4, 3, seed=1), tw.init.dominated(3, 4, seed=2)
    problems = {
        "shallow": (drawn, data),
        "deep linear": (tw.init.zas(3, 2), tw.Target(np.eye(2))),
        "smooth": (tw.SmoothNetwork.of(drawn, "tanh"), data),
        "loss": (lambda w: w, 1.0),
        "nothing": (None, data),
    }
    with pytest.raises(tw.InputError, match=word):
        tw.flow(*problems[start], t_end=1.0, **options)
