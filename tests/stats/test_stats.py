"""Intervals, thresholds, scaling laws: against brute force, SciPy and simulation."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize, stats

import thalweg as tw
from thalweg.stats import clopper_pearson, fit_scaling, next_trials, sequential_interval, threshold, wilson

# Published probabilities at d = 100 (Dana, Bach and Pillaud-Vivien 2025, experiment 1), made monotone and smooth.
SIZES = np.arange(1300, 2101, 50)
LOGITS = np.array([6.9, 6.2, 5.5, 4.6, 3.3, 2.2, 1.5, 0.5, -0.95, -3.2, -5.3, -6.9, -8.1, -9.2, -9.9, -10.4, -11.5])


def published(n):
    return 1 / (1 + np.exp(-np.interp(n, SIZES, LOGITS)))


@given(st.integers(1, 300), st.floats(0, 1))
@settings(max_examples=60, derandomize=True, deadline=None)
def test_clopper_pearson_inverts_the_binomial_tails(m, share):
    s = round(share * m)
    low, high = clopper_pearson(s, m)
    assert low == 0 if s == 0 else stats.binom.sf(s - 1, m, low) == pytest.approx(0.025, rel=1e-6)
    assert high == 1 if s == m else stats.binom.cdf(s, m, high) == pytest.approx(0.025, rel=1e-6)


@given(st.integers(1, 300), st.floats(0, 1))
@settings(max_examples=60, derandomize=True, deadline=None)
def test_wilson_ends_are_where_the_score_test_refuses(m, share):
    s = round(share * m)
    for end in wilson(s, m):
        if 1e-12 < end < 1 - 1e-12:
            assert (s / m - end) ** 2 * m / (end * (1 - end)) == pytest.approx(stats.norm.ppf(0.975) ** 2)


@pytest.mark.parametrize(("s", "m"), [(0, 7), (7, 7), (3, 20), (900, 1000)])
def test_sequential_interval_is_where_the_mixture_has_the_odds(s, m):
    """The mixture by quadrature: the integral of the Beta(1/2, 1/2) density times the likelihood."""
    low, high = sequential_interval(s, m)
    assert 0 <= low <= s / m <= high <= 1
    grid = (np.arange(200_000) + 0.5) / 200_000
    q = np.sin(np.pi / 2 * grid) ** 2  # makes the density uniform
    best = s / m

    def log_likelihood(q):
        with np.errstate(divide="ignore"):
            return stats.binom.logpmf(s, m, q)

    mixture = np.log(np.mean(np.exp(log_likelihood(q) - log_likelihood(best)))) + log_likelihood(best)
    for end in (low, high):
        if 0 < end < 1:
            assert mixture - log_likelihood(end) == pytest.approx(math.log(20), abs=1e-4)


@pytest.mark.parametrize("q", [0.03, 0.5, 0.9])
def test_sequential_intervals_cover_at_all_times_together(q):
    """2000 sequences of 500 trials; the share that is ever outside is at most 5 %, and not absurdly less."""
    rng = np.random.default_rng(3)
    m = np.arange(1, 501)
    s = (rng.random((2000, 500)) < q).cumsum(axis=1)
    # Outside at time m if the number of successes is, so one table of ends serves all sequences.
    inside = np.zeros((501, 501), bool)
    for k in m:
        for count in {int(v) for v in np.unique(s[:, k - 1])}:
            inside[k, count] = _odds(count, k, q) < 20
    ever = ~inside[m, s].all(axis=1)
    assert 0.005 < ever.mean() < 0.05
    watched = np.abs(s - m * q) > 1.96 * np.sqrt(m * q * (1 - q))  # Wilson's, made for one m, watched at all
    assert watched[:, 30:].any(axis=1).mean() > 0.2
    for k, count in ((10, s[0, 9]), (500, s[0, -1])):
        low, high = sequential_interval(int(count), k)
        assert inside[k, count] == (low <= q <= high)


def _odds(s, m, q):
    from scipy.special import betaln

    return math.exp(betaln(s + 0.5, m - s + 0.5) - betaln(0.5, 0.5) - s * math.log(q) - (m - s) * math.log1p(-q))


def test_threshold_agrees_with_a_brute_force_likelihood():
    n, m, s = np.array([20, 30, 40, 55]), np.array([40, 40, 40, 30]), np.array([36, 22, 2, 1])
    centers = np.linspace(math.log(20), math.log(50), 3001)
    betas = np.geomspace(0.5, 60, 900)
    logits = -betas[None, :, None] * (np.log(n) - centers[:, None, None])
    likelihood = (-s * np.logaddexp(0, -logits) - (m - s) * np.logaddexp(0, logits)).sum(axis=-1)
    profile = likelihood.max(axis=1)
    kept = centers[profile >= profile.max() - stats.chi2.ppf(0.95, 1) / 2]
    found = threshold(n, m, s)
    assert math.log(found.estimate) == pytest.approx(centers[profile.argmax()], abs=1e-3)
    assert np.log([found.low, found.high]) == pytest.approx(kept[[0, -1]], abs=1e-3)
    assert found.steepness == pytest.approx(betas[likelihood.max(axis=0).argmax()], rel=0.01)
    assert found.trials == m.sum()


def test_threshold_agrees_with_a_general_optimizer():
    rng = np.random.default_rng(2)
    n = np.array([100.0, 150, 200, 250, 300])
    s = rng.binomial(30, 1 / (1 + (n / 190) ** 6))

    def loss(parameters):
        logit = parameters[0] - parameters[1] * np.log(n / 200)
        return -np.sum(s * -np.logaddexp(0, -logit) + (30 - s) * -np.logaddexp(0, logit))

    best = optimize.minimize(loss, [0.0, 1.0], tol=1e-12).x
    found = threshold(n, np.full(5, 30), s)
    assert found.estimate == pytest.approx(200 * math.exp(best[0] / best[1]), rel=1e-5)
    assert found.steepness == pytest.approx(best[1], rel=1e-4)


def test_threshold_intervals_cover():
    """Binomial error of 300 draws at 95 % is 1.3 %."""
    rng = np.random.default_rng(5)
    n = np.array([60, 75, 90, 105, 120, 140])
    hits = 0
    for _ in range(300):
        found = threshold(n, np.full(6, 15), rng.binomial(15, 1 / (1 + (n / 97) ** 7)))
        hits += found.low <= 97 <= found.high
    assert 0.91 <= hits / 300 <= 0.985


def test_thresholds_beyond_the_trials():
    n, m = [20, 30, 40], [5, 5, 5]
    all_succeed, none, apart = threshold(n, m, m), threshold(n, m, [0, 0, 0]), threshold(n, m, [5, 5, 0])
    assert (all_succeed.estimate, all_succeed.high) == (math.inf, math.inf)
    assert all_succeed.low >= 39.9
    assert (none.estimate, none.low) == (0.0, 0.0)
    assert none.high <= 20.1
    assert apart.estimate == pytest.approx(math.sqrt(30 * 40))
    assert apart.steepness == math.inf
    assert apart.low <= 30.01
    assert apart.high >= 39.99
    flat = threshold(n, m, [2, 3, 2])  # no slope: nothing is known
    assert (flat.low, flat.high) == (0.0, math.inf)
    single = threshold([30], [4], [2])
    assert (single.low, single.high) == (0.0, math.inf)


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (([], [], []), "trials"),
        (([1.0], [0], [0]), "trials"),
        (([0.0], [1], [0]), "sizes"),
        (([1.0], [1], [2]), "successes"),
        (([1.0], [1], [-1]), "successes"),
        (([1.0, math.nan], [1, 1], [1, 1]), "sizes"),
        (([1.0], [1, 2], [1, 1]), "trials"),
    ],
)
def test_bad_trials_are_refused(arguments, word):
    with pytest.raises(tw.InputError, match=f"'{word}'"):
        threshold(*arguments)


@pytest.mark.parametrize("function", [clopper_pearson, wilson, sequential_interval])
@pytest.mark.parametrize(
    ("s", "m", "c", "word"), [(3, 2, 0.9, "suc"), (-1, 2, 0.9, "suc"), (0, 0, 0.9, "tri"), (1, 2, 1, "conf")]
)
def test_bad_counts_are_refused(function, s, m, c, word):
    with pytest.raises(tw.InputError, match=word):
        function(s, m, c)
    with pytest.raises(tw.InputError, match="integer of at least 0"):
        function(1.5, 2)


def adaptive(rng, sizes, probability, budget):
    made, won = np.zeros(len(sizes), int), np.zeros(len(sizes), int)
    while (left := budget - made.sum()) > 0:
        more = next_trials(sizes, made, won, int(min(16, max(4, made.sum() // 2), left)))
        won, made = won + rng.binomial(more, probability), made + more
    return threshold(sizes, made, won)


def compared(rng, probability, threshold_at, grid_sizes, search_sizes, budget, runs=16):
    """Return the ratio of median widths, search to grid, and how often each covers."""
    trials = np.full(len(grid_sizes), 80)
    grid = [threshold(grid_sizes, trials, rng.binomial(80, probability(grid_sizes))) for _ in range(runs)]
    search = [adaptive(rng, search_sizes, probability(search_sizes), budget) for _ in range(runs)]
    widths = [np.median([found.high - found.low for found in group]) for group in (grid, search)]
    covers = [sum(found.low <= threshold_at <= found.high for found in group) for group in (grid, search)]
    return widths[1] / widths[0], covers


def test_a_search_needs_a_fifth_of_the_trials_of_a_grid():
    """A grid of 34 sizes, 80 trials each, laid without knowing where in a factor of 3 the threshold is."""
    ratio, (_, covers) = compared(
        np.random.default_rng(11),
        lambda n: 1 / (1 + (n / 1654) ** 41),
        1654,
        np.arange(900, 2551, 50),
        np.arange(900, 2551, 10),
        34 * 80 // 5,
    )
    assert ratio <= 0.9
    assert covers >= 14


def test_a_search_beside_the_published_grid_which_was_laid_around_the_threshold():
    """A fifth of its trials give its width. The curve is not quite logistic, to which the search alone is robust."""
    truth = np.interp(0.0, -LOGITS, SIZES)
    fine = np.arange(1300, 2101, 10)
    ratio, (grid, search) = compared(np.random.default_rng(12), published, truth, SIZES, fine, 17 * 80 // 5)
    assert ratio <= 1.08  # the median of 16 has an error of a few per cent
    assert grid <= 8 < 14 <= search


def test_next_trials_bisects_then_brackets():
    sizes = np.arange(10, 201, 10)
    nothing = np.zeros(20, int)
    first = next_trials(sizes, nothing, nothing, 4)
    assert first.sum() == 4
    assert first.max() == 1
    made, won = nothing.copy(), nothing.copy()
    made[[2, 12]], won[[2, 12]] = 3, (3, 0)
    between = np.flatnonzero(next_trials(sizes, made, won, 4))
    assert between.min() > 1
    assert between.max() < 13
    made[:], won[:] = 20, np.round(20 / (1 + (sizes / 95) ** 8))
    bracket = np.flatnonzero(next_trials(sizes, made, won, 8))
    assert sizes[bracket].tolist() == [80, 110]  # around 87 and 105, where P = 0.68 and 0.32


def test_slope_agrees_with_scipy_and_its_interval_covers():
    rng = np.random.default_rng(4)
    x = np.repeat([10.0, 30, 100, 300], 6)
    hits = 0
    for k in range(400):
        y = 3 * x**-0.7 * np.exp(0.3 * rng.standard_normal(x.size))
        fit = fit_scaling(x, y)
        hits += fit.slope_interval[0] <= -0.7 <= fit.slope_interval[1]
        if k == 0:
            line = stats.linregress(np.log(x), np.log(y))
            assert fit.slope == pytest.approx(line.slope)
            assert math.log(fit.factor) == pytest.approx(line.intercept)
            reach = stats.t.ppf(0.975, x.size - 2) * line.stderr
            assert fit.slope_interval == pytest.approx((line.slope - reach, line.slope + reach))
            groups = [np.log(y[x == level]) for level in np.unique(x)]
            assert fit.between_seeds == pytest.approx(math.sqrt(np.mean([g.var(ddof=1) for g in groups])))
            assert fit.predict([10.0, 300.0]) == pytest.approx(fit.factor * np.array([10.0, 300.0]) ** fit.slope)
    assert 0.925 <= hits / 400 <= 0.975


def test_lack_of_fit_of_a_constant_is_one_way_analysis_of_variance():
    rng = np.random.default_rng(6)
    x, y = np.repeat([2.0, 3, 5], 7), np.exp(rng.standard_normal(21))
    fit = fit_scaling(x, y, slope=0.0)
    groups = [np.log(y[x == level]) for level in (2, 3, 5)]
    assert fit.lack_of_fit == pytest.approx(stats.f_oneway(*groups).pvalue)


def test_the_law_with_a_logarithm_is_told_from_a_pure_power():
    rng = np.random.default_rng(8)
    n = np.repeat(np.geomspace(1e2, 1e6, 9).round(), 40)
    noise = np.exp(0.15 * rng.standard_normal(n.size))
    corrected = {"log_power": -1.0}
    for y, right, wrong in ((n**-0.5 / np.log(n), corrected, {}), (n**-0.6, {}, corrected)):
        good, bad = fit_scaling(n, y * noise, **right), fit_scaling(n, y * noise, **wrong)
        assert bad.aic - good.aic > 10
        assert bad.lack_of_fit < 0.01 < good.lack_of_fit
    free = fit_scaling(n, n**-0.5 / np.log(n) * noise, slope=-0.5, log_power=None)
    assert free.log_power_interval[0] <= -1 <= free.log_power_interval[1]
    assert free.slope_interval == (-0.5, -0.5)


def test_a_law_without_noise_is_found_exactly():
    x = np.array([2.0, 5, 9, 40, 100])
    fit = fit_scaling(x, 4 * x**1.5 * np.log(x) ** -2, log_power=None)
    assert (fit.slope, fit.log_power, fit.factor) == pytest.approx((1.5, -2.0, 4.0))
    assert math.isnan(fit.between_seeds)


@pytest.mark.parametrize(
    ("x", "y", "keywords", "word"),
    [
        ([1.0, 2.0], [1.0, -1.0], {}, "'y'"),
        ([0.0, 2.0], [1.0, 1.0], {}, "'x'"),
        ([1.0, 2.0, 3.0], [1.0, 1.0, 1.0], {"log_power": 1.0}, "'x'"),
        ([2.0, 2.0, 2.0], [1.0, 1.0, 1.0], {}, "'x'"),
        ([2.0, 3.0], [1.0, 1.0], {}, "'x'"),
        ([2.0, 3.0], [1.0], {}, "'y'"),
        ([2.0, 3.0, 4.0], [1.0, 1.0, 1.0], {"slope": math.nan}, "'slope'"),
    ],
)
def test_bad_measurements_are_refused(x, y, keywords, word):
    with pytest.raises(tw.InputError, match=word):
        fit_scaling(x, y, **keywords)
