"""Test C: the state cannot move far enough to lose its curvature before the error is used up.

With theta all layers together, F(theta) = W_L ... W_1 and J its derivative, |J^T G| >= m |G| for
m = sqrt(lambda_min(K)), K = sum_l A_l A_l^T (x) B_l^T B_l. Within a distance rho,

    n_ij >= |W_j ... W_{i+1}|_2 grows at most at rate F_ij = sqrt(sum_{i<=l<j} (n_{l+1,j} n_{i,l})^2),
    m falls, and |J| grows, at most at rate lambda_max(Q), Q_lm = n_{0,l} n_{l+1,m} n_{m+1,L} for l < m, symmetric.

Numbers n+ with n + h F(n+) <= n+ bound n on [rho, rho + h], as n would have to grow faster than F(n+) to pass them.
On a path, rho_0 = sqrt(2 (R - R*)) falls by q m sqrt(lambda_min(Sigma)) per length, q = 1 for the flow. So with
e = rho_0/sqrt(lambda_min(Sigma)) it ends before r if q int_0^r m > e; then mu = lambda_min(Sigma) m(r)^2.

Gradient descent with step size eta: on the ball the second derivatives of R are at most

    beta = lambda_max(Sigma) sup|J|^2 + rho_0 sqrt(lambda_max(Sigma)) sup lambda_max(Q)

as long as R does not rise. So a step lowers R by eta q |grad|^2 at least, q = 1 - eta beta/2, and no part of it can
leave the ball.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from ..._typing import FloatArray
from ..rounding import TINY, UNIT, above, below, gamma
from .enclosed import Found, Problem
from .paths import ROOM, Paths, too_large

MOST_STRETCHES = 96


@dataclass(frozen=True)
class Stretch:
    """Bounds along a stretch of distances, from its beginning on.

    Attributes
    ----------
    start : float
        The distance at which it begins.
    length : float
    least, most, spent : float
        At its beginning: bounds of m from below, of |J| from above, of int m from below.
    bend : float
        At least lambda_max(Q) on it, and before it.
    """

    start: float
    length: float
    least: float
    most: float
    spent: float
    bend: float

    def after(self, x: float) -> tuple[float, float, float]:
        """Return the bounds of m, |J| and int m at a distance x from its beginning."""
        fall = above(x * self.bend)
        least = (self.least - fall) - 2 * UNIT * (self.least + fall)
        spent = self.spent + x * (self.least + least) / 2 if least > 0 else 0.0
        return least, above(self.most + fall), below(spent)

    def distance(self, x: float) -> float:
        """Return the distance from the state itself, rounded up."""
        return above(self.start + x)


def nearby(problem: Problem, step_size: float | None = None) -> Found:
    """March outwards until the error is used up, for the flow or for gradient descent."""
    test = "C"
    if (why := too_large(problem.network)) is not None:
        return Found(test, False, why)
    paths = Paths.of(problem.network)
    if not paths.least > 0:
        return Found(test, False, "the gradient may vanish here for some error: K is singular, to rounding")
    e, best, share = problem.error, 0.0, 1.0
    distances: list[float] = []
    for stretch in march(paths, e):
        distances.append(stretch.start)
        share = descent_share(problem, stretch, stretch.length, step_size)
        reach = share * stretch.after(stretch.length)[2]
        best = max(best, reach)
        if reach > e:
            return _held(problem, stretch, step_size, distances[1:])
        if not share > 0:
            break
    if not share > 0:
        return Found(test, False, f"the step size {step_size:.4g} is too large for the second derivatives here, q <= 0")
    says = f"the error {e:.4g} is not used up while m > 0: {best:.4g} is proved, from m = {math.sqrt(paths.least):.4g}"
    return Found(test, False, says, slack=below(best / e) if e > 0 else 0.0)


def _held(problem: Problem, stretch: Stretch, step_size: float | None, distances: list[float]) -> Found:
    """Shorten the last stretch to what is needed, and say what follows."""
    e = problem.error

    def enough(x: float) -> bool:
        return below(descent_share(problem, stretch, x, step_size) * stretch.after(x)[2]) > e

    x = _smallest(enough, stretch.length)
    if not enough(x):
        return Found("C", False, "rounding stands in the way", slack=1.0)
    m, _, spent = stretch.after(x)
    q = descent_share(problem, stretch, x, step_size)
    mu = below(below(m * m) * problem.least)
    # What could be spent if Q stayed as it is: an estimate, for information.
    slack = q * (spent + m * m / (2 * stretch.bend + TINY)) / e if e > 0 else math.inf
    radius = stretch.distance(x)
    says = (
        f"the error {e:.4g} is used up before moving by r = {radius:.4g}, with m >= {m:.4g} until then: mu = {mu:.4g}"
    )
    witness = {"distances": [*distances, radius]}
    if step_size is not None:
        witness["step_size"] = [step_size]
        says += f", q = {q:.4g}; every step multiplies R - R* by {1 - 2 * step_size * q * mu:.6g} at most"
    return Found("C", mu > 0, says, below(2 * below(q * mu)), radius, slack, witness)


def march(paths: Paths, e: float) -> Iterator[Stretch]:
    """Yield stretches outwards, as long as m > 0."""
    n, rho, spent = paths.sizes, 0.0, 0.0
    least, most, bend = below(math.sqrt(paths.least)), above(math.sqrt(paths.most)), largest_bend(n)
    for _ in range(MOST_STRETCHES):
        # What the error needs, no more than an eighth of what m lasts, and at least as much as has been spent.
        missing = max(e - spent, spent)
        h = missing / (0.9 * least) if missing > 0 else 1.0
        h = min(h, least / (8 * bend)) if bend > 0 else h
        n = widen(n, h)
        bend = max(bend, largest_bend(n))
        stretch = Stretch(rho, h, least, most, spent, bend)
        yield stretch
        least, most, spent = stretch.after(h)
        rho = stretch.distance(h)
        if not least > 0:
            return


def widen(n: FloatArray, h: float) -> FloatArray:
    """Return the smallest n+ with n + h F(n+) <= n+, up to rounding.

    F_ij needs products shorter than j - i only, so that they are found one length after the other.
    """
    nodes = len(n)
    # By start and length, and by end and length.
    starting, ending = np.zeros((nodes, nodes)), np.zeros((nodes, nodes))
    starting[:, 0] = ending[:, 0] = 1.0
    ahead = np.eye(nodes)
    for length in range(1, nodes):
        i = np.arange(nodes - length)
        squares = np.einsum("ia,ia->i", starting[: nodes - length, :length], ending[length:, length - 1 :: -1])
        rate = above(np.sqrt(squares * (1 + gamma(length + 2)) + nodes * TINY))
        size = above(n[i, i + length] + h * rate)
        ahead[i, i + length] = size
        starting[: nodes - length, length] = ending[length:, length] = size * size
    return ahead


def largest_bend(n: FloatArray) -> float:
    """Return an upper bound of lambda_max(Q): max_l (Q x)_l/x_l for any positive x (Collatz and Wielandt)."""
    L = len(n) - 1
    if L == 1:
        return 0.0
    Q = np.triu(n[0, :-1, None] * n[1:, :-1] * n[None, 1:, -1], 1)
    Q = Q + Q.T
    scale = float(Q.max())
    if not math.isfinite(scale):
        return math.inf
    if scale == 0.0:
        return L * L * TINY
    x = np.abs(np.linalg.eigh(Q / scale)[1][:, -1]) + 1e-9
    return ROOM * above(float(np.max((Q @ x) / x)) * (1 + gamma(L + 4))) + L * L * TINY


def descent_share(problem: Problem, stretch: Stretch, x: float, step_size: float | None) -> float:
    """Return q: 1 for the flow; for gradient descent a lower bound of 1 - eta beta/2 up to a distance x."""
    if step_size is None:
        return 1.0
    J = stretch.after(x)[1]
    beta = above(problem.most * J * J + problem.root * math.sqrt(problem.most) * stretch.bend)
    return 1 - above(step_size * beta / 2) - 2 * UNIT


def _smallest(enough: Callable[[float], bool], length: float) -> float:
    """Return about the smallest length that is enough, given one that is."""
    low, high = 0.0, length
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high
