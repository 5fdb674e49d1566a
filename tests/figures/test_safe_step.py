"""The basin of the safe step, against the theorem, one mode stepped by hand, and the Hessian at the fit."""

import numpy as np
import pytest

from thalweg.data.target import Target
from thalweg.figures import depth_free
from thalweg.figures import safe_step as figure
from thalweg.figures.base import Work


@pytest.fixture(scope="module")
def table():
    setting = figure.Setting((3, 30), (-2.0, -1.0, 0.0, 2.5, 5.0), (-0.5, 0.0, 1.0), 20_000)
    return figure.measure(setting, Work())


def test_at_and_below_the_proved_step_all_are_solved_within_the_bound(table):
    proved = table["ratio"] <= 1
    assert (table["end"][proved] == "solved").all()
    assert (table["iterations"][proved] <= table["bound"][proved]).all()
    assert np.isinf(table["bound"][~proved]).all()


def test_the_largest_steps_diverge(table):
    assert (table["end"][(table["ratio"] == 32) & (table["depth"] == 3)] == "diverged").all()


def test_the_larger_identity_takes_at_most_37_steps(table):
    at = (table["position"] == 1) & (table["ratio"] == 1)
    assert (table["iterations"][at] <= 37).all()


def test_iterations_are_those_of_the_modes_stepped_by_hand():
    Phi, alpha, depth, ratio = np.diag([1.5, 0.5]), 1.1, 4, 0.8
    full = np.zeros((figure.DIM, figure.DIM))
    full[:2, :2] = Phi
    made, end, safe = figure.run(depth, alpha, ratio, Target(full), 10_000)
    sigma, w, a, k = np.array([1.5, 0.5]), np.zeros(2), np.full(2, alpha), 0
    while ((sigma - w * a**3) ** 2).sum() > 1e-10 * (sigma**2).sum():
        error = sigma - w * a**3
        w, a, k = w + ratio * safe * error * a**3, a + ratio * safe * error * w * a**2, k + 1
    assert (made, end) == (k, "solved")


@pytest.mark.parametrize(("depth", "alpha", "size"), [(2, 1.0, 1.5), (3, 0.8, 2.0), (5, 1.2, 0.7)])
def test_stability_is_two_over_the_largest_eigenvalue_of_the_hessian(depth, alpha, size):
    """At the fit that the flow of one mode leads to: there the Hessian is the outer product of the gradient of p."""
    from scipy.integrate import solve_ivp

    def velocity(t, weights):
        p = weights.prod()
        return [(size - p) * np.prod(np.delete(weights, l)) for l in range(depth)]

    start = np.array([alpha] * (depth - 1) + [0.0])
    fit = solve_ivp(velocity, (0, 200), start, "LSODA", rtol=1e-10, atol=1e-12).y[:, -1]
    gradient = np.array([np.prod(np.delete(fit, l)) for l in range(depth)])
    assert figure.stability(depth, alpha, size) == pytest.approx(2 / (gradient @ gradient), rel=1e-6)


def test_steps_between_the_proved_and_the_stable_one_are_solved_and_ones_far_above_are_not(table):
    goal = depth_free.target(0)
    for depth in (3, 30):
        mine = (table["depth"] == depth) & (table["position"] == 0)
        edge = figure.stability(depth, 1.0, goal.norm) / table["safe_step"][mine]
        assert (table["end"][mine][table["ratio"][mine] < 0.9 * edge] == "solved").all()
        assert (table["end"][mine][table["ratio"][mine] > 1.5 * edge] != "solved").all()


def test_it_is_drawn_and_read(table):
    assert len(figure.picture(table).axes) == 4  # two maps, the cut, the scale of colours
    assert "18 runs at or below eta*, 18 were solved, 0 diverged" in figure.read(table)
