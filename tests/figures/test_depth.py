"""Races against depth: the kernel, the search for the best step, censoring, and the published table."""

import numpy as np
import pytest

import thalweg as tw
from thalweg.descent.descenders import LayerDescent
from thalweg.figures import depth as figure
from thalweg.figures.base import Work
from thalweg.figures.race_kernel import race


def layers_of(network):
    return np.array(list(network.layers))


@pytest.mark.parametrize("kind", ["zas", "near_identity", "xavier", "orthogonal"])
def test_the_race_is_won_as_if_all_had_run_alone(kind):
    """Each step size alone, in NumPy, over all layers."""
    rng = np.random.default_rng(5)
    Phi = figure.gaussian(rng)
    target, cap = tw.Target(Phi), 200
    level = 1e-3 * target.excess(Phi)
    network = figure.start(kind, 4, np.random.SeedSequence(2))
    alone = []
    for step in figure.STEPS:
        made, why = LayerDescent(network, target, float(step), 0.0).advance(cap, level, 1e30)
        alone.append(made if why == 1 else cap + 1)
    iterations, winner = race(layers_of(network), Phi, figure.STEPS, level, cap)
    if min(alone) > cap:
        assert (iterations, winner) == (-1, -1)
    else:
        assert (iterations, winner) == (min(alone), int(np.argmin(alone)))


def test_some_races_are_won_and_some_are_not():
    """So that the test above says something of both."""
    Phi = figure.gaussian(np.random.default_rng(5))
    level = 1e-3 * 0.5 * np.sum(Phi**2)
    starts = [layers_of(figure.start(kind, 4, np.random.SeedSequence(2))) for kind in ("zas", "near_identity")]
    assert [race(start, Phi, figure.STEPS, level, 20)[0] > 0 for start in starts] == [True, False]


@pytest.mark.parametrize("depth", [5, 20])
def test_zas_takes_as_long_as_mode_by_mode(depth):
    Phi = figure.gaussian(np.random.default_rng(3))
    made, step = figure.best(tw.init.zas(depth, figure.DIM), Phi, 1000)
    target = tw.Target(Phi)
    level = figure.ACCURACY * target.excess(Phi)
    traj = tw.descend(tw.init.zas(depth, 5), target, step_size=step, steps=1000, stop=tw.LossBelow(level))
    assert traj.iteration[-1] == made


def test_diverging_runs_drop_out():
    start, Phi = np.tile(3.0 * np.eye(figure.DIM), (3, 1, 1)), np.eye(figure.DIM)
    assert race(start, Phi, np.array([10.0, 5.0]), 1e-12, 1000) == (-1, -1)
    assert race(start, Phi, np.array([10.0, 0.001]), 1e-12, 100_000)[1] == 1


def test_the_grid_keeps_away_from_the_step_that_solves_everything_at_once():
    Phi = figure.gaussian(np.random.default_rng(0))
    assert race(layers_of(tw.init.zas(7, 5)), Phi, np.array([1.0]), 1e-20, 5)[0] == 1
    assert figure.STEPS.max() == 0.75
    assert (np.abs(figure.STEPS - 1.0) > 0.1).all()


def test_targets():
    for seed in range(5):
        rng = np.random.default_rng(seed)
        assert np.linalg.det(figure.negative_determinant(rng)) < 0
        assert np.linalg.matrix_rank(figure.rank_deficient(rng)) == figure.DIM - 2
    np.testing.assert_array_equal(figure.negative_identity(rng), -np.eye(figure.DIM))


@pytest.fixture(scope="module")
def table():
    return figure.measure(figure.Setting((5, 20), 4, 400), Work())


def test_medians_are_those_of_the_published_table(table):
    """Five seeds gave ZAS 51 [32, 68] and 205 [83, 414] on Gaussian targets, near-identity 1404, Xavier 3734."""
    assert 32 <= figure.median(table, 5, "Gaussian", "zas") <= 68
    assert 83 <= figure.median(table, 20, "Gaussian", "zas") <= 414
    for kind in ("near_identity", "xavier"):
        assert figure.median(table, 5, "Gaussian", kind) == np.inf  # more than the cap of 400
    for target in figure.TARGETS:
        assert table["solved"][(table["start"] == "zas") & (table["target"] == target) & (table["depth"] == 5)].all()


def test_censored_runs_are_counted_as_such(table):
    for target in figure.TARGETS:
        for kind in figure.STARTS:
            mine = (table["depth"] == 5) & (table["target"] == target) & (table["start"] == kind)
            x, y, given_up = figure.share_solved(table, 5, target, kind)
            assert given_up == 4 - len(x) == (~table["solved"][mine]).sum()
            assert (table["iterations"][mine & ~table["solved"]] == 400).all()
            np.testing.assert_array_equal(y, np.arange(1, len(x) + 1) / 4)
            for k in (10, 100, 400):
                there = (table["iterations"][mine] <= k) & table["solved"][mine]
                assert there.mean() == (y[x <= k][-1] if (x <= k).any() else 0.0)
    assert not table["solved"].all()
    assert np.isnan(table["step_size"][~table["solved"]]).all()


def test_the_reading_counts_what_the_table_holds(table):
    said = figure.read(table)
    for kind, label in (("zas", "ZAS"), ("xavier", "Xavier")):
        mine = table["start"] == kind
        assert f"{label} {table['solved'][mine].sum()} of {mine.sum()}" in said
    assert "400 iterations were given up" in said


def test_the_picture_has_a_panel_for_each_target_and_depth(table):
    assert len(figure.picture(table).axes) == 4 * 2
