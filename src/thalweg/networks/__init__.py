"""Networks: parameters, predictions, loss, files."""

from .deep_linear import DeepLinearNetwork
from .shallow import ShallowNetwork
from .smooth import SmoothNetwork

__all__ = ["DeepLinearNetwork", "ShallowNetwork", "SmoothNetwork"]
