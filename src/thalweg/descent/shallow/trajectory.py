"""The result of gradient descent on a shallow network."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ... import _validate as check
from ..._descent_outcome import DescentOutcome
from ..._typing import FloatArray, IntArray
from ...data.dataset import Dataset
from ...networks.shallow import ShallowNetwork
from .stability import largest_stable_step

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ...flow.trajectory import Trajectory


@dataclass(frozen=True, eq=False)
class FlowDistance:
    """How far a descent is from the flow of the same start at the same times.

    Attributes
    ----------
    t : array (T,)
        Iterations times the step size; fewer than recorded if the flow ended earlier.
    outputs : array (T,)
        Root mean square of the differences of the outputs h(x_i), relative to that of the labels.
    flow : Trajectory
        The flow.

    Examples
    --------
    >>> import thalweg as tw
    >>> data, network = tw.data.sphere(10, 20, seed=1), tw.init.dominated(20, 8, seed=2)
    >>> found = tw.descend(network, data, step_size=0.01, steps=400).distance_to_flow()
    >>> len(found.t) == len(found.outputs), found.flow.outcome.name, bool(found.outputs.max() < 0.1)
    (True, 'REACHED_END', True)
    """

    t: FloatArray
    outputs: FloatArray
    flow: Trajectory

    def __str__(self) -> str:
        worst = int(self.outputs.argmax())
        return (
            f"distance to the flow: {self.outputs[-1]:.3g} of the labels at t = {self.t[-1]:.6g}, "
            f"at most {self.outputs[worst]:.3g}, at t = {self.t[worst]:.6g}"
        )


@dataclass(frozen=True, eq=False, repr=False)
class DescentTrajectory:
    """Gradient descent on a shallow network from its start to its outcome.

    Attributes
    ----------
    iteration : array (T,) of int
        The iterations recorded.
    loss : array (T,)
        L = (1/2n) sum_i r_i^2 there.
    curvature : array (T,)
        p |grad L|^2/L: the local PL curvature -d log L/dt of the flow that starts at this state.
    curvature_discrete : array (T,)
        What the next step makes of it, -log(L_{k+1}/L_k)/step_size. Below `curvature` by what the step overshoots:
        by curved ground, and by kinks across which it chatters where the flow slides. Negative where the loss rises.
    residuals : array (T, n)
        r_i = y_i - h(x_i).
    start, final : ShallowNetwork
        `final` is the network at the end of the run; descend on from it.
    outcome : DescentOutcome
        How the run ended, with advice.
    data : Dataset
    settings : dict
        Step size, steps, precision, and the route: what was stepped.

    Examples
    --------
    >>> import thalweg as tw
    >>> data, network = tw.data.sphere(10, 20, seed=1), tw.init.dominated(20, 8, seed=2)
    >>> traj = tw.descend(network, data, step_size=0.5, steps=100, record=[0, 10])
    >>> traj.iteration, traj.residuals.shape, traj.outcome.name
    (array([  0,  10, 100]), (3, 10), 'STEPS_DONE')
    >>> bool(traj.step_size < traj.stable_steps[0])
    True
    """

    iteration: IntArray
    loss: FloatArray
    curvature: FloatArray
    curvature_discrete: FloatArray
    residuals: FloatArray
    start: ShallowNetwork
    final: ShallowNetwork
    outcome: DescentOutcome
    data: Dataset
    settings: dict[str, str | int | float | None]

    @property
    def step_size(self) -> float:
        """The step size."""
        return float(self.settings["step_size"])  # type: ignore[arg-type]

    @property
    def t(self) -> FloatArray:
        """Iterations times the step size, the time of the flow that the descent follows, an array (T,)."""
        return np.multiply(self.iteration, self.step_size, dtype=np.float64)

    @property
    def average_curvature(self) -> FloatArray:
        """Average PL curvature log(L(0)/L(t))/t, an array (T,); at the first of `t` it is the local curvature."""
        from ...curvature.local import average

        return average(self.t, self.loss, self.curvature)

    @cached_property
    def stable_steps(self) -> tuple[float, float]:
        """The largest stable step size at the start and at the end; see `largest_stable_step`. Computed once."""
        return largest_stable_step(self.start, self.data), largest_stable_step(self.final, self.data)

    def distance_to_flow(self, rtol: float = 1e-6) -> FlowDistance:
        """Flow from the same start, and compare at the recorded iterations.

        Parameters
        ----------
        rtol : float
            Relative accuracy of the flow.

        Examples
        --------
        >>> import thalweg as tw
        >>> data, network = tw.data.sphere(10, 20, seed=1), tw.init.dominated(20, 8, seed=2)
        >>> print(tw.descend(network, data, step_size=0.01, steps=400).distance_to_flow())
        distance to the flow: 0.00... of the labels at t = 4, at most 0.0..., at t = ...
        """
        from ...flow import flow

        if self.t[-1] == 0:
            raise check.fail("distance_to_flow", "traj", "have made a step", "none")
        traj = flow(
            self.start, self.data, t_end=self.t[-1], times=self.t, rtol=rtol, progress=False, accept_contradictions=True
        )
        shared = np.isin(self.t, traj.t)
        difference = self.residuals[shared] - traj.residuals[np.isin(traj.t, self.t)]
        outputs = np.sqrt((difference**2).mean(axis=1) / (self.data.y**2).mean())
        return FlowDistance(self.t[shared], outputs, traj)

    def plot(self) -> Figure:
        """Draw the loss, both curvatures and the residuals."""
        from .picture import overview

        return overview(self)

    def save(self, path: str | Path) -> Path:
        """Save everything, the data included, to one .npz file that is complete or not there at all."""
        from .storage import save

        return save(self, path)

    @classmethod
    def load(cls, path: str | Path) -> DescentTrajectory:
        """Load a trajectory saved by `save`, equal to the last bit.

        Raises
        ------
        InputError
            If the file is missing, truncated or of another kind.
        """
        from .storage import load

        return load(path)

    def __len__(self) -> int:
        return len(self.iteration)

    def __repr__(self) -> str:
        return (
            f"DescentTrajectory({self.data.name!r}, p={self.final.p}, iteration={int(self.iteration[-1])}, "
            f"loss={self.loss[-1]:.3g}, {self.outcome.name})"
        )

    def __str__(self) -> str:
        from ...report.prose import as_text
        from .words import facts, verdict

        return as_text(verdict(self), facts(self))

    def _repr_html_(self) -> str:
        from ...report.prose import as_html
        from .words import facts, verdict

        return as_html(verdict(self), facts(self))
