"""Groups of orthogonal inputs, each fitted by one balanced neuron: closed forms of the flow.

A group has inputs of one norm k, labels of one sign, and one neuron with a = +-|w| that is active on all of it and
on nothing else. With N = a^2, N0 = N(0), c the cosine between the coordinates of w and the labels, c0 = c(0),
D = k |y| over the group and s = D t/n,

    c = tanh(s + artanh c0),   N = N0 G^2 / (1 + (2 N0 k^2/(p D)) I),   G = cosh s + c0 sinh s,
    I = (1 - c0^2) s/2 + (1 + c0^2) sinh(2s)/4 + c0 (cosh(2s) - 1)/2.

N grows from N0 to pD/k^2, slowly, then at once: a phase transition in the middle of which N = pD/(2 k^2).
"""

from __future__ import annotations

import math

import numpy as np

from .._typing import FloatArray

# From 90 % to 10 % of the loss of a group, N k^2/(pD) goes from 1 - sqrt(.9) to 1 - sqrt(.1); it is a logistic
# function of 2s if c0 = 1, and this is the difference of the logits of the two: 3.688.
_SHARES = (1 - math.sqrt(0.9), 1 - math.sqrt(0.1))
LOGITS = math.log(_SHARES[1] / (1 - _SHARES[1])) - math.log(_SHARES[0] / (1 - _SHARES[0]))


def squared_weight(s: FloatArray, start: float, cosine: float, ceiling: float) -> FloatArray:
    """Return N at s = D t/n, from N0 = `start` and c0 = `cosine`; `ceiling` is pD/k^2.

    Examples
    --------
    >>> import numpy as np
    >>> from thalweg.theorems.phase_transition import squared_weight
    >>> squared_weight(np.array([0.0, 40.0]), 0.01, 1.0, 2.0)
    array([0.01, 2.  ])
    """
    # Numerator and denominator are divided by exp(2s), which overflows.
    once, twice = np.exp(-2 * s), np.exp(-4 * s)
    G = ((1 + cosine) + (1 - cosine) * once) / 2
    integral = (
        (1 - cosine**2) * s * once / 2 - (1 + cosine**2) * np.expm1(-4 * s) / 8 + cosine * (1 + twice - 2 * once) / 4
    )
    return start * G**2 / (once + 2 * start / ceiling * integral)


def alignment(s: FloatArray, cosine: float) -> FloatArray:
    """Return the cosine c = tanh(s + artanh c0) between neuron and labels at s = D t/n."""
    rise = np.tanh(s)
    return (cosine + rise) / (1 + cosine * rise)


def transition_time(D: float, n: int, start: float, cosine: float, ceiling: float) -> float:
    """Return when N = pD/(2 k^2): (n/2D) log(pD/(k^2 N0) - 1) if c0 = 1, 0 if it is past at the start.

    If c0 < 1 it is about (n/2D) log(4 pD/(k^2 N0 (1 + c0)^2)), for small N0.
    """
    ratio = ceiling / start
    if ratio <= 2:
        return 0.0
    return n / (2 * D) * max(math.log(ratio - 1 if cosine == 1 else 4 * ratio / (1 + cosine) ** 2), 0.0)


def relative_width(start: float, ceiling: float) -> float:
    """Return the time in which the group's loss falls from 90 % to 10 %, over the transition time (c0 = 1).

    It is 3.688/log(pD/(k^2 N0) - 1): the smaller the start, the sharper the transition. Infinite if the middle of
    the transition is past at the start.
    """
    return LOGITS / math.log(ceiling / start - 1) if ceiling > 2 * start else math.inf
