"""Between PyTorch's networks and those of this library: the same weights, in the scaling of each."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _validate as check
from .._errors import InputError
from .._typing import FloatArray
from ..data.dataset import Dataset
from ..networks.deep_linear import DeepLinearNetwork
from ..networks.shallow import ShallowNetwork

if TYPE_CHECKING:
    import torch

# Weights that a module of many layers may hold; repeated layers are stored once here, and one by one there.
_MOST_ENTRIES = 2e8


def from_torch(module: torch.nn.Module) -> ShallowNetwork | DeepLinearNetwork:
    """Turn a PyTorch module into the same network here: one hidden layer, or a deep linear network.

    Linear - ReLU or LeakyReLU - Linear with one output becomes a ShallowNetwork, Linears alone a DeepLinearNetwork.
    nn.Sequential or a module of your own, if its forward is such a chain; a flatten before it and a squeeze after it
    do not matter.

    PyTorch's network is the unnormalised one, h(x) = sum_j a_j sigma(<w_j, x>): its weights are multiplied by sqrt(p)
    (see `ShallowNetwork.from_unnormalised`). With the loss `((module(X).squeeze(-1) - y) ** 2).mean() / 2` one step of
    torch.optim.SGD is one of `tw.descend` with the same step size, and the flow is the same at the same time.

    A bias of the first layer becomes its weight of a constant input, the last column: give the data that column with
    `thalweg.adapters.append_constant`. A bias of the last layer cannot be followed. It must be zero, and stays zero
    here; freeze it in PyTorch to train alike.

    Parameters
    ----------
    module : torch.nn.Module
        On any device, of any type of floating-point numbers.

    Raises
    ------
    InputError
        For any other module, with what it has too much.
    MissingExtraError
        If PyTorch is not installed.

    Notes
    -----
    Weights in float32 or less come back from `to_torch` in their type to the last bit; float64 ones of a shallow
    network to two units in the last place, as sqrt(p) is rounded.

    Examples
    --------
    >>> import torch, thalweg as tw
    >>> _ = torch.manual_seed(0)
    >>> module = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1, bias=False))
    >>> tw.from_torch(module)
    ShallowNetwork(p=8, d=4, relu, dominated ...)
    """
    from .torch.chains import layers_of

    return network_of("The 'module' parameter of from_torch", *layers_of(module))


def to_torch(
    network: ShallowNetwork | DeepLinearNetwork, *, bias: bool = False, dtype: torch.dtype | None = None
) -> torch.nn.Sequential:
    """Turn a network into the same PyTorch module, an nn.Sequential. The way back from `from_torch`.

    Parameters
    ----------
    network : ShallowNetwork or DeepLinearNetwork
        Of a deep linear one, layers that are stored once but stand many times become layers of their own.
    bias : bool
        Make the weights of the last input, a constant, the bias of the first layer. For shallow networks only.
    dtype : torch.dtype, optional
        Of the parameters, float64 if left out.

    Raises
    ------
    InputError
        For anything but a network, `bias` for a deep linear one or for a single input, and more than 2e8 weights.
    MissingExtraError
        If PyTorch is not installed.

    Examples
    --------
    >>> import thalweg as tw
    >>> tw.to_torch(tw.init.dominated(3, 8, seed=1))
    Sequential(
      (0): Linear(in_features=3, out_features=8, bias=False)
      (1): ReLU()
      (2): Linear(in_features=8, out_features=1, bias=False)
    )
    """
    from .torch.chains import sequential

    owner = "to_torch"
    if isinstance(network, DeepLinearNetwork):
        if bias:
            raise check.fail(owner, "bias", "be False for a deep linear network", bias)
        if (entries := sum(float(W.size) * count for W, count in network.runs)) > _MOST_ENTRIES:
            raise check.fail(
                owner, "network", f"have at most {_MOST_ENTRIES:g} weights, layer by layer", f"{entries:g}"
            )
        return sequential([(W, None) for W in network.layers], None, 0.0, dtype)
    if not isinstance(network, ShallowNetwork):
        raise check.fail(owner, "network", "be a ShallowNetwork or a DeepLinearNetwork", type(network).__name__)
    W, a = network.to_unnormalised()
    if bias and network.d == 1:
        raise check.fail(owner, "bias", "be False for a network of a single input", bias)
    first = (W[:, :-1], W[:, -1]) if bias else (W, None)
    return sequential([first, (a[None, :], None)], network.activation, network.slope, dtype)


def append_constant(data: Dataset) -> Dataset:
    """Append the constant input 1, whose weights in the first layer are its biases.

    Examples
    --------
    >>> import thalweg as tw
    >>> from thalweg.adapters import append_constant
    >>> append_constant(tw.Dataset([[3.0], [4.0]], [1.0, -1.0])).X
    array([[3., 1.],
           [4., 1.]])
    """
    if not isinstance(data, Dataset):
        raise check.fail("append_constant", "data", "be a Dataset", type(data).__name__)
    ones = np.ones((data.n, 1))
    if data.is_sparse:
        from scipy.sparse import hstack

        X: Any = hstack([data.X, ones], format="csr")
    else:
        X = np.hstack([data.X, ones])
    return Dataset(X, data.y, name=f"{data.name}, constant input appended")


Layer = tuple[FloatArray, FloatArray | None]


def network_of(
    what: str, layers: list[Layer], activation: str | None, slope: float
) -> ShallowNetwork | DeepLinearNetwork:
    """Build a network from weights and biases in PyTorch's scaling; `activation` None for a deep linear one.

    `what` they are of begins the sentences that refuse them.
    """
    if activation is None:
        for k, (_, b) in enumerate(layers):
            _refuse_bias(what, b, f"layer {k + 1} of a deep linear network")
        return DeepLinearNetwork([W for W, _ in layers])
    (W, b), (A, c) = layers
    if len(A) != 1:
        raise InputError(f"{what} must have one output. Got {len(A)}.")
    _refuse_bias(what, c, "the last layer")
    W = W if b is None else np.column_stack([W, b])
    return ShallowNetwork.from_unnormalised(W, A[0], activation, slope)


def _refuse_bias(what: str, bias: FloatArray | None, where: str) -> None:
    if bias is not None and np.any(bias):
        raise InputError(
            f"{what} must have no bias in {where}, or one of zero: subtract it from the labels, and build the layer "
            f"with bias=False. Got a bias of up to {np.abs(bias).max():.3g}."
        )
