"""Numbers of Dana, Bach and Pillaud-Vivien (2025) that the figures are held against, with their source."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .base import Table


@dataclass(frozen=True, eq=False)
class Published:
    """A published experiment.

    Attributes
    ----------
    source, protocol : str
        Where the numbers are from, and how they were made.
    table : dict of arrays
        Columns of one length.
    """

    source: str
    protocol: str
    table: Table


def published(experiment: str) -> Published:
    """Return a published experiment, "experiment_1_0" or "experiment_2".

    Examples
    --------
    >>> from thalweg.figures.published import published
    >>> found = published("experiment_1_0")
    >>> found.table["n"][:3], found.table["probability"][:3]
    (array([1300, 1350, 1400]), array([1.    , 0.9875, 1.    ]))
    """
    file = Path(__file__).with_name("published.json")
    held = json.loads(file.read_text(encoding="utf-8"))
    rows = held[experiment]["rows"]
    table = {name: np.array([row[name] for row in rows]) for name in rows[0]}
    return Published(held["source"], held[experiment]["protocol"], table)
