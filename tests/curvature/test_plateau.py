"""Plateaus and transitions against the closed forms of group initialization."""

import dataclasses
from functools import cache

import numpy as np
import pytest
from numpy.testing import assert_allclose

import thalweg as tw
from thalweg.curvature import phase_transition, plateau_law, plateaus
from thalweg.curvature.plateau import crossings

LABELS = np.array([3.0, 4.0, -1.0, -0.5])
DATA = tw.Dataset(np.eye(4), LABELS)
GROUPS = [[0, 1], [2, 3]]


@cache
def grouped(scale, t_end=80.0):
    """Two groups, D = 5 and D = 1.118, n = 4, p = 2; fine output times."""
    network = tw.init.group(DATA, GROUPS, scale=scale)
    return tw.flow(network, DATA, t_end=t_end, times=np.linspace(0.0, t_end, 601), rtol=1e-7)


def closed_form(group, scale):
    """t* and n/2D of a group."""
    D = np.linalg.norm(LABELS[group])
    return 4 / (2 * D) * np.log(2 * D / scale**2 - 1), 4 / (2 * D)


@pytest.mark.parametrize("scale", [1e-1, 1e-2, 1e-4])
def test_transitions_are_the_closed_form(scale):
    traj = grouped(scale)
    for group in GROUPS:
        found = phase_transition(traj, group)
        time, unit = closed_form(group, scale)
        assert found.time == pytest.approx(time, rel=1e-4)
        assert found.width == pytest.approx(3.688 * unit, rel=1e-3)
        assert found.sharpness == pytest.approx(3.688 * unit / time, rel=1e-3)


def test_the_last_plateau_ends_at_the_closed_form():
    """With the other group fitted, mu = (4D/n) N/(pD): half of its peak is N = pD/2."""
    first, second = plateaus(grouped(1e-3))
    time, unit = closed_form(GROUPS[1], 1e-3)
    assert second.end == pytest.approx(time, rel=1e-4)
    assert second.peak == pytest.approx(2 / unit, rel=1e-4)
    assert second.loss == pytest.approx(1.25 / 8, rel=1e-2)
    # With x = N/(pD) of the first group and a share e of the loss in the other, mu = (2/unit) x (1-x)^2/((1-x)^2 + e).
    time, unit = closed_form(GROUPS[0], 1e-3)
    x = np.linspace(1e-3, 0.999, 100_000)
    mu = 2 / unit * x * (1 - x) ** 2 / ((1 - x) ** 2 + 1.25 / 25)
    up = np.flatnonzero(mu >= mu.max() / 2)[0]
    assert first.peak == pytest.approx(mu.max(), rel=1e-3)
    assert (first.start, first.end) == (0.0, pytest.approx(time + unit * np.log(x[up] / (1 - x[up])), rel=1e-3))
    # From there the curvature falls to the half of the next peak, which is lower.
    below = np.flatnonzero(mu >= second.peak / 2)[-1]
    assert second.start == pytest.approx(time + unit * np.log(x[below] / (1 - x[below])), rel=1e-2)


def test_length_against_the_scale():
    """t* = (n/2D)(2 log(1/scale) + log pD) up to scale^2: slope n/D."""
    scales = np.array([1e-2, 1e-3, 1e-4, 1e-5])
    D = np.linalg.norm(LABELS[:2])
    data = tw.Dataset(np.eye(2), LABELS[:2])
    runs = [tw.flow(tw.init.group(data, scale=s), data, t_end=20.0, times=np.linspace(0, 20, 401)) for s in scales]
    law = plateau_law(runs, scales)
    assert law.slope == pytest.approx(2 / D, rel=1e-4)
    assert law.intercept == pytest.approx(2 / (2 * D) * np.log(D), abs=1e-3)
    assert law.slope_error < 1e-4 * law.slope
    assert np.isnan(plateau_law(runs[:2], scales[:2]).slope_error)


def test_balanced_starts_wait_in_proportion_to_the_logarithm():
    """Near 0 a neuron active on all samples of a sign turns to them and grows at the rate D/n: slope n/D."""
    data = tw.data.orthogonal(4, seed=1)
    scales = np.array([1e-3, 1e-4, 1e-5, 1e-6])
    runs = [tw.flow(tw.init.balanced(4, 60, scale=s, seed=5), data, t_end=60.0) for s in scales]
    law = plateau_law(runs, scales)
    D = max(np.linalg.norm((data.norms * data.y)[sign * data.y > 0]) for sign in (-1, 1))
    assert law.slope == pytest.approx(4 / D, rel=0.01)
    assert_allclose(law.lengths, law.intercept - law.slope * np.log(scales), rtol=1e-3)


def test_no_plateau_where_none_is():
    traj = tw.flow(tw.init.dominated(50, 30, seed=1), tw.data.sphere(20, 50, seed=2), t_end=100.0)
    assert plateaus(traj) == ()


def test_a_run_that_ends_on_the_plateau_has_none_yet():
    """Curvature rises a hundredfold, but no drop has been seen: where the plateau ends is not known."""
    time, unit = closed_form(GROUPS[0], 1e-4)
    traj = grouped(1e-4, t_end=time - 2 * unit)
    assert traj.curvature[-1] > 100 * traj.curvature[0]
    assert plateaus(traj) == ()


def test_a_curve_made_by_hand():
    """mu = 2^|k| shapes with known half-heights: down from 64, up to 16, down, and a rise by less than the depth."""
    exponents = np.r_[6:-1:-1, 1:5, 3:-5:-1, -3:-1]
    mu = 2.0**exponents
    t = np.arange(len(mu), dtype=float)
    traj = dataclasses.replace(grouped(1e-1, t_end=1.0), t=t, curvature=mu, loss=np.ones(len(mu)))
    (found,) = plateaus(traj)
    assert (found.start, found.end, found.lowest, found.peak) == (3.0, 9.0, 1.0, 16.0)
    assert plateaus(traj, depth=20.0) == ()


def test_crossings_of_a_cubic():
    t = np.linspace(0.0, 2.0, 201)
    assert_allclose(crossings(t, 1e-200 * (t**2 + 1), 2e-200), [1.0], rtol=1e-6)
    assert crossings(t[:1], t[:1], 0.5).size == 0


def test_results_print():
    traj = grouped(1e-2)
    assert str(plateaus(traj)[1]).startswith("plateau from t = ")
    assert "+-" not in str(plateau_law([traj, grouped(1e-3)], [1e-2, 1e-3]))
    assert "90 to 10 %" in str(phase_transition(traj, [0, 1]))


def test_bad_input_is_named():
    traj = grouped(1e-2)
    for arguments, message in [
        (([traj], [0.1]), "two different scales"),
        (([traj, traj], [0.1, 0.1]), "two different scales"),
        (([traj, traj], [0.1, -0.1]), "positive"),
        (([traj, traj], [0.1, np.nan]), "finite"),
        (([traj], [0.1, 0.2]), "one entry per trajectory"),
    ]:
        with pytest.raises(tw.InputError, match=message):
            plateau_law(*arguments)
    for function in (plateaus, lambda other: phase_transition(other, [0])):
        with pytest.raises(tw.InputError, match="'traj' parameter"):
            function(traj.final)
    with pytest.raises(tw.InputError, match=r"'trajectories\[1\]' parameter"):
        plateau_law([traj, 3.0], [0.1, 0.2])
    with pytest.raises(tw.InputError, match="which=2 was asked for"):
        plateau_law([traj, traj], [0.1, 0.2], which=2)
    with pytest.raises(tw.InputError, match="'which' parameter"):
        plateau_law([traj, traj], [0.1, 0.2], which=-1)
    with pytest.raises(tw.InputError, match="'depth' parameter"):
        plateaus(traj, depth=1.0)
    for samples in ([], [4], [-1], [0.5], [[0]]):
        with pytest.raises(tw.InputError, match="'samples' parameter"):
            phase_transition(traj, samples)
    with pytest.raises(tw.InputError, match="flow for longer"):
        phase_transition(grouped(1e-4, t_end=1.0), [0, 1])
    unlabelled = tw.Dataset(np.eye(2), [1.0, 0.0])
    with pytest.raises(tw.InputError, match="labels of 0 only"):
        phase_transition(tw.flow(tw.init.group(unlabelled, [[0]]), unlabelled, t_end=1.0), [1])
