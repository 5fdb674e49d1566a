"""What all networks with one hidden layer ask of their weights and inputs."""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import _validate as check
from .._typing import FloatArray, Inputs

# Squares of smaller weights would underflow, and with them the sign of a^2 - |w|^2.
SMALLEST = 1e-140


def hidden_and_output(owner: str, W: Any, a: Any) -> tuple[FloatArray, FloatArray]:
    """Return copies of W (p, d) and a (p,) in float64, their squares too being float64."""
    W = check.real_array(owner, "W", W, 2, copy=True)
    a = check.real_array(owner, "a", a, 1, copy=True)
    if W.shape[0] == 0 or W.shape[1] == 0:
        raise check.fail(owner, "W", "have at least one neuron and one input", f"shape {W.shape}")
    if a.shape != W.shape[:1]:
        must = f"have shape ({W.shape[0]},), one entry per row of W"
        raise check.fail(owner, "a", must, f"shape {a.shape}")
    with np.errstate(over="ignore"):
        if not np.isfinite(a * a + np.einsum("jk,jk->j", W, W)).all():
            raise check.fail(owner, "W", "have weights whose squares are float64: rescale them", "an overflow")
    sizes = np.maximum(np.abs(a), np.abs(W).max(axis=1))
    faint = (sizes > 0) & (sizes < SMALLEST)
    if faint.any():
        must = f"have no neuron that is not 0 but below {SMALLEST:g}, whose squares underflow: rescale, or take 0"
        raise check.fail(owner, "W", must, f"{sizes[faint][0]:g} at neuron {int(np.argmax(faint))}")
    return W, a


def preactivations(owner: str, W: FloatArray, X: Inputs) -> FloatArray:
    """Return z_ji = <w_j, x_i> as an array (p, n), for inputs X (n, d), dense or sparse."""
    inputs: Any = X if hasattr(X, "tocsr") else check.real_array(owner, "X", X, 2)
    if inputs.shape[1] != W.shape[1]:
        raise check.fail(owner, "X", f"have {W.shape[1]} columns, as W has", f"shape {inputs.shape}")
    return np.ascontiguousarray(np.asarray(inputs @ W.T).T)
