"""Names come from files: in HTML they are shown, not obeyed."""

import numpy as np
import pytest

import thalweg as tw

NAME = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"' & {{ 7 * 7 }}"


@pytest.fixture(scope="module")
def named():
    """Everything that shows itself in HTML, with a hostile name in it."""
    data = tw.Dataset([[1.0, 0.2], [0.3, 1.0]], [1.0, 0.5], NAME)
    target = tw.Target(-np.eye(2), name=NAME)
    network, deep = tw.init.dominated(2, 6, seed=1), tw.init.zas(3, 2)
    flow = tw.flow(network, data, t_end=1.0)
    return {
        "data": data,
        "flow": flow,
        "descent": tw.descend(network, data, step_size=0.1, steps=3),
        "deep linear": tw.flow(deep, target, t_end=1.0),
        "theorems": tw.check(data=data, width=6),
        "certificate": tw.certify(flow.final, data),
        "conditioning": flow.conditioning(),
    }


def assert_shown(page):
    assert "<script>alert(1)" not in page
    assert "<img src=x" not in page
    assert page.count("onerror=alert(2)") == page.count("{{ 7 * 7 }}")  # no template works it out


def test_names_are_escaped_in_notebooks(named):
    pages = {kind: value._repr_html_() for kind, value in named.items() if hasattr(value, "_repr_html_")}
    assert len(pages) >= 6
    for page in pages.values():
        assert_shown(page)
    assert "&lt;img src=x" in pages["data"]


@pytest.mark.parametrize("kind", ["flow", "descent", "deep linear"])
def test_names_are_escaped_in_reports(named, kind, tmp_path):
    try:
        path = tw.report.write(named[kind], tmp_path / "run.html", title=NAME, command=NAME)
    except tw.InputError:
        pytest.skip("there is no report of this kind")
    page = path.read_text(encoding="utf-8")
    assert_shown(page)
    assert "&lt;img src=x" in page
