"""Theorems on deep linear networks: constants, verdicts, repairs, what fails without a hypothesis, and a sweep."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import thalweg as tw
from thalweg.theorems import THEOREMS, LinearSetting

OURS = {theorem.name: theorem for theorem in THEOREMS if theorem.paper == "wu-wang-ma"}
FLOWS = {"zas-flow", "zas-any-layer", "small-last-layer", "rectangular-data"}
TARGET = tw.Target([[1.0, 2.0], [0.5, -1.0]])


def failed(report, name):
    return [each.name for each in report[name].failed]


class TestCheck:
    def test_the_bare_form_runs_the_theorems_on_this_kind_of_network(self):
        report = tw.check(target=TARGET, depth=100)
        assert {each.theorem.name for each in report.findings} == set(OURS)
        assert report.silent == {}
        assert report.verdict == "the loss tends to 0 from this start (Zero-asymmetric initialization: the flow)"
        assert "tw.flow(network, target" in report.next_steps[0]
        shallow = tw.check(data=tw.data.sphere(5, 500, seed=1), width=20)
        assert not {each.theorem.name for each in shallow.findings} & set(OURS)
        assert not set(shallow.silent) & set(OURS)

    def test_by_name_and_by_paper(self):
        assert [each.theorem.name for each in tw.check("zas-descent", target=TARGET, depth=5).findings] == [
            "zas-descent"
        ]
        paper = tw.check("wu-wang-ma", target=TARGET, network=tw.init.zas(5, 2))
        assert {each.theorem.name for each in paper.findings} == set(OURS)
        other = tw.check("theorem-a", target=TARGET, depth=5)
        assert other.silent == {"theorem-a": "it is about another kind of problem"}
        assert not other.converges

    def test_a_step_size_asks_about_gradient_descent(self):
        safe = tw.descent.safe_step(tw.init.zas(50, 2), TARGET)
        report = tw.check(target=TARGET, depth=50, step_size=0.9 * safe)
        assert report.converges
        assert report["zas-descent"]["step size"] == 0.9 * safe
        assert set(report.silent) == FLOWS
        assert "tw.descend" in report.next_steps[0]
        beyond = tw.check(target=TARGET, depth=50, step_size=1.1 * safe)
        assert not beyond.converges
        assert failed(beyond, "zas-descent") == ["step size"]
        assert beyond["zas-descent"].failed[0].margin == pytest.approx(1 / 1.1)

    def test_the_pitfall_is_explained(self):
        start = tw.init.zas(50, 2, alpha=0.99)
        report = tw.check(target=TARGET, network=start, step_size=0.99**-98)
        assert not report.converges
        assert any("whatever the target" in text for text in report.next_steps)
        assert not any(
            "whatever the target" in text for text in tw.check(target=TARGET, network=start, step_size=0.1).next_steps
        )

    @pytest.mark.parametrize("init", ["near_identity", "xavier", "orthogonal", "balanced_layers"])
    def test_other_starts_have_no_guarantee(self, init):
        report = tw.check(target=TARGET, depth=20, init=init, seed=1)
        assert not report.converges
        assert "tw.init.zas(20, 2)" in " ".join(report.next_steps)
        assert str(report) == str(tw.check(target=TARGET, depth=20, init=init, seed=1))

    def test_a_floor_is_named(self):
        target = tw.Target.regression([[1.0], [1.0]], [3.0, 5.0])
        report = tw.check(target=target, depth=5)
        assert report.verdict.startswith("the loss above its floor tends to 0")

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"target": np.eye(2)}, "'target' parameter of check must be a Target"),
            ({"depth": None}, "'depth' parameter of check must be given"),
            ({"depth": 0}, "'depth' parameter of check must be an integer of at least 1. Got 0"),
            ({"init": "dominated"}, "'init' parameter of check must be one of 'zas'"),
            ({"step_size": 0.0}, "'step_size' parameter of check"),
            ({"step_size": math.nan}, "'step_size' parameter of check"),
            ({"step_size": "safe"}, "'step_size' parameter of check"),
            ({"width": 5}, "'width' parameter of check must be left out with a target"),
            ({"data": tw.data.sphere(3, 3, seed=1)}, "'data' parameter of check must be left out with a target"),
            ({"epsilon": 0.1}, "'epsilon' parameter of check must be left out"),
            ({"activation": "leaky_relu"}, "'activation' parameter of check must be left out"),
            ({"network": tw.init.zas(4, 2)}, "'depth' parameter of check must be left out, or that of the network, 4"),
            ({"network": tw.init.zas(3, 3)}, "have 2 inputs and 2 outputs"),
            ({"network": tw.init.dominated(3, 3, seed=1)}, "be a DeepLinearNetwork"),
            ({"target": tw.Target(np.ones((2, 3))), "init": "xavier"}, "must be 'zas' unless"),
            ({"init": "xavier", "seed": -1}, "seed"),
        ],
    )
    def test_bad_input_is_refused(self, change, message):
        with pytest.raises(tw.InputError, match=message):
            tw.check(**{"target": TARGET, "depth": 3} | change)

    def test_options_of_deep_networks_are_refused_for_shallow_ones(self):
        for change in ({"depth": 5}, {"step_size": 0.1}):
            with pytest.raises(tw.InputError, match="must be left out without a target"):
                tw.check(data=tw.data.sphere(3, 30, seed=1), width=5, **change)
        with pytest.raises(tw.InputError, match="or target= for a deep linear network"):
            tw.check(width=5)


class TestConstants:
    """By hand."""

    def test_rates_of_the_flow(self):
        report = tw.check(target=tw.Target(-np.eye(2), np.diag([3.0, 0.5])), network=tw.init.zas(4, 2, alpha=1.1))
        assert report["zas-any-layer"]["rate"] == pytest.approx(2 * 1.1**6 * 0.5, rel=1e-12)
        assert report["zas-any-layer"]["time"] == pytest.approx(math.log(1e10) / (1.1**6), rel=1e-12)
        assert failed(report, "zas-flow") == ["whitened", "identity"]
        small = tw.check(target=TARGET, network=tw.init.zas(6, 2, alpha=1.3, beta=-0.5))["small-last-layer"]
        assert small["rate"] == pytest.approx(2 * (1.69 - 0.25) ** 5, rel=1e-12)
        assert tw.check(target=TARGET, depth=10**6)["zas-flow"]["rate"] == 2
        wide = tw.DeepLinearNetwork([np.eye(5, 2), np.zeros((2, 5))])
        moment = tw.Target(TARGET.Phi, np.diag([2.0, 0.25]))
        assert tw.check(target=moment, network=wide)["rectangular-data"]["rate"] == pytest.approx(0.5)

    def test_descent(self):
        target = tw.Target(np.diag([2.0, 0.5]))
        report = tw.check(target=target, depth=101)
        assert report["zas-descent"]["step size"] == pytest.approx(1 / 800)
        steps = (400 + 400) / 2 * math.log(1e10)
        assert steps - 6 <= report["zas-descent"]["steps"] <= steps + 1  # as 1 - x <= exp(-x)
        assert report["zas-descent"].time_to_fall(1e10) == pytest.approx(report["zas-descent"]["steps"], abs=1)
        phi = 2 * math.sqrt(4.25)
        paper = min(1 / (4 * 101**3 * phi**6), 1 / (144 * 101**2 * phi**4))
        assert report["zas-descent-paper"]["step size"] == pytest.approx(paper, rel=1e-12)
        assert report["zas-descent-paper"]["rate"] == pytest.approx(paper / 2, rel=1e-6)
        larger = tw.init.zas(101, 2, alpha=tw.init.zas_alpha(101, 2.0))
        assert tw.check(target=target, network=larger)["larger-identity"]["steps"] == 37

    def test_extreme_targets_have_an_answer(self):
        for size in (0.0, 1e-60, 1e60):
            report = tw.check(target=tw.Target(size * np.eye(2)), depth=1000)
            assert report.converges
            assert report["zas-descent"]["step size"] > 0
            assert "rate" in [each.name for each in report["zas-descent"].guarantees] or size == 1e60
        assert failed(report, "zas-descent-paper") == ["step size"]  # it underflows


@settings(max_examples=80, derandomize=True, deadline=None)
@given(st.integers(1, 10**6), st.lists(st.floats(0.0, 50.0), min_size=1, max_size=4))
def test_the_papers_theorem_follows_from_the_sharper_one(depth, sigma):
    report = tw.check("wu-wang-ma", target=tw.Target(np.diag(sigma)), depth=depth)
    paper, sharper = report["zas-descent-paper"], report["zas-descent"]
    step = paper["step size"]
    assert step <= sharper["step size"]
    assert (1 - step) ** 2 <= 1 - step / 2


@settings(max_examples=80, derandomize=True, deadline=None)
@given(st.integers(2, 10**6), st.floats(1e-8, 1e4), st.floats(1.0, 10.0))
def test_the_larger_identity_always_satisfies_its_theorem(depth, norm, slack):
    """Also if an upper bound of the norm stands in for it, in both places."""
    target = tw.Target([[norm]])
    start = tw.init.zas(depth, 1, alpha=tw.init.zas_alpha(depth, slack * norm))
    step = tw.descent.safe_step(start, target, norm=slack * norm)
    assert tw.check(target=target, network=start, step_size=step)["larger-identity"].holds


class TestProof:
    """Each step of the proof of the discrete theorem, on the iteration of one mode in plain Python."""

    @settings(max_examples=100, derandomize=True, deadline=None)
    @given(st.integers(1, 60), st.floats(0.7, 1.2), st.floats(1e-3, 8.0), st.floats(0.02, 1.0))
    def test_steps(self, N, alpha, sigma, share):
        gain, push = alpha ** (2 * N), N * sigma**2 / alpha**2
        eta = share / (max(math.e * gain, push) + push)
        w, a = 0.0, alpha
        for _ in range(150):
            p = w * a**N
            error = sigma - p
            assert -1e-13 * sigma <= error
            assert a**2 <= (alpha**2 + w**2) * (1 + 1e-13)
            assert eta * (a ** (2 * N) + N * sigma**2 / a**2) <= 1 + 1e-12
            factor = 1 - (eta * error * a ** (N - 1)) ** 2
            assert 1 - 1 / (4 * N) - 1e-12 <= factor <= 1
            new_w, new_a = w + eta * error * a**N, a + eta * error * w * a ** (N - 1)
            assert new_a**2 - new_w**2 == pytest.approx((a**2 - w**2) * factor, rel=1e-9, abs=1e-12)
            middle = (w + new_w) / 2 * ((a + new_a) / 2) ** N
            assert middle <= p + error / 2 + 1e-13 * sigma
            assert sigma - new_w * new_a**N <= (1 - eta * gain) * error + 1e-13 * sigma
            w, a = new_w, new_a


def plain_loop(layers, Phi, eta, steps):
    """Yield products of all layers under gradient descent: nothing but matrix products."""
    for _ in range(steps + 1):
        below = [np.eye(Phi.shape[1])]
        for W in layers:
            below.append(W @ below[-1])
        yield below[-1]
        above, moved = below[-1] - Phi, []
        for W, B in zip(layers[::-1], below[-2::-1], strict=True):
            moved.append(W - eta * above @ B.T)
            above = W.T @ above
        layers = moved[::-1]


def overshoot(depth, place, alpha, Phi, share):
    """Hold bound and growth against the plain loop; return by how much a singular value passes that of Phi."""
    target = tw.Target(Phi)
    start = tw.init.zas(depth, Phi.shape[::-1], alpha=alpha, zero_layer=place)
    eta = share * tw.descent.safe_step(start, target)
    products = list(plain_loop(list(start.layers), Phi, eta, 80))
    values = np.array([np.linalg.svd(P, compute_uv=False) for P in products])
    if share <= 1:
        errors = np.array([np.linalg.norm(P - Phi) for P in products])
        bound = errors[0] * (1 - eta * alpha ** (2 * depth - 2)) ** np.arange(len(errors))
        slack = 1e-14 * errors[0] * depth
        assert (errors <= bound + slack).all()
        assert (np.diff(values, axis=0) >= -slack).all()
    return float((values - np.linalg.svd(Phi, compute_uv=False)).max() / np.linalg.norm(Phi))


@pytest.mark.parametrize("share", [1.0, 0.3])
@pytest.mark.parametrize("alpha", [0.7, 0.9, 1.0, 1.1, 1.2])
def test_the_bound_of_the_discrete_theorem_on_a_sweep(alpha, share):
    """Every position of the zero layer; the sweep of 800 problems is in the benchmarks."""
    rng = np.random.default_rng(7)
    G = rng.normal(size=(3, 3))
    targets = (G, G[:, :1] @ G[:1], 1e6 * G, 1e-6 * G, -np.eye(2), G[:2])
    places = [(1, 1), (2, 1), (2, 2), (4, 1), (4, 2), (4, 3), (4, 4), (9, 1), (9, 5), (9, 9)]
    for Phi in targets:
        for depth, place in places:
            assert overshoot(depth, place, alpha, Phi, share) <= 1e-14 * depth


@pytest.mark.parametrize("depth", [100, 10**4, 10**6])
def test_the_bound_of_the_discrete_theorem_at_great_depth(depth):
    for k, size in enumerate((1.0, 1e-5, 1e5)):
        target = tw.Target(size * np.random.default_rng(k).normal(size=(4, 4)))
        for alpha in (1.0, tw.init.zas_alpha(depth, target.norm), 1 - 1 / depth):
            start = tw.init.zas(depth, 4, alpha=alpha, zero_layer=depth // 2)
            traj = tw.descend(start, target, step_size="safe", steps=300)
            assert all(each.holds for each in OURS["zas-descent"].compare(traj)), (size, alpha)


def test_the_sweep_sees_overshoot_beyond_the_proved_step():
    """A control: the same measure is not blind."""
    assert overshoot(5, 3, 1.0, np.array([[1.0]]), 1.0) <= 1e-15
    assert overshoot(5, 3, 1.0, np.array([[1.0]]), 2.0) > 1e-2


def test_the_proved_step_is_nearly_the_largest_without_overshoot():
    """One mode at depth 1001, over a grid of targets at once: none passes at eta*, some do at 1.1 eta*."""
    N, sigma = 1000, np.geomspace(1e-3, 1.0, 400)
    for share, passes in ((1.0, False), (1.1, True)):
        eta = share / (np.maximum(math.e, N * sigma**2) + N * sigma**2)
        w, a, top = np.zeros(400), np.ones(400), np.zeros(400)
        for _ in range(400):
            error = sigma - w * a**N
            top = np.maximum(top, w * a**N / sigma)
            w, a = w + eta * error * a**N, a + eta * error * w * a ** (N - 1)
        assert (top.max() > 1 + 1e-6) == passes


class TestSharpness:
    """The rates cannot be improved without a further hypothesis, and the comparisons notice if one tries."""

    def exaggerated(self, name, traj, factor):
        theorem = OURS[name]

        class Exaggerated(type(theorem)):
            def rate(self, setting):
                return factor * super().rate(setting)

        assert all(each.holds for each in theorem.compare(traj))
        return all(each.holds for each in Exaggerated().compare(traj))

    @pytest.mark.parametrize("alpha", [0.9, 1.0])
    def test_flow(self, alpha):
        start, times = tw.init.zas(5, 2, alpha=alpha), np.linspace(0, 1e-3, 5)
        traj = tw.flow(start, TARGET, t_end=1e-3, times=times)
        assert not self.exaggerated("zas-any-layer", traj, 1.001)

    def test_small_last_layer(self):
        """Towards -I the curvature falls to about that of the bound: a rate for beta = 0 is false."""
        traj = tw.flow(tw.init.zas(30, 1, beta=0.3), tw.Target([[-1.0]]), t_end=3.0)
        assert not self.exaggerated("small-last-layer", traj, (1 - 0.09) ** -29)
        rate = tw.check(target=traj.target, network=traj.start)["small-last-layer"]["rate"]
        assert traj.curvature.min() == pytest.approx(rate, rel=0.05)

    def test_descent(self):
        traj = tw.descend(tw.init.zas(5, 2), TARGET, step_size="safe", steps=50)
        assert not self.exaggerated("zas-descent", traj, 1.001)  # the first step attains it
        (paper, *_) = OURS["zas-descent-paper"].compare(traj)
        assert paper.holds  # a much weaker statement


class TestHypothesesAreNeeded:
    def test_two_zero_layers_stay_where_they_are(self):
        start = tw.DeepLinearNetwork([np.eye(2), np.zeros((2, 2))], [3, 2])
        report = tw.check(target=TARGET, network=start)
        assert not report.converges
        assert failed(report, "zas-any-layer") == ["other layers"]
        assert tw.flow(start, TARGET, t_end=5.0).loss[-1] == TARGET.loss(np.zeros((2, 2)))

    @pytest.mark.parametrize("sign", [1.0, -1.0])
    def test_an_identity_as_last_layer_reaches_the_saddle(self, sign):
        start, target = tw.init.zas(6, 2, beta=sign), tw.Target(-sign * np.eye(2))
        report = tw.check(target=target, network=start)
        assert not report.converges
        assert "norm of the last layer" in failed(report, "small-last-layer")
        traj = tw.flow(start, target, t_end=50.0)
        assert traj.loss[-1] == pytest.approx(target.loss(np.zeros((2, 2))), rel=1e-2)

    def test_data_that_do_not_commute_have_no_step(self):
        target = tw.Target(np.diag([1.0, 2.0]), np.array([[1.0, 0.4], [0.4, 1.0]]))
        report = tw.check(target=target, depth=5)
        assert report.converges  # the flow does
        assert failed(report, "zas-descent") == ["commuting data"]
        assert not tw.check(target=target, depth=5, step_size=1e-3).converges

    def test_a_narrow_hidden_layer_or_a_first_layer_that_shrinks(self):
        """W_1 = diag(1, 0.1), W_2 = (1 0), W_3 = 0, Phi = (0 1): the gradient is 0."""
        start = tw.DeepLinearNetwork([np.diag([1.0, 0.1]), [[1.0, 0.0]], [[0.0]]])
        target = tw.Target([[0.0, 1.0]])
        report = tw.check(target=target, network=start)
        assert not report.converges
        assert failed(report, "rectangular-data") == ["first layer", "hidden width", "hidden layers"]
        assert tw.flow(start, target, t_end=1.0).loss[-1] == 0.5

    def test_a_barely_different_start_is_none(self):
        layers = [np.eye(2), np.diag([1.0, 1.0 + 1e-12]), np.zeros((2, 2))]
        report = tw.check(target=TARGET, network=tw.DeepLinearNetwork(layers, [4, 1, 1]))
        assert failed(report, "zas-any-layer") == ["other layers"]
        assert not report.converges


class TestRepairs:
    def test_each_repair_repairs(self):
        step = tw.check(target=TARGET, depth=9, step_size=0.5)["zas-descent"].repairs[0].value
        assert tw.check(target=TARGET, depth=9, step_size=step)["zas-descent"].holds
        alpha = tw.check(target=TARGET, depth=9)["larger-identity"].repairs[-1].value
        assert tw.check(target=TARGET, network=tw.init.zas(9, 2, alpha=alpha))["larger-identity"].holds
        loud = tw.init.zas(9, 2, beta=3.0)
        largest = tw.check(target=TARGET, network=loud)["small-last-layer"].repairs[-1].value
        quiet = tw.init.zas(9, 2, beta=0.99 * largest)
        assert tw.check(target=TARGET, network=quiet)["small-last-layer"].holds

    def test_orthogonal_layers_and_rotations_make_no_difference(self):
        layers = [tw.init.orthogonal(1, 3, seed=k).layers[0] for k in range(6)]
        layers[2] = np.zeros((3, 3))
        report = tw.check(target=tw.Target(np.diag([1.0, -2.0, 3.0])), network=tw.DeepLinearNetwork(layers))
        assert report["zas-any-layer"].holds
        assert report["zas-any-layer"]["rate"] == pytest.approx(2, rel=1e-12)
        assert report["zas-descent"].holds


def test_a_setting_keeps_what_it_was_given():
    setting = LinearSetting(TARGET, depth=4)
    assert setting.start.depth == 4
    assert dataclasses.replace(setting, step_size=0.1).text.endswith("gradient descent with step size 0.1")
