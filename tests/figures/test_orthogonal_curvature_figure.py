"""Final curvature on orthogonal inputs: trials against direct runs, theorems, and the published points."""

import numpy as np
import pytest

import thalweg as tw
from thalweg.figures import orthogonal_curvature as figure
from thalweg.figures.base import Work
from thalweg.figures.published import published
from thalweg.study.rules import coverage_width
from thalweg.study.spec import Study

SPECIFICATION = """
[study]
name = "one"
method = "thalweg.figures.orthogonal_curvature:trial"
[grid]
n = 50
p = "coverage(0.05)"
law = "orthogonal"
scale = 0.01
covered = true
[trials]
repetitions = 1
seed = 3
[success]
loss_below = "1e-6/(2n)"
"""


@pytest.fixture(scope="module")
def table():
    parts = (figure.Part(1, (50, 90), 3), figure.Part(1, (1000, 1200), 2), figure.Part(3, (1000, 1100), 2))
    return figure.measure(parts, Work(seed=3))


@pytest.fixture(scope="module")
def cell():
    return Study.from_toml(SPECIFICATION).cells[0]


def test_the_law_is_the_published_one(cell):
    data, network = figure.draw(cell, 3, 0)
    X = data.X.toarray()
    assert X.shape == (50, 2000)
    assert np.count_nonzero(X) == 50
    assert (np.diag(X) >= 1).all()
    assert (np.diag(X) <= 2).all()
    assert network.W.shape == (coverage_width(50, 0.05), 2000)
    assert np.abs(network.W).max() <= 0.01 / np.sqrt(2000)
    # |a| = |w| + Exp(1), before the hidden weights are scaled.
    assert (np.abs(network.a) >= np.linalg.norm(network.W, axis=1) / 0.01 * (1 - 1e-12)).all()
    right = (X @ network.W.T > 0) & (np.sign(data.y)[:, None] == np.sign(network.a))
    assert right.any(axis=1).all()


def test_a_row_is_a_direct_run(table, cell):
    data, network = figure.draw(cell, 3, 0)
    level = 1e-6 / (2 * 50)
    traj = tw.flow(network, data, t_end=1e9, stop=tw.LossBelow(level))
    assert traj.loss[-1] <= level < traj.loss[-2]
    active = network.replace(W=traj.final.W, a=traj.final.a, invariant=None).preactivations(data.X) > 0
    S = (traj.final.a**2) @ active / network.p
    row = {name: table[name][0] for name in table}
    assert (row["multiple"], row["n"], row["p"], row["trial"]) == (1, 50, network.p, 0)
    assert row["asymptotic"] == pytest.approx(traj.curvature[-1], rel=1e-6)
    assert row["average"] == pytest.approx(np.log(traj.loss[0] / traj.loss[-1]) / traj.t[-1], rel=1e-9)
    assert row["lower"] == pytest.approx(2 / 50 * S.min(), rel=1e-9)
    assert row["upper"] == pytest.approx(16 / 50 * S.max(), rel=1e-9)
    # (2/n) min |x_i|^2 S_i <= mu <= (4/n) max |x_i|^2 S_i, with 1 <= |x_i| <= 2.
    assert row["lower"] <= traj.curvature_lower[-1] <= row["asymptotic"] <= traj.curvature_upper[-1] <= row["upper"]


def test_bounds_hold_and_widths_are_multiples(table):
    for name in ("asymptotic", "average"):
        assert (table["lower"] < table[name]).all()
        assert (table[name] < table["upper"]).all()
    for n, multiple, p in zip(table["n"], table["multiple"], table["p"], strict=True):
        assert p == multiple * coverage_width(int(n), 0.05)
    assert len(table["n"]) == 3 + 3 + 4 + 4


def test_means_agree_with_the_published_points():
    """500 published repetitions, 24 here: within four standard errors."""
    table = figure.measure((figure.Part(1, (1000,), 24),), Work(seed=1))
    rows = published("experiment_2").table
    assert rows["n"][0] == 1000
    for name, (*_, column) in figure.QUANTITIES.items():
        _, mean, error = figure.summary(table, 1, name)
        assert abs(mean[0] - np.exp(rows[column][0])) < 4 * error[0], name


def test_published_slopes():
    """As printed in the paper, to its two digits or so."""
    slopes = {"asymptotic": -0.81, "average": -0.73, "lower": -0.73, "upper": -0.50}
    for name, slope in slopes.items():
        assert figure.published_slope(name) == pytest.approx(slope, abs=0.02)


def test_slopes_of_a_law_are_found():
    n = np.repeat([1000, 1500, 2000, 8000], 3)
    law = {name: 5.0 * n**-0.5 / np.log(n) for name in figure.QUANTITIES}
    table = {"multiple": np.ones(12, int), "n": n, "p": np.full(12, 40), "trial": np.arange(12) % 3} | law
    fit = figure.scaling(table, 1, "average", 1000, 8000, log_power=-1.0)
    assert fit.slope == pytest.approx(-0.5, abs=1e-9)
    assert fit.factor == pytest.approx(5.0)
    within = figure.scaling(table, 1, "average", 1000, 2000)
    # The exponent of n^(-1/2)/log n over a range is -1/2 - 1/log n there.
    assert within.slope == pytest.approx(-0.5 - 1 / np.log(1414), abs=1e-2)


def test_the_reading_has_the_slopes(table):
    said = figure.read(table)
    for multiple, top in ((1, 1200), (3, 1100)):
        fit = figure.scaling(table, multiple, "asymptotic", 1000, top)
        assert f"asymptotic {fit.slope:.2f} [{fit.slope_interval[0]:.2f}, {fit.slope_interval[1]:.2f}]" in said
    assert f"published {figure.published_slope('lower'):.2f}" in said


def test_the_picture_draws_every_size(table):
    panels = figure.picture(table).axes
    assert [panel.get_title()[:9] for panel in panels] == ["Threshold", "3 times t", "Times the"]
    drawn = {x for line in panels[0].lines for x in np.asarray(line.get_xdata()).tolist()}
    assert {50, 90, 1000, 1200, 2000} <= drawn


def test_a_single_seed_has_no_bar_and_nothing_is_cut_off(table):
    n, multiple = (np.concatenate([table[name], [1_000_000 if name == "n" else 1]]) for name in ("n", "multiple"))
    other = {name: np.append(table[name], table[name].min() / 100) for name in table if name not in ("n", "multiple")}
    longer = {name: (other | {"n": n, "multiple": multiple})[name] for name in table}
    _, mean, reach = figure.summary(longer, 1, "lower")
    assert np.isnan(reach[-1])
    assert np.isfinite(reach[:-1]).all()
    first = figure.picture(longer).axes[0]
    assert first.get_ylim()[0] < 1e3 * mean[-1] < first.get_ylim()[1]
