"""tw.check: run the theorems that concern a problem."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .. import _validate
from .base import Finding
from .linear_setting import LinearSetting
from .registry import THEOREMS
from .report import Report
from .setting import ShallowSetting

if TYPE_CHECKING:
    from ..data.dataset import Dataset
    from ..data.target import Target
    from ..networks.deep_linear import DeepLinearNetwork
    from ..networks.shallow import ShallowNetwork

# The parameters that one kind of network has and the other has not.
_SHALLOW = ("data", "width", "law", "epsilon", "activation", "slope", "draws")
_DEEP_LINEAR = ("target", "depth", "step_size")


def check(
    theorem: str | None = None,
    *,
    data: Dataset | None = None,
    width: int | None = None,
    network: ShallowNetwork | DeepLinearNetwork | None = None,
    init: str | None = None,
    law: str | Callable[..., Dataset] | None = None,
    epsilon: float = 0.05,
    activation: str = "relu",
    slope: float = 0.0,
    draws: int | None = None,
    seed: int = 0,
    target: Target | None = None,
    depth: int | None = None,
    step_size: float | None = None,
) -> Report:
    """Check which theorems apply to a problem, by what margin, and what they then guarantee.

    Parameters
    ----------
    theorem : str, optional
        Name of a theorem ("theorem-1", "zas-flow", ...) or of a paper ("dana-bach-pillaud-vivien", "wu-wang-ma"). By
        default every theorem on this kind of network is run.
    data : Dataset
        Inputs and labels of a shallow network; a deep linear network has a `target` instead.
    width : int
        Number of neurons. May be left out if a network is given.
    network : ShallowNetwork or DeepLinearNetwork, optional
        The actual start. Hypotheses are then evaluated on it; for shallow networks, instead of in probability over its
        law.
    init : str, optional
        The start when no network is given, by its name in `thalweg.init`. Shallow networks: the law "dominated" (by
        default), "balanced" or "gaussian". Deep linear networks: "zas" (by default), or one draw of "near_identity",
        "xavier", "orthogonal" or "balanced_layers".
    law : "sphere", "orthogonal" or function, optional
        Law of the data, called as ``law(n, d, seed=...)``, for Corollary 1.
    epsilon : float
        Probability of failure to allow for, in (0, 1).
    activation, slope
        As for `ShallowNetwork`, when no network is given.
    draws : int, optional
        Number of starts to draw where a probability is estimated. By default twice what `epsilon` needs, or what some
        seconds of work allow.
    seed : int
        Of these draws.
    target : Target
        What a deep linear network is to learn.
    depth : int
        Its number of layers. May be left out if a network is given.
    step_size : float, optional
        Asks about plain gradient descent with this step. If left out, the flow is checked, and gradient descent with
        the largest step that each theorem allows.

    Returns
    -------
    Report
        It prints the verdict first, then for each theorem its hypotheses, what follows, and what to change.

    Notes
    -----
    Hypotheses are evaluated in floating point. For a proof about a state of a run, rounding included, take a
    certificate.

    Examples
    --------
    >>> import thalweg as tw
    >>> report = tw.check("theorem-a", data=tw.data.sphere(10, 4000, seed=1), width=30)
    >>> report.converges, report["theorem-a"]["rate"] > 0
    (True, True)
    >>> print(report["theorem-a"].hypotheses[3].verdict)
    holds by 3.66x
    >>> report = tw.check(target=tw.Target([[2.0, 0.0], [0.0, -1.0]]), depth=100)
    >>> report.converges, report["zas-flow"]["rate"]
    (True, 2.0)
    """
    given = locals()
    chosen = [each for each in THEOREMS if theorem in (None, each.name, each.paper)]
    if not chosen:
        names = tuple(dict.fromkeys([each.paper for each in THEOREMS] + [each.name for each in THEOREMS]))
        raise _validate.fail("check", "theorem", f"be one of {', '.join(map(repr, names))}", repr(theorem))
    setting: ShallowSetting | LinearSetting
    if target is None:
        _refuse(given, _DEEP_LINEAR, "be left out without a target")
        if data is None:
            must = "be given: a Dataset (tw.Dataset(X, y)), or target= for a deep linear network"
            raise _validate.fail("check", "data", must, "None")
        law_of_start = "dominated" if init is None else init
        setting = ShallowSetting(
            data, width, given["network"], law_of_start, law, epsilon, activation, slope, draws, seed
        )
    else:
        _refuse(given, _SHALLOW, "be left out with a target, which a deep linear network learns")
        setting = LinearSetting(target, depth, given["network"], "zas" if init is None else init, step_size, seed)
    if theorem is None:
        chosen = [each for each in chosen if isinstance(setting, each.setting)]
    findings, silent = [], {}
    for each in chosen:
        why = each.silent_on(setting) if isinstance(setting, each.setting) else "it is about another kind of problem"
        if why:
            silent[each.name] = why
        else:
            findings.append(each.check(setting))
    return Report(setting.text, tuple(sorted(findings, key=_order)), silent, setting.goal, setting.follow)


def _refuse(given: dict[str, Any], names: tuple[str, ...], must: str) -> None:
    """Refuse parameters of the other kind of network."""
    defaults = inspect.signature(check).parameters
    for name in names:
        if given[name] is not defaults[name].default:
            raise _validate.fail("check", name, must, repr(given[name]))


def _order(finding: Finding) -> tuple[bool, bool, float, int]:
    """Convergence first, then what holds, then the nearest misses; theorems without convergence last."""
    own = [each.margin for each in finding.failed if each.name != "all at once"]
    return not finding.theorem.converges, not finding.holds, -min(own, default=1.0), len(own)
