"""The monitor in JAX: closed forms, the record of other frameworks, an optax chain under jit."""

import math

import numpy as np
import pytest

import thalweg as tw

jax = pytest.importorskip("jax", reason="JAX is not installed: pip install 'thalweg[jax]'")
import jax.numpy as jnp  # noqa: E402
import optax  # noqa: E402

from thalweg.adapters.jax import PLMonitor, squared_norm, watch  # noqa: E402
from thalweg.adapters.monitor import PLRecord  # noqa: E402

ETA = 0.1


def quadratic(w):
    return 0.5 * jnp.sum(w["a"] ** 2) + jnp.sum(w["b"] ** 2)


def descend(optimizer, steps=12):
    """Losses, squares of gradients, and the states of an optimizer."""
    w = {"a": jnp.array([1.0, 2.0]), "b": jnp.array([[0.5]])}
    state, seen = optimizer.init(w), []

    @jax.jit
    def step(w, state):
        loss, gradient = jax.value_and_grad(quadratic)(w)
        updates, state = optimizer.update(gradient, state, w, value=loss)
        return optax.apply_updates(w, updates), state, loss, squared_norm(gradient)

    for _ in range(steps):
        w, state, loss, square = step(w, state)
        seen.append((float(loss), float(square), state))
    return w, seen


def closed_form(k):
    a, b = np.array([1.0, 2.0]) * (1 - ETA) ** k, 0.5 * (1 - 2 * ETA) ** k
    return 0.5 * (a @ a) + b**2, a @ a + 4 * b**2


def test_a_chain_keeps_the_figures_of_a_closed_form():
    w, seen = descend(optax.chain(watch(ETA), optax.sgd(ETA)))
    plain, _ = descend(optax.chain(watch(ETA), optax.sgd(ETA)))
    np.testing.assert_array_equal(w["a"], plain["a"])
    first = closed_form(0)[0]
    for k, (loss, square, state) in enumerate(seen):
        true, gradient = closed_form(k)
        found = state[0]
        assert (loss, square) == pytest.approx((true, gradient), rel=1e-5)
        assert float(found.curvature) == pytest.approx(gradient / true, rel=1e-5)
        assert float(found.time) == pytest.approx(ETA * k, rel=1e-5)
        if k:
            before = closed_form(k - 1)[0]
            assert float(found.curvature_discrete) == pytest.approx(math.log(before / true) / ETA, rel=1e-3)
            assert float(found.average_curvature) == pytest.approx(math.log(first / true) / (ETA * k), rel=1e-3)
        else:
            assert np.isnan(found.curvature_discrete)


def test_updates_are_left_alone():
    with_it, _ = descend(optax.chain(watch(ETA, floor=-1.0), optax.sgd(ETA, momentum=0.9)))
    w = {"a": jnp.array([1.0, 2.0]), "b": jnp.array([[0.5]])}
    optimizer = optax.sgd(ETA, momentum=0.9)
    state = optimizer.init(w)
    for _ in range(12):
        updates, state = optimizer.update(jax.grad(quadratic)(w), state)
        w = optax.apply_updates(w, updates)
    np.testing.assert_allclose(with_it["a"], w["a"], rtol=1e-6)


def test_the_monitor_is_the_record_of_all_frameworks():
    _, seen = descend(optax.chain(watch(ETA), optax.sgd(ETA)), steps=60)
    monitor, record = PLMonitor(ETA), PLRecord()
    for loss, square, state in seen:
        scalars = monitor.step(loss, square)
        record.add(loss, math.sqrt(square), ETA)
        assert scalars == pytest.approx(record.scalars(), rel=1e-5, nan_ok=True)
        assert scalars["pl/curvature"] == pytest.approx(float(state[0].curvature), rel=1e-5)
    assert str(monitor) == str(monitor.judgement())
    assert monitor.judgement().state == record.judgement().state == "converged"


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
def test_figures_of_low_precision_are_computed_in_high(dtype):
    assert float(squared_norm({"g": jnp.full(10, 1024.0, dtype)})) == 10 * 2.0**20  # beyond float16
    chain, w = watch(ETA), jnp.ones(2, dtype)
    state = chain.init(w)
    for loss in (1.0, 0.75):
        _, state = chain.update(w, state, w, value=jnp.asarray(loss, dtype))
    assert float(state.curvature_discrete) == pytest.approx(math.log(4 / 3) / ETA, rel=1e-6)


def test_schedules_and_products():
    monitor = PLMonitor(0.1)
    monitor.step(1.0, 4.0)
    monitor.step(0.9, 4.0, step_size=0.5)
    found = monitor.step(0.8, 9.0, product=2.0)
    assert found["pl/time"] == pytest.approx(0.6)
    assert found["pl/curvature"] == pytest.approx(2.0 / 0.8)


def test_refusals():
    with pytest.raises(tw.InputError, match="'step_size'"):
        PLMonitor(-1.0)
    with pytest.raises(tw.InputError, match="'step_size'"):
        watch(0.0)
    w = jnp.ones(2)
    chain = watch(0.1)
    with pytest.raises(tw.InputError, match="value=loss"):
        chain.update(w, chain.init(w), w)
