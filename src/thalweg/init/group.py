"""The group initialization of orthogonal data, whose flow has a closed form."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .. import _validate as check
from .._typing import FloatArray, IntArray, Seed
from ..data.dataset import Dataset
from ..networks.shallow import ShallowNetwork

# Neurons are switched off outside their group by a negative coordinate, as on the kink itself the flow of
# orthogonal data is not unique. Its square is below the rounding of |w|^2.
_OFF = 1e-8


def group(
    data: Dataset,
    groups: Sequence[Sequence[int]] | None = None,
    *,
    scale: float = 0.01,
    cosine: float = 1.0,
    seed: Seed = None,
) -> ShallowNetwork:
    """Give every group of orthogonal samples one neuron, which is active on these samples and on no other.

    The neuron of a group has a_j = +-|w_j|, the sign being that of its labels, and positive coordinates along
    its inputs. The groups then evolve independently.

    Parameters
    ----------
    data : Dataset
        Orthogonal inputs.
    groups : sequence of sequences of int, optional
        Indices of the samples of each group: disjoint, with labels of one sign in each. Samples in no group
        are never fitted. By default one group for each sign of the labels.
    scale : float
        |a_j| = |w_j| at the start.
    cosine : float
        Cosine between the hidden weights, in the coordinates <w, x_i>/|x_i|, and the labels times |x_i|, in
        (0, 1]. Below 1 the weights lean towards one sample of the group, drawn at random. It must be above
        the share of the smallest label in its group, below which a coordinate would be negative.
    seed : int or SeedSequence, optional
        Of the draw for a cosine below 1. Fresh entropy if left out.

    Notes
    -----
    For inputs of norm 1, with D = |y| over the group, N = a^2, N0 = N(0), c0 = c(0) and s = D t/n,

        c = tanh(s + artanh c0),   N = N0 G^2 / (1 + (2 N0/(p D)) I),   G = cosh s + c0 sinh s,
        I = (1 - c0^2) s/2 + (1 + c0^2) sinh(2s)/4 + c0 (cosh(2s) - 1)/2.

    For inputs of norm k in the group, read p/k^2 for p and k D for D.

    Examples
    --------
    >>> import numpy as np, thalweg as tw
    >>> data = tw.Dataset(np.eye(3), [3.0, 4.0, -2.0])
    >>> network = tw.init.group(data, [[0, 1], [2]], scale=0.5)
    >>> network.W[0, :2], network.a
    (array([0.3, 0.4]), array([ 0.5, -0.5]))
    """
    if not isinstance(data, Dataset):
        raise check.fail("group", "data", "be a Dataset (tw.Dataset(X, y))", type(data).__name__)
    if not data.is_orthogonal:
        got = f"a max |cos| of {data.coherence.max_cosine:.3g}"
        raise check.fail("group", "data", "have orthogonal inputs", got)
    scale = check.real("group", "scale", scale, above=0.0)
    cosine = check.real("group", "cosine", cosine, above=0.0, at_most=1.0)
    rng = np.random.default_rng(check.seed_sequence("group", seed))
    members = _members(data, groups)
    coordinates = np.full((len(members), data.n), -_OFF / np.sqrt(data.n))
    for row, rows in zip(coordinates, members, strict=True):
        row[rows] = _direction(data.norms[rows] * np.abs(data.y[rows]), cosine, rng)
    coordinates *= scale
    W = np.asarray((data.X.T @ (coordinates / data.norms).T).T)
    a = np.linalg.norm(W, axis=1) * np.sign([data.y[rows[0]] for rows in members])
    return ShallowNetwork(W, a, invariant=np.zeros(len(members)))


def _members(data: Dataset, groups: Sequence[Sequence[int]] | None) -> list[IntArray]:
    if groups is None:
        by_sign = (np.flatnonzero(data.y > 0), np.flatnonzero(data.y < 0))
        return [rows for rows in by_sign if rows.size]
    try:
        members = [np.asarray(rows) for rows in groups]
    except (TypeError, ValueError):
        raise check.fail("group", "groups", "be a sequence of sequences of indices", repr(groups)) from None
    for k, rows in enumerate(members):
        if rows.ndim != 1 or not rows.size or rows.dtype.kind not in "iu" or rows.min() < 0 or rows.max() >= data.n:
            raise check.fail("group", "groups", f"hold indices of samples, 0 to {data.n - 1}", f"{rows!r} as group {k}")
        if len(set(np.sign(data.y[rows]))) != 1 or data.y[rows[0]] == 0:
            raise check.fail("group", "groups", "have labels of one sign in each group", f"{data.y[rows]} in group {k}")
    every = np.concatenate(members) if members else np.array([], dtype=int)
    if not every.size or np.unique(every).size != every.size:
        raise check.fail(
            "group", "groups", "be one or more disjoint groups", "a sample twice" if every.size else "none"
        )
    return members


def _direction(labels: FloatArray, cosine: float, rng: np.random.Generator) -> FloatArray:
    """Return a positive unit vector with the given cosine to the (positive) labels."""
    ideal = labels / np.linalg.norm(labels)
    if cosine == 1.0:
        return ideal
    smaller = np.flatnonzero(ideal < cosine)
    if not smaller.size:
        must = f"be 1, or above {ideal.min():.4g} for these labels: below it a coordinate would be negative"
        raise check.fail("group", "cosine", must, cosine)
    lean = np.zeros_like(ideal)
    lean[rng.choice(smaller)] = 1.0
    lean -= (lean @ ideal) * ideal
    return cosine * ideal + np.sqrt(1 - cosine**2) * lean / np.linalg.norm(lean)
