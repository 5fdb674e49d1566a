"""Gathering a trajectory while an engine runs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .._outcome import Outcome
from .._typing import FloatArray, ModeArray
from ..data.dataset import Dataset
from ..networks.shallow import ShallowNetwork
from .engine import Engine
from .trajectory import Snapshots, Trajectory

# Default outputs: so many at most, and no more memory than this for residuals, and for networks.
MOST_OUTPUTS = 1024
FEWEST_OUTPUTS = 16
MEMORY = 256e6


@dataclass(frozen=True, eq=False)
class Row:
    """One output time."""

    t: float
    loss: float
    curvature: float
    bounds: tuple[float, float]
    residuals: FloatArray
    counts: tuple[int, int, int]
    events: int
    steps: int
    network: tuple[FloatArray, FloatArray, ModeArray] | None


class Recorder:
    """Collects rows at the output times asked for or, by default, at accepted steps, thinned evenly.

    Every row is taken at an accepted step; when there are too many, every second one is dropped and from then on
    only every second step is taken.
    """

    def __init__(self, engine: Engine, start: ShallowNetwork, data: Dataset, wanted: FloatArray | None) -> None:
        self._engine, self._start, self._data, self._wanted = engine, start, data, wanted
        self._rows: list[Row] = []
        self._most = int(max(FEWEST_OUTPUTS, min(MOST_OUTPUTS, MEMORY // (8 * data.n))))
        per_network = 9 * start.p * data.n + 8 * start.p * min(data.n, data.d)
        self._keep_networks = wanted is not None or per_network * self._most <= MEMORY
        self._stride, self._since = 1, 0

    def start(self) -> None:
        """Record the start, by default or if t = 0 was asked for."""
        if self._wanted is None or self._wanted[0] == 0.0:
            self._record(self._keep_networks)

    def step(self, at_target: bool) -> None:
        """Note an accepted step."""
        if self._wanted is not None:
            if at_target:
                self._record(keep_network=True)
            return
        self._since += 1
        if self._since >= self._stride:
            self._since = 0
            self._record(self._keep_networks)
            if len(self._rows) >= self._most:
                self._rows = self._rows[::2]
                self._stride *= 2

    def finish(self, outcome: Outcome) -> Outcome:
        """Record the last state if it is not an output time already asked for."""
        ended_early = outcome is not Outcome.REACHED_END
        recorded = bool(self._rows) and self._rows[-1].t == self._engine.t
        if recorded and self._rows[-1].network is None:  # the last network is always kept
            self._rows.pop()
            recorded = False
        if (self._wanted is None or ended_early or not self._rows) and not recorded:
            self._record(keep_network=True)
        return outcome

    def _record(self, keep_network: bool) -> None:
        engine = self._engine
        modes = engine.modes()
        active, inactive = int((modes == 1).sum()), int((modes == -1).sum())
        self._rows.append(
            Row(
                engine.t,
                engine.loss,
                engine.curvature(),
                engine.curvature_bounds(),
                engine.residuals.copy(),
                (active, inactive, modes.size - active - inactive),
                engine.events,
                engine.steps,
                (engine.moved(), engine.output_weights(), modes) if keep_network else None,
            )
        )

    def trajectory(self, outcome: Outcome, settings: dict[str, str | int | float | None]) -> Trajectory:
        """Assemble what was recorded."""
        rows, engine = self._rows, self._engine
        kept = [row.network for row in rows if row.network is not None]
        at = np.cumsum([row.network is not None for row in rows]) - 1
        at[[row.network is None for row in rows]] = -1
        p, n = self._start.p, self._data.n
        snapshots = Snapshots(
            start=self._start,
            data=self._data,
            at=at.astype(np.int64),
            moved=np.stack([network[0] for network in kept]) if kept else np.empty((0, p, min(n, self._data.d))),
            a=np.stack([network[1] for network in kept]) if kept else np.empty((0, p)),
            modes=np.stack([network[2] for network in kept]) if kept else np.empty((0, p, n), np.int8),
        )
        bounds = np.array([row.bounds for row in rows])
        counts = np.array([row.counts for row in rows])
        return Trajectory(
            t=np.array([row.t for row in rows]),
            loss=np.array([row.loss for row in rows]),
            curvature=np.array([row.curvature for row in rows]),
            curvature_lower=bounds[:, 0],
            curvature_upper=bounds[:, 1],
            residuals=np.stack([row.residuals for row in rows]),
            active=counts[:, 0],
            inactive=counts[:, 1],
            sliding=counts[:, 2],
            events=np.diff([row.events for row in rows], prepend=0),
            steps=np.diff([row.steps for row in rows], prepend=0),
            networks=snapshots,
            final=engine.network(),
            outcome=outcome,
            audit=engine.audit(),
            data=self._data,
            settings=settings,
        )
