"""Networks: parameters, predictions, loss, files."""

from .shallow import ShallowNetwork

__all__ = ["ShallowNetwork"]
