"""thalweg figure: files, lists, refusals, interruption."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from thalweg import figures
from thalweg.cli import app
from thalweg.figures.base import NamedFigure
from thalweg.figures.style import new_figure


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def toy(monkeypatch):
    """A figure that takes no time, in place of all others."""

    def measure(setting, work):
        work.progress(0.5, "half way")
        if setting == "long":
            raise KeyboardInterrupt
        return {"seed": np.array([work.seed])}

    sizes = {"quick": "short", "full": "long"}
    figure = NamedFigure(
        "toy", "A toy", "nothing", sizes, measure, lambda table: new_figure(2.0, 2.0), lambda table: "What it shows."
    )
    monkeypatch.setattr("thalweg.figures.registry.FIGURES", (figure,))


@pytest.mark.usefixtures("toy")
def test_four_files_are_written(tmp_path):
    result = run("figure", "toy", "--out", tmp_path, "--seed", 7)
    assert result.exit_code == 0, result.output
    assert "What it shows." in result.stdout
    assert sorted(path.name for path in tmp_path.iterdir()) == ["toy.csv", "toy.md", "toy.png", "toy.svg"]
    assert (tmp_path / "toy.csv").read_text() == "seed\n7\n"
    said = (tmp_path / "toy.md").read_text()
    assert said == "# A toy\n\nWhat it shows.\n\nMade by `thalweg figure toy --size quick --seed 7`.\n"


@pytest.mark.usefixtures("toy")
def test_json_is_all_of_stdout(tmp_path):
    answer = json.loads(run("figure", "toy", "--out", tmp_path, "--json").stdout)
    assert answer["reading"] == "What it shows."
    assert len(answer["saved"]) == 4


@pytest.mark.usefixtures("toy")
def test_an_interrupted_figure_leaves_nothing(tmp_path):
    result = run("figure", "toy", "--size", "full", "--out", tmp_path)
    assert result.exit_code == 1
    assert "interrupted" in result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("toy")
def test_the_folder_is_made_and_does_not_stay_without_a_figure(tmp_path):
    out = tmp_path / "not" / "there"
    assert run("figure", "toy", "--size", "full", "--out", out).exit_code == 1
    assert run("figure", "--all", "--size", "full", "--out", out).exit_code == 1
    assert run("figure", "toy", "--seed", "-1", "--out", out).exit_code == 2
    assert not list(tmp_path.iterdir())
    assert run("figure", "toy", "--out", out).exit_code == 0
    assert len(list(out.iterdir())) == 4
    assert run("figure", "--all", "--out", tmp_path / "all").exit_code == 0
    assert (tmp_path / "all" / "index.html").is_file()


@pytest.mark.usefixtures("toy")
@pytest.mark.parametrize("how", [["toy"], ["--all"]])
def test_a_file_in_the_place_of_the_folder_is_refused(how, tmp_path):
    (tmp_path / "taken").write_text("")
    for out in (tmp_path / "taken", tmp_path / "taken" / "deeper"):
        result = run("figure", *how, "--out", out)
        assert result.exit_code == 2
        assert "--out cannot be the folder" in result.stderr
        assert len(result.stderr.splitlines()) == 1


def test_the_list_names_every_figure():
    result = run("figure", "--list")
    assert result.exit_code == 0
    assert [line.split()[0] for line in result.stdout.splitlines()] == [each.name for each in figures.FIGURES]
    listed = json.loads(run("figure", "--list", "--json").stdout)["figures"]
    assert [each["title"] for each in listed] == [each.title for each in figures.FIGURES]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["figure"], "--list"),
        (["figure", "sadle"], "'saddle'"),
        (["figure", "saddle", "--seed", "-1"], "'seed'"),
        (["figure", "saddle", "--out", "/dev/null/at/all"], "--out"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(words, expected):
    result = run(*words)
    assert result.exit_code == 2
    assert result.stdout == ""
    assert len(result.stderr.splitlines()) == 1
    assert expected in result.stderr
