"""Does a slightly different start follow the same path?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from .. import _validate as check
from .._outcome import Outcome
from .._typing import FloatArray
from ..networks.shallow import ShallowNetwork
from .coordinates import Coordinates

if TYPE_CHECKING:
    from .trajectory import Trajectory

# Neighbouring starts of one branch end about as far apart as they began: responses of 0.2 to 3 were measured, the
# flow contracting towards the minima. Another branch is orders of magnitude away.
LARGEST_SMOOTH_RESPONSE = 10.0


@dataclass(frozen=True, eq=False)
class Conditioning:
    """Response of a trajectory to perturbations of its start.

    Attributes
    ----------
    relative : float
        Size of the perturbations, relative to each |w_j|.
    responses : array (seeds,)
        Relative change of the preactivations at the last time, divided by `relative`, for each perturbation.
    loss_changes : array (seeds,)
        Relative change of the last loss.

    Examples
    --------
    >>> import thalweg as tw
    >>> data, network = tw.data.sphere(6, 20, seed=1), tw.init.dominated(20, 8, seed=2)
    >>> found = tw.flow(network, data, t_end=5.0).conditioning(seeds=2)
    >>> found.isolated, found.responses.shape
    (True, (2,))
    """

    relative: float
    responses: FloatArray
    loss_changes: FloatArray

    @property
    def response(self) -> float:
        """The largest response."""
        return float(self.responses.max())

    @property
    def isolated(self) -> bool:
        """Whether every perturbed start stayed on the branch: no other branch was found within reach."""
        return self.response <= LARGEST_SMOOTH_RESPONSE

    def __str__(self) -> str:
        moved = self.response * self.relative
        if self.isolated:
            return f"isolated path: a {self.relative:.0e} perturbation moves z by {moved:.1e}"
        jumped = int((self.responses > LARGEST_SMOOTH_RESPONSE).sum())
        return (
            f"another branch within reach: a {self.relative:.0e} perturbation of the start moves z by {moved:.1e} "
            f"({jumped} of {len(self.responses)} seeds). The path is one of several; pool statistics over seeds, and "
            "compare with other methods on well-conditioned paths only"
        )


def conditioning(traj: Trajectory, relative: float = 1e-4, seeds: int = 3) -> Conditioning:
    """Flow again from perturbed starts and compare the ends.

    Each w_j moves by `relative` |w_j| in a random direction of the span of the inputs (where w can matter). Where
    |a_j| >= |w_j|, a_j follows, so that a_j^2 - |w_j|^2 stays exactly what it is; elsewhere, where it would have to
    move further than w_j, a_j stays.

    Parameters
    ----------
    traj : Trajectory
        The path to test.
    relative : float
        Size of the perturbations, from the rtol of the run to 0.1.
    seeds : int
        Number of perturbations.
    """
    from .solve import flow

    rtol = float(traj.settings["rtol"] or 1e-6)
    # Differences below the run's own errors say nothing about its start.
    relative = check.real("conditioning", "relative", relative, at_least=rtol, at_most=0.1)
    seeds = check.positive_int("conditioning", "seeds", seeds)
    start, data = traj.networks.start, traj.data
    end = float(traj.t[-1])
    if end == 0.0:
        raise check.fail("conditioning", "traj", "have flowed for some time", "t = 0")
    final = traj.networks[-1].preactivations(data.X)  # not traj.final: t_end need not be an output time
    responses, losses = np.empty(seeds), np.empty(seeds)
    for k, seed in enumerate(np.random.SeedSequence(2025).spawn(seeds)):
        other = flow(
            _perturbed(start, traj, relative, np.random.default_rng(seed)),
            data,
            t_end=end,
            times=[end],
            rtol=rtol,
            kernel=str(traj.settings["kernel"]),
            threads=int(traj.settings["threads"] or 1),
            progress=False,
            accept_contradictions=True,
        )
        if other.outcome is Outcome.INTERRUPTED:  # at another time there is nothing to compare
            raise KeyboardInterrupt
        change = np.linalg.norm(other.final.preactivations(data.X) - final) / np.linalg.norm(final)
        responses[k] = change / relative
        losses[k] = abs(other.loss[-1] / traj.loss[-1] - 1.0) if traj.loss[-1] > 0 else 0.0
    return Conditioning(relative, responses, losses)


def _perturbed(start: ShallowNetwork, traj: Trajectory, relative: float, rng: np.random.Generator) -> ShallowNetwork:
    data = traj.data
    coordinates = None if data.is_orthogonal else Coordinates.of(data)
    if coordinates is None:
        directions = np.asarray((data.X.T @ (rng.standard_normal((start.p, data.n)) / data.norms).T).T)
    else:
        raw = rng.standard_normal((start.p, coordinates.dimension))
        moved = coordinates.moved(raw)
        directions = moved if data.d <= data.n else np.asarray((data.X.T @ moved.T).T)
    norms = np.linalg.norm(start.W, axis=1)
    W = start.W + directions * (relative * norms / np.linalg.norm(directions, axis=1))[:, None]
    squares = np.einsum("jk,jk->j", W, W)
    dominated = start.invariant >= 0
    a = np.where(dominated, np.copysign(np.sqrt(np.maximum(start.invariant + squares, 0.0)), start.a), start.a)
    return start.replace(W=W, a=a, invariant=np.where(dominated, start.invariant, a**2 - squares))
