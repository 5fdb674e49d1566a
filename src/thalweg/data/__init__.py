"""Data: drawn from a law, or loaded from a file."""

from .coherence import Coherence
from .contradictions import Contradictions
from .dataset import Dataset
from .example import example
from .files import load
from .laws import equicorrelated, orthogonal, sphere, teacher
from .target import Target

__all__ = [
    "Coherence",
    "Contradictions",
    "Dataset",
    "Target",
    "equicorrelated",
    "example",
    "load",
    "orthogonal",
    "sphere",
    "teacher",
]
