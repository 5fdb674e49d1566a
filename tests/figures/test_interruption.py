"""A run that Ctrl-C cut short returns what it has; no figure, and no store of trials, takes it for a whole one."""

from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest

import thalweg as tw
from thalweg.figures import chatter, deep_time, generalization, orthogonal_curvature, plateau, run, transitions
from thalweg.figures.base import Work
from thalweg.study.cell import Cell


def compare():
    network, data = tw.init.counterexample()
    traj = tw.flow(network, data, t_end=1.0, times=[0.0, 1.0], progress=False)
    z, a = np.stack([network.preactivations(data.X)] * 2), np.stack([network.a] * 2)
    return chatter.compare(traj, chatter.Plain(data.gram, data.y), (0, 0), 0, 0.1, z, a)


CASES = {
    "transitions": lambda: transitions.measure(transitions.Setting((9,)), Work()),
    "run": lambda: run.measure(run.Setting(((3, 6, 3),)), Work()),
    "chatter": compare,
    "curvature-orthogonal": lambda: orthogonal_curvature.trial(
        Cell(n=4, d=4, p=20, loss_below=0.1, covered=True), 0, 0
    ),
    "plateau": lambda: plateau.measure(plateau.Setting((1e-2,), 1), Work()),
    "generalization": lambda: generalization.measure(generalization.Setting((3,), 1), Work()),
}


@pytest.mark.parametrize("name", CASES)
def test_half_a_flow_is_no_data(name, monkeypatch):
    def cut_short(*problem, **how):
        return replace(tw.flow(*problem, **how), outcome=tw.Outcome.INTERRUPTED)

    for owner in (import_module("thalweg.flow"), chatter):  # thalweg.flow is the function
        monkeypatch.setattr(owner, "flow", cut_short)
    with pytest.raises(KeyboardInterrupt):
        CASES[name]()


def test_half_a_descent_does_not_say_how_many_steps_are_needed(monkeypatch):
    from thalweg import descent

    whole_descent, cut = descent.descend_deep_linear, []

    def cut_short_once(*problem, **how):
        found = whole_descent(*problem, **how)
        cut.append(found)
        return replace(found, outcome=tw.Outcome.INTERRUPTED) if len(cut) == 1 else found

    monkeypatch.setattr(descent, "descend_deep_linear", cut_short_once)
    with pytest.raises(KeyboardInterrupt):
        deep_time.measure(deep_time.Setting((3,)), Work())
