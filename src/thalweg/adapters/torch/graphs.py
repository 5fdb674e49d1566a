"""Traced modules: which operation depends on which, and which layers lie between two of them."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import fx, nn

from .layers import COMPOSITES, JOINS, LAYERS, LIVE_MODULES, NORMS, SUMS, is_known, is_layer, layer_names

# What tells the shape of a tensor says nothing of its values.
_SHAPE_METHODS = {"size", "dim", "numel", "new_zeros", "new_ones", "new_empty", "new_full"}
_SHAPE_ATTRIBUTES = {"shape", "ndim", "dtype", "device"}


class _Tracer(fx.Tracer):
    """Traces into every module whose forward is not known."""

    proxy_buffer_attributes = True  # so that a mask may be cut to a length that is not known yet

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        known = is_known(m, (*LAYERS, *NORMS, *LIVE_MODULES, *COMPOSITES))
        return known or super().is_leaf_module(m, module_qualified_name)


@dataclass(frozen=True)
class Graph:
    """The operations of a module in the order they are carried out.

    Attributes
    ----------
    module : nn.Module
    nodes : tuple of fx.Node
    prefix : str
        The name of the module within the one that was asked about, with its dot; "" for that module itself.
    """

    module: nn.Module
    nodes: tuple[fx.Node, ...]
    prefix: str

    @cached_property
    def place(self) -> dict[fx.Node, int]:
        """The number of each operation in the order."""
        return {node: k for k, node in enumerate(self.nodes)}

    @cached_property
    def signals(self) -> set[fx.Node]:
        """The operations whose values depend on an input."""
        found: set[fx.Node] = set()
        for node in self.nodes:
            if node.op == "placeholder" or any(parent in found for parent in parents(node)):
                found.add(node)
        return found

    def called(self, node: fx.Node) -> nn.Module | None:
        """Return the module that an operation calls."""
        return self.module.get_submodule(str(node.target)) if node.op == "call_module" else None

    def layers(self, node: fx.Node) -> tuple[str, ...]:
        """Return the names of the layers that an operation applies."""
        module = self.called(node)
        return layer_names(self.prefix + str(node.target), module) if module is not None and is_layer(module) else ()

    def summands(self, node: fx.Node) -> tuple[fx.Node, fx.Node] | None:
        """Return the two operands of an addition of two signals."""
        if not (node.target in SUMS or (node.op == "call_method" and node.target in ("add", "add_"))):
            return None
        pair = [*node.args, node.kwargs.get("other")][:2]
        first, second = pair if len(pair) == 2 else (None, None)
        both = isinstance(first, fx.Node) and isinstance(second, fx.Node) and {first, second} <= self.signals
        return (first, second) if both else None  # type: ignore[return-value]

    def ancestors(self, node: fx.Node, since: int = 0) -> set[fx.Node]:
        """Return the operations from number `since` on that the value of an operation depends on, itself included."""
        found, waiting = {node}, [node]
        while waiting:
            for parent in parents(waiting.pop()):
                if parent not in found and self.place[parent] >= since:
                    found.add(parent)
                    waiting.append(parent)
        return found

    def learns(self, start: fx.Node, end: fx.Node) -> bool:
        """Whether there are parameters on the paths from one operation to another."""
        for node in self.ancestors(end, self.place[start]) - {start}:
            called = self.called(node)
            if called is not None and any(True for _ in called.parameters()):
                return True
            if any(
                each.op == "get_attr" and isinstance(self.attribute(each), nn.Parameter)
                for each in node.all_input_nodes
            ):
                return True
        return False

    def attribute(self, node: fx.Node) -> object:
        """Return the parameter, or other attribute, that an operation reads."""
        owner, _, name = str(node.target).rpartition(".")
        return getattr(self.module.get_submodule(owner), name)

    def between(self, start: fx.Node, end: fx.Node) -> tuple[tuple[str, ...], int]:
        """Return the layers on the paths from one operation to another, and how many the longest path has."""
        wanted = self.ancestors(end, self.place[start])
        longest, names = {start: 0}, []
        for node in self.nodes[self.place[start] + 1 : self.place[end] + 1]:
            before = [longest[parent] for parent in parents(node) if parent in longest]
            if node in wanted and before:
                longest[node] = max(before) + len(self.layers(node))
                names += self.layers(node)
        return tuple(dict.fromkeys(names)), longest.get(end, 0)


def parents(node: fx.Node) -> list[fx.Node]:
    """Return the operations whose values an operation uses; shapes are no values."""
    by_method = node.op == "call_method" and node.target in _SHAPE_METHODS
    by_name = node.target is getattr and node.args[1] in _SHAPE_ATTRIBUTES
    return [] if by_method or by_name else node.all_input_nodes


def is_join(node: fx.Node) -> bool:
    """Whether an operation puts tensors side by side."""
    return node.target in JOINS


def trace(module: nn.Module, prefix: str = "") -> Graph | str:
    """Trace a module symbolically, or return the reason why that cannot be done.

    It is traced as in evaluation, where no branch is dropped at random, and left as it was.
    """
    before = [(each, dict(each.__dict__)) for each in module.modules()]
    try:
        module.eval()
        with torch.random.fork_rng(devices=[]):
            nodes = tuple(_Tracer().trace(module, _defaults(module)).nodes)
    except Exception as error:  # forward is anybody's code
        return f"{type(error).__name__}: {' '.join(str(error).split())[:120]}"
    finally:
        for each, attributes in before:
            each.__dict__.clear()
            each.__dict__.update(attributes)
    return Graph(module, nodes, prefix)


def _defaults(module: nn.Module) -> dict[str, Any]:
    """Return the arguments that a caller may leave out, masks above all, with the values that they then have."""
    arguments = inspect.signature(module.forward).parameters.values()
    return {each.name: each.default for each in arguments if each.default is not each.empty}


def traced_parts(module: nn.Module, prefix: str = "") -> Iterator[Graph | tuple[str, str]]:
    """Yield the graph of a module, or else (its name, the reason) and those of its parts.

    Nothing is yielded for PyTorch's own transformer modules, the branches of which are known.
    """
    if is_composite(module):
        return
    graph = trace(module, prefix)
    if isinstance(graph, Graph):
        yield graph
        return
    yield prefix.rstrip("."), graph
    for name, child in module.named_children():
        yield from _container_parts(child, f"{prefix}{name}.")


def _container_parts(module: nn.Module, prefix: str) -> Iterator[Graph | tuple[str, str]]:
    if isinstance(module, nn.ModuleList | nn.ModuleDict):  # have no forward of their own
        for name, child in module.named_children():
            yield from _container_parts(child, f"{prefix}{name}.")
    elif is_layer(module) or not any(True for _ in module.parameters()):
        return
    else:
        yield from traced_parts(module, prefix)


def is_composite(module: nn.Module) -> bool:
    """Whether it is one of PyTorch's own transformer modules."""
    return type(module).__module__ == nn.Transformer.__module__ or is_known(module, tuple(COMPOSITES))
