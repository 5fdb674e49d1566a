"""The page of a study: shares with their intervals, thresholds, outcomes, costs, and what is left to do."""

import pytest
from page import read
from scipy.stats import binomtest

import thalweg as tw

SPEC = """
[study]
name = "<script>alert(1)</script>"
method = "descend"
[grid]
d = [10, 20]
n = [10, 20, 40]
p = [30]
[trials]
repetitions = 8
seed = 7
[descend]
steps = "published"
[success]
loss_below = "1/(2n)"
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study") / "store"
    tw.study.run_study(tw.study.Study.from_toml(SPEC), folder, tw.study.serial())
    return folder


def page_of(store, folder):
    return read(tw.report.write(tw.study.results(store), folder / "study.html"))


def test_the_phase_diagram_has_shares_and_exact_intervals(store, tmp_path):
    drawn = page_of(store, tmp_path).lines("Phase diagram")
    found = tw.study.results(store)
    assert sorted(drawn) == ["d = 10", "d = 20"]
    seen = 0
    for cell, trials in found:
        line = drawn[f"d = {cell.d}"]
        k = line["x"].index(cell.n)
        own = binomtest(int(trials["success"].sum()), len(trials)).proportion_ci(method="exact")
        share = 100 * trials["success"].mean()
        assert line["y"][k] == pytest.approx(share)
        assert line["y"][k] - line["error_y"]["arrayminus"][k] == pytest.approx(100 * own.low, abs=1e-4)
        assert line["y"][k] + line["error_y"]["array"][k] == pytest.approx(100 * own.high, abs=1e-4)
        seen += 1
    assert seen == 6


def test_thresholds_outcomes_and_costs_add_up(store, tmp_path):
    page, found = page_of(store, tmp_path), tw.study.results(store)
    thresholds = {row[0]: row[1:] for row in page.tables["Thresholds"][1:]}
    for cells, own in found.thresholds():
        row = thresholds[f"d = {cells[0].d}"]
        assert float(row[0].replace("infinite", "inf")) == pytest.approx(own.estimate, rel=1e-3)
        assert int(row[4]) == 24
    outcomes = page.tables["Outcomes"]
    assert [sum(map(int, row[1:])) for row in outcomes[1:]] == [24, 24]
    costs = page.lines("Cost")
    computed = sum(8 * seconds for line in costs.values() for seconds in line["y"])
    assert computed == pytest.approx(sum(entry.seconds for entry in found.store.entries), rel=1e-5)


def test_the_page_names_the_seed_and_the_whole_specification(store, tmp_path):
    page = page_of(store, tmp_path)
    assert SPEC.strip() in [text.strip() for text in page.texts]
    assert "<dt>seed</dt><dd>7" in page.text
    assert "<dt>cells</dt><dd>p = 30, descend, step size 1.0, precision float64, law sphere" in page.text
    assert "covered False" not in page.text
    assert "Complete: 48 trials in 6 cells" in page.text
    assert not page.of("progress")
    assert "<script>alert" not in page.text
    assert page.text.count("&lt;script&gt;alert(1)") >= 2


def test_a_study_that_is_not_complete_says_so(tmp_path):
    folder = tmp_path / "store"
    tw.study.run_study(tw.study.Study.from_toml(SPEC), folder, tw.study.serial())
    for cell in tw.study.results(folder).store.study.cells[:3]:
        for chunk in (folder / "chunks").glob(f"*{cell.key}*"):
            chunk.unlink()
    page = page_of(folder, tmp_path)
    (bar,) = page.of("progress")
    left = len(page.tables["Phase diagram"]) - 1
    assert left < 6
    assert (bar["value"], bar["max"]) == (str(8 * left), "48")
    assert f"Not complete: {8 * left} trials in 6 cells, of at most 48" in page.text
    assert f"thalweg study resume {folder}" in page.text


def test_a_study_without_trials_is_shown_without_charts(tmp_path):
    with tw.study.Store.writing(tmp_path / "store", tw.study.Study.from_toml(SPEC)):
        pass
    page = page_of(tmp_path / "store", tmp_path)
    assert page.charts == {}
    assert "Not complete: 0 trials in 6 cells" in page.text


def test_groups_are_told_apart_by_what_differs(tmp_path):
    varied = SPEC.replace('"descend"', '["descend", "flow"]', 1).replace("p = [30]", 'p = "coverage(0.05)"')
    varied = varied.replace("n = [10, 20, 40]", "n = [4, 8]").replace("repetitions = 8", "repetitions = 1")
    study = tw.study.Study.from_toml(varied + "[flow]\nt_end = 0.5\n")
    tw.study.run_study(study, tmp_path / "store", tw.study.serial())
    page = page_of(tmp_path / "store", tmp_path)
    expected = [f"d = {d}, {method}" for method in ("descend", "flow") for d in (10, 20)]
    assert list(page.lines("Phase diagram")) == list(page.lines("Cost")) == expected
    assert "<dd>p = 16 to 18, step size 1.0" in page.text


def test_thresholds_of_groups_that_share_their_first_cell_are_told_apart(tmp_path):
    shared = SPEC.replace("d = [10, 20]", "d = 10").replace("p = [30]", 'p = [19, "coverage(0.05)"]')
    tw.study.run_study(tw.study.Study.from_toml(shared), tmp_path / "store", tw.study.serial())
    rows = page_of(tmp_path / "store", tmp_path).tables["Thresholds"][1:]
    assert [row[0] for row in rows] == ["p = 19", "p = 19 to 24"]
