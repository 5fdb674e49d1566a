"""Named figures: each is one function that draws it, with its data and a reading, at two sizes.

`draw` makes one, `save` writes it; `thalweg figure NAME` does both. `reproduce` makes all, with a page that shows them.
"""

from .base import Drawn, NamedFigure, Work
from .files import save
from .registry import FIGURES, draw, named
from .reproduce import Made, reproduce

__all__ = ["FIGURES", "Drawn", "Made", "NamedFigure", "Work", "draw", "named", "reproduce", "save"]
