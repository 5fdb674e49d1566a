"""The passes of the orthogonal flow over all (sample, neuron) pairs, compiled.

`orthogonal_numpy` has the same functions in plain NumPy. Rows are samples: a row is read once and every loop
over it vectorises. `state` (n, p) is u_ji for the ReLU; for the leaky ReLU it is u_ji where u_ji > 0 and
u_ji/slope elsewhere, which moves at the rate a_j rho_i without a kink. `leak` is slope^2, `rho` (n, stages)
holds r_i |x_i|/n at the stages of the step, and the state at a stage is state + rho gain, gain (stages, p).
"""

from __future__ import annotations

import numpy as np
from numba import njit

# No flag that assumes finite numbers: a step that overflows must be seen to do so.
_compiled = njit(cache=True, nogil=True, fastmath={"reassoc", "contract", "nsz"})


@_compiled
def evaluate(state, leak, rho, gain, a, norms, y, r):
    """Write the residuals at a stage to `r`, and return sums over samples.

    They are sum |x_i| r_i phi_ji, an array (p,), phi_ji = u_ji times the slope of the activation there; the
    sum of r_i^2; and the sum of r_i^2 |x_i|^2 S_i, S_i = (1/p) sum_j a_j^2 times the slope squared in
    `state`, before the stage: a crossing must not make it jump between stages.
    """
    n, p = state.shape
    stages = gain.shape[0]
    pull = np.zeros(p)
    phi = np.empty(p)
    squares = 0.0
    power = 0.0
    for i in range(n):
        phi[:] = 0.0
        for k in range(stages):
            factor = rho[i, k]
            for j in range(p):
                phi[j] += factor * gain[k, j]
        h = 0.0
        S = 0.0
        for j in range(p):
            now = state[i, j]
            after = now + (phi[j] if now > 0.0 or leak > 0.0 else 0.0)
            weight = 1.0 if after > 0.0 else leak
            phi[j] = weight * after
            h += a[j] * phi[j]
            S += (1.0 if now > 0.0 else leak) * a[j] * a[j]
        r[i] = y[i] - norms[i] * h / p
        force = norms[i] * r[i]
        for j in range(p):
            pull[j] += force * phi[j]
        squares += r[i] * r[i]
        power += force * force * S / p
    return pull, squares, power


@_compiled
def advance(state, leak, rho, gain, rates, losses, after):
    """Write the state at the end of a step to `after`; a ReLU entry that reaches 0 on the way stays there.

    The first and last stages lie at the ends of the step; `rates` (2, p) holds the output weights there times the
    step, `losses` the losses. Returns sum_i u_ji^2 over the entries that move, an array (p,), the number of
    crossings, and by how much they lower the integral of (step a_j rho_i times the slope of the activation)^2/loss
    over the step.
    """
    n, p = state.shape
    stages = gain.shape[0]
    moving = np.zeros(p)
    crossings = 0
    fall = 0.0
    a_turned = False
    for j in range(p):
        a_turned |= rates[0, j] * rates[1, j] < 0.0
    for i in range(n):
        row = after[i]
        row[:] = 0.0
        for k in range(stages):
            factor = rho[i, k]
            for j in range(p):
                row[j] += factor * gain[k, j]
        first, last = rho[i, 0], rho[i, stages - 1]
        if leak == 0.0 and (a_turned or first * last < 0.0):
            for j in range(p):
                start, end = first * rates[0, j], last * rates[1, j]
                if state[i, j] > 0.0 and start < 0.0 < end:
                    # Down, then up: the lowest point, on the cubic through the values and rates at both ends.
                    s = start / (start - end)
                    lowest = row[j] * s * s * (3 - 2 * s) + start * s * (1 - s) ** 2 - end * s * s * (1 - s)
                    if state[i, j] + lowest <= 0.0:
                        row[j] = lowest
        crossed = 0
        for j in range(p):
            now = state[i, j]
            then = now + (row[j] if now > 0.0 or leak > 0.0 else 0.0)
            crossed += (now > 0.0) != (then > 0.0)
            row[j] = then
            moving[j] += (then if then > 0.0 else leak * then) * then
        if crossed > 0:
            crossings += crossed
            for j in range(p):
                now, then = state[i, j], row[j]
                if (now > 0.0) != (then > 0.0):
                    s = now / (now - then)
                    change, start, end = then - now, first * rates[0, j], last * rates[1, j]
                    for _ in range(3):  # Newton on the cubic through the values and rates at both ends
                        value = now + change * s * s * (3 - 2 * s) + start * s * (1 - s) ** 2 - end * s * s * (1 - s)
                        rate = 6 * change * s * (1 - s) + start * (1 - s) * (1 - 3 * s) - end * s * (2 - 3 * s)
                        if rate * change > 0.0:
                            s = min(max(s - value / rate, 0.0), 1.0)
                    m = (1 + s) / 2  # what remains of the step, by the midpoint rule
                    push = (first + m * (last - first)) * (rates[0, j] + m * (rates[1, j] - rates[0, j]))
                    lost = (1 - s) * push * push / (losses[0] + m * (losses[1] - losses[0]))
                    fall += (1 - leak) * (lost if now > 0.0 else -lost)
                    if leak == 0.0:
                        row[j] = 0.0
    return moving, crossings, fall


@_compiled
def weigh(state, leak, weights, sums):
    """Write sum_j weights_j times the activation's slope squared to `sums`, one entry per sample."""
    n, p = state.shape
    for i in range(n):
        total = 0.0
        for j in range(p):
            total += weights[j] * (1.0 if state[i, j] > 0.0 else leak)
        sums[i] = total
