"""All figures by name."""

from __future__ import annotations

from typing import Any

from .. import _validate as check
from .base import SIZES, Drawn, NamedFigure, Work
from .convergence import CONVERGENCE
from .deep_time import DEEP_TIME
from .depth import DEPTH
from .depth_free import DEPTH_FREE
from .descent_flow import DESCENT_FLOW
from .domination import DOMINATION
from .generalization import GENERALIZATION
from .leaky import LEAKY
from .orthogonal_curvature import CURVATURE_ORTHOGONAL
from .plateau import PLATEAU
from .residual import RESIDUAL
from .run import RUN
from .saddle import SADDLE
from .safe_step import SAFE_STEP
from .threshold import THRESHOLD
from .transitions import TRANSITIONS

# A new figure is entered here, and nowhere else.
FIGURES: tuple[NamedFigure, ...] = (
    SADDLE,
    DEPTH,
    DEPTH_FREE,
    RESIDUAL,
    CONVERGENCE,
    THRESHOLD,
    TRANSITIONS,
    CURVATURE_ORTHOGONAL,
    RUN,
    DEEP_TIME,
    SAFE_STEP,
    LEAKY,
    PLATEAU,
    DOMINATION,
    DESCENT_FLOW,
    GENERALIZATION,
)
"""All figures there are."""


def named(name: str) -> NamedFigure:
    """Return the figure of that name.

    Raises
    ------
    InputError
        If there is none.

    Examples
    --------
    >>> from thalweg import figures
    >>> figures.named("saddle").title
    'Why zero-asymmetric: the saddle at the origin'
    """
    check.one_of("figure", "name", name, tuple(each.name for each in FIGURES))
    return next(each for each in FIGURES if each.name == name)


def draw(name: str, *, size: str = "quick", **how: Any) -> Drawn:
    """Draw a named figure.

    Parameters
    ----------
    name : str
        One of the names in `FIGURES`.
    size : {"quick", "full"}
    **how
        Of `Work`: seed, workers, store, progress.

    Returns
    -------
    Drawn
        The same, to the last bit, for the same arguments on the same machine, except for columns of seconds.

    Raises
    ------
    InputError
        For an unknown name or size, a seed below 0, or no workers.

    Examples
    --------
    >>> from thalweg import figures
    >>> drawn = figures.draw("saddle", seed=1)
    >>> sorted(drawn.table)[:3]
    ['curve', 'depth', 'kind']
    """
    figure = named(name)
    check.one_of("figure", "size", size, SIZES)
    return figure.draw(size, Work(**how))
