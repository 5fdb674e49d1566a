"""Data: drawn from a law, or loaded from a file."""

from .dataset import Dataset
from .laws import orthogonal, sphere

__all__ = ["Dataset", "orthogonal", "sphere"]
