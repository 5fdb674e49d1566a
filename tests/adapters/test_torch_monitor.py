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
    monitor, seen = PLMonitor(model, optimizer, **{"every": 1} | options), []
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


def test_all_of_the_first_steps_are_looked_at_and_every_fifth_then():
    torch.manual_seed(0)
    x, y = torch.randn(20, 3), torch.randn(20, 1)
    _, seen = train(nn.Linear(3, 1), x, y, 0.01, 131, every=None)
    assert [k for k, each in enumerate(seen) if each] == [*range(100), *range(100, 131, 5)]
    assert seen[130]["pl/time"] == pytest.approx(1.3)
    _, all_of_them = train(nn.Linear(3, 1), x, y, 0.01, 131)
    assert all_of_them[130]["pl/time"] == pytest.approx(1.3)


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
    fair, biased = (PLMonitor(model, optimizer, minibatch=each, every=1) for each in (True, False))
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


def quadratic(lr, momentum=0.0, dtype=torch.float32, steps=600, **sgd):
    """Gradient descent on a quadratic with curvatures 1 and 0.01; the judgements at every tenth of the run."""
    model = nn.Linear(2, 1, bias=False).to(dtype)
    with torch.no_grad():
        model.weight.copy_(torch.tensor([[1.0, 1.0]]))
    x, y = torch.tensor([[2.0**0.5, 0.0], [0.0, 0.02**0.5]]).to(dtype), torch.zeros(2, 1, dtype=dtype)
    optimizer = torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum, **sgd)
    monitor, calls = PLMonitor(model, optimizer, target=1e-9, every=1), []
    for k in range(steps):
        optimizer.zero_grad()
        loss = ((model(x) - y) ** 2).mean() / 2
        loss.backward()
        scalars = monitor.step(loss)
        optimizer.step()
        if k % (steps // 10) == steps // 10 - 1:
            calls.append(monitor.judgement())
    return calls, scalars


def test_momentum_may_overshoot():
    calls, _ = quadratic(0.3, 0.9)  # its pace, 3, is beyond 2 over the curvature: and the loss falls
    assert {call.state for call in calls} <= {"descending", "converged"}
    calls, _ = quadratic(4.5, 0.9)  # beyond 2 (1 + m): diverges
    assert calls[-1].state == "step too large"
    _, scalars = quadratic(0.1, 0.9, dampening=0.9)
    assert scalars["pl/time"] == pytest.approx(599 * 0.1)


def test_steps_that_are_rounded_away_are_not_too_large():
    calls, _ = quadratic(0.05, dtype=torch.bfloat16)  # weights near 1 have three digits
    assert {call.state for call in calls[5:]} <= {"slowing", "descending"}


def test_gradients_of_low_precision_are_summed_in_high():
    model = nn.Linear(300, 1, bias=False).half()
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    for options, norm in (({}, 6e4**2 * 300), ({"minibatch": True}, 6e4**2 * 300)):
        monitor = PLMonitor(model, optimizer, every=1, **options)
        for _ in range(2):
            model.weight.grad = torch.full_like(model.weight, 6e4)  # whose squares are beyond float16
            found = monitor.step(1.0)
        assert found["pl/curvature"] == pytest.approx(norm, rel=1e-2)


@pytest.mark.parametrize("minibatch", [False, True])
def test_sparse_gradients(minibatch, monkeypatch):
    curvatures = []
    for sparse, large in ((False, False), (True, False), (True, True)):
        torch.manual_seed(0)
        model = nn.Sequential(nn.Embedding(50, 4, sparse=sparse), nn.Linear(4, 1))
        if large:
            monkeypatch.setattr("thalweg.adapters.torch.monitor._MOST_ENTRIES", 10)
        monitor = PLMonitor(model, step_size=0.1, minibatch=minibatch)
        for rows in ([1, 2, 3, 3], [3, 4, 5, 5]):
            model.zero_grad()
            loss = (model(torch.tensor(rows)) ** 2).mean()
            loss.backward()
            found = monitor.step(loss)
        curvatures.append(found["pl/curvature"])
    assert curvatures == pytest.approx([curvatures[0]] * 3, rel=1e-6)


def test_parameters_may_be_frozen_and_thawed():
    """What a batch leaves without a gradient has the gradient 0."""
    torch.manual_seed(0)
    one, other = nn.Linear(3, 1, bias=False), nn.Linear(3, 1, bias=False)
    model, x = nn.ModuleList([one, other]), torch.randn(8, 3)
    other.requires_grad_(False)
    monitor, naive = (PLMonitor(model, step_size=0.1, minibatch=each, every=1) for each in (True, False))
    gradients, products = [], []
    for k in range(6):
        other.requires_grad_(k in (2, 3, 5))
        model.zero_grad()
        loss = ((one(x) + other(x) - k) ** 2).mean()
        loss.backward()
        found, full = monitor.step(loss), naive.step(loss)
        flat = torch.cat([p.grad.flatten() if p.grad is not None else torch.zeros(3) for p in model.parameters()])
        gradients.append(flat)
        if k:
            products.append(float(gradients[-1] @ gradients[-2]))
        assert full["pl/curvature"] == pytest.approx(float(flat @ flat / loss.detach()), rel=1e-5)
    mean = (products[0] + sum(products)) / 6  # of the first there is none, and that of the second stands for it
    assert found["pl/curvature"] * found["pl/loss"] == pytest.approx(mean, rel=1e-5)


def test_only_what_the_optimizer_moves_is_watched():
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1))
    monitor = PLMonitor(model, torch.optim.SGD(model[2].parameters(), lr=0.1))
    loss = model(torch.ones(1, 3)).square().sum()
    loss.backward()
    square = sum(float((p.grad**2).sum()) for p in model[2].parameters())
    assert monitor.step(loss)["pl/curvature"] == pytest.approx(square / loss.item(), rel=1e-5)


def test_a_monitor_is_taken_up_again(tmp_path):
    """A run saved and loaded in the middle has the figures of one that was not; the file holds no objects."""
    data, network = tw.data.sphere(20, 10, seed=1), tw.init.dominated(10, 15, seed=2)
    x, y = tensors(data)
    ends = []
    for restart in (False, True):
        model = shallow(network)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        monitor = PLMonitor(model, optimizer, every=3)
        for k in range(100):
            if restart and k == 50:
                torch.save({"model": model.state_dict(), "monitor": monitor.state_dict()}, tmp_path / "run.pt")
                saved = torch.load(tmp_path / "run.pt", weights_only=True)
                model = shallow(tw.init.dominated(10, 15, seed=3))
                model.load_state_dict(saved["model"])
                optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
                monitor = PLMonitor(model, optimizer, every=3)
                monitor.load_state_dict(saved["monitor"])
            optimizer.zero_grad()
            loss = ((model(x) - y) ** 2).mean() / 2
            loss.backward()
            monitor.step(loss)
            optimizer.step()
        ends.append((monitor.scalars(), monitor.judgement()))
    assert ends[0] == ends[1]
    assert ends[0][0]["pl/balance_drift"] > 0


def test_balance_of_a_start_near_zero_is_relative_to_what_has_grown():
    _, monitor, *_ = labelled(1e-5, 0.05, 2000)
    assert 0 < monitor.scalars()["pl/balance_drift"] < 0.1


def test_refusals():
    model = nn.Linear(2, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for arguments, options, word in (
        ((model,), {}, "'optimizer'"),
        ((model, optimizer), {"step_size": 0.1}, "'optimizer'.* Got both"),
        ((list(model.parameters()), optimizer), {}, "'model' .* Got list"),
        ((model,), {"step_size": -1.0}, "'step_size'"),
        ((nn.ReLU(), None), {"step_size": 1.0}, "'model'"),
        ((model, optimizer), {"every": 0}, "'every'"),
    ):
        with pytest.raises(tw.InputError, match=word):
            PLMonitor(*arguments, **options)
    with pytest.raises(tw.InputError, match=r"loss\.backward"):
        PLMonitor(model, optimizer).step(1.0)
    model(torch.ones(3, 2)).sum().backward()
    with pytest.raises(tw.InputError, match=r"'loss' .* Got shape \(3, 1\)"):
        PLMonitor(model, optimizer).step(model(torch.ones(3, 2)))
