"""thalweg doctor: versions, linear algebra, kernels, and a self-check."""

from __future__ import annotations

import platform
import sys
import time
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
import typer

from ._output import JsonOption, print_json, say

if TYPE_CHECKING:
    from ..flow.trajectory import Trajectory

_PACKAGES = ("thalweg", "numpy", "scipy", "numba")
# Two kernels round differently, which can shift a step: they may differ by the tolerance, not by more.
_RTOL = 1e-4
_DRIFT = 1e-9


def doctor(as_json: JsonOption = False) -> None:
    """Print versions, BLAS and kernels, and run a self-check of a few seconds.

    Exit code 1 if the check fails.

    Examples:

      thalweg doctor

      thalweg doctor --json
    """
    findings = {"versions": _versions(), "blas": _blas()} | _self_check()
    problems = _problems(findings)
    verdict = "healthy" if not problems else "not healthy: " + "; ".join(problems)
    if as_json:
        print_json({"healthy": not problems, "verdict": verdict} | findings)
    else:
        _print(findings, verdict)
    if problems:
        raise typer.Exit(1)


def _print(findings: dict[str, Any], verdict: str) -> None:
    say("verdict", verdict)
    say("versions", ", ".join(f"{name} {number}" for name, number in findings["versions"].items()))
    for library in findings["blas"]:
        say("BLAS", f"{library['name']} {library['version']}, threads {library['threads']}")
    kernels = findings["kernels"]
    say("kernels", f"{kernels['from_cache']} read from the cache, {kernels['compiled']} compiled now")
    say(
        "check",
        f"numba and NumPy kernels differ by {findings['difference']:.1e}, at most {_RTOL:g} allowed",
    )
    say("", f"invariant drift {findings['drift']:.1e}, at most {_DRIFT:g} allowed")
    say("", f"largest loss increase {findings['loss_increase']:.1e}, must be 0")
    say("", f"{findings['seconds']:.1f} s, compilation included")


def _versions() -> dict[str, str]:
    return {"python": platform.python_version()} | {name: version(name) for name in _PACKAGES}


def _blas() -> list[dict[str, Any]]:
    import scipy.linalg  # noqa: F401  (SciPy's own BLAS shows only once it is loaded)
    from threadpoolctl import threadpool_info

    return [
        {"name": pool["internal_api"], "version": pool["version"], "threads": pool["num_threads"]}
        for pool in threadpool_info()
        if pool["user_api"] == "blas"
    ]


def _self_check() -> dict[str, Any]:
    """Flow the same small case with both kernels and compare."""
    from .. import flow
    from ..data import sphere
    from ..init import dominated

    data, network = sphere(20, 30, seed=1), dominated(30, 8, seed=2)
    began = time.perf_counter()
    fast, plain = (
        flow(network, data, t_end=3.0, rtol=_RTOL, kernel=kernel, progress=False) for kernel in ("numba", "numpy")
    )
    size = np.linalg.norm(plain.residuals[-1])
    return {
        "difference": float(np.linalg.norm(fast.residuals[-1] - plain.residuals[-1]) / size),
        "drift": max(fast.audit.invariant_drift, plain.audit.invariant_drift),
        "loss_increase": max(_loss_increase(fast), _loss_increase(plain)),
        "seconds": time.perf_counter() - began,
        "kernels": _kernels(),
    }


def _loss_increase(traj: Trajectory) -> float:
    """Return the largest relative increase of the loss, computed afresh from the residuals."""
    losses = np.einsum("ti,ti->t", traj.residuals, traj.residuals)
    return float(np.max(losses[1:] / losses[:-1] - 1.0, initial=0.0))


def _kernels() -> dict[str, int]:
    """Count the signatures that were read from numba's cache, and those that were compiled."""
    from numba.core.dispatcher import Dispatcher

    found = {
        id(value): value
        for name, module in list(sys.modules.items())
        if name.startswith("thalweg.")
        for value in vars(module).values()
        if isinstance(value, Dispatcher)
    }
    stats = [dispatcher.stats for dispatcher in found.values()]
    return {
        "from_cache": sum(sum(each.cache_hits.values()) for each in stats),
        "compiled": sum(sum(each.cache_misses.values()) for each in stats),
    }


def _problems(findings: dict[str, Any]) -> list[str]:
    problems = []
    # Written so that NaN counts as a problem.
    if not findings["difference"] <= _RTOL:
        problems.append(f"the kernels differ by {findings['difference']:.1e}; reinstall numba, or use kernel='numpy'")
    if not findings["drift"] <= _DRIFT:
        problems.append(f"the invariant drifts by {findings['drift']:.1e}; report this")
    if findings["loss_increase"] != 0:
        problems.append(f"the loss rises by {findings['loss_increase']:.1e}; report this")
    return problems
