"""The callback of Lightning: the figures of the monitor, logged; what it says; what it refuses."""

import warnings

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install 'thalweg[lightning]'")
with warnings.catch_warnings():  # of its own imports
    warnings.simplefilter("ignore")
    lightning = pytest.importorskip("lightning.pytorch", reason="Lightning is not installed")

from torch import nn  # noqa: E402
from torch.utils.data import DataLoader, TensorDataset  # noqa: E402

import thalweg as tw  # noqa: E402
from thalweg.adapters.lightning import PLCallback  # noqa: E402
from thalweg.adapters.torch import PLMonitor  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning's, about workers, loggers and its own parts


class Regression(lightning.LightningModule):
    def __init__(self, optimizers=1):
        super().__init__()
        torch.manual_seed(0)
        self.model, self.number = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1)).double(), optimizers
        self.logged = []
        self.automatic_optimization = optimizers == 1

    def training_step(self, batch, _):
        x, y = batch
        return ((self.model(x) - y) ** 2).mean() / 2

    def configure_optimizers(self):
        return [torch.optim.SGD(self.model.parameters(), lr=0.05) for _ in range(self.number)]

    def log_dict(self, scalars):
        self.logged.append(scalars)


def data():
    torch.manual_seed(1)
    return TensorDataset(torch.randn(32, 4).double(), torch.randn(32, 1).double())


def fit(module, callback, folder, epochs=4, batch=32, **options):
    trainer = lightning.Trainer(
        max_epochs=epochs, callbacks=[callback], accelerator="cpu", logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, default_root_dir=folder, **options,
    )  # fmt: skip
    trainer.fit(module, DataLoader(data(), batch_size=batch))
    return module.logged


def test_it_logs_what_a_loop_would_see(tmp_path):
    logged = fit(Regression(), PLCallback(minibatch=False), tmp_path)
    plain = Regression()
    optimizer = plain.configure_optimizers()[0]
    monitor, (x, y) = PLMonitor(plain, optimizer), data().tensors
    for found in logged:
        optimizer.zero_grad()
        loss = plain.training_step((x, y), 0)
        loss.backward()
        assert found == pytest.approx(monitor.step(loss), rel=1e-9, nan_ok=True)
        optimizer.step()
    assert len(logged) == 4


def test_accumulated_batches_are_one(tmp_path):
    whole = fit(Regression(), PLCallback(minibatch=False), tmp_path)
    parts = fit(Regression(), PLCallback(minibatch=False), tmp_path, batch=16, accumulate_grad_batches=2)
    assert len(parts) == len(whole)
    for one, other in zip(whole, parts, strict=True):  # shuffling is off: two halves are the whole
        assert one == pytest.approx(other, rel=1e-9, nan_ok=True)


def test_it_says_what_changes(tmp_path, capsys):
    callback = PLCallback(minibatch=False)
    assert callback.judgement().state == "starting"
    fit(Regression(), callback, tmp_path, epochs=30)
    said = [line for line in capsys.readouterr().out.splitlines() if line.startswith("epoch")]
    assert [line.split(": ")[1] for line in said] == ["starting", "descending"]
    fit(Regression(), PLCallback(verbose=False), tmp_path, epochs=2)
    assert "epoch" not in capsys.readouterr().out


def test_several_optimizers_are_refused(tmp_path):
    with pytest.raises(tw.InputError, match="PLMonitor"):
        fit(Regression(optimizers=2), PLCallback(), tmp_path)


def test_it_goes_on_from_a_checkpoint(tmp_path):
    whole, parts = PLCallback(minibatch=False), PLCallback(minibatch=False)
    fit(Regression(), whole, tmp_path, epochs=6)
    options = {"accelerator": "cpu", "logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    loader, module = DataLoader(data(), batch_size=32), Regression()
    first = lightning.Trainer(
        max_epochs=3, callbacks=[PLCallback(minibatch=False)], default_root_dir=tmp_path, **options
    )
    first.fit(module, loader)
    first.save_checkpoint(tmp_path / "run.ckpt")
    then = lightning.Trainer(max_epochs=6, callbacks=[parts], default_root_dir=tmp_path, **options)
    then.fit(Regression(), loader, ckpt_path=tmp_path / "run.ckpt")
    assert parts.state_dict() == whole.state_dict()
    assert parts.state_dict()["calls"] == 6
