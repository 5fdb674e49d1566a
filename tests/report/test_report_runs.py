"""Pages of runs of every kind: their series, certificates, hypotheses, and lines that compute them again."""

import dataclasses
import re
from pathlib import Path

import numpy as np
import pytest
from page import read

import thalweg as tw

HOSTILE = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def flow():
    """A flow that is not decided at its start, and is at its end."""
    data, network = tw.data.sphere(12, 100, seed=2), tw.init.dominated(100, 12, seed=2)
    return tw.flow(network, data, t_end=40.0)


@pytest.fixture(scope="module")
def descent():
    data, network = tw.data.sphere(10, 20, seed=1), tw.init.dominated(20, 8, seed=2)
    return tw.descend(network, data, step_size=0.05, steps=300)


@pytest.fixture(scope="module")
def target():
    return tw.Target(np.random.default_rng(5).standard_normal((3, 3)), name="three by three")


@pytest.fixture(scope="module")
def deep(target):
    return tw.flow(tw.init.zas(20, (3, 3)), target, t_end=2.0)


@pytest.fixture(scope="module")
def deep_descent(target):
    return tw.descend(tw.init.zas(20, (3, 3)), target, step_size="safe", steps=40)


def page_of(run, folder, **options):
    return read(tw.report.write(run, folder / "page.html", **options))


def test_the_certificate_timeline_is_what_certify_says(flow, tmp_path):
    page = page_of(flow, tmp_path, certify=True)
    rows = page.tables["Certificate timeline"][1:]
    assert 5 <= len(rows) <= 9
    verdicts = [row[2] for row in rows]
    assert verdicts[0] == "undecided"
    assert verdicts[-1] == "converges"
    for row in (rows[0], rows[len(rows) // 2], rows[-1]):
        k = int(np.argmin(abs(flow.t - float(row[0]))))
        own = tw.certify(flow.networks[k], flow.data)
        assert (row[2], row[3]) == (own.verdict, own.test or "-")
        assert row[6] == ("yes" if own.decided else "-")
        if own.decided:
            assert float(row[4]) == pytest.approx(own.rate, rel=1e-3)
    drawn = page.lines("Certificate timeline")
    assert sorted(drawn) == ["converges", "loss", "undecided"]
    assert len(drawn["converges"]["x"]) == verdicts.count("converges")
    first = float(rows[verdicts.index("converges")][0])
    assert f"First decided at time t {first:.4g}: the loss tends" in page.text


def test_a_certificate_that_is_not_confirmed_is_refused_on_the_page(flow, tmp_path, monkeypatch):
    monkeypatch.setattr(tw.Certificate, "verify", lambda self, **options: False)
    page = page_of(flow, tmp_path, certify=True)
    assert "REFUSED" in page.tables["Certificate timeline"][-1]
    assert "No state of those tried is decided." in page.text


def test_nothing_is_certified_or_checked_unasked(flow, tmp_path, monkeypatch):
    monkeypatch.setattr("thalweg.report.runs.timeline", lambda traj: pytest.fail("certified"))
    page = page_of(flow, tmp_path)
    assert "Certificate timeline" not in page.charts
    assert "Hypotheses of theorems" in page.tables  # small enough
    monkeypatch.setattr("thalweg.report.runs._SAMPLES", flow.data.n - 1)
    assert "Hypotheses of theorems" not in page_of(flow, tmp_path).tables
    assert "Hypotheses of theorems" in page_of(flow, tmp_path, check=True).tables


def test_the_hypotheses_are_those_of_check(flow, deep, descent, target, tmp_path):
    for run, own in (
        (flow, tw.check(data=flow.data, network=flow.networks.start)),
        (descent, tw.check(data=descent.data, network=descent.start)),
        (deep, tw.check(target=target, network=deep.start)),
    ):
        page = page_of(run, tmp_path)
        assert len(page.tables["Hypotheses of theorems"]) == len(own.findings) + 1
        assert re.sub(r"\s+", " ", own.verdict) in page.text.replace("&lt;", "<")
        for finding in own.findings:
            rows = page.tables[finding.theorem.title][1:]
            assert [row[0].partition(" (")[0] for row in rows] == [each.name for each in finding.hypotheses]
            assert [row[3].startswith("holds") for row in rows] == [each.holds for each in finding.hypotheses]


def test_a_descent_shows_its_series(descent, tmp_path):
    page = page_of(descent, tmp_path)
    lines = page.lines("Curvature")
    np.testing.assert_allclose(lines["of the next step"]["y"], descent.curvature_discrete, rtol=1e-6)
    np.testing.assert_allclose(lines["of the flow"]["x"], descent.iteration)
    np.testing.assert_allclose(page.lines("Loss")["loss"]["y"], descent.loss, rtol=1e-6)
    for name, line in page.lines("Residuals").items():
        np.testing.assert_allclose(line["y"], np.abs(descent.residuals[:, int(name.split()[1])]), rtol=1e-6)
    timeline = page_of(descent, tmp_path, certify=True).tables["Certificate timeline"]
    assert [row[0] for row in timeline] == ["iteration", "0", "300"]


def test_a_deep_linear_run_shows_loss_bound_and_singular_values(deep, deep_descent, target, tmp_path):
    page = page_of(deep, tmp_path, certify=True)
    loss = page.lines("Loss with its bound")
    np.testing.assert_allclose(loss["excess loss"]["y"], deep.excess, rtol=1e-6)
    np.testing.assert_allclose(loss["proved bound"]["y"], deep.bound, rtol=1e-6)
    values = page.lines("Singular values")
    own = np.linalg.svd(target.Phi)[1]
    for k in range(3):
        np.testing.assert_allclose(values[f"value {k + 1}"]["y"], deep.singular_values[:, k], rtol=1e-6)
        np.testing.assert_allclose(values[f"target {k + 1}"]["y"], own[k], rtol=1e-6)
    assert [row[2] for row in page.tables["Certificate timeline"][1:]] == ["converges", "converges"]
    descent = page_of(deep_descent, tmp_path, certify=True)
    np.testing.assert_array_equal(descent.lines("Curvature")["local curvature"]["x"], deep_descent.iteration)
    assert "about gradient descent with this step size" in descent.text


def test_a_flow_of_any_loss_shows_loss_curvature_and_energy(flow, tmp_path):
    network = tw.SmoothNetwork.of(flow.networks.start, "softplus")
    run = tw.flow(network, flow.data, t_end=5.0)
    page = page_of(run, tmp_path, certify=True, check=True)
    np.testing.assert_allclose(page.lines("Loss")["loss"]["y"], run.loss, rtol=1e-6)
    np.testing.assert_allclose(page.lines("Curvature")["local curvature"]["y"], run.curvature, rtol=1e-6)
    np.testing.assert_allclose(page.lines("Energy")["sum"]["y"], run.loss[0], rtol=1e-4)
    assert f"energy drift {run.audit.energy_drift:.1g}" in page.text
    assert page.tables["Settings"][1:]
    assert "Certificate timeline" not in page.charts
    assert "Hypotheses of theorems" not in page.tables


@pytest.mark.parametrize("name", ["flow", "descent", "deep", "deep_descent"])
def test_the_lines_on_the_page_compute_the_run_again(name, request, tmp_path, monkeypatch):
    run = request.getfixturevalue(name)
    (lines,) = [text for text in page_of(run, tmp_path).texts if text.startswith("import thalweg")]
    run.save(tmp_path / "run.npz")
    monkeypatch.chdir(tmp_path)
    scope = {}
    exec(lines, scope)
    np.testing.assert_array_equal(scope["again"].loss, run.loss)


def test_runs_of_one_output_time_are_shown(flow, target, descent, tmp_path):
    runs = [
        tw.flow(flow.networks.start, flow.data, t_end=1.0, times=[1.0]),
        tw.descend(descent.start, descent.data, step_size=0.05, steps=1),
        tw.flow(tw.init.zas(4, (3, 3)), target, t_end=0.5, times=[0.5]),
        tw.flow(tw.SmoothNetwork.of(flow.networks.start, "tanh"), flow.data, t_end=1.0, times=[1.0]),
    ]
    page = page_of(runs, tmp_path, certify=True)
    assert page.text.startswith("<!DOCTYPE html>")
    assert "Gradient flow and Gradient descent and Training of a deep linear network" in page.text
    assert len(page.tables["Certificate timeline"]) == 2


def test_names_of_every_kind_are_escaped(flow, descent, deep, tmp_path):
    named = [
        dataclasses.replace(flow, data=dataclasses.replace(flow.data, name=HOSTILE)),
        dataclasses.replace(descent, data=dataclasses.replace(descent.data, name=HOSTILE)),
        dataclasses.replace(deep, target=dataclasses.replace(deep.target, name=HOSTILE), notes=(HOSTILE,)),
    ]
    page = page_of(named, tmp_path, title=HOSTILE, command=f"thalweg flow --data '{HOSTILE}'", certify=True)
    assert "<script>alert" not in page.text
    assert page.text.count("&lt;script&gt;alert(1)") >= 8
    assert len([attrs for attrs in page.of("script") if "type" not in attrs]) == 2


def test_the_page_of_documentation_shows_what_runs(tmp_path, monkeypatch):
    words = (Path(__file__).parents[2] / "docs" / "report.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(.*?)```", words, re.DOTALL)
    monkeypatch.chdir(tmp_path)
    exec(block, {})
    page = read(tmp_path / "run.html")
    assert "Certificate timeline" in page.charts
    assert "<dt>seed</dt><dd>2" in page.text
