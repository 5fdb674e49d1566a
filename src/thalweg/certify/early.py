"""Tests that cost O(np) once the inputs are prepared, and fire early where inputs interact weakly.

Statements of `theorems.dana_bach_pillaud_vivien`, evaluated with every rounding error on the unfavourable side.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .._typing import FloatArray
from .base import Finding
from .rounding import UNIT, above, below, gamma
from .state import State

# Values of delta that test A tries.
DELTAS = np.concatenate([np.geomspace(1e-4, 0.1, 16), np.linspace(0.15, 0.95, 17)])


def early_tests(state: State) -> tuple[Callable[[State], Finding], ...]:
    """Return the tests of this module that apply to the activation."""
    return (leaky,) if state.slope else (residual_below_labels, weak_interaction)


def residual_below_labels(state: State) -> Finding:
    """A0: lambda_min(K) > 0 and |r| < min |y_i|. Any initialization; ReLU.

    Outputs keep |h_i| >= |y_i| - R, which takes active neurons: S_i >= S(g_i), g_i = (|y_i| - R)/|x_i|, where
    S(g) = g if |a_j| >= |w_j| for all j, else (sqrt(c^2 + 4 g^2) - c)/2 with c = mean of max(-c_j, 0).
    """
    sizes, R = np.abs(state.y), state.residual_norm()
    smallest = float(sizes.min())
    slack = smallest / max(R, 5e-324)
    if not state.geometry.smallest > 0:
        return Finding("A0", False, _SINGULAR)
    if not smallest > R:
        return Finding("A0", False, f"|r| = {R:.3g} is not below the smallest |label|, {smallest:.3g}", slack=slack)
    g = below((sizes - R) - 2 * UNIT * sizes) / state.geometry.lengths
    if not g.min() > 0:
        return Finding("A0", False, f"|r| = {R:.3g} equals the smallest |label| to rounding", slack=slack)
    deficit = above(float(np.maximum(-state.c, 0.0).mean()) * (1 + gamma(state.p + 1)))
    coverage = below(g * (2 * g / (deficit + np.sqrt(deficit**2 + 4 * g**2)))) if deficit else below(g)
    return Finding(
        "A0",
        True,
        f"|r| = {R:.3g} is below the smallest |label|, {smallest:.3g}, and the inputs are independent "
        f"(lambda_min {state.geometry.smallest:.3g}): no sample can lose its last neuron",
        lam=below(state.geometry.smallest * float(coverage.min())),
        residual=R,
        slack=slack,
    )


def leaky(state: State) -> Finding:
    """Leaky ReLU of slope gamma, lambda_min(K) > 0, mean max(c_j, 0) > 0: it converges from here, whatever r."""
    surplus = below(float(np.maximum(state.c, 0.0).mean()) * (1 - gamma(state.p + 1)))
    if not state.geometry.smallest > 0:
        return Finding("leaky", False, _SINGULAR)
    if not surplus > 0:
        return Finding("leaky", False, "no neuron has |a_j| > |w_j|")
    return Finding(
        "leaky",
        True,
        f"a leaky neuron never dies, some keep |a_j| > |w_j| (mean surplus {surplus:.3g}), and the inputs are "
        f"independent (lambda_min {state.geometry.smallest:.3g})",
        lam=below(state.slope**2 * state.geometry.smallest * surplus),
        residual=state.residual_norm(),
        slack=np.inf,
    )


def weak_interaction(state: State) -> Finding:
    """A: every sample keeps an active neuron of its sign, as its own pull on it beats that of all the others."""
    geometry, R = state.geometry, state.residual_norm()
    if not geometry.smallest > 0:
        return Finding("A", False, _SINGULAR)
    if (state.c < 0).any():
        return Finding("A", False, f"neuron {int(np.argmin(state.c))} has |a_j| < |w_j|")
    if not state.y.all():
        return Finding("A", False, f"the label of sample {int(np.flatnonzero(state.y == 0)[0])} is 0")
    agree = np.where(state.sign[:, None] * np.sign(state.y) > 0, 1.0, 0.0)
    covering = agree * state.surely_active
    covered = covering.any(axis=0)
    if not covered.all():
        missing = np.flatnonzero(~covered)
        return Finding(
            "A", False, f"no neuron of the right sign is active on sample {missing[0]} ({missing.size} such)"
        )
    z = np.maximum(state.z - state.z_error, 0.0)
    room = 1 - gamma(state.p + 8)
    h = below(np.einsum("j,ji,ji->i", state.a_low, agree, z) * room / state.p)
    own = state.c[:, None] + below(z**2) / geometry.lengths**2
    base = below(np.einsum("ji,ji->i", covering, own) * room / state.p)
    best, delta, worst = 0.0, 0.0, (-np.inf, 0)
    for trial in DELTAS:
        kept, margin = _kept(state, R, trial, h, base)
        if margin.min() > worst[0]:
            worst = float(margin.min()), int(np.argmin(margin))
        if kept.min() > best:
            best, delta = float(kept.min()), float(trial)
    if not best > 0:
        slack = 1 + min(worst[0], 0.0)
        weaker = (
            f"the others may pull {1 / slack:.3g} times as much as it does"
            if slack > 0
            else "the others may pull far more"
        )
        return Finding("A", False, f"on the neurons of sample {worst[1]} {weaker}", slack=slack)
    return Finding(
        "A",
        True,
        f"the inputs interact weakly for |r| = {R:.3g}: the pull of every sample on its own neurons beats that of all "
        f"others (by {1 + worst[0]:.3g}x at sample {worst[1]}), and each has an active neuron of its sign",
        lam=below(geometry.smallest * best),
        residual=R,
        slack=1 + worst[0],
        witness={"delta": [delta]},
    )


def _kept(state: State, R: float, delta: float, h: FloatArray, base: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return s_i^- of theorem A at one delta (0 where it is not admissible), and the relative margin of each sample."""
    geometry = state.geometry
    rho = (1 - delta) * np.abs(state.y)
    safe = below(rho) >= R
    own = below(rho * geometry.shortest**2)
    others = above(geometry.interaction * np.sqrt(np.maximum(R**2 - below(rho**2), 0.0) + 4 * UNIT * R**2))
    pull = own - others - 2 * UNIT * (own + others)
    admissible = safe | (pull > 0)
    eta = below(np.maximum(pull, 0.0) / above(R * np.sqrt(geometry.largest)))
    floor = below(delta * np.abs(state.y) / geometry.lengths)
    kept = np.minimum(below(eta * floor / geometry.lengths), np.maximum(base, below(eta * h / geometry.lengths**2)))
    kept = np.where(safe, floor, kept)
    margin = np.where(safe, below(rho) / R - 1, own / np.maximum(others, 5e-324) - 1)
    return kept if admissible.all() else np.zeros_like(kept), np.maximum(margin, -1.0)


_SINGULAR = "lambda_min(K) > 0 could not be proved: inputs are dependent (as always for n > d) or nearly so"
