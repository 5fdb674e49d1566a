"""The limit of infinite depth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ... import _validate as check
from ..._errors import InputError
from ..._typing import FloatArray
from ...data.target import Target
from .clock import ErrorClock, InfiniteDepth
from .reduced import ExponentialRoot, ReducedModel
from .route import integrate
from .zas import mode_loss


@dataclass(frozen=True, eq=False)
class InfiniteDepthFlow:
    """The limit of the flow as the depth grows, at the times asked for.

    Attributes
    ----------
    t : array (T,)
    loss, curvature : array (T,)
        Excess loss of sqrt(N) times the product, N = L - 1, and local PL curvature.
    singular_values : array (T, r)
        Of sqrt(N) times the product.

    Examples
    --------
    >>> import thalweg as tw
    >>> from thalweg.flow.linear import infinite_depth
    >>> flow = infinite_depth(tw.Target([[2.0]]), times=[0.0, 0.5, 5.0])
    >>> flow.singular_values.round(3).tolist()
    [[0.0], [1.145], [2.0]]
    """

    t: FloatArray
    loss: FloatArray
    curvature: FloatArray
    singular_values: FloatArray


def infinite_depth(target: Target, *, times: ArrayLike, v: Any = None, rtol: float = 1e-9) -> InfiniteDepthFlow:
    """Return the limit N -> infinity of the flow from (near) ZAS towards Phi/sqrt(N), Phi that of `target`.

    The last layer starts at v/sqrt(N), all others at the identity. In the scale sqrt(N) the product is v S Q with
    S = exp(x/2) for the matrix x = v^T v - v(0)^T v(0), in the same time as at finite depth; with v = 0 each mode has
    p = w exp(w^2/2), and its error falls at the rate (1 + w^2) exp(w^2).

    Parameters
    ----------
    target : Target
    times : array (T,)
        Increasing, from 0 on.
    v : array (d_out, d_in), optional
        Start of the last layer times sqrt(N), 0 if left out.
    rtol : float
        Relative accuracy of the loss, used only where v is given or the data are not aligned with the target.

    Examples
    --------
    >>> import thalweg as tw
    >>> from thalweg.flow.linear import infinite_depth
    >>> target = tw.Target([[2.0]])
    >>> infinite_depth(target, times=[0.0, 0.5]).loss.round(3)
    array([2.   , 0.366])
    """
    owner = "infinite_depth"
    if not isinstance(target, Target):
        raise check.fail(owner, "target", "be a Target (tw.Target(Phi))", type(target).__name__)
    t = check.real_array(owner, "times", times, 1)
    if not t.size or t[0] < 0 or (np.diff(t) <= 0).any():
        raise check.fail(owner, "times", "be one or more increasing times from 0 on", f"{len(t)} times")
    check.real(owner, "rtol", rtol, at_least=1e-12, at_most=1e-2)
    start = np.zeros(target.Phi.shape) if v is None else check.real_array(owner, "v", v, 2)
    if start.shape != target.Phi.shape:
        raise check.fail(owner, "v", f"have the shape {target.Phi.shape} of Phi", f"shape {start.shape}")
    if not start.any() and (spectrum := target.spectrum) is not None:
        _, sigma, _, lam = spectrum
        modes = ErrorClock(InfiniteDepth(), sigma, lam).at(t)
        return InfiniteDepthFlow(t, *mode_loss(sigma, lam, modes), np.sort(modes.p, axis=1)[:, ::-1])
    d = target.d_in
    model = ReducedModel(start, np.eye(d), np.zeros((d, d)), ExponentialRoot(), target)
    states = [state for state, output in integrate(model, max(float(t[-1]), 1e-300), t, rtol) if output]
    if len(states) < len(t):
        raise InputError(
            f"The limit could be followed to {len(states)} of {len(t)} times only: the start is stationary, or grows "
            "beyond float64. Take smaller v or times."
        )
    return InfiniteDepthFlow(
        t,
        np.array([state.excess for state in states]),
        np.array([state.curvature for state in states]),
        np.stack([state.singular_values for state in states]),
    )
