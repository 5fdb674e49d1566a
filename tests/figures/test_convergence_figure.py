"""Convergence against n: rows against plain loops, tests against other formulas, numbers against their source."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import thalweg as tw
from thalweg.figures import convergence as figure
from thalweg.figures.agreement import combined_p_value, fisher_p_values
from thalweg.figures.base import Work
from thalweg.figures.published import published
from thalweg.study import Cell
from thalweg.study.rules import coverage_width, published_steps

# Where the published numbers were taken from, if it is kept beside the checkout.
SOURCE = Path(__file__).resolve().parents[3] / "shared" / "accept" / "published.json"
SMALL = figure.Setting(
    (
        figure.Run("budget", 5, (6, 12), 6),
        figure.Run("longer", 5, (6, 12), 4),
        figure.Run("flow", 5, (12,), 3),
        figure.Run("certified", 8, (6,), 2),
    )
)
SEED = 3


@pytest.fixture(scope="module")
def table():
    return figure.measure(SMALL, Work(SEED))


def solved(way, d, n, trial):
    """One trial, through nothing but the public functions."""
    p = coverage_width(n, 0.05)
    data, network = Cell(n=n, d=d, p=p).draw(SEED, trial)
    if way in ("budget", "longer"):
        steps = published_steps(n, p) * (20 if way == "longer" else 1)
        return tw.descend(network, data, step_size=1.0, steps=steps, stop=tw.LossBelow(1 / (2 * n))).loss[-1] <= 0.5 / n
    if way == "flow":
        level = 1e-4 / (2 * n)
        return tw.flow(network, data, t_end=1e5, stop=tw.LossBelow(level) | tw.Stationary()).loss[-1] <= level
    return tw.flow(network, data, t_end=1e5, stop=tw.Certified() | tw.Stationary()).outcome is tw.Outcome.CERTIFIED


def test_rows_are_those_of_plain_loops(table):
    before = {}
    for run in SMALL.runs:
        rows = figure.rows_of(table, run.way, run.d)
        assert rows["n"].tolist() == list(run.sizes)
        for k, n in enumerate(run.sizes):
            won = np.array([solved(run.way, run.d, n, trial) for trial in range(run.trials)])
            if run.way == "budget":
                before[run.d, n] = won
            left = ~before.get((run.d, n), np.ones(run.trials, bool))[: run.trials]
            assert rows["p"][k] == coverage_width(n, 0.05)
            assert (rows["successes"][k], rows["trials"][k]) == (won.sum(), run.trials)
            assert (rows["failed"][k], rows["rescued"][k]) == (left.sum(), (left & won).sum())
    assert table["failed"].sum() > 0
    assert table["rescued"].sum() > 0


def test_results_do_not_depend_on_the_number_of_workers():
    setting = figure.Setting(SMALL.runs[:2])
    one, two = (figure.measure(setting, Work(SEED, workers)) for workers in (1, 2))
    for name in one:
        np.testing.assert_array_equal(one[name], two[name])


def test_intervals_are_scipys(table):
    for s, m, low, high in zip(*(table[name] for name in ("successes", "trials", "low", "high")), strict=True):
        # Quantiles of the beta distribution, the textbook's form of Clopper and Pearson's interval.
        assert low == pytest.approx(stats.beta.ppf(0.025, s, m - s + 1) if s else 0.0)
        assert high == pytest.approx(stats.beta.ppf(0.975, s + 1, m - s) if s < m else 1.0)


def test_equal_rates_agree_and_a_shifted_curve_does_not():
    won = np.rint(80 * published("experiment_1_0").table["probability"]).astype(int)
    trials, shifted = np.full(17, 80), np.append(won[1:], 0)
    assert combined_p_value(won, trials, won, trials) == 1.0
    np.testing.assert_allclose(fisher_p_values(won, trials, won, trials), 1.0)
    assert combined_p_value(shifted, trials, won, trials) < 1e-6
    assert fisher_p_values(shifted, trials, won, trials).min() < 1e-4


def test_p_values_are_those_of_other_formulas():
    # Of one size, the statistic is Pearson's but for a factor of (N - 1)/N.
    pearson = stats.chi2_contingency([[9, 11], [54, 26]], correction=False).statistic
    assert combined_p_value([9], [20], [54], [80]) == pytest.approx(stats.chi2.sf(pearson * 99 / 100, 1))
    # Fisher's: all tables of these margins that are no more likely.
    law = stats.hypergeom(100, 63, 20)
    likely = law.pmf(np.arange(21))
    assert fisher_p_values([9], [20], [54], [80])[0] == pytest.approx(likely[likely <= law.pmf(9) * (1 + 1e-9)].sum())


def test_the_combined_p_value_is_uniform_if_the_rates_are_equal():
    rng = np.random.default_rng(5)
    rates = published("experiment_1_0").table["probability"]
    ours, theirs = (rng.binomial(m, rates, size=(400, 17)) for m in (40, 80))
    values = [combined_p_value(s, np.full(17, 40), k, np.full(17, 80)) for s, k in zip(ours, theirs, strict=True)]
    assert stats.kstest(values, "uniform").pvalue > 0.01


def beside_published(sizes, successes, trials):
    """Return a table of invented rows of the published protocol, and the published rows."""
    held = published("experiment_1_0").table
    n = np.concatenate([sizes, held["n"]])
    ours = np.arange(len(n)) < len(sizes)
    none = np.zeros(len(n), int)
    won = np.concatenate([successes, np.rint(80 * held["probability"]).astype(int)])
    counts = {"n": n, "trials": np.where(ours, trials, 80), "successes": won, "failed": none, "rescued": none}
    return {"way": np.where(ours, "budget", "published"), "d": none + 100, **counts}


def test_comparison_with_the_published_trials_at_common_sizes():
    table = beside_published(np.array([1675, 1650]), np.array([3, 9]), 20)  # no published trials at 1675
    said = figure.read(table)
    p_value = fisher_p_values([9], [20], [54], [80])[0]
    assert "At 1 published sizes with d = 100, 9 of our 20 trials succeed, and 54 of the 80 published ones" in said
    assert f"smallest p-value of {p_value:.2g}" in said
    assert f"one of {combined_p_value([9], [20], [54], [80]):.2g}" in said
    values = figure._p_values(table)
    assert values[1] == p_value
    assert np.isnan(np.delete(values, 1)).all()


def test_the_reading_tells_what_the_table_holds(table):
    said = figure.read(table)
    rows = figure.rows_of(table, "longer", 5)
    assert f"{rows['rescued'].sum()} of the {rows['failed'].sum()} that the published number" in said
    assert "1e-4/(2n)" in said
    assert "Fisher" not in said  # nothing here was published


def test_the_conclusion_follows_from_the_numbers():
    def invented(longer):
        ways = ["budget"] * 3 + ["longer"] * 3
        won = np.array([40, 20, 0, *longer])
        none = np.zeros(6, int)
        columns = {"d": none + 10, "n": np.array([20, 30, 40] * 2), "trials": none + 40, "successes": won}
        return {"way": np.array(ways), "failed": none, "rescued": none, **columns}

    assert "is that of its number of steps" in figure.read(invented([40, 40, 40]))
    assert "N beyond the sizes tried, above 4" in figure.read(invented([40, 40, 40]))
    assert "N beyond the sizes tried, above" in figure.read(invented([40, 40, 38]))  # a fit would extrapolate
    assert "do not tell the thresholds apart" in figure.read(invented([40, 21, 1]))


def test_the_picture_has_a_panel_for_each_dimension(table):
    titles = [ax.get_title() for ax in figure.picture(table).axes]
    assert [title.split(",")[0] for title in titles] == ["d = 8", "d = 5"]


def test_the_published_numbers_are_those_of_their_source():
    if not SOURCE.exists():
        pytest.skip("the file that the published numbers were taken from is not on this machine")
    source = json.loads(SOURCE.read_text(encoding="utf-8"))
    for name in ("experiment_1_0", "experiment_2"):
        held = published(name)
        assert (held.source, held.protocol) == (source["source"], source[name]["protocol"])
        for column, values in held.table.items():
            assert values.tolist() == [row[column] for row in source[name]["rows"]]


def test_published_rates_are_numbers_of_80_trials():
    held = published("experiment_1_0").table
    won = 80 * held["probability"]
    np.testing.assert_allclose(won, np.rint(won), atol=1e-9)
    assert held["p"].tolist() == [coverage_width(n, 0.05) for n in held["n"].tolist()]
