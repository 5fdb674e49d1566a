"""The residual branches of a module: where something computed from x is added to x."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from torch import fx, nn

from ..._errors import InputError
from .endings import UnrecognisedError, applied, last_calls
from .graphs import Graph, traced_parts
from .layers import COMPOSITES, is_known, is_layer

REMEDY = (
    'Name the last layer of each branch instead: branches=["block1.fc2", ...], '
    "and the last layer of the network: head=..., or head=False."
)


@dataclass(frozen=True)
class Branch:
    """A residual branch.

    Attributes
    ----------
    last : tuple of str
        The layers or norms that its value is computed by last: with them 0, the branch is.
    others : tuple of str
        The names of its other layers.
    depth : int
        How many layers there are on the longest path through it.
    """

    last: tuple[str, ...]
    others: tuple[str, ...]
    depth: int


@dataclass
class Anatomy:
    """What was recognised of a module.

    Attributes
    ----------
    branches : list of Branch
    notes : list of (str, str)
        Names and reasons: what was seen and is no residual branch, or could not be looked into.
    """

    branches: list[Branch] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)


def anatomy(module: nn.Module) -> Anatomy:
    """Find the residual branches of a module.

    Raises
    ------
    InputError
        If a branch is found that cannot be set to zero by its last layer, or layers whose use cannot be traced.
    """
    found = Anatomy()
    composites = dict(_composites(module))
    found.branches += [branch for branches in composites.values() for branch in branches]
    opaque: list[tuple[str, str]] = []
    for part in traced_parts(module):
        if isinstance(part, Graph):
            _add_branches(part, found)
        else:
            opaque.append(part)
    ends = {name for branch in found.branches for name in branch.last}
    for name, reason in opaque:
        inside = f"{name}." if name else ""
        layers = [each for each in module.get_submodule(name).modules() if is_layer(each)]
        if layers and not any(end.startswith(inside) for end in ends):
            raise InputError(
                f"The forward of {_called(module, name)} cannot be traced ({reason}), so that no residual "
                f"branch can be recognised there. {REMEDY}"
            )
        found.notes.append((name or "the module", f"cannot be traced ({reason}): only its parts were looked into"))
    return found


def _composites(module: nn.Module) -> Iterator[tuple[str, list[Branch]]]:
    for name, each in module.named_modules():
        for kind, branches in COMPOSITES.items():
            if is_known(each, (kind,)):
                inside = f"{name}." if name else ""
                named = [tuple(inside + layer for layer in layers) for layers in branches]
                yield name, [Branch(layers[-1:], layers[:-1], len(layers)) for layers in named]


def _add_branches(graph: Graph, found: Anatomy) -> None:
    seen: set[fx.Node] = set()
    ends_of: dict[str, set[fx.Node]] = {}
    for node in graph.nodes:
        pair = graph.summands(node)
        if pair is None:
            continue
        split = _split(graph, pair) or _split(graph, tuple(_flattened(graph, node))) or _projected(graph, pair)
        if split is None:
            if any(graph.layers(each) for operand in pair for each in graph.ancestors(operand)):
                found.notes.append((graph.prefix + node.name, "a sum of parallel paths, none of which skips layers"))
            continue
        start, skip, ends = split
        for end in ends:
            names, depth = graph.between(start, end)
            if end in seen or not graph.learns(start, end):
                continue
            seen.add(end)
            try:
                if not depth:
                    raise UnrecognisedError("none of its layers is of a known kind")
                calls = set(last_calls(graph, end, skip))
            except UnrecognisedError as reason:
                what = f"with {', '.join(names[-2:])}" if names else f"that ends in {graph.prefix}{end.name}"
                raise InputError(
                    f"The residual branch {what} is not one that a zero last layer switches off: {reason}. {REMEDY}"
                ) from None
            for call in calls:
                ends_of.setdefault(applied(graph, call), set()).add(call)
            last = tuple(sorted(applied(graph, call) for call in calls))
            found.branches.append(Branch(last, tuple(name for name in names if name not in last), depth))
    for node in graph.nodes:
        if node.op == "call_module" and node not in ends_of.get(applied(graph, node), {node}):
            raise InputError(
                f"{applied(graph, node)} is the last layer of a residual branch and is used elsewhere too: with it "
                f"zero, so is what is computed there. Give the branch a layer of its own. {REMEDY}"
            )


_Split = tuple[fx.Node, fx.Node, tuple[fx.Node, ...]]


def _split(graph: Graph, summands: tuple[fx.Node, ...]) -> _Split | None:
    """Return (the skip, the skip, the branches) if all other summands are computed from one of them."""
    for skip in summands:
        others = tuple(node for node in summands if node is not skip)
        if others and all(skip in graph.ancestors(node, graph.place[skip]) for node in others):
            return skip, skip, others
    return None


def _flattened(graph: Graph, node: fx.Node) -> Iterator[fx.Node]:
    """Yield the summands of a sum of sums, the inner ones of which nothing else uses."""
    for each in graph.summands(node) or ():
        if graph.summands(each) and len(each.users) == 1:
            yield from _flattened(graph, each)
        else:
            yield each


def _projected(graph: Graph, pair: tuple[fx.Node, fx.Node]) -> _Split | None:
    """Return (the common start, the skip, the branch) if one summand has passed at most one layer, the other more."""
    common = graph.ancestors(pair[0]) & graph.ancestors(pair[1]) & graph.signals
    if not common:
        return None
    start = max(common, key=graph.place.__getitem__)
    depths = [graph.between(start, node)[1] for node in pair]
    if min(depths) > 1 or depths[0] == depths[1]:
        return None
    skip, branch = pair if depths[0] < depths[1] else pair[::-1]
    return start, skip, (branch,)


def _called(module: nn.Module, name: str) -> str:
    return f"{name!r} ({type(module.get_submodule(name)).__name__})" if name else f"this {type(module).__name__}"
