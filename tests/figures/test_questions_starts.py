"""Leaky slopes, plateaus and domination: the figures against closed forms and theorems."""

import numpy as np
import pytest

import thalweg as tw
from thalweg.figures import domination, leaky, plateau
from thalweg.figures.base import Work


@pytest.fixture(scope="module")
def leaks():
    return leaky.measure(leaky.Setting(5, 10, 3, (0.0, 0.03, 0.1), 4), Work(1))


@pytest.fixture(scope="module")
def lengths():
    return plateau.measure(plateau.Setting((1e-3, 1e-6, 1e-9), 2), Work(2))


@pytest.fixture(scope="module")
def shares():
    return domination.measure(domination.Setting(4, 60, (3,), 5, (0.1, 2.1)), Work(3))


def test_leaky_networks_all_converge_at_the_proved_rate_or_faster(leaks):
    leaking = leaks["slope"] > 0
    assert leaks["converged"][leaking].all()
    assert (leaks["proved"][leaking] > 0).all()
    assert (leaks["least"][leaking] >= leaks["proved"][leaking] * (1 - 1e-6)).all()


def test_the_proved_rate_is_that_of_the_formula(leaks):
    from thalweg.study.cell import Cell

    cell = Cell(n=5, d=10, p=3, method=f"{leaky.__name__}:trial", loss_below=leaky.ACCURACY)
    for k in range(4):
        data, start = cell.draw(1, k)
        surplus = np.mean(start.a**2 - (start.W**2).sum(axis=1))
        rate = 2 / 5 * 0.1**2 * np.linalg.eigvalsh(data.X @ data.X.T)[0] * surplus
        row = (leaks["slope"] == 0.1) & (leaks["seed"] == k)
        assert leaks["proved"][row][0] == pytest.approx(rate, rel=1e-9)
        covered = all(((start.W @ x > 0) & (start.a * y > 0)).any() for x, y in zip(data.X, data.y, strict=True))
        relu = leaks["converged"][(leaks["slope"] == 0) & (leaks["seed"] == k)][0]
        assert relu or not covered  # five samples in ten dimensions: what is covered is fitted here


def test_the_effect_of_small_slopes_is_that_of_the_runs_relu_fits_or_not():
    slope, seed = np.repeat([0.0, 0.01, 0.1, 0.5], 3), np.tile([2, 0, 1], 4)
    fits = (seed != 1) | (slope > 0)
    least = np.where(seed == 1, np.maximum(slope, 1e-9) ** 1.5, 7.0)
    t = np.where(slope == 0.01, 3.0, 2.0) * (1 + seed)
    table = {"slope": slope, "seed": seed, "converged": fits, "least": least, "t": t}
    assert leaky.effect(table) == pytest.approx((1.5, 1.5))
    power, longer = leaky.effect(table | {"converged": np.full(12, True)})
    assert np.isnan(power)
    assert longer == pytest.approx(1.5)


def test_the_slope_of_the_group_plateau_is_the_closed_form(lengths):
    for k, (_, last) in enumerate(plateau.slopes(lengths, "group")):
        _, data = plateau.problem("group", 1.0, 2, k)
        c = data.norms * data.y
        expected = data.n / max(np.linalg.norm(c[c > 0]), np.linalg.norm(c[c < 0]))
        _, length, rate = plateau.curve(lengths, "group", k)
        assert 1 / rate[-1] == pytest.approx(expected, rel=0.02)  # measured where a hundredth of the loss is gone
        assert last == pytest.approx((length[-1] - length[-2]) / (np.log(1e3) / rate[-1]), rel=1e-12)
        assert last == pytest.approx(1.0, rel=0.01)


def test_slopes_tend_to_the_theory(lengths):
    for kind in plateau.STARTS:
        first, last = np.abs(plateau.slopes(lengths, kind) - 1).T
        assert (last < first).all()


def test_the_length_of_a_single_group_is_the_closed_form():
    """N = a^2 follows a logistic curve to p D, and the loss is (1 - N/(p D))^2 of that of the zero map."""
    data, scale = tw.Dataset(np.eye(4), [1.0, 2.0, 1.5, 1.0]), 1e-4
    D, N0, p = np.linalg.norm(data.y), scale**2, 1
    N = p * D * (1 - np.sqrt(1 - plateau.FALLEN))
    expected = data.n / (2 * D) * np.log((p * D / N0 - 1) / (p * D / N - 1))
    length, rate = plateau.run(tw.init.group(data, scale=scale), data)
    assert length == pytest.approx(expected, rel=1e-3)
    assert rate == pytest.approx(D / data.n, rel=1e-2)


def test_random_plateaus_on_orthogonal_inputs_grow_like_the_best_active_set(lengths):
    """In theory every neuron keeps the samples of its sign that it sees at the start, and turns to their labels."""
    for k in range(2):
        start, data = plateau.problem("orthogonal", 1.0, 2, k)
        seen = (start.preactivations(data.X) > 0) & (np.sign(data.y) * np.sign(start.a)[:, None] > 0)
        expected = data.n / np.linalg.norm(seen * data.norms * data.y, axis=1).max()
        _, length, _ = plateau.curve(lengths, "orthogonal", k)
        assert length[-1] - length[-2] == pytest.approx(expected * np.log(1e3), rel=0.05)


def test_covered_dominated_starts_on_weakly_interacting_data_converge(shares):
    mine = shares["covered"] & (shares["start"] == "dominated")
    assert (shares["outcome"][mine] == "CERTIFIED").all()
    assert domination.count(shares, "dominated", True, 3, "CERTIFIED") == (5, 5)


def test_dominated_starts_that_cover_nothing_are_proved_stuck(shares):
    ends = set(shares["outcome"][~shares["covered"] & (shares["start"] == "dominated")])
    assert ends <= {"CERTIFIED", "CERTIFIED_STUCK"}


def test_the_counterexample_is_stuck_at_residual_one_and_fits_when_dominated(shares):
    np.testing.assert_allclose(shares["residual"], [1.0, 0.0], atol=1e-5)
    assert list(shares["verdict"]) == ["undecided", "converges"]


def test_two_thirds_of_gaussian_neurons_are_not_dominated():
    """|w_j| is nearly 1 in many dimensions: P(|a_j| < 1) of a standard normal a_j, 0.683."""
    network = tw.init.gaussian(100, 4000, seed=1)
    share = np.mean(np.abs(network.a) < np.linalg.norm(network.W, axis=1))
    assert share == pytest.approx(0.683, abs=0.03)
    assert "two thirds not dominated" in domination.STARTS["gaussian"][3]


def test_covering_starts_without_domination_may_end_unfitted():
    """Explicit Euler, which shares nothing with the flow, agrees on one of the nine in the full size."""
    from thalweg.study.cell import Cell, covers

    cell = Cell(n=6, d=100, p=2, init="gaussian", covered=True)
    for k, sign_changes, fits in ((3, True, False), (4, False, True)):
        data, start = cell.draw(0, k)
        assert covers(start, data)
        W, a, n = start.W, start.a, data.n
        for _ in range(3000):
            z = W @ data.X.T
            r = data.y - a @ np.maximum(z, 0) / 2
            W, a = W + 0.1 * a[:, None] * (((z > 0) * r) @ data.X) / n, a + 0.1 * np.maximum(z, 0) @ r / n
        assert (np.mean(r**2) < 1e-3) == fits
        assert (np.sign(a) != np.sign(start.a)).any() == sign_changes
        flown = tw.flow(start, data, t_end=300.0, progress=False)
        assert np.linalg.norm(flown.residuals[-1] - r) == pytest.approx(0.0, abs=0.02)


def test_the_chance_of_covering_is_that_of_draws():
    from thalweg.study.cell import Cell, covers

    cell = Cell(n=4, d=60, p=6)
    found = np.mean([covers(*cell.draw(0, k)[::-1]) for k in range(400)])
    assert domination.chance_covered(4, np.array(6.0)) == pytest.approx(found, abs=4 * np.sqrt(0.25 / 400))


@pytest.mark.parametrize("module", [leaky, plateau, domination])
def test_they_are_drawn_and_read(module, leaks, lengths, shares):
    table = {leaky: leaks, plateau: lengths, domination: shares}[module]
    assert len(module.picture(table).axes) >= 2
    assert len(module.read(table)) > 200
