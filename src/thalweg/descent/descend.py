"""tw.descend: gradient descent, on a shallow or a deep linear network."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast, overload

from numpy.typing import ArrayLike

from .. import _validate as check
from ..data.dataset import Dataset
from ..data.target import Target
from ..networks.deep_linear import DeepLinearNetwork
from ..networks.shallow import ShallowNetwork

if TYPE_CHECKING:
    from ..flow.linear import LinearTrajectory
    from .shallow import DescentTrajectory


@overload
def descend(
    network: ShallowNetwork,
    data: Dataset,
    *,
    step_size: float,
    steps: int,
    stop: object = None,
    record: ArrayLike | None = None,
    precision: str = "float64",
    progress: bool | None = None,
) -> DescentTrajectory: ...
@overload
def descend(
    network: DeepLinearNetwork,
    data: Target,
    *,
    step_size: float | str,
    steps: int,
    stop: object = None,
    progress: bool | None = None,
    momentum: float = 0.0,
    kernel: str = "numba",
) -> LinearTrajectory: ...
def descend(
    network: ShallowNetwork | DeepLinearNetwork,
    data: Dataset | Target,
    *,
    step_size: float | str,
    steps: int,
    stop: object = None,
    record: ArrayLike | None = None,
    precision: str = "float64",
    progress: bool | None = None,
    momentum: float = 0.0,
    kernel: str = "numba",
) -> DescentTrajectory | LinearTrajectory:
    """Run full-batch gradient descent: shallow ReLU or leaky ReLU networks on data, or deep linear ones on a target.

    For a ShallowNetwork a step is theta <- theta - step_size p grad L, which is a step of that size, by the plain
    gradient, of the unnormalised network theta/sqrt(p), PyTorch's: iteration k approximates the flow at
    t = k step_size. At a kink the subgradient is that of the inactive side, 0 for ReLU, as in PyTorch.

    For a DeepLinearNetwork see `thalweg.descent.descend_deep_linear`. For many small runs see
    `thalweg.descent.descend_many`.

    Parameters
    ----------
    network : ShallowNetwork or DeepLinearNetwork
        The start.
    data : Dataset or Target
        Inputs and labels; the target of a deep linear network.
    step_size : float or "safe"
        "safe" is a step with a proof, see `thalweg.descent.safe_step`; for deep linear networks only. For shallow ones
        see `thalweg.descent.largest_stable_step`.
    steps : int
        Iterations at most.
    stop : Stop or function, optional
        When to stop earlier. LossBelow is judged at every iteration, other conditions at those recorded. The running
        state has the number of iterations times the step size as its time.
    record : array (T,) of int, optional
        Iterations to record, increasing, within [0, steps]; the last one made is always added. By default the start,
        the first ones and up to several hundred spread evenly. For shallow networks only.
    precision : {"float64", "float32"}
        Of all arithmetic but sums of squares; float32 takes about half the time. For shallow networks only.
    progress : bool, optional
        Show a progress bar. By default on a terminal, for runs of over two seconds.
    momentum : float
        Of the heavy ball, in [0, 1). For deep linear networks only.
    kernel : {"numba", "numpy"}
        As for `thalweg.descent.descend_deep_linear`. For deep linear networks only.

    Returns
    -------
    DescentTrajectory or LinearTrajectory
        With the outcome. Ctrl-C returns what has been computed so far; twice raises.

    Raises
    ------
    InputError
        For a network that does not fit the data, parameters out of range or for the other kind of network.

    Examples
    --------
    >>> import thalweg as tw
    >>> data, network = tw.data.sphere(30, 10, seed=1), tw.init.dominated(10, 30, seed=2)
    >>> traj = tw.descend(network, data, step_size=1.0, steps=500, stop=tw.LossBelow(1 / 60))
    >>> traj.outcome.name, bool(traj.loss[-1] <= 1 / 60)
    ('LOSS_BELOW', True)
    """
    shallow = {"record": (record, None), "precision": (precision, "float64")}
    linear = {"momentum": (momentum, 0.0), "kernel": (kernel, "numba")}
    if isinstance(network, DeepLinearNetwork):
        check.left_out("descend", shallow, "shallow networks")
        from .deep_linear import descend_deep_linear

        return descend_deep_linear(
            network,
            cast(Target, data),
            step_size=step_size,
            steps=steps,
            momentum=momentum,
            stop=stop,
            kernel=kernel,
            progress=progress,
        )
    if not isinstance(network, ShallowNetwork):
        raise check.fail("descend", "network", "be a ShallowNetwork or a DeepLinearNetwork", type(network).__name__)
    check.left_out("descend", linear, "deep linear networks")
    from .shallow import descend_shallow

    return descend_shallow(
        network,
        cast(Dataset, data),
        step_size=step_size,
        steps=steps,
        stop=stop,
        record=record,
        precision=precision,
        progress=progress,
    )
