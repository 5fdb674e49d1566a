"""Figures, drawn with matplotlib: one function each, which returns the figure and shows nothing.

No global state of matplotlib is read or changed; notebooks show a figure, ``figure.savefig(path)`` saves it.
"""

from ._trajectory import curvature, loss, modes, overview, residuals

__all__ = ["curvature", "loss", "modes", "overview", "residuals"]
