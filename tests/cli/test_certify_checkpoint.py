"""thalweg certify on PyTorch checkpoints: what they are taken for, on which data, and what is refused."""

import json
from importlib.util import find_spec

import numpy as np
import pytest

if find_spec("torch") is None:
    pytest.skip("PyTorch is not installed: it is the extra 'torch'", allow_module_level=True)

import torch
from test_cli import assert_refused, run
from torch import nn

import thalweg as tw
from thalweg.adapters import append_constant


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A network trained in PyTorch until it is certified, its checkpoint, and its table."""
    folder = tmp_path_factory.mktemp("checkpoints")
    data = tw.data.sphere(6, 20, seed=1)
    header = ",".join([*(f"x{k}" for k in range(20)), "answer"])
    np.savetxt(folder / "table.csv", np.column_stack([data.X, data.y]), delimiter=",", header=header, comments="")
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(20, 40), nn.ReLU(), nn.Linear(40, 1, bias=False)).double()
    X, y = torch.as_tensor(data.X), torch.as_tensor(data.y)
    optimizer = torch.optim.SGD(module.parameters(), lr=0.2)
    for _ in range(400):
        optimizer.zero_grad()
        (((module(X).squeeze(-1) - y) ** 2).mean() / 2).backward()
        optimizer.step()
    return folder, module, data


def saved(folder, what, name="checkpoint.pt"):
    torch.save(what, folder / name)
    return folder / name


@pytest.mark.parametrize("wrap", [lambda s: s, lambda s: {"state_dict": s, "epoch": 3}])
def test_a_network_with_one_hidden_layer(trained, wrap):
    folder, module, data = trained
    path = saved(folder, wrap(module.state_dict()))
    words = ["certify", path, "--data", folder / "table.csv", "--target", "answer"]
    result = run(*words, "--out", folder / "proof.json")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("read as    one hidden layer of 40 ReLU neurons with biases")
    assert "converges" in result.stdout
    answer = json.loads(run(*words, "--json").stdout)
    expected = tw.certify(tw.from_torch(module), append_constant(data))
    assert (answer["verdict"], answer["verified"]) == ("converges", True)
    assert answer["rate"] == pytest.approx(expected.rate, rel=1e-9)
    assert run("certify", folder / "proof.json").exit_code == 0


def test_a_start_of_leaky_neurons_in_single_precision(trained, tmp_path):
    folder, _, data = trained
    torch.manual_seed(1)
    start = nn.Sequential(nn.Linear(20, 40, bias=False), nn.LeakyReLU(0.2), nn.Linear(40, 1, bias=False))
    words = ["certify", saved(tmp_path, start.state_dict()), "--data", folder / "table.csv", "--target", "answer"]
    answer = json.loads(run(*words, "--slope", 0.2, "--json").stdout)
    expected = tw.certify(tw.from_torch(start), data)
    assert (answer["verdict"], answer["test"]) == (expected.verdict, expected.test)
    assert answer["loss"] == pytest.approx(expected.loss, rel=1e-9)
    assert "leaky ReLU neurons," in answer["read_as"]


def test_deep_linear_networks(tmp_path):
    target = np.array([[2.0, 0.5], [0.0, 1.0]])
    np.save(tmp_path / "phi.npy", target)
    network = tw.flow(tw.init.zas(3, 2), tw.Target(target), t_end=5.0).final
    path = saved(tmp_path, tw.to_torch(network).state_dict())
    result = run("certify", path, "--target", tmp_path / "phi.npy")
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("read as    a deep linear network of 3 layers")
    descent = run("certify", path, "--target", tmp_path / "phi.npy", "--step-size", 0.01)
    assert descent.exit_code == 0, descent.output
    assert_refused(run("certify", path), "--target FILE")


def test_a_deep_linear_network_on_data(trained, tmp_path):
    folder, _, data = trained
    two = nn.Sequential(nn.Linear(20, 20, bias=False), nn.Linear(20, 1, bias=False))
    table = ["--data", folder / "table.csv", "--target", "answer"]
    answer = json.loads(run("certify", saved(tmp_path, two.state_dict()), *table, "--json").stdout)
    assert answer["loss"] == pytest.approx(tw.from_torch(two).loss(tw.Target.regression(data.X, data.y)), rel=1e-6)
    named = {"first.weight": two[0].weight, "second.weight": two[1].weight}
    path = saved(tmp_path, named)
    assert "ReLU" in json.loads(run("certify", path, *table, "--json").stdout)["read_as"]
    assert "linear" in json.loads(run("certify", path, *table, "--model", "deep-linear", "--json").stdout)["read_as"]


class Evil:
    """What a checkpoint from elsewhere may hold."""

    def __reduce__(self):
        return (print, ("arbitrary code",))


def test_nothing_that_a_file_holds_is_run(tmp_path, capfd):
    result = run("certify", saved(tmp_path, {"weight": Evil()}))
    assert_refused(result, "more than weights", "state_dict()")
    assert "arbitrary code" not in capfd.readouterr().out + result.output


def test_broken_files(tmp_path):
    path = saved(tmp_path, nn.Linear(2, 1).state_dict())
    whole = path.read_bytes()
    for content, words in (
        (whole[:300], "not a complete one"),
        (b"no checkpoint", "or is no checkpoint"),
        (b"hello", "no PyTorch checkpoint"),  # its first letter is an instruction to pickle
        (b"", "not a complete one"),
    ):
        path.write_bytes(content)
        assert_refused(run("certify", path), "checkpoint.pt", words)
    assert_refused(run("certify", tmp_path / "nowhere.pt"), "no file")


W, a = torch.ones(3, 2), torch.ones(1, 3)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        ([1, 2], "holds a list"),
        ({}, "not the weights"),
        ({"0.weight": W, "steps": 7}, "'steps'"),
        ({"0.weight": W, "1.running_mean": torch.ones(3)}, "'1.running_mean'"),
        ({"0.weight": torch.ones(3, 2, 5, 5)}, "(3, 2, 5, 5)"),
        ({"0.weight": W, "2.weight": torch.ones(1, 4)}, "does not follow"),
        ({"0.weight": W, "2.weight": torch.ones(4, 3)}, "--model deep-linear"),
        ({"0.weight": W, "2.weight": torch.ones(3, 3), "4.weight": a}, "--model deep-linear"),
        ({"0.weight": W, "2.weight": a, "2.bias": torch.ones(1)}, "checkpoint.pt' must have no bias in the last layer"),
        ({"0.weight": W, "0.bias": torch.ones(3), "1.weight": a}, "deep linear"),
        ({"0.weight": W * float("nan"), "2.weight": a}, "finite"),
        ({"0.weight": W, "2.weight": a}, "--data FILE"),
    ],
)
def test_other_checkpoints_are_refused(state, words, tmp_path):
    assert_refused(run("certify", saved(tmp_path, state)), words)


def test_options_that_do_not_fit(trained, tmp_path):
    folder, module, _ = trained
    path, table = saved(tmp_path, module.state_dict()), ["--data", folder / "table.csv", "--target", "answer"]
    assert_refused(run("certify", path, *table, "--when", 3), "--when", "one state")
    assert_refused(run("certify", path, *table, "--step-size", 0.1), "--step-size", "deep linear")
    assert_refused(run("certify", path, *table, "--slope", 2), "slope", "below 1")
    assert_refused(run("certify", tmp_path / "run.npz", *table), "--data", "checkpoint")
    other = saved(tmp_path, {"0.weight": W, "2.weight": a})
    assert_refused(run("certify", other, *table), "2 inputs", "20")
    assert_refused(run("certify", other, "--model", "deep-linear", "--slope", 0.5), "slope")
    for word in ("random", "negative-identity"):
        assert_refused(run("certify", other, "--model", "deep-linear", "--target", word), "--target FILE", word)
