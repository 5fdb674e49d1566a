"""Figures, drawn with matplotlib: one function each, which returns the figure and shows nothing.

No global state of matplotlib is read or changed; save a figure with ``figure.savefig(path)``.
"""

from ._trajectory import curvature, loss, modes, overview, residuals

__all__ = ["curvature", "loss", "modes", "overview", "residuals"]
