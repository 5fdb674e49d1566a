"""The flow of deep linear networks: pick the best exact route, follow it, gather the trajectory."""

from __future__ import annotations

import math
import time

import numpy as np
from numpy.typing import ArrayLike

from ... import _validate as check
from ..._errors import InputError
from ..._outcome import Outcome
from ..._typing import FloatArray
from ...data.target import LARGEST, Target
from ...init.zas import LOG_RANGE
from ...networks.deep_linear import DeepLinearNetwork
from ...networks.forms import balanced_hidden, fully_balanced, zero_asymmetric
from ..interrupt import DeferredInterrupt
from ..progress import Progress
from ..stops import as_stop
from .guarantee import guarantee
from .layers import LayerRoute
from .product import ProductRoute
from .reduced import ReducedRoute
from .route import LinearState, Route
from .trajectory import LinearTrajectory
from .zas import ClockRoute

EPS = float(np.finfo(np.float64).eps)
MOST_OUTPUTS = 1024
# Below this share of the loss of the zero map no relative accuracy is promised.
_ACCURATE = 1e-12
# Where the loss has not fallen for so long that, by its curvature, the flow divides it by exp(_DUE), what is left of
# it is the error of integration.
_DUE = 10.0
_UNRESOLVED = "The loss no longer falls: what is left is the error of integration, which a smaller rtol makes smaller."


def flow_deep_linear(
    network: DeepLinearNetwork,
    target: Target,
    *,
    t_end: float,
    times: ArrayLike | None = None,
    rtol: float = 1e-6,
    stop: object = None,
    progress: bool | None = None,
) -> LinearTrajectory:
    """Compute the gradient flow dW_l/dt = -dR/dW_l of a deep linear network, by the best exact route there is.

    Zero-asymmetric starts are read off the error clock, at the same cost at any depth; balanced hidden layers reduce
    to the last layer and a rotation, fully balanced ones to their product; anything else is integrated layer by layer.
    `LinearTrajectory.route` says which it was. Where singular values fall so low that a reduction has no digits left to
    go on with, at a saddle, all layers are integrated from there.

    Parameters
    ----------
    network : DeepLinearNetwork
        The start.
    target : Target
    t_end : float
        Time to flow for.
    times : array (T,), optional
        Output times, increasing, within [0, t_end].
    rtol : float
        Relative accuracy asked of the loss, in [1e-12, 1e-2], while it is above 1e-12 of that of the zero map. The
        error clock is exact to rounding whatever it is.
    stop : Stop or function, optional
        When to stop earlier, judged at the output times of the error clock and at every step elsewhere. The running
        state has no residuals here.
    progress : bool, optional
        Show a progress bar. By default on a terminal, for runs of over two seconds.

    Raises
    ------
    InputError
        For shapes that do not fit, parameters out of range, or a network too deep to be written out that does not
        reduce.

    Examples
    --------
    >>> import numpy as np, thalweg as tw
    >>> traj = tw.flow(tw.init.zas(depth=1_000_000, dim=3), tw.Target(-np.eye(3)), t_end=1.0, times=[0.0, 1e-4])
    >>> traj.route, bool(traj.loss[1] < traj.loss[0])
    ('error clock', True)
    """
    wanted = _checked(network, target, t_end, times, rtol)
    condition = as_stop(stop).begin(target)
    route = choose(network, target)
    proved = guarantee(network, target)
    floor, accurate = rounding_floor(target), _ACCURATE * target.excess(target.Phi)
    least, due, before = math.inf, 0.0, 0.0
    begun = time.monotonic()
    rows: list[LinearState] = []
    stride = since = 1
    outcome, state, unresolved = None, None, False
    with DeferredInterrupt() as interrupt, Progress(progress, t_end) as bar:
        for state, output in route.march(float(t_end), wanted, float(rtol)):
            running = state.running(target, time.monotonic() - begun)
            due = 0.0 if state.excess < least else due + state.curvature * (state.t - before)
            least, before = min(least, state.excess), state.t
            bar.show(running)
            outcome = Outcome.INTERRUPTED if interrupt.asked else None
            unresolved = due > _DUE and least <= accurate
            outcome = outcome or (Outcome.ROUNDING_FLOOR if unresolved or state.excess <= floor else None)
            outcome = outcome or (Outcome.STATIONARY if state.curvature == 0.0 else condition(running))
            if outcome is not None:
                break
            since += 1
            if output and (wanted is not None or since >= stride):
                rows.append(state)
                since = 0
                if wanted is None and len(rows) >= 2 * MOST_OUTPUTS:
                    rows, stride = rows[::2], 2 * stride
    assert state is not None
    if outcome is None and state.t < t_end:
        outcome = Outcome.ROUNDING_FLOOR if state.excess <= 1e6 * floor else Outcome.STEP_TOO_SMALL
    if (outcome is not None or wanted is None) and (not rows or rows[-1].t < state.t):
        rows.append(state)
    first = target.excess(target.error(network.product()))
    t = np.array([row.t for row in rows])
    return LinearTrajectory(
        t=t,
        excess=np.array([row.excess for row in rows]),
        curvature=np.array([row.curvature for row in rows]),
        singular_values=np.stack([row.singular_values for row in rows]),
        drift=np.array([row.drift for row in rows]),
        bound=first * np.exp(-2 * proved.rate * t),
        target=target,
        start=network,
        final=state.network(),
        outcome=outcome or Outcome.REACHED_END,
        route=route.name if state.left is None else f"{route.name}, all layers from t = {state.left:.6g}",
        why=route.why if state.left is None else f"{route.why}, until they had too few digits left to go on with",
        guarantee=proved.text,
        notes=(_UNRESOLVED,) if unresolved else (),
        settings={"t_end": float(t_end), "rtol": float(rtol), "rate": proved.rate},
    )


def choose(network: DeepLinearNetwork, target: Target) -> Route:
    """Return the cheapest exact route for this start and target."""
    form = zero_asymmetric(network)
    if form is not None and (spectrum := target.spectrum) is not None:
        return ClockRoute(form, spectrum)
    if fully_balanced(network):
        return ProductRoute(network, target)
    if (hidden := balanced_hidden(network)) is not None:
        return ReducedRoute(hidden, target, transposed=False)
    # Transposed, the data would stand on the outputs' side.
    if target.scale is not None and (hidden := balanced_hidden(network.transposed())) is not None:
        turned = Target(target.Phi.T, target.scale * np.eye(target.d_out))
        return ReducedRoute(hidden, turned, transposed=True)
    return LayerRoute(network, target)


def rounding_floor(target: Target) -> float:
    """Return the excess at which the error is nothing but rounding of Phi."""
    return 0.5 * target.moment_range[1] * (128 * EPS * float(np.linalg.norm(target.Phi))) ** 2


def fitting(owner: str, network: object, target: object) -> None:
    """Refuse a network and a target that do not belong together, and powers that float64 does not hold."""
    if not isinstance(network, DeepLinearNetwork):
        raise check.fail(owner, "network", "be a DeepLinearNetwork", type(network).__name__)
    if not isinstance(target, Target):
        raise check.fail(owner, "target", "be a Target (tw.Target(Phi))", type(target).__name__)
    if (network.d_out, network.d_in) != target.Phi.shape:
        shape = f"have {target.d_in} inputs and {target.d_out} outputs, as the target has"
        raise check.fail(owner, "network", shape, f"{network.d_in} and {network.d_out}")
    form = zero_asymmetric(network)
    if form is not None and abs(form.hidden * math.log(form.alpha)) > LOG_RANGE:
        raise InputError(
            f"The layers are {form.alpha:g} times the identity, and {form.hidden} of them multiply to a power beyond "
            "float64. Take a size nearer to 1: see tw.init.zas_alpha."
        )
    with np.errstate(over="ignore", invalid="ignore"):
        size = float(np.abs(network.product()).max())
    if not size <= LARGEST:
        raise InputError(
            f"The product of the layers has an entry {size:.0e}, too large for squares of it in float64. Rescale the "
            "network."
        )


def _checked(
    network: object, target: object, t_end: object, times: ArrayLike | None, rtol: object
) -> FloatArray | None:
    """Validate the arguments; return the output times."""
    fitting("flow", network, target)
    end = check.real("flow", "t_end", t_end, above=0.0)
    check.real("flow", "rtol", rtol, at_least=1e-12, at_most=1e-2)
    return check.output_times("flow", times, end)
