"""Studies: cells, stores, designs, executors; the same bits however they are run."""

import dataclasses
import json
import os
import sqlite3
import tracemalloc
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from fake_trials import spec

import thalweg as tw
from thalweg.study import TRIAL, Cell, Ending, Store, Study, processes, results, run_study
from thalweg.study.designs import Precise, Search

REAL = """
[study]
name = "real"
method = ["descend", "flow"]
[grid]
n = [6, 9]
d = 12
p = "coverage(0.05)"
[trials]
repetitions = 4
seed = 3
[descend]
steps = "published"
[flow]
t_end = 50.0
[success]
loss_below = "1/(2n)"
"""


def bits(folder):
    """Return every trial of a store, cell by cell, as bytes."""
    return {cell.key: trials.tobytes() for cell, trials in results(folder)}


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    folder = tmp_path_factory.mktemp("real") / "store"
    report = run_study(Study.from_toml(REAL), folder)
    assert (report.ending, report.made) == (Ending.COMPLETE, 16)
    return folder


def test_trials_are_those_of_the_functions_of_the_library(real):
    for cell, trials in results(real):
        data, network = cell.draw(3, 2)
        if cell.method == "descend":
            run = tw.descend(network, data, step_size=1.0, steps=cell.steps, stop=tw.LossBelow(1 / (2 * cell.n)))
            assert trials["steps_made"][2] == run.iteration[-1]
        else:
            run = tw.flow(network, data, t_end=50.0, times=[0.0, 50.0], stop=tw.LossBelow(1 / (2 * cell.n)))
            assert trials["t"][2] == run.t[-1]
            assert trials["curvature_upper"][2] == run.curvature_upper[-1]
        assert trials["loss"][2] == run.loss[-1]
        assert trials["curvature"][2] == run.curvature[-1]
        assert trials["average_curvature"][2] == pytest.approx(np.log(run.loss[0] / run.loss[-1]) / run.t[-1])
        assert trials["success"][2] == (run.loss[-1] <= 1 / (2 * cell.n))
        assert trials["outcome"][2].decode() == run.outcome.name


def test_flows_that_reach_their_time_are_recorded_at_their_end():
    cell = Cell(n=9, d=4, p=12, method="flow", t_end=1.5, rtol=1e-6, loss_below=1e-9)
    trial, (data, network) = cell.run(1, 0), cell.draw(1, 0)
    run = tw.flow(network, data, t_end=1.5)
    assert (trial["outcome"], trial["t"]) == (b"REACHED_END", 1.5)
    assert trial["loss"] == pytest.approx(run.loss[-1], rel=1e-9)
    assert trial["loss"] < network.loss(data)


def test_the_bits_are_the_same_on_processes_and_on_any_executor(real, tmp_path):
    assert run_study(Study.from_toml(REAL), tmp_path / "two", processes(2)).made == 16
    assert bits(tmp_path / "two") == bits(real)
    with ThreadPoolExecutor(8) as pool:
        run_study(Study.from_toml(REAL), tmp_path / "eight", tw.study.executor(pool, 8))
    assert bits(tmp_path / "eight") == bits(real)


def test_trials_depend_neither_on_the_grid_nor_on_how_often_it_is_resumed(real, tmp_path):
    grown = tmp_path / "grown"
    for n, repetitions in (("[9]", 1), ("[9, 6]", 3), ("[9, 6]", 4)):
        text = REAL.replace("[6, 9]", n).replace("repetitions = 4", f"repetitions = {repetitions}")
        run_study(Study.from_toml(text), grown)
    assert bits(grown) == bits(real)
    assert run_study(None, grown).made == 0


def test_methods_are_compared_on_the_same_problems_and_seeds_differ():
    one = Cell(n=5, d=4, p=3, method="descend", steps=10, loss_below=0.1)
    other = dataclasses.replace(one, method="flow", steps=None, t_end=1.0)
    assert one.key != other.key
    (X, W), (X2, W2) = ((data.X, network.W) for data, network in (one.draw(1, 0), other.draw(1, 0)))
    assert np.array_equal(X, X2)
    assert np.array_equal(W, W2)
    states = {
        cell.seeds(seed, trial)[part].generate_state(2).tobytes()
        for cell in (one, dataclasses.replace(one, n=6))
        for seed in (1, 2)
        for trial in (0, 1)
        for part in (0, 1)
    }
    assert len(states) == 16


def test_starts_that_are_to_cover_do(monkeypatch):
    cell = Cell(n=20, d=20, p=12, law="orthogonal", covered=True, scale=0.01)
    data, network = cell.draw(5, 0)
    on = (network.W @ data.X.toarray().T > 0) & (np.sign(network.a)[:, None] == np.sign(data.y))
    assert on.any(axis=0).all()
    uncovered = [dataclasses.replace(cell, covered=False).draw(5, k) for k in range(20)]
    assert not all(tw.study.cell.covers(network, data) for data, network in uncovered)
    monkeypatch.setattr(tw.study.cell, "_REDRAWS", 20)
    with pytest.raises(tw.InputError, match="larger width"):
        dataclasses.replace(cell, p=1, n=60, d=60).draw(5, 0)


def test_certified_success_of_the_flow(tmp_path):
    text = (
        REAL.replace('loss_below = "1/(2n)"', "certified = true")
        .replace('["descend", "flow"]', '"flow"')
        .replace('[descend]\nsteps = "published"\n', "")
    )
    run_study(Study.from_toml(text.replace("d = 12", "d = 200").replace("50.0", "1e4")), tmp_path / "store")
    for row in results(tmp_path / "store").table():
        assert set(row["outcomes"]) <= {"CERTIFIED", "CERTIFIED_STUCK"}
        assert row["outcomes"]["CERTIFIED"] == row["successes"] > 0


def test_table_pandas_xarray_and_parquet_agree(real, tmp_path):
    pytest.importorskip("xarray")
    duckdb = pytest.importorskip("duckdb")
    found = results(real)
    rows, frame, labelled = found.table(), found.to_pandas(), found.to_xarray()
    assert [row["trials"] for row in rows] == [4] * 4
    for k, row in enumerate(rows):
        here = frame[(frame.n == row["n"]) & (frame.method == row["method"])]
        assert here.success.sum() == row["successes"] == labelled.success[k].sum()
        assert (row["low"], row["high"]) == tw.stats.clopper_pearson(row["successes"], 4)
        assert here.loss.tolist() == labelled.loss[k].values.tolist()
        assert here.outcome.tolist() == labelled.outcome[k].values.tolist()
        assert (labelled.n[k], labelled.method[k]) == (row["n"], row["method"])
    path = found.to_parquet(tmp_path / "it's.parquet")
    with duckdb.connect() as database:
        name = str(path).replace("'", "''")
        back = database.execute(f"SELECT loss, success, outcome, n FROM '{name}' ORDER BY ALL").fetchall()
    assert back == sorted(zip(frame.loss, frame.success, frame.outcome, frame.n, strict=True))


def test_an_index_that_is_missing_broken_or_out_of_date_is_rebuilt(real, tmp_path):
    folder = tmp_path / "store"
    study = Study.from_toml(spec())
    run_study(study, folder)
    whole, index = bits(folder), folder / "index.sqlite"
    seconds = sum(entry.seconds for entry in Store.reading(folder).entries)
    for spoil in (index.unlink, lambda: index.write_bytes(b"no database" * 400), lambda: index.write_bytes(b"")):
        spoil()
        assert bits(folder) == whole  # readers do without
        assert run_study(None, folder).made == 0
        with sqlite3.connect(index) as database:
            assert database.execute("SELECT SUM(seconds) FROM chunks").fetchone()[0] == pytest.approx(seconds)
    with sqlite3.connect(index) as database:
        database.execute("DELETE FROM chunks WHERE first = 0")
    assert bits(folder) == whole


def test_damaged_chunks_are_set_aside_and_made_again(tmp_path):
    folder = tmp_path / "store"
    run_study(Study.from_toml(spec()), folder)
    whole = bits(folder)
    truncated, flipped, empty = sorted((folder / "chunks").iterdir())[:3]
    content = flipped.read_bytes()
    truncated.write_bytes(truncated.read_bytes()[:-7])
    flipped.write_bytes(content[:-5] + bytes([content[-5] ^ 1]) + content[-4:])
    empty.write_bytes(b"")
    (folder / "chunks" / ".leftover.tmp").write_bytes(b"half a chunk")
    seen = results(folder)
    left = sum(len(trials) for _, trials in seen)
    assert left < 120
    assert len(set(seen.store.damaged)) == 3
    assert run_study(None, folder).made == 120 - left
    assert bits(folder) == whole
    assert len(list((folder / "damaged").iterdir())) == 3
    assert not list((folder / "chunks").glob(".*"))


def test_a_store_of_another_study_and_no_store_are_refused(tmp_path):
    folder = tmp_path / "store"
    run_study(Study.from_toml(spec(repetitions=1)), folder)
    for text in (spec().replace("seed = 7", "seed = 8"), spec().replace('"fake"', '"other"')):
        with pytest.raises(tw.InputError, match="'fake' with seed 7"):
            run_study(Study.from_toml(text), folder)
    for nothing in (tmp_path, tmp_path / "none", folder / "study.toml"):
        with pytest.raises(tw.InputError, match="holds no study"):
            results(nothing)
        with pytest.raises(tw.InputError, match="holds no study"):
            run_study(None, nothing)


def test_what_is_no_study_and_no_crew_is_refused(tmp_path):
    path = tmp_path / "spec.toml"
    path.write_text(spec())
    for refuse in (
        lambda: run_study(path, tmp_path / "store"),
        lambda: tw.study.plan(path, 2),
        lambda: tw.study.export_array(path, tmp_path / "store", 2),
    ):
        with pytest.raises(tw.InputError, match=r"'study' parameter of \w+ must be a Study.*spec\.toml"):
            refuse()
    with pytest.raises(tw.InputError, match=r"'crew' parameter of run_study must be a Crew.*Got 4\."):
        run_study(Study.load(path), tmp_path / "store", 4)
    assert not (tmp_path / "store").exists()


def test_trials_that_raise_have_no_result_and_the_others_do(tmp_path):
    for _ in range(2):
        report = run_study(Study.from_toml(spec("failing")), tmp_path / "store")
        assert report.ending is Ending.TRIALS_FAILED
        assert report.problems == (
            "trial 5 of n=90 d=3 p=2 sphere dominated fake_trials:failing: ArithmeticError: no such result",
        )
    missing = {cell.n: sorted(set(range(40)) - set(trials["trial"])) for cell, trials in results(tmp_path / "store")}
    assert missing == {60: [], 90: [5], 120: []}


def test_a_method_that_does_not_exist_is_reported_as_such(tmp_path):
    report = run_study(Study.from_toml(spec("nothing", repetitions=1)), tmp_path / "store")
    assert report.ending is Ending.TRIALS_FAILED
    assert "cannot be imported" in report.problems[0]
    assert "PYTHONPATH" in report.problems[0]


def search_text(trials, sizes="{ from = 20, to = 200, step = 4 }"):
    text = spec().replace("[60, 90, 120]", sizes).replace("repetitions = 40\n", "")
    return text + f'[design]\nkind = "threshold"\ntrials = {trials}\nbatch = 16\n'


def test_an_adaptive_search_makes_the_same_trials_resumed_and_on_any_number_of_workers(tmp_path):
    study = Study.from_toml(search_text(120))
    assert run_study(study, tmp_path / "one").made == 120
    for trials in (10, 37, 60, 120):
        run_study(Study.from_toml(search_text(trials)), tmp_path / "many")
    assert run_study(study, tmp_path / "many").made == 0
    # A smaller budget cuts the last batch short, so the budgets that came before leave trials of their own.
    ((_, threshold),) = results(tmp_path / "one").thresholds()
    assert threshold.low <= 100 <= threshold.high
    assert threshold.trials == 120
    again = run_study(study, tmp_path / "two", processes(2))
    assert again.made == 120
    assert bits(tmp_path / "two") == bits(tmp_path / "one")


def test_a_search_asks_for_nothing_it_cannot_know_yet():
    cells = [Cell(n=n, d=1, p=1) for n in (10, 20, 30, 40)]
    search = Search(trials=50, batch=16)
    made = {}
    while (wanted := search.wanted(cells, lambda cell: made.get(cell, np.zeros(0, bool)))) != [
        len(made.get(cell, ())) for cell in cells
    ]:
        assert sum(wanted) - sum(map(len, made.values())) <= 16
        for cell, count in zip(cells, wanted, strict=True):
            made[cell] = np.arange(count) % 2 == (cell.n < 25)
    assert sum(map(len, made.values())) == 50


def test_a_precise_design_stops_cells_that_are_known_well_enough(tmp_path):
    text = spec(sizes="20, 100", repetitions=300) + '[design]\nkind = "precision"\nwidth = 0.25\nbatch = 10\n'
    run_study(Study.from_toml(text), tmp_path / "store")
    certain, even = (trials for _, trials in results(tmp_path / "store"))
    assert len(certain) < len(even) < 300
    for trials in (certain, even):
        low, high = tw.stats.sequential_interval(int(trials["success"].sum()), len(trials))
        assert high - low <= 0.25
        before = trials["success"][:-10]
        low, high = tw.stats.sequential_interval(int(before.sum()), len(before))
        assert high - low > 0.25
    assert Precise(0.25, 10, 15)._wanted(np.zeros(10, bool)) == 15


def test_a_hundred_thousand_tiny_trials_take_little_room(tmp_path):
    """200 cells of 500 trials: memory, and what the folder takes on disk, in blocks, beside the results themselves."""
    sizes = ", ".join(map(str, range(1, 201)))
    study = Study.from_toml(spec("instant", sizes, repetitions=500))
    run_study(Study.from_toml(spec("instant")), tmp_path / "first")  # what is imported on the way is no matter
    tracemalloc.start()
    try:
        report = run_study(study, tmp_path / "store")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert report.made == 100_000
    files = [path.stat() for path in (tmp_path / "store").rglob("*") if path.is_file()]
    content = 100_000 * TRIAL.itemsize
    assert peak < content / 4
    assert sum(file.st_size for file in files) - content < 100 * 100_000 / 4
    assert sum(512 * file.st_blocks for file in files) - content < 100 * 100_000
    assert sum(int(trials["success"].sum()) for _, trials in results(tmp_path / "store")) == 200 * 167


def test_progress_counts_and_forecasts(tmp_path):
    seen = []
    run_study(Study.from_toml(spec("slow_coin", repetitions=60)), tmp_path / "store", on_progress=seen.append)
    assert (seen[-1].made, seen[-1].most, seen[-1].seconds_left) == (180, 180, 0.0)
    assert 0 < seen[-1].rate < 250  # 4 ms at least for each
    more = Store.reading(tmp_path / "store")
    more.study = Study.from_toml(spec("slow_coin", repetitions=160))
    now = tw.study.progress_of(more)
    assert (now.made, now.most) == (180, 480)
    each = sum(entry.seconds for entry in more.entries) / 180
    assert now.work_left == pytest.approx(300 * each, rel=0.2)


def test_the_cost_model_finds_powers_and_stays_sane_with_few_timings():
    law = lambda n, d, p, steps: 3e-9 * n**1.2 * d**0.8 * p * steps  # noqa: E731
    cells = [
        Cell(n=n, d=d, p=p, steps=s) for n in (100, 400, 1600) for d in (10, 80) for p in (20, 60) for s in (50, 400)
    ]
    model = tw.study.CostModel.of((cell, 3, 3 * law(cell.n, cell.d, cell.p, cell.steps)) for cell in cells)
    far = Cell(n=6400, d=160, p=100, steps=1000)
    assert model.seconds(far) == pytest.approx(law(6400, 160, 100, 1000), rel=0.35)
    assert model.seconds(cells[0]) == pytest.approx(law(100, 10, 20, 50))
    assert model.seconds(dataclasses.replace(far, method="flow")) is None
    single = tw.study.CostModel.of([(cells[0], 1, 1.0)])
    assert single.seconds(dataclasses.replace(cells[0], n=1000)) == pytest.approx(10.0, rel=1e-6)


def test_a_plan_counts_what_is_left_and_learns_from_the_store(tmp_path):
    run_study(Study.from_toml(spec("slow_coin", repetitions=30)), tmp_path / "store")
    million = Study.from_toml(spec("slow_coin", repetitions=350_000))
    found = tw.study.plan(million, 1000, tmp_path / "store")
    assert (found.trials, found.stored, found.timed) == (1_050_000, 90, 90)
    each = sum(entry.seconds for entry in Store.reading(tmp_path / "store").entries) / 90
    assert found.core_hours == pytest.approx((1_050_000 - 90) * each / 3600, rel=0.1)
    assert found.core_hours / 1000 <= found.wall_hours <= found.core_hours / 1000 + 10 / 3600
    assert found.disk > 1_050_000 * TRIAL.itemsize
    assert tw.study.plan(million, 1).timed == 9  # without a store a few trials are timed


def test_an_array_is_exported_computed_anywhere_and_merged(tmp_path):
    study, folder = Study.from_toml(spec()), tmp_path / "the store"
    run_study(Study.from_toml(spec(repetitions=3)), folder)
    script = tw.study.export_array(study, folder, jobs=4)
    text = script.read_text()
    tasks = (folder / "array" / "tasks.jsonl").read_text().splitlines()
    assert f"--array=0-{len(tasks) - 1}" in text
    assert f"'{folder.resolve()}'" in text
    made = [tw.study.run_array_task(folder, job)[0] for job in range(len(tasks))]
    assert sum(made) == 120 - 9
    assert tw.study.run_array_task(folder, 0) == (0, [])
    cut = sorted((folder / "inbox").iterdir())[0]
    lost = json.loads(cut.read_bytes().partition(b"\n")[0])
    assert lost["seed"] == 7
    cut.write_bytes(cut.read_bytes()[:-1])
    remade = run_study(None, folder).made
    assert remade == int(cut.stem.rsplit("-", 1)[1])
    run_study(study, tmp_path / "plain")
    assert bits(folder) == bits(tmp_path / "plain")
    with pytest.raises(tw.InputError, match="Nothing is left"):
        tw.study.export_array(study, folder, jobs=2)
    with pytest.raises(tw.InputError, match="0 to"):
        tw.study.run_array_task(folder, 99)
    with pytest.raises(tw.InputError, match="no task list"):
        tw.study.run_array_task(tmp_path, 0)


def test_chunks_that_overlap_are_counted_once(tmp_path):
    study, folder = Study.from_toml(spec(sizes="60", repetitions=10)), tmp_path / "store"
    run_study(study, folder)
    whole = bits(folder)
    from thalweg.study.work import Task, perform

    (folder / "inbox").mkdir()
    perform(Task(7, study.cells[0], 4, 10)).chunk.save(folder / "inbox")
    assert run_study(None, folder).made == 0
    assert bits(folder) == whole
    assert len(Store.reading(folder).entries) >= 2
    assert not os.listdir(folder / "inbox")
