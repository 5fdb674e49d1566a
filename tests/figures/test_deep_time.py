"""Loss against time at any depth, against closed forms of one mode and a plain loop over two layers."""

import numpy as np
import pytest

from thalweg.figures import deep_time as figure
from thalweg.figures import depth_free
from thalweg.figures.base import Work


@pytest.fixture(scope="module")
def table():
    return figure.measure(figure.Setting((2, 3, 1_000_000)), Work())


def test_losses_stay_below_the_proved_bounds(table):
    assert (table["loss"] <= table["bound"] * (1 + 1e-9)).all()
    t, _, bound = figure.curve(table, "flow", 3, "t")
    np.testing.assert_allclose(bound, np.exp(-2 * t), rtol=1e-12)


def test_the_flow_of_depth_two_is_the_one_in_closed_form(table):
    """With L = 2, w = sinh(x), a = cosh(x): dx/dt = sig - sinh(2x)/2, so that t is an elementary integral of x."""
    from scipy.integrate import solve_ivp

    sigma = np.linalg.svd(depth_free.target(0).Phi, compute_uv=False)
    t, loss, _ = figure.curve(table, "flow", 2, "t")
    x = solve_ivp(lambda t, x: sigma - np.sinh(2 * x) / 2, (0, t[-1]), 0 * sigma, "DOP853", t, rtol=1e-11, atol=1e-13).y
    errors = sigma[:, None] - np.sinh(2 * x) / 2
    np.testing.assert_allclose(loss, (errors**2).sum(axis=0) / (sigma**2).sum(), rtol=1e-4)


def test_descent_is_that_of_all_layers(table):
    Phi = depth_free.target(0).Phi
    size = np.linalg.norm(Phi, 2)
    eta = 1 / (max(np.e, 2 * size**2) + 2 * size**2)
    layers, losses = [np.eye(10), np.eye(10), np.zeros((10, 10))], []
    k, loss, _ = figure.curve(table, "descent", 3, "iteration")
    for _ in range(int(k[-1])):
        A, B, C = layers
        E = C @ B @ A - Phi
        gradients = (C @ B).T @ E, C.T @ E @ A.T, E @ (B @ A).T
        layers = [W - eta * G for W, G in zip(layers, gradients, strict=True)]
        losses.append(np.linalg.norm(layers[2] @ layers[1] @ layers[0] - Phi) ** 2 / np.linalg.norm(Phi) ** 2)
    np.testing.assert_allclose(loss, np.array(losses)[k.astype(int) - 1], rtol=1e-6)


def test_deeper_flows_are_there_earlier(table):
    ends = [figure.curve(table, "flow", depth, "t")[0][-1] for depth in (2, 3, 1_000_000)]
    assert ends == sorted(ends, reverse=True)
    assert ends[-1] < 0.01


def test_it_is_drawn_and_read(table):
    assert len(figure.picture(table).axes) == 2
    assert "at depth 1000000" in figure.read(table)
