"""The curvature monitor as a callback of Lightning. Needs the extra `lightning`."""

from __future__ import annotations

from typing import Any

from .._errors import InputError, missing_extra

try:
    from lightning.pytorch import Callback, LightningModule, Trainer
except ImportError:
    raise missing_extra("Lightning", "lightning") from None

from torch import Tensor
from torch.optim import Optimizer

from .judgement import Judgement
from .torch.monitor import PLMonitor


class PLCallback(Callback):
    """Log the figures of a `PLMonitor` at every step of a Trainer, and say what the run does at the end of each epoch.

    It looks at gradients as the optimizer sees them: after accumulation and unscaling, before clipping; the loss is the
    mean over the batches that were accumulated. Modules with several optimizers, and manual optimization, have steps
    that no single curvature describes: they are refused with an InputError.

    Parameters
    ----------
    verbose : bool
        Print the judgement at the end of an epoch when it changed.
    **options
        Of `thalweg.adapters.torch.PLMonitor`: target, floor, every, minibatch (here True by default), pairs.

    Examples
    --------
    >>> from thalweg.adapters.lightning import PLCallback
    >>> callback = PLCallback(every=10)
    >>> # Trainer(callbacks=[callback]).fit(module, loader)
    >>> callback.judgement().state
    'starting'
    """

    def __init__(self, *, verbose: bool = True, **options: Any) -> None:
        self._verbose = verbose
        self._options: dict[str, Any] = {"minibatch": True, **options}
        self._monitor: PLMonitor | None = None
        self._loss: Tensor | None = None
        self._said = ""
        self._saved: dict[str, Any] | None = None

    def judgement(self) -> Judgement:
        """Say what the run is doing."""
        return self._monitor.judgement() if self._monitor else Judgement("starting", "No step has been made.")

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Begin to watch."""
        if len(trainer.optimizers) != 1 or not pl_module.automatic_optimization:
            raise InputError(
                "PLCallback watches one optimizer under automatic optimization. In a module with several, or a loop of "
                "its own, call thalweg.adapters.torch.PLMonitor there."
            )
        self._monitor = PLMonitor(pl_module, trainer.optimizers[0], **self._options)
        if self._saved is not None:
            self._monitor.load_state_dict(self._saved)

    def state_dict(self) -> dict[str, Any]:
        """Return what Lightning's checkpoints keep."""
        return {} if self._monitor is None else self._monitor.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a checkpoint, once there is an optimizer to watch."""
        self._saved = state_dict or None

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        """Add up what Lightning has divided by the number of batches it accumulates."""
        self._loss = loss.detach() if self._loss is None else self._loss + loss.detach()

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        """Look at the state that is about to be left."""
        if self._monitor is not None and self._loss is not None and (scalars := self._monitor.step(self._loss)):
            pl_module.log_dict(scalars)
        self._loss = None

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say what the run does, if that changed."""
        judgement = self.judgement()
        if self._verbose and judgement.state != self._said:
            trainer.print(f"epoch {trainer.current_epoch}: {judgement}")
            self._said = judgement.state
