"""The zero-asymmetric initialization (ZAS) of deep linear networks."""

from __future__ import annotations

import math

import numpy as np

from .. import _validate as check
from ..networks.deep_linear import DeepLinearNetwork

# Powers alpha^(2N) of squares of errors must stay within float64.
LOG_RANGE = 150.0


def zas(
    depth: int, dim: int | tuple[int, int], *, alpha: float = 1.0, zero_layer: int | None = None, beta: float = 0.0
) -> DeepLinearNetwork:
    """Return the zero-asymmetric start: one layer 0, all others alpha times the identity.

    The product of the layers is 0, yet the start is no saddle: the zero layer has a gradient. The gradient flow
    from there obeys R(t) <= exp(-2 alpha^(2(L-1)) t) R(0) for every target, whichever layer is the zero one (Wu,
    Wang and Ma, 2019, for alpha = 1 and the last layer).

    Parameters
    ----------
    depth : int
        Number of layers, L. A network of this kind stores two or three layers at any depth.
    dim : int or (int, int)
        Width, or numbers of inputs and of outputs: layers below the zero layer have the inputs' width, layers
        above it the outputs'.
    alpha : float
        Size of the other layers, above 0; see `zas_alpha`.
    zero_layer : int, optional
        Its number, 1 to L, the last if left out.
    beta : float
        Makes the zero layer beta times the identity instead, which costs a factor (1 - beta^2)^(L-1) in the rate.

    Examples
    --------
    >>> import thalweg as tw
    >>> tw.init.zas(1_000_000, 10)
    DeepLinearNetwork(depth 1000000, 10 -> 10, 2 distinct layers)
    """
    owner = "zas"
    depth = check.positive_int(owner, "depth", depth)
    if isinstance(dim, tuple | list) and len(dim) != 2:
        raise check.fail(owner, "dim", "be a width, or (inputs, outputs)", repr(dim))
    d_in, d_out = dim if isinstance(dim, tuple | list) else (dim, dim)
    d_in, d_out = check.positive_int(owner, "dim", d_in), check.positive_int(owner, "dim", d_out)
    alpha = check.real(owner, "alpha", alpha, above=0.0)
    beta = check.real(owner, "beta", beta)
    place = depth if zero_layer is None else check.positive_int(owner, "zero_layer", zero_layer)
    if place > depth:
        raise check.fail(owner, "zero_layer", f"be the number of a layer, 1 to {depth}", place)
    if beta and d_in != d_out:
        raise check.fail(owner, "beta", "be 0 unless there are as many inputs as outputs", beta)
    if abs((depth - 1) * math.log(alpha)) > LOG_RANGE:
        raise check.fail(
            owner,
            "alpha",
            f"be so near 1 that alpha^(depth - 1) lies within exp(+-{LOG_RANGE:g}), "
            f"here {math.exp(-LOG_RANGE / (depth - 1)):.6g} to {math.exp(LOG_RANGE / (depth - 1)):.6g}",
            alpha,
        )
    middle = beta * np.eye(d_in) if beta else np.zeros((d_out, d_in))
    runs = ((alpha * np.eye(d_in), place - 1), (middle, 1), (alpha * np.eye(d_out), depth - place))
    kept = [(W, count) for W, count in runs if count]
    return DeepLinearNetwork([W for W, _ in kept], [count for _, count in kept])


def zas_alpha(depth: int, norm: float) -> float:
    """Return the slightly larger identity alpha = max(1, N norm^2)^(1/2N), N = depth - 1.

    With it and the proved step size, plain gradient descent needs at most 37 steps to a relative loss of 1e-10, at
    every depth and for every target of spectral norm at most `norm` on whitened data. `norm` may be any upper bound.

    Examples
    --------
    >>> import thalweg as tw
    >>> tw.init.zas_alpha(1001, norm=3.0)
    1.0045628...
    """
    hidden = check.positive_int("zas_alpha", "depth", depth) - 1
    norm = check.real("zas_alpha", "norm", norm, above=0.0)
    return max(1.0, hidden * norm * norm) ** (1 / (2 * hidden)) if hidden else 1.0
