"""The gradient flow of deep linear networks."""

from .drive import flow_deep_linear
from .limit import InfiniteDepthFlow, infinite_depth
from .trajectory import LinearTrajectory

__all__ = ["InfiniteDepthFlow", "LinearTrajectory", "flow_deep_linear", "infinite_depth"]
