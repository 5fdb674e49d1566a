"""Deep linear networks: products of matrices, of any depth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from .. import _stored as stored
from .. import _validate as check
from .._files import atomic_writer, saved_arrays
from .._typing import FloatArray

if TYPE_CHECKING:
    from ..data.target import Target

_FORMAT = "thalweg-deep-linear-network-1"
# Squares of entries, and their sums, must be float64.
_LARGEST = 1e140
# Up to here float64 tells one number of layers from the next.
_DEEPEST = 2**53


@dataclass(frozen=True, eq=False)
class Layers(Sequence[FloatArray]):
    """The layers W_1, ..., W_L of a network, of which equal neighbours are stored once. Index 0 is W_1."""

    runs: tuple[tuple[FloatArray, int], ...]

    @cached_property
    def _ends(self) -> list[int]:
        return [int(end) for end in np.cumsum([count for _, count in self.runs])]

    def __len__(self) -> int:
        return self._ends[-1]

    @overload
    def __getitem__(self, index: int) -> FloatArray: ...
    @overload
    def __getitem__(self, index: slice) -> list[FloatArray]: ...
    def __getitem__(self, index: int | slice) -> FloatArray | list[FloatArray]:
        if isinstance(index, slice):
            return [self[k] for k in range(*index.indices(len(self)))]
        if not -len(self) <= index < len(self):
            raise IndexError(f"There are {len(self)} layers. Got index {index}.")
        return self.runs[int(np.searchsorted(self._ends, index % len(self), side="right"))][0]

    def __iter__(self) -> Iterator[FloatArray]:
        return (W for W, count in self.runs for _ in range(count))


@dataclass(frozen=True, init=False, eq=False, repr=False)
class DeepLinearNetwork:
    """A deep linear network x -> W_L ... W_1 x.

    Neighbouring layers that are equal are stored once, so that a structured network of a million layers costs
    what its few distinct layers do.

    Parameters
    ----------
    layers : sequence of arrays
        W_1 (the first to act) to W_L, W_l of shape (d_l, d_{l-1}); copied.
    repeats : sequence of int, optional
        How many times in a row each of them stands, 1 if left out; only square ones can stand more than once.

    Raises
    ------
    InputError
        For no layers, shapes that do not fit together, NaN or infinity, or entries beyond 1e140.

    Examples
    --------
    >>> import numpy as np, thalweg as tw
    >>> network = tw.DeepLinearNetwork([np.diag([1.0, 1.000001]), [[2.0, 0.0]]], repeats=[10**6, 1])
    >>> network
    DeepLinearNetwork(depth 1000001, 2 -> 1, 2 distinct layers)
    >>> network.product()
    array([[2., 0.]])
    """

    layers: Layers

    def __init__(self, layers: Sequence[Any] | FloatArray, repeats: Sequence[int] | None = None) -> None:
        object.__setattr__(self, "layers", Layers(_runs(layers, repeats)))

    @property
    def runs(self) -> tuple[tuple[FloatArray, int], ...]:
        """The distinct layers in a row, W_1 first, each with the number of times it stands there."""
        return self.layers.runs

    @property
    def depth(self) -> int:
        """Number of layers, L."""
        return len(self.layers)

    @property
    def d_in(self) -> int:
        """Number of inputs."""
        return self.runs[0][0].shape[1]

    @property
    def d_out(self) -> int:
        """Number of outputs."""
        return self.runs[-1][0].shape[0]

    def product(self) -> FloatArray:
        """Return W_L ... W_1, an array (d_out, d_in).

        A layer in float64 that stands N times carries its rounding N times into the product.
        """
        total: FloatArray | None = None
        with np.errstate(over="ignore", invalid="ignore"):
            for W, count in self.runs:
                power = np.linalg.matrix_power(W, count) if count > 1 else W
                total = power if total is None else power @ total
        assert total is not None
        return total

    def predict(self, X: Any) -> FloatArray:
        """Return the outputs (n, d_out) for inputs X (n, d_in)."""
        inputs = check.real_array("DeepLinearNetwork", "X", X, 2)
        if inputs.shape[1] != self.d_in:
            raise check.fail("DeepLinearNetwork", "X", f"have {self.d_in} columns", f"shape {inputs.shape}")
        return inputs @ self.product().T

    def loss(self, target: Target) -> float:
        """Return R = 1/2 ||W_L ... W_1 - Phi||_F^2, or that of the regression."""
        return target.loss(self.product())

    def invariant(self, l: int) -> FloatArray:
        """Return D_l = W_{l+1}^T W_{l+1} - W_l W_l^T, l = 1..L-1, which the gradient flow conserves."""
        if isinstance(l, bool) or not isinstance(l, int | np.integer) or not 1 <= l < self.depth:
            raise check.fail("invariant", "l", f"be an integer from 1 to {self.depth - 1}", repr(l))
        return imbalance(self.layers[l - 1], self.layers[l])

    def invariants(self) -> Iterator[tuple[FloatArray, int]]:
        """Yield D_1, ..., D_{L-1}, equal neighbours once, each with the number of times it stands in a row.

        Examples
        --------
        >>> import thalweg as tw
        >>> [(D.tolist(), count) for D, count in tw.init.zas(5, 1).invariants()]
        [([[0.0]], 3), ([[-1.0]], 1)]
        """
        for k, (W, count) in enumerate(self.runs):
            if count > 1:
                yield imbalance(W, W), count - 1
            if k + 1 < len(self.runs):
                yield imbalance(W, self.runs[k + 1][0]), 1

    def transposed(self) -> DeepLinearNetwork:
        """Return the network of W_1^T ... W_L^T, which learns Phi^T on the same path."""
        return DeepLinearNetwork([W.T for W, _ in self.runs[::-1]], [count for _, count in self.runs[::-1]])

    def save(self, path: str | Path) -> Path:
        """Save to an .npz file, which is complete under its name or not there at all."""
        with atomic_writer("DeepLinearNetwork.save", path) as stream:
            np.savez(stream, format=_FORMAT, **self.parts())
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> DeepLinearNetwork:
        """Load a network saved by `save`.

        Raises
        ------
        InputError
            If the file is missing, truncated or of another kind.
        """
        with saved_arrays("DeepLinearNetwork", path, _FORMAT) as parts:
            return cls.from_parts(parts)

    def parts(self, prefix: str = "") -> dict[str, Any]:
        """Return the arrays that a file of this network holds, by name."""
        repeats = np.array([count for _, count in self.runs])
        return {f"{prefix}repeats": repeats} | {f"{prefix}W{k}": W for k, (W, _) in enumerate(self.runs)}

    @classmethod
    def from_parts(cls, parts: dict[str, Any], prefix: str = "") -> DeepLinearNetwork:
        """Rebuild a network from what `parts` returned."""
        repeats = stored.array(parts, f"{prefix}repeats", (-1,), "iu")
        return cls([parts[f"{prefix}W{k}"] for k in range(len(repeats))], [int(count) for count in repeats])

    def __repr__(self) -> str:
        distinct = f"{len(self.runs)} distinct layer{'s' if len(self.runs) > 1 else ''}"
        return f"DeepLinearNetwork(depth {self.depth}, {self.d_in} -> {self.d_out}, {distinct})"


def imbalance(below: FloatArray, above: FloatArray) -> FloatArray:
    """Return `above`^T `above` - `below` `below`^T for neighbouring layers."""
    return above.T @ above - below @ below.T


def _runs(layers: Sequence[Any] | FloatArray, repeats: Sequence[int] | None) -> tuple[tuple[FloatArray, int], ...]:
    owner = "DeepLinearNetwork"
    try:
        given = list(layers)
    except TypeError:
        raise check.fail(owner, "layers", "be a sequence of matrices", type(layers).__name__) from None
    if not given:
        raise check.fail(owner, "layers", "hold at least one matrix", "none")
    try:
        counts = [1] * len(given) if repeats is None else [check.positive_int(owner, "repeats", n) for n in repeats]
    except TypeError:
        raise check.fail(owner, "repeats", "be a sequence of integers", type(repeats).__name__) from None
    if len(counts) != len(given):
        raise check.fail(owner, "repeats", f"have one entry per layer given, {len(given)}", f"{len(counts)}")
    if (depth := sum(counts)) > _DEEPEST:
        raise check.fail(owner, "repeats", f"add up to at most 2^53 = {_DEEPEST} layers", depth)
    runs: list[tuple[FloatArray, int]] = []
    checked: dict[int, FloatArray] = {}  # one object may stand many times
    for k, (value, count) in enumerate(zip(given, counts, strict=True)):
        W = checked.get(id(value))
        if W is None:
            W = checked[id(value)] = _layer(value, k)
        if W.shape[0] != W.shape[1] and count > 1:
            raise check.fail(owner, "repeats", "be 1 for layers that are not square", f"{count} for entry {k}")
        if runs and W.shape[1] != runs[-1][0].shape[0]:
            must = f"fit together: entry {k} needs {runs[-1][0].shape[0]} columns"
            raise check.fail(owner, "layers", must, f"shape {W.shape}")
        if runs and (W is runs[-1][0] or np.array_equal(W, runs[-1][0])):
            runs[-1] = (runs[-1][0], runs[-1][1] + count)
        else:
            runs.append((W, count))
    return tuple(runs)


def _layer(value: Any, k: int) -> FloatArray:
    owner, name = "DeepLinearNetwork", f"layers[{k}]"
    W = check.real_array(owner, name, value, 2, copy=True)
    if 0 in W.shape:
        raise check.fail(owner, name, "have at least one row and one column", f"shape {W.shape}")
    if (size := float(np.abs(W).max())) > _LARGEST:
        raise check.fail(owner, name, f"have entries of at most {_LARGEST:g}: rescale the network", f"{size:g}")
    return W
