"""The zero-asymmetric initialization (ZAS) of parameters in JAX: equinox modules, flax parameters, any pytree."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

from ... import _validate as check
from ..report import Change, ZASReport

_Params = TypeVar("_Params")
_OWNER = "zas"
# Ends of paths that hold an array and nothing else, in flax.
_WRAPPERS = {"value", "raw_value"}


@dataclass(frozen=True)
class _Layer:
    """A node of the tree whose children are arrays: its name, and its leaves by number."""

    name: str
    leaves: tuple[int, ...]
    matrices: tuple[int, ...]

    @property
    def parent(self) -> str:
        return self.name.rpartition(".")[0]


def zas(
    params: _Params,
    *,
    branches: Iterable[str] | None = None,
    head: str | bool | None = None,
    scaling: str | None = None,
) -> tuple[_Params, ZASReport]:
    """Return parameters with the last layer of every residual branch, and the head, set to zero.

    The network then computes its skip path and the output 0; the head has a gradient at the first step, the branches
    from the second on. This is the modified ZAS of Wu, Wang and Ma (2019, section 5), without normalisation at any
    depth.

    A pytree does not say how its layers are used. Without names, blocks are recognised as nodes that differ by
    a number ("blocks.3", "Block_3"), two or more, each with the same layers, at least two and all of them with a
    matrix. The last layer is the last field of a module; in dicts, whose order says nothing, that with the largest
    number ("fc1", "fc2"). Anything else is to be named.

    Parameters
    ----------
    params : pytree
        An equinox module, the parameters of flax, or any other; only floating-point arrays are seen.
    branches : sequence of str, optional
        Names of the last layers of branches, with "*" for any part: "blocks.*.fc2", "Block_*.Dense_1". A layer is named
        by its path, joined by dots.
    head : str or False, optional
        The layer that computes the output; by default the last, in the same sense, of those with a matrix that are in
        no block. False leaves it.
    scaling : {"fixup"}, optional
        Multiply the matrices of the other layers of each branch, the siblings of its last, by L^(-1/(2m - 2)), L
        the number of branches and m the number of layers of the branch (Zhang, Dauphin and Ma, 2019).

    Returns
    -------
    params : pytree
        Of the same structure; the argument is left as it was.
    report : ZASReport

    Raises
    ------
    InputError
        If branches or head are not recognised, or names fit no layer.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from thalweg.adapters.jax import zas
    >>> layer = {"kernel": jnp.ones((4, 4)), "bias": jnp.ones(4)}
    >>> params = {f"Block_{k}": {"Dense_0": layer, "Dense_1": layer} for k in range(3)} | {"Out_0": layer}
    >>> changed, report = zas(params, scaling="fixup")
    >>> print(report)
    ZAS        3 residual branches computed as 0, and so is the head, Out_0
      zeroed   Block_0.Dense_1 ... Block_2.Dense_1 (3 in all): bias, kernel; last layer of a residual branch
      zeroed   Out_0: bias, kernel; computes the output
      scaled   Block_0.Dense_0 ... Block_2.Dense_0 (3 in all): matrix times 0.57735; L^(-1/(2m - 2)) with L = 3, m = 2
    """
    if scaling is not None:
        check.one_of(_OWNER, "scaling", scaling, ("fixup",))
    paths, structure = jax.tree_util.tree_flatten_with_path(params)
    names, leaves = [_name(path) for path, _ in paths], [leaf for _, leaf in paths]
    layers = _layers(params, names, leaves)
    ordered = not isinstance(params, Mapping)
    last = _recognised(layers, ordered) if branches is None else _named(layers, branches)
    heads = _heads(layers, last, head, ordered)
    inside = {layer.parent for layer in last if layer.parent}
    zeroed, scaled = [], []
    for chosen, why in ((last, "last layer of a residual branch"), (heads, "computes the output")):
        for layer in chosen:
            for k in layer.leaves:
                leaves[k] = jnp.zeros_like(leaves[k])
            zeroed.append(Change(layer.name, ", ".join(names[k].rpartition(".")[2] for k in layer.leaves), why))
    done = {layer.name for layer in (*last, *heads)}
    if scaling is not None:
        for branch in last:
            others = [
                each for each in layers if each.matrices and each.parent == branch.parent and each.name not in done
            ]
            if not others or branch.parent not in inside:
                raise check.fail(
                    _OWNER, "scaling", "be left out: a branch has no other layers beside its last", branch.name
                )
            factor = len(last) ** (-1 / (2 * len(others)))
            why = f"L^(-1/(2m - 2)) with L = {len(last)}, m = {len(others) + 1}"
            for layer in others:
                for k in layer.matrices:
                    leaves[k] = leaves[k] * factor
                scaled.append(Change(layer.name, f"matrix times {factor:.6g}", why))
                done.add(layer.name)
    left = tuple(Change(layer.name, "", "as it was") for layer in layers if layer.name not in done)
    report = ZASReport(len(last), heads[0].name if heads else None, tuple(zeroed), tuple(scaled), left)
    return jax.tree_util.tree_unflatten(structure, leaves), report


def _name(path: tuple[Any, ...]) -> str:
    parts = [str(getattr(key, "name", getattr(key, "key", getattr(key, "idx", key)))) for key in path]
    while len(parts) > 1 and parts[-1] in _WRAPPERS:
        parts.pop()
    return ".".join(parts)


def _layers(params: Any, names: list[str], leaves: list[Any]) -> list[_Layer]:
    """Group the arrays by their node, in the order of fields and of numbers: JAX sorts "Dense_10" before "Dense_2"."""
    groups: dict[str, list[int]] = {}
    for k, (name, leaf) in enumerate(zip(names, leaves, strict=True)):
        if hasattr(leaf, "dtype") and jnp.issubdtype(leaf.dtype, jnp.floating):
            groups.setdefault(name.rpartition(".")[0], []).append(k)
    layers = [_Layer(name, tuple(ks), tuple(k for k in ks if leaves[k].ndim >= 2)) for name, ks in groups.items()]
    if isinstance(params, Mapping):
        layers.sort(key=lambda layer: [_natural(part) for part in layer.name.split(".")])
    return layers


def _natural(part: str) -> list[tuple[bool, int, str]]:
    """Sort key of a name in which "10" follows "9"."""
    return [(piece.isdigit(), int(piece) if piece.isdigit() else 0, piece) for piece in re.split(r"(\d+)", part)]


def _recognised(layers: list[_Layer], ordered: bool) -> list[_Layer]:
    """Find the last layers of blocks that differ by a number."""
    blocks: dict[str, list[_Layer]] = {}
    for layer in layers:
        if re.search(r"\d+$", layer.parent):
            blocks.setdefault(layer.parent, []).append(layer)
    families: dict[tuple[str, tuple[str, ...]], list[list[_Layer]]] = {}
    for parent, members in blocks.items():
        inner = tuple(layer.name.rpartition(".")[2] for layer in members)
        if len(members) >= 2 and all(layer.matrices for layer in members) and (ordered or _counted(members)):
            families.setdefault((re.sub(r"\d+$", "#", parent), inner), []).append(members)
    found = [family for family in families.values() if len(family) >= 2]
    if len(found) != 1:
        count = "none is recognised" if not found else "several kinds of blocks are"
        some = ", ".join(layer.name for layer in layers if layer.matrices)
        must = f"name the last layer of each residual branch, as {count}. Layers: {some or 'none with a matrix'}"
        raise check.fail(_OWNER, "branches", must, "None")
    return [members[-1] for members in found[0]]


def _counted(layers: list[_Layer]) -> bool:
    """Whether names differ by a number at their end and nothing else."""
    names = [layer.name for layer in layers]
    return len({re.sub(r"\d+$", "", name) for name in names}) == 1 and all(name[-1:].isdigit() for name in names)


def _named(layers: list[_Layer], branches: Iterable[str]) -> list[_Layer]:
    if isinstance(branches, str):
        raise check.fail(_OWNER, "branches", "be a sequence of names", repr(branches))
    found: dict[str, _Layer] = {}
    for pattern in branches:
        fitting = [layer for layer in layers if fnmatchcase(layer.name, str(pattern))]
        if not fitting:
            some = ", ".join(layer.name for layer in layers)
            raise check.fail(_OWNER, "branches", f"name layers, of which there are {some}", repr(pattern))
        found |= {layer.name: layer for layer in fitting}
    if not found:
        raise check.fail(_OWNER, "branches", "name at least one layer", "none")
    return list(found.values())


def _heads(layers: list[_Layer], last: list[_Layer], head: str | bool | None, ordered: bool) -> list[_Layer]:
    if head is False:
        return []
    if isinstance(head, str):
        return _named([layer for layer in layers if layer.name == head] or layers, [head])
    if head is not None:
        raise check.fail(_OWNER, "head", "be the name of a layer, or False to leave it as it is", repr(head))
    blocks = {layer.parent for layer in last}
    outside = [layer for layer in layers if layer.matrices and layer.parent not in blocks]
    if not outside or not (ordered or len(outside) == 1 or _counted(outside)):
        some = ", ".join(layer.name for layer in outside) or "none outside of blocks"
        must = f"be given, the name of the layer that computes the output, or False. Layers: {some}"
        raise check.fail(_OWNER, "head", must, "None")
    return outside[-1:]
