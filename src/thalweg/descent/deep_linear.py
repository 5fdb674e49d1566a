"""Gradient descent on a deep linear network."""

from __future__ import annotations

import time

import numpy as np

from .. import _validate as check
from .._descent_outcome import DescentOutcome
from .._typing import FloatArray, IntArray
from ..data.target import Target
from ..flow.interrupt import DeferredInterrupt
from ..flow.linear.drive import fitting, rounding_floor
from ..flow.linear.route import LinearState
from ..flow.linear.trajectory import LinearTrajectory
from ..flow.progress import Progress
from ..flow.stops import Stop, as_stop
from ..networks.deep_linear import DeepLinearNetwork
from ..networks.forms import zero_asymmetric
from .descenders import Descender, LayerDescent, ModeDescent
from .schedule import certified_step, ended_by, loss_level, marks
from .steps import first_gain, one_step_note, safe_step

# Iterations recorded: the first ones all, then evenly spaced ones.
_FIRST, _EVENLY = 256, 1792
# A loss that grew by this factor does not come back.
_DIVERGED = 1e30


def descend_deep_linear(
    network: DeepLinearNetwork,
    target: Target,
    *,
    step_size: float | str,
    steps: int,
    momentum: float = 0.0,
    stop: object = None,
    kernel: str = "numba",
    progress: bool | None = None,
) -> LinearTrajectory:
    """Run full-batch gradient descent W_l <- W_l - step_size dR/dW_l on a deep linear network, all layers at once.

    From exact zero-asymmetric starts, on whitened data or such as commute with the target, an iteration costs
    O(min(d_in, d_out)) at any depth, and the path is that of all layers; other starts are stepped layer by layer.

    Parameters
    ----------
    network : DeepLinearNetwork
        The start.
    target : Target
    step_size : float or "safe"
        "safe" is the largest step with a proof, see `safe_step`; for plain gradient descent from exact ZAS only.
    steps : int
        Iterations at most.
    momentum : float
        Of the heavy ball, in [0, 1), 0 for plain gradient descent.
    stop : Stop or function, optional
        When to stop earlier. LossBelow is judged at every iteration, other conditions at those recorded: the start, the
        first 256 and about 1800 more. The running state has the number of iterations times the step size as its time.
    kernel : {"numba", "numpy"}
        Compiled kernel of the reduced iteration, or its slow twin.
    progress : bool, optional
        Show a progress bar. By default on a terminal, for runs of over two seconds.

    Returns
    -------
    LinearTrajectory
        With `iteration`. `guarantee` says which bound applied; `notes` if the step size solves any target at once.

    Raises
    ------
    InputError
        For shapes that do not fit, parameters out of range, or "safe" where nothing is proved.

    Examples
    --------
    >>> import thalweg as tw
    >>> target = tw.Target([[1.0, 2.0], [0.5, -1.0]])
    >>> traj = tw.descend(tw.init.zas(1000, 2), target, step_size="safe", steps=10_000, stop=tw.LossBelow(1e-9))
    >>> traj.outcome.name, traj.route
    ('LOSS_BELOW', 'modes')
    """
    owner = "descend"
    fitting(owner, network, target)
    steps = check.positive_int(owner, "steps", steps)
    momentum = check.real(owner, "momentum", momentum, at_least=0.0, below=1.0)
    check.one_of(owner, "kernel", kernel, ("numba", "numpy"))
    eta = _step_size(network, target, step_size, momentum)
    condition = as_stop(stop, owner).begin(target)
    form, spectrum = zero_asymmetric(network), target.spectrum
    descender: Descender
    if form is not None and spectrum is not None:
        descender = ModeDescent(form, spectrum, eta, momentum, kernel)
    else:
        descender = LayerDescent(network, target, eta, momentum)
    floor = rounding_floor(target)
    level = max(floor, loss_level(condition) - target.floor)
    recorded = marks(steps, _FIRST, _EVENLY)
    # Certificates are of plain gradient descent with the step size they were asked for.
    proved = certified_step(condition) == eta and momentum == 0.0
    iterations, states, outcome = _run(
        descender, recorded, eta, condition, level, floor, target, proved=proved, progress=progress
    )
    bound, guarantee = _bound(network, target, eta, momentum, states[0].excess, iterations)
    note = one_step_note(form, target, eta) if form is not None else None
    return LinearTrajectory(
        t=np.array([state.t for state in states]),
        excess=np.array([state.excess for state in states]),
        curvature=np.array([state.curvature for state in states]),
        singular_values=np.stack([state.singular_values for state in states]),
        drift=np.array([state.drift for state in states]),
        bound=bound,
        target=target,
        start=network,
        final=states[-1].network(),
        outcome=outcome,
        route=descender.name,
        why=descender.why,
        guarantee=guarantee,
        notes=(note,) if note else (),
        settings={"step_size": eta, "steps": steps, "momentum": momentum, "kernel": kernel},
        iteration=iterations,
    )


def _step_size(network: DeepLinearNetwork, target: Target, step_size: float | str, momentum: float) -> float:
    if isinstance(step_size, str):
        if step_size != "safe":
            raise check.fail("descend", "step_size", "be a number above 0 or 'safe'", repr(step_size))
        if momentum:
            raise check.fail("descend", "momentum", "be 0 with step_size='safe', which is proved without it", momentum)
        return safe_step(network, target)
    return check.real("descend", "step_size", step_size, above=0.0)


def _run(
    descender: Descender,
    recorded: IntArray,
    eta: float,
    condition: Stop,
    level: float,
    floor: float,
    target: Target,
    *,
    proved: bool,
    progress: bool | None,
) -> tuple[IntArray, list[LinearState], DescentOutcome]:
    """Descend from mark to mark until something ends the run."""
    begun = time.monotonic()
    at, states = [0], [descender.state(0.0)]
    ceiling = _DIVERGED * (states[0].excess + target.excess(target.Phi))
    if states[0].curvature == 0.0 and states[0].excess > floor:
        return np.array(at), states, DescentOutcome.STATIONARY
    with DeferredInterrupt() as interrupt, Progress(progress, eta * int(recorded[-1]), "descending") as bar:
        for mark in recorded:
            made, why = _advance(descender, int(mark) - at[-1], level, ceiling, interrupt)
            if made:
                at.append(at[-1] + made)
                states.append(descender.state(at[-1] * eta))
            state = states[-1]
            if why == 2:
                return np.array(at), states, DescentOutcome.DIVERGED
            if state.excess <= floor:
                return np.array(at), states, DescentOutcome.ROUNDING_FLOOR
            running = state.running(target, time.monotonic() - begun)
            bar.show(running)
            ended = condition(running)
            if why == 1 or ended is not None:
                return np.array(at), states, ended_by(ended, proved=proved)
            if interrupt.asked:
                return np.array(at), states, DescentOutcome.INTERRUPTED
    return np.array(at), states, DescentOutcome.STEPS_DONE


def _advance(
    descender: Descender, count: int, level: float, ceiling: float, interrupt: DeferredInterrupt
) -> tuple[int, int]:
    """Advance by `count` iterations, or fewer if Ctrl-C was pressed: between two marks there may be minutes."""
    made, why = descender.advance(min(count, descender.piece), level, ceiling)
    while why == 0 and made < count and not interrupt.asked:
        more, why = descender.advance(min(count - made, descender.piece), level, ceiling)
        made += more
    return made, why


def _bound(
    network: DeepLinearNetwork, target: Target, eta: float, momentum: float, first: float, iterations: IntArray
) -> tuple[FloatArray, str]:
    """Return what is proved of the excess at these iterations, and in words."""
    nothing = np.full(len(iterations), np.nan)
    form = zero_asymmetric(network)
    if form is None or target.spectrum is None:
        return nothing, "none: the discrete theorem needs an exactly zero-asymmetric start and data that commute"
    if momentum:
        return nothing, "none: the discrete theorem is of plain gradient descent"
    largest = safe_step(network, target)
    if eta > largest * (1 + 1e-12):
        return nothing, f"none: step_size {eta:.4g} is above the proved eta* = {largest:.4g}"
    rate = eta * first_gain(form) * target.moment_range[0]
    proved = first * np.exp(2 * iterations * np.log1p(-rate))
    return (
        proved,
        f"zero-asymmetric start, step_size <= eta* = {largest:.4g}: (1 - {rate:.3g})^2 per step, no overshoot",
    )
