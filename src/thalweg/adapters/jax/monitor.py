"""The curvature monitor in JAX: figures that can be compiled, as a function and as a part of an optax chain."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from ... import _validate as check
from ..._errors import missing_extra
from ..judgement import Judgement
from ..monitor import PLRecord


class PLMonitor:
    """Watch the local Polyak-Lojasiewicz curvature of a training run, and say what the run is doing.

    The loop calls it, outside of compiled functions, with what these return: the loss and `squared_norm(gradients)`.

    Parameters
    ----------
    step_size : float
        Learning rate of plain gradient descent; with momentum m, lr/(1 - m).
    target : float, optional
        Loss that counts as converged, by default a ten-thousandth of the first, above the floor.
    floor : float
        Smallest loss there is, if known.
    memory : int
        Looks over which figures are smoothed: some tens for mini-batches, whose |g|^2 is too large by
        tr(covariance)/B on average; give `product` to be without that bias.
    plain : bool
        False for Adam and other optimizers that rescale the gradient: then only a loss that blows up is called a step
        too large.

    Examples
    --------
    >>> import jax, jax.numpy as jnp
    >>> from thalweg.adapters.jax import PLMonitor, squared_norm
    >>> @jax.jit
    ... def step(w):
    ...     loss, gradient = jax.value_and_grad(lambda w: 0.5 * jnp.sum(w**2))(w)
    ...     return w - 0.01 * gradient, loss, squared_norm(gradient)
    >>> w, monitor = jnp.ones(3), PLMonitor(step_size=0.01)
    >>> for _ in range(100):
    ...     w, loss, square = step(w)
    ...     scalars = monitor.step(loss, square)
    >>> round(scalars["pl/curvature"], 3), monitor.judgement().state
    (2.0, 'descending')
    """

    def __init__(
        self,
        step_size: float,
        *,
        target: float | None = None,
        floor: float = 0.0,
        memory: int = 1,
        plain: bool = True,
    ) -> None:
        self._step_size = check.real("PLMonitor", "step_size", step_size, above=0.0)
        self._record = PLRecord(target=target, floor=floor, memory=memory, plain=plain)

    def step(
        self, loss: Any, square: Any, *, product: Any = None, step_size: float | None = None, steps: int = 1
    ) -> dict[str, float]:
        """Look at a state.

        Parameters
        ----------
        loss, square : scalars
            The loss, and the squared norm of its gradient.
        product : scalar, optional
            Inner product of the gradients of two batches, such as this and the one before.
        step_size : float, optional
            The step size with which this state is left, where a schedule changes it.
        steps : int
            Steps since the last look.

        Returns
        -------
        dict of str to float
            See `thalweg.adapters.monitor`.
        """
        self._step_size = self._step_size if step_size is None else step_size
        norm = float(jnp.sqrt(square))
        agreement = None if product is None else float(product)
        self._record.add(float(loss), norm, self._step_size, agreement=agreement, steps=steps)
        return self._record.scalars()

    def judgement(self) -> Judgement:
        """Say what the run is doing."""
        return self._record.judgement()

    def __str__(self) -> str:
        return str(self.judgement())


def squared_norm(gradients: Any) -> Array:
    """Return |g|^2 over all leaves of a pytree, summed in at least 32 bits; may be compiled.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from thalweg.adapters.jax import squared_norm
    >>> float(squared_norm({"a": jnp.array([3.0]), "b": [jnp.array(4.0)]}))
    25.0
    """
    return sum((jnp.sum(jnp.abs(_wide(leaf)) ** 2) for leaf in jax.tree.leaves(gradients)), jnp.zeros(()))


def _wide(x: Any) -> Array:
    """Return an array of at least 32 bits, in which squares do not overflow so soon and logarithms have digits."""
    return jnp.asarray(x, jnp.promote_types(jnp.result_type(x), jnp.float32))


class PLState(NamedTuple):
    """State of `watch`: figures of the last step, arrays of no dimension.

    Attributes
    ----------
    time, loss, first : scalars
        Sum of the step sizes, loss of the last step and of the first.
    curvature, curvature_discrete, average_curvature : scalars
        See `thalweg.adapters.monitor`; NaN before there is a second loss.
    seen : int scalar
        Steps seen.

    Examples
    --------
    >>> import jax.numpy as jnp
    >>> from thalweg.adapters.jax import watch
    >>> state = watch(0.1).init(jnp.ones(3))
    >>> type(state).__name__, int(state.seen)
    ('PLState', 0)
    """

    time: Array
    loss: Array
    first: Array
    curvature: Array
    curvature_discrete: Array
    average_curvature: Array
    seen: Array


def watch(step_size: float, floor: float = 0.0) -> Any:
    """Return an optax transformation that leaves updates as they are, and keeps curvatures in its state.

    Put it first in the chain, where updates are still the gradients, and pass the loss:

        optimizer = optax.chain(watch(0.1), optax.sgd(0.1))
        updates, state = optimizer.update(gradients, state, params, value=loss)

    Parameters
    ----------
    step_size : float
        As for `PLMonitor`.
    floor : float
        Smallest loss there is, if known.

    Returns
    -------
    optax.GradientTransformationExtraArgs
        Its state is a `PLState`, compiled with the step; hand `loss` and the square of the gradient, curvature times
        loss, to a `PLMonitor` for a judgement.

    Examples
    --------
    >>> import jax, jax.numpy as jnp, optax
    >>> from thalweg.adapters.jax import watch
    >>> optimizer = optax.chain(watch(0.1), optax.sgd(0.1))
    >>> w = jnp.ones(3)
    >>> state = optimizer.init(w)
    >>> for _ in range(3):
    ...     loss, gradient = jax.value_and_grad(lambda w: 0.5 * jnp.sum(w**2))(w)
    ...     updates, state = optimizer.update(gradient, state, w, value=loss)
    ...     w = optax.apply_updates(w, updates)
    >>> round(float(state[0].curvature), 4)
    2.0
    """
    try:
        import optax
    except ImportError:
        raise missing_extra("optax", "jax") from None
    eta = check.real("watch", "step_size", step_size, above=0.0)
    check.real("watch", "floor", floor)

    def init(params: Any) -> PLState:
        nan = jnp.full((), jnp.nan)
        return PLState(jnp.zeros(()), nan, nan, nan, nan, nan, jnp.zeros((), jnp.int32))

    def update(updates: Any, state: PLState, params: Any = None, *, value: Any = None, **_: Any) -> Any:
        if value is None:
            raise check.fail("watch", "value", "be the loss: optimizer.update(..., value=loss)", "nothing")
        loss = _wide(value)
        begun = state.seen > 0
        first = jnp.where(begun, state.first, loss)
        time = jnp.where(begun, state.time + eta, 0.0)
        found = PLState(
            time=time,
            loss=loss,
            first=first,
            curvature=squared_norm(updates) / (loss - floor),
            curvature_discrete=jnp.log((state.loss - floor) / (loss - floor)) / eta,
            average_curvature=jnp.log((first - floor) / (loss - floor)) / time,
            seen=state.seen + 1,
        )
        return updates, found

    transformation: Any = optax.GradientTransformationExtraArgs  # its types speak of no state in particular
    return transformation(init, update)
