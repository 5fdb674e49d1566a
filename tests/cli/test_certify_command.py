"""thalweg certify: verdict first, exit codes, and files that are not what they should be."""

import json

import pytest
from test_cli import assert_refused, run

import thalweg as tw
from thalweg.certify import Certificate


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


def test_runs_of_deep_linear_networks(tmp_path):
    problem = ["--depth", 4, "--dim", 3, "--target", "random", "--init", "xavier", "--seed", 3]
    path, proof = tmp_path / "run.npz", tmp_path / "proof.json"
    flowed = run("flow", "--model", "deep-linear", *problem, "--t-end", 1e4, "--certify", "--out", path)
    assert flowed.exit_code == 0, flowed.output
    assert "converges  the loss tends to 0" in flowed.stdout
    result = run("certify", path, "--out", proof)
    assert result.exit_code == 0, result.output
    assert "verified" in result.stdout
    assert json.loads(run("certify", proof, "--json").stdout)["verified"]
    assert run("certify", path, "--when", 0).exit_code == 1
    assert_refused(run("certify", path, "--when", 1), "--when 1", "start and the end")
    assert_refused(run("certify", path, "--when", 10**6), "--when", "output time")
    assert_refused(run("certify", proof, "--step-size", 0.1), "--step-size", "its own")
    words = ["flow", "--model", "deep-linear", *problem, "--t-end", 1e-3, "--certify", "--json"]
    short = run(*words)
    assert short.exit_code == 1
    assert json.loads(short.stdout)["certificate"]["verdict"] == "undecided"


def test_descents_of_deep_linear_networks(converging, tmp_path):
    path, proof = tmp_path / "descent.npz", tmp_path / "proof.json"
    problem = ["--depth", 3, "--dim", 2, "--target", "random", "--init", "zas", "--step-size", 0.05]
    assert run("descend", *problem, "--steps", 2000, "--out", path).exit_code == 0
    result = run("certify", path, "--step-size", 0.05, "--out", proof)
    assert result.exit_code == 0, result.output
    assert "test C" in result.stdout
    assert Certificate.load(proof).witness["step_size"] == [0.05]
    assert run("certify", path, "--step-size", 50).exit_code == 1
    assert_refused(run("certify", path, "--step-size", 0), "step_size", "above 0")
    assert_refused(run("certify", converging, "--step-size", 0.1), "--step-size", "deep linear")
    path.write_bytes(path.read_bytes()[:500])
    assert_refused(run("certify", path), "complete saved")
