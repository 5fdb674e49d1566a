"""Figures: the arrays drawn are those of the trajectory, and no global state changes."""

import dataclasses
import io
import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

import thalweg as tw
from thalweg import plot
from thalweg.plot.sampling import mode_picture, residual_lines, spread


def lines(ax):
    return {line.get_label(): line for line in ax.lines}


def rendered(figure):
    figure.savefig(stream := io.BytesIO(), format="png", dpi=40)
    return stream.getvalue()


def test_notebooks_show_the_pictures_of_all_kinds_of_runs(traj):
    """Jupyter calls _repr_png_; of a bare Figure it prints one line of text unless pyplot was imported."""
    data, start = traj.data, traj.networks.start
    runs = [
        traj,
        tw.descend(start, data, step_size=0.01, steps=3),
        tw.flow(tw.SmoothNetwork.of(start, "tanh"), data, t_end=0.5),
        tw.flow(tw.init.zas(3, 2), tw.Target(np.eye(2)), t_end=0.5),
        tw.curvature.alignment(traj),
    ]
    for run in runs:
        figure = run.plot()
        assert isinstance(figure, Figure)
        shown = figure._repr_png_()
        assert shown.startswith(b"\x89PNG")
        size = [int.from_bytes(shown[k : k + 4], "big") for k in (16, 20)]
        assert size == [round(inches * figure.dpi) for inches in figure.get_size_inches()]


def test_loss_and_its_bound(traj):
    (ax,) = plot.loss(traj).axes
    drawn = lines(ax)
    np.testing.assert_array_equal(drawn["loss"].get_xydata(), np.column_stack([traj.t, traj.loss]))
    np.testing.assert_array_equal(drawn["bound from the lower curvature"].get_ydata(), traj.loss_bound)
    assert ax.get_yscale() == "log"


def test_curvature_between_its_bounds(traj):
    (ax,) = plot.curvature(traj).axes
    drawn = lines(ax)
    expected = {
        "local curvature": traj.curvature,
        "lower bound": traj.curvature_lower,
        "upper bound": traj.curvature_upper,
        "average since t = 0": traj.average_curvature,
    }
    assert drawn.keys() == expected.keys()
    for label, values in expected.items():
        np.testing.assert_array_equal(drawn[label].get_ydata(), values)
    styles = [line.get_linestyle() for line in drawn.values()]
    assert len(set(styles)) == len(styles)  # told apart without colour


def test_modes_in_order_of_weight_and_label(traj):
    image, shares = plot.modes(traj).axes
    neurons, samples = np.argsort(traj.final.a), np.argsort(traj.data.y)
    shown = np.asarray(image.images[0].get_array())
    np.testing.assert_array_equal(shown, traj.networks.mode_map(-1)[neurons][:, samples])
    assert [text.get_text() for text in image.get_legend().get_texts()] == ["inactive", "sliding", "active"]
    total = sum(line.get_ydata() for line in shares.lines)
    np.testing.assert_allclose(total, 100.0)
    np.testing.assert_allclose(lines(shares)["active"].get_ydata(), traj.active * 100 / (12 * 9))


def test_the_colour_of_a_mode_is_its_own_in_the_legend(traj):
    image = plot.modes(traj).axes[0]
    picture = image.images[0]
    for value, patch in zip((-1, 0, 1), image.get_legend().get_patches(), strict=True):
        assert picture.cmap(picture.norm(value)) == patch.get_facecolor()


def test_residuals_of_every_sample(traj):
    (ax,) = plot.residuals(traj).axes
    drawn = np.array(sorted(tuple(line.get_ydata()) for line in ax.lines))
    np.testing.assert_array_equal(drawn, np.array(sorted(map(tuple, np.abs(traj.residuals.T)))))
    assert "all 12" in ax.get_title()
    assert len(ax.get_legend().get_texts()) == 2


def test_many_residuals_are_thinned_and_the_title_says_so(traj):
    wide = np.abs(np.random.default_rng(0).normal(size=(len(traj), 500)))
    data = tw.data.sphere(500, 30, seed=1)
    (ax,) = plot.residuals(dataclasses.replace(traj, residuals=wide, data=data)).axes
    assert len(ax.lines) == 60
    assert "60 of 500" in ax.get_title()
    ends = [line.get_ydata()[-1] for line in ax.lines]
    assert (min(ends), max(ends)) == (wide[-1].min(), wide[-1].max())


def test_overview_holds_the_four_and_renders(traj, sparse_traj):
    before, backend = dict(matplotlib.rcParams), matplotlib.rcParams._get("backend")
    for each in (traj, sparse_traj):
        figure = each.plot()
        assert isinstance(figure, Figure)
        assert len(figure.axes) == 5  # the modes have two
        assert rendered(figure).startswith(b"\x89PNG")
    assert dict(matplotlib.rcParams) == before
    assert matplotlib.rcParams._get("backend") == backend


def test_drawing_into_a_part_of_a_figure(traj):
    figure = Figure()
    left, _ = figure.subfigures(1, 2)
    assert plot.loss(traj, left) is left
    assert len(figure.axes) == 1


def test_one_output_time_and_a_zero_loss_can_be_drawn(traj):
    first = {
        field.name: getattr(traj, field.name)[:1]
        for field in dataclasses.fields(traj)
        if isinstance(getattr(traj, field.name), np.ndarray)
    }
    short = dataclasses.replace(traj, **first)
    assert rendered(plot.loss(short))
    zero = {name: np.zeros_like(getattr(traj, name)) for name in ("loss", "curvature", "residuals")}
    flat = dataclasses.replace(traj, **zero, curvature_lower=zero["curvature"], curvature_upper=zero["curvature"])
    for draw in (plot.loss, plot.residuals):
        assert rendered(draw(flat))


def test_a_run_that_kept_no_network_still_draws(traj):
    none = dataclasses.replace(traj.networks, at=np.full(len(traj), -1))
    image, shares = plot.modes(dataclasses.replace(traj, networks=none)).axes
    assert not image.images
    assert len(shares.lines) == 3


@pytest.mark.parametrize(("count", "limit"), [(1, 5), (5, 5), (6, 5), (1000, 7), (3, 1000)])
def test_spread_is_even_and_keeps_both_ends(count, limit):
    chosen = spread(count, limit)
    assert len(chosen) == min(count, limit)
    assert (chosen[0], chosen[-1]) == (0, count - 1)
    gaps = np.diff(chosen)
    assert gaps.size == 0 or gaps.max() - gaps.min() <= 1


def test_thinned_maps_say_so(traj):
    picture = mode_picture(traj, 4)
    assert picture.thinned
    assert picture.modes.shape == (4, 4)
    for i, j in np.ndindex(4, 4):
        assert picture.modes[i, j] == traj.networks.mode_map(-1)[picture.neurons[i], picture.samples[j]]
    assert not mode_picture(traj, 12).thinned
    assert len(residual_lines(traj, 3)) == 3


def test_importing_the_figures_loads_no_heavy_library():
    heavy = "{'matplotlib', 'plotly', 'rich', 'jinja2'}"
    code = f"import thalweg.plot, thalweg.report, sys; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
