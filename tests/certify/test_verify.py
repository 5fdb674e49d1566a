"""The checker of certificates: it confirms what is proved, and nothing else."""

import dataclasses
import sys
from fractions import Fraction

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

import thalweg as tw
from thalweg._errors import MissingExtraError
from thalweg.certify import balls, extended, replay_pull, replay_tube
from thalweg.certify.enclosure import Kernel, enclose
from thalweg.certify.extended import Real
from thalweg.certify.verify import verify

EYE = np.eye(2)


def leaky_network(d, p, seed):
    network = tw.init.dominated(d, p, seed=seed)
    return tw.ShallowNetwork(network.W, network.a, "leaky_relu", 0.3, network.invariant)


def flowed(n, d, p, seed, network=None):
    data = tw.data.sphere(n, d, seed=seed)
    network = tw.init.dominated(d, p, seed=seed + 50) if network is None else network
    return tw.certify(tw.flow(network, data, t_end=2e3, stop=tw.Certified()).final, data)


MAKERS = {
    "A0": lambda: tw.certify(tw.ShallowNetwork([[1.0, -0.2], [-0.1, 1.0]], [1.1, -1.1]), tw.Dataset(EYE, [0.5, -0.5])),
    "leaky": lambda: tw.certify(leaky_network(30, 6, 4), tw.data.sphere(8, 30, seed=3)),
    "A": lambda: tw.certify(tw.init.dominated(1000, 20, seed=2), tw.data.sphere(10, 1000, seed=1)),
    "A, orthogonal": lambda: tw.certify(tw.init.dominated(300, 40, seed=5), tw.data.orthogonal(300, seed=3)),
    "B": lambda: flowed(8, 4, 12, 2),
    "B, leaky": lambda: flowed(8, 4, 12, 1, leaky_network(4, 12, 51)),
    "N": lambda: flowed(8, 4, 12, 3),
    "N, more inputs": lambda: flowed(10, 12, 8, 0),
    "N, at a kink": lambda: tw.certify(tw.ShallowNetwork([[0.0, 1.0]], [-2.0]), tw.Dataset(EYE, [1.0, -2.1])),
    "N, all silent": lambda: tw.certify(tw.ShallowNetwork([[-1.0, -1.0]], [2.0]), tw.Dataset(EYE, [1.0, -1.0])),
    "B, silent label 0": lambda: tw.certify(tw.ShallowNetwork([[1.0, -1.0]], [1.5]), tw.Dataset(EYE, [1.6, 0.0])),
    "B, leaky, label 0": lambda: tw.certify(
        tw.ShallowNetwork([[1.2, -1.0], [0.6, -1.0]], [1.0, -1.0], "leaky_relu", 0.3), tw.Dataset(EYE, [0.301, 0.0])
    ),
    "N1": lambda: tw.certify(tw.ShallowNetwork([[1.0, 1.0], [-1.0, -1.0]], [2.0, -2.0]), tw.Dataset(EYE, [1.0, -1.0])),
}
KINDS = list(MAKERS)
_MADE = {}


def certificate(kind):
    """Make each certificate once."""
    if kind not in _MADE:
        _MADE[kind] = MAKERS[kind]()
    made = _MADE[kind]
    assert made.test == kind.split(",")[0]
    return made


def changed(made, **fields):
    return dataclasses.replace(made, **fields)


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_proved_certificates_are_confirmed(kind, exact):
    assert certificate(kind).verify(exact=exact)


@pytest.mark.parametrize("kind", KINDS)
def test_every_tampered_field_is_refused(kind):
    made = certificate(kind)
    n = made.data.n
    other = sorted(set(range(n)) - set(made.stuck.tolist()))
    tampered = {
        "verdict": changed(made, verdict="stuck" if made.verdict == "converges" else "converges"),
        "another verdict": changed(made, verdict="undecided"),
        "rate": changed(made, rate=made.rate * 1.001 + 1e-9),
        "loss": changed(made, loss=made.loss * (1 + 1e-6) + 1e-12),
        "less loss": changed(made, loss=made.loss * (1 - 1e-6) - 1e-12),
        "floor": changed(made, loss_floor=made.loss_floor * (1 + 1e-9) + 1e-12),
        "limit": changed(made, limit_loss=1e-3 if made.limit_loss is None else made.limit_loss * (1 + 1e-9) + 1e-12),
        "no limit": changed(made, limit_loss=None if made.limit_loss is not None else 0.0),
        "more stuck": changed(made, stuck=np.array([*made.stuck, *other[:1], *([] if other else [0])])),
        "radius": changed(made, radius=made.radius * 0.999 - 1e-9 if np.isfinite(made.radius) else 1e9),
    }
    if made.stuck.size:
        tampered["less stuck"] = changed(made, stuck=made.stuck[1:])
    tests = ("A0", "leaky", "A", "B", "N1", "N", "", "C")
    same = {"N": ("N", "B"), "B": ("N", "B")}.get(made.test, (made.test,))  # one proof under two names
    for test in tests:
        if test not in same and not (made.test == "A" and test == "A0"):
            tampered[f"test {test}"] = changed(made, test=test)
    confirmed = [name for name, each in tampered.items() if each.verify()]
    assert confirmed == []


@pytest.mark.parametrize("kind", KINDS)
def test_another_network_or_other_data_are_refused(kind):
    made = certificate(kind)
    network, data = made.network, made.data
    X = data.X.toarray() if data.is_sparse else data.X
    loud = int(np.argmax((network.preactivations(data.X) * network.a[:, None] ** 2).max(axis=1)))
    factor = np.where(np.arange(network.p) == loud, 0.9, 1.0)

    def net(W, a, invariant=None):
        return tw.ShallowNetwork(W, a, network.activation, network.slope, invariant)

    tampered = {
        "y": changed(made, data=tw.Dataset(data.X, data.y * 1.001 + 1e-6)),
        "X": changed(made, data=tw.Dataset(X[::-1] * 1.01, data.y[::-1])),
        "W": changed(made, network=net(network.W * 1.001, network.a * 1.001)),
        "a": changed(made, network=net(network.W, network.a * factor)),
        "signs": changed(made, network=net(network.W, -network.a, network.invariant)),
        "invariants": changed(made, network=net(network.W, np.abs(network.a) * factor, None)),
    }
    silent = made.loss == made.limit_loss and made.test == "N" and not (network.preactivations(data.X) > 0).any()
    for name, each in tampered.items():
        # With no active pair at all, the claim stays true whatever the weights are.
        still_true = silent and name in ("W", "a", "invariants", "X", "signs")
        if not still_true:
            assert not each.verify(), name


@pytest.mark.parametrize("kind", ["B", "B, leaky", "N"])
@pytest.mark.parametrize("exact", [False, True])
def test_every_tampered_number_of_the_witness_is_refused(kind, exact):
    made = certificate(kind)
    last = len(made.witness["budgets"]) - 1

    def with_(key, k, factor):
        values = list(made.witness[key])
        values[k] *= factor
        return changed(made, witness={**made.witness, key: values}).verify(exact=exact)

    assert with_("budgets", 0, 1.0)
    assert not with_("budgets", last, 0.6)  # not enough to exhaust the residual
    assert not with_("budgets", last, 100.0)  # too much to keep the pull
    for k in (0, last):
        assert not with_("pulls", k, 20.0)
        assert not with_("shares", k, 1e-6)
    assert not with_("shares", last, -1.0)
    assert not with_("pulls", last, np.nan)
    for key in made.witness:
        short = {**made.witness, key: list(made.witness[key])[:-1]}
        assert not changed(made, witness=short).verify(exact=exact)
        assert not changed(made, witness={k: v for k, v in made.witness.items() if k != key}).verify(exact=exact)


@pytest.mark.parametrize("delta", [0.0, 1.0, -0.3, np.nan, 1 - 1e-9])
def test_a_delta_that_proves_nothing_is_refused(delta):
    made = certificate("A")
    assert not changed(made, witness={"delta": [delta]}).verify()


FALSE = {
    "the counterexample": (
        tw.ShallowNetwork([[0.3, 2.0], [-1.0, 0.5]], [0.1, -2.0]),
        tw.Dataset(EYE, [1.0, -4.0]),
    ),
    "a dead sample": (
        tw.ShallowNetwork([[1.0, -1.0], [-1.0, -1.0]], [1.5, -1.5]),
        tw.Dataset(EYE, [1.0, -1.0]),
    ),
    "a revival": (tw.ShallowNetwork([[1.0]], [-0.1]), tw.Dataset([[1.0]], [1.0])),
    "a singular kernel": (
        tw.ShallowNetwork([[1.0]], [1.2]),
        tw.Dataset([[1.0], [2.0]], [1.5, 2.0]),
    ),
}


@pytest.mark.parametrize("name", FALSE)
@pytest.mark.parametrize("test", ["A0", "leaky", "A", "B", "N1", "N"])
@pytest.mark.parametrize("verdict", ["converges", "stuck"])
def test_forged_certificates_are_refused(name, test, verdict):
    network, data = FALSE[name]
    honest = tw.certify(network, data)
    stuck = np.array([0])
    for budget in (1e-3, 0.1, 10.0):
        forged = changed(
            honest,
            verdict=verdict,
            test=test,
            rate=1e-12 if test != "N1" else 0.0,
            radius=1e12 if test != "N1" else np.inf,
            limit_loss=None if test == "N1" else 0.0 if verdict == "converges" else data.y[0] ** 2 / (2 * data.n),
            loss_floor=0.0 if verdict == "converges" else data.y[0] ** 2 / (2 * data.n),
            stuck=stuck if verdict == "stuck" else stuck[:0],
            witness={"delta": [0.5], "budgets": [budget], "pulls": [100.0 / budget], "shares": [1.0]},
        )
        assert not forged.verify()


def test_a_proof_does_not_hold_earlier_in_the_run():
    """The witness of a later state, with the figures of the earlier one, proves nothing of the earlier one."""
    data, network = tw.data.sphere(8, 4, seed=2), tw.init.dominated(4, 12, seed=52)
    made = certificate("B")
    early = tw.certify(tw.flow(network, data, t_end=5.0).final, data)
    assert not early.decided
    fields = {name: getattr(made, name) for name in ("verdict", "test", "rate", "limit_loss", "witness")}
    assert not changed(early, **fields, radius=1e6).verify()


def test_undecided_claims_nothing():
    network, data = FALSE["the counterexample"]
    assert tw.certify(network, data).verdict == "undecided"
    assert not tw.certify(network, data).verify()


@pytest.mark.parametrize(
    "fields",
    [
        {"rate": "fast"},
        {"rate": np.nan},
        {"rate": None},
        {"radius": np.nan},
        {"loss": np.inf},
        {"loss_floor": [1, 2]},
        {"limit_loss": "none"},
        {"stuck": np.array([0.5])},
        {"stuck": np.array([99])},
        {"stuck": np.array([-1])},
        {"stuck": np.array([[0]])},
        {"stuck": "all"},
        {"verdict": 1},
        {"test": ["B"]},
        {"witness": None},
        {"witness": {"budgets": "many", "pulls": [1.0], "shares": [1.0]}},
        {"witness": {"budgets": [[1.0]], "pulls": [[1.0]], "shares": [[1.0]]}},
        {"witness": {"budgets": [np.inf], "pulls": [1.0], "shares": [1.0]}},
        {"witness": {"budgets": [1e300], "pulls": [1.0], "shares": [1.0]}},
        {"witness": {}},
    ],
    ids=str,
)
def test_nonsense_is_refused_without_an_error(fields):
    assert not changed(certificate("B"), **fields).verify()


def test_a_forged_walk_of_too_many_slabs_is_not_taken():
    """Cut finer, a proof stays one, but each slab costs an eigenvalue problem."""
    made, finer = certificate("B"), 10**5
    steps = np.diff(made.witness["budgets"], prepend=0.0)
    cut = {key: np.repeat(made.witness[key], finer) for key in ("pulls", "shares")}
    assert not changed(made, witness={**cut, "budgets": np.cumsum(np.repeat(steps / finer, finer))}).verify()


def test_unusable_parts_are_named():
    made = certificate("A0")
    with pytest.raises(tw.InputError, match="be a Certificate"):
        verify("certificate")
    with pytest.raises(tw.InputError, match="ShallowNetwork and a Dataset"):
        changed(made, data=None).verify()
    with pytest.raises(tw.InputError, match="2 inputs"):
        changed(made, network=tw.init.dominated(3, 2, seed=1)).verify()


def test_exact_without_flint_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "flint", None)
    with pytest.raises(MissingExtraError, match=r"thalweg\[verify\]"):
        certificate("A0").verify(exact=True)
    assert certificate("A0").verify()


@pytest.mark.parametrize("kind", ["A, orthogonal", "N, more inputs"])
def test_sparse_and_dense_inputs_are_the_same(kind):
    made = certificate(kind)
    X = made.data.X.toarray() if made.data.is_sparse else scipy.sparse.csr_array(made.data.X)
    assert changed(made, data=tw.Dataset(X, made.data.y)).verify()


def test_gershgorin_is_enough_where_the_kernel_is_not_formed(monkeypatch):
    monkeypatch.setattr(sys.modules["thalweg.certify.enclosure"], "LARGEST", 20)
    made = certificate("A, orthogonal")
    assert made.verify()
    assert not changed(made, rate=1.001 * made.rate).verify()
    dense = changed(made, data=tw.Dataset(made.data.X.toarray(), made.data.y))
    assert dense.verify()
    assert not certificate("B").verify() or certificate("B").data.n <= 20


def test_rounding_on_silent_samples_is_snapped_but_no_more():
    made = certificate("N, at a kink")
    W = made.network.W.copy()
    for off, confirmed in ((1e-17, True), (-1e-17, True), (1e-9, False)):
        W[0, 0] = off
        network = tw.ShallowNetwork(W, made.network.a, invariant=made.network.invariant)
        assert changed(made, network=network).verify() is confirmed


@given(st.integers(0, 10**6), st.integers(1, 6), st.integers(1, 40), st.integers(1, 6), st.booleans())
@settings(max_examples=30, deadline=None, derandomize=True)
def test_products_are_as_accurate_as_they_say(seed, m, k, q, wide):
    """Against rational arithmetic, with entries of all sizes."""
    rng = np.random.default_rng(seed)
    A, B = (rng.normal(size=(rows, k)) * 10.0 ** rng.integers(-12, 12, (rows, k)) for rows in (m, q))
    A = A.astype(Real) * (1 + Real(2) ** -60) if wide else A
    exact = [[sum(fraction(x) * fraction(y) for x, y in zip(a, b, strict=True)) for b in B] for a in A]
    found = extended.product(A, B)
    bound = extended.accuracy(k) * np.outer(extended.row_norms(A), extended.row_norms(B))
    for i in range(m):
        for j in range(q):
            assert abs(fraction(found[i, j]) - exact[i][j]) <= fraction(bound[i, j])
    assert_allclose(
        extended.gram(A).astype(float), (A @ A.T).astype(float), rtol=1e-13, atol=1e-13 * float((A @ A.T).max())
    )


def fraction(x):
    high = float(x)
    return Fraction(high) + Fraction(float(x - Real(high)))


@pytest.mark.parametrize("m", [1, 2, 7, 60])
def test_the_lowest_eigenvalue_is_below_and_close(m):
    """The second difference matrix has eigenvalues 4 sin^2(k pi / (2 m + 2))."""
    A = (2 * np.eye(m) - np.eye(m, k=1) - np.eye(m, k=-1)).astype(Real)
    angle = np.arctan(Real(1)) * 4 / (2 * (m + 1))
    lowest, highest = 4 * np.sin(angle) ** 2, 4 * np.sin(m * angle) ** 2
    assert lowest - 1e-12 < extended.lowest_eigenvalue(A) <= lowest
    assert highest + 1e-12 > extended.highest_eigenvalue(A) >= highest
    assert extended.lowest_eigenvalue(np.full((m, m), Real(np.nan))) == -np.inf


def test_hyperbolic_functions_are_bounded_from_above():
    for v in (0.0, 1e-9, 0.3, 4.0, 49.0):
        even, odd = extended.hyperbolic(Real(v))
        assert_allclose([float(even), float(odd)], [2 * np.sinh(v / 2) ** 2, np.sinh(v)], rtol=1e-14, atol=1e-300)
        assert even >= 2 * np.sinh(Real(v) / 2) ** 2 * (1 - 8 * extended.UNIT)
    assert extended.hyperbolic(Real(51))[0] == np.inf


@pytest.mark.parametrize("kind", ["B", "B, leaky", "N, more inputs"])
def test_the_tube_holds_along_the_flow(kind):
    """Budget spent, preactivations, weights and curvature of the true flow, against the sets and the pull."""
    made = certificate(kind)
    data, network = made.data, made.network
    kernel = Kernel(data)
    state, live = enclose(network, kernel), np.ones(data.n, bool)
    live[made.stuck] = False
    tube, pull = replay_tube.Tube(state, kernel, live), replay_pull.Pull(state, kernel, live)
    traj = tw.flow(network, data, t_end=40.0, times=np.linspace(0, 40.0, 400), rtol=1e-9)
    size = np.linalg.norm(traj.residuals[:, live], axis=1)
    spent = np.concatenate([[0], np.cumsum(np.diff(traj.t) * (size[1:] + size[:-1]) / 2)]) / data.n
    level = float(np.sum(data.y[made.stuck] ** 2)) / (2 * data.n)
    rate = -np.diff(np.log(traj.loss - level)) / np.diff(traj.t)
    for k in (3, 30, 399):
        sets = tube.within(Real(spent[k] * 1.001 + 1e-9))
        z = traj.networks[k].preactivations(data.X)
        slope = network.slope
        certain = (sets.weights > 0) & live
        assert (np.where(z > 0, 1.0, slope)[certain] == sets.weights[certain].astype(float)).all()
        outside = ~certain & ~sets.free & live
        assert (z[outside] <= 0).all()
        assert (np.abs(traj.networks[k].a) >= sets.low.astype(float) - 1e-9).all()
        moved = network.activate(z)[:, live] - network.activate(network.preactivations(data.X))[:, live]
        assert np.linalg.norm(moved, 2) ** 2 / network.p <= float(sets.drift) + 1e-12
        found = max(float(pull.at_least(sets, Real(b))) for b in (0.03, 0.25, 1.0))
        assert found > 0
        assert (rate[:k] >= 2 * found / data.n * (1 - 1e-3)).all()


@pytest.mark.parametrize("slope", [0.0, 0.3])
def test_the_pull_minimises_over_what_is_free(slope):
    """With nothing allowed to move, against the minimum over random choices of the free pairs, and its closed form."""
    rng = np.random.default_rng(3)
    data = tw.Dataset(rng.normal(size=(6, 4)), rng.normal(size=6))
    network = tw.ShallowNetwork(rng.normal(size=(9, 4)), 2 + rng.random(9), "leaky_relu" if slope else "relu", slope)
    kernel = Kernel(data)
    state, live = enclose(network, kernel), np.ones(6, bool)
    sets = replay_tube.Tube(state, kernel, live).within(Real(1e-9))
    free = rng.random((9, 6)) < 0.3
    weights = np.where(free, 0, np.where(network.preactivations(data.X) > 0, 1.0, slope))
    sets = dataclasses.replace(sets, free=free, weights=weights.astype(Real), drift=Real(0))
    M = network.activate(network.preactivations(data.X)).T @ network.activate(network.preactivations(data.X)) * 0.75
    for j in range(9):
        P = np.eye(4) - np.linalg.pinv(data.X[free[j]]) @ data.X[free[j]] if free[j].any() else np.eye(4)
        V = weights[j][:, None] * data.X
        M = M + network.a[j] ** 2 * V @ P @ V.T
    expected = np.linalg.eigvalsh(M / 9)[0]
    found = replay_pull.Pull(state, kernel, live).at_least(sets, Real(0.25))
    assert expected > 0.01
    assert_allclose(float(found), expected, rtol=1e-7)
    exact = balls.Balls(kernel)
    assert exact.pull_is(state, live, sets, Real(0.25), found)
    assert not exact.pull_is(state, live, sets, Real(0.25), Real(expected * (1 + 1e-6)))


def test_balls_tell_the_lowest_eigenvalue():
    kernel = Kernel(tw.Dataset([[2.0, 1.0], [1.0, 2.0]], [1.0, 1.0]))  # K = [[5, 4], [4, 5]]
    exact = balls.Balls(kernel)
    assert exact.lowest_is(Real(1) - Real(2) ** -40)
    assert not exact.lowest_is(Real(1) + Real(2) ** -40)
    assert balls.exhausts(np.array([1.0, 3.0]), np.array([2.0, 0.5]), Real(3))
    assert not balls.exhausts(np.array([1.0, 3.0]), np.array([2.0, 0.5]), Real(3) + Real(2) ** -60)
