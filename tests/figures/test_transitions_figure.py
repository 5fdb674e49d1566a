"""Phase transitions: the flow against closed forms written out here, the limit, and the animation."""

import itertools
import math

import numpy as np
import pytest
from PIL import Image

from thalweg import figures
from thalweg.figures import transitions as figure
from thalweg.figures.base import Work


@pytest.fixture(scope="module")
def table():
    return figure.measure(figure.Setting((99, 999)), Work())


@pytest.mark.parametrize("n", [99, 999])
def test_outputs_are_logistic_in_time(table, n):
    """For cosine 1, N' = (2/n)(D N - N^2/p): the share reached is a logistic function of 2 D t/n."""
    mine = table["n"] == n
    for g, label in enumerate(figure.LABELS, start=1):
        D = abs(label) * math.sqrt(n / 3)
        odds = figure.SCALE**2 / (3 * D - figure.SCALE**2) * np.exp(2 * D * table["t"][mine] / n)
        np.testing.assert_allclose(table[f"reached_{g}"][mine], odds / (1 + odds), rtol=0, atol=1e-7)


def test_the_closed_form_drawn_is_the_same_function():
    tau = np.linspace(0.0, 4.0, 9)
    for n in (99.0, 1e12):
        first = 3 * math.sqrt(n / 3)
        t = tau * n * 3 / (2 * first) * math.log(first / figure.SCALE**2)
        for g, label in enumerate(figure.LABELS):
            D = abs(label) * math.sqrt(n / 3)
            logit = 2 * D * t / n - math.log(3 * D / figure.SCALE**2 - 1)
            np.testing.assert_allclose(figure.shares(n, tau)[:, g], 1 / (1 + np.exp(-logit)), rtol=1e-9)


def test_the_curvature_is_that_of_the_flow(table):
    for n in (99, 999):
        _, reached, mu = figure.curve(table, n)
        np.testing.assert_allclose(figure.scaled_curvature(n, reached) / math.sqrt(n), mu, rtol=1e-4)


def test_transitions_are_where_and_as_sharp_as_the_closed_form_says(table):
    for n, g, time, width in zip(
        *(table[f"transition_{name}"] for name in ("n", "group", "time", "width")), strict=True
    ):
        D = abs(figure.LABELS[int(g)]) * math.sqrt(n / 3)
        middle = math.log(3 * D / figure.SCALE**2 - 1)
        assert time == pytest.approx(n / (2 * D) * middle, rel=1e-3)
        assert width / time == pytest.approx(3.688 / middle, rel=5e-3)


def test_the_loss_tends_to_the_staircase():
    tau = np.array([0.5, 0.9, 1.1, 1.5, 1.8, 2.6, 3.1])
    steps = figure.staircase(tau)
    np.testing.assert_allclose(steps, np.array([1.4825, 1.4825, 0.4825, 0.4825, 0.1225, 0.1225, 0.0]) / 1.4825)
    gaps = [np.abs(figure.relative_loss(figure.shares(n, tau)) - steps).max() for n in (1e3, 1e12, 1e48, 1e192)]
    assert gaps[0] > gaps[1] > gaps[2] > gaps[3]
    assert gaps[3] < 1e-4


def test_the_reading_has_the_times_of_the_table(table):
    said = figure.read(table)
    for n in (99, 999):
        times = table["transition_time"][table["transition_n"] == n] / figure.unit(n)
        assert f"n = {n}: at {', '.join(f'{time:.3g}' for time in times)}" in said


def test_it_moves_and_is_the_same_every_time(tmp_path, monkeypatch, table):
    monkeypatch.setattr(figure, "_FRAMES", 3)
    contents = []
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        drawn = figures.Drawn(figure.picture(table), table, "", lambda: figure.animate(table))
        saved = figures.save(drawn, tmp_path / folder, "t")
        assert [path.suffix for path in saved] == [".png", ".svg", ".gif", ".npz", ".md"]
        contents.append([path.read_bytes() for path in saved if path.suffix != ".npz"])
    assert contents[0] == contents[1]
    with Image.open(tmp_path / "one" / "t.gif") as moving:
        assert moving.n_frames == 3
        frames = [np.asarray((moving.seek(k), moving.convert("RGB"))[1]).astype(int) for k in range(3)]
    assert all(np.abs(one - two).sum() > 0 for one, two in itertools.pairwise(frames))
