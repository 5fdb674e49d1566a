"""Zero-asymmetric starts in JAX: equinox, flax linen and nnx; what the network then computes; refusals."""

from collections.abc import Callable

import numpy as np
import pytest

import thalweg as tw

jax = pytest.importorskip("jax", reason="JAX is not installed: pip install 'thalweg[flax]'")
import equinox as eqx  # noqa: E402
import flax.linen as linen  # noqa: E402
import jax.numpy as jnp  # noqa: E402
from flax import nnx  # noqa: E402

from thalweg.adapters.jax import zas  # noqa: E402

DEPTH, WIDTH = 12, 4
X = jnp.asarray(np.random.default_rng(0).standard_normal((5, 3)), jnp.float32)


class Block(eqx.Module):
    up: eqx.nn.Linear
    down: eqx.nn.Linear

    def __init__(self, key):
        keys = jax.random.split(key)
        self.up, self.down = (eqx.nn.Linear(WIDTH, WIDTH, key=each) for each in keys)

    def __call__(self, x):
        return x + self.down(jax.nn.relu(self.up(x)))


class Residual(eqx.Module):
    stem: eqx.nn.Linear
    blocks: list
    head: eqx.nn.Linear
    activation: Callable = jax.nn.relu

    def __init__(self, key):
        first, last, *keys = jax.random.split(key, DEPTH + 2)
        self.stem, self.head = eqx.nn.Linear(3, WIDTH, key=first), eqx.nn.Linear(WIDTH, 1, key=last)
        self.blocks = [Block(each) for each in keys]

    def features(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return x

    def __call__(self, x):
        return self.head(self.features(x))


class LinenBlock(linen.Module):
    @linen.compact
    def __call__(self, x):
        return x + linen.Dense(WIDTH)(linen.relu(linen.Dense(WIDTH)(x)))


class LinenResidual(linen.Module):
    @linen.compact
    def __call__(self, x):
        x = linen.Dense(WIDTH)(x)
        for _ in range(DEPTH):
            x = LinenBlock()(x)
        return linen.Dense(1)(x)


def loss(network):
    return jnp.mean((jax.vmap(network)(X) - 1) ** 2)


def test_equinox_computes_its_skip_path_and_trains():
    before = Residual(jax.random.key(0))
    network, report = zas(before)
    assert (report.branches, report.head) == (DEPTH, "head")
    np.testing.assert_array_equal(jax.vmap(network.features)(X), jax.vmap(before.stem)(X))
    np.testing.assert_array_equal(jax.vmap(network)(X), 0)
    assert float(jnp.abs(before.head.weight).max()) > 0  # the argument is left as it was
    gradient = eqx.filter_grad(loss)(network)
    assert float(jnp.abs(gradient.head.weight).max()) > 0
    assert all(float(jnp.abs(block.down.weight).max()) == 0 for block in gradient.blocks)
    first = float(loss(network))
    step = eqx.filter_jit(
        lambda model: eqx.apply_updates(model, jax.tree.map(lambda g: -0.02 * g, eqx.filter_grad(loss)(model)))
    )
    for _ in range(200):
        network = step(network)
    assert float(loss(network)) < 0.1 * first
    assert float(jnp.abs(network.blocks[0].down.weight).max()) > 0  # branches have moved


def test_fixup_scales_the_other_layers():
    before = Residual(jax.random.key(0))
    network, report = zas(before, scaling="fixup")
    for block, old in zip(network.blocks, before.blocks, strict=True):
        np.testing.assert_allclose(block.up.weight, old.up.weight / np.sqrt(DEPTH), rtol=1e-6)
        np.testing.assert_array_equal(block.up.bias, old.up.bias)
    np.testing.assert_array_equal(network.stem.weight, before.stem.weight)
    assert len(report.scaled) == DEPTH
    assert zas(network)[1].to_dict()["zeroed"] == report.to_dict()["zeroed"]


def test_flax_linen_is_recognised_by_numbers():
    model = LinenResidual()
    params = model.init(jax.random.key(0), X)
    changed, report = zas(params, scaling="fixup")
    assert (report.branches, report.head) == (DEPTH, "params.Dense_1")
    np.testing.assert_array_equal(model.apply(changed, X), 0)
    for k in range(DEPTH):  # ten comes after two
        block, old = changed["params"][f"LinenBlock_{k}"], params["params"][f"LinenBlock_{k}"]
        np.testing.assert_array_equal(block["Dense_1"]["kernel"], 0)
        np.testing.assert_allclose(block["Dense_0"]["kernel"], old["Dense_0"]["kernel"] / np.sqrt(DEPTH), rtol=1e-6)
    gradient = jax.grad(lambda p: jnp.mean((model.apply(p, X) - 1) ** 2))(changed)
    assert float(jnp.abs(gradient["params"]["Dense_1"]["kernel"]).max()) > 0


class NnxBlock(nnx.Module):
    def __init__(self, rngs, names):
        for name in names:
            setattr(self, name, nnx.Linear(WIDTH, WIDTH, rngs=rngs))


class NnxResidual(nnx.Module):
    def __init__(self, names, rngs):
        self.stem = nnx.Linear(3, WIDTH, rngs=rngs)
        self.blocks = nnx.List([NnxBlock(rngs, names) for _ in range(DEPTH)])
        self.head = nnx.Linear(WIDTH, 1, rngs=rngs)


def test_flax_nnx_by_name():
    _, state = nnx.split(NnxResidual(("up", "down"), nnx.Rngs(0)))
    with pytest.raises(tw.InputError, match="'branches'"):
        zas(state)  # in the order of its names "up" would come last
    changed, report = zas(state, branches=["blocks.*.down"], head="head", scaling="fixup")
    assert report.branches == DEPTH
    np.testing.assert_array_equal(changed["blocks"][3]["down"]["kernel"][...], 0)
    np.testing.assert_allclose(
        changed["blocks"][3]["up"]["kernel"][...], state["blocks"][3]["up"]["kernel"][...] / np.sqrt(DEPTH), rtol=1e-6
    )
    _, counted = nnx.split(NnxResidual(("fc1", "fc2"), nnx.Rngs(0)))
    with pytest.raises(tw.InputError, match="'head'"):
        zas(counted)  # "head" or "stem"?
    assert zas(counted, head="head")[1].zeroed[0].name == "blocks.0.fc2"
    assert zas(counted, head=False)[1].head is None


def test_networks_without_recognisable_blocks_are_refused():
    perceptron = eqx.nn.MLP(3, 1, WIDTH, 5, key=jax.random.key(0))
    with pytest.raises(tw.InputError, match=r"none is recognised.*layers\.0"):
        zas(perceptron)
    layer = {"kernel": jnp.ones((2, 2))}
    two = {f"A_{k}": {"Dense_0": layer, "Dense_1": layer} for k in range(2)}
    with pytest.raises(tw.InputError, match="several kinds"):
        zas(two | {f"B_{k}": {"Dense_0": layer, "Dense_1": layer} for k in range(2)})
    with pytest.raises(tw.InputError, match="head"):
        zas(two)
    for options, word in (
        ({"branches": ["C_*"]}, "A_0"),
        ({"branches": "A_0"}, "'branches'"),
        ({"branches": []}, "'branches'"),
        ({"head": 3}, "'head'"),
        ({"head": "C"}, "A_0"),
        ({"scaling": "sqrt"}, "'scaling'"),
    ):
        with pytest.raises(tw.InputError, match=word):
            zas(two, **options)
    with pytest.raises(tw.InputError, match="'scaling'"):
        zas({"a": layer, "b": layer}, branches=["a"], head="b", scaling="fixup")
