"""Bridges to PyTorch: the same outputs, the same steps of gradient descent, and back to the last bit."""

from importlib.util import find_spec
from itertools import pairwise

import numpy as np
import pytest

if find_spec("torch") is None:
    pytest.skip("PyTorch is not installed: it is the extra 'torch'", allow_module_level=True)

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

import thalweg as tw
from thalweg.adapters import append_constant

torch.set_num_threads(1)
FLOAT64 = torch.float64


def shallow(d=4, p=7, *, bias=False, activation=None, dtype=FLOAT64, seed=0):
    torch.manual_seed(seed)
    layers = nn.Linear(d, p, bias=bias), activation or nn.ReLU(), nn.Linear(p, 1, bias=False)
    return nn.Sequential(*layers).to(dtype)


def steps_of_sgd(module, X, y, lr, steps):
    """Train as people do, with half the mean squared error; return the losses, that of the end included."""
    X, y = torch.as_tensor(X), torch.as_tensor(y)
    optimizer, losses = torch.optim.SGD(module.parameters(), lr=lr), []
    for _ in range(steps + 1):
        optimizer.zero_grad()
        loss = ((module(X).squeeze(-1) - y) ** 2).mean() / 2
        loss.backward()
        losses.append(loss.item())
        if len(losses) <= steps:
            optimizer.step()
    return losses


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("activation", [nn.ReLU(), nn.LeakyReLU(0.2)])
def test_outputs_losses_and_steps_are_those_of_pytorch(bias, activation):
    module, data = shallow(bias=bias, activation=activation), tw.data.sphere(9, 4, seed=1)
    seen = append_constant(data) if bias else data
    network = tw.from_torch(module)
    outputs = module(torch.as_tensor(data.X)).squeeze(-1).detach().numpy()
    np.testing.assert_allclose(network.predict(seen.X), outputs, rtol=1e-13, atol=1e-15)
    run = tw.descend(network, seen, step_size=0.05, steps=5, record=range(6), progress=False)
    np.testing.assert_allclose(run.loss, steps_of_sgd(module, data.X, data.y, 0.05, 5), rtol=1e-12)
    ours = tw.to_torch(run.final, bias=bias)
    for mine, theirs in zip(ours.parameters(), module.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-12, atol=1e-14)


def test_the_flow_of_a_module_is_the_limit_of_its_descent():
    """Theirs against ours at the same time, with errors that halve with the step."""
    data = tw.data.sphere(6, 4, seed=3)
    end = tw.flow(tw.from_torch(shallow()), data, t_end=2.0, progress=False)
    errors = [abs(steps_of_sgd(shallow(), data.X, data.y, 2.0 / n, n)[-1] - end.loss[-1]) for n in (200, 400)]
    assert errors[0] < 0.01 * end.loss[-1]
    assert errors[1] < 0.7 * errors[0]


@given(p=st.integers(1, 40), d=st.integers(1, 5), bias=st.booleans(), seed=st.integers(0, 999))
@settings(max_examples=60, derandomize=True, deadline=None)
def test_weights_come_back_to_the_last_bit(p, d, bias, seed):
    for dtype in (torch.float32, torch.bfloat16):
        module = shallow(d, p, bias=bias, dtype=dtype, seed=seed)
        back = tw.to_torch(tw.from_torch(module), bias=bias, dtype=dtype)
        for mine, theirs in zip(back.parameters(), module.parameters(), strict=True):
            assert mine.dtype == dtype
            assert torch.equal(mine, theirs)
    module = shallow(d, p, bias=bias, seed=seed)
    back = tw.to_torch(tw.from_torch(module), bias=bias)
    for mine, theirs in zip(back.parameters(), module.parameters(), strict=True):
        gap = (mine - theirs).abs().detach().numpy()
        assert (gap <= 2 * np.spacing(theirs.abs().detach().numpy())).all()


class Own(nn.Module):
    """As people write them."""

    def __init__(self, forward):
        super().__init__()
        self.hidden, self.out, self.function = nn.Linear(4, 7), nn.Linear(7, 1, bias=False), forward

    def forward(self, x):
        return self.function(self, x)


@pytest.mark.parametrize(
    "forward",
    [
        lambda s, x: s.out(F.relu(s.hidden(x))).squeeze(-1),
        lambda s, x: s.out(s.hidden(torch.flatten(x, 1)).relu()),
        lambda s, x: s.out(F.leaky_relu(s.hidden(x), 0.3)),
        lambda s, x: s.out(F.leaky_relu(s.hidden(x), negative_slope=0.3)),
        lambda s, x: s.out(F.leaky_relu(s.hidden(x))),
    ],
)
def test_modules_with_a_forward_of_their_own(forward):
    torch.manual_seed(0)
    module, data = Own(forward).to(FLOAT64), tw.data.sphere(9, 4, seed=1)
    outputs = module(torch.as_tensor(data.X)).reshape(-1).detach().numpy()
    np.testing.assert_allclose(tw.from_torch(module).predict(append_constant(data).X), outputs, rtol=1e-13)


def test_deep_linear_networks_there_and_back():
    torch.manual_seed(0)
    module = nn.Sequential(*(nn.Linear(a, b, bias=False, dtype=FLOAT64) for a, b in pairwise((3, 5, 4, 2))))
    network, target = tw.from_torch(module), tw.Target(np.arange(6.0).reshape(2, 3) / 6)
    assert isinstance(network, tw.DeepLinearNetwork)
    assert network.depth == 3
    optimizer = torch.optim.SGD(module.parameters(), lr=0.05)
    losses = []
    for _ in range(4):
        optimizer.zero_grad()
        loss = ((module(torch.eye(3, dtype=FLOAT64)).T - torch.as_tensor(target.Phi)) ** 2).sum() / 2
        loss.backward()
        losses.append(loss.item())
        optimizer.step()
    run = tw.descend(network, target, step_size=0.05, steps=4)
    np.testing.assert_allclose(run.loss[:4], losses, rtol=1e-12)
    for mine, theirs in zip(tw.to_torch(run.final), module, strict=True):
        torch.testing.assert_close(mine.weight, theirs.weight, rtol=1e-12, atol=1e-14)
    for dtype in (FLOAT64, torch.float32):
        there = tw.to_torch(tw.from_torch(module.to(dtype)), dtype=dtype)
        assert all(torch.equal(mine.weight, theirs.weight) for mine, theirs in zip(there, module, strict=True))


def test_a_layer_that_stands_many_times_becomes_layers_of_their_own():
    before = torch.get_rng_state()
    module = tw.to_torch(tw.init.zas(5, 3))
    assert torch.equal(torch.get_rng_state(), before)
    assert len({id(parameter) for parameter in module.parameters()}) == len(module) == 5
    x = torch.randn(2, 3, dtype=FLOAT64)
    assert torch.equal(module[:4](x), x)
    assert not module(x).any()


def test_the_constant_input():
    from scipy.sparse import csr_array

    data = tw.data.sphere(5, 3, seed=1)
    sparse = append_constant(tw.Dataset(csr_array(data.X), data.y))
    assert sparse.is_sparse
    dense = append_constant(data)
    np.testing.assert_array_equal(sparse.X.toarray(), dense.X)
    np.testing.assert_array_equal(dense.X, np.column_stack([data.X, np.ones(5)]))
    assert append_constant(tw.Dataset([[2.0], [0.5]], [1.0, 0.0])).d == 2


shared = nn.Linear(3, 3, bias=False)
zero_bias = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1))
nn.init.zeros_(zero_bias[2].bias)


def test_a_bias_of_zero_in_the_last_layer_stays_zero():
    assert tw.from_torch(zero_bias).d == 4


@pytest.mark.parametrize(
    ("module", "words"),
    [
        (nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 1)), "no bias in the last layer"),
        (nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2, bias=False)), "one output"),
        (nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)), "layer 1 of a deep linear network"),
        (nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)), "'Tanh'"),
        (nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 1)), "activation, Linear"),
        (nn.Sequential(nn.Linear(3, 4), nn.ReLU()), "Got Linear, activation"),
        (nn.Sequential(nn.Identity()), "no layer"),
        (nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), "'BatchNorm1d'"),
        (nn.Sequential(shared, shared), "share them"),
        (nn.Sequential(nn.LazyLinear(4), nn.ReLU(), nn.Linear(4, 1)), "initialised"),
        (Own(lambda s, x: x + s.out(s.hidden(x))), "used once"),
        (Own(lambda s, x: s.hidden(x) if x.sum() > 0 else x), "cannot be traced"),
        ("module", "torch.nn.Module"),
    ],
)
def test_other_modules_are_refused(module, words):
    with pytest.raises(tw.InputError, match=words):
        tw.from_torch(module)


def test_bad_arguments_of_the_way_to_pytorch():
    network = tw.init.dominated(1, 3, seed=1)
    with pytest.raises(tw.InputError, match="single input"):
        tw.to_torch(network, bias=True)
    with pytest.raises(tw.InputError, match="deep linear"):
        tw.to_torch(tw.init.zas(3, 2), bias=True)
    with pytest.raises(tw.InputError, match="at most 2e\\+08 weights"):
        tw.to_torch(tw.init.zas(10**8, 2))
    with pytest.raises(tw.InputError, match="ShallowNetwork"):
        tw.to_torch(nn.Linear(2, 2))
    with pytest.raises(tw.InputError, match="floating-point"):
        tw.to_torch(network, dtype=torch.int32)
    with pytest.raises(tw.InputError, match="Dataset"):
        append_constant(np.ones((2, 2)))


def test_a_single_layer_is_a_deep_linear_network_of_one():
    layer = torch.nn.Linear(3, 2, bias=False)
    network = tw.from_torch(layer)
    assert isinstance(network, tw.DeepLinearNetwork)
    np.testing.assert_array_equal(network.layers[0], layer.weight.detach().double().numpy())
