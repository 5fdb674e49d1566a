"""The result of a gradient flow that a general integrator computed: of a smooth network, or of any loss."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from .. import _stored as stored
from .._errors import InputError
from .._files import atomic_writer, saved_arrays
from .._outcome import Outcome
from .._typing import FloatArray
from ..networks.smooth import SmoothNetwork
from . import loss_words as words

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FORMAT = "thalweg-loss-trajectory-1"
_SERIES = ("t", "loss", "curvature", "energy")


@dataclass(frozen=True)
class LossAudit:
    """Checks of a run against what every gradient flow obeys.

    Attributes
    ----------
    largest_loss_increase : float
        Between two output times, relative to the first loss; a flow has none.
    energy_drift : float
        Largest |L(0) - L(t) - int |grad L|^2 dt|, relative to the first loss: 0 where the loss is smooth. At a
        kink along which the true flow slides, the gradient promises more than the loss falls.
    kinks : tuple of str
        Operations of the loss whose gradient jumps somewhere.
    balance_drift : float or None
        Of networks with a homogeneous activation of degree k: largest change of k a_j^2 - |w_j|^2, relative to
        a_j^2 + |w_j|^2 at the start.

    Examples
    --------
    >>> import thalweg as tw
    >>> data, start = tw.data.sphere(6, 20, seed=1), tw.init.dominated(20, 8, seed=2)
    >>> audit = tw.flow(tw.SmoothNetwork.of(start, "tanh"), data, t_end=5.0).audit
    >>> audit.largest_loss_increase, audit.energy_drift < 1e-6, audit.kinks
    (0.0, True, ())
    """

    largest_loss_increase: float
    energy_drift: float
    kinks: tuple[str, ...] = ()
    balance_drift: float | None = None

    @classmethod
    def of(cls, first: float, loss: FloatArray, energy: FloatArray, floor: float = 0.0, **others: Any) -> LossAudit:
        """Check losses and energies (T,) at output times against the loss of the start."""
        scale = abs(first - floor) or 1.0
        rises = np.diff(np.concatenate([[first], loss])).max(initial=0.0)
        drift = float(np.abs(first - loss - energy).max())
        return cls(max(float(rises), 0.0) / scale, drift / scale, **others)


@dataclass(frozen=True, eq=False, repr=False)
class LossTrajectory:
    """The gradient flow of a loss from its start to its outcome.

    Attributes
    ----------
    t : array (T,)
        Output times.
    loss : array (T,)
    curvature : array (T,)
        The local PL curvature -d log(L - floor)/dt by the gradient: right off kinks.
    energy : array (T,)
        Integral of the squared gradient over time, which the loss has fallen by where it is smooth.
    start, final : SmoothNetwork or pytree
        Parameters; flow on from `final`.
    outcome : Outcome
        How the run ended, with advice.
    audit : LossAudit
    settings : dict

    Examples
    --------
    >>> import thalweg as tw
    >>> data, start = tw.data.sphere(6, 20, seed=1), tw.init.dominated(20, 8, seed=2)
    >>> traj = tw.flow(tw.SmoothNetwork.of(start, "tanh"), data, t_end=5.0, times=[0.0, 5.0])
    >>> traj
    LossTrajectory(t=5, loss=0.00968, REACHED_END)
    >>> traj.audit.energy_drift < 1e-6, bool(abs(traj.loss[0] - traj.energy[1] - traj.loss[1]) < 1e-6)
    (True, True)
    """

    t: FloatArray
    loss: FloatArray
    curvature: FloatArray
    energy: FloatArray
    start: Any
    final: Any
    outcome: Outcome
    audit: LossAudit
    settings: dict[str, str | int | float | None]

    @property
    def average_curvature(self) -> FloatArray:
        """Average PL curvature log(L(0)/L(t))/t of what lies above the floor; the local one at t = 0."""
        from ..curvature.local import average

        return average(self.t, self.loss - float(self.settings["floor"] or 0.0), self.curvature)

    def plot(self) -> Figure:
        """Draw the loss and the curvature over time."""
        from ..plot.canvas import new_figure

        figure = new_figure(9.0, 3.4)
        for axes, series, title in zip(
            figure.subplots(1, 2), (self.loss, self.curvature), ("Loss", "Local PL curvature"), strict=True
        ):
            axes.plot(self.t, series, color="#0072B2", marker="o" if len(self) == 1 else "")
            if np.nanmin(series) > 0:
                axes.set_yscale("log")
            axes.set(xlabel="time t", title=title)
        return figure

    def save(self, path: str | Path) -> Path:
        """Save series, start and end to one .npz file that is complete or not there at all."""
        arrays = {name: getattr(self, name) for name in _SERIES}
        for name in ("start", "final"):
            arrays |= {f"{name}_{k}": leaf for k, leaf in enumerate(_leaves(getattr(self, name))[0])}
        said = {"outcome": self.outcome.name, "settings": self.settings, "audit": vars(self.audit)}
        with atomic_writer("LossTrajectory.save", path) as stream:
            np.savez(stream, format=np.array(_FORMAT), words=np.array(json.dumps(said)), **arrays)  # type: ignore[arg-type]
        return Path(path)

    @classmethod
    def load(cls, path: str | Path, like: Any = None) -> LossTrajectory:
        """Load a trajectory saved by `save`.

        Parameters
        ----------
        path : path
        like : SmoothNetwork or pytree, optional
            Parameters of the same structure, such as the start: files hold arrays, and no code to build anything else.
            Without it `start` and `final` are lists of arrays.

        Raises
        ------
        InputError
            If the file is missing, truncated or of another kind, or its arrays do not fit.
        """
        leaves, build = (None, list) if like is None else _leaves(like)
        with saved_arrays("LossTrajectory", path, _FORMAT) as parts:
            said = stored.words(parts)
            ends = []
            for name in ("start", "final"):
                found = [parts[key] for key in sorted(parts, key=_number) if key.startswith(f"{name}_")]
                shapes = [np.shape(each) for each in found]
                if leaves is not None and shapes != [np.shape(leaf) for leaf in leaves]:
                    raise InputError(f"{str(path)!r} holds parameters of shapes {shapes}: `like` has others.")
                ends.append(build(found))
            audit = said["audit"] | {"kinks": tuple(said["audit"]["kinks"])}
            stored.texts(audit["kinks"], range(len(audit["kinks"])))
            stored.numbers(audit, [name for name, x in audit.items() if name != "kinks" and x is not None])
            return cls(
                **stored.series(parts, _SERIES),
                start=ends[0],
                final=ends[1],
                outcome=Outcome[said["outcome"]],
                audit=LossAudit(**audit),
                settings=stored.settings(said, ("rtol", "floor", "steps"), ("solver",)),
            )

    def __len__(self) -> int:
        return len(self.t)

    def __repr__(self) -> str:
        return f"LossTrajectory(t={self.t[-1]:.6g}, loss={self.loss[-1]:.3g}, {self.outcome.name})"

    def __str__(self) -> str:
        from ..report.prose import as_text

        return as_text(words.verdict(self), words.facts(self))

    def _repr_html_(self) -> str:
        from ..report.prose import as_html

        return as_html(words.verdict(self), words.facts(self))


def _leaves(params: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    """Return the arrays of parameters, and what builds parameters of their kind from others."""
    if isinstance(params, SmoothNetwork):
        return [params.W, params.a], lambda found: replace(params, W=found[0], a=found[1])
    if isinstance(params, list) and all(isinstance(each, np.ndarray) for each in params):
        return params, list  # such as files hold; they are saved again without JAX
    import jax

    leaves, structure = jax.tree.flatten(params)
    return [np.asarray(leaf) for leaf in leaves], lambda found: jax.tree.unflatten(structure, found)


def _number(key: str) -> int:
    tail = key.rpartition("_")[2]
    return int(tail) if tail.isdigit() else -1
