"""What a training run does, told from its loss and gradients: figures against closed forms, calls on labelled cases."""

import math

import numpy as np
import pytest

import thalweg as tw
from thalweg.adapters.monitor import PLRecord, _log, _quotient


def descend(loss, gradient, start, eta, steps, **options):
    """Plain gradient descent under a monitor; the record, and its calls at every tenth of the run."""
    record, w, calls = PLRecord(**options), np.array(start, float), []
    for k in range(steps):
        g = np.asarray(gradient(w), float)
        record.add(loss(w), float(np.linalg.norm(g)), eta)
        w = w - eta * g
        if (k + 1) % (steps // 10) == 0:
            calls.append(record.judgement().state)
    return record, calls


def square(w):
    return 0.5 * w @ w


def test_figures_are_those_of_a_quadratic():
    eta, steps = 0.3, 20
    record, _ = descend(square, lambda w: w, [3.0, 4.0], eta, steps, target=1e-6)
    found = record.scalars()
    assert found["pl/curvature"] == pytest.approx(2.0, rel=1e-12)
    assert found["pl/time"] == pytest.approx(eta * (steps - 1))
    rate = -2 * math.log(1 - eta) / eta  # the loss falls by (1 - eta)^2 a step
    assert found["pl/curvature_discrete"] == pytest.approx(rate, rel=1e-12)
    assert found["pl/average_curvature"] == pytest.approx(rate, rel=1e-12)
    assert found["pl/steps_to_target"] == pytest.approx(math.log(found["pl/loss"] / 1e-6) / (2 * eta))
    judgement = record.judgement()
    assert judgement.steps_to_target == pytest.approx(math.log(found["pl/loss"] / 1e-6) / (rate * eta), rel=0.2)
    assert judgement.efficiency == pytest.approx(1 - eta / 2, rel=1e-9)


def test_the_floor_is_taken_off():
    record, _ = descend(lambda w: 7 + square(w), lambda w: w, [3.0], 0.01, 100, floor=7.0)
    assert record.scalars()["pl/curvature"] == pytest.approx(2.0, rel=1e-10)
    assert record.target == pytest.approx(7 + 4.5e-4)


def test_a_saddle_that_is_left_is_told_until_it_is_left():
    """ab = 1 from (s, s): a^2 grows like s^2 exp(2t), so the steps until the loss falls are known."""
    s, eta = 1e-6, 0.01
    record, w, told = PLRecord(), np.array([s, s]), {}
    for k in range(2500):
        error = w[0] * w[1] - 1
        record.add(0.5 * error**2, float(np.linalg.norm(error * w)), eta)
        w = w - eta * error * w[::-1]
        if k % 100 == 99:
            told[k + 1] = (record.judgement(), 0.5 * error**2)
    leaves = math.log(1 / s) / eta
    for k, (judgement, loss) in told.items():
        if 300 <= k <= 900:
            assert judgement.state == "escaping a saddle"
            assert judgement.growth > 1.5
            ready = float(judgement.reason.split("about ")[1].split()[0])
            assert ready == pytest.approx(leaves - k, rel=0.3)
        if loss > 0.4:
            assert judgement.state in ("escaping a saddle", "descending", "slowing")
    assert told[2500][0].state == "converged"


def test_a_saddle_that_is_approached_is_left_in_the_end():
    """Depth 3, from near the identity to -1: along the stable manifold of the origin first."""

    def gradient(w):
        return (w.prod() + 1) * np.array([w[1] * w[2], w[0] * w[2], w[0] * w[1]])

    _, calls = descend(lambda w: 0.5 * (w.prod() + 1) ** 2, gradient, [1.0, 1.001, 0.999], 0.01, 6500)
    assert calls.index("escaping a saddle") > calls.index("slowing")
    assert calls[-1] == "converged"


def test_dead_units_are_stuck():
    _, calls = descend(lambda w: 0.5 + square(w - 1), lambda w: w - 1, [3.0], 0.05, 1000)
    assert calls[-1] == "stuck"
    _, calls = descend(lambda w: 0.5, lambda w: 0 * w, [3.0], 0.05, 1000)
    assert set(calls) == {"stuck"}


@pytest.mark.parametrize("eta", [1.9, 2.0, 2.1, 30.0])
def test_steps_that_are_too_large(eta):
    with np.errstate(over="ignore", invalid="ignore"):
        _, calls = descend(square, lambda w: w, [1.0, -2.0], eta, 1000, target=1e-300)
    assert set(calls) == {"step too large"}


@pytest.mark.parametrize("eta", [1e-4, 0.1, 1.0])
def test_stable_steps_are_not_called_too_large(eta):
    _, calls = descend(square, lambda w: w, [1.0, -2.0], eta, 1000)
    assert "step too large" not in calls


def test_adam_is_not_judged_by_gradients():
    record = PLRecord(plain=False)
    for k in range(100):  # falls far less than a step along the gradient would make it
        record.add(1 - 0.005 * k, 10.0, 0.1)
    assert record.judgement().state == "descending"
    assert math.isnan(record.judgement().efficiency)


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_a_loss_that_is_not_finite(bad):
    record = PLRecord()
    record.add(1.0, 1.0, 0.1)
    record.add(bad, bad, 0.1)
    assert record.judgement().state == "step too large"
    assert set(map(type, record.scalars().values())) == {float}


def test_long_runs_keep_little_and_see_all():
    record, _ = descend(square, lambda w: w, [1.0], 1e-5, 20_000)
    assert len(record._entries) <= 513
    assert record._entries[0].step == 0
    assert record.judgement().efficiency == pytest.approx(1, abs=1e-3)


def test_noisy_gradients_bias_the_square_and_not_the_agreement():
    """Gradients w + noise: a square is too large by the variance; products of batches in a row are not."""
    rng, w, eta = np.random.default_rng(0), np.full(50, 1.0), 1e-4
    biased, fair = PLRecord(memory=400), PLRecord(memory=400)
    before = None
    for _ in range(1200):
        g = w + rng.standard_normal(50)
        biased.add(square(w), float(np.linalg.norm(g)), eta)
        fair.add(square(w), float(np.linalg.norm(g)), eta, agreement=g @ (before if before is not None else g))
        before, w = g, w - eta * g
    assert biased.scalars()["pl/curvature"] == pytest.approx(4.0, rel=0.1)
    assert fair.scalars()["pl/curvature"] == pytest.approx(2.0, rel=0.1)


def at_rest(seed, batch, steps=3000, d=20, eta=0.02):
    """Calls and losses in the second half of a run of SGD that never leaves the noise of its labels."""
    rng, w, before = np.random.default_rng(seed), np.zeros(20), None
    record, calls = PLRecord(memory=50), []
    for k in range(steps):
        x, noise = rng.standard_normal((batch, d)), rng.standard_normal(batch)
        r = x @ w - noise
        g = x.T @ r / batch
        record.add(r @ r / (2 * batch), None, eta, agreement=None if before is None else g @ before)
        before, w = g, w - eta * g
        if k >= steps // 2 and k % 25 == 0:
            calls.append(record.judgement())
    return calls


@pytest.mark.parametrize("batch", [1, 4, 32])
def test_the_noise_of_labels_is_not_taken_for_news(batch):
    calls = [call for seed in range(3) for call in at_rest(seed, batch)]
    assert sum(call.state == "within noise" for call in calls) > 0.95 * len(calls)
    assert "no more than by chance" in calls[-1].reason


def test_first_gradients_of_mini_batches_have_no_square():
    record = PLRecord(memory=50)
    record.add(1.0, None, 0.1)
    assert math.isnan(record.scalars()["pl/curvature"])
    assert record.judgement().state == "starting"
    record.add(1.0, None, 0.1, agreement=0.5)
    record.add(1.0, None, 0.1)  # after a restart: stays as it was
    assert record.scalars()["pl/curvature"] == pytest.approx(0.5)


def test_skipped_steps_of_mixed_precision_are_left_out():
    plain, mixed = PLRecord(memory=5), PLRecord(memory=5)
    for k in range(30):
        plain.add(0.9**k, 0.9**k, 0.1)
        if k % 7 == 0:
            mixed.add(0.9**k, math.inf, 0.1)
        mixed.add(0.9**k, 0.9**k, 0.1)
    assert mixed.scalars() == plain.scalars()
    mixed.add(math.nan, math.nan, 0.1)
    assert mixed.judgement().state == "step too large"
    mixed.add(0.04, 0.04, 0.1)  # from a checkpoint before
    assert mixed.scalars()["pl/loss"] == 0.04
    mixed.add(1e200, 1e200, 0.1)  # whose square is infinite
    assert mixed.scalars()["pl/loss"] == 0.04


def test_a_step_size_of_zero_is_named():
    record = PLRecord()
    for _ in range(20):
        record.add(1.0, 1.0, 0.0)
    assert str(record.judgement()) == "stuck: The step size has been 0 for 11 steps."


def test_a_record_is_taken_up_again_from_json():
    import json

    whole, first = PLRecord(memory=3), PLRecord(memory=3)
    for k in range(700):
        if k == 610:  # after some have been dropped
            first, saved = PLRecord(memory=3), first.state_dict()
            first.load_state_dict(json.loads(json.dumps(saved)))
        for record in (whole, first):
            record.add(1 / (1 + k), 1 / (1 + k), 0.1)
    assert first.scalars() == whole.scalars()
    assert first.judgement() == whole.judgement()
    assert first.state_dict() == whole.state_dict()


@pytest.mark.parametrize("x", [0.0, 2.0, -3.0, math.inf, math.nan])
@pytest.mark.parametrize("y", [0.0, -0.0, 4.0, math.inf, math.nan])
def test_quotients_are_those_of_numpy(x, y):
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal([_quotient(x, y), _log(x)], [np.divide(x, y), np.log(x)])


def test_little_is_said_at_first():
    record = PLRecord()
    assert record.scalars() == {}
    assert record.judgement().state == "starting"
    record.add(1.0, 1.0, 0.1)
    assert record.judgement().state == "starting"


@pytest.mark.parametrize(
    ("options", "word"),
    [({"target": -1.0}, "'target'"), ({"floor": math.nan}, "'floor'"), ({"memory": 0}, "'memory'")],
)
def test_bad_parameters_are_refused(options, word):
    with pytest.raises(tw.InputError, match=word):
        PLRecord(**options)
    with pytest.raises(tw.InputError, match="'step_size'"):
        PLRecord().add(1.0, 1.0, -0.1)
