"""A data set in words, for people."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .dataset import Dataset

# Work a print-out may do on its own: a few tenths of a second.
_QUICK_PRODUCTS = 2e9
_QUICK_SAMPLES = 2000
_QUICK_SPECTRUM = 1000


def describe(data: Dataset) -> list[tuple[str, str]]:
    """Return the lines of the print-out as (heading, text)."""
    kind = f"sparse, {data.X.nnz} stored" if data.is_sparse else "dense"
    lines = [
        ("size", f"{data.n} samples x {data.d} inputs ({kind})"),
        ("norms", _span(data.norms)),
        ("labels", _span(data.y)),
    ]
    if not ("coherence" in data.__dict__ or _is_quick(data)):
        advice = "not computed, as the data are large: ask for data.coherence and data.contradictions"
        return [*lines, ("coherence", advice)]
    summary = data.coherence
    lines += [
        ("coherence", f"max |cos| {summary.max_cosine:.3g}, mean |cos| {summary.mean_cosine:.3g}"),
        (
            "Gram",
            f"lambda_min {_known(summary.lambda_min)}, lambda_max {_known(summary.lambda_max)}, "
            f"rank {_known(summary.rank)}",
        ),
        ("regime", summary.regime),
    ]
    if data.contradictions:
        lines.append(("conflict", data.contradictions.text))
    return lines


def as_text(data: Dataset) -> str:
    """Return the print-out of a data set."""
    return "\n".join([data.name, *(f"  {heading:<11}{text}" for heading, text in describe(data))])


def as_html(data: Dataset) -> str:
    """Return the print-out as a table, for notebooks."""
    rows = "".join(
        f"<tr><th style='text-align:left'>{html.escape(heading)}</th>"
        f"<td style='text-align:left'>{html.escape(text)}</td></tr>"
        for heading, text in describe(data)
    )
    return f"<table><caption>{html.escape(data.name)}</caption>{rows}</table>"


def _is_quick(data: Dataset) -> bool:
    if data.is_orthogonal:
        return True
    if data.n > _QUICK_SAMPLES or min(data.n, data.d) > _QUICK_SPECTRUM:
        return False
    X = data.X
    if isinstance(X, np.ndarray):
        return float(data.n) ** 2 * data.d <= _QUICK_PRODUCTS
    return float((np.bincount(X.indices).astype(float) ** 2).sum()) <= _QUICK_PRODUCTS


def _span(values: np.ndarray) -> str:
    low, high = float(values.min()), float(values.max())
    return f"{low:.4g}" if low == high else f"{low:.4g} to {high:.4g}"


def _known(value: float | int | None) -> str:
    return "not computed" if value is None else f"{value:.4g}" if isinstance(value, float) else str(value)
