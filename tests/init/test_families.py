"""The random initializations: their laws, their invariants, their seeds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import thalweg as tw

FAMILIES = {"dominated": tw.init.dominated, "balanced": tw.init.balanced, "gaussian": tw.init.gaussian}


@pytest.mark.parametrize("family", FAMILIES)
@settings(max_examples=15, derandomize=True, deadline=None)
@given(st.integers(1, 8), st.integers(1, 8), st.floats(0.01, 1.0), st.integers(0, 2**40))
def test_seeds_and_shapes(family, d, p, scale, seed):
    draw = FAMILIES[family]
    network, again = (
        draw(d, p, scale=scale, seed=seed),
        draw(d, p, scale=scale, seed=np.random.SeedSequence(seed)),
    )
    assert (network.d, network.p) == (d, p)
    assert network.W.tobytes() == again.W.tobytes()
    assert network.a.tobytes() == again.a.tobytes()
    assert (draw(d, p, scale=scale, seed=seed + 1).W != network.W).any()
    leaky = draw(d, p, scale=scale, seed=seed, activation="leaky_relu", slope=0.1)
    assert (leaky.slope, leaky.W.tobytes()) == (0.1, network.W.tobytes())


@settings(max_examples=30, derandomize=True, deadline=None)
@given(st.integers(1, 30), st.integers(1, 8), st.floats(1e-6, 1.0), st.integers(0, 10**6))
def test_dominated(d, p, scale, seed):
    network = tw.init.dominated(d, p, scale=scale, seed=seed)
    assert (network.invariant > 0).all()
    assert np.abs(network.W).max() <= scale / np.sqrt(d)
    excess = np.abs(network.a) - np.linalg.norm(network.W, axis=1) / scale
    assert (excess > -1e-12).all()


@settings(max_examples=30, derandomize=True, deadline=None)
@given(st.integers(1, 30), st.integers(1, 8), st.floats(1e-6, 1e3), st.integers(0, 10**6))
def test_balanced(d, p, scale, seed):
    network = tw.init.balanced(d, p, scale=scale, seed=seed)
    assert network.invariant.tolist() == [0.0] * p
    np.testing.assert_allclose(np.abs(network.a), np.sqrt((network.W**2).sum(axis=1)), rtol=1e-14)
    assert np.abs(network.W).max() <= scale / np.sqrt(d)


def test_moments_of_the_laws():
    p = 20_000
    gaussian = tw.init.gaussian(4, p, scale=0.5, seed=1)
    assert gaussian.W.std() == pytest.approx(0.25, rel=0.02)
    assert gaussian.a.std() == pytest.approx(0.5, rel=0.02)
    assert (gaussian.W**4).mean() / (gaussian.W**2).mean() ** 2 == pytest.approx(3, rel=0.05)
    dominated = tw.init.dominated(4, p, seed=2)
    excess = np.abs(dominated.a) - np.linalg.norm(dominated.W, axis=1)
    assert (excess.mean(), excess.std()) == pytest.approx((1, 1), rel=0.03)
    for network in (gaussian, dominated, tw.init.balanced(4, p, seed=3)):
        assert np.sign(network.a).mean() == pytest.approx(0, abs=0.03)
        assert np.abs(network.W.mean(axis=0)).max() < 0.02


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"d": 0, "p": 2}, "d"),
        ({"d": 2, "p": 0}, "p"),
        ({"d": 2, "p": 1.5}, "p"),
        ({"d": 2, "p": 2, "scale": 0.0}, "scale"),
        ({"d": 2, "p": 2, "scale": np.nan}, "scale"),
        ({"d": 2, "p": 2, "seed": "one"}, "seed"),
    ],
)
def test_bad_arguments(family, arguments, name):
    with pytest.raises(tw.InputError, match=f"'{name}' parameter of {family} must"):
        FAMILIES[family](**arguments)


def test_dominated_refuses_a_scale_that_could_break_domination():
    with pytest.raises(tw.InputError, match="at most 1"):
        tw.init.dominated(3, 3, scale=1.5)


def test_counterexample_is_covered_and_not_dominated():
    network, data = tw.init.counterexample()
    assert network.W.tolist() == [[0.3, 2.0], [-1.0, 0.5]]
    assert network.a.tolist() == [0.1, -2.0]
    assert (data.X.tolist(), data.y.tolist()) == ([[1, 0], [0, 1]], [1, -4])
    correct = (network.a[:, None] * data.y > 0) & (network.preactivations(data.X) > 0)
    assert correct.any(axis=0).all()
    assert network.invariant == pytest.approx([0.01 - 4.09, 4 - 1.25])
