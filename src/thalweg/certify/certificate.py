"""A certificate: a verdict about one state of one network on its data, with what is needed to check it again."""

from __future__ import annotations

import html
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .._typing import IntArray
from ..data.dataset import Dataset
from ..data.target import Target
from ..networks.deep_linear import DeepLinearNetwork
from ..networks.shallow import ShallowNetwork


@dataclass(frozen=True, eq=False, repr=False)
class Certificate:
    """A proved statement about training from a state, or why there is none.

    It is about the gradient flow, every solution of it, sliding or not; or, for a deep linear network with a step size
    in the witness, about gradient descent. It accounts for all rounding errors made on the way.

    Attributes
    ----------
    verdict : {"converges", "stuck", "undecided"}
        "converges": the loss tends to 0, for a deep linear network to the floor of its target. "stuck": it never
        falls below a positive level.
    test : str
        Which test proved it: A0, leaky, A, B, N1 or N for a shallow network, A, B or C for a deep linear one ("" if
        undecided). See the chapters on certificates.
    rate : float
        L(t) - limit <= (L(t0) - limit) exp(-rate (t - t0)) for all t >= t0; of gradient descent,
        L_{k+1} - limit <= (1 - step_size rate) (L_k - limit) from here on. 0 if undecided, and for N1.
    radius : float
        The path from here on, in the Euclidean norm of all weights, is no longer than this. Infinite if undecided,
        and for N1.
    loss : float
        The loss at this state.
    limit_loss : float or None
        The limit of the loss; None if undecided, and for N1, which proves `loss_floor` only.
    loss_floor : float
        The loss never falls below this.
    stuck : array of int
        Samples that are never fitted.
    slack : float
        How many times over the decisive inequality holds.
    reasons : tuple of str
        For every test tried, what it found: the reason, or the nearest miss.
    network : ShallowNetwork or DeepLinearNetwork
    data : Dataset or Target
        What the certificate speaks of: a Target for a DeepLinearNetwork.
    witness : dict
        Choices the proof made, which `verify` starts from; the step size of gradient descent.

    Examples
    --------
    >>> import numpy as np, pathlib, tempfile, thalweg as tw
    >>> network = tw.ShallowNetwork([[1.0, -0.2], [-0.1, 1.0]], [1.1, -1.1])
    >>> certificate = tw.certify(network, tw.Dataset(np.eye(2), [0.5, -0.5]))
    >>> certificate.verdict, certificate.limit_loss, certificate.verify()
    ('converges', 0.0, True)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     tw.Certificate.load(certificate.save(pathlib.Path(folder, "proof.json"))).verify()
    True
    """

    verdict: str
    test: str
    rate: float
    radius: float
    loss: float
    limit_loss: float | None
    loss_floor: float
    stuck: IntArray
    slack: float
    reasons: tuple[tuple[str, str], ...]
    network: ShallowNetwork | DeepLinearNetwork
    data: Dataset | Target
    witness: Mapping[str, list[float]] = field(default_factory=dict)

    @property
    def decided(self) -> bool:
        """Whether there is a verdict."""
        return self.verdict != "undecided"

    def explain(self) -> str:
        """Return the verdict, what it means, and the reasons, in words.

        Examples
        --------
        >>> import numpy as np, thalweg as tw
        >>> network = tw.ShallowNetwork([[1.0, -0.2], [-0.1, 1.0]], [1.1, -1.1])
        >>> print(tw.certify(network, tw.Dataset(np.eye(2), [0.5, -0.5])).explain())
        converges  the loss tends to 0 (test A0)
          rate     at least 0.4..., from L = 0.0... on: L <= L(t0) exp(-rate (t - t0))
          path     the weights move by no more than ... in all
          because  |r| = ... is below the smallest |label|, 0.5, ...
        """
        headline = {
            "converges": f"converges  the loss tends to {self._goal()} (test {self.test})",
            "stuck": f"stuck      the loss never falls below {self.loss_floor:.6g} (test {self.test})",
            "undecided": f"undecided  no test decides this state (loss {self.loss:.3g})",
        }[self.verdict]
        lines = [headline]
        if isinstance(self.data, Dataset) and self.verdict == "stuck":
            who = ", ".join(map(str, self.stuck[:8])) + (", ..." if self.stuck.size > 8 else "")
            lines.append(f"  samples  {self.stuck.size} of {self.data.n} can never be fitted, by index: {who}")
            if self.limit_loss is not None:
                lines.append(f"  limit    the loss tends to {self.limit_loss:.10g} exactly")
        if self.rate:
            lines.append(
                f"  rate     at least {self.rate:.3g}, from L = {self.loss:.3g} on: "
                "the excess over it <= its value now times exp(-rate (t - t0))"
                if self.loss_floor > 0
                else f"  rate     at least {self.rate:.3g}, from L = {self.loss:.3g} on: L <= L(t0) exp(-rate (t - t0))"
            )
        if self.radius == 0:
            lines.append("  path     the weights do not move any more")
        elif math.isfinite(self.radius):
            lines.append(f"  path     the weights move by no more than {self.radius:.3g} in all")
        if self.decided:
            lines.append(f"  because  {dict(self.reasons)[self.test]}")
        else:
            lines += [f"  {test:7}  {says}" for test, says in self.reasons]
            lines.append("  next     flow on and try again (stop=tw.Certified()): most runs are decided later")
        return "\n".join(lines)

    def _goal(self) -> str:
        return f"{self.loss_floor:.6g}, the least there is" if self.loss_floor > 0 else "0"

    def verify(self, *, exact: bool = False) -> bool:
        """Check the certificate again from its stored parts, with other arithmetic than it was made with.

        Parameters
        ----------
        exact : bool
            Use ball arithmetic (python-flint, the extra `verify`) instead of extended precision.

        Returns
        -------
        bool
            Whether the proof was confirmed. An undecided certificate claims nothing: False.
        """
        if isinstance(self.network, DeepLinearNetwork):
            from .linear.replay import verify_deep_linear

            return verify_deep_linear(self, exact=exact)
        from .verify import verify

        return verify(self, exact=exact)

    def save(self, path: str | Path) -> Path:
        """Save to a JSON file that holds all it takes to verify it, the network and the data bit for bit."""
        from .storage import save

        return save(self, path)

    @classmethod
    def load(cls, path: str | Path) -> Certificate:
        """Load a certificate saved by `save`. Nothing is believed: call `verify`.

        Raises
        ------
        InputError
            If the file is missing, truncated or of another kind.
        """
        from .storage import load

        return load(path)

    def to_dict(self) -> dict[str, object]:
        """Return verdict, figures and reasons as plain values, without the network and the data."""
        return {
            "verdict": self.verdict,
            "test": self.test,
            "rate": self.rate,
            "radius": self.radius if math.isfinite(self.radius) else None,
            "loss": self.loss,
            "limit_loss": self.limit_loss,
            "loss_floor": self.loss_floor,
            "stuck": [int(i) for i in self.stuck],
            "slack": self.slack if math.isfinite(self.slack) else None,
            "reasons": dict(self.reasons),
        }

    def __str__(self) -> str:
        return self.explain()

    def __repr__(self) -> str:
        return f"Certificate({self.verdict!r}, test={self.test!r}, rate={self.rate:.3g}, loss={self.loss:.3g})"

    def _repr_html_(self) -> str:
        return f"<pre>{html.escape(self.explain())}</pre>"
