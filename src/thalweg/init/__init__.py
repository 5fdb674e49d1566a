"""Initializations of shallow networks."""

from .dominated import dominated

__all__ = ["dominated"]
