"""Descent against the flow, and predictors of a teacher, against direct computations."""

import numpy as np
import pytest

import thalweg as tw
from thalweg.figures import descent_flow, generalization
from thalweg.figures.base import Work


@pytest.fixture(scope="module")
def steps():
    return descent_flow.measure(descent_flow.Setting((-5.0, -4.0, -3.0, 0.0, 5.0), 2), Work(1))


@pytest.fixture(scope="module")
def errors():
    return generalization.measure(generalization.Setting((8, 20), 2), Work(1))


def test_small_steps_fit_and_huge_ones_do_not(steps):
    assert steps["fitted"][steps["ratio"] <= 0.25].all()
    assert not steps["fitted"][steps["ratio"] == 32].any()


def test_the_distance_is_that_to_a_plain_loop(steps):
    """Euler's method in NumPy from the first start, against the flow at the same times."""
    for_data, for_start = np.random.SeedSequence([1, 0]).spawn(2)
    data = tw.data.sphere(descent_flow.SAMPLES, descent_flow.INPUTS, seed=for_data)
    start = tw.init.dominated(descent_flow.INPUTS, descent_flow.WIDTH, seed=for_start)
    row = (steps["seed"] == 0) & (steps["ratio"] == 1)
    eta = steps["step_size"][row][0]
    flown = tw.flow(start, data, t_end=1e4, stop=tw.LossBelow(descent_flow.ACCURACY * start.loss(data)), progress=False)
    count = int(np.ceil(flown.t[-1] / eta))
    times = eta * np.arange(count + 1)
    flown = tw.flow(start, data, t_end=times[-1], times=times, progress=False)
    W, a, far = start.W.copy(), start.a.copy(), []
    for k in range(count + 1):
        z = W @ data.X.T
        r = data.y - a @ np.maximum(z, 0) / len(a)
        far.append(np.linalg.norm(r - flown.residuals[k]) / np.linalg.norm(data.y))
        G, h = a[:, None] * (((z > 0) * r) @ data.X) / data.n, np.maximum(z, 0) @ r / data.n
        W, a = W + eta * G, a + eta * h
    assert steps["distance"][row][0] == pytest.approx(max(far), rel=1e-3)


def test_the_distance_is_of_first_order(steps):
    slope, (low, high) = descent_flow.order(steps)
    assert 0.5 < slope < 1.5
    assert low < slope < high


def test_the_order_is_the_mean_over_seeds_with_its_interval():
    ratio = np.tile([1 / 64, 1 / 16, 1 / 4, 1.0], 3)
    seed = np.repeat([0, 1, 2], 4)
    table = {"ratio": ratio, "seed": seed, "distance": (1.0 + seed) * ratio ** np.array([0.8, 1.0, 1.2])[seed]}
    table["distance"][ratio == 1] = 99.0  # above a quarter of the stable step: not of the power
    order, (low, high) = descent_flow.order(table)
    assert order == pytest.approx(1.0)
    reach = 4.302653 * 0.2 / np.sqrt(3)  # Student's quantile with two degrees of freedom
    assert [low, high] == pytest.approx([1 - reach, 1 + reach])


def test_steps_that_all_fit_are_those_below_the_first_failure(steps):
    """Some starts fit at a step, none at a larger one, all at a still larger one: only the smaller ones are safe."""
    ratios = np.unique(steps["ratio"])
    shares = dict(zip(ratios, [(True, True), (True, False), (False, False), (True, True), (False, False)], strict=True))
    fitted = np.concatenate([[shares[ratio][k] for ratio in ratios] for k in range(2)])
    said = descent_flow.read(steps | {"fitted": fitted})
    assert f"in all runs at steps up to {ratios[0]:.3g}, and in some at {ratios[3]:.3g}." in said


def test_the_linear_predictor_is_the_interpolator_of_least_norm():
    data = tw.data.sphere(4, 9, seed=1)
    predict = generalization.linear(data)
    np.testing.assert_allclose(predict(data.X), data.y)
    weights = predict(np.eye(9))
    np.testing.assert_allclose(weights, data.X.T @ np.linalg.solve(data.X @ data.X.T, data.y))


def test_the_arc_cosine_kernel_is_the_expectation():
    X = np.random.default_rng(1).standard_normal((3, 4))
    W = np.random.default_rng(2).standard_normal((400_000, 4))
    features = np.maximum(W @ X.T, 0)
    np.testing.assert_allclose(generalization.arc_cosine(X, X), 2 * features.T @ features / len(W), atol=0.05)


def test_the_tangent_kernel_is_that_of_the_package_and_of_differences():
    data, network = tw.data.sphere(6, 4, seed=1), tw.init.dominated(4, 5, seed=2)
    K = generalization.tangent(network)(data.X, data.X)
    np.testing.assert_allclose(K, tw.curvature.tangent_kernel(network, data).matrix, rtol=1e-12)
    rows = []
    for j in range(5):
        for c in range(4):
            W = np.tile(network.W, (2, 1, 1))
            W[:, j, c] += [1e-6, -1e-6]
            rows.append(np.subtract(*(network.replace(W=each, invariant=None).predict(data.X) for each in W)) / 2e-6)
        a = np.tile(network.a, (2, 1))
        a[:, j] += [1e-6, -1e-6]
        rows.append(np.subtract(*(network.replace(a=each, invariant=None).predict(data.X) for each in a)) / 2e-6)
    np.testing.assert_allclose(network.p * np.array(rows).T @ np.array(rows), K, rtol=1e-6, atol=1e-8)


def test_predictors_interpolate_where_they_can(errors):
    fits = errors["training_error"]
    kernels = np.isin(errors["predictor"], ["tangent kernel", "arc-cosine kernel"])
    assert (fits[kernels] < 1e-12).all()
    linear = errors["predictor"] == "linear"
    assert (fits[linear & (errors["n"] == 8)] < 1e-20).all()
    assert (fits[linear & (errors["n"] == 20)] > 1e-3).all()
    assert (fits[errors["predictor"] == "dominated"] <= generalization.FITTED * (1 + 1e-9)).all()
    # From a small start few neurons do the work, and one of these flows comes to rest before it fits.
    assert (fits[errors["predictor"] == "small"] > generalization.FITTED * (1 + 1e-9)).sum() == 1
    assert "1 of the 8 came to rest" in generalization.read(errors)


def test_typical_errors_are_geometric_means(errors):
    mean, low, high = generalization.typical(errors, 8, "linear")
    mine = errors["error"][(errors["n"] == 8) & (errors["predictor"] == "linear")]
    assert mean == pytest.approx(np.sqrt(mine.prod()))
    assert low < mean < high


@pytest.mark.parametrize("module", [descent_flow, generalization])
def test_they_are_drawn_and_read(module, steps, errors):
    table = {descent_flow: steps, generalization: errors}[module]
    assert len(module.picture(table).axes) >= 2
    assert len(module.read(table)) > 200


def test_the_gain_of_the_small_start_is_that_over_the_better_kernel(errors):
    at = {name: errors["error"][(errors["n"] == 20) & (errors["predictor"] == name)] for name in errors["predictor"]}
    means = {name: np.sqrt(pair.prod()) for name, pair in at.items()}
    gain = min(means["tangent kernel"], means["arc-cosine kernel"]) / means["small"]
    assert f"At n = 20 the small start is {gain:.3g} times as good" in generalization.read(errors)
