"""Named flows, small enough for the brute-force oracle, each with something awkward in it."""

from dataclasses import dataclass

import numpy as np

import thalweg as tw


@dataclass(frozen=True, eq=False)
class Case:
    """A network, data and output times, and why they are interesting."""

    name: str
    network: tw.ShallowNetwork
    data: tw.Dataset
    t_end: float
    why: str

    @property
    def times(self):
        """Nine output times from 0 to t_end, unevenly spaced so that none is an event."""
        return self.t_end * np.array([0.0, 0.0137, 0.0721, 0.1713, 0.3019, 0.4527, 0.6217, 0.8311, 1.0])

    def __str__(self):
        return self.name


def case(name, X, y, W, a, t_end, why, slope=0.0):
    """Build a case from plain lists."""
    activation = {"activation": "leaky_relu", "slope": slope} if slope else {}
    return Case(name, tw.ShallowNetwork(W, a, **activation), tw.Dataset(X, y), t_end, why)


def drawn(seed, slope=None):
    """Draw a tiny problem: n <= 6, d <= 5, p <= 3, any signs, a third of the neurons with |a| < |w|."""
    rng = np.random.default_rng(seed)
    n, d, p = int(rng.integers(1, 7)), int(rng.integers(2, 6)), int(rng.integers(1, 4))
    X, y, W = rng.normal(size=(n, d)), 1.5 * rng.normal(size=n), rng.normal(size=(p, d))
    a = np.linalg.norm(W, axis=1) * rng.choice([0.6, 1.1, 1.5], p) * rng.choice([-1, 1], p)
    slope = float(rng.choice([0.0, 0.0, 0.01, 0.3])) if slope is None else slope
    return case(f"drawn_{seed}", X, y, W, a, 4.0, "a random draw", slope)


_ROOT = np.sqrt(0.75)
_CLOSE = [[1.0, 0.0], [0.5, _ROOT]]  # two unit inputs at 60 degrees
_EYE = np.eye(3).tolist()
# Two mirror images and a driver in the mirror plane.
_MIRROR = [[1.0, 0.4, 0.2], [1.0, -0.4, 0.2], [0.4, 0.0, 1.0]]

_CYCLING = (
    [[-0.2, -0.5, 0.3], [0.9, 0.0, -1.2], [0.4, -0.5, 1.0]],
    [-0.5, 1.1, -1.7],
    [[1.7, -0.8, -0.6]],
    [3.7],
)
_PAIR = [[1.0, 0.2], [0.3, 1.0]]
_LIFTED = ([[-0.7, 0.5], [1.2, 0.0]], [2.0, 1.7], [[-0.2, 0.7]], [-1.8])

SLIDING = [
    case(
        "three_parameters",
        _CLOSE,
        [-1.5, 2.0],
        [[0.5, 0.5]],
        [1.0],
        12.0,
        "one neuron, two points at 60 degrees, opposite labels: it slides on the first for ever",
    ),
    case(
        "slide_exit_up",
        [[-0.7, 0.2], [0.3, -0.1]],
        [0.8, -0.3],
        [[-0.5, -1.1], [-1.9, 0.4]],
        [1.8, 2.1],
        8.0,
        "a pair slides and leaves to the active side",
    ),
    case(
        "slide_exit_down",
        *_CYCLING,
        0.5,
        "a pair slides for 0.016 and leaves to the inactive side",
    ),
    case(
        "mode_cycling",
        *_CYCLING,
        1.5,
        "one pair goes inactive, active, sliding, inactive, active, sliding",
    ),
    case(
        "slide_from_below",
        *_LIFTED,
        0.6,
        "a pair is lifted onto its kink by another and held there",
    ),
    case(
        "reaches_zero",
        *_LIFTED,
        2.0,
        "sliding along a ray a neuron reaches w = 0, where every kink meets: it is dead from there",
    ),
    case(
        "starts_on_convex_kink",
        _CLOSE,
        [-1.5, 2.0],
        [[0.0, 0.9]],
        [1.6],
        8.0,
        "z = 0 exactly at t = 0 and it slides; has a closed form",
    ),
]

EVENTS = [
    case(
        "two_events_in_one_step",
        [[0.3, -1.3], [0.1, 0.9], [0.4, 1.7]],
        [1.3, -1.7, -2.0],
        [[0.1, -0.4], [-0.4, 0.6]],
        [-1.3, -2.0],
        4.0,
        "one neuron has three events within 0.005, two of them within 0.0015",
    ),
    case(
        "simultaneous_pairs",
        _MIRROR,
        [-1.0, -1.0, 2.0],
        [[0.5, 0.0, 0.6]],
        [1.2],
        8.0,
        "two mirror-image pairs of one neuron reach their kinks at once",
    ),
    case(
        "simultaneous_neurons",
        _MIRROR,
        [-1.0, -1.0, 2.0],
        [[0.5, 0.3, 0.6], [0.5, -0.3, 0.6]],
        [1.2, 1.2],
        8.0,
        "mirror-image neurons have their events at once",
    ),
    case(
        "touch_without_crossing",
        [[0.3, -1.9, -0.3], [-0.5, -0.1, -0.3], [0.2, 0.2, 2.6], [-0.8, 0.2, 0.9]],
        [-0.3, -0.1, 1.9, 1.9],
        [[1.9, -0.4, -2.3], [-3.012, 0.1, -0.9]],
        [4.7, -3.2],
        4.0,
        "an inactive pair comes within 1.2e-4 of its concave kink and turns back",
    ),
    case(
        "starts_on_kink_and_rises",
        _CLOSE,
        [1.0, 2.0],
        [[0.0, 0.9]],
        [1.6],
        8.0,
        "concave kink, both velocities positive: active at once",
    ),
    case(
        "starts_on_kink_and_falls",
        [[1.0, 0.0], [-0.5, _ROOT]],
        [0.3, 2.0],
        [[0.0, 0.9]],
        [1.6],
        8.0,
        "concave kink, both velocities negative: inactive at once",
    ),
    case(
        "starts_on_convex_kink_and_rises",
        _CLOSE,
        [-0.3, 2.0],
        [[0.0, 0.9]],
        [1.6],
        0.7,
        "convex kink, but another sample lifts the pair off",
    ),
    case(
        "starts_on_convex_kink_and_falls",
        [[1.0, 0.0], [-0.5, _ROOT]],
        [-0.3, 2.0],
        [[0.0, 0.9]],
        [1.6],
        8.0,
        "convex kink and another sample pushes it down as well",
    ),
]

WEIGHTS = [
    case(
        "output_weight_changes_sign",
        [[1.0, 0.0], [0.6, 0.8]],
        [1.0, 1.4],
        [[1.5, 0.4]],
        [-0.2],
        8.0,
        "c < 0: a goes through zero while w keeps its side",
    ),
    case(
        "counterexample",
        [[1.0, 0.0], [0.0, 1.0]],
        [1.0, -4.0],
        [[0.3, 2.0], [-1.0, 0.5]],
        [0.1, -2.0],
        12.0,
        "covered but not dominated, orthogonal: neuron 1 changes sign, sample 1 dies, |r| -> 1",
    ),
    case(
        "counterexample_tilted",
        [[1.0, 0.1], [0.0, 1.0]],
        [1.0, -4.0],
        [[0.3, 2.0], [-1.0, 0.5]],
        [0.1, -2.0],
        6.0,
        "the counterexample with inputs not quite orthogonal",
    ),
    case("zero_output_weight", _PAIR, [1.0, -0.5], [[0.6, 0.5]], [0.0], 8.0, "a = 0 at the start"),
    case("balanced", _PAIR, [1.0, 0.8], [[0.06, 0.08]], [0.1], 12.0, "a = |w|, small: a plateau"),
    case(
        "balanced_and_sliding",
        _CLOSE,
        [-1.5, 2.0],
        [[0.3, 0.4]],
        [0.5],
        8.0,
        "a = |w| and a slide: the invariant is 0 to rounding",
    ),
    case("dead_neuron", _PAIR, [1.0, -0.5], [[-0.6, -0.5], [0.4, 0.3]], [1.0, 1.0], 8.0, "one never moves"),
    case("all_dead", _PAIR, [1.0, -0.5], [[-0.6, -0.5]], [1.0], 2.0, "nothing moves; mu = 0"),
]

SHAPES = [
    case(
        "one_sample",
        [[1.0, 2.0, -0.5]],
        [1.5],
        [[0.3, 0.4, 0.2]],
        [0.8],
        2.0,
        "n = 1, p = 1, d > n; closed form",
    ),
    case(
        "one_dimension",
        [[1.0], [0.5], [-0.8]],
        [1.0, 0.9, 0.7],
        [[0.4], [-0.6]],
        [0.9, 0.8],
        8.0,
        "d = 1: one kink for all",
    ),
    case(
        "more_inputs_than_samples",
        [[0.5, 0.1, -0.3, 0.9, 0.2], [0.4, -0.7, 0.2, 0.5, 0.1]],
        [1.2, -0.9],
        [[0.2, -0.3, 0.4, 0.3, -0.1], [0.1, 0.2, -0.3, 0.6, 0.4]],
        [0.9, -1.1],
        10.0,
        "d > n: the row space of the inputs",
    ),
    case(
        "duplicates",
        [[1.0, 0.3], [1.0, 0.3], [-0.2, 1.0]],
        [-1.0, -1.0, 1.5],
        [[0.4, 0.7]],
        [1.1],
        8.0,
        "one input twice with one label: two kinks in one place, K singular, and a slide",
    ),
    case(
        "duplicates_slide",
        np.repeat(
            [
                [0.13, -0.13, 0.64, 0.1, -0.54, 0.36],
                [1.3, 0.95, -0.7, -1.27, -0.62, 0.04],
                [-2.33, -0.22, -1.25, -0.73, -0.54, -0.32],
                [0.41, 1.04, -0.13, 1.37, -0.67, 0.35],
            ],
            2,
            axis=0,
        ),
        np.repeat([1.36, 0.14, -1.12, -1.38], 2),
        [[-0.46, 0.22, -1.01, -0.21, -0.16, 0.54], [0.21, 0.36, -0.65, -0.13, 0.78, 1.49]],
        [1.3, 1.86],
        3.0,
        "every input twice: both copies of a pair must come to slide together",
    ),
    case(
        "contradictions",
        [[1.0, 0.3], [1.0, 0.3], [-0.2, 1.0]],
        [1.5, -0.5, 1.0],
        [[0.4, 0.7], [0.2, -0.5]],
        [1.1, 0.9],
        8.0,
        "one input twice with opposite labels: the loss stays positive",
    ),
    case(
        "contradictions_slide",
        [[1.0, 0.0], [1.0, 0.0], [0.5, _ROOT]],
        [0.5, -2.0, 2.0],
        [[0.3, 0.6]],
        [1.1],
        8.0,
        "opposite labels on one kink, one pulling up and one down: together they hold the neuron on it",
    ),
    case(
        "antiparallel",
        [[1.0, 0.3], [-0.8, -0.24], [-0.2, 1.0]],
        [-1.0, 0.5, 1.5],
        [[0.4, 0.7]],
        [1.1],
        8.0,
        "opposite inputs share a kink: one pair becomes active where the other becomes inactive",
    ),
    case(
        "rank_deficient",
        [[1.0, 0.2, 0.1], [0.3, 1.0, -0.4], [0.65, 0.6, -0.15], [0.7, -0.8, 0.5]],
        [-1.0, 1.2, -0.6, 0.8],
        [[0.5, 0.4, 0.3], [0.2, -0.3, 0.8]],
        [0.9, -1.2],
        8.0,
        "four inputs in a plane of R^3",
    ),
    case(
        "leaky_slides",
        _CLOSE,
        [-1.5, 2.0],
        [[0.5, 0.5]],
        [1.0],
        12.0,
        "slope 0.01: multipliers in [0.01, 1]",
        slope=0.01,
    ),
    case("leaky_crosses", [[1.0]], [2.0], [[-0.4]], [0.8], 3.0, "slope 0.3, one sample; closed form", slope=0.3),
    case(
        "leaky_three",
        *_CYCLING,
        4.0,
        "the mode cycling data with slope 0.3",
        slope=0.3,
    ),
    case(
        "leaky_antiparallel",
        [[1.0, 0.3], [-0.8, -0.24], [-0.2, 1.0]],
        [-1.0, 0.5, 1.5],
        [[0.4, 0.7]],
        [1.1],
        8.0,
        "opposite inputs on one kink, slope 0.3",
        slope=0.3,
    ),
    case(
        "orthogonal_group",
        _EYE,
        [1.5, 1.0, -1.2],
        [[0.06, 0.08, -0.0], [-0.0, -0.0, 0.1]],
        [0.1, -0.1],
        18.0,
        "a group initialization of orthogonal inputs; closed form",
    ),
]

BANK = [*SLIDING, *EVENTS, *WEIGHTS, *SHAPES]
DRAWN = [drawn(seed) for seed in range(40)]


def by_name(name):
    """Return the case of the bank with this name."""
    return next(item for item in BANK if item.name == name)
