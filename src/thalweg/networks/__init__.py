"""Networks: parameters, predictions, loss, files."""

from .deep_linear import DeepLinearNetwork
from .shallow import ShallowNetwork

__all__ = ["DeepLinearNetwork", "ShallowNetwork"]
