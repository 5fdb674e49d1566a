"""The state of a shallow network as a certificate sees it: preactivations and residuals with error bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from .._typing import BoolArray, FloatArray, IntArray
from ..networks.shallow import ShallowNetwork
from .geometry import Geometry
from .rounding import TINY, UNIT, above, below, gamma, norm, norms


@dataclass(frozen=True, eq=False)
class State:
    """A network on its data, at the time t0 a certificate speaks of.

    The verdict is for the network with exactly the hidden weights W and the invariants c given; its output
    weights sign(a_j) sqrt(c_j + |w_j|^2) differ from those given by rounding, which `a_low` and `a_high` enclose.

    Attributes
    ----------
    geometry : Geometry
        The inputs.
    slope : float
        Slope of the leaky ReLU, 0 for ReLU.
    z, z_error : array (p, n)
        Preactivations as computed, and bounds of their errors.
    s : array (p, n)
        Activations of z, as computed.
    sign, a_low, a_high, w_low, w_high, c : array (p,)
        Sign of a_j, bounds of |a_j| and |w_j|, invariants a_j^2 - |w_j|^2. All 0 for a neuron a = w = 0, which
        never moves.
    y, r, r_error : array (n,)
        Labels, residuals as computed, and bounds of their errors.
    """

    geometry: Geometry
    slope: float
    z: FloatArray
    z_error: FloatArray
    s: FloatArray
    sign: FloatArray
    a_low: FloatArray
    a_high: FloatArray
    w_low: FloatArray
    w_high: FloatArray
    c: FloatArray
    y: FloatArray
    r: FloatArray
    r_error: FloatArray

    @classmethod
    def of(cls, network: ShallowNetwork, geometry: Geometry) -> State:
        """Evaluate the network with bounds of all rounding errors."""
        data, p, c = geometry.data, network.p, network.invariant
        z = network.preactivations(data.X)
        w_high = norms(network.W)
        w_low = below(np.maximum(w_high / (1 + 4 * gamma(network.d + 2)) - 2 * math.sqrt(network.d * TINY), 0.0))
        w_high[~network.W.any(axis=1)] = 0.0
        z_error = above(gamma(network.d + 1) * np.outer(w_high, geometry.lengths))
        z_error += np.where(w_high > 0, network.d * TINY, 0.0)[:, None]
        size = np.abs(network.a)
        # |a| from the invariant: a^2 lies between c + |w|^2 for the two bounds of |w|, of which c may be negative.
        cancelled = 8 * UNIT * (np.abs(c) + w_high**2)
        a_low = np.minimum(size, below(np.sqrt(np.maximum(c + w_low**2 - cancelled, 0.0))))
        a_high = np.maximum(size, above(np.sqrt(np.maximum(c + w_high**2 + cancelled, 0.0))))
        s = network.activate(z)
        h = network.a @ s / p
        r = data.y - h
        from_z = (a_high @ z_error + (a_high - a_low) @ np.abs(s)) * (1 + gamma(2 * p + 4)) / p
        r_error = above(from_z + gamma(p + 4) * (a_high @ np.abs(s) / p) + 2 * UNIT * (np.abs(data.y) + np.abs(h)))
        return cls(
            geometry, network.slope, z, z_error, s, np.sign(network.a), a_low, a_high, w_low, w_high, c, data.y, r,
            r_error,
        )  # fmt: skip

    @property
    def p(self) -> int:
        """Number of neurons."""
        return self.z.shape[0]

    @property
    def n(self) -> int:
        """Number of samples."""
        return self.z.shape[1]

    def residual_norm(self, samples: IntArray | slice = slice(None)) -> float:
        """Return an upper bound of |r| over some samples."""
        return norm((np.abs(self.r) + self.r_error)[samples])

    @property
    def absent(self) -> BoolArray:
        """Neurons (p,) with a = w = 0."""
        return (self.a_high == 0) & (self.w_high == 0)

    @property
    def surely_active(self) -> BoolArray:
        """Pairs (p, n) with z > 0 beyond rounding."""
        return self.z > self.z_error

    @property
    def surely_inactive(self) -> BoolArray:
        """Pairs (p, n) with z < 0 beyond rounding."""
        return self.z < -self.z_error
