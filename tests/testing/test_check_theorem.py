"""check_theorem passes theorems that tell the truth, and catches those that do not."""

import dataclasses

import numpy as np
import pytest

import thalweg as tw
from thalweg.testing import check_theorem
from thalweg.theorems import THEOREMS, Comparison, Guarantee

BY_NAME = {theorem.name: theorem for theorem in THEOREMS}


@pytest.fixture(scope="module")
def weak():
    return tw.flow(tw.init.dominated(600, 16, seed=2), tw.data.sphere(4, 600, seed=1), t_end=50.0)


@pytest.fixture(scope="module")
def deep():
    target = tw.Target(np.random.default_rng(3).normal(size=(3, 3)))
    return tw.flow(tw.init.zas(6, 3), target, t_end=5.0)


def test_every_theorem_tells_the_truth_of_these_runs(weak, deep):
    descent = tw.descend(deep.start, deep.target, step_size="safe", steps=500)
    holding = {
        theorem.name
        for theorem in THEOREMS
        for traj in (weak, deep, descent)
        if (finding := check_theorem(theorem, traj)) and finding.holds
    }
    assert {"theorem-a", "curvature-bounds", "coverage", "zas-flow", "zas-any-layer", "zas-descent"} <= holding
    assert check_theorem(BY_NAME["zas-flow"], weak) is None
    assert check_theorem(BY_NAME["zas-flow"], descent) is None
    assert check_theorem(BY_NAME["zas-descent"], deep) is None
    failing = check_theorem(BY_NAME["theorem-a0"], weak)
    assert failing.failed
    assert failing.repairs


def false(name, **methods):
    """A theorem with some of its methods replaced."""
    return type("False", (type(BY_NAME[name]),), methods)()


FALSE = {
    "a rate ten times too large": (
        {"guarantees": lambda self, setting: (Guarantee("rate", 1.0, ""), Guarantee("probability", 1.0, ""))},
        "by the rate",
    ),
    "a comparison that is missed": (
        {"compare": lambda self, traj: (Comparison("loss", traj.loss, 0.9 * traj.loss, "<=", 1e-6),)},
        "loss is not <= what the theorem says, by 0.111",
    ),
    "a comparison of other shapes": (
        {"compare": lambda self, traj: (Comparison("loss", traj.loss, traj.loss[:1], "<=", 1e-6),)},
        "shapes",
    ),
    "no comparison": ({"compare": lambda self, traj: ()}, "held against nothing"),
    "nothing that follows": ({"guarantees": lambda self, setting: ()}, "nothing follows"),
}


@pytest.mark.parametrize("name", FALSE)
def test_false_theorems_are_caught(weak, name):
    methods, words = FALSE[name]
    with pytest.raises(AssertionError, match=words):
        check_theorem(false("theorem-a", **methods), weak)


def test_claims_without_their_hypotheses_are_caught(weak):
    def claims(self, setting):
        finding = BY_NAME["theorem-a0"].check(setting)
        return dataclasses.replace(finding, guarantees=(Guarantee("rate", 1.0, ""),), repairs=())

    with pytest.raises(AssertionError, match=r"claims a rate, though .* fails; .* no repair is offered"):
        check_theorem(false("theorem-a0", check=claims), weak)


def test_a_theorem_is_caught_by_a_run_that_stalls(weak, deep):
    """The true theorem against a run whose loss was tampered with: it no longer falls as it must."""
    slow = dataclasses.replace(weak, loss=np.maximum(weak.loss, 0.5 * weak.loss[0]))
    with pytest.raises(AssertionError, match="theorem-a against"):
        check_theorem(BY_NAME["theorem-a"], slow)
    slow = dataclasses.replace(deep, excess=np.maximum(deep.excess, 0.5 * deep.excess[0]))
    with pytest.raises(AssertionError, match="by the rate"):
        check_theorem(BY_NAME["zas-flow"], slow)


def test_what_is_no_theorem_or_no_run_is_refused(weak):
    with pytest.raises(tw.InputError, match="The 'theorem' parameter of check_theorem must be a Theorem"):
        check_theorem("theorem-a", weak)
    with pytest.raises(tw.InputError, match="The 'traj' parameter of check_theorem must be"):
        check_theorem(BY_NAME["theorem-a"], weak.data)
    with pytest.raises(tw.InputError, match="The 'certificate' parameter of check_certificate must be a Certificate"):
        tw.testing.check_certificate(weak)
