"""A race of step sizes: plain gradient descent from one start with all of them in lockstep, compiled.

Arrays hold the runs along their last axis, so that the inner loops are over runs, and the width is a constant, so that
the compiler unrolls the others. All layers are stepped; nothing is assumed of the start.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .depth import DIM

_compiled = njit(cache=True, nogil=True)
# A loss that grew by this factor does not come back.
_DIVERGED = 1e15


@_compiled
def _product(A, left_turned, B, right_turned, out, runs):
    """Set `out` to A B or A^T B or A B^T for the first so many runs."""
    for i in range(DIM):
        for j in range(DIM):
            for b in range(runs):
                total = 0.0
                for k in range(DIM):
                    a = A[k, i, b] if left_turned else A[i, k, b]
                    c = B[j, k, b] if right_turned else B[k, j, b]
                    total += a * c
                out[i, j, b] = total


@_compiled
def race(start, Phi, steps, level, cap):
    """Return when the first of the runs has a loss of at most `level`, in iterations, and the index of its step size.

    `start` (L, DIM, DIM) holds the layers, W_1 first. (-1, -1) if none is there after `cap` iterations, or all
    diverged. Of several that are there at once, the largest step wins.
    """
    L, d, runs = len(start), DIM, steps.size
    layers, below = np.empty((L, d, d, runs)), np.empty((L, d, d, runs))
    pull, passed, gradient = np.empty((d, d, runs)), np.empty((d, d, runs)), np.empty((d, d, runs))
    losses, racing = np.empty(runs), np.arange(runs)
    for l in range(L):
        for i in range(d):
            for j in range(d):
                layers[l, i, j, :] = start[l, i, j]
    ceiling = np.inf
    for done in range(cap + 1):
        below[0] = layers[0]
        for l in range(1, L):
            _product(layers[l], False, below[l - 1], False, below[l], runs)
        losses[:runs] = 0.0
        for i in range(d):
            for j in range(d):
                for b in range(runs):
                    pull[i, j, b] = below[L - 1, i, j, b] - Phi[i, j]
                    losses[b] += 0.5 * pull[i, j, b] ** 2
        if done == 0:
            ceiling = _DIVERGED * (1.0 + losses[0])
        winner = -1
        for b in range(runs):
            if losses[b] <= level and (winner < 0 or racing[b] < winner):
                winner = racing[b]
        if winner >= 0:
            return done, winner
        for b in range(runs - 1, -1, -1):
            if not losses[b] <= ceiling:  # NaN too
                runs -= 1
                layers[:, :, :, b] = layers[:, :, :, runs]
                below[:, :, :, b] = below[:, :, :, runs]
                pull[:, :, b] = pull[:, :, runs]
                racing[b] = racing[runs]
        if runs == 0:
            break
        for l in range(L - 1, 0, -1):
            _product(pull, False, below[l - 1], True, gradient, runs)
            _product(layers[l], True, pull, False, passed, runs)
            for i in range(d):
                for j in range(d):
                    for b in range(runs):
                        layers[l, i, j, b] -= steps[racing[b]] * gradient[i, j, b]
                        pull[i, j, b] = passed[i, j, b]
        for i in range(d):
            for j in range(d):
                for b in range(runs):
                    layers[0, i, j, b] -= steps[racing[b]] * pull[i, j, b]
    return -1, -1
