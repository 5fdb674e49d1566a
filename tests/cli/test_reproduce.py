"""thalweg figure --all: the page, skipped and failed figures, interruption."""

import json
from html.parser import HTMLParser
from urllib.parse import unquote

import numpy as np
import pytest
from typer.testing import CliRunner

from thalweg._errors import InputError, missing_extra
from thalweg.cli import app
from thalweg.figures.base import NamedFigure
from thalweg.figures.style import new_figure


def run(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def toy(name, end=None, *, reading="What it shows.", title="A toy"):
    """A figure that takes no time; it ends in an exception if given one."""

    def measure(setting, work):
        work.progress(0.5, "half way")
        if end is not None:
            raise end
        return {"seed": np.array([work.seed]), "workers": np.array([work.workers])}

    sizes = {"quick": "short", "full": "long"}
    return NamedFigure(
        name, title, "nothing", sizes, measure, lambda table: new_figure(2.0, 2.0), lambda table: reading
    )


class Page(HTMLParser):
    """Tags with their attributes, and the text outside of style."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.text, self._style = [], "", False
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._style = tag == "style"

    def handle_data(self, data):
        self.text += "" if self._style else data

    def of(self, tag):
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture
def figures(monkeypatch):
    def use(*toys):
        monkeypatch.setattr("thalweg.figures.registry.FIGURES", toys)

    return use


def test_the_page_shows_every_figure_with_reading_data_and_command(figures, tmp_path):
    figures(toy("one"), toy("two", reading="Another one."))
    result = run("figure", "--all", "--out", tmp_path, "--seed", 7, "--workers", 2)
    assert result.exit_code == 0, result.output
    assert (tmp_path / "two.csv").read_text() == "seed,workers\n7,2\n"
    page = Page(tmp_path / "index.html")
    for words in (
        "What it shows.",
        "Another one.",
        "thalweg figure two --size quick --seed 7",
        "2 of 2 figures",
        "numpy",
    ):
        assert words in page.text
    assert len(page.of("img")) == 2
    assert all(image["alt"] == "A toy: nothing" for image in page.of("img"))


def test_the_page_loads_nothing_and_links_files_that_exist(figures, tmp_path):
    figures(toy("one"))
    run("figure", "--all", "--out", tmp_path)
    page = Page(tmp_path / "index.html")
    assert all(image["src"].startswith("data:image/png;base64,") for image in page.of("img"))
    assert not page.of("link")
    assert not page.of("script")
    links = [attrs["href"] for attrs in page.of("a")]
    ids = {attrs.get("id") for _, attrs in page.tags}
    assert {"one.csv", "one.svg"} <= set(links)
    for link in links:
        assert link[1:] in ids if link.startswith("#") else (tmp_path / unquote(link)).is_file()


def test_texts_are_escaped(figures, tmp_path):
    figures(toy("one", title='<script>"&'), toy("two", InputError("a < b & <b>c</b>")))
    run("figure", "--all", "--out", tmp_path)
    page = Page(tmp_path / "index.html")
    assert not page.of("script")
    assert not page.of("b")
    assert page.of("img")[0]["alt"] == '<script>"&: nothing'
    assert "a < b & <b>c</b>" in page.text


def test_a_missing_extra_is_skipped_with_the_remedy(figures, tmp_path):
    figures(toy("one", missing_extra("scikit-learn", "figures")), toy("two"))
    result = run("figure", "--all", "--out", tmp_path)
    assert result.exit_code == 0, result.output
    assert "pip install 'thalweg[figures]'" in result.stdout
    page = Page(tmp_path / "index.html")
    assert "pip install 'thalweg[figures]'" in page.text
    assert "1 of 2 figures were drawn; one was skipped." in page.text
    assert len(page.of("img")) == 1


def test_a_failure_does_not_stop_the_others(figures, tmp_path):
    figures(toy("one", InputError("Trials failed.")), toy("two"))
    result = run("figure", "--all", "--out", tmp_path)
    assert result.exit_code == 1
    assert "failed: Trials failed." in result.stdout
    assert (tmp_path / "two.png").is_file()


def test_interrupted_work_keeps_what_is_finished(figures, tmp_path):
    figures(toy("one"), toy("two", KeyboardInterrupt()), toy("three"))
    result = run("figure", "--all", "--out", tmp_path)
    assert result.exit_code == 1
    assert "figures finished and kept: 1" in result.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index.html", "one.csv", "one.md", "one.png", "one.svg"]
    page = Page(tmp_path / "index.html")
    assert "two was not made, three was not made" in page.text
    assert len(page.of("img")) == 1


def test_json_is_all_of_stdout(figures, tmp_path):
    figures(toy("one"), toy("two", missing_extra("scikit-learn", "figures")))
    answer = json.loads(run("figure", "--all", "--out", tmp_path, "--json").stdout)
    assert [(each["name"], each["state"], len(each["saved"])) for each in answer["figures"]] == [
        ("one", "drawn", 4),
        ("two", "skipped", 0),
    ]
    assert answer["report"] == str(tmp_path / "index.html")


def test_the_page_is_the_same_every_time_but_for_seconds(figures, tmp_path, monkeypatch):
    monkeypatch.setattr("time.perf_counter", lambda: 1.0)
    figures(toy("one"))
    pages = []
    for _ in range(2):
        run("figure", "--all", "--out", tmp_path)
        pages.append((tmp_path / "index.html").read_bytes())
    assert pages[0] == pages[1]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["figure", "saddle", "--all"], "leave out 'saddle'"),
        (["figure", "--all", "--out", "/dev/null/at/all"], "--out"),
        (["figure", "--all", "--seed", "-1"], "'seed'"),
        (["figure", "--all", "--workers", "0"], "'workers'"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(words, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(*words)
    assert result.exit_code == 2
    assert len(result.stderr.splitlines()) == 1
    assert expected in result.stderr
    assert not list(tmp_path.iterdir())


def test_ctrl_c_within_a_run_is_not_taken_for_data():
    from types import SimpleNamespace

    import thalweg as tw
    from thalweg.figures.interruption import whole

    with pytest.raises(KeyboardInterrupt):
        whole(SimpleNamespace(outcome=tw.Outcome.INTERRUPTED))
