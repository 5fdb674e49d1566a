"""Probabilities of coverage against enumeration of all sign patterns, and against draws."""

import math
from itertools import product

import numpy as np
import pytest
from scipy.stats import binom

import thalweg as tw
from thalweg.theorems import ShallowSetting, coverage


def enumerate_coverage(positive, negative, p):
    """Share of all patterns of sign(a_j) and sign(z_ji) in which every sample is covered; and of sample 0."""
    labels = [1] * positive + [-1] * negative
    n = len(labels)
    all_covered = first = 0
    for a in product((-1, 1), repeat=p):
        for z in product((False, True), repeat=p * n):
            hit = [any(z[j * n + i] and a[j] == labels[i] for j in range(p)) for i in range(n)]
            all_covered += all(hit)
            first += hit[0]
    return all_covered / 2 ** (p + p * n), first / 2 ** (p + p * n)


@pytest.mark.parametrize(
    ("positive", "negative", "p"), [(1, 0, 1), (0, 1, 2), (1, 1, 2), (2, 1, 3), (3, 0, 3), (1, 2, 4), (2, 0, 4)]
)
def test_exact_probability_against_enumeration(positive, negative, p):
    whole, one = enumerate_coverage(positive, negative, p)
    assert coverage.exact(positive, negative, p) == pytest.approx(whole, abs=1e-14)
    assert one == pytest.approx(1 - 0.75**p, abs=1e-14)
    assert coverage.union_bound(positive + negative, p) <= whole + 1e-14


def test_union_bound_holds_for_dependent_signs():
    """Equal inputs have equal signs: then coverage of all is that of one, the furthest from independence."""
    for n, p in product((1, 2, 5), (1, 3, 10)):
        assert coverage.union_bound(n, p) <= 1 - 0.75**p


@pytest.mark.parametrize(("n", "union", "exact"), [(30, 23, 22), (1000, 35, 34), (10_000, 43, 42)])
def test_figures_of_the_width_law(n, union, exact):
    assert coverage.union_width(n, 0.05) == union
    assert coverage.exact_width(n // 2, n // 2, 0.05) == exact
    for width, probability in (
        (union, lambda p: coverage.union_bound(n, p)),
        (exact, lambda p: coverage.exact(n // 2, n // 2, p)),
    ):
        assert probability(width) >= 0.95 > probability(width - 1)
    assert coverage.paper_width(n, 0.05) == math.ceil(4 * math.log(n / 0.05))


def test_exact_probability_with_many_samples_and_neurons():
    assert coverage.exact(500_000, 500_000, 200) == pytest.approx(1 - 1e6 * 0.75**200, abs=1e-12)
    assert coverage.exact(10**6, 0, 3) == 0.0


@pytest.mark.parametrize("init", ["dominated", "balanced", "gaussian"])
def test_draws_on_orthogonal_inputs_agree(init):
    data = tw.data.orthogonal(10, seed=1)
    setting = ShallowSetting(data, 9, init=init, draws=1500, seed=3)
    assert setting.independent_signs
    hits = int((setting.starts.covered == data.n).sum())
    low, high = coverage.clopper_pearson(hits, 1500)
    assert low < coverage.exact(*setting.signs, 9) < high
    assert high - low < 0.08


def test_signs_are_called_independent_only_where_they_are():
    spread = tw.Dataset(np.linalg.qr(np.random.default_rng(0).standard_normal((4, 4)))[0], np.ones(4))
    assert not ShallowSetting(spread, 5, init="dominated").independent_signs  # uniform entries, rotated inputs
    assert ShallowSetting(spread, 5, init="gaussian").independent_signs
    sparse = tw.data.orthogonal(6, seed=1)
    assert ShallowSetting(sparse, 5).independent_signs
    disjoint = tw.Dataset([[1.0, 2.0, 0.0], [0.0, 0.0, 1.0]], [1.0, -1.0])
    assert ShallowSetting(disjoint, 5).independent_signs
    assert not ShallowSetting(tw.data.sphere(4, 9, seed=1), 5, init="gaussian").independent_signs


@pytest.mark.parametrize(("hits", "draws"), [(0, 20), (7, 20), (199, 200), (200, 200)])
def test_interval_is_that_of_clopper_and_pearson(hits, draws):
    low, high = coverage.clopper_pearson(hits, draws)
    if hits:  # at the lower end, so many hits or more have a probability of one per cent
        assert binom.sf(hits - 1, draws, low) == pytest.approx(0.01, rel=1e-6)
    if hits < draws:
        assert binom.cdf(hits, draws, high) == pytest.approx(0.01, rel=1e-6)
    assert low <= hits / draws <= high


@pytest.mark.parametrize("probability", [0.5, 0.9, 0.95])
def test_what_draws_reach_is_a_tolerance_limit(probability):
    """P(fewer than k of N draws lie below the quantile) is the chance that the k-th smallest exceeds it."""
    draws = 300
    value = coverage.reached_by(np.arange(float(draws)), probability)
    k = int(value) + 1
    assert binom.cdf(k - 1, draws, 1 - probability) <= 0.01 < binom.cdf(k, draws, 1 - probability)


def test_what_draws_reach_holds_in_repeated_draws():
    rng = np.random.default_rng(5)
    limits = np.array([coverage.reached_by(rng.exponential(size=100), 0.9) for _ in range(1000)])
    too_high = int((np.exp(-limits) < 0.9).sum())
    assert binom.sf(too_high - 1, 1000, 0.01) > 1e-3  # no more often than one in a hundred


def test_too_few_draws_reach_nothing():
    need = coverage.draws_needed(0.05)
    assert np.isnan(coverage.reached_by(np.ones(need - 1), 0.95))
    assert coverage.reached_by(np.ones(need), 0.95) == 1
