"""The certificate of a PyTorch checkpoint, on data or for a target."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from .._errors import InputError
from ._linear import DRAWN
from ._model import Model

if TYPE_CHECKING:
    from ..certify import Certificate
    from ..data import Dataset, Target

_SUFFIXES = (".pt", ".pth", ".ckpt", ".bin")


def is_checkpoint(path: Path) -> bool:
    """Whether a file is, by its name, a PyTorch checkpoint."""
    return path.suffix.lower() in _SUFFIXES


def certify_checkpoint(
    path: Path, data: Path | None, target: str | None, model: Model | None, slope: float, step_size: float | None
) -> tuple[Certificate, str]:
    """Return the certificate of a checkpoint, and how the checkpoint was read."""
    from ..adapters.torch.checkpoint import read_checkpoint
    from ..certify import certify
    from ..networks import ShallowNetwork

    read = read_checkpoint(path, None if model is None else model.value, slope)
    if not isinstance(read.network, ShallowNetwork):
        goal = _target(data, target)
        return certify(read.network, goal, step_size=step_size), read.words
    if step_size is not None:
        raise InputError(f"--step-size belongs to deep linear networks: {str(path)!r} was read as {read.words}.")
    samples = _samples(data, target, read.has_bias)
    if read.network.d != samples.d:
        inputs = read.network.d - read.has_bias
        raise InputError(f"{str(path)!r} has {inputs} inputs, the data have {samples.d - read.has_bias}.")
    return certify(read.network, samples), read.words


def _samples(data: Path | None, target: str | None, has_bias: bool) -> Dataset:
    from ..adapters import append_constant
    from ..data import load

    if data is None:
        raise InputError("A checkpoint is certified on its training data: give them by --data FILE --target COLUMN.")
    samples = load(data, target)
    return append_constant(samples) if has_bias else samples


def _target(data: Path | None, target: str | None) -> Target:
    from ..data.target import Target
    from ._matrix import read_matrix

    if data is not None:
        samples = _samples(data, target, False)
        return Target.regression(samples.X, samples.y, name=samples.name)
    if target is None or target in DRAWN:
        got = "" if target is None else f" Got {target!r}."
        raise InputError(
            f"A deep linear checkpoint needs --target FILE, a matrix, or --data FILE --target COLUMN.{got}"
        )
    return Target(read_matrix("--target", Path(target)), name=Path(target).name)
