"""thalweg certify: verdict first, exit codes, and files that are not what they should be."""

import json

import pytest
from test_cli import assert_refused, run

import thalweg as tw


def saved(folder, n, d, p, t_end, seed=1):
    data, network = tw.data.sphere(n, d, seed=seed), tw.init.dominated(d, p, seed=seed + 1)
    traj = tw.flow(network, data, t_end=t_end, times=[0.0, t_end], progress=False)
    return traj.save(folder / f"run-{n}-{d}-{p}.npz")


@pytest.fixture(scope="module")
def converging(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("runs"), 8, 200, 12, 5.0)


def test_a_run_that_converges(converging, tmp_path):
    proof = tmp_path / "proof.json"
    result = run("certify", converging, "--out", proof)
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("converges")
    assert "verified" in result.stdout
    again = run("certify", proof, "--json")
    assert again.exit_code == 0, again.output
    answer = json.loads(again.stdout)
    assert (answer["verdict"], answer["verified"], answer["limit_loss"]) == ("converges", True, 0.0)


def test_a_flow_that_is_certified_on_the_way():
    words = ["flow", "--law", "sphere", "--n", 8, "--d", 200, "--width", 12, "--t-end", 1e4, "--certify"]
    result = run(*words)
    assert result.exit_code == 0, result.output
    assert "converges  the loss tends to 0" in result.stdout
    answer = json.loads(run(*words, "--json").stdout)
    assert (answer["outcome"], answer["certificate"]["verdict"]) == ("CERTIFIED", "converges")
    assert answer["t"] < 100
    assert run(*words[:-2], 0.001, "--certify", "--width", 1).exit_code == 1


def test_an_earlier_output_time(converging):
    start, end = (json.loads(run("certify", converging, "--when", when, "--json").stdout) for when in (0, -1))
    assert start["loss"] > end["loss"]


def test_a_run_that_is_not_decided(tmp_path):
    result = run("certify", saved(tmp_path, 30, 5, 4, 1.0))
    assert result.exit_code == 1
    assert result.stdout.startswith("undecided")
    assert "next" in result.stdout


def test_a_run_that_is_stuck_is_proved_but_does_not_converge(tmp_path):
    result = run("certify", saved(tmp_path, 8, 20, 2, 200.0, seed=99), "--json")
    assert result.exit_code == 1
    answer = json.loads(result.stdout)
    assert answer["verdict"] == "stuck"
    assert answer["verified"]
    assert answer["stuck"]


@pytest.mark.parametrize("words", [["nothing.npz"], ["nothing.json"]])
def test_a_missing_file_is_refused(words, tmp_path):
    assert_refused(run("certify", *(tmp_path / word for word in words)), "no file")


def test_other_refusals(converging, tmp_path):
    assert_refused(run("certify", converging, "--when", 7), "--when", "7")
    assert_refused(run("certify", converging, "--out", tmp_path / "nowhere" / "proof.json"), "--out")
    broken = tmp_path / "broken.json"
    broken.write_text('{"format": ')
    assert_refused(run("certify", broken), "broken.json")
