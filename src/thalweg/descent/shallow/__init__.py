"""Gradient descent on shallow networks, exactly as it would be run in PyTorch."""

from .drive import descend_shallow
from .many import Ending, descend_many
from .stability import largest_stable_step
from .trajectory import DescentTrajectory, FlowDistance

__all__ = ["DescentTrajectory", "Ending", "FlowDistance", "descend_many", "descend_shallow", "largest_stable_step"]
