"""How a value ends: the layers that it is computed by last, those of a branch or of a whole network."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import fx, nn

from .graphs import Graph, is_composite, is_join, trace
from .layers import (
    LIVE_FUNCTIONS,
    LIVE_METHODS,
    LIVE_MODULES,
    NORMS,
    OUTPUT_FUNCTIONS,
    OUTPUT_METHODS,
    OUTPUT_MODULES,
    PRODUCTS,
    QUOTIENTS,
    is_affine_norm,
    is_known,
)


class UnrecognisedError(Exception):
    """How the value of a branch is computed from its last layer is not recognised."""


def applied(graph: Graph, call: fx.Node) -> str:
    """Return the name of the layer or norm that an operation applies last."""
    return (graph.layers(call) or (graph.prefix + str(call.target),))[-1]


def last_calls(graph: Graph, node: fx.Node, skip: fx.Node) -> Iterator[fx.Node]:
    """Yield the calls of layers and norms that a value is computed by last."""
    if node is skip or node.op == "placeholder":
        raise UnrecognisedError("on one of its paths there is no layer")
    called = graph.called(node)
    if graph.layers(node) or (called is not None and is_affine_norm(called)):
        yield node
    elif graph.summands(node) or is_join(node):
        for each in node.all_input_nodes:
            yield from last_calls(graph, each, skip)
    else:
        yield from last_calls(graph, _through(graph, node), skip)


def _through(graph: Graph, node: fx.Node, *, after: bool = False) -> fx.Node:
    """Return what an operation acts on that keeps 0 at 0 and lets gradients through, or any that may end a network."""
    called, inputs = graph.called(node), [each for each in node.all_input_nodes if each in graph.signals]
    if called is not None:
        passes = is_known(called, LIVE_MODULES) or (after and is_known(called, OUTPUT_MODULES))
    elif node.op == "call_method":
        passes = node.target in LIVE_METHODS or (after and node.target in OUTPUT_METHODS)
        inputs = [each for each in inputs if each is node.args[0]]
    else:
        passes = node.target in LIVE_FUNCTIONS or (after and node.target in OUTPUT_FUNCTIONS)
        passes = passes or _is_scaling(graph, node)
        inputs = [each for each in inputs if each in node.args]
    if passes and len(inputs) == 1:
        return inputs[0]
    what = f"a {type(called).__name__}" if called is not None else f"'{getattr(node.target, '__name__', node.target)}'"
    if what in ("a ReLU", "'relu'", "'relu_'"):
        raise UnrecognisedError(
            "its last layer is followed by a ReLU, which lets no gradient through at 0 (move the ReLU before the layer)"
        )
    if called is not None and is_known(called, NORMS):
        raise UnrecognisedError(f"its last layer is followed by {what} without a gain that could be zeroed")
    raise UnrecognisedError(f"its last layer is followed by {what}, which is not known to keep 0 at 0")


def _is_scaling(graph: Graph, node: fx.Node) -> bool:
    """Whether an operation multiplies a signal by something that is no signal, and not zero."""
    if node.target not in PRODUCTS or (node.target in QUOTIENTS and node.args[0] not in graph.signals):
        return False
    for gate in (each for each in node.all_input_nodes if each.op == "get_attr"):
        value = graph.attribute(gate)
        if isinstance(value, torch.Tensor) and not value.detach().any():
            raise UnrecognisedError(
                f"it is multiplied by {graph.prefix}{gate.target}, which is zero already: nothing would ever move both"
            )
    return True


def head_of(module: nn.Module) -> tuple[str, ...] | None:
    """Return the layer that computes the output, () if that is a sum or a norm of one, None if it is anything else."""
    if is_composite(module):
        return ()
    graph = trace(module)
    if not isinstance(graph, Graph):
        return None
    outputs = graph.nodes[-1].all_input_nodes
    if len(outputs) != 1:
        return None
    node = outputs[0]
    while True:
        called = graph.called(node)
        if graph.summands(node):
            return ()
        if called is not None and is_known(called, NORMS):
            parents = node.all_input_nodes
            return () if len(parents) == 1 and graph.summands(parents[0]) else None
        if graph.layers(node):
            calls = [each for each in graph.nodes if each.op == node.op and each.target == node.target]
            return graph.layers(node)[-1:] if len(calls) == 1 else None
        if called is not None and is_composite(called):
            return ()
        try:
            node = _through(graph, node, after=True)
        except UnrecognisedError:
            # A stream that ends in its last block's activation has no head.
            return () if _is_stream(graph, node) else None


def _is_stream(graph: Graph, node: fx.Node) -> bool:
    """Whether a sum reaches an operation without a layer in between."""
    while len(inputs := [each for each in node.all_input_nodes if each in graph.signals]) == 1:
        node = inputs[0]
        if graph.summands(node):
            return True
        if graph.layers(node):
            return False
    return False
