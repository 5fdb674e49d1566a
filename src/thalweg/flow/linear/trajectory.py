"""The result of training a deep linear network: a flow, or gradient descent."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _stored as stored
from ..._descent_outcome import DescentOutcome
from ..._files import atomic_writer, saved_arrays
from ..._outcome import Outcome
from ..._typing import FloatArray, IntArray
from ...data.target import Target
from ...networks.deep_linear import DeepLinearNetwork

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_FORMAT = "thalweg-linear-trajectory-1"
_SERIES = ("t", "excess", "curvature", "drift", "bound")
_WORDS = ("route", "why", "guarantee")


@dataclass(frozen=True, eq=False, repr=False)
class LinearTrajectory:
    """The training of a deep linear network from its start to its outcome.

    Attributes
    ----------
    t : array (T,)
        Output times; for gradient descent, iterations times the step size.
    excess : array (T,)
        Loss above the floor of the target, R - R*.
    curvature : array (T,)
        Local PL curvature of the flow at the state, |grad R|^2/(R - R*), which is -d log(R - R*)/dt along the flow.
    singular_values : array (T, r)
        Of the product of the layers, decreasing, r = min(d_in, d_out).
    drift : array (T,)
        Largest change of an entry of an invariant D_l, relative to the squared norm of its layers. The flow conserves
        them: exactly by construction where it is reduced, which reads 0, to the accuracy of integration otherwise.
        Gradient descent does not.
    bound : array (T,)
        What is proved of the excess loss before the run; NaN where nothing is.
    target : Target
    start, final : DeepLinearNetwork
        `final` is given in the basis between hidden layers that needs the fewest distinct ones. Orthogonal changes of
        basis there change neither the product nor the path it takes.
    outcome : Outcome or DescentOutcome
        How the run ended, with advice.
    route, why : str
        How it was computed, and why that way.
    guarantee : str
        Which bound applied.
    notes : tuple of str
        What else there is to know, such as a step size that solves any target in one step.
    settings : dict
    iteration : array (T,) of int or None
        Iterations of gradient descent; None for a flow.

    Examples
    --------
    >>> import numpy as np, thalweg as tw
    >>> traj = tw.flow(tw.init.zas(depth=4, dim=2), tw.Target(-np.eye(2)), t_end=5.0, times=[0.0, 0.5, 5.0])
    >>> traj.singular_values.round(3)
    array([[0.  , 0.  ],
           [0.51, 0.51],
           [1.  , 1.  ]])
    >>> bool((traj.excess <= traj.bound).all()), traj.guarantee
    (True, 'zero-asymmetric start: rate alpha^(2(L-1)) lambda_min, for every target')
    """

    t: FloatArray
    excess: FloatArray
    curvature: FloatArray
    singular_values: FloatArray
    drift: FloatArray
    bound: FloatArray
    target: Target
    start: DeepLinearNetwork
    final: DeepLinearNetwork
    outcome: Outcome | DescentOutcome
    route: str
    why: str
    guarantee: str
    notes: tuple[str, ...]
    settings: dict[str, str | int | float | None]
    iteration: IntArray | None = None

    @property
    def loss(self) -> FloatArray:
        """The loss R, an array (T,)."""
        return self.excess + self.target.floor

    def plot(self) -> Figure:
        """Draw the loss with its bound, the curvature, and the singular values against those of the target."""
        from .picture import overview

        return overview(self)

    def save(self, path: str | Path) -> Path:
        """Save everything, the target included, to one .npz file that is complete or not there at all."""
        arrays: dict[str, Any] = {name: getattr(self, name) for name in (*_SERIES, "singular_values")}
        if self.iteration is not None:
            arrays["iteration"] = self.iteration
        arrays |= {"Phi": self.target.Phi, "second_moment": self.target.second_moment}
        arrays |= self.start.parts("start_") | self.final.parts("final_")
        words = {name: getattr(self, name) for name in (*_WORDS, "notes", "settings")}
        words |= {"outcome": self.outcome.name, "floor": self.target.floor, "name": self.target.name}
        with atomic_writer("LinearTrajectory.save", path) as stream:
            np.savez(stream, format=np.array(_FORMAT), words=np.array(json.dumps(words)), **arrays)
        return Path(path)

    @classmethod
    def load(cls, path: str | Path) -> LinearTrajectory:
        """Load a trajectory saved by `save`, equal to the last bit.

        Raises
        ------
        InputError
            If the file is missing, truncated or of another kind.
        """
        with saved_arrays("LinearTrajectory", path, _FORMAT) as parts:
            words = stored.words(parts)
            stored.texts(words, ("name", *_WORDS))
            notes = tuple(words["notes"])
            stored.texts(notes, range(len(notes)))
            stored.numbers(words, ["floor"])
            target = Target(parts["Phi"], parts["second_moment"], words["floor"], words["name"])
            start, final = (DeepLinearNetwork.from_parts(parts, name) for name in ("start_", "final_"))
            if any((network.d_out, network.d_in) != target.Phi.shape for network in (start, final)):
                raise ValueError("the network does not fit the target")
            series = stored.series(parts, _SERIES)
            count, steps = len(series["t"]), "iteration" in parts
            settings = stored.settings(words, ("step_size", "momentum") if steps else ("t_end", "rtol"), ())
            return cls(
                **series,
                **{name: words[name] for name in _WORDS},
                singular_values=stored.array(parts, "singular_values", (count, min(target.Phi.shape))),
                notes=notes,
                target=target,
                start=start,
                final=final,
                outcome=(DescentOutcome if steps else Outcome)[words["outcome"]],
                settings=settings,
                iteration=stored.array(parts, "iteration", (count,), "iu") if steps else None,
            )

    def __len__(self) -> int:
        return len(self.t)

    def __repr__(self) -> str:
        at = f"t={self.t[-1]:.6g}" if self.iteration is None else f"iteration={int(self.iteration[-1])}"
        return (
            f"LinearTrajectory({self.target.name!r}, depth={self.start.depth}, {at}, loss={self.loss[-1]:.3g}, "
            f"{self.outcome.name}, {self.route})"
        )

    def __str__(self) -> str:
        from ...report.prose import as_text
        from .words import facts, verdict

        return as_text(verdict(self), facts(self))

    def _repr_html_(self) -> str:
        from ...report.prose import as_html
        from .words import facts, verdict

        return as_html(verdict(self), facts(self))
