"""The flow from exact zero-asymmetric starts, read off the error clock."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..._typing import FloatArray
from ...networks.forms import ZeroAsymmetric
from .clock import ErrorClock, FiniteDepth, ModeStates
from .route import LinearState

_MOST_OUTPUTS = 512


class ClockRoute:
    """The error clock: training from exact ZAS is min(d_in, d_out) scalar problems, at any depth."""

    name = "error clock"
    why = "the start is exactly zero-asymmetric, so that the modes of the target are learnt independently"

    def __init__(
        self,
        form: ZeroAsymmetric,
        spectrum: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
    ) -> None:
        self._form = form
        self._U, self._sigma, self._Z, self._lam = spectrum
        self._clock = ErrorClock(FiniteDepth(form.hidden, form.alpha), self._sigma, self._lam)

    def march(self, t_end: float, times: FloatArray | None, rtol: float) -> Iterator[tuple[LinearState, bool]]:
        """Yield the states; see `Route`. They are exact to rounding, whatever rtol."""
        if times is None:
            times = self._clock.natural_times(t_end, _MOST_OUTPUTS)
            wanted = np.ones(len(times), dtype=bool)
        else:
            wanted = np.ones(len(times), dtype=bool)
            if times[-1] < t_end:
                times, wanted = np.append(times, t_end), np.append(wanted, False)
        modes = self._clock.at(times)
        excess, curvature = mode_loss(self._sigma, self._lam, modes)
        for k, t in enumerate(times):
            values = np.sort(np.abs(modes.p[k]))[::-1]
            w = modes.w[k]
            yield LinearState(float(t), float(excess[k]), float(curvature[k]), values, 0.0, self._builder(w)), wanted[k]

    def _builder(self, w: FloatArray):
        form = self._form
        grown = w**2 / (form.alpha + np.sqrt(form.alpha**2 + w**2))
        return lambda: form.network(self._U, self._Z, w, grown)


def mode_loss(sigma: FloatArray, lam: FloatArray, modes: ModeStates) -> tuple[FloatArray, FloatArray]:
    """Return the excess 1/2 sum lam sigma^2 exp(-2y) and its local PL curvature, arrays (T,)."""
    moving = lam * sigma**2 > 0
    if not moving.any():
        return np.zeros(len(modes.y)), np.zeros(len(modes.y))
    weight, y = (lam * sigma**2)[moving], modes.y[:, moving]
    slowest = y.min(axis=1, keepdims=True)  # kept apart, as its exponential may underflow
    shares = weight * np.exp(-2 * (y - slowest))
    total = shares.sum(axis=1)
    curvature = 2 * (shares * lam[moving] * modes.rate[:, moving]).sum(axis=1) / total
    return 0.5 * total * np.exp(-2 * slowest[:, 0]), curvature
