"""The oracles of the flow checked against each other, before the library is checked against them."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad, solve_ivp

from oracles import brute_force, closed_forms
from thalweg.testing import euler

TIMES = np.linspace(0.0, 6.0, 13)


def tiny(seed):
    """A random problem of n <= 6, d <= 4, p <= 3 with mixed signs, dominations and slopes."""
    rng = np.random.default_rng(seed)
    n, d, p = rng.integers(1, 7), rng.integers(1, 5), rng.integers(1, 4)
    X, y, W = rng.normal(size=(n, d)), 1.5 * rng.normal(size=n), rng.normal(size=(p, d))
    a = np.linalg.norm(W, axis=1) * rng.choice([0.6, 1.0, 1.5], p) * rng.choice([-1, 1], p)
    return W, a, X, y, float(rng.choice([0.0, 0.0, 0.3, 0.01]))


@pytest.mark.parametrize("seed", [0, 7, 13, 15, 22, 26, 28, 33, 53])
def test_brute_force_is_the_limit_of_euler(seed):
    W, a, X, y, slope = tiny(seed)
    exact = brute_force.flow(W, a, X, y, [3.0], slope=slope)
    extrapolated = euler.flow(W, a, X, y, 3.0, 4000, slope)
    assert extrapolated.error < 2e-2
    assert np.abs(exact.z[-1] - extrapolated.z).max() <= 3 * extrapolated.error
    assert np.abs(exact.a[-1] - extrapolated.a).max() <= 3 * extrapolated.error


@pytest.mark.parametrize("seed", [4, 13, 15, 28, 59])
def test_brute_force_conserves_the_invariant_and_spends_its_curvature(seed):
    """a is integrated, so that a^2 - |w|^2 is a check; the integral of mu is log(L(0)/L(T))."""
    W, a, X, y, slope = tiny(seed)
    exact = brute_force.flow(W, a, X, y, np.linspace(0, 4, 4001), slope=slope)
    assert any(event.after == 0 for event in exact.events)
    c = exact.a**2 - (exact.W**2).sum(2)
    assert_allclose(c, np.broadcast_to(c[0], c.shape), rtol=0, atol=1e-11)
    # mu jumps at events: the trapezoid errs by one interval's jump at each
    jumps = np.abs(np.diff(exact.mu)).max() * 1e-3 * len(exact.events)
    spent = np.trapezoid(exact.mu, exact.t)
    assert abs(spent - np.log(exact.loss[0] / exact.loss[-1])) <= jumps + 1e-6
    assert (np.diff(exact.loss) <= 0).all()


@pytest.mark.parametrize(("omega", "a", "y", "k"), [(0.5, 1.2, 1.0, 1.3), (0.7, 0.7, 2.0, 0.8), (1.5, -0.2, 1.0, 1.0)])
def test_one_direction_solves_its_equation(omega, a, y, k):
    """Balanced, dominated, and c < 0 with an output weight that changes sign."""
    form = closed_forms.OneDirection(k, y, 2)

    def rhs(t, s):
        r = y - k * s[0] * s[1]
        return [k * s[1] * r / 2, k * s[0] * r / 2]

    solved = solve_ivp(rhs, (0, 6), [omega, a], t_eval=TIMES, rtol=1e-12, atol=1e-14, method="DOP853")
    omega_t, a_t = form.at(omega, a, TIMES)
    assert_allclose(np.array([omega_t, a_t]), solved.y, rtol=0, atol=1e-10)


def test_one_direction_balanced_is_the_logistic_law():
    N0, y, k, n = 0.1, 1.7, 1.4, 3
    omega, a = closed_forms.OneDirection(k, y, n).at(np.sqrt(N0), np.sqrt(N0), TIMES)
    logistic = (y / k) / (1 + (y / k / N0 - 1) * np.exp(-2 * k * y * TIMES / n))
    assert_allclose(a**2, logistic, rtol=1e-12)
    assert_allclose(omega, a, rtol=1e-12)


def test_one_direction_mirrors_when_a_is_close_to_minus_omega():
    omega, a = closed_forms.OneDirection(1.0, 1.0, 1).at(-0.5, 0.5, TIMES)
    assert_allclose(omega, -a, rtol=1e-12)  # balanced, the preactivation of the wrong sign: both die out
    assert (np.diff(np.abs(a)) < 0).all()


@pytest.mark.parametrize("a", [0.9, 1.6])
def test_brute_force_slides_as_the_closed_form(a):
    """The sliding neuron: balanced (a = |w|) and dominated."""
    x1, x2 = np.array([1.0, 0.0]), np.array([0.5, np.sqrt(0.75)])
    neuron = closed_forms.SlidingNeuron(x1, x2, -1.5, 2.0)
    W, a_t, r, mu, lam = neuron.at(0.9, a, TIMES)
    exact = brute_force.flow([[0.0, 0.9]], [a], [x1, x2], [-1.5, 2.0], TIMES)
    assert (exact.modes[:, 0] == [0, 1]).all()
    assert ((lam >= 0) & (lam <= 1)).all()
    assert_allclose(exact.W[:, 0], W, rtol=0, atol=1e-11)
    assert_allclose(exact.a[:, 0], a_t, rtol=0, atol=1e-11)
    assert_allclose(exact.r, r, rtol=0, atol=1e-11)
    assert_allclose(exact.mu, mu, rtol=1e-9, atol=1e-12)


def test_brute_force_fits_one_sample_as_the_closed_form():
    x, w = np.array([1.0, 2.0, -0.5]), np.array([0.3, 0.4, 0.2])
    W, a = closed_forms.single_sample(x, 1.5, w, 0.8, TIMES)
    exact = brute_force.flow([w], [0.8], [x], [1.5], TIMES)
    assert_allclose(exact.W[:, 0], W, rtol=0, atol=1e-11)
    assert_allclose(exact.a[:, 0], a, rtol=0, atol=1e-11)


def test_brute_force_crosses_a_leaky_kink_at_the_closed_form_time():
    """A leaky neuron starts on its negative side and crosses the concave kink: two formulas, glued."""
    slope, k, y, omega0, a0 = 0.3, 1.0, 2.0, -0.4, 0.8
    before, after = closed_forms.OneDirection(slope * k, y, 1), closed_forms.OneDirection(k, y, 1)
    crossing = before.time_to(omega0, a0, 0.0)
    a_crossing = np.sqrt(a0**2 - omega0**2)
    exact = brute_force.flow([[omega0]], [a0], [[k]], [y], TIMES, slope=slope)
    assert_allclose([event.t for event in exact.events], [crossing], rtol=1e-12)
    late = exact.t > crossing
    omega, a = after.at(0.0, a_crossing, exact.t[late] - crossing)
    assert_allclose(exact.W[late, 0, 0], omega, rtol=0, atol=1e-11)
    assert_allclose(exact.a[late, 0], a, rtol=0, atol=1e-11)


@pytest.mark.parametrize("length", [1.0, 1.7])
def test_brute_force_fits_an_orthogonal_group_as_the_closed_form(length):
    """Two groups, one of them with negative labels; lengths other than 1 scale p and the labels."""
    w, y = np.array([0.1, 0.3]), np.array([1.5, 1.0])
    w2, y2 = np.array([0.2, 0.05, 0.1]), np.array([1.2, 1.9, 1.0])
    X = length * np.eye(5)
    W = np.zeros((2, 5))
    W[0, :2], W[1, 2:] = w, w2
    a = [np.linalg.norm(w), -np.linalg.norm(w2)]
    exact = brute_force.flow(W, a, X, np.r_[y, -y2], TIMES * 3)
    first = closed_forms.orthogonal_group(w, y, length, 5, 2, TIMES * 3)
    second = closed_forms.orthogonal_group(w2, y2, length, 5, 2, TIMES * 3)
    assert_allclose(exact.W[:, 0, :2], first[0], rtol=0, atol=1e-10)
    assert_allclose(exact.W[:, 1, 2:], second[0], rtol=0, atol=1e-10)
    assert_allclose(exact.a, np.stack([first[1], -second[1]], axis=1), rtol=0, atol=1e-10)


def test_orthogonal_group_formula_has_the_integral_it_claims():
    w, y, t = np.array([0.1, 0.3]), np.array([1.5, 1.0]), 2.0
    D, c0 = np.linalg.norm(y), w @ y / np.linalg.norm(w) / np.linalg.norm(y)
    N0, p, s = w @ w, 4, D * t / 5
    area = quad(lambda v: (np.cosh(v) + c0 * np.sinh(v)) ** 2, 0, s)[0]
    N = N0 * (np.cosh(s) + c0 * np.sinh(s)) ** 2 / (1 + 2 * N0 / (p * D) * area)
    assert_allclose(closed_forms.orthogonal_group(w, y, 1.0, 5, p, [t])[1] ** 2, N, rtol=1e-12)


def test_brute_force_refuses_to_choose_at_a_repelling_kink():
    """A start on a concave kink that pushes away on both sides has several continuations."""
    with pytest.raises(brute_force.Ambiguous):
        # sample 1 on the kink, held back by sample 2 when inactive and pushed on when active
        brute_force.flow([[0.0, 1.0]], [1.0], [[1.0, 0.0], [-0.5, 1.0]], [3.0, 3.0], [1.0])
