"""Initializations of shallow networks."""

from .balanced import balanced
from .counterexample import counterexample
from .dominated import dominated
from .gaussian import gaussian
from .group import group

__all__ = ["balanced", "counterexample", "dominated", "gaussian", "group"]
