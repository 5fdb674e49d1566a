"""The bounds of the curvature hold at every output time, sliding included."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import thalweg as tw
from bank import BANK, DRAWN
from oracles.comparison import flow_case


def assert_bounded(traj):
    """Compare mu with the stored bounds, and with the published forms computed afresh from the networks."""
    data, n = traj.data, traj.data.n
    slack = 1e-11 * (1 + traj.curvature_upper)
    assert (traj.curvature_lower <= traj.curvature + slack).all()
    assert (traj.curvature <= traj.curvature_upper + slack).all()
    values = np.linalg.eigvalsh(data.gram)
    smallest, largest = max(values[0], 0.0), values[-1]
    for k, network in enumerate(traj.networks):
        if not (network.invariant >= 0).all():  # Assumption 1
            continue
        leak = network.slope**2
        S = network.a**2 @ np.where(traj.networks.mode_map(k) == 1, 1.0, leak) / network.p
        mu = traj.curvature[k]
        assert 2 / n * smallest * S.min() <= mu + slack[k]
        assert mu <= 4 / n * largest * S.max() + slack[k]
        if not leak:
            h = np.abs(data.y - traj.residuals[k]) / data.norms
            assert (h <= S + 1e-11).all()
            assert 2 / n * smallest * h.min() <= mu + slack[k]


@pytest.mark.parametrize("case", [*BANK, *DRAWN], ids=str)
def test_the_bank_and_random_draws(case):
    assert_bounded(flow_case(case, rtol=1e-4))


@settings(max_examples=15, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.integers(2, 25), st.integers(2, 30), st.integers(1, 12), st.sampled_from([0.0, 0.1]))
def test_dominated_starts(seed, n, d, p, slope):
    """Where the published bounds apply: more samples than inputs and fewer, most of them with sliding pairs."""
    kind = {"activation": "leaky_relu", "slope": slope} if slope else {}
    network, data = tw.init.dominated(d, p, seed=seed, **kind), tw.data.sphere(n, d, seed=seed + 1)
    assert_bounded(tw.flow(network, data, t_end=40.0, times=np.linspace(0.0, 40.0, 9), rtol=1e-4))


def test_dominated_starts_slide():
    """The cases above are not empty: in this one pairs slide at most output times, and the upper bounds still hold."""
    network, data = tw.init.dominated(6, 12, seed=1), tw.data.sphere(25, 6, seed=2)
    traj = tw.flow(network, data, t_end=40.0, times=np.linspace(0.0, 40.0, 9), rtol=1e-4)
    assert (traj.sliding > 0).sum() >= 6
    assert_bounded(traj)


@pytest.mark.parametrize("slope", [0.0, 0.1])
def test_orthogonal_inputs(slope):
    kind = {"activation": "leaky_relu", "slope": slope} if slope else {}
    network = tw.init.dominated(50, 20, scale=0.01, seed=3, **kind)
    assert_bounded(tw.flow(network, tw.data.orthogonal(50, seed=4), t_end=200.0))
