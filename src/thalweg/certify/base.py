"""What a test of a state finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from .._typing import IntArray

NONE: IntArray = np.zeros(0, np.int64)


@dataclass(frozen=True, eq=False)
class Finding:
    """The answer of one test to one state.

    Attributes
    ----------
    test : str
        A0, leaky, A, B, N1 or N.
    holds : bool
        Whether the test proves its verdict.
    says : str
        What was found, with figures: the reason if it holds, the nearest miss if not.
    verdict : str
        "converges" or "stuck": what the test proves if it holds.
    lam : float
        With R the residual norm on the samples that are not stuck, n R' <= -lam R from now on.
    residual : float
        R now, an upper bound.
    slack : float
        How many times over the decisive inequality holds; below 1 where it fails.
    stuck : array of int
        Samples that are never fitted.
    exact : bool
        Whether the other residuals are proved to vanish, so that the limit of the loss is known exactly.
    witness : dict
        Free choices of the proof (delta; the budgets of the slabs and their b), which make it quick to check.
    """

    test: str
    holds: bool
    says: str
    verdict: str = "converges"
    lam: float = 0.0
    residual: float = 0.0
    slack: float = 0.0
    stuck: IntArray = field(default_factory=NONE.copy)
    exact: bool = True
    witness: Mapping[str, list[float]] = field(default_factory=dict)
