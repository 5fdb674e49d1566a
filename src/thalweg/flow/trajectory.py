"""The result of a flow: what happened, at every output time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np

from .._outcome import Outcome
from .._typing import FloatArray, IntArray, ModeArray
from ..data.dataset import Dataset
from ..networks.shallow import INVARIANT_SLACK, ShallowNetwork
from ..networks.weights import SMALLEST
from .audit import Audit
from .conditioning import Conditioning

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from pandas import DataFrame
    from rich.table import Table
    from xarray import Dataset as XarrayDataset


def rebuild(start: ShallowNetwork, data: Dataset, moved: FloatArray, a: FloatArray) -> ShallowNetwork:
    """Return the network whose hidden weights moved from `start` as `Snapshots` describes."""
    W = start.W + (moved if data.d <= data.n else np.asarray((data.X.T @ moved.T).T))
    # Of a neuron that has all but vanished, a and w keep the rounding of what they were: a follows from w.
    squares, c = np.einsum("jk,jk->j", W, W), start.invariant
    apart = np.abs(a * a - squares - c) > 0.1 * INVARIANT_SLACK * (a * a + squares)
    a = np.where(apart, np.copysign(np.sqrt(np.maximum(c + squares, 0.0)), a), a)
    gone = np.maximum(np.abs(a), np.abs(W).max(axis=1)) < SMALLEST
    a[gone], W[gone] = 0.0, 0.0
    return start.replace(W=W, a=a, invariant=start.invariant)


@dataclass(frozen=True, eq=False, repr=False)
class Snapshots(Sequence[ShallowNetwork]):
    """The networks along a trajectory, built from what moved when asked for.

    The hidden weights move in the span of the inputs. With d <= n, W(t) = W(0) + `moved`, moved (S, p, d);
    with d > n, W(t) = W(0) + `moved` X, moved (S, p, n). `at[k]` is the row of `moved`, `a` (S, p) and
    `modes` (S, p, n) that belongs to output time k, or -1 where no network was kept (long default outputs
    keep what fits in memory; times asked for are always kept).

    Examples
    --------
    >>> import thalweg as tw
    >>> data, network = tw.data.sphere(6, 20, seed=1), tw.init.dominated(20, 8, seed=2)
    >>> networks = tw.flow(network, data, t_end=5.0, times=[0.0, 5.0]).networks
    >>> networks[-1], networks.mode_map(0).shape, networks.kept
    (ShallowNetwork(p=8, d=20, relu, dominated 8/8), (8, 6), array([0, 1]))
    """

    start: ShallowNetwork
    data: Dataset
    at: IntArray
    moved: FloatArray
    a: FloatArray
    modes: ModeArray

    def __len__(self) -> int:
        return len(self.at)

    @overload
    def __getitem__(self, index: int) -> ShallowNetwork: ...
    @overload
    def __getitem__(self, index: slice) -> list[ShallowNetwork]: ...
    def __getitem__(self, index: int | slice) -> ShallowNetwork | list[ShallowNetwork]:
        if isinstance(index, slice):
            return [self[k] for k in range(*index.indices(len(self)))]
        row = self._row(index)
        return rebuild(self.start, self.data, self.moved[row], self.a[row])

    def mode_map(self, index: int) -> ModeArray:
        """Return the modes (p, n) at an output time: 1 active, -1 inactive, 0 sliding."""
        return self.modes[self._row(index)]

    @property
    def kept(self) -> IntArray:
        """Indices of the output times whose network was kept."""
        return np.flatnonzero(self.at >= 0)

    def _row(self, index: int) -> int:
        if not -len(self) <= index < len(self):
            raise IndexError(f"There are {len(self)} output times. Got index {index}.")
        row = int(self.at[index])
        if row < 0:
            raise IndexError(
                f"The network of output time {index} was not kept, to save memory. "
                "Ask for the times you need with times=..., or take traj.final."
            )
        return row


@dataclass(frozen=True, eq=False, repr=False)
class Trajectory:
    """A gradient flow from its start to its outcome.

    Attributes
    ----------
    t, loss : array (T,)
        Output times and the loss L = (1/2n) sum_i r_i^2 there.
    curvature : array (T,)
        Local PL curvature mu(t) = -d log L/dt, by the exact identity with the true sliding multipliers.
    curvature_lower, curvature_upper : array (T,)
        Bounds of the local PL curvature at the state (see `thalweg.curvature`).
    residuals : array (T, n)
        r_i = y_i - h(x_i).
    active, inactive, sliding : array (T,) of int
        How many (neuron, sample) pairs are in each mode.
    events : array (T,) of int
        Mode changes since the previous output time.
    steps : array (T,) of int
        Macro steps since the previous output time.
    networks : Snapshots
        The network at every output time, built when asked for.
    final : ShallowNetwork
        The network at the end of the run, be that an output time or not; flow on from it.
    outcome : Outcome
        How the run ended, with advice.
    audit : Audit
        Independent checks of the run.
    data : Dataset
        The data the network was trained on.
    settings : dict
        How it was computed: method, t_end, rtol, kernel, threads.

    Examples
    --------
    >>> import pathlib, tempfile, thalweg as tw
    >>> data, network = tw.data.sphere(6, 20, seed=1), tw.init.dominated(20, 8, seed=2)
    >>> traj = tw.flow(network, data, t_end=5.0, times=[0.0, 2.5, 5.0])
    >>> traj
    Trajectory('sphere(n=6, d=20)', p=8, t=5, loss=0.354, REACHED_END, 3 output times)
    >>> bool((traj.curvature_lower <= traj.curvature).all()), bool((traj.loss <= traj.loss_bound).all())
    (True, True)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     again = tw.Trajectory.load(traj.save(pathlib.Path(folder, "run.npz")))
    >>> bool((again.residuals == traj.residuals).all())
    True
    """

    t: FloatArray
    loss: FloatArray
    curvature: FloatArray
    curvature_lower: FloatArray
    curvature_upper: FloatArray
    residuals: FloatArray
    active: IntArray
    inactive: IntArray
    sliding: IntArray
    events: IntArray
    steps: IntArray
    networks: Snapshots
    final: ShallowNetwork
    outcome: Outcome
    audit: Audit
    data: Dataset
    settings: dict[str, str | int | float | None]

    @property
    def average_curvature(self) -> FloatArray:
        """Average PL curvature log(L(0)/L(t))/t, an array (T,); at t = 0 it is the local curvature.

        If the output times asked for begin later, the average begins with the first of them.
        """
        from ..curvature.local import average

        return average(self.t, self.loss, self.curvature)

    @property
    def loss_bound(self) -> FloatArray:
        """Upper bound L(0) exp(-integral of the lower curvature) of the loss, an array (T,).

        The integral is the trapezoidal one over the output times, so it is as fine as they are. It begins with the
        first of them.
        """
        lower = self.curvature_lower
        pieces = np.diff(self.t) * (lower[1:] + lower[:-1]) / 2
        return self.loss[0] * np.exp(-np.concatenate([[0.0], np.cumsum(pieces)]))

    def plot(self) -> Figure:
        """Draw loss, curvature, modes and residuals in one figure; see `thalweg.plot` for each alone.

        Examples
        --------
        ``traj.plot().savefig("run.png")``
        """
        from ..plot import overview

        return overview(self)

    def save(self, path: str | Path) -> Path:
        """Save everything, the data included, to one .npz file that is complete or not there at all."""
        from .storage import save

        return save(self, path)

    @classmethod
    def load(cls, path: str | Path) -> Trajectory:
        """Load a trajectory saved by `save`, equal to the last bit.

        Raises
        ------
        InputError
            If the file is missing, truncated or of another kind.
        """
        from .storage import load

        return load(path)

    def to_pandas(self) -> DataFrame:
        """Return a table of all series but the residuals, one row per time. Needs the extra `data`."""
        from .export import to_pandas

        return to_pandas(self)

    def to_xarray(self) -> XarrayDataset:
        """Return a labelled dataset over t and sample, with outcome and audit. Needs the extra `data`."""
        from .export import to_xarray

        return to_xarray(self)

    def conditioning(self, relative: float = 1e-4, seeds: int = 3) -> Conditioning:
        """Flow again from perturbed starts: is this path isolated, or does another branch lie within reach?

        See `thalweg.flow.conditioning.conditioning`; each seed costs one more run.
        """
        from .conditioning import conditioning

        return conditioning(self, relative, seeds)

    def __len__(self) -> int:
        return len(self.t)

    def __repr__(self) -> str:
        return (
            f"Trajectory({self.data.name!r}, p={self.final.p}, t={self.t[-1]:.6g}, loss={self.loss[-1]:.3g}, "
            f"{self.outcome.name}, {len(self)} output times)"
        )

    def __str__(self) -> str:
        from ..report.table import as_text

        return as_text(self)

    def __rich__(self) -> Table:
        from ..report.table import as_table

        return as_table(self)

    def _repr_html_(self) -> str:
        from ..report.table import as_html

        return as_html(self)
