"""Cost against depth: what is counted, against the engines and the proved bounds."""

import numpy as np
import pytest

import thalweg as tw
from thalweg.figures import depth_free as figure
from thalweg.figures.base import Work


@pytest.fixture(scope="module")
def table():
    return figure.measure(figure.Setting((3, 10, 1000), 10), Work())


def test_all_layers_take_the_same_iterations_and_the_same_time_of_the_flow(table):
    for pair in (("GD at eta*", "GD at eta*, all layers"), ("flow", "flow, all layers")):
        reduced, whole = (figure.of(table, way, "needed")[1] for way in pair)
        assert len(whole) == 2
        # Both flows are interpolated between their own output times.
        np.testing.assert_allclose(reduced[:2], whole, rtol=0 if pair[0].startswith("GD") else 1e-3)


def test_iterations_are_within_the_proved_bound(table):
    norm = figure.target(0).norm
    depths, steps = figure.of(table, "GD at eta*", "needed")
    push = (depths - 1) * norm**2
    assert (steps <= (np.maximum(np.e, push) + push) / 2 * np.log(1e10) + 1).all()
    assert (figure.of(table, "GD from a larger identity", "needed")[1] <= 37).all()


def test_the_time_of_the_flow_is_when_the_loss_is_there(table):
    goal = figure.target(0)
    for depth, t in zip(*figure.of(table, "flow", "needed"), strict=True):
        traj = tw.flow(tw.init.zas(int(depth), figure.DIM), goal, t_end=t, times=[t], progress=False)
        assert traj.loss[0] / goal.excess(goal.Phi) == pytest.approx(1e-10, rel=0.05)


def test_the_target_is_well_conditioned():
    assert all(np.linalg.cond(figure.target(seed).Phi) <= 5 for seed in range(3))


def test_it_is_drawn_and_read(table):
    assert len(figure.picture(table).axes) == 3
    assert "At depth 1000" in figure.read(table)
