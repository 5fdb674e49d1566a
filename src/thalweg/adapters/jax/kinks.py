"""Find operations in a JAX function at which its gradient jumps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
from jax.extend import core

# Gradients jump, or values do, where the arguments of these are equal, or 0, or whole numbers.
_KINKED = {
    *("max", "min", "abs", "sign", "clamp", "sort", "floor", "ceil", "round", "rem"),
    *("reduce_max", "reduce_min", "cummax", "cummin", "reduce_window_max", "reduce_window_min", "top_k"),
}
# The first argument chooses: `where` is `select_n`. No kink if that depends on data only.
_CHOOSING = {"select_n", "cond"}
# Written with kinked operations, but smooth.
_SMOOTH = {"logaddexp", "logaddexp2", "logsumexp", "softplus", "silu", "log_sigmoid", "xlogy"}


def kinks(loss: Callable[..., Any], *arguments: Any) -> tuple[str, ...]:
    """Return the names of operations with kinks on the way from the arguments to a loss.

    Only what derivatives see counts: not what is behind `stop_gradient`, and not what does not depend on the arguments.
    The root of a square, as in a norm, is not seen, though it has a kink at 0.
    A kink may lie where the arguments never come; but where a flow meets one it may slide along it, which no general
    integrator resolves.

    Parameters
    ----------
    loss : function
        Of pytrees, to a scalar.
    *arguments : pytrees
        Only shapes and types matter.

    Examples
    --------
    >>> import jax, jax.numpy as jnp
    >>> from thalweg.adapters.jax import kinks
    >>> kinks(lambda w: jnp.sum(jax.nn.relu(w)), jnp.ones(3))
    ('max in relu',)
    >>> kinks(lambda w: jnp.sum(jax.nn.softplus(w)) + jax.nn.logsumexp(w), jnp.ones(3))
    ()
    """
    closed = jax.make_jaxpr(loss)(*arguments)
    found = _walk(closed.jaxpr, [True] * len(closed.jaxpr.invars), [True] * len(closed.jaxpr.outvars), "")
    return tuple(sorted(set(found)))


def _walk(jaxpr: Any, depends: list[bool], matters: list[bool], within: str) -> Iterator[str]:
    """Yield the kinks of a jaxpr between inputs that depend on the arguments and outputs that matter."""
    live = {id(out) for out, wanted in zip(jaxpr.outvars, matters, strict=True) if wanted}
    readers: dict[int, set[str]] = {}
    for eqn in reversed(jaxpr.eqns):
        if any(id(out) in live for out in eqn.outvars) and eqn.primitive.name != "stop_gradient":
            live.update(id(each) for each in eqn.invars)
        for each in eqn.invars:
            readers.setdefault(id(each), set()).add(eqn.primitive.name)
    moved = {id(each) for each, wanted in zip(jaxpr.invars, depends, strict=True) if wanted}
    for eqn in jaxpr.eqns:
        name = eqn.primitive.name
        inputs = [id(each) in moved for each in eqn.invars]
        if name == "stop_gradient" or not any(inputs):
            continue
        moved.update(id(out) for out in eqn.outvars)
        wanted = [id(out) in live for out in eqn.outvars]
        if not any(wanted):
            continue
        inner, label = list(_inner(eqn)), _label(eqn) or within
        if label in _SMOOTH:
            continue
        if inputs[0] and name in _CHOOSING:
            yield f"{name} in {within}" if within else name
        if name == "cond":
            inputs = inputs[1:]
        for sub in inner:
            same = len(sub.invars) == len(inputs) and len(sub.outvars) == len(wanted)
            given = (inputs, wanted) if same else ([True] * len(sub.invars), [True] * len(sub.outvars))
            yield from _walk(sub, *given, label if label and not label.startswith("_") else within)
        if name == "convert_element_type" and _leaps(eqn):
            yield f"a comparison in {within}" if within else "a comparison"
        if not inner and name in _KINKED and not (name == "abs" and _never_zero(eqn, readers)):
            yield f"{name} in {within}" if within else name


def _label(eqn: Any) -> str:
    """Return the name of the function that an equation calls, as far as JAX tells."""
    called = getattr(eqn.params.get("call_jaxpr"), "jaxpr", None)
    source = getattr(getattr(called, "debug_info", None), "func_src_info", None) or ""
    return str(eqn.params.get("name", "")) or source.partition(" ")[0]


def _leaps(eqn: Any) -> bool:
    """Whether a truth value, or a number cut to a whole one, is made from or into a number."""
    before, after = eqn.invars[0].aval.dtype, eqn.params["new_dtype"]
    return jax.numpy.issubdtype(before, jax.numpy.floating) != jax.numpy.issubdtype(after, jax.numpy.floating)


def _inner(eqn: Any) -> Iterator[Any]:
    """Yield the jaxprs that an equation calls."""
    for value in eqn.params.values():
        for each in value if isinstance(value, tuple | list) else (value,):
            if isinstance(each, core.ClosedJaxpr):
                yield each.jaxpr
            elif isinstance(each, core.Jaxpr):
                yield each


def _never_zero(eqn: Any, readers: dict[int, set[str]]) -> bool:
    """Whether an absolute value goes into logarithms only, where 0 is far away."""
    return all(readers.get(id(out), set()) == {"log"} for out in eqn.outvars)
