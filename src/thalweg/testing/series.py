"""What the loss and the curvature of every gradient flow obey, whatever was trained."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from .._typing import BoolArray, FloatArray, IntArray

# Outputs between which the loss falls by more, in logarithms, say nothing about the curvature between them; if modes
# change there, and the curvature jumps with them, it must fall by less.
_RESOLVED, _RESOLVED_JUMPS = 0.2, 0.05
# Below this share of the first loss the loss is next to rounding.
_FITTED = 1e-20


def series_faults(
    t: FloatArray, loss: FloatArray, curvature: FloatArray, events: IntArray | None, accuracy: float
) -> Iterator[str]:
    """Say what is wrong with times (T,), loss above its floor (T,), curvature (T,) and mode changes (T,)."""
    series = {"t": t, "loss": loss, "curvature": curvature} | ({} if events is None else {"events": events})
    if len({np.shape(each) for each in series.values()}) != 1 or not len(t):
        yield f"the series have the shapes {', '.join(f'{name} {np.shape(each)}' for name, each in series.items())}"
        return
    for name, values in series.items():
        good = np.isfinite(values) & (values >= 0)
        if not good.all():
            yield f"{name} is {values[~good][0]} at output {np.argmin(good)}: it must be finite and not negative"
            return
    if (np.diff(t) <= 0).any():
        k = int(np.argmin(np.diff(t)))
        yield f"times do not increase: {t[k]:.9g} before {t[k + 1]:.9g}"
        return
    rises = np.diff(loss)
    if (rises > 0).any():
        k = int(np.argmax(rises))
        yield f"the loss rises from {loss[k]:.9g} to {loss[k + 1]:.9g} between t = {t[k]:.6g} and {t[k + 1]:.6g}"
    live = loss > _FITTED * loss[0]
    if live.sum() > 1:
        jumps = np.zeros(len(t), bool) if events is None else events > 0
        yield from _slope_faults(t[live], np.log(loss[live]), curvature[live], jumps[live][1:], accuracy)


def _slope_faults(
    t: FloatArray, log_loss: FloatArray, curvature: FloatArray, jumps: BoolArray, accuracy: float
) -> Iterator[str]:
    """Compare the integral of the curvature with the fall of log L between outputs that are close.

    The curvature jumps where modes change, so that no rule has an order. The integral lies between the least and the
    largest curvature nearby, give or take a share of their difference and a term of second order; where outputs are
    close, that is sharp.
    """
    steps, falls = np.diff(t), -np.diff(log_loss)
    padded = np.concatenate([curvature[:1], curvature, curvature[-1:]])
    nearby = np.stack([padded[k : k + len(steps)] for k in range(4)])  # of the step before, this one, and the next
    low, high = steps * nearby.min(axis=0), steps * nearby.max(axis=0)
    room = np.where(jumps, 2.0, 0.5) * (high - low) + np.where(jumps, 0.02, 0.2 * high) * high + accuracy + 1e-13
    resolved = high <= np.where(jumps, _RESOLVED_JUMPS, _RESOLVED)
    off = np.where(resolved, np.maximum(low - falls, falls - high) - room, -np.inf)
    k = int(np.argmax(off))
    if off[k] > 0:
        yield (
            f"between t = {t[k]:.6g} and {t[k + 1]:.6g} log L falls by {falls[k]:.6g}, where the curvature promises "
            f"{low[k]:.6g} to {high[k]:.6g}"
        )
