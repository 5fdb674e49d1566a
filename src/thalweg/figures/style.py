"""What the figures look like."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito's colours, told apart by the colour-blind; line styles say the same in grey.
BLUE, ORANGE, GREEN, PURPLE, YELLOW, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#8A8A8A"

# One colour, line style and name for each start of deep linear networks, in all figures.
STARTS = {
    "zas": (BLUE, "-", "ZAS"),
    "near_identity": (ORANGE, "--", "near-identity"),
    "xavier": (GREEN, "-.", "Xavier"),
    "orthogonal": (PURPLE, ":", "orthogonal"),
}


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure."""
    from ..plot.canvas import new_figure

    return new_figure(width, height)
