"""Gradient descent on data from the command line."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import thalweg as tw
from thalweg.cli import app

DRAWN = ["descend", "--law", "sphere", "--n", "20", "--d", "10", "--width", "15", "--steps", "200"]


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def answer(*words, code=0):
    result = run(*words, "--json")
    assert result.exit_code == code, result.output
    return json.loads(result.stdout, parse_constant=pytest.fail)


def test_a_law_is_the_librarys(tmp_path):
    out = tmp_path / "run.npz"
    found = answer(*DRAWN, "--step-size", 0.5, "--seed", 3, "--out", out)
    for_data, for_start = np.random.SeedSequence(3).spawn(2)
    data, network = tw.data.sphere(20, 10, seed=for_data), tw.init.dominated(10, 15, seed=for_start)
    traj = tw.descend(network, data, step_size=0.5, steps=200)
    assert (found["loss"], found["curvature_discrete"]) == (traj.loss[-1], traj.curvature_discrete[-1])
    assert (found["iteration"], found["outcome"], found["saved"]) == (200, "STEPS_DONE", [str(out)])
    assert tw.descent.DescentTrajectory.load(out).loss[-1] == traj.loss[-1]
    assert list(tmp_path.iterdir()) == [out]
    page = tmp_path / "run.html"
    answer(*DRAWN, "--step-size", 0.5, "--report", page)
    assert "phere" in page.read_text(encoding="utf-8")


def test_a_data_file(tmp_path):
    rng, path = np.random.default_rng(0), tmp_path / "data.csv"
    table = np.column_stack([rng.standard_normal((8, 3)), rng.standard_normal(8)])
    np.savetxt(path, table, delimiter=",", header="a,b,c,y", comments="")
    result = run("descend", "--data", path, "--target", "y", "--step-size", 0.1, "--steps", 50)
    assert result.exit_code == 0, result.output
    assert "8 samples x 3 inputs" in result.stdout


def test_the_largest_stable_step_is_told():
    stable = answer(*DRAWN, "--step-size", 0.01)["largest_stable_step_at_start"]
    for words in ([], ["--step-size", "safe"]):
        result = run(*DRAWN, *words)
        assert (result.exit_code, result.stdout) == (2, "")
        assert f"{stable:.3g}" in result.stderr
        assert len(result.stderr.splitlines()) == 1
    assert answer(*DRAWN, "--step-size", 100 * stable, code=1)["outcome"] == "DIVERGED"


def test_exit_codes():
    reached = answer(*DRAWN, "--step-size", 1, "--steps", 10**5, "--loss-below", 1e-2)
    assert reached["outcome"] == "LOSS_BELOW"
    assert reached["loss"] <= 1e-2
    assert answer(*DRAWN, "--step-size", 1, "--steps", 3, "--loss-below", 1e-9, code=1)["outcome"] == "STEPS_DONE"


def test_precision_is_the_arithmetic():
    single, double = (answer(*DRAWN, "--step-size", 0.1, "--precision", kind) for kind in ("float32", "float64"))
    assert single["settings"]["precision"] == "float32"
    assert single["loss"] != double["loss"]
    assert single["loss"] == pytest.approx(double["loss"], rel=1e-3)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--momentum", "0.9"], "--momentum belongs to --model deep-linear"),
        (["--depth", "3"], "--law belongs to --model shallow"),
        (["--model", "shallow", "--depth", "3"], "--depth belongs to --model deep-linear"),
        (["--step-size", "many"], "'many'"),
        (["--step-size", "-1"], "step_size"),
        (["--step-size", "nan"], "step_size"),
        (["--step-size", "1", "--steps", "0"], "steps"),
        (["--step-size", "1", "--precision", "float16"], "float16"),
        (["--step-size", "1", "--init", "zas"], "--init of a shallow network"),
        (["--step-size", "1", "--out", "nowhere/run.npz"], "nowhere"),
    ],
)
def test_refusals(words, message):
    result = run(*DRAWN, *words)
    assert (result.exit_code, result.stdout) == (2, "")
    assert len(result.stderr.splitlines()) == 1
    assert message in result.stderr
