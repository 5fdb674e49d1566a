"""Residual multilayer perceptrons, nonlinear and of any depth, with their gradient."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from .. import _validate as check
from .._typing import FloatArray

ACTIVATIONS = ("relu", "tanh")
LOSSES = ("squared", "logistic")


@dataclass(frozen=True, eq=False)
class ResidualNetwork:
    """A residual network x -> C z_L with z_0 = A x and z_l = z_{l-1} + U_l s(V_l z_{l-1}).

    With `scalars`, a branch is m U_l (s(V_l (z + b) + b') + b'') with numbers (b, b', b'', m) of its own, which are
    trained as well (Zhang, Dauphin and Ma, 2019).

    Parameters
    ----------
    inward : array (w, d)
        A, from d inputs to width w.
    V, U : array (L, w, w)
        The layers of the branches.
    head : array (c, w)
        C, to c outputs.
    scalars : array (L, 4), optional
    activation : {"relu", "tanh"}

    Raises
    ------
    InputError
        For shapes that do not fit together, NaN or infinity, or an unknown activation.

    Examples
    --------
    >>> import numpy as np
    >>> from thalweg.networks.residual import ResidualNetwork
    >>> branch = np.ones((3, 1, 1))
    >>> ResidualNetwork([[1.0]], branch, branch, [[1.0]]).predict([[1.0], [-1.0]])
    array([[ 8.],
           [-1.]])
    """

    inward: FloatArray
    V: FloatArray
    U: FloatArray
    head: FloatArray
    scalars: FloatArray | None = None
    activation: str = "relu"

    def __post_init__(self) -> None:
        owner = "ResidualNetwork"
        check.one_of(owner, "activation", self.activation, ACTIVATIONS)
        for name, ndim in (("inward", 2), ("V", 3), ("U", 3), ("head", 2), ("scalars", 2)):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, check.real_array(owner, name, getattr(self, name), ndim))
        width, depth = len(self.inward), len(self.V)
        shapes = {"V": (depth, width, width), "U": (depth, width, width), "head": (len(self.head), width)}
        if self.scalars is not None:
            shapes["scalars"] = (depth, 4)
        for name, shape in shapes.items():
            if (got := getattr(self, name).shape) != shape:
                raise check.fail(owner, name, f"have shape {shape}", f"shape {got}")

    @property
    def depth(self) -> int:
        """Number of residual branches, L."""
        return len(self.V)

    def predict(self, X: FloatArray) -> FloatArray:
        """Return the outputs (n, c) for inputs X (n, d)."""
        inputs = check.real_array("ResidualNetwork", "X", X, 2)
        if inputs.shape[1] != self.inward.shape[1]:
            must = f"have {self.inward.shape[1]} columns"
            raise check.fail("ResidualNetwork", "X", must, f"shape {inputs.shape}")
        return _forward(self, inputs)[-1].T

    def __repr__(self) -> str:
        width, d = self.inward.shape
        extra = ", scalars" if self.scalars is not None else ""
        return f"ResidualNetwork(depth {self.depth}, {d} -> {width} -> {len(self.head)}, {self.activation}{extra})"


def loss_and_gradient(
    network: ResidualNetwork, X: FloatArray, Y: FloatArray, loss: str
) -> tuple[float, dict[str, FloatArray]]:
    """Return the mean loss over the samples, and its gradient by the name of each array of parameters.

    Parameters
    ----------
    network : ResidualNetwork
    X : array (n, d)
    Y : array (n, c)
        Outputs wanted: any numbers for the squared loss 1/2 |f(x) - y|^2, probabilities of the classes for the
        logistic loss -sum_k y_k log softmax(f(x))_k.
    loss : {"squared", "logistic"}

    Examples
    --------
    >>> import numpy as np
    >>> from thalweg.networks.residual import ResidualNetwork, loss_and_gradient
    >>> network = ResidualNetwork([[1.0]], np.ones((1, 1, 1)), np.ones((1, 1, 1)), [[1.0]])
    >>> value, gradient = loss_and_gradient(network, np.array([[1.0]]), np.array([[0.0]]), "squared")
    >>> value, gradient["head"]
    (2.0, array([[4.]]))
    """
    check.one_of("loss_and_gradient", "loss", loss, LOSSES)
    *states, outputs = _forward(network, X)
    value, pull = _squared(outputs, Y.T) if loss == "squared" else _logistic(outputs, Y.T)
    gradient = {"head": pull @ states[-1].T, "V": np.empty_like(network.V), "U": np.empty_like(network.U)}
    if network.scalars is not None:
        gradient["scalars"] = np.empty_like(network.scalars)
    pull = network.head.T @ pull
    for l in range(network.depth - 1, -1, -1):
        V, U, z = network.V[l], network.U[l], states[l]
        before, inside, after, factor = _scalars(network, l)
        s = _activate(V @ (z + before) + inside, network.activation)
        branch = U.T @ pull
        inner = factor * branch * _slope(s, network.activation)
        gradient["U"][l] = factor * pull @ (s + after).T
        gradient["V"][l] = inner @ (z + before).T
        down = V.T @ inner
        if network.scalars is not None:
            gradient["scalars"][l] = down.sum(), inner.sum(), factor * branch.sum(), np.vdot(branch, s + after)
        pull = pull + down
    gradient["inward"] = pull @ X
    return value, gradient


def parameters(network: ResidualNetwork) -> dict[str, FloatArray]:
    """Return the arrays of parameters themselves, by name."""
    named = {each.name: getattr(network, each.name) for each in fields(network)}
    return {name: value for name, value in named.items() if isinstance(value, np.ndarray)}


def _forward(network: ResidualNetwork, X: FloatArray) -> list[FloatArray]:
    """Return z_0, ..., z_L and the outputs, one column for each sample."""
    z = network.inward @ X.T
    states = [z]
    for l in range(network.depth):
        before, inside, after, factor = _scalars(network, l)
        s = _activate(network.V[l] @ (z + before) + inside, network.activation)
        z = z + factor * (network.U[l] @ (s + after))
        states.append(z)
    return [*states, network.head @ z]


def _scalars(network: ResidualNetwork, l: int) -> tuple[float, float, float, float]:
    return (0.0, 0.0, 0.0, 1.0) if network.scalars is None else tuple(network.scalars[l])


def _activate(x: FloatArray, activation: str) -> FloatArray:
    return np.maximum(x, 0.0) if activation == "relu" else np.tanh(x)


def _slope(s: FloatArray, activation: str) -> FloatArray:
    """Return the slope of the activation from its value."""
    return (s > 0).astype(np.float64) if activation == "relu" else 1.0 - s * s


def _squared(outputs: FloatArray, Y: FloatArray) -> tuple[float, FloatArray]:
    error, n = outputs - Y, outputs.shape[1]
    return 0.5 * float(np.vdot(error, error)) / n, error / n


def _logistic(outputs: FloatArray, Y: FloatArray) -> tuple[float, FloatArray]:
    n = outputs.shape[1]
    shifted = outputs - outputs.max(axis=0)  # the exponentials of the others cannot overflow
    logs = shifted - np.log(np.exp(shifted).sum(axis=0))
    return -float(np.vdot(Y, logs)) / n, (np.exp(logs) * Y.sum(axis=0) - Y) / n
