"""thalweg report: pages of saved runs and studies, and refusals."""

import json

import numpy as np
import pytest
from test_cli import assert_refused, run

import thalweg as tw
from thalweg import report


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A folder with a saved run of every kind, and a store."""
    folder = tmp_path_factory.mktemp("saved")
    data, network = tw.data.sphere(6, 40, seed=1), tw.init.dominated(40, 8, seed=2)
    tw.flow(network, data, t_end=5.0).save(folder / "flow.npz")
    tw.descend(network, data, step_size=0.1, steps=20).save(folder / "descent.npz")
    deep = tw.flow(tw.init.zas(5, (2, 2)), tw.Target(np.diag([2.0, -1.0])), t_end=1.0)
    deep.save(folder / "deep.npz")
    tw.flow(tw.SmoothNetwork.of(network, "tanh"), data, t_end=1.0).save(folder / "loss.npz")
    study = tw.study.Study.from_toml(
        '[study]\nname = "few"\nmethod = "descend"\n[grid]\nn = 5\nd = 8\np = 6\n[trials]\nrepetitions = 2\nseed = 1\n'
        '[descend]\nsteps = 5\n[success]\nloss_below = "1/(2n)"\n'
    )
    tw.study.run_study(study, folder / "store", tw.study.serial())
    return folder


@pytest.mark.parametrize(
    ("name", "heading", "chart"),
    [
        ("flow.npz", "Gradient flow", "Mode map"),
        ("descent.npz", "Gradient descent", "Residuals"),
        ("deep.npz", "Training of a deep linear network", "Singular values"),
        ("loss.npz", "Gradient flow of a loss", "Energy"),
        ("store", "Study", "Phase diagram"),
    ],
)
def test_every_kind_has_its_page(saved, name, heading, chart, tmp_path):
    out = tmp_path / "page.html"
    result = run("report", saved / name, "--out", out)
    assert result.exit_code == 0, result.output
    assert str(out) in result.stdout
    text = out.read_text(encoding="utf-8")
    assert f"<h1>{heading}</h1>" in text
    assert f">{chart}</h3>" in text
    assert list(tmp_path.iterdir()) == [out]


def test_several_go_on_one_page(saved, tmp_path):
    out = tmp_path / "page.html"
    result = run("report", saved / "flow.npz", saved / "descent.npz", "--title", "Two", "--out", out, "--json")
    assert json.loads(result.stdout) == {"saved": [str(out)]}
    text = out.read_text(encoding="utf-8")
    assert "<h1>Two</h1>" in text
    assert text.count('class="verdict"') == 2


def test_options_reach_the_page(saved, tmp_path):
    out = tmp_path / "page.html"
    assert run("report", saved / "flow.npz", "--out", out, "--certify", "--no-check").exit_code == 0
    text = out.read_text(encoding="utf-8")
    assert ">Certificate timeline</h3>" in text
    assert "Hypotheses of theorems" not in text


def test_names_of_files_are_escaped(saved, tmp_path, monkeypatch):
    hostile = tmp_path / "<script>alert(1)<" / "script>.npz"
    hostile.parent.mkdir()
    hostile.write_bytes((saved / "flow.npz").read_bytes())
    out = tmp_path / "page.html"
    monkeypatch.setattr("sys.argv", ["thalweg", "report", str(hostile), "--out", str(out)])
    assert run("report", hostile, "--out", out).exit_code == 0
    text = out.read_text(encoding="utf-8")
    assert "&lt;script&gt;alert(1)&lt;/script&gt;.npz" in text
    assert "<script>alert" not in text


def test_bad_input_is_refused_before_anything_is_written(saved, tmp_path):
    out = tmp_path / "page.html"
    (tmp_path / "broken.npz").write_bytes((saved / "flow.npz").read_bytes()[:500])
    (tmp_path / "words.npz").write_text("not a run")
    np.savez(tmp_path / "foreign.npz", x=1)
    assert_refused(run("report", tmp_path / "none.npz", "--out", out), "none.npz")
    for name in ("broken.npz", "words.npz", "foreign.npz"):
        assert_refused(run("report", tmp_path / name, "--out", out), name)
    assert_refused(run("report", tmp_path, "--out", out), "holds no study")
    assert_refused(run("report", saved / "flow.npz", "--out", tmp_path / "no" / "page.html"), "--out")
    assert_refused(run("report", saved / "flow.npz", "--out", saved / "flow.npz"), "--out", "another file")
    assert not out.exists()


def test_the_page_of_the_flow_verb_has_the_same_parts(tmp_path):
    out = tmp_path / "run.html"
    words = ["flow", "--law", "sphere", "--n", "6", "--d", "40", "--width", "8", "--t-end", "3", "--report", out]
    assert run(*words).exit_code == 0
    assert "Hypotheses of theorems" in out.read_text(encoding="utf-8")
    assert report.write is tw.report.write
