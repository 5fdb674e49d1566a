"""The empty figure that all pictures begin with. It imports matplotlib: import it where it is used."""

from __future__ import annotations

import io

from matplotlib.figure import Figure


def new_figure(width: float = 6.4, height: float = 4.4) -> Figure:
    """Return an empty figure: without pyplot, so that no backend is chosen and no global state is changed."""
    return _Picture(figsize=(width, height), layout="constrained")


class _Picture(Figure):
    """A figure that notebooks show. Of other figures they show a line of text, unless pyplot was imported."""

    def _repr_png_(self) -> bytes:
        stream = io.BytesIO()
        self.savefig(stream, format="png")
        return stream.getvalue()
