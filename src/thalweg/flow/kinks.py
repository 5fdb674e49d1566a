"""Kinks: the hyperplanes <w, x_i> = 0, one for all inputs on the same line through the origin."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .._typing import BoolArray, FloatArray, IntArray, ModeArray
from .coordinates import Coordinates

# Directions that agree to this are one line.
PARALLEL = 1e-13


@dataclass(frozen=True, eq=False)
class Kinks:
    """The kinks of a data set, and what lies on each of their sides.

    Samples on one line, x_i = c_i b_k, reach their kink together, and the force on w there is one force: `plus` on the
    side z_k = <w, b_k> > 0 and `minus` on the other, with any value between while it slides. For most data there is
    one sample per kink, c = 1, and the forces are g and slope * g.

    Attributes
    ----------
    basis : array (k, m)
        One direction b_k per kink, in coordinates.
    norms : array (k,)
        Their norms.
    slope : float
        Slope of the activation below zero.
    kink, ratio : arrays (n,)
        Kink and c_i of every sample.
    """

    basis: FloatArray
    norms: FloatArray
    slope: float
    kink: IntArray
    ratio: FloatArray

    @classmethod
    def of(cls, coordinates: Coordinates, slope: float) -> Kinks:
        """Find the samples that share a line."""
        data, basis = coordinates.data, coordinates.basis
        X, norms = data.X, data.norms
        # Parallel directions have the same projection, up to sign, on any vector: look among equals in that order.
        # In the inputs themselves: coordinates of close inputs carry too much rounding.
        probe = np.abs(X @ np.random.default_rng(0).standard_normal(data.d)) / norms
        order = np.argsort(probe, kind="stable")
        starts = np.flatnonzero(np.diff(probe[order]) > 100 * PARALLEL * np.maximum(1.0, probe[order[1:]])) + 1
        leader, ratio = np.arange(data.n), np.ones(data.n)
        for run in np.split(order, starts):
            leaders: list[int] = []
            for i in sorted(run) if len(run) > 1 else ():
                for k in leaders:
                    # [[i]], as older SciPy takes no single row out of a sparse array.
                    multiple = float((X[[i]] @ X[[k]].T).sum()) / norms[k] ** 2
                    if np.abs(X[[i]] - multiple * X[[k]]).max() <= PARALLEL * norms[i]:
                        leader[i], ratio[i] = k, multiple
                        break
                else:
                    leaders.append(i)
        first, kink = np.unique(leader, return_inverse=True)
        return cls(np.ascontiguousarray(basis[first]), norms[first], slope, kink, ratio)

    @property
    def _alone(self) -> bool:
        return len(self.norms) == len(self.kink)

    @cached_property
    def opposed(self) -> BoolArray:
        """Whether inputs of opposite directions share the kink, (k,)."""
        signs = np.zeros((2, len(self.norms)), bool)
        signs[(self.ratio < 0).astype(int), self.kink] = True
        return signs[0] & signs[1]

    @cached_property
    def _weights(self) -> FloatArray:
        """c_i sigma'(c_i z) for z > 0 and for z < 0, (2, n)."""
        return np.where([self.ratio > 0, self.ratio < 0], 1.0, self.slope) * self.ratio

    def sides(self, values: FloatArray) -> FloatArray:
        """Sum c_i sigma'(c_i z) v_i over each kink's samples, for z > 0 and for z < 0: (..., n) to (2, ..., k)."""
        out = np.zeros((2, *values.shape[:-1], len(self.norms)))
        if self._alone:
            out[0] = values
            np.multiply(values, self.slope, out=out[1])
            return out
        for side, weight in zip(out, self._weights, strict=True):
            np.add.at(side.T, self.kink, (weight * values).T)
        return out

    def outputs(self, sums: FloatArray) -> FloatArray:
        """Return sum_j a_j sigma(z_ji) of every sample from its kink's sums over z > 0 and z < 0, (2, k) to (n,)."""
        if self._alone:
            return sums[0] + self.slope * sums[1]
        return (self._weights * sums[:, self.kink]).sum(axis=0)

    def modes(self, modes: ModeArray) -> ModeArray:
        """Return the modes (p, n) of the samples from those (p, k) of the kinks."""
        if self._alone:
            return modes.copy()
        return modes[:, self.kink] * np.sign(self.ratio).astype(np.int8)
