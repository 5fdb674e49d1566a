"""The monitor in PyTorch: its curvature against the exact flow, balance, probes, calls on labelled runs."""

import math

import numpy as np
import pytest

import thalweg as tw

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'thalweg[torch]'")
from torch import nn  # noqa: E402

from thalweg.adapters.torch import PLMonitor, probe  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread():
    """More threads only wait for each other in models this small."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def shallow(network, dtype=torch.float64):
    """The module of a ShallowNetwork."""
    W, a = network.to_unnormalised()
    model = nn.Sequential(nn.Linear(network.d, network.p, bias=False), nn.ReLU(), nn.Linear(network.p, 1, bias=False))
    model = model.to(dtype)
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor(W))
        model[2].weight.copy_(torch.tensor(a[None]))
    return model


def train(model, x, y, lr, steps, monitor=None, **options):
    """Train with SGD on half the mean square; the monitor and the scalars of every step."""
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=options.pop("momentum", 0.0))
    monitor, seen = PLMonitor(model, optimizer, **options), []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = ((model(x) - y) ** 2).mean() / 2
        loss.backward()
        seen.append(monitor.step(loss))
        optimizer.step()
    return monitor, seen


def tensors(data):
    return torch.tensor(data.X), torch.tensor(data.y[:, None])


def test_curvature_is_that_of_the_exact_flow():
    data = tw.data.orthogonal(12, seed=1)
    network = tw.init.group(data, scale=0.1, cosine=0.95, seed=2)  # no pair of it ever meets its kink
    x, y = torch.tensor(data.X.toarray()), torch.tensor(data.y[:, None])
    _, seen = train(shallow(network), x, y, 5e-3, 2000)
    t = np.array([each["pl/time"] for each in seen])
    flow = tw.flow(network, data, t_end=t[-1], times=t, rtol=1e-9, progress=False)
    assert flow.sliding.max() == 0
    names = ("pl/curvature", "pl/curvature_discrete", "pl/average_curvature")
    local, discrete, average = np.array([[each[name] for name in names] for each in seen]).T
    np.testing.assert_allclose(local, flow.curvature, rtol=0.01)
    middle = (flow.curvature[1:] + flow.curvature[:-1]) / 2  # what a step made of it is between its ends
    np.testing.assert_allclose(discrete[1:], middle, rtol=0.01)
    np.testing.assert_allclose(average[1:], flow.average_curvature[1:], rtol=0.01)
    assert local.max() > 10 * local.min()


def test_balance_drifts_with_the_square_of_the_step_and_is_conserved_in_the_limit():
    data, network = tw.data.sphere(20, 10, seed=1), tw.init.dominated(10, 15, seed=2)
    drifts = [train(shallow(network), *tensors(data), lr, int(4 / lr))[1][-1]["pl/balance_drift"] for lr in (0.1, 0.05)]
    assert 0 < drifts[1] < 0.02
    assert drifts[0] / drifts[1] == pytest.approx(2, rel=0.2)  # steps of half the size, twice as many


def test_balance_of_biases_and_convolutions():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.LeakyReLU(0.1), nn.AvgPool2d(2), nn.Flatten(), nn.Linear(36, 1)
    ).double()
    with torch.no_grad():  # pairs are found, and the biases count
        model[0].bias.fill_(0.3)
    x, y = torch.randn(16, 1, 8, 8, dtype=torch.float64), torch.randn(16, 1, dtype=torch.float64)
    moved = [train(model.requires_grad_(), x, y, lr, 20)[1][-1]["pl/balance_drift"] for lr in (1e-3, 1e-5)]
    assert moved[1] < 1e-3 * moved[0]
    tanh = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()
    assert "pl/balance_drift" not in train(tanh, x[:, 0, 0, :3], y, 0.1, 2)[1][-1]


def test_momentum_sets_the_pace_and_every_thins():
    torch.manual_seed(0)
    x, y = torch.randn(20, 3), torch.randn(20, 1)
    monitor, seen = train(nn.Linear(3, 1), x, y, 0.01, 21, momentum=0.9, every=5)
    assert [bool(each) for each in seen] == [k % 5 == 0 for k in range(21)]
    assert seen[20]["pl/time"] == pytest.approx(20 * 0.01 / 0.1)
    groups = nn.Linear(3, 1)
    optimizer = torch.optim.SGD([{"params": [groups.weight], "lr": 0.1}, {"params": [groups.bias], "lr": 0.3}])
    monitor = PLMonitor(groups, optimizer)
    for _ in range(2):
        groups.weight.grad, groups.bias.grad = torch.tensor([[2.0, 0, 0]]), torch.tensor([1.0])
        last = monitor.step(1.0)
    assert last["pl/time"] == pytest.approx((0.1 * 4 + 0.3 * 1) / 5)  # so that the loss falls by time |g|^2
    assert last["pl/curvature"] == pytest.approx(5.0)


def test_minibatches_are_without_bias():
    torch.manual_seed(0)
    x, w = torch.randn(4000, 40), torch.randn(40, 1)
    y = x @ w + 2 * torch.randn(4000, 1)
    model = nn.Linear(40, 1, bias=False)
    nn.init.zeros_(model.weight)
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-4)
    fair, biased = PLMonitor(model, optimizer, minibatch=True), PLMonitor(model, optimizer)
    for _ in range(300):
        rows = torch.randint(4000, (8,))
        optimizer.zero_grad()
        loss = ((model(x[rows]) - y[rows]) ** 2).mean() / 2
        loss.backward()
        found, naive = fair.step(loss), biased.step(loss)
        optimizer.step()
    optimizer.zero_grad()
    loss = ((model(x) - y) ** 2).mean() / 2
    loss.backward()
    true = float((model.weight.grad**2).sum() / loss.detach())
    assert found["pl/curvature"] == pytest.approx(true, rel=0.35)
    assert naive["pl/curvature"] > 2 * true


def test_a_probe_finds_the_most_negative_curvature():
    w = torch.tensor([0.3, -0.2, 0.5], dtype=torch.float64, requires_grad=True)
    H = torch.tensor([[2.0, 1.0, 0.0], [1.0, -3.0, 0.5], [0.0, 0.5, 1.0]], dtype=torch.float64)
    lowest = float(np.linalg.eigvalsh(H.numpy())[0])
    found = probe(lambda: 0.5 * w @ H @ w, [w], 0.1, tolerance=1e-8)
    assert found.curvature == pytest.approx(lowest, rel=1e-6)
    assert found.steps == pytest.approx(-1 / (0.1 * lowest), rel=1e-6)
    assert "saddle" in str(found)
    valley = probe(lambda: (w**2).sum(), [w], 0.1)
    assert math.isinf(valley.steps)
    assert "no direction descends" in str(valley)
    one = torch.ones(1, requires_grad=True)
    assert probe(lambda: -(one**2).sum(), [one], 0.5).curvature == pytest.approx(-2)
    assert probe(lambda: w.sum(), [w], 0.5).curvature == 0


def labelled(scale, lr, steps, n=20, dead=False):
    """Calls along a run of a shallow network at small scale, at a step, or with its units dead."""
    data, network = tw.data.sphere(n, 40, seed=3), tw.init.dominated(40, 30, seed=4)
    model = shallow(network)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= scale
        if dead:
            model[0].weight.copy_(-tensors(data)[0].mean(0).abs() * 0 - 1)
    x, y = tensors(data)
    if dead:
        x = x.abs()
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    monitor, calls = PLMonitor(model, optimizer), []
    for k in range(steps):
        optimizer.zero_grad()
        loss = ((model(x) - y) ** 2).mean() / 2
        loss.backward()
        monitor.step(loss)
        optimizer.step()
        if (k + 1) % (steps // 20) == 0:
            calls.append(monitor.judgement().state)
    return model, monitor, calls, (x, y)


def test_calls_on_labelled_runs():
    *_, calls, _ = labelled(1e-5, 0.05, 4000)
    assert "escaping a saddle" in calls[:6]
    assert calls[-1] == "converged"
    assert "stuck" not in calls
    *_, calls, _ = labelled(1.0, 0.2, 2000)
    assert calls[-1] == "converged"
    assert set(calls) <= {"starting", "descending", "converged"}
    *_, calls, _ = labelled(1.0, 0.05, 400, dead=True)
    assert set(calls[1:]) == {"stuck"}
    *_, calls, _ = labelled(1.0, 400.0, 60)
    assert calls[-1] == "step too large"


def test_a_probe_tells_a_saddle_where_gradients_cannot():
    model, monitor, calls, (x, y) = labelled(1e-5, 1e-6, 60)
    assert calls[-1] in ("stuck", "slowing", "escaping a saddle")
    assert monitor.probe(lambda: ((model(x) - y) ** 2).mean() / 2).curvature < -1e-3


def test_refusals():
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for arguments, options, word in (
        ((model,), {}, "'optimizer'"),
        ((model, optimizer), {"step_size": 0.1}, "'optimizer'"),
        ((model,), {"step_size": -1.0}, "'step_size'"),
        ((nn.ReLU(), None), {"step_size": 1.0}, "'model'"),
        ((model, optimizer), {"every": 0}, "'every'"),
    ):
        with pytest.raises(tw.InputError, match=word):
            PLMonitor(*arguments, **options)
    with pytest.raises(tw.InputError, match=r"loss\.backward"):
        PLMonitor(model, optimizer).step(1.0)
