"""thalweg: the exact gradient flow of neural networks, with its curvature.

A thalweg is the line of steepest descent along a valley. Data flows one way:

    data -> network (drawn by an initialization) -> flow -> trajectory -> curvature -> report

Examples
--------
>>> import thalweg as tw
>>> data = tw.data.sphere(20, 30, seed=1)
>>> traj = tw.flow(tw.init.dominated(30, 8, seed=2), data, t_end=20.0)
>>> bool(traj.loss[-1] < traj.loss[0])
True
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from . import curvature, data, init, plot, report
from ._descent_outcome import DescentOutcome
from ._errors import InputError, MissingExtraError
from ._outcome import Outcome
from .adapters import from_torch, to_torch
from .certify import Certificate, Certified, certify
from .data import Dataset, Target
from .descent import DescentTrajectory, descend
from .flow import Audit, LossBelow, LossTrajectory, RunningState, Stationary, Stop, Trajectory, WallTime, flow
from .flow.linear import LinearTrajectory
from .networks import DeepLinearNetwork, ShallowNetwork, SmoothNetwork
from .theorems import check

if TYPE_CHECKING:
    from . import figures, stats, study, testing

__version__ = "0.1.0"

__all__ = [
    "Audit",
    "Certificate",
    "Certified",
    "Dataset",
    "DeepLinearNetwork",
    "DescentOutcome",
    "DescentTrajectory",
    "InputError",
    "LinearTrajectory",
    "LossBelow",
    "LossTrajectory",
    "MissingExtraError",
    "Outcome",
    "RunningState",
    "ShallowNetwork",
    "SmoothNetwork",
    "Stationary",
    "Stop",
    "Target",
    "Trajectory",
    "WallTime",
    "certify",
    "check",
    "curvature",
    "data",
    "descend",
    "descent",
    "figures",
    "flow",
    "from_torch",
    "init",
    "plot",
    "report",
    "stats",
    "study",
    "testing",
    "to_torch",
]


def __getattr__(name: str) -> Any:
    """Import what few programs need, databases and process pools among it, when it is asked for."""
    if name in ("figures", "stats", "study", "testing"):
        return import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
