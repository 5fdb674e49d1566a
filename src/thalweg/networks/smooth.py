"""One-hidden-layer networks with activations whose derivative is continuous."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from .. import _validate as check
from .._typing import FloatArray
from ..data.dataset import Dataset
from .shallow import ShallowNetwork
from .weights import hidden_and_output, preactivations

Activation = Callable[[FloatArray], tuple[FloatArray, FloatArray]]


def _tanh(z: FloatArray) -> tuple[FloatArray, FloatArray]:
    s = np.tanh(z)
    return s, 1 - s * s


def _softplus(z: FloatArray) -> tuple[FloatArray, FloatArray]:
    from scipy.special import expit

    return np.logaddexp(z, 0.0), expit(z)


def _gelu(z: FloatArray) -> tuple[FloatArray, FloatArray]:
    from scipy.special import ndtr

    below = ndtr(z)
    return z * below, below + z * np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)


def _sigmoid(z: FloatArray) -> tuple[FloatArray, FloatArray]:
    from scipy.special import expit

    s = expit(z)
    return s, s * (1 - s)


ACTIVATIONS: dict[str, Activation] = {"tanh": _tanh, "softplus": _softplus, "gelu": _gelu, "sigmoid": _sigmoid}
# Homogeneous activations, of a degree to be given.
POWERS = ("monomial", "relu_power")


@dataclass(frozen=True, eq=False, repr=False)
class SmoothNetwork:
    """A one-hidden-layer network h(x) = (1/p) sum_j a_j sigma(<w_j, x>) with a smooth sigma.

    Parameters
    ----------
    W : array (p, d)
        Hidden weights, one row per neuron.
    a : array (p,)
        Output weights.
    activation : {"tanh", "softplus", "gelu", "sigmoid", "monomial", "relu_power"}
        sigma(z): gelu is z Phi(z), Phi the normal distribution; monomial is z^degree, relu_power max(z, 0)^degree.
    degree : int, optional
        Of the last two, 2 to 9; left out for the others.

    Raises
    ------
    InputError
        For wrong shapes, p or d of 0, NaN or infinity, an unknown activation, or a degree that does not belong.

    Notes
    -----
    Scaling, loss and flow are those of `ShallowNetwork`. With an activation homogeneous of degree k the flow conserves
    k a_j^2 - |w_j|^2 for every neuron, as with the ReLU, where k = 1: both a_j da_j/dt and <w_j, dw_j/dt>/k are
    (a_j/n) sum_i r_i sigma(z_ji).

    Examples
    --------
    >>> import thalweg as tw
    >>> network = tw.SmoothNetwork([[1.0, 0.0], [0.0, -1.0]], [2.0, 4.0], "monomial", degree=2)
    >>> network.predict([[3.0, 1.0]])
    array([11.])
    >>> tw.SmoothNetwork.of(tw.init.dominated(5, 8, seed=1), "tanh")
    SmoothNetwork(p=8, d=5, tanh)
    """

    W: FloatArray
    a: FloatArray
    activation: str = "tanh"
    degree: int | None = None

    def __post_init__(self) -> None:
        owner = "SmoothNetwork"
        W, a = hidden_and_output(owner, self.W, self.a)
        check.one_of(owner, "activation", self.activation, (*ACTIVATIONS, *POWERS))
        if self.activation in POWERS:
            degree = check.positive_int(owner, "degree", self.degree)
            if not 2 <= degree <= 9:
                raise check.fail(owner, "degree", "be from 2 to 9 (ShallowNetwork has degree 1)", degree)
        elif self.degree is not None:
            raise check.fail(owner, "degree", f"be left out for {self.activation!r}", self.degree)
        object.__setattr__(self, "W", W)
        object.__setattr__(self, "a", a)

    @classmethod
    def of(cls, network: ShallowNetwork, activation: str, degree: int | None = None) -> SmoothNetwork:
        """Return a network of the same weights with another activation, so that all initializations serve."""
        if not isinstance(network, ShallowNetwork):
            raise check.fail("SmoothNetwork.of", "network", "be a ShallowNetwork", type(network).__name__)
        return cls(network.W, network.a, activation, degree)

    @property
    def p(self) -> int:
        """Width: the number of hidden neurons."""
        return self.W.shape[0]

    @property
    def d(self) -> int:
        """Number of inputs."""
        return self.W.shape[1]

    @property
    def invariant(self) -> FloatArray | None:
        """The conserved quantities k a_j^2 - |w_j|^2, an array (p,); None if the activation is not homogeneous."""
        return None if self.degree is None else self.degree * self.a**2 - np.einsum("jk,jk->j", self.W, self.W)

    def activate(self, z: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return sigma(z) and its derivative, entry by entry."""
        if self.degree is None:
            return ACTIVATIONS[self.activation](z)
        base = np.maximum(z, 0.0) if self.activation == "relu_power" else z
        below = base ** (self.degree - 1)
        return below * base, self.degree * below

    def predict(self, X: Any) -> FloatArray:
        """Return h(x_i) for inputs X (n, d), dense or sparse, as an array (n,)."""
        z = preactivations("SmoothNetwork", self.W, X)
        return self.a @ self.activate(z)[0] / self.p

    def residuals(self, data: Dataset) -> FloatArray:
        """Return r_i = y_i - h(x_i), an array (n,)."""
        return data.y - self.predict(data.X)

    def loss(self, data: Dataset) -> float:
        """Return L = (1/2n) sum_i (y_i - h(x_i))^2."""
        r = self.residuals(data)
        return float(r @ r) / (2 * data.n)

    def __repr__(self) -> str:
        kind = self.activation if self.degree is None else f"{self.activation} of degree {self.degree}"
        return f"SmoothNetwork(p={self.p}, d={self.d}, {kind})"
