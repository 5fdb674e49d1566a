"""Modules that are chains of linear layers and activations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import fx, nn
from torch.nn import functional as F

from ... import _validate as check
from ..._errors import InputError
from ..._typing import FloatArray
from ..bridges import Layer
from .graphs import Graph, trace
from .layers import is_known

_RELUS: set[Any] = {F.relu, F.relu_, torch.relu, torch.relu_, "relu", "relu_"}
_SLOPE = 0.01  # PyTorch's default for LeakyReLU
_CAN = "be a chain Linear - ReLU or LeakyReLU - Linear, or of Linears only"


def layers_of(module: nn.Module) -> tuple[list[Layer], str | None, float]:
    """Return weights and biases of a chain in float64, its activation (None if it has none) and its slope below zero.

    Raises
    ------
    InputError
        For anything else than a deep linear network or one of one hidden layer.
    """
    if not isinstance(module, nn.Module):
        raise check.fail("from_torch", "module", "be a torch.nn.Module", type(module).__name__)
    graph = trace(nn.Sequential(module) if isinstance(module, nn.Linear) else module)
    if not isinstance(graph, Graph):
        raise check.fail("from_torch", "module", _CAN, f"a forward that cannot be traced ({graph})")
    steps = [step for node in graph.nodes if (step := _step(graph, node)) is not None]
    linear = [step for step in steps if isinstance(step, nn.Linear)]
    if len({id(step.weight) for step in linear}) < len(linear):
        raise check.fail("from_torch", "module", "have weights of its own in every layer", "layers that share them")
    layers = [_weights(step) for step in linear]
    slopes = [step for step in steps if isinstance(step, float)]
    kinds = "".join("L" if isinstance(step, nn.Linear) else "a" for step in steps)
    if kinds != "LaL" and (slopes or not layers):
        words = ", ".join("Linear" if kind == "L" else "activation" for kind in kinds)
        raise check.fail("from_torch", "module", _CAN, words or "no layer")
    if not slopes:
        return layers, None, 0.0
    return layers, "leaky_relu" if slopes[0] else "relu", slopes[0]


def _step(graph: Graph, node: fx.Node) -> nn.Linear | float | None:
    """Return the linear layer that an operation applies, or the slope of its activation; None if it does nothing."""
    if node.op == "placeholder":
        if node.args or len(node.users) != 1:
            raise check.fail("from_torch", "module", "have one input, used once", f"{node.name!r}")
        return None
    called, target = graph.called(node), node.target
    if len(node.all_input_nodes) == 1 and len(node.users) <= 1:
        if node.op == "output" or (called is not None and is_known(called, (nn.Identity, nn.Flatten))):
            return None
        if target in (torch.flatten, torch.squeeze, "flatten", "squeeze"):
            return None
        if isinstance(called, nn.Linear) and is_known(called, (nn.Linear,)):
            return called
        if target in _RELUS or (called is not None and is_known(called, (nn.ReLU,))):
            return 0.0
        if isinstance(called, nn.LeakyReLU):
            return float(called.negative_slope)
        if target is F.leaky_relu:
            return float([*node.args[1:2], node.kwargs.get("negative_slope", _SLOPE)][0])  # type: ignore[arg-type]
    what = type(called).__name__ if called is not None else getattr(target, "__name__", target)
    raise check.fail("from_torch", "module", _CAN, f"{what!r} in it")


def _weights(layer: nn.Linear) -> Layer:
    weight, bias = layer._parameters.get("weight"), layer._parameters.get("bias")
    if weight is None or weight.is_meta or isinstance(weight, nn.parameter.UninitializedParameter):
        raise InputError(
            "from_torch needs weights that are initialised, and parameters themselves: load them, or remove the "
            f"parametrization of {layer}."
        )
    return to_array(weight), None if bias is None else to_array(bias)


def to_array(tensor: torch.Tensor) -> FloatArray:
    """Return a tensor as a float64 array of its own."""
    return tensor.detach().to("cpu", torch.float64).numpy().copy()


def sequential(
    layers: Sequence[tuple[FloatArray, FloatArray | None]],
    activation: str | None,
    slope: float,
    dtype: torch.dtype | None,
) -> nn.Sequential:
    """Build the module of these weights and biases, with the activation, if any, between the layers."""
    if dtype is not None and not (isinstance(dtype, torch.dtype) and dtype.is_floating_point):
        raise check.fail("to_torch", "dtype", "be a torch.dtype of floating-point numbers", repr(dtype))
    modules: list[nn.Module] = []
    for k, (W, b) in enumerate(layers):
        if k and activation is not None:
            modules.append(nn.LeakyReLU(slope) if slope else nn.ReLU())
        layer = nn.Linear(W.shape[1], W.shape[0], bias=b is not None, dtype=dtype or torch.float64, device="meta")
        layer = layer.to_empty(device="cpu")  # nothing is drawn: the user's random numbers stay as they are
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(W.copy()))
            if b is not None:
                layer.bias.copy_(torch.from_numpy(b.copy()))
        modules.append(layer)
    return nn.Sequential(*modules)
