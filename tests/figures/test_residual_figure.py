"""Residual networks on digits: starts, stability, and what a missing scikit-learn says."""

import sys

import numpy as np
import pytest

import thalweg as tw
from thalweg.figures import residual as figure
from thalweg.figures.base import Work
from thalweg.networks.residual import loss_and_gradient


@pytest.fixture(scope="module")
def table():
    return figure.measure(figure.Setting((2, 12), 1, ("relu",), 8), Work())


def start(name, depth=6):
    return figure.draw_start(name, depth, 64, 10, "relu", np.random.SeedSequence(4))


def test_digits_are_standardised_and_one_hot():
    X, Y = figure.digits(0)
    assert X.shape == (128, 64)
    assert Y.shape == (128, 10)
    np.testing.assert_array_equal(Y.sum(axis=1), 1.0)
    np.testing.assert_allclose(X.mean(axis=0), 0.0, atol=1e-12)
    np.testing.assert_allclose(X.std(axis=0)[X.any(axis=0)], 1.0)


def test_starts_differ_in_what_they_set_to_zero():
    zero = {name: (not start(name).U.any(), not start(name).head.any()) for name in figure.STARTS}
    assert zero["Xavier"] == (False, False)
    assert zero["zero head"] == (False, True)
    assert zero["zero branches"] == (True, False)
    assert zero["modified ZAS"] == zero["Fixup"] == zero["ZAS, Fixup's scaling"] == (True, True)
    ratio = start("ZAS, Fixup's scaling").V / start("modified ZAS").V
    np.testing.assert_allclose(ratio, 6**-0.5)
    np.testing.assert_array_equal(start("Fixup").V, start("ZAS, Fixup's scaling").V)
    assert start("Fixup").scalars is not None
    assert np.isclose(start("Xavier", 200).V.std(), 32**-0.5, rtol=0.02)


def test_training_is_gradient_descent_and_leaves_the_start_alone():
    X, Y = figure.digits(1)
    network = start("modified ZAS")
    before = network.inward.copy()
    value, gradient = loss_and_gradient(network, X, Y, "squared")
    assert value == 0.5  # all outputs are 0
    ended = figure.train(network, X, Y, "squared", 0.01, 1)
    np.testing.assert_array_equal(network.inward, before)
    slope = sum(float(np.sum(each**2)) for each in gradient.values())
    # The first step falls by step times the squared slope, up to second order; only the head moves.
    assert value - ended == pytest.approx(0.01 * slope, rel=0.2)


def test_the_largest_stable_step_is_stable_and_its_double_is_not():
    X, Y = figure.digits(1)
    network = start("modified ZAS", 12)
    step, value = figure.largest_stable(network, X, Y, "squared", 8)
    assert figure.train(network, X, Y, "squared", step, 8) == value < 0.5
    assert step == 1.0 or figure.train(network, X, Y, "squared", 2 * step, 8) == np.inf


def test_one_row_for_each_start_loss_and_depth(table):
    assert len(table["start"]) == 2 * 2 * len(figure.STARTS)
    stable = np.isfinite(table["step_size"])
    assert stable.any()
    assert (table["loss_after"][stable] <= table["loss_before"][stable] * (1 + 1e-9)).all()
    depths, steps = figure.middle(table, "relu", "squared", "modified ZAS", "step_size")
    assert list(depths) == [2, 12]
    mine = (table["start"] == "modified ZAS") & (table["loss"] == "squared")
    np.testing.assert_array_equal(steps, table["step_size"][mine])


def test_it_is_drawn_and_read(table):
    assert len(figure.picture(table).axes) == 4
    assert "depth 12" in figure.read(table)


def test_scikit_learn_is_asked_for_by_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn.datasets", None)
    with pytest.raises(tw.MissingExtraError, match=r"thalweg\[figures\]"):
        figure.digits(0)
