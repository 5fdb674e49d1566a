"""The command line: what it writes, what it prints for machines, and how it refuses."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

import thalweg as tw
from thalweg.cli import app

SMALL = ["flow", "--law", "sphere", "--n", "8", "--d", "12", "--width", "5", "--t-end", "4"]


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def table(tmp_path):
    """A small .csv with a column of labels."""
    rng = np.random.default_rng(0)
    rows = ["height,weight,answer"]
    rows += [f"{u:.3f},{v:.3f},{'yes' if u > v else 'no'}" for u, v in rng.normal(size=(9, 2))]
    path = tmp_path / "table.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def assert_refused(result, *words):
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("thalweg: ")
    for word in words:
        assert word in result.stderr


def test_flow_on_a_law_saves_and_reports(tmp_path):
    out, report = tmp_path / "run.npz", tmp_path / "run.html"
    result = run(*SMALL, "--seed", 3, "--out", out, "--report", report)
    assert result.exit_code == 0, result.output
    traj = tw.Trajectory.load(out)
    assert (traj.data.n, traj.data.d, traj.final.p, traj.t[-1]) == (8, 12, 5, 4.0)
    assert "</html>" in report.read_text(encoding="utf-8")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.html", "run.npz"]
    assert "reached t_end" in result.output
    assert "run.npz" in result.output


def test_json_is_all_of_stdout_and_agrees_with_the_file(tmp_path):
    out = tmp_path / "run.npz"
    result = run(*SMALL, "--out", out, "--json")
    assert result.exit_code == 0, result.output
    answer, traj = json.loads(result.stdout), tw.Trajectory.load(out)
    assert answer["loss"] == traj.loss[-1]
    assert answer["curvature"] == traj.curvature[-1]
    assert answer["outcome"] == traj.outcome.name == "REACHED_END"
    assert sum(answer["modes"].values()) == 8 * 5
    assert answer["saved"] == [str(out)]
    assert answer["audit"]["largest_loss_increase"] == 0


def test_a_seed_decides_the_run():
    one, same, other = (json.loads(run(*SMALL, "--seed", seed, "--json").stdout) for seed in (1, 1, 2))
    assert one == same
    assert one["loss"] != other["loss"]


def test_flow_on_a_table(table):
    result = run("flow", "--data", table, "--target", "answer", "--width", 4, "--t-end", 2, "--json")
    assert result.exit_code == 0, result.output
    answer = json.loads(result.stdout)
    assert (answer["data"]["n"], answer["data"]["d"]) == (9, 2)
    assert answer["loss"] < answer["loss_at_start"]


@pytest.mark.parametrize("init", ["dominated", "balanced", "gaussian"])
def test_initializations_and_a_leaky_activation(init):
    words = ["--init", init, "--activation", "leaky_relu", "--slope", "0.2", "--json"]
    answer = json.loads(run(*SMALL, *words).stdout)
    assert answer["network"] == {"p": 5, "activation": "leaky_relu", "slope": 0.2}


def test_a_loss_asked_for_and_missed_is_exit_code_1(tmp_path):
    out = tmp_path / "run.npz"
    missed = run(*SMALL, "--loss-below", "1e-12", "--out", out)
    assert missed.exit_code == 1
    assert tw.Trajectory.load(out).outcome is tw.Outcome.REACHED_END  # kept all the same
    words = ["flow", "--law", "orthogonal", "--n", "6", "--width", "30", "--t-end", "1e4", "--json"]
    reached = run(*words, "--loss-below", "1e-3")
    assert reached.exit_code == 0
    assert json.loads(reached.stdout)["outcome"] == "LOSS_BELOW"


def test_an_interrupted_run_is_saved_and_is_exit_code_1(tmp_path, monkeypatch):
    whole = tw.flow

    def interrupted(*args, **keywords):
        import dataclasses

        return dataclasses.replace(whole(*args, **keywords), outcome=tw.Outcome.INTERRUPTED)

    monkeypatch.setattr(tw, "flow", interrupted)
    result = run(*SMALL, "--out", tmp_path / "run.npz")
    assert result.exit_code == 1
    assert "Interrupted" in result.output
    assert tw.Trajectory.load(tmp_path / "run.npz").outcome is tw.Outcome.INTERRUPTED


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["flow"], ["--data", "--law"]),
        (["flow", "--law", "sphere"], ["--n"]),
        (["flow", "--law", "sphere", "--n", "5"], ["--d"]),
        (["flow", "--law", "sphere", "--n", "0", "--d", "5"], ["'n'", "at least 1", "0"]),
        (["flow", "--law", "orthogonal", "--n", "5", "--d", "7"], ["--d", "7"]),
        (["flow", "--law", "sphere", "--n", "5", "--d", "5", "--target", "y"], ["--target"]),
        ([*SMALL, "--width", "0"], ["'p'", "0"]),
        ([*SMALL, "--t-end", "-1"], ["t_end", "-1"]),
        ([*SMALL, "--t-end", "nan"], ["t_end", "nan"]),
        ([*SMALL, "--rtol", "0"], ["rtol", "0"]),
        ([*SMALL, "--seed", "-4"], ["seed", "-4"]),
        ([*SMALL, "--loss-below", "-1"], ["level", "-1"]),
        ([*SMALL, "--slope", "0.5"], ["slope"]),
        ([*SMALL, "--threads", "0"], ["threads", "0"]),
        ([*SMALL, "--data", "x.csv"], ["--data", "--law"]),
    ],
)
def test_bad_values_are_refused_in_one_line(words, expected, tmp_path):
    assert_refused(run(*words, "--out", tmp_path / "run.npz"), *expected)
    assert_refused(run(*words, "--json"), *expected)
    assert list(tmp_path.iterdir()) == []


def test_bad_data_files_are_refused_in_one_line(table, tmp_path):
    whole = tmp_path / "data.npz"
    np.savez(whole, X=np.eye(3), y=np.ones(3))
    cut, holes, nan = (tmp_path / name for name in ("cut.npz", "holes.csv", "nan.npz"))
    cut.write_bytes(whole.read_bytes()[:-40])
    holes.write_text("a,y\n1,2\n,3\n")
    np.savez(nan, X=np.full((2, 2), np.nan), y=np.ones(2))
    before = sorted(tmp_path.iterdir())
    for words, expected in (
        (["--data", table, "--target", "nobody"], "nobody"),
        (["--data", cut], "cut.npz"),
        (["--data", holes, "--target", "y"], "holes.csv"),
        (["--data", nan], "nan.npz"),
        (["--data", tmp_path / "absent.csv", "--target", "y"], "absent.csv"),
        (["--data", whole, "--n", "3"], "--n"),
    ):
        assert_refused(run("flow", *words, "--out", tmp_path / "run.npz"), expected)
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("option", ["--out", "--report"])
def test_an_output_that_cannot_be_written_is_refused_before_computing(tmp_path, monkeypatch, option):
    monkeypatch.setattr(tw, "flow", None)  # computing would be a TypeError
    assert_refused(run(*SMALL, option, tmp_path / "none" / "file"), option, "none")
    assert_refused(run(*SMALL, option, tmp_path), option, "folder")
    assert_refused(run("demo", "--report", tmp_path / "none" / "file"), "--report", "none")
    assert_refused(run(*SMALL, "--out", tmp_path / "same", "--report", tmp_path / "same"), "same")


@pytest.mark.skipif(not hasattr(os, "geteuid"), reason="permission bits of POSIX")
def test_a_read_only_folder_is_refused_before_computing(tmp_path, monkeypatch):
    monkeypatch.setattr(tw, "flow", None)
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    if os.geteuid() == 0:  # permission bits do not bind the superuser: a folder of the kernel stands in
        folder = "/proc"
        if not os.path.isdir(folder):
            pytest.skip("no folder that refuses the superuser")
    assert_refused(run(*SMALL, "--out", f"{folder}/run.npz"), "--out", "run.npz")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["flow", "--bogus"], "--bogus"),
        (["flow", "--samples", "many"], "--samples"),
        (["figure", "saddle", "--size", "huge"], "'huge' is not one of"),
        (["flow", "table.csv"], "table.csv"),
        (["flow", "--depth"], "--depth"),
        (["study", "run"], "SPEC.toml"),
        (["paddle"], "paddle"),
        (["--bogus"], "--bogus"),
    ],
)
def test_what_the_command_line_does_not_know_is_refused_in_one_line(words, expected):
    assert_refused(run(*words), expected, "--help")


@pytest.mark.parametrize(
    "words",
    [
        [*SMALL, "--out", "{long}.npz"],
        [*SMALL, "--out", "{long}/run.npz"],
        [*SMALL, "--report", "{long}.html"],
        ["figure", "saddle", "--out", "{long}"],
        ["figure", "--all", "--out", "{long}"],
        ["figure", "convergence", "--store", "{long}"],
        ["report", "{long}", "--out", "run.html"],
        ["study", "status", "{long}"],
    ],
)
def test_names_that_are_too_long_are_refused(words, tmp_path, monkeypatch):
    """Of them, and of what is in folders that may not be searched, Path.exists and its kin raise OSError."""
    monkeypatch.chdir(tmp_path)
    assert_refused(run(*(word.format(long="x" * 300) for word in words)), "x" * 300)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("words", "verb"), [([], "flow"), (["study"], "resume")])
def test_the_help_is_printed_line_by_line_where_nothing_is_asked_for(words, verb):
    lines = [line.split() for line in run(*words).output.splitlines()]
    assert [words[0] for words in lines if words].count(verb) == 1


def commands(group, words=()):
    """Yield the words of every command, and its command, those of groups included."""
    for name, command in group.commands.items():
        yield (*words, name), command
        if hasattr(command, "commands"):
            yield from commands(command, (*words, name))


def test_every_command_has_examples_and_json():
    found = dict(commands(typer.main.get_command(app)))
    assert len(found) > 12
    assert "thalweg flow" in run("--help").stdout
    for words, command in found.items():
        text = run(*words, "--help").stdout
        assert "Example" in text
        assert text.count(f"thalweg {' '.join(words)} ") >= 2  # the usage, and an example
        assert hasattr(command, "commands") or "--json" in text


def test_the_version_is_known():
    assert run("--version").stdout == f"thalweg {tw.__version__}\n"


def test_doctor_finds_this_installation_healthy():
    result = run("doctor", "--json")
    answer = json.loads(result.stdout)
    assert result.exit_code == 0, answer
    assert answer["healthy"]
    assert answer["versions"]["numpy"] == np.__version__
    assert answer["blas"]
    assert answer["difference"] < 1e-4


def test_doctor_says_what_is_wrong(monkeypatch):
    module = sys.modules["thalweg.cli.doctor"]
    sick = {"difference": float("nan"), "drift": 0.0, "loss_increase": 1e-3, "seconds": 0.0}
    monkeypatch.setattr(module, "_self_check", lambda: sick | {"kernels": {"from_cache": 0, "compiled": 0}})
    result = run("doctor")
    assert result.exit_code == 1
    assert result.stdout.startswith("verdict    not healthy: the kernels differ by nan")
    assert "the loss rises by 1.0e-03" in result.stdout


def test_the_demo_runs_on_real_and_drawn_data_and_names_its_report(tmp_path, monkeypatch):
    module = sys.modules["thalweg.cli.demo"]
    monkeypatch.setattr(module, "_T_END", 2.0)
    path = tmp_path / "demo.html"
    result = run("demo", "--report", path)
    assert result.exit_code == 0, result.output
    assert str(path) in result.stdout.splitlines()[-1]
    text = path.read_text(encoding="utf-8")
    assert tw.data.example().name.replace("'", "&#39;") in text
    assert "sphere(n=" in text


def test_the_command_line_in_its_own_process(tmp_path):
    command = [sys.executable, "-m", "thalweg", *SMALL, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["t"] == 4.0
    done = subprocess.run([*command, "--t-end", "-1"], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert len(done.stderr.splitlines()) == 1
