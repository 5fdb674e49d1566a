"""The error clock: the exact flow from ZAS, mode by mode, at any depth.

From an exact zero-asymmetric start, W_k = U diag(w) Z^T, W_l = Z diag(a) Z^T below it and U diag(a) U^T above for
ever, and each mode obeys dw/dt = lam (sigma - p) a^N, a^2 = alpha^2 + w^2, p = w a^N, N = L - 1. That modes of
aligned starts decouple is in Saxe, McClelland and Ganguli (2014). With y = -log(1 - p/sigma),

    dy/dt = lam k(y),   k = a^(2N) + N w^2 a^(2N-2),

which is not stiff at any depth: t(y) is a quadrature.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from ..._typing import FloatArray

# Nodes and weights of Gauss-Legendre on [0, 1].
_RAW_NODES, _RAW_WEIGHTS = np.polynomial.legendre.leggauss(20)
_NODES, _WEIGHTS = (_RAW_NODES + 1) / 2, _RAW_WEIGHTS / 2
_LONGEST_PANEL = 0.5
# Beyond, p = sigma to the last bit and k is constant.
_LAST = 40.0
_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class FiniteDepth:
    """Powers of a at N = L - 1 hidden layers of size alpha, from the weight w of the zero layer."""

    hidden: int
    alpha: float

    def log_power(self, w: FloatArray) -> FloatArray:
        """Return log a^N."""
        return self.hidden * (math.log(self.alpha) + 0.5 * np.log1p((w / self.alpha) ** 2))

    def log_weight(self, log_p: FloatArray) -> FloatArray:
        """Return log w from log p, p = w a^N, by Newton's method.

        log p is increasing and convex in log w, so that from the right the iterates fall to the solution.
        """
        N, two_log_alpha = self.hidden, 2 * math.log(self.alpha)
        u = np.minimum(log_p - N * math.log(self.alpha), log_p / (N + 1))
        for _ in range(100):
            ratio = 1 / (1 + np.exp(np.minimum(two_log_alpha - 2 * u, 700.0)))  # w^2/a^2
            value = u + N / 2 * np.logaddexp(two_log_alpha, 2 * u)
            step = (value - log_p) / (1 + N * ratio)
            u = u - step
            if np.all(np.abs(step) <= 4 * _EPS * np.maximum(1.0, np.abs(u))):
                break
        return u

    def rate(self, w: FloatArray) -> FloatArray:
        """Return k = a^(2N) + N w^2 a^(2N-2)."""
        return np.exp(2 * self.log_power(w)) * (1 + self.hidden * w**2 / (self.alpha**2 + w**2))

    def finest(self, sigma: float) -> float:
        """Return the length of the first panel of the quadrature.

        The integrand has a singularity at |p| = alpha^L (N/L)^(N/2) / sqrt(L), which panels must not overlook.
        """
        L = self.hidden + 1
        return 1e-2 * min(1.0, self.alpha**L) / math.sqrt(L) / (1 + sigma)


@dataclass(frozen=True)
class InfiniteDepth:
    """The limit N -> infinity at alpha = 1 with sigma and w multiplied by sqrt(N): a^N = exp(w^2/2)."""

    def log_power(self, w: FloatArray) -> FloatArray:
        """Return log a^N."""
        return w**2 / 2

    def log_weight(self, log_p: FloatArray) -> FloatArray:
        """Return log w from p = w exp(w^2/2): w^2 is Lambert's function of p^2."""
        from scipy.special import wrightomega

        # W0(x) = omega(log x), which does not overflow; where it underflows, w = p.
        square = np.real(wrightomega(2 * log_p))
        with np.errstate(divide="ignore"):
            return np.where(square > 1e-290, 0.5 * np.log(square), log_p)

    def rate(self, w: FloatArray) -> FloatArray:
        """Return k = (1 + w^2) exp(w^2)."""
        return np.exp(w**2) * (1 + w**2)

    def finest(self, sigma: float) -> float:
        """Return the length of the first panel: the singularity lies at |p| = exp(-1/2)."""
        return 1e-2 / (1 + sigma)


@dataclass(frozen=True, eq=False)
class ModeStates:
    """All modes at T times: arrays (T, r) of y, the weight w of the zero layer, p = w a^N and k."""

    y: FloatArray
    w: FloatArray
    p: FloatArray
    rate: FloatArray


class ErrorClock:
    """The clocks t(y) of all modes, tabulated, to be read at any time.

    Parameters
    ----------
    law : FiniteDepth or InfiniteDepth
    sigma, lam : array (r,)
        Singular values of the target, and the second moment of the data along each mode. Modes without either
        stay where they are.
    """

    def __init__(self, law: FiniteDepth | InfiniteDepth, sigma: FloatArray, lam: FloatArray) -> None:
        self._law, self._sigma, self._lam = law, sigma, lam
        self._moving = [int(i) for i in np.flatnonzero((sigma > 0) & (lam > 0))]
        self._edges, self._times = {}, {}
        for i in self._moving:
            edges = _panels(law.finest(float(sigma[i])))
            lengths = np.diff(edges)
            points = edges[:-1, None] + lengths[:, None] * _NODES
            pieces = lengths * (self._slowness(points, sigma[i]) @ _WEIGHTS) / lam[i]
            self._edges[i], self._times[i] = edges, np.concatenate([[0.0], np.cumsum(pieces)])

    def natural_times(self, t_end: float, most: int) -> FloatArray:
        """Return times at which some mode has moved noticeably, 0 and `t_end` included, at most about `most`."""
        every = [np.array([0.0, t_end]), np.linspace(0.0, t_end, 33)]
        for i in self._moving:
            edges, times = self._edges[i], self._times[i]
            seen = (edges > 1e-6) & (times < t_end)
            every.append(times[seen])
        times = np.unique(np.concatenate(every))
        return (
            times if len(times) <= most else times[np.unique(np.linspace(0, len(times) - 1, most).round().astype(int))]
        )

    def at(self, times: FloatArray) -> ModeStates:
        """Return the modes at the given times, at a cost per time that does not depend on the depth."""
        shape = (len(times), len(self._sigma))
        y, w, rate = np.zeros(shape), np.zeros(shape), np.zeros(shape)
        rate[:] = self._law.rate(np.zeros(1))
        for i in self._moving:
            y[:, i] = self._read(i, times)
            w[:, i] = self._weight(y[:, i], self._sigma[i])
            rate[:, i] = self._law.rate(w[:, i])
        return ModeStates(y, w, -self._sigma * np.expm1(-y), rate)

    def _read(self, i: int, times: FloatArray) -> FloatArray:
        """Invert t(y) for one mode: by panel, then by Newton's method on the quadrature within it."""
        edges, table, sigma, lam = self._edges[i], self._times[i], self._sigma[i], self._lam[i]
        panel = np.minimum(np.searchsorted(table, times, side="right") - 1, len(table) - 1)
        start, left = edges[panel], times - table[panel]
        beyond = panel == len(table) - 1
        length = np.where(beyond, 0.0, np.diff(edges, append=np.inf)[panel])
        span = np.diff(table, append=np.inf)[panel]
        y = start + np.where(beyond, 0.0, length * left / span)
        inside = ~beyond
        for _ in range(30):
            gone = (y - start)[inside, None]
            passed = (gone * self._slowness(start[inside, None] + gone * _NODES, sigma)) @ _WEIGHTS / lam
            step = (left[inside] - passed) * lam / self._slowness(y[inside], sigma)
            moved = np.clip(y[inside] + step, start[inside], (start + length)[inside])
            settled = np.abs(moved - y[inside]) <= 4 * _EPS * np.maximum(moved, 1e-300)
            y[inside] = moved
            if settled.all():
                break
        # Beyond the last panel nothing but the error changes.
        y[beyond] = start[beyond] + left[beyond] * lam / self._slowness(start[beyond], sigma)
        return y

    def _slowness(self, y: FloatArray, sigma: float) -> FloatArray:
        return 1 / self._law.rate(self._weight(y, sigma))

    def _weight(self, y: FloatArray, sigma: float) -> FloatArray:
        with np.errstate(divide="ignore"):
            log_p = np.log(-np.expm1(-y)) + math.log(sigma)
        weight = np.zeros_like(y)
        positive = y > 0
        weight[positive] = np.exp(self._law.log_weight(log_p[positive]))
        return weight


def _panels(first: float) -> FloatArray:
    """Return panel edges from 0: the first as given, doubling up to the longest, then even."""
    edges = [0.0, first]
    while edges[-1] < _LAST:
        edges.append(edges[-1] + min(edges[-1], _LONGEST_PANEL))
    return np.array(edges)
