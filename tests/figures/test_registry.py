"""What all figures have in common, and how they are saved."""

import csv
from pathlib import Path

import numpy as np
import pytest

import thalweg as tw
from thalweg import figures
from thalweg.figures import saddle
from thalweg.figures.base import Drawn, Work
from thalweg.figures.style import new_figure


def small(table=None):
    figure = new_figure(2.0, 2.0)
    figure.subplots().plot([0.0, 1.0], [1.0, 0.1 + 0.2])
    return Drawn(figure, table or {"x": np.array([1, 2]), "word": np.array(["a", "b,c"])}, "What it shows.")


def test_names_are_unique_and_described():
    names = [figure.name for figure in figures.FIGURES]
    assert len(set(names)) == len(names)
    assert all(figure.title and figure.summary for figure in figures.FIGURES)
    assert [figures.named(name).name for name in names] == names


def test_a_figure_is_the_same_every_time(tmp_path, monkeypatch):
    """To the last bit, pictures included."""
    monkeypatch.setitem(saddle.SIZES, "quick", saddle.Setting(draws=1, saddles=1))
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        figures.save(figures.draw("saddle", seed=4), tmp_path / folder, "saddle", title="T", command="C")
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == ["saddle.csv", "saddle.md", "saddle.png", "saddle.svg"]
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_the_seed_matters():
    setting = saddle.Setting(draws=1, saddles=1)
    one, two = (saddle.measure(setting, Work(seed)) for seed in (1, 2))
    assert not np.array_equal(one["w1"], two["w1"])


def test_the_table_comes_back_from_the_csv(tmp_path):
    table = {"x": np.array([0.1 + 0.2, 1e-300]), "word": np.array(["a", "b,c"]), "solved": np.array([True, False])}
    figures.save(small(table), tmp_path, "f")
    with (tmp_path / "f.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [float(row["x"]) for row in rows] == table["x"].tolist()
    assert [row["word"] for row in rows] == ["a", "b,c"]
    assert [row["solved"] for row in rows] == ["True", "False"]


def test_columns_that_do_not_fit_one_table_go_to_an_npz(tmp_path):
    figures.save(small({"grid": np.eye(2), "t": np.arange(3)}), tmp_path, "f")
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".md", ".npz", ".png", ".svg"]
    with np.load(tmp_path / "f.npz") as stored:
        np.testing.assert_array_equal(stored["grid"], np.eye(2))


def test_nothing_is_written_unless_everything_is_ready(tmp_path, monkeypatch):
    drawn = small()
    monkeypatch.setattr(drawn.figure, "savefig", lambda *args, **keywords: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        figures.save(drawn, tmp_path, "f")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"name": "sadle"}, "'saddle'"),
        ({"name": "saddle", "size": "huge"}, "'size'"),
        ({"name": "saddle", "seed": -1}, "'seed'"),
        ({"name": "saddle", "seed": None}, "integer of at least 0. Got None"),
        ({"name": "saddle", "seed": np.random.SeedSequence(1)}, "integer of at least 0"),
        ({"name": "saddle", "seed": True}, "integer of at least 0. Got True"),
        ({"name": "saddle", "workers": 0}, "'workers'"),
        ({"name": "saddle", "store": Path(__file__)}, "be a folder"),
    ],
)
def test_bad_requests_are_refused(arguments, words):
    with pytest.raises(tw.InputError, match=words):
        figures.draw(**arguments)


def test_a_folder_that_does_not_exist_is_refused(tmp_path):
    with pytest.raises(tw.InputError, match="existing folder"):
        figures.save(small(), tmp_path / "none", "f")
