"""Any options with any values: exit code 0, 1 or 2, no traceback, and of refused commands no file."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import thalweg as tw
from thalweg.cli import app

NUMBERS = ["0", "1", "2", "0.5", "-1", "1e-3", "1e-300", "1e308", "1e999", "nan", "inf", "-inf", "x", ""]
COUNTS = ["1", "2", "3", "-1", "0", "x", "1.5", "99999999999999999999", ""]
TIMES = ["0", "0.5", "1", "-1", "nan", "inf", "1e-300", "x"]
INPUTS = [
    "table.csv", "data.npz", "run.npz", "linear.npz", "descent.npz", "proof.json", "matrix.csv", "study.toml", "store",
    "broken.csv", "empty.csv", "missing.npz", ".", "no/such.npz", "missing.pt", "\x00", "é.csv", "",
]  # fmt: skip
OUTPUTS = ["out.npz", "out.html", "no/out.npz", ".", "out\x00", "out/", "/dev/full"]
INITS = ["dominated", "balanced", "gaussian", "zas", "near-identity", "xavier", "orthogonal", "balanced-layers", "x"]
NO_VALUE = None
MODELS = {
    "--model": ["shallow", "deep-linear", "x"],
    "--data": INPUTS,
    "--target": ["y", "z", "random", "negative-identity", "matrix.csv", ""],
    "--law": ["sphere", "orthogonal", "x"],
    "--n": ["1", "3", "-1", "x"],
    "--d": ["1", "4", "-1", "x"],
    "--width": ["1", "3", "-1", "0", "x"],
    "--init": INITS,
    "--depth": ["1", "3", "-1", "0", "x"],
    "--dim": ["1", "2", "-1", "0"],
    "--alpha": NUMBERS,
    "--zero-layer": COUNTS,
    "--beta": NUMBERS,
    "--scale": NUMBERS,
    "--activation": ["relu", "leaky_relu", "x"],
    "--slope": NUMBERS,
    "--seed": COUNTS,
    "--loss-below": NUMBERS,
    "--out": OUTPUTS,
    "--json": NO_VALUE,
}
LAW = ["--law", "sphere", "--n", "3", "--d", "5", "--width", "3"]
DEEP = ["--depth", "3", "--target", "random", "--dim", "2"]
# For each verb: its options with their values, its arguments, and commands to begin with.
VERBS = {
    "flow": (
        MODELS
        | {"--t-end": TIMES, "--rtol": NUMBERS, "--certify": NO_VALUE, "--accept-contradictions": NO_VALUE}
        | {"--threads": ["1", "2", "0", "-1", "x"], "--report": OUTPUTS},
        [],
        [[*LAW, "--t-end", "1"], [*DEEP, "--t-end", "1"], ["--data", "table.csv", "--target", "y", "--t-end", "1"]],
    ),
    "descend": (
        MODELS
        | {"--step-size": [*NUMBERS, "safe"], "--steps": ["1", "5", "0", "-1", "x"], "--momentum": NUMBERS}
        | {"--precision": ["float64", "float32", "x"], "--report": OUTPUTS},
        [],
        [[*LAW, "--steps", "5", "--step-size", "0.1"], [*DEEP, "--steps", "5"]],
    ),
    "check": (
        {"--width": ["1", "3", "0", "x"], "--target": ["y", "z", ""], "--epsilon": ["0.5", "0.9", "0", "1", "nan", "x"]}
        | {"--init": INITS, "--law": ["sphere", "orthogonal"], "--activation": ["relu", "leaky_relu"]}
        | {"--slope": NUMBERS, "--json": NO_VALUE},
        INPUTS,
        [["--width", "3"], ["--width", "3", "--target", "y"]],
    ),
    "certify": (
        {"--when": COUNTS, "--data": INPUTS, "--target": ["y", "matrix.csv", ""], "--model": ["shallow", "x"]}
        | {"--slope": NUMBERS, "--step-size": NUMBERS, "--exact": NO_VALUE, "--out": OUTPUTS, "--json": NO_VALUE},
        INPUTS,
        [[]],
    ),
    "report": (
        {"--out": OUTPUTS, "--title": ["", "x", "\x00", "<b>"], "--certify": NO_VALUE, "--check": NO_VALUE}
        | {"--no-check": NO_VALUE, "--json": NO_VALUE},
        INPUTS,
        [["--out", "out.html"], ["run.npz", "--out", "out.html"]],
    ),
    "figure": (
        {"--list": NO_VALUE, "--json": NO_VALUE, "--size": ["quick", "x"], "--seed": COUNTS, "--workers": COUNTS}
        | {"--out": OUTPUTS, "--store": INPUTS},
        ["x", "Saddle", "\x00", ""],
        [[], ["--list"]],
    ),
    "study run": ({"--store": ["new", *INPUTS], "--workers": ["1", "0", "x"]}, INPUTS, [["--store", "new"]]),
    "study resume": ({"--workers": ["1", "0", "x"], "--json": NO_VALUE}, INPUTS, [[]]),
    "study status": ({"--json": NO_VALUE}, INPUTS, [[]]),
    "study table": ({"--json": NO_VALUE, "--parquet": OUTPUTS}, INPUTS, [[]]),
    "study plan": ({"--workers": COUNTS, "--store": INPUTS, "--json": NO_VALUE}, INPUTS, [[]]),
    "study export-array": (
        {"--jobs": COUNTS, "--store": ["new", *INPUTS], "--json": NO_VALUE},
        INPUTS,
        [["--store", "new"]],
    ),
    "study array-task": ({"--json": NO_VALUE}, INPUTS, [["0"], ["-1"], ["x"], ["99999999999999999999"], []]),
}
SPEC = """
[study]
name = "small"
method = "descend"
[grid]
n = [3]
d = 5
p = 3
[trials]
repetitions = 1
seed = 1
[descend]
steps = 5
[success]
loss_below = 0.1
"""


def invoke(*words):
    return CliRunner().invoke(app, list(words))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with files of every kind, sound and broken; it is written to, and what is written is removed."""
    folder = tmp_path_factory.mktemp("commands")
    rows = [f"{u},{v},{1 if u > v else -1}" for u, v in np.random.default_rng(0).normal(size=(5, 2))]
    (folder / "table.csv").write_text("\n".join(["a,b,y", *rows]))
    (folder / "broken.csv").write_bytes(b"\xff\x00,1\n")
    (folder / "empty.csv").touch()
    (folder / "matrix.csv").write_text("1,0\n0,1\n")
    (folder / "study.toml").write_text(SPEC)
    data, network = tw.data.sphere(4, 6, seed=1), tw.init.dominated(6, 3, seed=1)
    data.save(folder / "data.npz")
    tw.flow(network, data, t_end=1.0).save(folder / "run.npz")
    tw.flow(tw.init.zas(3, 2), tw.Target(-np.eye(2)), t_end=1.0).save(folder / "linear.npz")
    tw.descend(network, data, step_size=0.1, steps=3).save(folder / "descent.npz")
    tw.certify(network, data).save(folder / "proof.json")
    assert invoke("study", "run", str(folder / "study.toml"), "--store", str(folder / "store")).exit_code == 0
    return folder


@st.composite
def commands(draw):
    verb = draw(st.sampled_from(["flow", "descend", *VERBS]))
    options, arguments, beginnings = VERBS[verb]
    words = verb.split()
    if arguments and draw(st.integers(0, 19)):
        words.append(draw(st.sampled_from(arguments)))
    words += draw(st.sampled_from(beginnings))
    for _ in range(draw(st.sampled_from([0, 1, 1, 2, 3])) if options else 0):
        option = draw(st.sampled_from(list(options)))
        words.append(option)
        if options[option] is not NO_VALUE:
            words.append(draw(st.sampled_from(options[option])))
    return words


@settings(
    max_examples=300, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(commands())
def test_any_command_ends_well(folder, monkeypatch, words):
    monkeypatch.chdir(folder)
    before = {path for path in folder.rglob("*") if "store" not in path.parts}
    result = invoke(*words)
    made = {path for path in folder.rglob("*") if "store" not in path.parts} - before
    assert result.exception is None or isinstance(result.exception, SystemExit), (words, result.exc_info)
    assert result.exit_code in (0, 1, 2), words
    assert "Traceback" not in result.output
    assert not any(path.suffix == ".tmp" for path in made), (words, made)
    if result.exit_code == 2:
        assert result.stdout == "", words
        assert result.stderr, words
        assert not [path for path in made if "new" not in path.parts], (words, made)
    for path in sorted(made, reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()


def test_a_step_whose_square_underflows_is_refused():
    result = invoke("descend", *LAW, "--steps", "5", "--step-size", "1e-300")
    assert result.exit_code == 2
    assert "step_size" in result.stderr


def test_a_task_list_that_is_none_is_refused(tmp_path):
    (tmp_path / "file").touch()
    (tmp_path / "array").mkdir()
    (tmp_path / "array" / "tasks.jsonl").write_text('[{"first": 1}]\n')
    for store, words in ((tmp_path / "file", "holds no task list"), (tmp_path, "is broken")):
        result = invoke("study", "array-task", str(store), "0")
        assert result.exit_code == 2
        assert words in result.stderr


def test_names_cannot_write_lines_of_the_script(tmp_path):
    """The script of an array names study and store: a new line in either would be a command."""
    spec = tmp_path / "study.toml"
    spec.write_text(SPEC.replace('"small"', '"small\\ntouch mark"'))
    result = invoke("study", "export-array", str(spec), "--store", str(tmp_path / "store"))
    assert (result.exit_code, "study.name" in result.stderr) == (2, True)
    spec.write_text(SPEC)
    result = invoke("study", "export-array", str(spec), "--store", str(tmp_path / "store\ntouch mark"))
    assert (result.exit_code, "control characters" in result.stderr) == (2, True)
    assert [path.name for path in tmp_path.iterdir()] == ["study.toml"]


def test_an_address_of_no_scheduler_is_refused(tmp_path):
    pytest.importorskip("distributed")
    (tmp_path / "study.toml").write_text(SPEC)
    words = ["study", "run", str(tmp_path / "study.toml"), "--store", str(tmp_path / "store"), "--dask", "no://where"]
    result = invoke(*words)
    assert result.exit_code == 2
    assert "no Dask cluster at 'no://where'" in result.stderr
