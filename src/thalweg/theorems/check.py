"""tw.check: run the theorems that concern a problem."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from .. import _validate
from .base import Finding
from .registry import THEOREMS
from .report import Report
from .setting import ShallowSetting

if TYPE_CHECKING:
    from ..data.dataset import Dataset
    from ..networks.shallow import ShallowNetwork


def check(
    theorem: str | None = None,
    *,
    data: Dataset | None = None,
    width: int | None = None,
    network: ShallowNetwork | None = None,
    init: str = "dominated",
    law: str | Callable[..., Dataset] | None = None,
    epsilon: float = 0.05,
    activation: str = "relu",
    slope: float = 0.0,
    draws: int | None = None,
    seed: int = 0,
) -> Report:
    """Check which theorems apply to a problem, by what margin, and what they then guarantee.

    Parameters
    ----------
    theorem : str, optional
        Name of a theorem ("theorem-1", "theorem-a", ...) or of a paper ("dana-bach-pillaud-vivien"). By default every
        theorem known is run.
    data : Dataset
        Inputs and labels.
    width : int
        Number of neurons. May be left out if a network is given.
    network : ShallowNetwork, optional
        The actual start. Hypotheses are then evaluated on it, instead of in probability over its law.
    init : {"dominated", "balanced", "gaussian"}
        Law of the start, as in `thalweg.init`, when no network is given.
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
    """
    chosen = [each for each in THEOREMS if theorem in (None, each.name, each.paper)]
    if not chosen:
        names = tuple(dict.fromkeys([each.paper for each in THEOREMS] + [each.name for each in THEOREMS]))
        raise _validate.fail("check", "theorem", f"be one of {', '.join(map(repr, names))}", repr(theorem))
    if data is None:
        raise _validate.fail("check", "data", "be given: a Dataset (tw.Dataset(X, y))", "None")
    setting = ShallowSetting(data, width, network, init, law, epsilon, activation, slope, draws, seed)
    findings, silent = [], {}
    for each in chosen:
        why = each.silent_on(setting) if isinstance(setting, each.setting) else "it is about another kind of problem"
        if why:
            silent[each.name] = why
        else:
            findings.append(each.check(setting))
    return Report(setting.text, tuple(sorted(findings, key=_order)), silent)


def _order(finding: Finding) -> tuple[bool, bool, float, int]:
    """Convergence first, then what holds, then the nearest misses; theorems without convergence last."""
    own = [each.margin for each in finding.failed if each.name != "all at once"]
    return not finding.theorem.converges, not finding.holds, -min(own, default=1.0), len(own)
