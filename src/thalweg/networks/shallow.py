"""One-hidden-layer networks in the mean-field scaling."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _validate as check
from .._errors import InputError
from .._files import atomic_writer, saved_arrays
from .._typing import FloatArray, Inputs
from .weights import SMALLEST, hidden_and_output, preactivations

if TYPE_CHECKING:
    from ..data.dataset import Dataset

_FORMAT = "thalweg-shallow-network-1"
# A given invariant may differ from a^2 - |w|^2 by the rounding of a long run, not by more.
INVARIANT_SLACK = 1e-9
# Beyond this, products of four residuals or outputs overflow.
LARGEST = 1e70


@dataclass(frozen=True, eq=False, repr=False)
class ShallowNetwork:
    """A one-hidden-layer network h(x) = (1/p) sum_j a_j sigma(<w_j, x>); its arrays are copied.

    Parameters
    ----------
    W : array (p, d)
        Hidden weights, one row per neuron.
    a : array (p,)
        Output weights.
    activation : {"relu", "leaky_relu"}
        sigma(z) = max(z, 0), or z for z > 0 and slope * z below.
    slope : float
        Slope of the leaky ReLU below zero, in (0, 1). Must be left at 0 for "relu".
    invariant : array (p,), optional
        The conserved quantities c_j = a_j^2 - |w_j|^2 as exact data. The flow conserves them, and theorems
        read their signs; recomputed from W and a they carry rounding of either sign when |a_j| = |w_j|, so
        initializations and the flow pass them on. By default they are computed.

    Raises
    ------
    InputError
        For wrong shapes, p or d of 0, NaN or infinity, or a slope outside (0, 1).

    Notes
    -----
    The scaling is the mean-field one of Dana, Bach and Pillaud-Vivien (2025), section 2. The loss is
    L = (1/2n) sum_i (y_i - h(x_i))^2 and the flow is d theta/dt = -p grad L.

    Examples
    --------
    >>> import thalweg as tw
    >>> network = tw.ShallowNetwork([[1.0, 0.0], [0.0, -1.0]], [2.0, 4.0])
    >>> network.predict([[3.0, 1.0]])
    array([3.])
    """

    W: FloatArray
    a: FloatArray
    activation: str = "relu"
    slope: float = 0.0
    invariant: FloatArray = field(default=None)  # type: ignore[assignment]

    def __post_init__(self) -> None:
        owner = "ShallowNetwork"
        W, a = hidden_and_output(owner, self.W, self.a)
        check.one_of(owner, "activation", self.activation, ("relu", "leaky_relu"))
        if self.activation == "relu":
            if self.slope != 0:
                raise check.fail(owner, "slope", "be 0 for 'relu' (use activation='leaky_relu')", self.slope)
            slope = 0.0
        else:
            slope = check.real(owner, "slope", self.slope, above=0.0, below=1.0)
        squares = np.einsum("jk,jk->j", W, W)
        if self.invariant is None:
            invariant = a * a - squares
        else:
            invariant = check.real_array(owner, "invariant", self.invariant, 1, copy=True)
            if invariant.shape != a.shape:
                raise check.fail(owner, "invariant", f"have shape {a.shape}", f"shape {invariant.shape}")
            gap = np.abs(a * a - squares - invariant) - INVARIANT_SLACK * (a * a + squares)
            if (gap > 0).any():
                worst = int(np.argmax(gap))
                got = f"{invariant[worst]} against {a[worst] ** 2 - squares[worst]} at neuron {worst}"
                raise check.fail(owner, "invariant", "equal a_j^2 - |w_j|^2", got)
        for name, value in (("W", W), ("a", a), ("slope", slope), ("invariant", invariant)):
            object.__setattr__(self, name, value)

    @property
    def p(self) -> int:
        """Width: the number of hidden neurons."""
        return self.W.shape[0]

    @property
    def d(self) -> int:
        """Number of inputs."""
        return self.W.shape[1]

    def preactivations(self, X: Inputs) -> FloatArray:
        """Return z_ji = <w_j, x_i> as an array (p, n)."""
        return preactivations("ShallowNetwork", self.W, X)

    def activate(self, z: FloatArray) -> FloatArray:
        """Apply the activation entry by entry."""
        return np.where(z > 0, z, self.slope * z) if self.slope else np.maximum(z, 0.0)

    def predict(self, X: Inputs) -> FloatArray:
        """Return h(x_i) for inputs X (n, d), dense or sparse, as an array (n,)."""
        return self.a @ self.activate(self.preactivations(X)) / self.p

    def residuals(self, data: Dataset) -> FloatArray:
        """Return r_i = y_i - h(x_i), an array (n,)."""
        return data.y - self.predict(data.X)

    def loss(self, data: Dataset) -> float:
        """Return L = (1/2n) sum_i (y_i - h(x_i))^2."""
        r = self.residuals(data)
        return float(r @ r) / (2 * data.n)

    def to_unnormalised(self) -> tuple[FloatArray, FloatArray]:
        """Return (W, a) of the equivalent unnormalised network, PyTorch's: h(x) = sum_j a_j sigma(<w_j, x>).

        Both are divided by sqrt(p). The loss is the same, and so is the flow, d theta/dt = -grad L, at the
        same time.

        Examples
        --------
        >>> import thalweg as tw
        >>> network = tw.ShallowNetwork([[2.0], [4.0], [2.0], [0.0]], [2.0, 6.0, 2.0, 0.0])
        >>> W, a = network.to_unnormalised()
        >>> a
        array([1., 3., 1., 0.])
        >>> tw.ShallowNetwork.from_unnormalised(W, a).predict([[1.0]]) == network.predict([[1.0]])
        array([ True])
        """
        root = np.sqrt(self.p)
        return self.W / root, self.a / root

    @classmethod
    def from_unnormalised(
        cls, W: FloatArray, a: FloatArray, activation: str = "relu", slope: float = 0.0
    ) -> ShallowNetwork:
        """Build the network from the weights of an unnormalised one, h(x) = sum_j a_j sigma(<w_j, x>)."""
        root = np.sqrt(np.shape(a)[0]) if np.ndim(a) else 1.0
        return cls(np.asarray(W) * root, np.asarray(a) * root, activation, slope)

    def save(self, path: str | Path) -> Path:
        """Save to an .npz file, which is complete under its name or not there at all.

        Examples
        --------
        >>> import pathlib, tempfile, thalweg as tw
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = tw.init.dominated(5, 3, seed=1).save(pathlib.Path(folder, "start.npz"))
        ...     tw.ShallowNetwork.load(path)
        ShallowNetwork(p=3, d=5, relu, dominated 3/3)
        """
        with atomic_writer("ShallowNetwork.save", path) as stream:
            np.savez(
                stream,
                format=_FORMAT,
                W=self.W,
                a=self.a,
                activation=self.activation,
                slope=self.slope,
                invariant=self.invariant,
            )
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> ShallowNetwork:
        """Load a network saved by `save`.

        Raises
        ------
        InputError
            If the file is missing, truncated or of another kind.
        """
        with saved_arrays("ShallowNetwork", path, _FORMAT) as stored:
            names = ("W", "a", "activation", "slope", "invariant")
            W, a, activation, slope, invariant = (stored[name] for name in names)
            return cls(W, a, str(activation), float(slope), invariant)

    def replace(self, **changes: Any) -> ShallowNetwork:
        """Return a copy with some parameters changed; the invariant is recomputed unless given.

        Examples
        --------
        >>> import thalweg as tw
        >>> tw.ShallowNetwork([[1.0]], [2.0]).replace(a=[0.5]).invariant
        array([-0.75])
        """
        fields = {"W": self.W, "a": self.a, "activation": self.activation, "slope": self.slope}
        return ShallowNetwork(**(fields | changes))

    def __repr__(self) -> str:
        kind = self.activation if not self.slope else f"{self.activation}({self.slope:g})"
        dominated = int((self.invariant >= 0).sum())
        return f"ShallowNetwork(p={self.p}, d={self.d}, {kind}, dominated {dominated}/{self.p})"


def refuse_extremes(network: ShallowNetwork, data: Dataset) -> None:
    """Refuse labels and outputs whose products leave the range of float64."""
    lengths = np.sqrt(np.maximum(network.a**2 - network.invariant, 0.0))  # |w_j|
    with np.errstate(over="ignore"):
        largest = float(np.abs(data.y).max())
        reach = float(largest + data.norms.max() * np.mean(np.abs(network.a) * lengths))
    if not reach <= LARGEST:
        raise InputError(
            f"Labels and outputs may be as large as {reach:.0e}, too large for products of them in float64. "
            "Rescale the labels, the inputs or the network."
        )
    if 0 < largest < SMALLEST:
        raise InputError(f"All labels are below {SMALLEST:g}: their squares underflow. Rescale them.")
