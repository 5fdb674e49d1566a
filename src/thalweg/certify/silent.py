"""Samples that no neuron is active on, and whether that can change.

On a silent sample the output is 0 and the residual is the label. If it stays silent, its loss stays: a stuck sample,
unless its label is 0. It can only be woken by a neuron that would pull on it, for sample i one with a_j y_i > 0 (any
neuron if y_i = 0), or by one that others push across its kink against its own pull.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from .._typing import BoolArray, FloatArray, IntArray
from .base import Finding
from .rounding import UNIT, above, below, gamma, norms, smallest_eigenvalue
from .state import State
from .tube import Surroundings, Tube


def dead(state: State) -> Finding:
    """N1: samples of nonzero label all of whose neurons of the right sign are inactive on every sample.

    Such neurons never move, and signs are constant where c_j >= 0: the loss stays at least the sum of y_i^2/(2n).
    """
    if state.slope:
        return Finding("N1", False, "leaky neurons never die", verdict="stuck")
    still: BoolArray = np.asarray(state.surely_inactive.all(axis=1) | state.absent, bool)
    if (state.c[~still] < 0).any():
        return Finding("N1", False, "a neuron with |a_j| < |w_j| may change its sign", verdict="stuck")
    hopeless = state.y != 0
    for sign in (-1.0, 1.0):
        # A neuron whose sign is not known, a = 0 at w = 0, counts for both.
        if not still[state.sign * sign >= 0].all():
            hopeless &= np.sign(state.y) != sign
    stuck = np.flatnonzero(hopeless)
    if not stuck.size:
        return Finding("N1", False, "every sample has a neuron of its sign that is active somewhere", verdict="stuck")
    return Finding(
        "N1",
        True,
        f"every neuron that could fit sample {stuck[0]} ({stuck.size} such) is inactive on all samples, so that it "
        "never moves again",
        verdict="stuck",
        slack=math.inf,
        stuck=stuck,
        exact=False,
    )


def surroundings(state: State) -> Surroundings | str:
    """Split the samples into live and silent ones; say why if the silent ones cannot be told apart.

    Preactivations on silent samples that are 0 to rounding are made 0: the verdict is for the state moved so. That
    takes a step of w_j of at most |z_S|/sqrt(lambda_min(K_SS)), whose effect on the others joins their error bounds.
    """
    if state.slope:
        return Surroundings(state, np.arange(state.n), np.zeros(0, np.int64))
    quiet = (state.z <= state.z_error).all(axis=0)
    live, silent = np.flatnonzero(~quiet), np.flatnonzero(quiet)
    if not silent.size:
        return Surroundings(state, live, silent)
    if (state.c < 0).any():
        return f"samples without an active neuron, and |a_j| < |w_j| at neuron {int(np.argmin(state.c))}"
    z, z_error, steps = state.z.copy(), state.z_error.copy(), np.zeros(state.p)
    for j in np.flatnonzero((z[:, silent] >= -z_error[:, silent]).any(axis=1) & ~state.absent):
        held = silent[z[j, silent] >= -z_error[j, silent]]
        smallest = smallest_eigenvalue(state.geometry.lowered[np.ix_(held, held)])
        if not smallest > 0:
            return f"neuron {j} touches silent samples whose inputs are dependent"
        steps[j] = above(float(norms(2 * state.z_error[j, held])) / math.sqrt(below(smallest)))
        z[j, held] = 0.0
        z_error[j] = above(z_error[j] + steps[j] * state.geometry.lengths)
        z_error[j, held] = 0.0
    s = np.maximum(z, 0.0)
    loose = (z >= -z_error)[:, silent] & (z[:, silent] != 0.0)
    if loose.any():
        j, i = np.argwhere(loose)[0]
        return f"neuron {j} is too near its kink on silent sample {silent[i]} to tell its side"
    # |a_j| = sqrt(c_j + |w_j|^2) with c_j >= 0 moves no further than |w_j|.
    from_moves = (state.a_high + steps) @ np.where(steps[:, None] > 0, z_error, 0.0) + steps @ s
    room = 1 + gamma(2 * state.p + 8)
    r, r_error = state.r.copy(), above(state.r_error + from_moves * room / state.p)
    r[silent], r_error[silent] = state.y[silent], 0.0
    wider = {
        "a_low": below(np.maximum(state.a_low - steps, 0.0)),
        "a_high": above(state.a_high + steps),
        "w_low": below(np.maximum(state.w_low - steps, 0.0)),
        "w_high": above(state.w_high + steps),
    }
    moved = replace(state, z=z, z_error=z_error, s=s, r=r, r_error=r_error, **wider)
    return Surroundings(moved, live, silent)


def woken(around: Surroundings, tube: Tube) -> str | None:
    """Say how a silent sample might be woken within a tube, or None if none can be."""
    state, silent, live = around.state, around.silent, around.live
    if not silent.size:
        return None
    near = tube.uncertain[:, silent]
    rightful: BoolArray = np.asarray(state.sign[:, None] * np.sign(state.y[silent]) >= 0, bool)
    if (near & rightful).any():
        j, i = np.argwhere(near & rightful)[0]
        return f"neuron {j} might reach its kink on sample {silent[i]} and fit it"
    geometry = state.geometry
    room = 1 + gamma(state.n + 8)
    for j in np.flatnonzero(near.any(axis=1)):
        touched = silent[near[j]]
        rows = np.abs(geometry.data.gram[touched]) + geometry.relative * np.outer(
            geometry.lengths[touched], geometry.lengths
        )
        possible = live[~(state.z[j, live] < -tube.zeta[j, live])]
        others = _pushes(rows, touched, state.y) + around.residual * norms(rows[:, possible])
        own = np.abs(state.y[touched]) * geometry.shortest[touched] ** 2
        weak = ~(below(own) > above(others * room) + 8 * UNIT * own)
        if weak.any():
            return f"neuron {j} might be pushed across its kink on sample {touched[int(np.argmax(weak))]}"
    return None


def _pushes(rows: FloatArray, touched: IntArray, y: FloatArray) -> FloatArray:
    """Return the largest force other touched samples can exert on each touched sample."""
    among = rows[:, touched] * np.abs(y[touched])
    return among.sum(axis=1) - among.diagonal()
