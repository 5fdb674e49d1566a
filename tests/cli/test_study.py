"""thalweg study: run, resume, status, table, plan, arrays; exit codes and refusals."""

import json

import pytest
from test_cli import assert_refused, run

import thalweg as tw

SPEC = """
[study]
name = "small"
method = "descend"
[grid]
d = [10]
n = [20, 40]
p = [30]
[trials]
repetitions = 6
seed = 7
[descend]
steps = "published"
[success]
loss_below = "1/(2n)"
"""


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "spec.toml"
    path.write_text(SPEC)
    return path


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = tmp_path_factory.mktemp("done")
    (folder / "spec.toml").write_text(SPEC)
    result = run("study", "run", folder / "spec.toml", "--store", folder / "store")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("All trials are made.")
    return folder / "store"


def test_the_table_has_the_rows_of_the_contract(done):
    rows = json.loads(run("study", "table", done, "--json").stdout)
    assert [(row["d"], row["n"], row["p"], row["trials"]) for row in rows] == [(10, 20, 30, 6), (10, 40, 30, 6)]
    for row in rows:
        assert (row["low"], row["high"]) == tw.stats.clopper_pearson(row["successes"], 6)
        assert sum(row["outcomes"].values()) == 6
    assert rows[0]["successes"] > rows[1]["successes"]
    text = run("study", "table", done).stdout.splitlines()
    assert text[0].split() == ["d", "n", "p", "trials", "successes", "low", "high"]
    assert text[1].split()[:5] == ["10", "20", "30", "6", str(rows[0]["successes"])]
    assert text[3].startswith("threshold")


def test_thresholds_name_what_tells_their_groups_apart(spec, tmp_path):
    spec.write_text(SPEC.replace("p = [30]", 'p = [19, 21, "coverage(0.05)"]\nslope = [0, 0.1]'))
    assert run("study", "run", spec, "--store", tmp_path / "store").exit_code == 0
    lines = [line for line in run("study", "table", tmp_path / "store").stdout.splitlines() if "threshold" in line]
    widths = ("p = 19", "p = 21", "p = 21 to 24")
    expected = [f"({width}, slope {slope})" for slope in ("0.0", "0.1") for width in widths]
    assert [line[line.index("(") : line.index(")") + 1] for line in lines] == expected


def test_a_threshold_beyond_the_sizes_tried_is_given_no_number(spec, tmp_path):
    for sizes, where in (("[3, 4]", "beyond"), ("[900, 1000]", "below")):
        store = tmp_path / where
        spec.write_text(SPEC.replace("[20, 40]", sizes))
        assert run("study", "run", spec, "--store", store).exit_code == 0
        last = run("study", "table", store).stdout.splitlines()[-1]
        assert f"half of the trials succeed {where} the sizes tried; 95 % from" in last


def test_the_table_writes_parquet(done, tmp_path):
    duckdb = pytest.importorskip("duckdb")
    result = run("study", "table", done, "--parquet", tmp_path / "trials.parquet")
    assert result.exit_code == 0, result.output
    with duckdb.connect() as database:
        assert database.execute(f"SELECT count(*) FROM '{tmp_path}/trials.parquet'").fetchone() == (12,)
    assert_refused(run("study", "table", done, "--parquet", tmp_path / "no" / "t.parquet"), "folder")


def test_status_and_resume(done, spec, tmp_path):
    answer = json.loads(run("study", "status", done, "--json").stdout)
    assert (answer["complete"], answer["made"], answer["most"], answer["driver"]) == (True, 12, 12, None)
    assert json.loads(run("study", "resume", done, "--json").stdout)["made"] == 0
    store = tmp_path / "store"
    assert run("study", "run", spec, "--store", store).exit_code == 0
    (store / "chunks").joinpath(next((store / "chunks").iterdir()).name).unlink()
    status = run("study", "status", store)
    assert status.exit_code == 1
    assert "stopped" in status.stdout
    assert f"thalweg study resume {store}" in status.stdout
    resumed = run("study", "resume", store, "--json")
    assert json.loads(resumed.stdout)["ending"] == "COMPLETE"
    assert run("study", "table", store, "--json").stdout == run("study", "table", done, "--json").stdout


def test_a_damaged_file_is_told_beside_the_table(spec, tmp_path):
    store = tmp_path / "store"
    run("study", "run", spec, "--store", store)
    path = min((store / "chunks").iterdir())
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    result = run("study", "table", store, "--json")
    assert sum(row["trials"] for row in json.loads(result.stdout)) < 12
    assert f"{path.name} is damaged and left out" in result.stderr
    assert f"study resume {store}" in result.stderr


def test_commands_to_go_on_with_can_be_pasted(spec, tmp_path):
    store, done = tmp_path / "two words", tmp_path / "two words" / "done"
    assert f"resume '{store}'" in run("study", "export-array", spec, "--store", store).stdout
    script = (store / "array" / "submit.sh").read_text()
    assert script.count(f"'{store}") == 3
    assert f"sbatch '{store}/array/submit.sh'" in script
    for verb in ("status", "table"):
        assert f"next       thalweg study resume '{store}'" in run("study", verb, store).stdout
    assert f"next       thalweg study table '{store}'" in run("study", "run", spec, "--store", store).stdout
    assert f"--store '{done}'" in run("study", "status", done).stderr
    path = min((store / "chunks").iterdir())
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    assert f"mend it with: thalweg study resume '{store}'" in run("study", "table", store).stderr


def test_a_running_study_is_seen_and_a_second_driver_refused(done, spec):
    with tw.study.Store.writing(done):
        assert "process" in json.loads(run("study", "status", done, "--json").stdout)["driver"]
        assert_refused(run("study", "run", spec, "--store", done), "Another driver", "process")
        assert_refused(run("study", "resume", done, "--json"), "Another driver")


def test_plan(done, spec, tmp_path):
    spec.write_text(SPEC.replace("repetitions = 6", "repetitions = 500_000"))
    answer = json.loads(run("study", "plan", spec, "--workers", 1000, "--store", done, "--json").stdout)
    assert (answer["trials"], answer["stored"], answer["workers"]) == (1_000_000, 12, 1000)
    assert answer["core_hours"] > answer["wall_hours"] > 0
    text = run("study", "plan", spec, "--workers", 1000).stdout
    for word in ("wall time", "core-hours", "memory", "disk", "1000 workers"):
        assert word in text


def test_an_array_from_export_to_table(done, spec, tmp_path):
    store = tmp_path / "store"
    result = run("study", "export-array", spec, "--store", store, "--jobs", 2)
    assert result.exit_code == 0, result.output
    assert "sbatch" in result.stdout
    again = run("study", "export-array", spec, "--store", store, "--jobs", 2, "--json")
    assert json.loads(again.stdout)["saved"] == [str(store / "array" / "submit.sh")]
    assert run("study", "array-task", store, 0).exit_code == 0
    assert json.loads(run("study", "array-task", store, 1, "--json").stdout) == {"made": 6, "problems": []}
    assert "No trials yet." in run("study", "table", store).stdout
    status = run("study", "status", store).stdout
    assert "inbox      2 files with results" in status
    assert "rate" not in status
    assert "left" not in status
    assert json.loads(run("study", "resume", store, "--json").stdout)["made"] == 0
    assert run("study", "table", store, "--json").stdout == run("study", "table", done, "--json").stdout


def test_trials_that_raise_are_exit_code_1(spec, tmp_path):
    spec.write_text(SPEC.replace('"descend"', '"nowhere:nothing"').replace('[descend]\nsteps = "published"\n', ""))
    result = run("study", "run", spec, "--store", tmp_path / "store")
    assert result.exit_code == 1
    assert "cannot be imported" in result.stdout
    array = run("study", "export-array", spec, "--store", tmp_path / "store", "--jobs", 1)
    assert array.exit_code == 0
    assert run("study", "array-task", tmp_path / "store", 0).exit_code == 1


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["run", "none.toml", "--store", "store"], ["none.toml"]),
        (["run", "{spec}", "--store", "/dev/null/store"], ["store", "cannot be made"]),
        (["run", "{spec}", "--store", "{tmp}/s", "--workers", "0"], ["--workers", "0"]),
        (["resume", "{tmp}"], ["holds no study"]),
        (["status", "{tmp}"], ["holds no study"]),
        (["table", "{tmp}"], ["holds no study"]),
        (["plan", "{spec}", "--workers", "0"], ["workers", "0"]),
        (["export-array", "{spec}", "--store", "{tmp}/s", "--jobs", "0"], ["jobs", "0"]),
        (["array-task", "{tmp}", "0"], ["no task list"]),
    ],
)
def test_bad_input_is_refused_in_one_line(words, expected, spec, tmp_path):
    assert_refused(run("study", *(word.format(spec=spec, tmp=tmp_path) for word in words)), *expected)
    spec.write_text(SPEC.replace("n = [20, 40]", "n = [0]"))
    assert_refused(run("study", "run", spec, "--store", tmp_path / "s"), "'grid.n'", "0")
