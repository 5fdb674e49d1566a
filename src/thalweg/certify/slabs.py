"""B and N: the residual is exhausted before the network has moved far, at a rate that is known all along.

With tau = (1/n) int |r| dt as time, R = |r| obeys dR/dtau <= -lambda_min(M(T)) for tau <= T. Along budgets
0 = T_0 < T_1 < ... the lowest pull of each slab, at its end, is known; if

    sum_k lambda_min(M(T_k)) (T_k - T_{k-1}) >= R,

R is exhausted before tau reaches the last budget T, so tau never does, all is proved for all later time, and
R(t) decays at the last rate. One slab is the classical test lambda_min(M(T)) T >= R; slabs use that most of the
residual is gone while the network is still close to where it was.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from .base import Finding
from .geometry import LARGEST
from .rounding import below
from .silent import surroundings, woken
from .state import State
from .tube import Surroundings, Tube

# Slabs are as long as would exhaust this share of the residual at the present pull.
STEP = 1 / 16
# A march passes the budget R/lambda_min(H); where the pull there is below this share, it hardly ever succeeds.
PROMISING = 0.15
# Even with a constant pull more slabs than this would not exhaust the residual; each costs an eigenvalue problem.
MOST_SLABS = 64


@dataclass
class March:
    """Slabs so far: their ends T_k, the pull lambda_min(M(T_k)) proved for each, and the share b it took.

    `exhausted` is how much of the residual they are sure to use up, `ended` why there are no more of them.
    """

    budgets: list[float] = field(default_factory=list)
    pulls: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    exhausted: float = 0.0
    ended: str = ""


def nearby(state: State) -> Finding:
    """Try B (no sample is stuck) or N (some are): do the other residuals vanish with the network close to here?"""
    if not state.geometry.whole:
        return Finding("B", False, f"for at most {LARGEST} samples, as it takes eigenvalues of matrices of that side")
    around = surroundings(state)
    if isinstance(around, str):
        return Finding("N", False, around, "stuck")
    stuck = around.silent[state.y[around.silent] != 0]
    test, verdict = ("N", "stuck") if stuck.size else ("B", "converges")
    R = around.residual
    march = _march(around, R)
    slack = march.exhausted / R if R else math.inf
    if march.ended:
        return Finding(test, False, march.ended, verdict, slack=slack, stuck=stuck)
    silence = f"; samples without an active neuron ({around.silent.size}) get none" if around.silent.size else ""
    if not around.live.size:
        return Finding(test, True, f"no neuron is active on any sample{silence}", verdict, slack=slack, stuck=stuck)
    return Finding(
        test,
        True,
        f"with |r| = {R:.3g} left to remove the network stays so close to where it is that the loss keeps falling "
        f"({len(march.budgets)} slabs, pull {march.pulls[0]:.3g} to {march.pulls[-1]:.3g}){silence}",
        verdict,
        lam=march.pulls[-1],
        residual=R,
        slack=slack,
        stuck=stuck,
        witness={"budgets": march.budgets, "pulls": march.pulls, "shares": march.shares},
    )


def promising(state: State, most: float) -> bool:
    """Say whether `nearby` has a chance, from a single tube, given a number that lambda_min(H) does not exceed."""
    around = surroundings(state)
    if isinstance(around, str):
        return False
    tube = around.tube(around.residual / most)
    if tube is None or woken(around, tube) is not None:
        return False
    return not around.live.size or around.pull(tube)[0] > PROMISING * most


def _march(around: Surroundings, R: float) -> March:
    """Add slabs until the residual is exhausted, or the pull is."""
    march, budget, length = March(), 0.0, math.inf
    pull, share = _pull(around, budget, march)
    while march.exhausted < R and not march.ended:
        if len(march.budgets) == MOST_SLABS:
            march.ended = _covered(march, R)
            break
        length = min(STEP * R / pull, 1.1 * length)  # towards the end the pull falls fast
        before, budget = budget, budget + length
        pull, share = _pull(around, budget, march)
        if march.ended:
            march.ended = f"{_covered(march, R)}: then {march.ended}"
            break
        march.budgets.append(float(budget))
        march.pulls.append(float(pull))
        march.shares.append(share)
        march.exhausted = below(march.exhausted + pull * (budget - before))
    return march


def _pull(around: Surroundings, budget: float, march: March) -> tuple[float, float]:
    """Return the proved pull at a budget and its share b; note in `march` why it ends if there is none."""
    tube = around.tube(budget)
    if tube is None:
        march.ended = "the network might move as far as its own size"
        return 0.0, 1.0
    woke = woken(around, tube)
    if woke is not None:
        march.ended = woke
        return 0.0, 1.0
    if not around.live.size:
        return math.inf, 1.0
    pull, share = around.pull(tube)
    if not pull > 0:
        march.ended = _no_pull(around, tube)
    return pull, share


def _no_pull(around: Surroundings, tube: Tube) -> str:
    """Say why the kernel may be singular within a tube."""
    state = around.state
    n, features = around.live.size, state.p * min(state.geometry.data.d, state.n) + state.p
    if features < n:
        return f"{features} parameters cannot move {n} residuals independently"
    loose = int(tube.uncertain[:, around.live].sum())
    if not loose:
        return (
            f"|a_j| of neuron {int(np.argmin(tube.low))} may vanish" if tube.low.min() <= 0 else "the pull may vanish"
        )
    if tube.budget == 0:
        return f"some combination of residuals has no neuron that pulls on it ({loose} pairs are at their kink)"
    return f"{loose} pairs may reach their kink, too many to be sure that the loss keeps falling"


def _covered(march: March, R: float) -> str:
    if not march.budgets:
        return f"|r| = {R:.3g} is far too large"
    return f"the proof covers {march.exhausted / R:.0%} of |r| = {R:.3g}"
