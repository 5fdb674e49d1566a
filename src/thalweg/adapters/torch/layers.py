"""What the modules of PyTorch do: layers with weights, norms, and operations that keep 0 at 0."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

_LINEAR = (nn.Linear, nn.modules.linear.NonDynamicallyQuantizableLinear)
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
WEIGHTED = (*_LINEAR, *_CONVOLUTIONS)
LAYERS = (*WEIGHTED, nn.MultiheadAttention)
NORMS = (
    *(nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm, nn.LayerNorm, nn.GroupNorm),
    *(nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d),
    *([nn.RMSNorm] if hasattr(nn, "RMSNorm") else []),  # since PyTorch 2.4
)

# Their residual branches: the layers of each, in order, the last one last.
COMPOSITES: dict[type[nn.Module], tuple[tuple[str, ...], ...]] = {
    nn.TransformerEncoderLayer: (("self_attn", "self_attn.out_proj"), ("linear1", "linear2")),
    nn.TransformerDecoderLayer: (
        ("self_attn", "self_attn.out_proj"),
        ("multihead_attn", "multihead_attn.out_proj"),
        ("linear1", "linear2"),
    ),
}

# Operations that map 0 to 0 and let a gradient through there. ReLU does not: its derivative at 0 is 0.
LIVE_MODULES = (
    *(nn.Identity, nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout),
    *(nn.GELU, nn.Tanh, nn.SiLU, nn.Mish, nn.ELU, nn.CELU, nn.SELU, nn.LeakyReLU, nn.PReLU, nn.Softsign, nn.Hardtanh),
    *(nn.Flatten, nn.Unflatten, nn.PixelShuffle, nn.Upsample),
    *(nn.AvgPool1d, nn.AvgPool2d, nn.AvgPool3d, nn.MaxPool1d, nn.MaxPool2d, nn.MaxPool3d),
    *(nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d, nn.AdaptiveMaxPool2d),
)
LIVE_FUNCTIONS: set[Any] = {
    *(operator.getitem, operator.neg, torch.neg, torch.flatten, torch.reshape, torch.transpose, torch.permute),
    *(torch.squeeze, torch.unsqueeze, torch.mean, torch.sum, torch.tanh, torch.clone),
    *(F.dropout, F.gelu, F.tanh, F.silu, F.mish, F.elu, F.leaky_relu, F.interpolate, F.pixel_shuffle),
    *(F.avg_pool1d, F.avg_pool2d, F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.max_pool2d),
}
LIVE_METHODS = {
    *("view", "reshape", "flatten", "transpose", "permute", "squeeze", "unsqueeze", "contiguous", "clone", "neg"),
    *("mean", "sum", "tanh", "to", "float", "double", "type_as", "expand", "chunk", "split", "narrow"),
}
QUOTIENTS: set[Any] = {operator.truediv, operator.itruediv, torch.div}
PRODUCTS: set[Any] = {operator.mul, operator.imul, torch.mul, *QUOTIENTS}
SUMS: set[Any] = {operator.add, operator.iadd, torch.add}
JOINS: set[Any] = {torch.cat, torch.concat, torch.stack}
# What a head may be followed by, besides.
OUTPUT_MODULES = (nn.Softmax, nn.LogSoftmax, nn.Sigmoid, nn.LogSigmoid, nn.Softplus)
OUTPUT_FUNCTIONS: set[Any] = {F.softmax, F.log_softmax, torch.softmax, torch.log_softmax, torch.sigmoid, F.softplus}
OUTPUT_METHODS = {"softmax", "log_softmax", "sigmoid"}


def is_known(module: nn.Module, kinds: tuple[type[nn.Module], ...]) -> bool:
    """Whether the module does what one of these classes does; a subclass with a forward of its own may not."""
    return any(isinstance(module, kind) and type(module).forward is kind.forward for kind in kinds)


def is_layer(module: nn.Module) -> bool:
    """Whether the module multiplies its input by weights."""
    return is_known(module, LAYERS)


def is_affine_norm(module: nn.Module) -> bool:
    """Whether the module is a norm with a gain."""
    return is_known(module, NORMS) and isinstance(getattr(module, "weight", None), torch.Tensor)


def layer_names(name: str, module: nn.Module) -> tuple[str, ...]:
    """Return the layers within a layer, in the order of the path: attention has its projections and its output."""
    return (name, f"{name}.out_proj") if isinstance(module, nn.MultiheadAttention) else (name,)
