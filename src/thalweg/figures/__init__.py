"""Named figures: each is one function that draws it, with its data and a reading, at two sizes.

`draw` makes one, `save` writes it; `thalweg figure NAME` does both.
"""

from .base import Drawn, NamedFigure
from .files import save
from .registry import FIGURES, draw, named

__all__ = ["FIGURES", "Drawn", "NamedFigure", "draw", "named", "save"]
