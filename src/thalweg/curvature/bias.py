"""Implicit bias: how large the network is that a flow has found, and how small it could be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .. import _validate as check
from .._typing import FloatArray
from ..data.dataset import Dataset
from ..networks.shallow import ShallowNetwork
from ._arguments import require_data, require_state


@dataclass(frozen=True, eq=False, repr=False)
class ImplicitBias:
    """Norms of a network, and the least variation norm that fits the data.

    Attributes
    ----------
    l1 : float
        (1/p) sum_j |a_j| |w_j|, the variation norm of the network as it is written, also called path norm.
    l2 : float
        (1/2p) sum_j (a_j^2 + |w_j|^2). At least l1, and equal to it if all neurons are balanced.
    neurons : array (p,)
        Norms (a_j^2 + |w_j|^2)^(1/2).
    minimum : float or None
        The least l1 of networks of any width that interpolate the labels; None where no closed form is known.
    loss : float
        Loss of the network. While it is not small, l1 may be below the minimum.

    Examples
    --------
    >>> import numpy as np, thalweg as tw
    >>> data = tw.Dataset(np.eye(2), [3.0, -4.0])
    >>> found = tw.curvature.implicit_bias(tw.curvature.minimum_norm_interpolator(data), data)
    >>> round(found.ratio, 9), round(found.effective_width, 3)
    (1.0, 1.96)
    """

    l1: float
    l2: float
    neurons: FloatArray
    minimum: float | None
    loss: float

    @property
    def ratio(self) -> float | None:
        """l1/minimum: 1 for an interpolator of least variation norm; None where the minimum is unknown or 0."""
        return self.l1 / self.minimum if self.minimum else None

    @property
    def effective_width(self) -> float:
        """How many neurons carry the squared norms, (sum_j v_j)^2/sum_j v_j^2 with v_j = a_j^2 + |w_j|^2."""
        squares = self.neurons**2
        size = squares.max()
        return float(squares.sum() / size) ** 2 / float(((squares / size) ** 2).sum()) if size > 0 else 0.0

    def __repr__(self) -> str:
        return f"ImplicitBias(l1={self.l1:.4g}, l2={self.l2:.4g}, minimum={self.minimum and round(self.minimum, 4)})"

    def __str__(self) -> str:
        lines = [
            f"l1 norm (1/p) sum |a_j||w_j|          {self.l1:.4g}",
            f"l2 norm (1/2p) sum (a_j^2 + |w_j|^2)  {self.l2:.4g}, as if carried by {self.effective_width:.3g} "
            f"of {len(self.neurons)} neurons",
        ]
        if self.ratio is None:
            lines.append("least l1 norm of an interpolator      unknown for these data")
        else:
            lines.append(
                f"least l1 norm of an interpolator      {self.minimum:.4g}: the network has {self.ratio:.4g} times"
            )
        return "\n".join([*lines, f"loss                                  {self.loss:.3g}"])


def implicit_bias(network: ShallowNetwork, data: Dataset) -> ImplicitBias:
    """Measure the norms of a network, at convergence of a flow for instance, against the least possible.

    The least variation norm is known for orthogonal inputs; see `minimum_norm`.

    Examples
    --------
    >>> import numpy as np, thalweg as tw
    >>> data = tw.Dataset(np.eye(2), [3.0, -4.0])
    >>> traj = tw.flow(tw.init.group(data, scale=1e-3), data, t_end=60.0)
    >>> print(tw.curvature.implicit_bias(traj.final, data))
    l1 norm (1/p) sum |a_j||w_j|          7
    l2 norm (1/2p) sum (a_j^2 + |w_j|^2)  7, as if carried by 1.96 of 2 neurons
    least l1 norm of an interpolator      7: the network has 1 times
    loss                                  ...
    """
    require_state("implicit_bias", network, data)
    lengths = np.linalg.norm(network.W, axis=1)
    neurons = np.hypot(network.a, lengths)
    minimum = minimum_norm(data, slope=network.slope) if data.is_orthogonal else None
    l1, l2 = float(np.mean(np.abs(network.a) * lengths)), float(np.mean(neurons**2)) / 2
    return ImplicitBias(l1, l2, neurons, minimum, network.loss(data))


def minimum_norm(data: Dataset, *, slope: float = 0.0) -> float:
    """Return the least variation norm of a (leaky) ReLU network that interpolates orthogonal data.

    It is the least (1/p) sum_j |a_j| |w_j| over networks of any width, no bias. With P^2 and N^2 the sums of
    (y_i/|x_i|)^2 over positive and over negative labels, it is P + N for ReLU, reached by one neuron for each sign
    (Boursier, Pillaud-Vivien and Flammarion, 2022). For a leaky ReLU of slope gamma it is

        (P + N)/sqrt(1 + gamma^2)        if gamma^2 N <= P <= N/gamma^2,
        sqrt(P^2 + N^2/gamma^2)          if P > N/gamma^2, and the mirror image if N > P/gamma^2.

    Parameters
    ----------
    data : Dataset
        Orthogonal inputs.
    slope : float
        Slope gamma of the leaky ReLU in [0, 1), 0 for ReLU.

    Notes
    -----
    By duality the norm is max <b, t>, t_i = y_i/|x_i|, over b such that |sum_i b_i sigma(u_i)| <= 1 for all unit
    vectors u. The largest value of that sum is (|b+|^2 + gamma^2 |b-|^2)^(1/2), b+ and b- being the positive and the
    negative part of b; the smallest is minus the same with the parts exchanged. So P |b+| + N |b-| is to be maximised
    over the intersection of two ellipses. The maximum is at their corner, |b+| = |b-|, in the first case, and on one of
    them in the others.

    Examples
    --------
    >>> import numpy as np, thalweg as tw
    >>> tw.curvature.minimum_norm(tw.Dataset(np.eye(3), [3.0, 4.0, -2.0]))
    7.0
    """
    slope = _check_orthogonal("minimum_norm", data, slope)
    P, N = _sides(data)
    low, high = min(P, N), max(P, N)
    if slope**2 * high > low:
        return float(np.hypot(high, low / slope))
    return (P + N) / float(np.sqrt(1 + slope**2))


def minimum_norm_interpolator(data: Dataset, *, slope: float = 0.0) -> ShallowNetwork:
    """Return the interpolator of orthogonal data with the least variation norm, as a balanced network.

    It has one neuron, or one for each sign of the labels. Parameters as for `minimum_norm`.

    Examples
    --------
    >>> import numpy as np, thalweg as tw
    >>> data = tw.Dataset(np.eye(3), [3.0, 4.0, -2.0])
    >>> network = tw.curvature.minimum_norm_interpolator(data)
    >>> network.p, network.predict(data.X).round(12)
    (2, array([ 3.,  4., -2.]))
    """
    slope = _check_orthogonal("minimum_norm_interpolator", data, slope)
    P, N = _sides(data)
    targets = data.y / data.norms
    up = np.maximum(targets, 0) / (P or 1.0)  # unit vectors in the coordinates along the inputs
    down = np.maximum(-targets, 0) / (N or 1.0)
    if slope**2 * max(P, N) > min(P, N):  # one neuron does it, from the side where the slope is 1
        ahead, behind = (up * P, down * N) if P > N else (down * N, up * P)
        rows = [(ahead - behind / slope, 1.0 if P > N else -1.0)]
    else:
        # Directions of the corner, and the masses m with m+ + gamma^2 m- = P sqrt(1 + gamma^2), and its mirror image.
        root, square = np.sqrt(1 + slope**2), slope**2
        masses = root / (1 - square**2) * np.array([P - square * N, N - square * P])
        directions = (up - slope * down) / root, (down - slope * up) / root
        rows = [(mass * u, sign) for mass, u, sign in zip(masses, directions, (1.0, -1.0), strict=True) if mass > 0]
    if not rows:  # all labels are 0
        rows = [(np.zeros(data.n), 1.0)]
    # Of a w = v |v| with |v|^2 = p |w| for each: balanced, and divided by p in the output.
    total = np.array([row for row, _ in rows])
    size = np.linalg.norm(total, axis=1)
    share = np.sqrt(len(rows) / np.where(size > 0, size, 1.0))
    W = np.asarray((data.X.T @ (total * share[:, None] / data.norms).T).T)
    a = np.array([sign for _, sign in rows]) * np.sqrt(len(rows) * size)
    kind = ("leaky_relu", slope) if slope else ("relu", 0.0)
    return ShallowNetwork(W, a, *kind, invariant=np.zeros(len(rows)))


def _sides(data: Dataset) -> tuple[float, float]:
    """Return P and N: the norms of y_i/|x_i| over positive and over negative labels."""
    targets = data.y / data.norms
    return float(np.linalg.norm(targets[targets > 0])), float(np.linalg.norm(targets[targets < 0]))


def _check_orthogonal(owner: str, data: Dataset, slope: float) -> float:
    require_data(owner, data)
    slope = check.real(owner, "slope", slope, at_least=0.0, below=1.0)
    if not data.is_orthogonal:
        got = f"a max |cos| of {data.coherence.max_cosine:.3g}"
        raise check.fail(owner, "data", "have orthogonal inputs: no closed form is known for others", got)
    return slope
