"""Gradient descent, and step sizes with a proof."""

from .deep_linear import descend_deep_linear
from .descend import descend
from .shallow import DescentTrajectory, Ending, FlowDistance, descend_many, largest_stable_step
from .steps import safe_step

__all__ = [
    "DescentTrajectory",
    "Ending",
    "FlowDistance",
    "descend",
    "descend_deep_linear",
    "descend_many",
    "largest_stable_step",
    "safe_step",
]
