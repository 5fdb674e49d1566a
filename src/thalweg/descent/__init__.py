"""Gradient descent, and step sizes with a proof."""

from .descend import descend
from .steps import safe_step

__all__ = ["descend", "safe_step"]
