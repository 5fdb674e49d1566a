"""The exact gradient flow."""

from .audit import Audit
from .loss_trajectory import LossAudit, LossTrajectory
from .smooth import flow_smooth
from .solve import flow
from .stops import LossBelow, RunningState, Stationary, Stop, WallTime
from .trajectory import Trajectory

__all__ = [
    "Audit",
    "LossAudit",
    "LossBelow",
    "LossTrajectory",
    "RunningState",
    "Stationary",
    "Stop",
    "Trajectory",
    "WallTime",
    "flow",
    "flow_smooth",
]
