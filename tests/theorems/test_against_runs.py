"""Every theorem is held against simulated runs whose start satisfies its hypotheses; false ones are caught."""

import dataclasses

import numpy as np
import pytest

import thalweg as tw
from thalweg.testing import check_theorem
from thalweg.theorems import THEOREMS, ShallowSetting

BY_NAME = {theorem.name: theorem for theorem in THEOREMS}


def weak(seed, d=800):
    """Few samples in high dimension and a start that covers them."""
    data = tw.data.sphere(6, d, seed=seed)
    return covering(data, 16, seed, tw.init.dominated), data


def covering(data, p, seed, law, **options):
    """Draw until every sample is covered."""
    for k in range(seed, seed + 100):
        network = law(data.d, p, seed=k, **options)
        if ShallowSetting(data, network=network).starts.covered[0] == data.n:
            return network
    raise RuntimeError("no draw covers every sample")


def nearly_fitted(seed):
    """A state with a residual below every label, from a start that is not dominated."""
    data = tw.data.sphere(5, 12, seed=seed)
    level = 0.5 * float(np.abs(data.y).min()) ** 2 / (2 * data.n)
    return tw.flow(tw.init.gaussian(12, 15, seed=seed), data, t_end=1e3, stop=tw.LossBelow(level)).final, data


def orthogonal(seed):
    data = tw.data.orthogonal(30, seed=seed)
    return covering(data, 24, seed, tw.init.dominated, scale=0.1), data


def groups(seed, cosine=1.0):
    rng = np.random.default_rng(seed)
    data = tw.Dataset(1.3 * np.eye(9), rng.uniform(1, 2, 9) * np.repeat([1, -1], [5, 4]))
    return tw.init.group(data, scale=0.05, cosine=cosine, seed=seed), data


def leaky(seed):
    data = tw.data.sphere(8, 20, seed=seed)
    return tw.init.dominated(20, 3, seed=seed, activation="leaky_relu", slope=0.4), data


def crowded(seed):
    """Many samples for the dimension: pairs slide, the loss stays positive."""
    return tw.init.dominated(18, 6, seed=seed), tw.data.sphere(16, 18, seed=seed)


def deep(depth, shape, seed, share=None, **options):
    """A zero-asymmetric start and a Gaussian target; with a share of the proved step, for gradient descent."""
    target = tw.Target(np.random.default_rng(seed).normal(size=shape[::-1]))
    network = tw.init.zas(depth, shape, **options)
    return network, target, *([] if share is None else [share * tw.descent.safe_step(network, target)])


def small_last_layer(seed):
    V = np.random.default_rng(seed).normal(size=(3, 4))
    layers = [tw.init.orthogonal(1, 4, seed=seed).layers[0], np.eye(4), 0.2 * V / np.linalg.norm(V, 2)]
    return tw.DeepLinearNetwork(layers, [1, 8, 1]), tw.Target(V)


def data_and_wide_layers(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(20, 3)) @ (np.eye(3) + 0.4 * rng.normal(size=(3, 3)))
    target = tw.Target.regression(X, X @ rng.normal(size=(3, 2)) + 0.1 * rng.normal(size=(20, 2)))
    return tw.DeepLinearNetwork([np.eye(5, 3), np.eye(5), np.zeros((2, 5))], [1, 6, 1]), target


def commuting(seed):
    """Data whose second moment has the eigenvectors of Phi^T Phi, on which descent decouples."""
    network, target = deep(30, (4, 3), seed, zero_layer=7, alpha=1.03)
    moment = target.Phi.T @ target.Phi + 0.5 * np.eye(4)
    target = tw.Target(target.Phi, moment / np.trace(moment))
    return network, target, tw.descent.safe_step(network, target)


def paper_descent(seed):
    network, target = deep(3, (3, 3), seed)
    return network, target, tw.check(target=target, network=network)["zas-descent-paper"]["step size"]


def larger_identity(depth, seed):
    _, target = deep(depth, (4, 4), seed)
    network = tw.init.zas(depth, 4, alpha=tw.init.zas_alpha(depth, target.norm))
    return network, target, tw.descent.safe_step(network, target)


# For each theorem: starts that satisfy its hypotheses, how long to flow (or to descend, in steps), and the accuracy of
# the run.
CASES = {
    "theorem-1": [(weak, 1, 400.0, 1e-6), (weak, 2, 400.0, 1e-6)],
    "corollary-1": [(lambda seed: weak(seed, 2000), 3, 400.0, 1e-6)],
    "theorem-a": [(weak, 1, 400.0, 1e-6), (weak, 4, 400.0, 1e-6), (orthogonal, 5, 900.0, 1e-6)],
    "theorem-a0": [(nearly_fitted, 1, 100.0, 1e-6), (nearly_fitted, 2, 100.0, 1e-6)],
    "orthogonal-inputs": [(orthogonal, 1, 900.0, 1e-6), (orthogonal, 2, 900.0, 1e-6)],
    "group-initialization": [(groups, 1, 60.0, 1e-12), (lambda seed: groups(seed, 0.9), 2, 60.0, 1e-12)],
    "leaky-relu": [(leaky, 1, 500.0, 1e-6), (leaky, 2, 500.0, 1e-6)],
    "coverage": [(orthogonal, 3, 1.0, 1e-6), (weak, 5, 1.0, 1e-6)],
    "curvature-bounds": [(crowded, 1, 60.0, 1e-6), (crowded, 2, 60.0, 1e-6), (weak, 1, 60.0, 1e-6)],
    "counterexample": [(lambda _: tw.init.counterexample(), 0, 120.0, 1e-8)],
    "zas-flow": [
        (lambda depth: deep(depth, (5, 5), 1), depth, t_end, 1e-6)
        for depth, t_end in ((1, 20.0), (2, 20.0), (40, 20.0), (10**6, 0.02))
    ],
    "zas-any-layer": [
        (lambda seed: deep(9, (4, 3), seed, alpha=0.9, zero_layer=4), 1, 60.0, 1e-6),
        (lambda seed: deep(9, (3, 4), seed, alpha=1.1, zero_layer=1), 2, 20.0, 1e-6),
        (lambda seed: (deep(6, (3, 2), seed, zero_layer=3)[0], data_and_wide_layers(seed)[1]), 3, 100.0, 1e-6),
    ],
    "small-last-layer": [
        (small_last_layer, 1, 40.0, 1e-6),
        (lambda seed: deep(20, (3, 3), seed, beta=-0.3), 2, 60.0, 1e-6),
    ],
    "rectangular-data": [(data_and_wide_layers, 1, 100.0, 1e-6), (data_and_wide_layers, 2, 100.0, 1e-6)],
    "zas-descent": [
        (lambda seed: deep(1, (3, 3), seed, 1.0), 1, 200, None),
        (lambda seed: deep(12, (3, 4), seed, 1.0, alpha=0.95, zero_layer=5), 2, 4000, None),
        (lambda seed: deep(1000, (6, 6), seed, 0.5, alpha=1.001), 3, 4000, None),
        (commuting, 4, 4000, None),
    ],
    "larger-identity": [
        (lambda seed: larger_identity(3, seed), 1, 37, None),
        (lambda seed: larger_identity(10**6, seed), 2, 37, None),
    ],
    "zas-descent-paper": [(paper_descent, 1, 10**6, None)],
}
RUNS = [pytest.param(name, *case, id=f"{name}-{k}") for name, cases in CASES.items() for k, case in enumerate(cases)]


def run(start, seed, t_end, rtol):
    network, data, *step = start(seed)
    if step:
        return tw.descend(network, data, step_size=step[0], steps=t_end, stop=tw.LossBelow(1e-9 + data.floor))
    times = np.concatenate([[0.0], np.geomspace(t_end * 1e-3, t_end, 40)])
    return tw.flow(
        network, data, t_end=t_end, times=times, rtol=rtol, stop=tw.LossBelow(1e-9 + getattr(data, "floor", 0.0))
    )


def test_every_theorem_has_a_run():
    assert set(CASES) == {theorem.name for theorem in THEOREMS}


@pytest.mark.parametrize(("name", "start", "seed", "t_end", "rtol"), RUNS)
def test_runs_obey_the_theorem(name, start, seed, t_end, rtol):
    theorem, traj = BY_NAME[name], run(start, seed, t_end, rtol)
    law = ShallowSetting(traj.data, 28, law="sphere", draws=120) if name == "corollary-1" else None
    finding = check_theorem(theorem, traj, law)
    assert finding.holds, finding.failed
    excess = getattr(traj, "excess", traj.loss)
    if theorem.converges and traj.outcome.name == "LOSS_BELOW":
        assert excess[-1] <= 1.001e-9
    elif theorem.converges:
        assert excess[-1] < 1e-3 * excess[0]


@pytest.mark.parametrize("name", CASES)
def test_a_violation_at_a_single_time_is_caught(name):
    comparisons = BY_NAME[name].compare(run(*CASES[name][0]))
    for comparison in comparisons:
        theoretical = comparison.theoretical.copy()
        factor = 1 - 1e-3 if comparison.relation == "<=" else 1 + 1e-3
        theoretical[-1] = factor * comparison.computed[-1]
        assert not dataclasses.replace(comparison, theoretical=theoretical).holds
        broken = np.where(np.arange(len(theoretical)) == 0, np.nan, comparison.computed)
        assert not dataclasses.replace(comparison, computed=broken).holds


def test_a_theorem_without_its_hypothesis_is_caught():
    """A0 needs a nonsingular K: inputs 1 and 2 on a line, labels 1.5 and 2, |r| below both."""
    data = tw.Dataset([[1.0], [2.0]], [1.5, 2.0])
    network = tw.ShallowNetwork([[1.0]], [1.0])
    theorem = BY_NAME["theorem-a0"]
    finding = theorem.check(ShallowSetting(data, network=network))
    assert [each.name for each in finding.failed] == ["independent inputs"]
    traj = tw.flow(network, data, t_end=200.0)
    assert 4 * traj.loss[-1] == pytest.approx(0.2, abs=1e-6)  # the limit, above 0 and below 1

    class WithoutIt(type(theorem)):
        def compare(self, traj):
            from thalweg.theorems.shallow_theorem import against_rate

            return against_rate(traj, float(traj.curvature[0]) / 100)  # any rate at all

    assert not all(each.holds for each in WithoutIt().compare(traj))


def test_an_exaggerated_theorem_is_caught():
    """Theorem A with the largest activity in place of the least, and Theorem 1 with a hundred times its C."""
    from thalweg.theorems.shallow_theorem import against_rate

    traj = run(weak, 4, 400.0, 1e-6)
    S = traj.networks.start.a**2 @ (traj.networks.mode_map(0) > 0) / traj.networks.start.p
    rate = 2 / traj.data.n * ShallowSetting(traj.data, network=traj.networks.start).interactions.lambda_min
    assert not all(each.holds for each in against_rate(traj, rate * float(S.max()) * 2))
    (paper,) = BY_NAME["theorem-1"].compare(traj)
    assert not dataclasses.replace(paper, theoretical=100 * paper.theoretical).holds


def test_a_closed_form_for_another_width_is_caught():
    """A dead neuron leaves the groups as they are, but h is divided by 3 instead of 2."""
    theorem, traj = BY_NAME["group-initialization"], run(groups, 1, 60.0, 1e-10)
    start = traj.networks.start
    wider = tw.ShallowNetwork(np.vstack([start.W, -np.ones(9)]), np.append(start.a, 1.0))
    other = tw.flow(wider, traj.data, t_end=traj.t[-1], times=traj.t, rtol=1e-10)
    (ours, *_), (theirs, *_) = theorem.compare(traj), theorem.compare(other)
    assert ours.holds
    assert theirs.holds
    shared = min(len(ours.computed), len(theirs.computed))
    assert not dataclasses.replace(ours, computed=ours.computed[:shared], theoretical=theirs.theoretical[:shared]).holds
