"""Certificates of deep linear networks: where they fire, that none is ever false, and that each bound is one."""

import dataclasses
import math
from fractions import Fraction
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import thalweg as tw
from thalweg.certify.linear.conserved import conserved, gains
from thalweg.certify.linear.enclosed import Problem, product, product_below
from thalweg.certify.linear.near_target import near_target
from thalweg.certify.linear.nearby import largest_bend, march, nearby, widen
from thalweg.certify.linear.paths import Paths
from thalweg.certify.rounding import smallest_singular_value, spectral_norms
from thalweg.testing import check_certificate

bounded = settings(max_examples=25, deadline=None, derandomize=True)
SMALL = tw.Target(np.diag([0.01, 0.005]))


def gaussian(d_out, d_in, seed=0, scale=1.0):
    return np.random.default_rng(seed).normal(size=(d_out, d_in)) * scale


def regression(d, seed=0, d_out=None):
    rng = np.random.default_rng(seed)
    return tw.Target.regression(rng.normal(size=(4 * d, d)), rng.normal(size=(4 * d, d_out or d)))


def steepest(network, target, eta, steps):
    """Plain gradient descent, written out: excess losses and distances from the start."""
    layers, start = [W.copy() for W in network.layers], list(network.layers)
    X = np.linalg.cholesky(target.second_moment)
    excess, moved = [], []
    for _ in range(steps + 1):
        forward = [X]
        for W in layers:
            forward.append(W @ forward[-1])
        back = forward[-1] - target.Phi @ X
        excess.append(0.5 * np.sum(back**2))
        moved.append(np.sqrt(sum(np.sum((W - V) ** 2) for W, V in zip(layers, start, strict=True))))
        for l in reversed(range(len(layers))):
            back, layers[l] = layers[l].T @ back, layers[l] - eta * back @ forward[l].T
    return np.array(excess), np.array(moved)


def jacobian(layers):
    """The derivative of the product by every entry of every layer, one at a time."""
    columns = []
    for l, W in enumerate(layers):
        for place in np.ndindex(W.shape):
            bump = np.zeros_like(W)
            bump[place] = 1.0
            columns.append(np.linalg.multi_dot([*layers[:l], bump, *layers[l + 1 :]][::-1]).ravel())
    return np.array(columns).T


# Where each test fires


@pytest.mark.parametrize("depth", [1, 2, 50, 1_000_000])
@pytest.mark.parametrize("Phi", [gaussian(6, 6), -np.eye(6), np.outer(np.ones(6), np.arange(6.0))])
def test_zas_is_certified_at_any_depth(depth, Phi):
    certificate = tw.certify(tw.init.zas(depth=depth, dim=6), tw.Target(Phi))
    assert (certificate.verdict, certificate.test) == ("converges", "A")
    assert certificate.rate == pytest.approx(2.0, rel=1e-6)
    assert certificate.radius == pytest.approx(np.linalg.norm(Phi), rel=1e-6)
    assert certificate.rate <= 2.0
    assert certificate.verify()


@pytest.mark.parametrize("zero_layer", [1, 3, 5])
@pytest.mark.parametrize("alpha", [0.7, 1.2])
def test_zas_of_any_size_with_any_zero_layer(zero_layer, alpha):
    certificate = tw.certify(tw.init.zas(5, (3, 4), alpha=alpha, zero_layer=zero_layer), tw.Target(gaussian(4, 3)))
    assert certificate.rate == pytest.approx(2 * alpha**8, rel=1e-12)
    assert certificate.witness["pivot"] == [zero_layer]


def test_a_small_last_layer_costs_what_the_theory_says():
    for beta in (0.1, 0.5, 0.9):
        certificate = tw.certify(tw.init.zas(7, 3, beta=beta), tw.Target(-np.eye(3)))
        assert certificate.rate == pytest.approx(2 * (1 - beta**2) ** 6, rel=1e-12)
    assert not conserved(Problem.of(tw.init.zas(7, 3, beta=1.0), tw.Target(-np.eye(3)))).holds


def test_rate_of_data_scales_with_their_smallest_moment():
    target = regression(4)
    certificate = tw.certify(tw.init.zas(6, 4), target)
    assert certificate.rate == pytest.approx(2 * np.linalg.eigvalsh(target.second_moment)[0], rel=1e-10)
    assert certificate.limit_loss == target.floor > 0
    assert "the least there is" in certificate.explain()
    scaled = tw.Target(gaussian(4, 4), 3.0 * np.eye(4))
    assert tw.certify(tw.init.zas(6, 4), scaled).rate == pytest.approx(6.0, rel=1e-12)


def test_b_is_the_curvature_itself_for_two_numbers():
    """R = (w1 w2 - phi)^2/2 has |grad R|^2/(R - R*) = 2 (w1^2 + w2^2), and w1 w2 = s - e."""
    network, target = tw.DeepLinearNetwork([[[0.8]], [[0.7]]]), tw.Target([[1.0]])
    found = near_target(Problem.of(network, target))
    assert found.holds
    assert found.rate == pytest.approx(2 * (0.8**2 + 0.7**2), rel=1e-12)


def test_c_at_zas_with_a_small_target():
    found = nearby(Problem.of(tw.init.zas(3, 2), SMALL))
    assert found.holds
    assert found.radius == pytest.approx(0.0113, abs=5e-5)
    assert found.rate / 2 == pytest.approx(0.967, abs=1e-3)
    descent = tw.certify(tw.init.zas(3, 2), SMALL, step_size=0.1)
    assert (descent.verdict, descent.test) == ("converges", "C")
    assert 1.7 < descent.rate < found.rate
    assert descent.verify()


def test_one_layer_descends_as_its_quadratic_does():
    """R_{k+1} = (1 - eta)^2 R_k, and 2 q = 2 - eta to first order in the radius."""
    network, target = tw.DeepLinearNetwork([gaussian(3, 2)]), tw.Target(gaussian(3, 2, seed=1))
    assert tw.certify(network, target, step_size=0.5).rate == pytest.approx(1.5, rel=1e-12)
    assert tw.certify(network, target, step_size=2.0).verdict == "undecided"
    assert "too large" in tw.certify(network, target, step_size=2.0).explain()


# What must never be certified


@pytest.mark.parametrize("d", [1, 2, 5])
@pytest.mark.parametrize("L", [2, 3, 8])
def test_the_way_into_the_saddle_is_never_certified(L, d):
    for size in (1.0, 0.5, 1e-3):
        network = tw.DeepLinearNetwork(np.repeat(size ** (1 / L) * np.eye(d)[None], L, axis=0))
        for step_size in (None, 1e-3, 0.1):
            assert tw.certify(network, tw.Target(-np.eye(d)), step_size=step_size).verdict == "undecided"


def test_stationary_rectangular_network_is_not_certified():
    network = tw.DeepLinearNetwork([np.diag([1.0, 0.1]), [[1.0, 0.0]], [[0.0]]])
    certificate = tw.certify(network, tw.Target([[0.0, 1.0]]))
    assert certificate.verdict == "undecided"
    assert {test for test, _ in certificate.reasons} == {"A", "B", "C"}
    assert certificate.slack <= 1
    assert not certificate.verify()


def test_balanced_states_are_not_certified_by_their_rounding():
    naive = fired = 0
    for seed in range(300):
        L, d = 2 + seed % 5, 1 + seed % 4
        network = tw.init.balanced_layers(L, d, seed=seed)
        values = [np.linalg.eigvalsh(D)[[0, -1]] for D, count in network.invariants() for _ in range(count)]
        low, high = np.array(values).T
        naive += any((np.r_[-np.cumsum(high[:k][::-1]), np.cumsum(low[k:])] > 0).all() for k in range(L))
        fired += conserved(Problem.of(network, tw.Target(np.eye(d)))).holds
    assert naive > 5
    assert fired == 0


def test_singular_data_are_left_undecided():
    target = tw.Target.regression([[1.0, 1.0], [2.0, 2.0]], [[1.0, 0.0], [0.0, 1.0]])
    certificate = tw.certify(tw.init.zas(3, 2), target)
    assert certificate.verdict == "undecided"
    assert "singular" in certificate.explain()


# What is certified happens


def kinds(seed):
    rng = np.random.default_rng(seed)
    L, d = int(rng.choice([1, 2, 3, 4, 5, 6])), int(rng.integers(1, 5))
    network = [
        lambda: tw.init.perturbed(
            tw.init.zas(L, d, zero_layer=1 + seed % L), 10.0 ** rng.uniform(-3, 0) / L, seed=seed
        ),
        lambda: tw.init.xavier(L, d, seed=seed),
        lambda: tw.init.near_identity(L, d, seed=seed),
        lambda: tw.init.balanced_layers(L, d, seed=seed),
    ][seed % 4]()
    target = regression(d, seed) if seed % 3 == 0 else tw.Target(gaussian(d, d, seed, 10.0 ** rng.uniform(-2, 0)))
    level = target.floor + (network.loss(target) - target.floor) * 10.0 ** rng.uniform(-7, 0)
    network = tw.flow(network, target, t_end=5.0, rtol=1e-3, stop=tw.LossBelow(level), progress=False).final
    return network, target, 10.0 ** rng.uniform(-2.5, -0.3)


def test_bounds_hold_along_flows_and_descents():
    fired = dict.fromkeys(["A", "B", "C", "descent"], 0)
    for seed in range(32):
        network, target, eta = kinds(seed)
        problem = Problem.of(network, target)
        size = math.sqrt(target.excess(target.Phi) + target.excess(network.product()))  # rounding is a share of it
        found = [each for each in (conserved(problem), near_target(problem), nearby(problem)) if each.holds]
        if found:
            end = min(8.0 / min(each.rate for each in found), 6.0)
            traj = tw.flow(network, target, t_end=end, times=np.linspace(0, end, 25), rtol=1e-6, progress=False)
            for each in found:
                fired[each.test] += 1
                bound = np.sqrt(traj.excess[0] * np.exp(-each.rate * traj.t)) * (1 + 1e-6) + 1e-9 * size
                assert (np.sqrt(traj.excess) <= bound).all(), (seed, each)
                if traj.route == "all layers":
                    pairs = zip(traj.final.layers, network.layers, strict=True)
                    assert sum(np.sum((W - V) ** 2) for W, V in pairs) <= (each.radius * (1 + 1e-6)) ** 2 + 1e-24
        descent = nearby(problem, eta)
        if descent.holds:
            fired["descent"] += 1
            excess, moved = steepest(network, target, eta, 60)
            bound = np.sqrt((1 - eta * descent.rate) * excess[:-1]) * (1 + 1e-9) + 1e-14 * size
            assert (np.sqrt(excess[1:]) <= bound).all(), (seed, descent)
            assert moved.max() <= descent.radius * (1 + 1e-9) + 1e-12
    assert min(fired.values()) >= 3, fired


@pytest.mark.parametrize("seed", range(6))
def test_nothing_in_the_ball_is_beyond_the_bounds_of_c(seed):
    """Sizes of products, least and largest singular value of the Jacobian, at random points of growing balls."""
    rng = np.random.default_rng(seed)
    widths = rng.integers(1 + seed % 2, 4, size=int(rng.integers(2, 6)))
    widths[1:-1] = np.maximum(widths[1:-1], max(widths[0], widths[-1]))  # K is not singular
    layers = [rng.normal(size=(b, a)) for a, b in pairwise(widths)]
    paths = Paths.of(tw.DeepLinearNetwork(layers))
    J = jacobian(layers)
    values = np.linalg.svd(J, compute_uv=False)
    assert math.sqrt(paths.least) == pytest.approx(values[-1], rel=1e-9)
    assert math.sqrt(paths.most) == pytest.approx(values[0], rel=1e-9)
    for stretch in list(march(paths, 1e9))[:6]:
        least, most, _ = stretch.after(stretch.length)
        rho = stretch.start + stretch.length
        for _ in range(20):
            steps = [rng.normal(size=W.shape) for W in layers]
            scale = rho / math.sqrt(sum(np.sum(step**2) for step in steps))
            moved = [W + scale * step for W, step in zip(layers, steps, strict=True)]
            values = np.linalg.svd(jacobian(moved), compute_uv=False)
            assert least <= values[-1]
            assert values[0] <= most


@bounded
@given(st.integers(0, 10**6), st.integers(1, 6), st.floats(1e-6, 2.0))
def test_widened_sizes_satisfy_their_inequality(seed, L, h):
    """n + h F(n+) <= n+ for every pair, F by its definition, and no more than rounding asks for."""
    rng = np.random.default_rng(seed)
    n = np.triu(rng.exponential(size=(L + 1, L + 1)) * (rng.random((L + 1, L + 1)) < 0.8), 1) + np.eye(L + 1)
    ahead = widen(n, h)
    for i in range(L + 1):
        for j in range(i + 1, L + 1):
            rate = math.sqrt(sum((ahead[l + 1, j] * ahead[i, l]) ** 2 for l in range(i, j)))
            assert n[i, j] + h * rate <= ahead[i, j] * (1 + 1e-15)
            assert ahead[i, j] <= (n[i, j] + h * rate) * (1 + 1e-12) + 1e-150
    Q = np.array([[n[0, min(l, m)] * n[min(l, m) + 1, max(l, m)] * n[max(l, m) + 1, L] if l != m else 0.0
                   for l in range(L)] for m in range(L)])  # fmt: skip
    top = np.linalg.eigvalsh(Q)[-1]
    assert top * (1 - 1e-12) <= largest_bend(n) <= top * (1 + 1e-6) + 1e-300


# Rounding


@bounded
@given(st.integers(0, 10**6), st.integers(1, 5), st.integers(1, 5), st.integers(0, 14))
def test_singular_values_are_bounded_from_both_sides(seed, rows, columns, condition):
    """Against balls of 200 bits: bound^2 I - A^T A has no negative eigenvalue, nor A A^T - bound^2 I."""
    flint = pytest.importorskip("flint")
    rng = np.random.default_rng(seed)
    U, s, Vt = np.linalg.svd(rng.normal(size=(rows, columns)), full_matrices=False)
    A = U * np.geomspace(1.0, 10.0**-condition, len(s)) @ Vt
    high, low = float(spectral_norms(A[None])[0]), smallest_singular_value(A)
    assert high <= np.linalg.norm(A, 2) * (1 + 1e-12)
    assert low > 0 or condition > 13
    assert low >= np.linalg.svd(A, compute_uv=False)[-1] * (1 - 1e-1) or condition > 12
    before, flint.ctx.prec = flint.ctx.prec, 300
    try:
        wide = A if rows <= columns else A.T
        B = flint.arb_mat(*wide.shape, np.ascontiguousarray(wide).ravel().tolist())
        m = len(wide)
        identity = flint.arb_mat(m, m, [int(i == j) for i in range(m) for j in range(m)])
        for definite in (identity * flint.arb(high) ** 2 - B * B.transpose(),
                         B * B.transpose() - identity * flint.arb(low) ** 2):  # fmt: skip
            minors = [flint.arb_mat([row[:k] for row in definite.tolist()[:k]]).det() for k in range(1, m + 1)]
            assert all(minor >= 0 for minor in minors)
    finally:
        flint.ctx.prec = before


@bounded
@given(st.integers(0, 10**6), st.integers(1, 7), st.integers(1, 3), st.integers(1, 40))
def test_products_lie_within_their_radius(seed, distinct, d, repeats):
    rng = np.random.default_rng(seed)
    layers = [rng.normal(size=(d, d)) for _ in range(distinct)]
    network = tw.DeepLinearNetwork(layers, [repeats] + [1] * (distinct - 1))
    exact = [[Fraction(int(i == j)) for j in range(d)] for i in range(d)]
    for W in network.layers:
        rows = [[Fraction(float(x)) for x in row] for row in W]
        exact = [[sum(row[k] * exact[k][j] for k in range(d)) for j in range(d)] for row in rows]
    enclosed = product(network)
    off = sum((Fraction(float(enclosed.center[i, j])) - exact[i][j]) ** 2 for i in range(d) for j in range(d))
    assert off <= Fraction(enclosed.radius) ** 2
    size = max(abs(float(x)) for row in exact for x in row)
    assert enclosed.radius <= 1e-8 * size or np.linalg.cond(enclosed.center) > 1e6 or distinct + repeats > 8


@bounded
@given(st.lists(st.floats(1e-200, 1e200), max_size=30))
def test_products_of_many_numbers(factors):
    exact = math.prod((Fraction(x) for x in factors), start=Fraction(1))
    bound = product_below(np.array(factors))
    assert Fraction(bound) <= exact
    if Fraction(10) ** -290 < exact < Fraction(10) ** 300:
        assert Fraction(bound) >= exact * (1 - Fraction(1, 10**12))
    assert product_below(np.full(10**5, 0.999)) == pytest.approx(0.999**10**5, rel=1e-10)


@bounded
@given(st.integers(0, 10**6), st.integers(2, 8))
def test_no_two_pivots_are_valid(seed, L):
    rng = np.random.default_rng(seed)
    low = rng.normal(size=L - 1)
    high = low + rng.exponential(0.1, size=L - 1) * (rng.random() < 0.7)
    valid = [k for k in range(L) if (gains(low, high, k)[0] > 0).all()]
    assert len(valid) <= 1
    for k in range(L):  # one after the other, as the definition has them
        s, expected = 0.0, {}
        for l in range(k - 1, -1, -1):
            expected[l] = s = s - high[l]
        s = 0.0
        for l in range(k + 1, L):
            expected[l] = s = s + low[l - 1]
        found = gains(low, high, k)[0]
        np.testing.assert_allclose(found, [expected[l] for l in range(L) if l != k], atol=1e-13)
        assert (found <= [expected[l] for l in range(L) if l != k]).all()


# Verification


def certificates():
    data = regression(3)
    start = tw.init.perturbed(tw.init.zas(4, 3), 0.7, seed=1)
    near = tw.flow(start, data, t_end=100.0, stop=tw.LossBelow(data.floor + 1e-7)).final
    yield tw.certify(tw.init.perturbed(tw.init.zas(8, 4), 0.02, seed=1), tw.Target(gaussian(4, 4)))
    yield tw.certify(tw.init.zas(1000, (2, 3), zero_layer=400), tw.Target(gaussian(3, 2)))
    yield tw.certify(near, data)
    yield tw.certify(near, data, step_size=0.01)
    yield tw.certify(tw.init.zas(3, 2), SMALL, step_size=0.1)
    # All but three eigenvalues of K are equal: elimination in balls needs many bits.
    flat = tw.Target(gaussian(4, 4, scale=0.05))
    late = tw.flow(tw.init.zas(5, 4, alpha=0.9), flat, t_end=30.0, stop=tw.LossBelow(1e-9)).final
    yield tw.certify(late, flat, step_size=0.006)


@pytest.mark.parametrize("exact", [False, True])
def test_verification_confirms_what_is_proved_and_nothing_else(exact):
    if exact:
        pytest.importorskip("flint")
    tests = set()
    for certificate in certificates():
        tests.add(certificate.test)
        assert certificate.verify(exact=exact), certificate

        def altered(certificate=certificate, **changes):
            return dataclasses.replace(certificate, **changes).verify(exact=exact)

        assert not altered(rate=1.01 * certificate.rate)
        assert not altered(radius=0.99 * certificate.radius)
        assert not altered(loss=1.01 * certificate.loss + 1e-3)
        assert not altered(loss_floor=certificate.loss_floor + 0.1)
        assert not altered(verdict="undecided")
        assert not altered(rate=math.nan)
        assert not altered(test={"A": "B", "B": "A", "C": "A"}[certificate.test])
        far = [3 * W for W in certificate.network.layers] if certificate.network.depth < 10 else None
        if far is not None:
            assert not altered(network=tw.DeepLinearNetwork(far))
        for key, values in certificate.witness.items():
            assert not altered(witness={**certificate.witness, key: [*values, -1.0]})
        if "step_size" in certificate.witness:
            assert not altered(witness={**certificate.witness, "step_size": [50.0]})
    assert tests == {"A", "B", "C"}


# Along a run, and bad input


def test_certified_stops_runs_of_deep_linear_networks():
    network, target = tw.init.xavier(4, 3, seed=3), tw.Target(gaussian(3, 3, seed=4))
    traj = tw.flow(network, target, t_end=200.0, stop=tw.Certified())
    assert traj.outcome.name == "CERTIFIED"
    assert 0 < traj.t[-1] < 200
    assert tw.certify(traj.final, target).verify()
    assert len(tw.flow(tw.init.zas(9, 3), target, t_end=5.0, stop=tw.Certified())) == 1  # at the start
    down = tw.descend(network, target, step_size=0.02, steps=20_000, stop=tw.Certified(step_size=0.02))
    certificate = tw.certify(down.final, target, step_size=0.02)
    assert 0 < down.iteration[-1] < 20_000
    assert down.outcome is tw.DescentOutcome.CERTIFIED
    # What is proved of the flow, or of another step size or momentum, is not proved of this descent.
    for stop, options in [
        (tw.Certified(), {}),
        (tw.Certified(step_size=0.02), {"momentum": 0.1}),
        (tw.Certified(step_size=0.01), {}),
    ]:
        other = tw.descend(network, target, step_size=0.02, steps=20_000, stop=stop | tw.WallTime(60), **options)
        assert other.outcome is tw.DescentOutcome.PREDICATE
    assert certificate.verify()
    with pytest.raises(tw.InputError, match="step_size"):
        tw.flow(tw.init.dominated(5, 3), tw.data.sphere(3, 5, seed=1), t_end=1.0, stop=tw.Certified(step_size=0.1))


def test_extremes_are_answered():
    exact = tw.DeepLinearNetwork([np.eye(2), np.eye(2)])
    for step_size in (None, 0.1):
        certificate = tw.certify(exact, tw.Target(np.eye(2)), step_size=step_size)
        assert certificate.decided
        assert certificate.loss == 0
    assert tw.certify(tw.init.xavier(60, 3, scale=3.0, seed=1), tw.Target(np.eye(3))).verdict == "undecided"
    assert tw.certify(tw.init.xavier(60, 3, scale=1e-3, seed=1), tw.Target(np.eye(3))).verdict == "undecided"
    signs = tw.DeepLinearNetwork([np.eye(2), np.diag([1.0, -1.0]), np.zeros((2, 2))])  # an invariant is exactly 0
    assert tw.certify(signs, tw.Target(-np.eye(2))).test == "A"
    small = tw.certify(tw.init.zas(4, 2), tw.Target(1e-170 * np.diag([1.0, 2.0])))  # the loss underflows
    assert small.test == "A"
    assert small.verify()
    deep = tw.certify(tw.init.zas(10**6, 2, beta=0.5), tw.Target(-np.eye(2)))
    assert deep.verdict == "undecided"
    assert "not tried" in dict(deep.reasons)["C"]


@pytest.mark.parametrize(
    ("arguments", "options", "message"),
    [
        ((tw.init.zas(3, 2), tw.Target(np.eye(3))), {}, "3 inputs and 3 outputs"),
        ((tw.init.zas(3, 2), np.eye(2)), {}, "be a Target"),
        ((tw.init.zas(3, 2), SMALL), {"step_size": 0.0}, "above 0"),
        ((tw.init.zas(3, 2), SMALL), {"step_size": math.nan}, "finite"),
        ((np.eye(2), SMALL), {}, "DeepLinearNetwork"),
        ((tw.init.dominated(5, 3, seed=1), tw.data.sphere(3, 5, seed=1)), {"step_size": 0.1}, "step_size"),
    ],
)
def test_bad_input_is_named(arguments, options, message):
    with pytest.raises(tw.InputError, match=message):
        tw.certify(*arguments, **options)


def test_the_check_of_shallow_certificates_refuses_others():
    with pytest.raises(tw.InputError, match="of a shallow network"):
        check_certificate(tw.certify(tw.init.zas(3, 2), SMALL))


@pytest.mark.parametrize("depth", [10**8, 10**16 // 2])
def test_networks_of_any_depth_are_answered(depth):
    """Test A looks at every layer: beyond what memory holds it is not tried, and what claims it is not confirmed."""
    target = tw.Target(-np.eye(2))
    certificate = tw.certify(tw.init.zas(depth, 2), target)
    assert certificate.verdict == "undecided"
    assert f"not tried on {depth} layers" in dict(certificate.reasons)["A"]
    true = tw.certify(tw.init.zas(10, 2), target)
    assert true.verify()
    for test, witness in (("A", {"pivot": [float(depth)]}), ("C", {"distances": [0.1, 0.2]})):
        forged = dataclasses.replace(true, test=test, network=certificate.network, witness=witness)
        assert not forged.verify()
        assert not forged.verify(exact=True)


def test_a_forged_walk_of_too_many_steps_is_not_taken():
    near = tw.DeepLinearNetwork([np.eye(2), np.eye(2), 0.9 * np.eye(2)])
    certificate = tw.certify(near, tw.Target(np.eye(2)), step_size=0.01)
    assert certificate.test == "C"
    assert certificate.verify()
    distances = certificate.witness["distances"]
    slow = [*np.linspace(0.0, distances[0], 10**6)[1:-1], *distances]
    assert not dataclasses.replace(certificate, witness={**certificate.witness, "distances": slow}).verify()
