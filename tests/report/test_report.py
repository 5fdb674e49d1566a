"""The HTML report: one file, offline, complete, and nothing a name says is run."""

import dataclasses
import re
from importlib.metadata import version

import numpy as np
import pytest
from page import Page
from plotly.offline import get_plotlyjs

import thalweg as tw
from thalweg import report


@pytest.fixture(scope="module")
def pages(traj, sparse_traj, tmp_path_factory):
    path = tmp_path_factory.mktemp("report") / "run.html"
    assert report.write([traj, sparse_traj], path, title="Two runs", command="thalweg demo", seed=271828) == path
    text = path.read_text(encoding="utf-8")
    return text, Page(text)


def test_nothing_is_loaded_from_elsewhere(pages):
    _, page = pages
    for tag, attrs in page.tags:
        for name in ("src", "href"):
            assert attrs.get(name, "#").startswith("#"), (tag, attrs)
    assert not page.of("link")
    own = pages[0].replace(get_plotlyjs(), "")
    assert not re.search(r"@import|url\(|https?:", own)
    (policy,) = [attrs["content"] for attrs in page.of("meta") if attrs.get("http-equiv")]
    assert policy.startswith("default-src 'none';")


def test_plotly_is_there_once(pages):
    text, page = pages
    scripts = [attrs for attrs in page.of("script") if "type" not in attrs]
    assert len(scripts) == 2  # the library and the few lines that draw
    assert text.count("plotly.js v") == 1


def test_each_run_has_five_charts_with_text_alternatives(pages):
    _, page = pages
    charts = [attrs for attrs in page.of("div") if attrs.get("role") == "img"]
    assert len(charts) == len(page.of("figcaption")) == len(page.specs) == 10
    assert len({attrs["id"] for attrs in charts}) == 10
    assert all(len(attrs["aria-label"]) > 40 for attrs in charts)
    figures = pages[0].split("<figure")[1:]
    assert len(figures) == 10
    assert all("<details>" in figure and "<table" in figure for figure in figures)


def test_the_charts_hold_the_series(pages, traj):
    loss, curvature, modes, shares, residuals = pages[1].specs[:5]
    np.testing.assert_allclose(loss["data"][0]["y"], traj.loss, rtol=1e-6)
    np.testing.assert_allclose(loss["data"][1]["y"], traj.loss_bound, rtol=1e-6)
    drawn = {line["name"]: line["y"] for line in curvature["data"]}
    np.testing.assert_allclose(drawn["local curvature"], traj.curvature, rtol=1e-6)
    np.testing.assert_allclose(drawn["lower bound"], traj.curvature_lower, rtol=1e-6)
    np.testing.assert_allclose(drawn["upper bound"], traj.curvature_upper, rtol=1e-6)
    order = np.ix_(np.argsort(traj.final.a), np.argsort(traj.data.y))
    np.testing.assert_array_equal(modes["data"][0]["z"], traj.networks.mode_map(-1)[order])
    np.testing.assert_allclose(np.sum([line["y"] for line in shares["data"]], axis=0), 100, rtol=1e-6)
    for line in residuals["data"]:
        i = int(line["name"].split()[1])
        np.testing.assert_allclose(line["y"], np.abs(traj.residuals[:, i]), rtol=1e-6)


def test_the_page_says_what_was_run(pages, traj):
    text, page = pages
    for word in (
        "Two runs",
        "thalweg demo",
        tw.__version__,
        np.__version__,
        f"<dt>numba</dt><dd>{version('numba')}",
        "energy identity",
        "0.30000000000000004",
        "271828",
    ):
        assert word in text
    assert len(page.of("section")) == 3
    assert "prefers-color-scheme: dark" in text


def test_names_are_escaped(traj, tmp_path):
    hostile = "</script><script>alert('x')</script>"
    named = dataclasses.replace(traj, data=dataclasses.replace(traj.data, name=hostile), settings={hostile: hostile})
    path = report.write(named, tmp_path / "r.html", title=hostile, command=hostile)
    text = path.read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert text.count("&lt;script&gt;alert") >= 4
    assert len(Page(text).of("script")) == 7


def test_numbers_that_json_lacks_become_gaps(traj, tmp_path):
    upper = traj.curvature_upper.copy()
    upper[3], upper[4] = np.inf, np.nan
    path = report.write(dataclasses.replace(traj, curvature_upper=upper), tmp_path / "r.html")
    curve = Page(path.read_text(encoding="utf-8")).specs[1]["data"][0]["y"]
    assert [k for k, value in enumerate(curve) if value is None] == [3, 4]


def test_a_path_that_cannot_be_written_is_refused(traj, tmp_path):
    for path in (tmp_path / "none" / "r.html", tmp_path):
        with pytest.raises(tw.InputError, match=r"report\.write"):
            report.write(traj, path)
    with pytest.raises(tw.InputError, match="at least one"):
        report.write([], tmp_path / "r.html")
    for other in ("run.npz", traj.data):
        with pytest.raises(tw.InputError, match="run of flow or descend"):
            report.write(other, tmp_path / "r.html")
    assert list(tmp_path.iterdir()) == []


def test_an_audit_that_fails_is_not_hidden(traj):
    audit = dataclasses.replace(
        traj.audit, invariant_drift=1e-3, largest_loss_increase=1e-8, output_weight_error=0.2, energy_error=0.3
    )
    summary = report.summarize(dataclasses.replace(traj, audit=audit))
    marked = {fact.label for fact in summary.checks if fact.meaning.startswith("LARGE")}
    assert marked == {"invariant drift", "loss increase", "output weights", "energy identity"}
    assert any("do not use" in text for text in summary.advice)
    clean = report.summarize(traj)
    assert not [fact for fact in clean.checks if fact.meaning.startswith("LARGE")]
    assert not any("do not use" in text for text in clean.advice)
