"""The exact gradient flow."""

from .audit import Audit
from .solve import flow
from .stops import LossBelow, RunningState, Stationary, Stop, WallTime
from .trajectory import Trajectory

__all__ = ["Audit", "LossBelow", "RunningState", "Stationary", "Stop", "Trajectory", "WallTime", "flow"]
