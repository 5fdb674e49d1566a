"""Theorems A and A0: the formulas against a literal transcription, and against flows."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import thalweg as tw
from thalweg.theorems import ShallowSetting, weak_interaction
from thalweg.theorems.starts import Interactions


def drawn(seed, n=None, d=None, p=None):
    rng = np.random.default_rng(seed)
    n, d, p = n or int(rng.integers(1, 6)), d or int(rng.integers(4, 60)), p or int(rng.integers(2, 9))
    return tw.init.dominated(d, p, scale=float(rng.choice([1.0, 0.1])), seed=seed), tw.data.sphere(n, d, seed=seed)


def literal(network, data, delta):
    """s_i of the statement, sample by sample, straight from W, a, X and y; None if delta is not admissible."""
    X, y, a, W = data.X, data.y, network.a, network.W
    p, K = network.p, X @ X.T
    h = np.array([sum(a[j] * max(W[j] @ x, 0) for j in range(p)) / p for x in X])
    R, top = np.linalg.norm(y - h), np.linalg.norm(X, 2)
    found = []
    for i in range(data.n):
        rho, size = (1 - delta) * abs(y[i]), math.sqrt(K[i, i])
        kappa = math.sqrt(sum(K[i, k] ** 2 for k in range(data.n) if k != i))
        if rho >= R:
            found.append(delta * abs(y[i]) / size)
            continue
        m = rho * K[i, i] - kappa * math.sqrt(R**2 - rho**2)
        if m <= 0:
            return None
        eta = m / (R * top)
        ours = [j for j in range(p) if a[j] * y[i] > 0]
        h_plus = sum(abs(a[j]) * max(W[j] @ X[i], 0) for j in ours) / p
        on = [j for j in ours if W[j] @ X[i] > 0]
        base = sum(a[j] ** 2 - W[j] @ W[j] + (W[j] @ X[i]) ** 2 / K[i, i] for j in on) / p
        found.append(min(eta * delta * abs(y[i]) / K[i, i], max(base, eta * h_plus / K[i, i])))
    return found


def arrays(network, data):
    facts, z = Interactions.of(data), network.preactivations(data.X)
    residual = float(np.linalg.norm(network.residuals(data)))
    h_plus, base = weak_interaction.pulls(z, network.a, network.invariant, data.y, data.norms)
    return facts, residual, h_plus, base


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.integers(0, 10**6), st.floats(0.001, 0.999))
def test_formula_against_the_statement(seed, delta):
    network, data = drawn(seed)
    facts, residual, h_plus, base = arrays(network, data)
    expected = literal(network, data, delta)
    limit = weak_interaction.largest_delta(data.y, residual, facts.row_norms, facts.kappa)
    if abs(delta - limit) > 1e-9:
        assert (expected is not None) == (delta < limit)
    got = weak_interaction.activity(
        np.array([delta]), data.y, residual, facts.kappa, data.norms, facts.operator_norm, h_plus, base
    )
    assert got.shape == (1, data.n)
    if expected is not None:
        np.testing.assert_allclose(got[0], expected, rtol=1e-9, atol=1e-12)


@settings(max_examples=40, derandomize=True, deadline=None)
@given(st.integers(0, 10**6))
def test_the_maximum_over_delta_is_near_that_of_a_fine_search(seed):
    network, data = drawn(seed, d=400, n=3)
    facts, residual, h_plus, base = arrays(network, data)
    rest = (facts.kappa, data.norms, facts.operator_norm, h_plus, base)
    least, delta = weak_interaction.least_activity(data.y, residual, facts.row_norms, *rest)
    fine = np.linspace(0, 1, 20_001)[1:-1]
    fine = fine[fine < weak_interaction.largest_delta(data.y, residual, facts.row_norms, facts.kappa)]
    best = weak_interaction.activity(fine, data.y, residual, *rest).min(axis=1).max(initial=0.0)
    assert 0.9 * best <= least <= best * (1 + 1e-3) + 1e-15
    if least:
        expected = literal(network, data, delta)
        assert expected is not None
        assert min(expected) == pytest.approx(least)


def test_many_samples_are_taken_in_blocks(monkeypatch):
    network, data = drawn(3, n=5, d=500)
    facts, residual, h_plus, base = arrays(network, data)
    whole = (data.y, residual, facts.row_norms, facts.kappa, data.norms, facts.operator_norm, h_plus, base)
    once = weak_interaction.least_activity(*whole)
    monkeypatch.setattr(weak_interaction, "_BLOCK", 130)
    assert weak_interaction.least_activity(*whole) == once


@settings(max_examples=60, derandomize=True, deadline=None)
@given(st.floats(0.1, 5.0), st.floats(0.0, 4.0), st.floats(0.1, 3.0), st.floats(0.0, 5.0))
def test_activity_of_theorem_a0(y, residual, norm, deficit):
    (s,) = weak_interaction.activity_near(np.array([-y]), residual, np.array([norm]), deficit)
    g = (y - residual) / norm
    if g > 0:  # the positive root of s (s + c) = g^2
        assert s * (s + deficit) == pytest.approx(g**2, rel=1e-9)
        assert deficit or s == pytest.approx(g)
    assert (s > 0) == (g > 0)


def test_gram_facts_against_dense_linear_algebra():
    data = tw.data.sphere(12, 9, seed=4)
    for each in (data, tw.data.sphere(7, 30, seed=5)):
        facts, K = Interactions.of(each), each.X @ each.X.T
        off = K - np.diag(np.diag(K))
        np.testing.assert_allclose(facts.kappa, np.linalg.norm(off, axis=1))
        np.testing.assert_allclose(facts.row_norms, np.linalg.norm(K, axis=1))
        assert facts.gershgorin == pytest.approx(np.min(np.diag(K) - np.abs(off).sum(axis=1)))
        assert facts.lambda_min == pytest.approx(max(np.linalg.eigvalsh(K)[0], 0.0), abs=1e-12)
        assert facts.gershgorin <= facts.lambda_min
        assert facts.operator_norm == pytest.approx(np.linalg.norm(each.X, 2))


def test_eigenvalues_of_large_problems_are_called_estimates(monkeypatch):
    from thalweg.data import coherence

    monkeypatch.setattr(coherence, "_FULL_SPECTRUM", 20)
    data = tw.data.sphere(60, 3000, seed=1)
    report = tw.check("theorem-a", data=data, width=40, draws=3)
    assert "an estimate" in report["theorem-a"].hypotheses[2].meaning
    small = tw.data.sphere(10, 30, seed=1)
    assert "an estimate" not in tw.check("theorem-a", data=small, width=9, draws=3)["theorem-a"].hypotheses[2].meaning


def test_random_instances_of_theorem_a_converge_and_obey_the_bound():
    seen = 0
    for seed in range(26):
        network, data = drawn(seed, d=None if seed % 2 else 300)
        rate = float(ShallowSetting(data, network=network).starts.rate_a[0])
        if not rate > 0:
            continue
        seen += 1
        traj = tw.flow(network, data, t_end=1e4, stop=tw.LossBelow(1e-7))
        assert traj.loss[-1] <= 1e-7, seed
        assert (traj.curvature >= rate * (1 - 1e-9)).all(), seed
        assert (traj.loss <= traj.loss[0] * np.exp(-rate * traj.t) * (1 + 1e-9)).all(), seed
    assert seen >= 8


def test_random_instances_of_theorem_a0_converge_and_obey_the_bound():
    seen = 0
    for seed in range(14):
        rng = np.random.default_rng(seed)
        n, d = int(rng.integers(1, 6)), int(rng.integers(6, 12))
        data = tw.data.sphere(n, d, seed=seed)
        level = 0.8 * float(np.abs(data.y).min()) ** 2 / (2 * n)
        before = tw.flow(tw.init.gaussian(d, 12, seed=seed), data, t_end=200.0, stop=tw.LossBelow(level))
        rate = float(ShallowSetting(data, network=before.final).starts.rate_a0[0])
        if not rate > 0:
            continue
        seen += 1
        traj = tw.flow(before.final, data, t_end=1e4, stop=tw.LossBelow(1e-5))
        assert traj.loss[-1] <= 1e-5, seed
        assert (traj.curvature >= rate * (1 - 1e-9)).all(), seed
    assert seen >= 8
