"""Pages in a real browser: they open from the disk, load nothing, react, read without sight and fit a phone."""

from itertools import pairwise

import numpy as np
import pytest
from chromium import Browser, executable

import thalweg as tw
from thalweg import report

pytestmark = pytest.mark.skipif(executable() is None, reason="there is no Chromium: apt-get install chromium")

STUDY = """
[study]
name = "four"
method = "descend"
[grid]
d = [8, 12]
n = [5, 20]
p = 10
[trials]
repetitions = 4
seed = 1
[descend]
steps = 20
[success]
loss_below = "1/(2n)"
"""
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>"


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with Browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def pages(tmp_path_factory, sparse_traj):
    """A page of every kind, by name; the first also has names that are not to be run."""
    folder = tmp_path_factory.mktemp("pages")
    data = tw.Dataset(tw.data.sphere(12, 60, seed=1).X, tw.data.sphere(12, 60, seed=1).y, HOSTILE)
    network = tw.init.dominated(60, 9, seed=2)
    study = tw.study.Study.from_toml(STUDY)
    tw.study.run_study(study, folder / "store", tw.study.serial())
    deep = tw.flow(tw.init.zas(20, (3, 3)), tw.Target(np.diag([2.0, 1.0, -0.5])), t_end=2.0)
    smooth = tw.SmoothNetwork.of(network, "tanh")
    runs = {
        "flow": [tw.flow(network, data, t_end=20.0), sparse_traj],
        "descent": tw.descend(network, data, step_size=0.1, steps=100),
        "deep": deep,
        "loss": tw.flow(smooth, data, t_end=5.0),
        "study": tw.study.results(folder / "store"),
    }
    command = f"thalweg flow --data '{HOSTILE}'"
    return {
        name: report.write(run, folder / f"{name}.html", command=command, certify=name == "flow")
        for name, run in runs.items()
    }


KINDS = ["flow", "descent", "deep", "loss", "study"]


def complaints(browser):
    """Return what the browser logged: exceptions, words on the console, and dialogs that a script opened."""
    logged = ("Runtime.exceptionThrown", "Runtime.consoleAPICalled", "Log.entryAdded", "Page.javascriptDialogOpening")
    return [event for event in browser.events if event.get("method") in logged]


def requests(browser):
    """Return the addresses of all requests but those for data within the page."""
    sent = [event for event in browser.events if event.get("method") == "Network.requestWillBeSent"]
    urls = [event["params"]["request"]["url"] for event in sent]
    return [url for url in urls if not url.startswith(("data:", "blob:"))]


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_opens_from_the_disk_in_silence_and_asks_for_nothing(browser, pages, kind):
    browser.open(pages[kind])
    browser.scheme("dark")
    browser.settle()
    assert complaints(browser) == []
    assert requests(browser) == [pages[kind].resolve().as_uri()]


@pytest.mark.parametrize("kind", KINDS)
def test_every_chart_is_drawn_and_has_its_alternatives(browser, pages, kind):
    browser.open(pages[kind])
    charts = browser.run("""[...document.querySelectorAll(".chart")].map((chart) => ({
        drawn: chart.querySelectorAll(".trace, .heatmaplayer image, .heatmaplayer .hm").length,
        said: chart.getAttribute("aria-label"),
        caption: chart.closest("figure").querySelector("figcaption").textContent.trim(),
        rows: chart.closest("figure").querySelectorAll("details table tbody tr").length,
        heading: chart.closest("figure").querySelector("h3").textContent,
    }))""")
    assert len(charts) >= 3
    for chart in charts:
        assert chart["drawn"] > 0, chart["heading"]
        assert chart["said"] == chart["caption"]
        assert len(chart["said"]) > 30
        assert chart["rows"] > 0, chart["heading"]
    levels = browser.run("""[...document.querySelectorAll("h1, h2, h3, h4")].map((h) => Number(h.tagName[1]))""")
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_names_are_shown_and_not_run(browser, pages):
    browser.open(pages["flow"])
    assert browser.run("document.querySelector('h2').textContent") == HOSTILE
    assert browser.run("document.images.length") == 0
    assert HOSTILE in browser.run("document.querySelector('#provenance pre').textContent")


def test_buttons_hide_lines_and_change_the_scale(browser, pages):
    browser.open(pages["flow"])
    shown = """[...document.querySelectorAll(".scatterlayer .trace")].filter((t) =>
        t.closest(".chart").id === "chart-1-3").length"""
    press = """document.querySelector('button[data-for="chart-1-3"][data-name="upper bound"]').click()"""
    assert browser.run(shown) == 4
    browser.run(press)
    browser.settle()
    assert browser.run(shown) == 3
    button = """document.querySelector('button[data-for="chart-1-3"][data-name="upper bound"]')"""
    assert browser.run(f"{button}.getAttribute('aria-pressed')") == "false"
    browser.run(press)
    browser.settle()
    assert browser.run(shown) == 4
    kind = "document.getElementById('chart-1-3')._fullLayout.yaxis.type"
    assert browser.run(kind) == "log"
    for axis in ("yaxis", "xaxis"):
        browser.run(f"""document.querySelector('button[data-for="chart-1-3"][data-axis={axis}]').click()""")
    browser.settle()
    assert browser.run(kind) == "linear"
    assert browser.run(kind.replace("yaxis", "xaxis")) == "log"
    for axis in ("x", "y"):
        assert 2 <= browser.run(f"document.querySelectorAll('#chart-1-3 .{axis}tick').length") <= 20
    browser.scheme("dark")
    browser.settle()
    assert browser.run(kind) == "linear"  # and is kept when the colours change


def test_a_mouse_over_a_chart_shows_the_value(browser, pages):
    browser.open(pages["study"])
    hovering = "document.querySelectorAll('#chart-1-1 .hovertext').length"
    assert browser.run(hovering) == 0
    box = browser.run("""(() => { const chart = document.getElementById('chart-1-1'); chart.scrollIntoView();
        const box = chart.querySelector('.point').getBoundingClientRect();
        return [box.x + box.width / 2, box.y + box.height / 2]; })()""")
    browser.point_at(box[0] - 1, box[1])
    browser.point_at(*box)
    browser.until(f"{hovering} > 0")
    assert "95 % from" in browser.run("document.querySelector('#chart-1-1 .hovertext').textContent")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("width", [360, 768])
def test_nothing_is_wider_than_the_screen(browser, pages, kind, width):
    browser.open(pages[kind], width=width, height=740, phone=width < 500)
    browser.run("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    browser.settle()
    widest = """[...document.querySelectorAll("body *:not(.skip)")].filter((each) => !each.closest("svg")
        && each.getBoundingClientRect().right > innerWidth + 0.5).map((each) => each.outerHTML.slice(0, 80))"""
    assert browser.run("innerWidth") == width
    assert browser.run("document.documentElement.scrollWidth") <= width
    assert browser.run(widest) == []


@pytest.mark.parametrize("kind", KINDS)
def test_dark_mode_changes_page_and_charts_and_keeps_contrast(browser, pages, kind):
    browser.open(pages[kind])
    seen = {}
    for scheme in ("light", "dark", "light"):
        browser.scheme(scheme)
        browser.settle()
        found = browser.run(COLOURS)
        assert seen.setdefault(scheme, found) == found
        assert min(found["contrasts"].values()) >= 3, found["contrasts"]
        assert found["contrasts"]["ink"] >= 7
        assert found["contrasts"]["soft"] >= 4.5
    for key in ("page", "line", "text"):
        assert seen["light"][key] != seen["dark"][key], key


# Colours of the page and of the first chart, and contrasts with the cards by the formula of WCAG 2.
COLOURS = """(() => {
    const style = getComputedStyle(document.documentElement);
    const part = (x) => x <= 0.04045 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4;
    const light = (hex) => [1, 3, 5].map((k) => part(parseInt(hex.slice(k, k + 2), 16) / 255))
        .reduce((sum, x, k) => sum + [0.2126, 0.7152, 0.0722][k] * x, 0);
    const of = (name) => light(style.getPropertyValue("--" + name).trim());
    const names = ["ink", "soft", "blue", "orange", "green", "purple", "amber", "grey"];
    const contrast = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    const chart = document.querySelector(".chart");
    return { page: getComputedStyle(document.body).backgroundColor,
        line: chart.querySelector(".scatterlayer .js-line").style.stroke,
        text: chart.querySelector(".xtick text").style.fill,
        contrasts: Object.fromEntries(names.map((name) => [name, contrast(of(name), of("card"))])) };
})()"""


def test_the_keyboard_reaches_every_control_in_order_and_its_focus_is_seen(browser, pages):
    browser.open(pages["flow"])
    wanted = browser.run("""[...document.querySelectorAll("a[href], button, summary, [tabindex='0']")]
        .filter((each) => each.checkVisibility()).map((each, k) => { each.dataset.order = k; return k; }).length""")
    assert wanted > 40
    reached, outlines = [], []
    for _ in range(wanted):
        browser.press("Tab")
        at = browser.run("""(() => { const at = document.activeElement, style = getComputedStyle(at);
            return [at.dataset.order, style.outlineStyle + " " + style.outlineWidth]; })()""")
        reached.append(int(at[0]))
        outlines.append(at[1])
    assert reached == list(range(wanted))
    assert set(outlines) == {"solid 3px"}


def test_arrow_keys_read_a_line_and_enter_presses_a_button(browser, pages):
    browser.open(pages["study"])
    browser.run("document.getElementById('chart-1-1').focus()")
    reading = "document.getElementById('chart-1-1-reading').textContent"
    assert browser.run(reading) == ""
    browser.press("ArrowRight")
    first = browser.run(reading)
    assert first.startswith("d = 8: 5, ")
    assert "of 4, 95 % from" in first
    browser.press("ArrowRight")
    assert browser.run(reading).startswith("d = 8: 20, ")
    browser.press("ArrowDown")
    assert browser.run(reading).startswith("d = 12: 20, ")
    assert browser.run("document.querySelector('#chart-1-1 .hovertext') !== null")
    browser.run("""document.querySelector('button[data-for="chart-1-1"]').focus()""")
    browser.press("Enter")
    browser.settle()
    assert browser.run("document.activeElement.getAttribute('aria-pressed')") == "false"


def test_arrow_keys_walk_over_the_mode_map(browser, pages):
    """From the top left; the cell that is read is the one that is drawn there, and the one that is marked."""
    browser.open(pages["flow"])
    chart = browser.run("""[...document.querySelectorAll("#part-1 h3")].find((h) => h.textContent === "Mode map")
        .closest("figure").querySelector(".chart").id""")
    at = f"document.getElementById('{chart}')"
    names, samples, modes = browser.run(f"[{at}.data[0].y, {at}.data[0].x, {at}.data[0].z]")
    assert (len(names), len(samples)) == (9, 12)
    heights = browser.run(f"{at}.data[0].y.map((name) => {at}._fullLayout.yaxis.d2p(name))")
    assert heights == sorted(heights, reverse=True)  # the last one is drawn at the top
    browser.run(f"{at}.focus()")
    keys = ["ArrowRight", "ArrowDown", "ArrowDown", "ArrowRight", "ArrowUp", "ArrowLeft", "ArrowLeft"]
    for key, (row, column) in zip(keys, [(8, 0), (7, 0), (6, 0), (6, 1), (7, 1), (7, 0), (7, 0)], strict=True):
        browser.press(key)
        mode = {1: "active", 0: "sliding", -1: "inactive"}[modes[row][column]]
        assert browser.run(f"document.getElementById('{chart}-reading').textContent") == (
            f"{names[row]}, {samples[column]}: {mode}"
        )
        marked = f"{names[row]}, {samples[column]}: mode"
        browser.until(f"({at}.querySelector('.hovertext')?.textContent ?? '').startsWith('{marked}')")
    for _ in range(12):
        browser.press("ArrowDown")
    assert browser.run(f"document.getElementById('{chart}-reading').textContent").startswith(f"{names[0]}, ")


def test_what_goes_wrong_on_a_page_is_heard(browser, pages, tmp_path):
    """Without this, the tests above could pass on a browser that says nothing."""
    page = tmp_path / "wrong.html"
    text = pages["study"].read_text(encoding="utf-8")
    page.write_text(text.replace("</main>", "</main><script>console.log(1); absent()</script>"), encoding="utf-8")
    browser.open(page)
    assert len(complaints(browser)) == 2
    elsewhere = '</main><img src="other.png" width="2000" height="9">'
    page.write_text(text.replace("</main>", elsewhere), encoding="utf-8")
    browser.open(page, width=360)
    assert "Content Security Policy" in str(complaints(browser))
    assert browser.run("document.documentElement.scrollWidth") > 360
    page.write_text(text.replace("Content-Security-Policy", "x").replace("</main>", elsewhere), encoding="utf-8")
    browser.open(page)
    assert len(requests(browser)) == 2
