"""thalweg check: exit codes, what it prints for people and machines, and how it refuses."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import thalweg as tw
from thalweg.cli import app


def run(*words):
    return CliRunner().invoke(app, ["check", *map(str, words)])


@pytest.fixture
def easy(tmp_path):
    return tw.data.sphere(6, 1500, seed=1).save(tmp_path / "easy.npz")


@pytest.fixture
def table(tmp_path):
    """Eight samples in two dimensions: no theorem covers them."""
    rows = ["height,weight,answer"]
    rows += [f"{u:.3f},{v:.3f},{'yes' if u > v else 'no'}" for u, v in np.random.default_rng(0).normal(size=(8, 2))]
    path = tmp_path / "table.csv"
    path.write_text("\n".join(rows) + "\n")
    return path


def test_a_guarantee_is_exit_code_0_and_the_verdict_comes_first(easy, monkeypatch):
    monkeypatch.setenv("COLUMNS", "110")
    result = run(easy, "--width", 30)
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[0].startswith("problem   sphere(n=6, d=1500)")
    verdict = next(line for line in lines[:4] if line.startswith("verdict"))
    assert "the loss tends to 0 from at least 0.9" in verdict
    assert lines[-1] == f"run        thalweg flow --data {easy} --width 30 --init dominated"


def test_no_guarantee_is_exit_code_1_with_what_to_do(table, monkeypatch):
    monkeypatch.setenv("COLUMNS", "110")
    result = run(table, "--target", "answer", "--width", 30)
    assert result.exit_code == 1
    assert "no theorem guarantees convergence here; nearest is" in result.stdout
    assert "FAILS" in result.stdout
    assert "\nnext      " in result.stdout
    assert "thalweg flow --data" not in result.stdout


def test_json_is_all_of_stdout_and_strict(easy, table):
    for words, code in (((easy, "--width", 30), 0), ((table, "--target", "answer", "--width", 30), 1)):
        result = run(*words, "--json")
        assert result.exit_code == code
        answer = json.loads(result.stdout, parse_constant=pytest.fail)
        assert answer["converges"] == (code == 0)
        names = [each["theorem"] for each in answer["theorems"]]
        assert {"theorem-1", "theorem-a", "theorem-a0", "coverage"} <= set(names)
        assert answer["next"]


def test_the_start_and_epsilon_decide(easy):
    assert run(easy, "--width", 30, "--init", "balanced").exit_code == 0
    assert run(easy, "--width", 30, "--init", "gaussian").exit_code == 1
    assert run(easy, "--width", 16, "--epsilon", "0.3").exit_code == 0
    assert run(easy, "--width", 16, "--epsilon", "0.05").exit_code == 1


def test_bad_input_is_exit_code_2_in_one_line(easy, table, tmp_path):
    holes = tmp_path / "holes.csv"
    holes.write_text("a,y\n1,2\n,3\n")
    for words, expected in (
        ((tmp_path / "absent.csv", "--width", 5), "absent.csv"),
        ((table, "--width", 5), "target"),
        ((table, "--target", "nobody", "--width", 5), "nobody"),
        ((holes, "--target", "y", "--width", 5), "holes.csv"),
        ((easy, "--width", 0), "'width'"),
        ((easy, "--width", 5, "--epsilon", 0), "'epsilon'"),
        ((easy, "--width", 5, "--epsilon", "nan"), "'epsilon'"),
        ((easy, "--width", 5, "--epsilon", 2), "'epsilon'"),
    ):
        for extra in ((), ("--json",)):
            result = run(*words, *extra)
            assert result.exit_code == 2, words
            assert result.stdout == ""
            assert result.stderr.startswith("thalweg: ")
            assert len(result.stderr.splitlines()) == 1
            assert expected in result.stderr


@pytest.mark.parametrize("words", [(), ("--width", "5"), ("x.npz",), ("x.npz", "--width", "5", "--init", "zas")])
def test_a_call_that_is_not_one_is_exit_code_2(words):
    result = run(*words)
    assert result.exit_code == 2
    assert "Traceback" not in result.stderr


def test_help_has_examples():
    text = run("--help").stdout
    assert "Examples:" in text
    assert "thalweg check genes.csv" in text


def test_the_law_of_the_data_and_the_activation_let_more_theorems_speak(easy):
    cases = ([], ["--law", "sphere"], ["--activation", "leaky_relu", "--slope", 0.2])
    answers = [json.loads(run(easy, "--width", 30, "--json", *words).stdout) for words in cases]
    bare, lawful, leaky = ({each["theorem"] for each in answer["theorems"]} for answer in answers)
    assert lawful - bare == {"corollary-1"}
    assert "leaky-relu" in leaky - bare
