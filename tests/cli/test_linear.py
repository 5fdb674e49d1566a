"""Deep linear networks on the command line: flow and descend, what they save and print, and how they refuse."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import thalweg as tw
from thalweg.cli import app

FLOW = ["flow", "--model", "deep-linear", "--depth", "8", "--dim", "3", "--target", "random", "--t-end", "2"]
DESCEND = ["descend", "--depth", "8", "--dim", "3", "--target", "random", "--steps", "50"]


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def answer(*words, code=0):
    result = run(*words, "--json")
    assert result.exit_code == code, result.output
    return json.loads(result.stdout, parse_constant=pytest.fail)


def assert_refused(result, *words):
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("thalweg: ")
    for word in words:
        assert word in result.stderr


def test_flow_at_great_depth_saves_and_prints(tmp_path):
    out = tmp_path / "run.npz"
    words = ["flow", "--model", "deep-linear", "--depth", 10**6, "--init", "zas", "--target", "random"]
    result = run(*words, "--t-end", 0.01, "--out", out)
    assert result.exit_code == 0, result.output
    assert "error clock" in result.stdout
    assert f"saved      {out}" in result.stdout
    traj = tw.LinearTrajectory.load(out)
    assert (traj.start.depth, traj.target.Phi.shape, traj.t[-1]) == (10**6, (10, 10), 0.01)
    assert list(tmp_path.iterdir()) == [out]


def test_json_agrees_with_the_file_and_the_library(tmp_path):
    out = tmp_path / "run.npz"
    found, traj = answer(*FLOW, "--alpha", 1.1, "--zero-layer", 3, "--out", out), tw.LinearTrajectory.load(out)
    assert (found["loss"], found["curvature"]) == (traj.loss[-1], traj.curvature[-1])
    assert found["outcome"] == traj.outcome.name == "REACHED_END"
    assert (found["iteration"], found["saved"], found["network"]["depth"]) == (None, [str(out)], 8)
    again = tw.flow(tw.init.zas(8, 3, alpha=1.1, zero_layer=3), traj.target, t_end=2.0)
    assert again.loss[-1] == found["loss"] <= found["bound"]
    np.testing.assert_allclose(found["singular_values"], np.linalg.svd(traj.final.product())[1], rtol=1e-12)


def test_descend_is_the_librarys(tmp_path):
    out = tmp_path / "run.npz"
    found, traj = answer(*DESCEND, "--out", out), tw.LinearTrajectory.load(out)
    again = tw.descend(tw.init.zas(8, 3), traj.target, step_size="safe", steps=50)
    assert found["loss"] == again.loss[-1] == traj.loss[-1]
    assert (found["iteration"], found["outcome"]) == (50, "STEPS_DONE")
    heavy = answer(*DESCEND, "--step-size", 0.002, "--momentum", 0.9, "--init", "orthogonal", "--scale", 0.9)
    assert heavy["settings"]["momentum"] == 0.9
    assert heavy["route"] == "all layers"


def test_the_pitfall_is_told():
    result = run(*DESCEND, "--step-size", 1)
    assert result.exit_code == 0
    assert "whatever the target" in result.stdout
    assert answer(*DESCEND, "--step-size", 1)["notes"]


@pytest.mark.parametrize("init", ["zas", "near-identity", "xavier", "orthogonal", "balanced-layers"])
def test_every_start_flows_towards_minus_the_identity(init):
    words = ["flow", "--model", "deep-linear", "--depth", 5, "--dim", 2, "--t-end", 3, "--init", init]
    found = answer(*words, "--target", "negative-identity")
    assert found["target"] == {"name": "minus the identity of size 2", "d_out": 2, "d_in": 2, "norm": 1.0}
    assert found["loss"] < found["loss_at_start"]
    if init in ("zas", "near-identity"):  # the determinant of the others' products is of either sign
        assert (found["loss"] < 1e-3) == (init == "zas")


def test_a_seed_decides_target_and_start():
    words = (*FLOW, "--init", "xavier")
    one, same, other = (answer(*words, "--seed", seed) for seed in (1, 1, 2))
    assert one == same
    assert one["target"]["norm"] != other["target"]["norm"]
    zas = answer(*FLOW, "--seed", 1)
    assert zas["target"] == one["target"]  # the same for every start


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".csv", "named.npz", "trajectory.npz"])
def test_targets_in_files(tmp_path, suffix):
    path, Phi = tmp_path / f"phi{suffix}", np.array([[1.0, -2.0, 0.5], [0.25, 3.0, 1.0]])
    if suffix == ".npy":
        np.save(path, Phi)
    elif suffix == ".csv":
        np.savetxt(path, Phi, delimiter=",")
    elif suffix == "trajectory.npz":
        tw.flow(tw.init.zas(3, (3, 2)), tw.Target(Phi), t_end=0.1).save(path)
    else:
        np.savez(path, **{"Phi": Phi, "other": Phi[0]} if suffix == "named.npz" else {"anything": Phi})
    out = tmp_path / "run.npz"
    found = answer("flow", "--model", "deep-linear", "--depth", 4, "--target", path, "--t-end", 1, "--out", out)
    assert (found["target"]["d_out"], found["target"]["d_in"]) == (2, 3)
    np.testing.assert_array_equal(tw.LinearTrajectory.load(out).target.Phi, Phi)


def test_exit_codes():
    assert answer(*FLOW, "--loss-below", 1e-2, "--t-end", 100)["outcome"] == "LOSS_BELOW"
    assert answer(*FLOW, "--loss-below", 1e-20, code=1)["outcome"] == "REACHED_END"
    assert answer(*DESCEND, "--loss-below", 1e-2, "--steps", 10**5)["outcome"] == "LOSS_BELOW"
    assert answer(*DESCEND, "--loss-below", 1e-20, code=1)["outcome"] == "STEPS_DONE"
    assert answer(*DESCEND, "--step-size", 50, code=1)["outcome"] == "DIVERGED"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        # options of the other model
        ([*FLOW, "--width", "5"], "--width belongs to --model shallow."),
        ([*FLOW, "--data", "x.csv"], "--data belongs to --model shallow."),
        ([*FLOW, "--law", "sphere"], "--law belongs to --model shallow."),
        ([*FLOW, "--activation", "relu"], "--activation belongs to --model shallow."),  # the default, but given
        ([*FLOW, "--threads", "2"], "--threads belongs to --model shallow."),
        (
            ["flow", "--law", "sphere", "--n", "4", "--d", "4", "--depth", "5"],
            "--law belongs to --model shallow.",
        ),
        (["flow", "--law", "sphere", "--n", "4", "--d", "4", "--zero-layer", "1"], "--zero-layer belongs to"),
        (["flow", "--law", "sphere", "--n", "4", "--d", "4", "--init", "zas"], "one of dominated, balanced, gaussian"),
        ([*FLOW, "--init", "dominated"], "one of zas, near-identity, xavier, orthogonal, balanced-layers"),
        (["descend", "--model", "shallow"], "one of --data FILE and --law"),
        # options of other starts and targets
        ([*FLOW, "--scale", "2"], "--scale belongs to the other starts"),
        ([*FLOW, "--init", "xavier", "--alpha", "1"], "--alpha belongs to --init zas."),
        ([*DESCEND, "--target", "x.csv"], "--dim belongs to --target random|negative-identity"),
        # what is missing
        (["flow", "--model", "deep-linear", "--target", "random"], "--depth"),
        (["flow", "--model", "deep-linear", "--depth", "3"], "random|negative-identity|FILE"),
        (["descend", "--depth", "3"], "random|negative-identity|FILE"),
        # values
        ([*FLOW, "--depth", "0"], "'depth'"),
        ([*FLOW, "--dim", "0"], "'dim'"),
        ([*FLOW, "--t-end", "nan"], "'t_end'"),
        ([*FLOW, "--seed", "-1"], "seed"),
        ([*FLOW, "--alpha", "0"], "'alpha'"),
        ([*FLOW, "--depth", "1000000", "--alpha", "1.1"], "'alpha'"),
        ([*FLOW, "--zero-layer", "9"], "'zero_layer'"),
        ([*FLOW, "--depth", "1000000000", "--init", "xavier"], "store"),
        ([*FLOW, "--loss-below", "-1"], "'level'"),
        ([*DESCEND, "--steps", "0"], "'steps'"),
        ([*DESCEND, "--step-size", "fast"], "--step-size must be a number or safe. Got 'fast'."),
        ([*DESCEND, "--step-size", "-1"], "'step_size'"),
        ([*DESCEND, "--step-size", "inf"], "'step_size'"),
        ([*DESCEND, "--momentum", "0.5"], "'momentum'"),
        ([*DESCEND, "--init", "xavier"], "--step-size safe is proved for exact zas only"),
        ([*DESCEND, "--beta", "0.1"], "--step-size safe is proved for exact zas only"),
    ],
)
def test_bad_values_are_refused_in_one_line(words, expected, tmp_path):
    assert_refused(run(*words, "--out", tmp_path / "run.npz"), expected)
    assert_refused(run(*words, "--json"), expected)
    assert list(tmp_path.iterdir()) == []


def test_bad_target_files_are_refused_in_one_line(tmp_path):
    good = tmp_path / "good.npy"
    np.save(good, np.eye(2))
    (tmp_path / "cut.npy").write_bytes(good.read_bytes()[:-9])
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "words.csv").write_text("a,b\n1,2\n")
    (tmp_path / "ragged.csv").write_text("1,2\n3\n")
    (tmp_path / "hole.csv").write_text("1,nan\n3,4\n")
    np.save(tmp_path / "line.npy", np.ones(3))
    np.save(tmp_path / "pickle.npy", np.array([None]), allow_pickle=True)
    np.savez(tmp_path / "two.npz", a=np.eye(2), b=np.eye(2))
    np.save(tmp_path / "wide.npy", np.ones((2, 3)))
    (tmp_path / "text.txt").write_text("1,2\n")
    for name, expected in (
        ("cut.npy", "cut.npy"),
        ("empty.csv", "at least one row"),
        ("words.csv", "words.csv"),
        ("ragged.csv", "ragged.csv"),
        ("hole.csv", "finite"),
        ("line.npy", "dimension"),
        ("pickle.npy", "pickle.npy"),
        ("two.npz", "'Phi'"),
        ("text.txt", ".npy, .npz or .csv"),
        ("absent.csv", "There is no file"),
    ):
        assert_refused(run("descend", "--depth", 3, "--target", tmp_path / name), expected)
    wide = ["descend", "--depth", 3, "--target", tmp_path / "wide.npy", "--step-size", 0.1]
    assert_refused(run(*wide, "--init", "orthogonal"), "square")
    assert run(*wide, "--init", "zas", "--steps", 3).exit_code == 0


@pytest.mark.parametrize("words", [FLOW, DESCEND])
def test_an_output_that_cannot_be_written_is_refused_before_computing(words, tmp_path, monkeypatch):
    monkeypatch.setattr(tw, words[0], None)  # computing would be a TypeError
    assert_refused(run(*words, "--out", tmp_path / "none" / "run.npz"), "--out", "none")


@pytest.mark.parametrize("words", [FLOW, DESCEND])
def test_a_report_is_written_beside_the_run(words, tmp_path):
    page = tmp_path / "run.html"
    found = answer(*words, "--out", tmp_path / "run.npz", "--report", page, "--seed", 3)
    assert found["saved"] == [str(tmp_path / "run.npz"), str(page)]
    text = page.read_text(encoding="utf-8")
    assert "singular values" in text.lower()
    assert "<script>" in text
    assert_refused(run(*words, "--report", tmp_path / "none" / "x.html"), "--report", "none")


def test_help_has_examples():
    assert "--model deep-linear --depth 1000" in run("flow", "--help").stdout
    text = run("descend", "--help").stdout
    assert "Examples:" in text
    assert "thalweg descend --depth 1000" in text
