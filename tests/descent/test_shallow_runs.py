"""Runs of gradient descent on shallow networks: their ends, records, words, files and bad input."""

import signal

import numpy as np
import pytest

import thalweg as tw
from thalweg.descent import descend_many
from thalweg.descent.shallow.descender import ShallowDescent

DONE = tw.DescentOutcome


@pytest.fixture(scope="module")
def data():
    return tw.data.sphere(30, 10, seed=1)


@pytest.fixture(scope="module")
def network():
    return tw.init.dominated(10, 30, seed=2)


@pytest.fixture(scope="module")
def run(network, data):
    return tw.descend(network, data, step_size=1.0, steps=700)


def test_the_first_and_evenly_spread_iterations_are_recorded(run):
    assert list(run.iteration[:65]) == list(range(65))
    assert len(run) < 520
    assert run.iteration[-1] == 700
    np.testing.assert_array_equal(run.t, run.iteration)
    assert run.residuals.shape == (len(run), 30)
    np.testing.assert_allclose(run.loss, (run.residuals**2).sum(axis=1) / 60, rtol=1e-13)
    assert run.average_curvature[-1] == pytest.approx(np.log(run.loss[0] / run.loss[-1]) / 700)


def test_what_is_recorded_changes_nothing(run, network, data):
    sparse = tw.descend(network, data, step_size=1.0, steps=700, record=[3, 700])
    assert list(sparse.iteration) == [3, 700]
    for name in ("loss", "curvature", "curvature_discrete", "residuals"):
        np.testing.assert_array_equal(getattr(sparse, name), getattr(run, name)[[3, -1]])
    np.testing.assert_array_equal(sparse.final.W, run.final.W)


def test_descending_on_is_the_same_path(run, network, data):
    half = tw.descend(network, data, step_size=1.0, steps=40)
    rest = tw.descend(half.final, data, step_size=1.0, steps=20)
    np.testing.assert_allclose(rest.loss, run.loss[40:61], rtol=1e-10)


def test_loss_below_is_judged_at_every_iteration(network, data):
    every = tw.descend(network, data, step_size=1.0, steps=150, record=np.arange(151))
    level = float(every.loss[:101].min())
    first = int(np.argmax(every.loss <= level))
    stop = tw.WallTime(1e9) | tw.LossBelow(level)
    traj = tw.descend(network, data, step_size=1.0, steps=150, record=[0], stop=stop)
    assert traj.outcome is DONE.LOSS_BELOW
    assert (list(traj.iteration), traj.loss[-1]) == ([0, first], level)
    at_start = tw.descend(network, data, step_size=1.0, steps=150, stop=tw.LossBelow(100.0))
    assert (list(at_start.iteration), at_start.outcome) == ([0], DONE.LOSS_BELOW)
    assert np.isfinite(at_start.curvature_discrete[0])


def test_other_conditions_see_the_state(network, data):
    seen = []

    def look(state):
        seen.append((state.t, state.loss, state.network().loss(data), state.curvature, state.residuals.copy()))
        return len(seen) == 4

    traj = tw.descend(network, data, step_size=0.5, steps=50, stop=look)
    assert traj.outcome is DONE.PREDICATE
    assert [row[0] for row in seen] == [0.5, 1.0, 1.5, 2.0]
    np.testing.assert_allclose([row[1] for row in seen], [row[2] for row in seen], rtol=1e-12)
    np.testing.assert_array_equal([row[4] for row in seen], traj.residuals[1:])
    timed = tw.descend(network, data, step_size=0.5, steps=50, stop=tw.WallTime(1e-9))
    assert (timed.outcome, timed.iteration[-1]) == (DONE.WALL_TIME, 1)


@pytest.mark.parametrize(("n", "d", "step"), [(30, 10, 100.0), (30, 10, 1e9), (8, 10, 100.0), (30, 10, 1e150)])
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_divergence_keeps_the_last_state_before_it(n, d, step, precision):
    data, network = tw.data.sphere(n, d, seed=1), tw.init.dominated(d, 30, seed=2)
    if precision == "float32" and step > 1e30:
        step = 1e20
    traj = tw.descend(network, data, step_size=step, steps=500, precision=precision)
    assert traj.outcome is DONE.DIVERGED
    assert traj.iteration[-1] < 20
    assert np.isfinite(traj.loss).all()
    assert np.isfinite(traj.residuals).all()
    assert traj.final.loss(data) == pytest.approx(traj.loss[-1], rel=1e-9 if precision == "float64" else 1e-3)
    assert f"take one below {traj.stable_steps[0]:.3g}" in str(traj)
    assert not traj.curvature_discrete[-1] > 0


def test_divergence_between_records(network, data):
    every = tw.descend(network, data, step_size=100.0, steps=500)
    few = tw.descend(network, data, step_size=100.0, steps=500, record=[0])
    np.testing.assert_array_equal(few.iteration, [0, every.iteration[-1]])
    np.testing.assert_array_equal(few.loss, every.loss[[0, -1]])
    np.testing.assert_array_equal(few.final.W, every.final.W)


def test_rest_and_exact_fit(data):
    silent = tw.ShallowNetwork(-np.ones((2, 1)), np.ones(2))
    resting = tw.descend(silent, tw.Dataset([[1.0], [2.0]], [1.0, 1.0]), step_size=1.0, steps=10)
    assert (resting.outcome, resting.loss[-1], resting.curvature[-1]) == (DONE.STATIONARY, 0.5, 0.0)
    assert resting.stable_steps == (np.inf, np.inf)
    network = tw.init.dominated(10, 5, seed=2)
    fit = tw.descend(network, tw.Dataset(data.X, network.predict(data.X)), step_size=1.0, steps=10)
    assert (fit.outcome, len(fit)) == (DONE.ROUNDING_FLOOR, 1)
    zero = tw.descend(silent, tw.Dataset([[1.0]], [0.0]), step_size=1.0, steps=10)
    assert (zero.outcome, zero.loss[0], zero.curvature[0]) == (DONE.ROUNDING_FLOOR, 0.0, 0.0)
    for traj in (resting, fit, zero):
        assert str(traj)


def test_interrupt_keeps_what_is_done(network, data, monkeypatch):
    advance, calls = ShallowDescent.advance, []

    def interrupting(self, count):
        calls.append(count)
        if len(calls) == 20:
            signal.raise_signal(signal.SIGINT)
        return advance(self, count)

    monkeypatch.setattr(ShallowDescent, "advance", interrupting)
    traj = tw.descend(network, data, step_size=1.0, steps=10**6)
    assert traj.outcome is DONE.INTERRUPTED
    np.testing.assert_array_equal(traj.iteration, np.arange(20))
    assert traj.final.loss(data) == pytest.approx(traj.loss[-1])


def test_progress_says_what_it_does(network, data, capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")  # as on a terminal
    tw.descend(network, data, step_size=1.0, steps=50, progress=True)
    assert "descending" in capsys.readouterr().err
    tw.descend(network, data, step_size=1.0, steps=50, progress=False)
    assert capsys.readouterr().err == ""


def test_long_gaps_are_cut_into_slices(run, network, data, monkeypatch):
    made = ShallowDescent.__init__

    def short(self, *arguments):
        made(self, *arguments)
        self.slice = 7

    monkeypatch.setattr(ShallowDescent, "__init__", short)
    cut = tw.descend(network, data, step_size=1.0, steps=700, record=[0, 700])
    np.testing.assert_array_equal(cut.loss, run.loss[[0, -1]])
    np.testing.assert_array_equal(cut.curvature_discrete, run.curvature_discrete[[0, -1]])


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_files_hold_everything(run, kind, tmp_path):
    if kind == "sparse":
        run = tw.descend(tw.init.dominated(9, 4, seed=1), tw.data.orthogonal(9, seed=2), step_size=0.5, steps=9)
    again = tw.DescentTrajectory.load(run.save(tmp_path / "run.npz"))
    for name in ("iteration", "loss", "curvature", "curvature_discrete", "residuals", "t"):
        np.testing.assert_array_equal(getattr(again, name), getattr(run, name))
    np.testing.assert_array_equal(again.final.W, run.final.W)
    np.testing.assert_array_equal(again.start.a, run.start.a)
    assert (again.outcome, again.settings, str(again)) == (run.outcome, run.settings, str(run))
    whole = (tmp_path / "run.npz").read_bytes()
    (tmp_path / "half.npz").write_bytes(whole[: len(whole) // 2])
    run.final.save(tmp_path / "network.npz")
    for name, message in (("half", "not a complete"), ("network", "not a saved DescentTrajectory"), ("no", "no file")):
        with pytest.raises(tw.InputError, match=message):
            tw.DescentTrajectory.load(tmp_path / f"{name}.npz")


def test_words_and_picture(run):
    text = str(run)
    assert text.startswith("All iterations were made (iteration 700, loss ")
    assert f"{run.stable_steps[0]:.3g} at the start" in text
    rises = int((run.curvature_discrete < 0).sum())
    assert (f"rose after {rises} of" in text) == (rises > 0)
    assert "<b>All iterations were made" in run._repr_html_()
    assert "iteration=700" in repr(run)
    loss, curvature, residuals = run.plot().axes
    np.testing.assert_array_equal(loss.lines[0].get_ydata(), run.loss)
    np.testing.assert_array_equal(curvature.lines[1].get_ydata(), run.curvature_discrete)
    assert len(residuals.lines) == 30


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"data": None}, "'data' parameter of descend must be a Dataset"),
        ({"data": tw.data.sphere(3, 4, seed=1)}, "have 4 inputs"),
        ({"step_size": 0.0}, "'step_size' parameter of descend must be a finite number, at least 1e-100"),
        ({"step_size": 1e-40, "precision": "float32"}, "at least 1e-30 and at most 1e\\+30"),
        ({"step_size": 1e40, "precision": "float32"}, "at least 1e-30 and at most 1e\\+30"),
        ({"step_size": 1e200}, "at most 1e\\+150"),
        ({"step_size": np.nan}, "'step_size'"),
        ({"step_size": "safe"}, "'step_size'"),
        ({"steps": 0}, "'steps' parameter"),
        ({"steps": 10.0}, "'steps' parameter"),
        ({"precision": "float16"}, "'precision' parameter of descend must be one of"),
        ({"record": [0.5]}, "'record' parameter"),
        ({"record": []}, "'record' parameter"),
        ({"record": [3, 3]}, "increase, within"),
        ({"record": [0, 11]}, "increase, within"),
        ({"stop": 3}, "'stop' parameter of descend"),
        ({"momentum": 0.5}, "'momentum' parameter of descend must be left out: it is for deep linear"),
        ({"kernel": "numpy"}, "'kernel' parameter of descend must be left out"),
        ({"network": tw.ShallowNetwork(np.full((3, 10), 1e90), np.full(3, 1e90))}, "overflows in float64"),
        (
            {"network": tw.init.dominated(10, 3, seed=1).replace(a=np.full(3, 1e30)), "precision": "float32"},
            "overflows in float32",
        ),
    ],
)
def test_bad_arguments(change, message, network, data):
    arguments = {"network": network, "data": data, "step_size": 1.0, "steps": 10} | change
    with pytest.raises(tw.InputError, match=message):
        tw.descend(**arguments)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loss_below": 0.0}, "'loss_below' parameter of descend_many"),
        ({"threads": 0}, "'threads' parameter of descend_many"),
        ({"steps": 0}, "'steps' parameter of descend_many"),
    ],
)
def test_bad_arguments_of_many(change, message, network, data):
    with pytest.raises(tw.InputError, match=message):
        descend_many([(network, data)], **({"step_size": 1.0, "steps": 3} | change))
    for threads in (1, 2):
        with pytest.raises(tw.InputError, match="'trials' parameter of descend_many must be pairs"):
            descend_many([network], step_size=1.0, steps=3, threads=threads)
