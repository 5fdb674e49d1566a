"""Checkpoints: the weights that torch.save wrote, read without running anything that a file may hold."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch

from ..._errors import InputError
from ..._files import BROKEN_FILE, reason
from ...networks.deep_linear import DeepLinearNetwork
from ...networks.shallow import ShallowNetwork
from ..bridges import Layer, network_of
from .chains import to_array

# Where training scripts, and Lightning, keep the weights among other things.
_NESTED = ("state_dict", "model_state_dict", "model")
_SAVE = "save model.state_dict() alone, with torch.save"


@dataclass(frozen=True)
class Checkpoint:
    """A network from a file.

    Attributes
    ----------
    network : ShallowNetwork or DeepLinearNetwork
    words : str
        What it was taken for.
    has_bias : bool
        Whether the last input of the network is a constant, with the biases of the first layer as its weights.
    """

    network: ShallowNetwork | DeepLinearNetwork
    words: str
    has_bias: bool


def read_checkpoint(path: Path, model: str | None = None, slope: float = 0.0) -> Checkpoint:
    """Read a network from the state dict of a PyTorch module.

    A checkpoint holds no activations. Two layers, the last with one output, are taken for a network with one hidden
    layer; layers that their numbers in an nn.Sequential show to follow each other directly, for a deep linear one.

    Parameters
    ----------
    path : path
        A state dict, alone or under "state_dict", "model_state_dict" or "model". It is loaded with weights_only=True.
    model : {"shallow", "deep-linear"}, optional
        What it is, if that cannot be told.
    slope : float
        Of a leaky ReLU below zero; 0 for ReLU.

    Raises
    ------
    InputError
        For a file that is missing, broken or holds Python objects, and for weights of another kind of network.
    """
    layers = _layers(path, _state(path))
    kind = model or _kind(path, layers)
    weights = list(layers.values())
    if kind == "deep-linear":
        if slope:
            raise InputError(f"A deep linear network has no slope, and {str(path)!r} was read as one.")
        many = f"{len(weights)} layer{'s' if len(weights) > 1 else ''}"
        words = f"a deep linear network of {many}, as a checkpoint holds no activations"
        return Checkpoint(network_of(repr(str(path)), weights, None, 0.0), words, False)
    if len(weights) != 2:
        raise InputError(f"A network with one hidden layer has two layers. {str(path)!r} holds {', '.join(layers)}.")
    activation = "leaky_relu" if slope else "relu"
    network = network_of(repr(str(path)), weights, activation, slope)
    has_bias = weights[0][1] is not None
    words = (
        f"one hidden layer of {len(weights[0][0])} {'leaky ReLU' if slope else 'ReLU'} "
        f"neuron{'s' if len(weights[0][0]) > 1 else ''}"
        f"{' with biases' if has_bias else ''}, as a checkpoint holds no activations"
    )
    return Checkpoint(network, words, has_bias)


def _state(path: Path) -> dict[str, torch.Tensor]:
    try:
        with path.open("rb") as stream, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other kinds of files, which are refused
            loaded: Any = torch.load(stream, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise InputError(f"There is no file {str(path)!r}.") from None
    except pickle.UnpicklingError:
        raise InputError(f"{str(path)!r} holds more than weights, or is no checkpoint: {_SAVE}.") from None
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be read: {reason(error)}.") from None
    except BROKEN_FILE:  # what these say is of PyTorch's insides
        raise InputError(f"{str(path)!r} is no PyTorch checkpoint, or not a complete one.") from None
    for name in _NESTED:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(name), Mapping):
            loaded = loaded[name]
    if not isinstance(loaded, Mapping) or not loaded:
        raise InputError(
            f"{str(path)!r} holds a {type(loaded).__name__}, not the weights of a module by name: {_SAVE}."
        )
    for name, value in loaded.items():
        if not isinstance(value, torch.Tensor) or not value.is_floating_point() or value.layout != torch.strided:
            raise InputError(f"{str(path)!r} holds {name!r}, which is no array of floating-point numbers: {_SAVE}.")
    return {str(name): value for name, value in loaded.items()}


def _layers(path: Path, state: dict[str, torch.Tensor]) -> dict[str, Layer]:
    """Return weights and biases by the name of their layer, in the order of the module."""
    layers: dict[str, Layer] = {}
    for key, value in state.items():
        name, _, part = key.rpartition(".")
        if part == "weight" and value.ndim == 2:
            bias = state.get(f"{name}.bias" if name else "bias")
            layers[name] = (to_array(value), None if bias is None else to_array(bias))
        elif not (part == "bias" and value.ndim == 1 and (f"{name}.weight" if name else "weight") in state):
            raise InputError(
                f"{str(path)!r} holds {key!r} of shape {tuple(value.shape)}: only linear layers can be read."
            )
    for (first, (below, _)), (second, (above, _)) in pairwise(layers.items()):
        if above.shape[1] != len(below):
            raise InputError(
                f"{str(path)!r}: {second!r} of shape {above.shape} does not follow {first!r} of shape {below.shape}."
            )
    return layers


def _kind(path: Path, layers: dict[str, Layer]) -> str:
    """Tell the kind of network by what the places in an nn.Sequential show, and by shapes."""
    places = [name.rpartition(".")[2] for name in layers]
    parents = {name.rpartition(".")[0] for name in layers}
    if len(layers) == 1:
        return "deep-linear"
    if len(parents) == 1 and all(place.isdigit() for place in places):
        gaps = [int(second) - int(first) for first, second in pairwise(places)]
        if set(gaps) == {1}:
            return "deep-linear"
    if len(layers) == 2 and len(list(layers.values())[-1][0]) == 1:
        return "shallow"
    raise InputError(
        f"It cannot be told what {str(path)!r} computes with {', '.join(layers)}: a checkpoint holds no activations. "
        "If there are none, say so with --model deep-linear; of others, one hidden layer and one output can be read."
    )
