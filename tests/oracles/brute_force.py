"""The exact flow of a tiny network, event by event, every mode found by exhaustive enumeration.

Between events the modes of all pairs are fixed and the smooth equations in (w, a) are integrated by DOP853 at
rtol 1e-12; events are located by brentq on its dense output. Inputs on one line through the origin share one
kink, the hyperplane <w, u> = 0, with a force Q+ on its positive side, Q- on the other and anything between
them on it. At an event all combinations of sides (+, -, on) of the neuron's kinks at zero are tried; the
right one is consistent with its own velocity, and stays so for a short while if that leaves several. The
output weights are integrated, so that a^2 - |w|^2 is a check.
"""

from dataclasses import dataclass, field
from itertools import product

import numpy as np
from scipy.integrate import DOP853
from scipy.optimize import brentq, linprog

_AT_ZERO = 1e-10  # simultaneous events agree to this
_ON_START = 1e-14  # a start this close to a kink, relative to |w|, is on it
_MARGIN = 1e-9  # first-order consistency; what it leaves open, looking ahead decides
_CROSSED = 1e-14


class Ambiguous(Exception):
    """The inclusion has several solutions from here: a concave kink that repels, or a tie."""


@dataclass(frozen=True)
class Event:
    """One kink of one neuron changes side: +1, -1, or 0 when on it."""

    t: float
    neuron: int
    samples: tuple[int, ...]
    before: int
    after: int


@dataclass(frozen=True)
class Reference:
    """The flow at the times asked for; modes are 1 active, -1 inactive, 0 sliding.

    `hold` says how firmly a sliding pair is held: the distance of its multiplier from leaving, as a fraction of
    the range it may take. It is 0 where the pair does not slide, or shares its kink with others (only their sum
    is determined).
    """

    t: np.ndarray
    W: np.ndarray
    z: np.ndarray
    a: np.ndarray
    r: np.ndarray
    loss: np.ndarray
    mu: np.ndarray
    modes: np.ndarray
    hold: np.ndarray
    events: list[Event]


@dataclass
class _Problem:
    X: np.ndarray
    y: np.ndarray
    p: int
    slope: float
    U: np.ndarray = field(init=False)  # (m, d) unit normals of the distinct kinks
    kink: np.ndarray = field(init=False)  # (n,) which of them is the sample's
    sign: np.ndarray = field(init=False)  # (n,) whether x points along u (+1) or against it (-1)

    def __post_init__(self):
        self.n, self.d = self.X.shape
        units, kink, sign = [], [], []
        for x in self.X:
            u = x / np.linalg.norm(x)
            cosines = [u @ v for v in units]
            same = [k for k, c in enumerate(cosines) if abs(c) > 1 - 1e-12]
            if not same:
                units.append(u)
                same, cosines = [len(units) - 1], [*cosines, 1.0]
            kink.append(same[0])
            sign.append(np.sign(cosines[same[0]]))
        self.U, self.kink, self.sign = np.array(units), np.array(kink), np.array(sign)

    def split(self, state):
        return state[self.p :].reshape(self.p, self.d), state[: self.p]


class _Arc:
    """The smooth flow while every kink keeps its side (p, m)."""

    def __init__(self, problem, sides, a, rate):
        self.problem, self.sides = problem, sides
        self.modes = sides[:, problem.kink] * problem.sign.astype(int)
        self.gain = np.where(self.modes > 0, 1.0, np.where(self.modes < 0, problem.slope, 0.0))
        self.stuck = [problem.U[side == 0] for side in sides]
        # A neuron on kinks moves orthogonally to their normals: project their span out of its drive.
        self.project = [np.eye(problem.d) - np.linalg.pinv(U) @ U if len(U) else None for U in self.stuck]
        self.sign_a = np.where(np.abs(a) > _CROSSED, np.sign(a), np.sign(rate))

    def residuals(self, state):
        W, a = self.problem.split(state)
        s = self.gain * (W @ self.problem.X.T)
        return self.problem.y - a @ s / self.problem.p, s

    def drives(self, r):
        """b_j = sum over kinks not stuck of lam_i r_i x_i, before and after projection."""
        b = (self.gain * r) @ self.problem.X
        free = np.array([v if P is None else P @ v for v, P in zip(b, self.project, strict=True)])
        return b, free

    def __call__(self, t, state):
        _, a = self.problem.split(state)
        r, s = self.residuals(state)
        n = self.problem.n
        return np.concatenate([s @ r / n, ((a[:, None] / n) * self.drives(r)[1]).ravel()])

    def forces(self, j, r):
        """Forces (in units of a_j/n) on the kinks: Q+ and Q-, and F needed to stay on the stuck ones."""
        problem = self.problem
        weight = r * np.einsum("ik,ik->i", problem.X, problem.U[problem.kink])
        plus = np.where(problem.sign > 0, 1.0, problem.slope) * weight
        minus = np.where(problem.sign > 0, problem.slope, 1.0) * weight
        m = len(problem.U)
        Q_plus, Q_minus = np.bincount(problem.kink, plus, m), np.bincount(problem.kink, minus, m)
        return Q_plus, Q_minus, -np.linalg.pinv(self.stuck[j].T) @ self.drives(r)[0][j]

    def slacks(self, j, r):
        """How far the forces on the stuck kinks are from leaving (Q+, Q-), negative outside; see `margins`.

        Sliding needs a convex kink, Q+ - Q- of the sign of -a_j; the order of the bounds encodes it.
        """
        on = self.sides[j] == 0
        Q_plus, Q_minus, F = self.forces(j, r)
        orient = -self.sign_a[j]
        low, high = orient * Q_minus[on], orient * Q_plus[on]
        U = self.stuck[j]
        if np.linalg.matrix_rank(U, tol=1e-9) == len(U):
            return np.concatenate([orient * F - low, high - orient * F])
        # Dependent normals leave F free: the largest slack that some F has.
        k = len(U)
        span = np.linalg.svd(U, full_matrices=False)[2][: np.linalg.matrix_rank(U, tol=1e-9)]
        goal = orient * span @ (-self.drives(r)[0][j])
        one = np.ones((k, 1))
        best = linprog(
            np.r_[np.zeros(k), -1.0],
            A_ub=np.block([[-np.eye(k), one], [np.eye(k), one]]),
            b_ub=np.r_[-low, high],
            A_eq=np.c_[span @ U.T, np.zeros(len(span))],
            b_eq=goal,
            bounds=[(None, None)] * (k + 1),
        )
        return np.full(2 * k, best.x[-1])

    def margins(self, state):
        """What is >= 0 while the sides hold, one row of 2m + 1 per neuron; +1 where nothing is at stake."""
        problem = self.problem
        W, a = problem.split(state)
        r, _ = self.residuals(state)
        m = len(problem.U)
        out = np.ones((problem.p, 2 * m + 1))
        z = W @ problem.U.T
        for j in range(problem.p):
            on = self.sides[j] == 0
            out[j, :m][~on] = (self.sides[j] * z[j])[~on]
            if on.any():
                slack = self.slacks(j, r)
                k = int(on.sum())
                out[j, :m][on], out[j, m : 2 * m][on] = slack[:k], slack[k:]
                out[j, 2 * m] = self.sign_a[j] * a[j]
        return out

    def holds(self, r):
        problem = self.problem
        hold = np.zeros((problem.p, len(problem.U)))
        for j in np.flatnonzero((self.sides == 0).any(axis=1)):
            on = self.sides[j] == 0
            Q_plus, Q_minus, _ = self.forces(j, r)
            hold[j, on] = self.slacks(j, r).reshape(2, -1).min(axis=0) / np.abs(Q_plus - Q_minus)[on]
        alone = np.bincount(problem.kink) == 1
        return (hold * alone)[:, problem.kink]

    def observe(self, state):
        problem = self.problem
        W, a = problem.split(state)
        r, s = self.residuals(state)
        free = self.drives(r)[1]
        power = (a**2 * (free**2).sum(1) + (s @ r) ** 2).sum()
        z = np.where(self.modes == 0, 0.0, W @ problem.X.T)
        mu = 2 / (problem.n * problem.p) * power / max(r @ r, np.finfo(float).tiny)
        return W.copy(), z, a.copy(), r, r @ r / (2 * problem.n), mu, self.modes, self.holds(r)


def _combinations(problem, state, sides, j, at_zero):
    """Sides of neuron j that agree with their own velocity to first order."""
    _, a = problem.split(state)
    found = []
    for combo in product((-1, 1, 0), repeat=len(at_zero)):
        trial = sides.copy()
        trial[j, at_zero] = combo
        rate = _Arc(problem, trial, a, np.ones(problem.p))(0.0, state)[: problem.p]
        arc = _Arc(problem, trial, a, rate)
        r, _ = arc.residuals(state)
        on = trial[j] == 0
        Q_plus, Q_minus, _ = arc.forces(j, r)
        if on.any() and (arc.sign_a[j] * (Q_plus - Q_minus)[on] >= 0).any():
            continue  # a concave kink holds nothing
        if on.any() and (arc.slacks(j, r) < -_MARGIN).any():
            continue
        off = np.array([k for k in at_zero if trial[j, k] != 0], dtype=int)
        normals = problem.U[off]
        if on.any() and (np.linalg.norm(normals @ arc.project[j], axis=1) < 1e-9).any():
            continue  # its z cannot leave zero: it is stuck as well
        v = arc.sign_a[j] * normals @ arc.drives(r)[1][j]
        if (trial[j, off] * v < -_MARGIN).any():
            continue
        found.append(trial[j].copy())
    return found


def _survives(arc, state, ahead):
    solver = DOP853(arc, 0.0, state, ahead, rtol=1e-12, atol=1e-15)
    while solver.status == "running":
        solver.step()
    return (arc.margins(solver.y) >= -_CROSSED).all()


def _resolve(problem, state, sides, at_zero):
    """Return the one consistent arc from a state with kinks at zero, {neuron: kinks}."""
    _, a = problem.split(state)
    choices = {j: _combinations(problem, state, sides, j, kinks) for j, kinks in at_zero.items()}
    arcs = []
    for picks in product(*choices.values()):
        trial = sides.copy()
        for j, pick in zip(choices, picks, strict=True):
            trial[j] = pick
        rate = _Arc(problem, trial, a, np.ones(problem.p))(0.0, state)[: problem.p]
        arcs.append(_Arc(problem, trial, a, rate))
    if len(arcs) <= 1:
        if not arcs:
            raise Ambiguous("no combination of sides is consistent")
        return arcs[0]
    alive = []
    for ahead in (1e-5, 1e-6, 1e-7, 1e-4, 1e-3):
        alive = [arc for arc in arcs if _survives(arc, state, ahead)] or alive
        if len(alive) == 1:
            return alive[0]
    velocities = [arc(0.0, state) for arc in alive]
    if alive and all(np.allclose(v, velocities[0], rtol=1e-9, atol=1e-12) for v in velocities):
        return alive[0]  # the same path under two names; off comes before on
    raise Ambiguous(f"{len(alive)} continuations")


def _snap(problem, state, arc):
    """Put stuck neurons exactly on their kinks, a change of the order of rounding."""
    W, a = problem.split(state)
    W = np.array([w if P is None else P @ w for w, P in zip(W, arc.project, strict=True)])
    return np.concatenate([a, W.ravel()])


def _first_crossing(arc, solver, first):
    """Earliest time within the last step at which a margin becomes negative, or None."""
    dense, t0, t1 = solver.dense_output(), solver.t_old, solver.t
    fractions = np.arange(1, 9) / 8
    if first:  # close to an event: kinks just left start from zero
        fractions = np.concatenate([10.0 ** np.arange(-6, 0), fractions])
    before_t, before = t0, arc.margins(dense(t0))
    for t in t0 + fractions * (t1 - t0):
        now = arc.margins(dense(t))
        crossed = np.argwhere((now < -_CROSSED) & (before > 0))
        if len(crossed):
            return min(brentq(lambda s, k=k: arc.margins(dense(s))[tuple(k)], before_t, t, xtol=1e-15) for k in crossed)
        if (now < -1e-12).any():
            raise Ambiguous("a kink was recrossed within rounding of an event")
        before_t, before = t, now
    return None


def flow(W, a, X, y, times, slope=0.0, rtol=1e-12, max_events=400):
    """Integrate the flow exactly and return it at increasing `times`."""
    X, y, W = np.array(X, float), np.array(y, float), np.array(W, float)
    problem = _Problem(X, y, len(a), slope)
    state = np.concatenate([np.array(a, float), W.ravel()])
    z = W @ problem.U.T
    on = np.abs(z) <= _ON_START * np.maximum(np.linalg.norm(W, axis=1), 1e-300)[:, None]
    sides = np.where(on, -1, np.where(z > 0, 1, -1))
    arc = _resolve(problem, state, sides, {j: np.flatnonzero(on[j]) for j in range(problem.p) if on[j].any()})
    state = _snap(problem, state, arc)

    times, t, records, events = np.array(times, float), 0.0, [], []
    pending = list(times)
    while pending and pending[0] <= 0.0:
        records.append(arc.observe(state))
        pending.pop(0)
    while pending:
        solver = DOP853(arc, t, state, times[-1], rtol=rtol, atol=1e-15, max_step=0.5)
        crossing, first = None, True
        while pending and crossing is None:
            if solver.status != "running":
                break
            message = solver.step()
            if solver.status == "failed":
                raise Ambiguous(f"the smooth integrator failed: {message}")
            crossing = _first_crossing(arc, solver, first)
            first = False
            dense = solver.dense_output()
            reached = solver.t if crossing is None else crossing
            while pending and pending[0] <= reached:
                records.append(arc.observe(dense(pending.pop(0))))
        if crossing is None or not pending:
            break
        t, state = crossing, dense(crossing)
        near = arc.margins(state)
        m = len(problem.U)
        hit = {}
        for j in np.flatnonzero(arc.gain.any(axis=1)):  # a neuron that died at a kink stays dead
            margins = np.minimum(near[j, :m], near[j, m : 2 * m])
            if (margins <= _AT_ZERO).any() or near[j, 2 * m] <= _AT_ZERO:
                hit[int(j)] = np.flatnonzero((margins <= _AT_ZERO) | (arc.sides[j] == 0))
        after = _resolve(problem, state, arc.sides, hit)
        for j, k in np.argwhere(after.sides != arc.sides):
            samples = tuple(int(i) for i in np.flatnonzero(problem.kink == k))
            events.append(Event(t, int(j), samples, int(arc.sides[j, k]), int(after.sides[j, k])))
        if len(events) > max_events:
            raise Ambiguous(f"more than {max_events} events")
        arc, state = after, _snap(problem, state, after)
    W, z, a, r, loss, mu, modes, hold = (np.array(column) for column in zip(*records, strict=True))
    return Reference(times, W, z, a, r, loss, mu, modes, hold, events)


def flow_of(network, data, times, **options):
    """`flow` for a thalweg network and data set."""
    X = data.X.toarray() if data.is_sparse else data.X
    return flow(network.W, network.a, X, data.y, times, slope=network.slope, **options)
