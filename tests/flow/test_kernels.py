"""The kernels of the sliding flow, compiled and NumPy, against each other and against what neither of them uses."""

import math

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import lsq_linear
from scipy.sparse import csr_array

import thalweg as tw
from bank import by_name
from oracles import brute_force
from oracles.comparison import output_weights, preactivations
from thalweg.flow import events, events_numpy, sliding, sweeps, sweeps_numpy
from thalweg.flow.coordinates import Coordinates
from thalweg.flow.kinks import Kinks

SEEDS = st.integers(0, 2**32 - 1)
KERNELS = pytest.mark.parametrize("kernels", [sweeps, sweeps_numpy], ids=["numba", "numpy"])
KERNELS_BY_NAME = pytest.mark.parametrize("kernel", ["numba", "numpy"])
some = settings(max_examples=60, derandomize=True, deadline=None)


# Whole flows


def random_flow(seed, n, d, p, excess=1.2, slope=0.0, repeat=0.0, on_kink=False):
    """Random inputs, labels and weights with |a| = excess |w|; x_1 = repeat x_0 if that is not 0."""
    rng = np.random.default_rng(seed)
    X, y, W = rng.normal(size=(n, d)), rng.normal(size=n), rng.normal(size=(p, d))
    if repeat:
        X[1] = repeat * X[0]
        y[1] = y[0] if repeat == 1 else -y[1]
    if on_kink:
        W[0] -= (W[0] @ X[0]) / (X[0] @ X[0]) * X[0]
    a = excess * np.linalg.norm(W, axis=1) * rng.choice([-1, 1], p)
    activation = {"activation": "leaky_relu", "slope": slope} if slope else {}
    return tw.ShallowNetwork(W, a, **activation), tw.Dataset(X, y)


def assert_same_modes(plain, compiled, z):
    """A pair at rest at its kink, held by no force, has no mode to speak of; a sliding one must slide for both."""
    clear = (np.abs(z) > 1e-9) | (plain == 0)
    assert_array_equal(plain[clear], compiled[clear])


def bank_flow(name):
    case = by_name(name)
    return case.network, case.data


FLOWS = {
    "more_samples": random_flow(1, 9, 4, 4),
    "more_inputs": random_flow(2, 6, 12, 5),
    "leaky": random_flow(3, 6, 4, 3, slope=0.2),
    "balanced": random_flow(14, 6, 4, 3, excess=1.0),
    "signs_change": random_flow(9, 7, 4, 3, excess=0.3),
    "starts_on_kink": random_flow(6, 5, 4, 2, on_kink=True),
    "slide_exit_up": bank_flow("slide_exit_up"),
    "mode_cycling": bank_flow("mode_cycling"),
    "reaches_kink_from_below": bank_flow("slide_from_below"),
}


def assert_same_path(pair, t_end, **options):
    times = np.linspace(0.0, t_end, 7)
    network, data = pair
    fast, plain = (
        tw.flow(network, data, t_end=t_end, times=times, rtol=1e-5, kernel=kernel, progress=False, **options)
        for kernel in ("numba", "numpy")
    )
    assert fast.outcome == plain.outcome
    for get in (preactivations, output_weights, lambda traj: traj.residuals):
        assert_allclose(get(plain), get(fast), rtol=0, atol=1e-9 * np.abs(get(fast)).max())
    assert_allclose(plain.loss, fast.loss, rtol=1e-8)
    assert_allclose(plain.curvature, fast.curvature, rtol=1e-7)
    return fast, plain


@pytest.mark.parametrize("name", FLOWS)
def test_both_kernels_compute_the_same_flow(name):
    fast, plain = assert_same_path(FLOWS[name], 0.6 if name == "reaches_kink_from_below" else 1.5)
    assert fast.events.sum() > 0
    for k, z in enumerate(preactivations(fast)):
        assert_same_modes(plain.networks.mode_map(k), fast.networks.mode_map(k), z)
    if name != "starts_on_kink":  # there they count differently how unknown sides are found
        assert_array_equal(plain.events, fast.events)


def test_both_kernels_agree_with_repeated_samples():
    assert_same_path(random_flow(8, 5, 3, 3, repeat=1.0), 1.5)


@KERNELS_BY_NAME
@pytest.mark.parametrize(("seed", "repeat", "slope"), [(4, -0.7, 0.0), (22, -0.7, 0.0), (22, 1.5, 0.2)])
def test_parallel_inputs_share_a_kink(seed, repeat, slope, kernel):
    """The multipliers of inputs on one line are tied to each other; the brute-force flow knows."""
    network, data = random_flow(seed, 4, 3, 2, slope=slope, repeat=repeat)
    times = np.linspace(0.0, 4.0, 5)
    exact = brute_force.flow_of(network, data, times)
    traj = tw.flow(network, data, t_end=4.0, times=times, rtol=1e-6, kernel=kernel, progress=False)
    assert_allclose(traj.t, times)
    assert_allclose(preactivations(traj), exact.z, rtol=0, atol=1e-5 * np.abs(exact.z).max())


def sets_forgotten(self):
    return np.zeros_like(self.members), np.zeros_like(self.inverse), np.full_like(self.sizes, -1)


@pytest.mark.parametrize("kept", ["no set", "sets of one pair"])
def test_what_is_kept_from_step_to_step_does_not_matter(kept, monkeypatch):
    """Sliding sets and their inverses save work; found afresh at every step they give the same flow."""
    network, data = random_flow(0, 60, 12, 2)
    options = {"t_end": 3.0, "times": np.linspace(0.0, 3.0, 7), "rtol": 1e-4, "progress": False}
    traj = tw.flow(network, data, **options)
    assert traj.sliding.max() > 2 * network.p
    assert traj.events.sum() > network.p * sweeps.CHANGES_KEPT  # so a kept set has been dropped for its age
    if kept == "no set":
        monkeypatch.setattr(sliding.SlidingSets, "arrays", property(sets_forgotten))
    else:
        monkeypatch.setattr(sliding, "ROOM", network.p)
    afresh = tw.flow(network, data, **options)
    # Rounding changes the steps after an event, so the paths differ by their errors.
    assert_allclose(preactivations(afresh), preactivations(traj), rtol=0, atol=1e-5)
    assert_array_equal(afresh.events, traj.events)
    assert_array_equal(afresh.networks.mode_map(-1), traj.networks.mode_map(-1))


# Kinks


@pytest.mark.parametrize("shape", ["tall", "wide", "sparse"])
@some
@given(seed=SEEDS)
def test_kinks_against_brute_force(shape, seed):
    """Inputs on few lines, d = 1 among them: who shares a kink, and what sums over the members must give."""
    rng = np.random.default_rng(seed)
    lines, extra, p = int(rng.integers(1, 6)), int(rng.integers(0, 5)), int(rng.integers(1, 4))
    n = lines + extra
    d = n + int(rng.integers(1, 9)) if shape != "tall" else int(rng.integers(1 if lines == 1 else 2, max(n, 2) + 1))
    line = rng.permutation(np.r_[np.arange(lines), rng.integers(0, lines, extra)])
    scales = rng.choice([1.0, -1.0, 2.5, -0.3, 30.0, -0.03], n)
    X = scales[:, None] * rng.normal(size=(lines, d))[line]
    data = tw.Dataset(csr_array(X) if shape == "sparse" else X, rng.normal(size=n))
    slope = float(rng.choice([0.0, 0.3]))
    kinks = Kinks.of(Coordinates.of(data), slope)

    assert_array_equal(kinks.kink[:, None] == kinks.kink, line[:, None] == line)
    _, leader = np.unique(kinks.kink, return_index=True)
    assert_allclose(kinks.ratio, scales / (scales[leader] / kinks.ratio[leader])[kinks.kink], rtol=1e-9)
    rebuilt = kinks.ratio[:, None] * kinks.basis[kinks.kink]
    assert_allclose(rebuilt @ rebuilt.T, X @ X.T, rtol=0, atol=1e-10 * np.abs(X @ X.T).max())
    assert_allclose(kinks.norms, np.linalg.norm(kinks.basis, axis=1), rtol=1e-9)

    values = rng.normal(size=(p, n))
    for s, side in zip((1.0, -1.0), kinks.sides(values), strict=True):
        terms = kinks.ratio * np.where(s * kinks.ratio > 0, 1.0, slope) * values
        expected = [[terms[j, kinks.kink == k].sum() for k in range(lines)] for j in range(p)]
        assert_allclose(side, expected, rtol=1e-12, atol=1e-12 * np.abs(terms).max())

    heights, a = rng.normal(size=(p, lines)), rng.normal(size=p)
    z = np.array([[kinks.ratio[i] * heights[j, kinks.kink[i]] for i in range(n)] for j in range(p)])
    parts = np.stack((a @ np.maximum(heights, 0), a @ np.minimum(heights, 0)))
    assert_allclose(kinks.outputs(parts), a @ np.where(z > 0, z, slope * z), rtol=1e-10, atol=1e-10 * np.abs(z).max())
    heights[rng.random(heights.shape) < 0.3] = 0.0
    on_samples = [[np.sign(kinks.ratio[i] * heights[j, kinks.kink[i]]) for i in range(n)] for j in range(p)]
    assert_array_equal(kinks.modes(np.sign(heights).astype(np.int8)), on_samples)


# Function by function


def random_state(seed, sliding=0.2):
    """Preactivations, modes and all that goes with them, for a random number of neurons."""
    rng = np.random.default_rng(seed)
    n, m, p = int(rng.integers(1, 8)), int(rng.integers(2, 6)), int(rng.integers(1, 4))
    basis, u = rng.normal(size=(n, m)), rng.normal(size=(p, m))
    z = u @ basis.T
    modes = np.sign(z).astype(np.int8)
    held = (rng.random((p, n)) < sliding) & (np.arange(n) < m - 1)
    for j in range(p):  # weights that lie on the chosen kinks
        rows = basis[held[j]]
        u[j] -= np.linalg.pinv(rows) @ (rows @ u[j]) if len(rows) else 0.0
    z = np.where(held, 0.0, u @ basis.T)
    modes = np.where(held, 0, np.sign(z)).astype(np.int8)
    return rng, basis, np.linalg.norm(basis, axis=1), u, z, modes, float(rng.choice([0.0, 0.0, 0.3]))


@some
@given(SEEDS)
def test_sums_over_pairs(seed):
    rng, _, _, _, z, modes, _ = random_state(seed)
    p, k = z.shape
    a, a_speed, velocity = rng.normal(size=p), rng.normal(size=p), rng.normal(size=(p, k))
    right, right_speed = rng.normal(size=(2, 2, k))
    first = int(rng.integers(0, p))
    results = []
    for kernels in (sweeps, sweeps_numpy):
        speeds, turns, out, out_speed = np.zeros(p), np.zeros(p), np.ones((2, k)), np.ones((2, k))
        kernels.sums(first, p, z, a, out)
        kernels.sum_speeds(first, p, modes, velocity, z, a, a_speed, out_speed)
        kernels.correlate(first, p, z, right, 7, speeds)
        kernels.correlate_speeds(first, p, modes, velocity, z, right, right_speed, 7, turns)
        results.append((out, out_speed, speeds, turns))
    for compiled, plain in zip(*results, strict=True):
        assert_allclose(plain, compiled, rtol=0, atol=1e-13 * max(1, np.abs(compiled).max()))


def no_sets(p, k, m):
    return sliding.SlidingSets.empty(p, min(k, m))


def looked(kernels, basis, norms, z, modes, left, right):
    """Return modes, velocities of w without and with the sliding forces, z', and the sliding sets."""
    (p, k), m, modes = z.shape, basis.shape[1], modes.copy()
    drives, speeds, velocity = np.empty((p, m)), np.empty((p, m)), np.empty((p, k))
    sets, tally = no_sets(p, k, m), np.zeros((p, 3), np.int64)
    kernels.look(
        0, p, basis, norms, modes, z, left, right, np.empty((p, k)), drives, speeds, velocity, *sets.arrays, tally
    )  # fmt: skip
    assert (tally[:, 0] == 0).all()
    return modes, drives, speeds, velocity, sets


def carried(kernels, basis, norms, z, looks, left, right, u):
    """Return modes, u and z after a macro step, and the tally."""
    (p, k), m = z.shape, basis.shape[1]
    modes, drives, _, velocity, sets = looks
    after, new_u, new_z = np.empty_like(modes), np.empty_like(u), np.empty_like(z)
    tally = np.zeros((p, 3), np.int64)
    assert kernels.carry(
        0, p, 1.0, basis, norms, modes, after, z, velocity, left, right, np.empty((p, k)), drives, u, new_u, new_z,
        *sets.arrays, *no_sets(p, k, m).arrays, tally, np.full(p, math.inf),
    )  # fmt: skip
    return after, new_u, new_z, tally


def convex_where_held(right, modes, slope):
    """Both sides of forces whose kinks are convex where a neuron starts on them.

    With concave ones the sides may depend on the order in which they are tried.
    """
    held = (modes == 0).any(axis=0)
    right[..., held] = -np.abs(right[..., held])
    return np.stack((right, slope * right))


@some
@given(SEEDS)
def test_look(seed):
    rng, basis, norms, _, z, modes, slope = random_state(seed, sliding=0.6)
    left = np.abs(rng.normal(size=(1, 1, len(z))))
    right = convex_where_held(rng.normal(size=(1, len(norms))), modes, slope)[None]
    compiled = looked(sweeps, basis, norms, z, modes, left, right)
    plain = looked(sweeps_numpy, basis, norms, z, modes, left, right)
    assert_array_equal(plain[0], compiled[0])
    for k in (1, 2, 3):
        assert_allclose(plain[k], compiled[k], rtol=0, atol=1e-10)


def inputs_at_the_kink(kind, rng):
    if kind == "independent":
        n = int(rng.integers(2, 8))
        return rng.normal(size=(n, n + int(rng.integers(0, 3))))
    if kind == "dependent":
        m = int(rng.integers(2, 5))
        return rng.normal(size=(m + int(rng.integers(1, 5)), m))
    rows = rng.normal(size=(6, 8))
    return np.vstack((rows, rows[:3] + 10 ** rng.uniform(-7, -2) * rng.normal(size=(3, 8))))


@pytest.mark.parametrize(
    ("kernels", "kind"),
    [
        (sweeps, "independent"),
        (sweeps, "dependent"),
        (sweeps, "nearly parallel"),
        (sweeps_numpy, "independent"),
        (sweeps_numpy, "dependent"),
        (sweeps_numpy, "nearly parallel"),
    ],
)
@some
@example(seed=17)
@given(seed=SEEDS)
def test_settled_velocity_is_the_minimum_norm_element(kernels, kind, seed):
    """Against bounded least squares and its dual."""
    rng = np.random.default_rng(seed)
    basis, slope = inputs_at_the_kink(kind, rng), float(rng.choice([0.0, 0.3]))
    n = len(basis)
    modes = np.where(rng.random((1, n)) < 0.8, 0, rng.choice([-1, 1], (1, n))).astype(np.int8)
    if kind == "nearly parallel":
        modes[0, 3] = 1  # with no drive at all every force is at its bound but for rounding
    held = modes[0] == 0
    # On a line with others the forces of the two sides need not be multiples of each other.
    plus = np.where(held, -np.abs(rng.normal(size=n)), 3 * rng.normal(size=n))
    minus = np.where(rng.random(n) < 0.5, slope * plus, plus + np.abs(rng.normal(size=n)))
    norms = np.linalg.norm(basis, axis=1)
    right = np.stack((plus, minus))[None, :, None]
    _, _, speeds, _, _ = looked(kernels, basis, norms, np.zeros((1, n)), modes, np.ones((1, 1, 1)), right)
    drive = np.where(modes[0] == 1, plus, minus)[~held] @ basis[~held]
    # <v, u> >= <v, v> for all u of the set, and |v| is not above the minimum.
    v, ends = speeds[0], np.stack((plus[held], minus[held])) * (basis[held] @ speeds[0])
    size = (np.abs(plus) + np.abs(minus)).sum() * norms.max()
    assert v @ drive + ends.min(axis=0).sum() >= v @ v - 1e-9 * size**2
    if held.any():
        best = lsq_linear(basis[held].T, -drive, (plus[held], minus[held]), method="bvls", tol=1e-14)
        assert_allclose(v, drive + best.x @ basis[held], rtol=0, atol=1e-6 * size)
        assert v @ v <= 2 * best.cost + 1e-9 * size**2


@some
@given(SEEDS)
def test_carry(seed):
    """A macro step of random neurons: tracking candidates is the same as tracking all."""
    rng, basis, norms, u, z, modes, slope = random_state(seed)
    p, k = z.shape
    # Forces that do not bring a neuron to w = 0.
    left = np.stack((0.2 * np.abs(rng.normal(size=(2, p))), 0.1 * np.abs(rng.normal(size=(2, p)))))
    left[0, 1] = 0.0
    right = rng.normal(size=(2, 2, k))
    right = np.stack((convex_where_held(right[0], modes, slope), np.stack((right[1], slope * right[1]))))
    looks = looked(sweeps, basis, norms, z, modes, left[:1, :1], right[:1, :, :1])
    results = [carried(kernels, basis, norms, z, looks, left, right, u) for kernels in (sweeps, sweeps_numpy)]
    (modes_compiled, u_compiled, z_compiled, _), (modes_plain, u_plain, z_plain, tally_plain) = results
    assume((modes_plain == 1).any(axis=1).all())  # dead neurons have their own test
    assert_allclose(u_plain, u_compiled, rtol=0, atol=1e-10 * max(1.0, np.abs(u_compiled).max()))
    assert_allclose(z_plain, z_compiled, rtol=0, atol=1e-10 * max(1.0, np.abs(z_compiled).max()))
    assert_same_modes(modes_plain, modes_compiled, z_plain)
    assert (tally_plain[:, 2] == k).all()


def test_a_pair_that_was_not_expected_at_its_kink_is_carried_through_it():
    """Its velocity at the start does not show that it will get there: it is found at the end, and tracked then."""
    basis, modes = np.array([[1.0, 0.0], [1.0, 2.0]]), np.ones((1, 2), np.int8)
    u = np.array([[0.75, 10.0]])
    z, left, right = u @ basis.T, np.ones((2, 1, 1)), np.zeros((2, 2, 1, 2))
    right[1, 0, 0] = -4.0, -1.0
    looks = looked(sweeps, basis, np.linalg.norm(basis, axis=1), z, modes, left[:1], right[:1])
    after, new_u, _, tally = carried(sweeps, basis, np.linalg.norm(basis, axis=1), z, looks, left, right, u)
    assert_array_equal(looks[3], 0.0)
    # 0.75 - 5 tau^2 / 2 reaches 0, where the force of -4 tau of its own ends; from there -tau^2 / 2 goes on.
    assert_array_equal(after, [[-1, 1]])
    assert_allclose(basis[0] @ new_u[0], -(1.0 - 0.3) / 2, rtol=0, atol=1e-14)
    assert tally[0, 2] == 1


# One neuron, event by event


def by_run_neuron(X, modes, z, forces, reach):
    room, size = events.make_room(*np.shape(X)), len(X)
    room.rows[:], room.modes[:], room.z[:], room.norms[:] = X, modes, z, np.linalg.norm(X, axis=1)
    room.plus[:], room.minus[:], room.drive[:] = forces, 0.0, (forces * (room.modes == 1)) @ X
    status, count, tangential, _ = events.run_neuron(room, size, 0, reach, 1.0)
    assert status == events.DONE
    return room.modes, room.shift, count, tangential


def by_carry(X, modes, z, forces, reach):
    X, norms = np.array(X, float), np.linalg.norm(X, axis=1)
    end = events_numpy.carry(
        X / norms[:, None], np.array(modes, np.int64), np.array(z) / norms, norms * forces, 0.0 * forces, reach
    )
    assert end.status == events_numpy.DONE
    return end.sides, end.shift, end.events, end.tangential


def by_tiny_steps(X, w, forces, steps=20000):
    """Explicit Euler; where the neuron slides it chatters about the kink at a distance of the step."""
    w = w.copy()
    for k in range(steps):
        tau = (k + 0.5) / steps
        w += ((forces[0] + tau * forces[1]) * (w @ X.T > 0)) @ X / steps
    return w


CARRIERS = pytest.mark.parametrize("carrier", [by_run_neuron, by_carry])

# One pair with force g on its kink, z' = push + tau bend + g [active], and what becomes of it: mode, z, events.
ONE_PAIR = {
    "enters a slide from above": (-1.0, 0.5, 0.0, 0.2, 0, 0.0, 1),
    "enters a slide from below": (-1.0, 0.5, 0.0, -0.2, 0, 0.0, 1),
    "enters and leaves upwards": (-1.0, 0.5, 0.75, 0.1, 1, 1 / 24, 2),
    "leaves a slide upwards": (-1.0, 0.5, 1.0, 0.0, 1, 0.125, 1),
    "leaves a slide downwards": (-1.0, 0.5, -1.0, 0.0, -1, -0.125, 1),
    "goes on sliding": (-1.0, 0.5, 0.2, 0.0, 0, 0.0, 0),
    "falls through a convex kink": (-1.0, -0.5, 0.0, 0.75, -1, -0.25, 1),
    "falls through a concave kink": (1.0, -2.0, 0.0, 0.5, -1, -1.0, 1),
    "rises through a concave kink": (1.0, 2.0, 0.0, -1.0, 1, 1.5, 1),
    "touches a concave kink": (0.5, -1.5, 2.0, 0.26, 1, 0.26, 0),
    "falls through a concave kink, returns": (0.5, -1.5, 3.0, 0.15, 1, None, 2),
}


@CARRIERS
@pytest.mark.parametrize("name", ONE_PAIR)
def test_one_pair(carrier, name):
    g, push, bend, height, mode, z_end, count = ONE_PAIR[name]
    X = np.array([[1.0, 0.0], [1.0, 2.0]])  # the second pair is far up and gives the push
    forces = np.array([[g, push], [0.0, bend]])
    w = np.array([height, 10.0])
    reach = np.linalg.norm(w)
    modes, shift, events_seen, tangential = carrier(X, np.sign([height, 1.0]), X @ w, forces, reach)
    assert_array_equal(modes, [mode, 1])
    assert events_seen == count
    reached = w + shift
    if z_end is not None:
        assert_allclose(X[0] @ reached, z_end, rtol=0, atol=1e-14)
    assert_allclose(reached, by_tiny_steps(X, w, forces), rtol=0, atol=3e-4)
    if name == "touches a concave kink":
        assert_allclose(tangential, 0.01 / reach, rtol=1e-12)
    elif "returns" in name:  # 0.15 - tau + 1.5 tau^2 would have turned at 0.15 - 1/6
        assert_allclose(tangential, (1 / 6 - 0.15) / reach, rtol=1e-12)
    else:
        assert tangential == math.inf


@CARRIERS
@pytest.mark.parametrize(("push", "bend", "mode"), [(1.0, 0.0, 0), (1.0, 3.0, 1), (1.0, -3.0, -1)])
def test_simultaneous_arrivals(carrier, push, bend, mode):
    """Two mirror-image pairs arrive at once, slide together and leave together."""
    X = np.array([[1.0, 0.5, 0.0], [1.0, -0.5, 0.0], [1.0, 0.0, 2.0]])
    forces = np.array([[-1.0, -1.0, push], [0.0, 0.0, bend]])
    w = np.array([0.1, 0.0, 10.0])
    modes, shift, _, _ = carrier(X, [1, 1, 1], X @ w, forces, 1.0)
    assert_array_equal(modes, [mode, mode, 1])
    assert_allclose(w + shift, by_tiny_steps(X, w, forces), rtol=0, atol=3e-4)
    assert shift[1] == pytest.approx(0.0, abs=1e-15)
    if mode == 0:
        assert_allclose(X[:2] @ (w + shift), 0.0, atol=1e-15)


@CARRIERS
def test_sliding_pairs_let_go_together_when_their_driver_changes_sign(carrier):
    """At one instant all forces vanish, and all bounds at zero are reached."""
    X = np.array([[1.0, 0.3, 0.1], [1.0, -0.5, 0.2], [1.0, 0.0, 2.0]])
    w = np.linalg.solve(X, [0.0, 0.0, 2.0])
    forces = np.array([[-1.0, -1.2, 0.5], [0.0, 0.0, -1.0]])
    modes, shift, _, _ = carrier(X, [0, 0, 1], [0.0, 0.0, 2.0], forces, 1.0)
    assert_array_equal(modes, [-1, -1, 1])
    assert_allclose(w + shift, by_tiny_steps(X, w, forces), rtol=0, atol=3e-4)


@CARRIERS
def test_a_dead_neuron_rests(carrier):
    """Its only active pair falls onto its kink. That the pair's force changes sign later does not revive it."""
    forces = np.array([[-1.0], [2.0]])
    modes, shift, _, _ = carrier([[1.0, 0.0]], [1], [0.2], forces, 1.0)
    assert_allclose(shift, [-0.2, 0.0], rtol=0, atol=1e-15)
    assert modes[0] != 1


@CARRIERS
@settings(max_examples=12, derandomize=True, deadline=None)
@given(seed=SEEDS)
def test_random_neurons_against_tiny_steps(carrier, seed):
    rng = np.random.default_rng(seed)
    X, w = rng.normal(size=(4, 3)), 0.3 * rng.normal(size=3)
    forces = np.stack((0.5 * rng.normal(size=4), 0.3 * rng.normal(size=4)))
    _, shift, _, tangential = carrier(X, np.sign(X @ w), X @ w, forces, 1.0)
    assume(tangential > 1e-2)
    assert_allclose(w + shift, by_tiny_steps(X, w, forces), rtol=0, atol=2e-3)


# Pieces

numbers = st.floats(-10, 10).filter(lambda x: x == 0 or abs(x) > 1e-3)


@some
@given(st.floats(1e-3, 10), numbers, numbers)
def test_crossing_times_are_roots(height, velocity, bend):
    assume(abs(velocity**2 - 4 * height * bend) > 1e-4)
    roots = np.roots([bend, velocity, height])
    positive = [root.real for root in roots if abs(root.imag) < 1e-12 and root.real > 0]
    expected = min(positive, default=math.inf)
    assert events.crossing_time(height, velocity, bend, 1e-12) == pytest.approx(expected, rel=1e-9)
    line = np.array([[velocity], [2 * bend]])
    assert events_numpy.crossing_times(np.array([height]), line, 1e-12)[0] == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize(
    ("velocity", "bend", "when"),
    [
        (-1.0, 5.0, 0.0),
        (0.0, -1.0, 0.0),
        (1e-13, -1.0, 0.0),
        (0.0, 1.0, math.inf),
        (2.0, -4.0, 0.5),
        (2.0, 1.0, math.inf),
    ],
)
def test_crossing_times_from_the_kink(velocity, bend, when):
    assert events.crossing_time(0.0, velocity, bend, 1e-12) == when
    assert events_numpy.crossing_times(np.zeros(1), np.array([[velocity], [2 * bend]]), 1e-12)[0] == when


@some
@given(st.floats(0, 10), numbers)
def test_exit_times_are_roots(slack, slope):
    expected = np.roots([slope, slack])[0] if slope < 0 else math.inf
    assert events.exit_time(slack, slope, 1e-12) == pytest.approx(expected, rel=1e-12, abs=1e-8)
    assert events_numpy.exit_times(np.array([[slack], [slope]]), 1e-12)[0] == pytest.approx(
        expected, rel=1e-12, abs=1e-8
    )


@some
@given(SEEDS)
def test_bordered_inverse(seed):
    """Members come and go in any order; the inverse stays that of their Gram matrix."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(6, 8))
    gram = rows @ rows.T
    inverse, members, inside = np.full((7, 7), np.nan), np.empty(7, np.int64), []
    for _ in range(15):
        who, count = int(rng.integers(6)), len(inside)
        if who in inside:
            place = inside.index(who)
            events.leave(inverse, count, members, place)
            inside = members[: count - 1].tolist()
            assert who not in inside
        else:
            assert events.enter(inverse, count, gram[inside, who], gram[who, who])
            members[count] = who
            inside.append(who)
        k = len(inside)
        assert_allclose(inverse[:k, :k], np.linalg.inv(gram[np.ix_(inside, inside)]), rtol=0, atol=1e-8)


def test_dependent_inputs_do_not_enter_the_inverse():
    rows = np.array([[1.0, 2.0, 0.5], [0.3, -1.0, 1.0], [1.6, 0.0, 2.5]])  # row 2 = row 0 + 2 row 1
    inverse, gram = np.zeros((4, 4)), rows @ rows.T
    assert events.enter(inverse, 0, gram[:0, 0], gram[0, 0])
    assert events.enter(inverse, 1, gram[:1, 1], gram[1, 1])
    before = inverse.copy()
    assert not events.enter(inverse, 2, gram[:2, 2], gram[2, 2])
    assert_array_equal(inverse[:2, :2], before[:2, :2])
