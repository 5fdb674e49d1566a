"""What theorems read off a start: one that is given, or many drawn from a law."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from .._typing import FloatArray
from .coverage import clopper_pearson, reached_by
from .weak_interaction import activity_near, least_activity, pulls

if TYPE_CHECKING:
    from ..data.dataset import Dataset
    from ..networks.shallow import ShallowNetwork


@dataclass(frozen=True, eq=False)
class Interactions:
    """What theorems read off the data: row norms of the Gram matrix K and its extreme eigenvalues.

    Attributes
    ----------
    kappa, row_norms : array (n,)
        Norms of the rows of K, without and with the diagonal entry.
    gershgorin : float
        Gershgorin's lower bound of lambda_min(K): min_i K_ii - sum_{k != i} |K_ik|.
    lambda_min, operator_norm : float
        lambda_min(K), by eigenvalues where these are known and else by Gershgorin, and |X|_2.
    estimated : bool
        Whether these two are estimates of Lanczos, as for more than 3000 samples and inputs.
    """

    kappa: FloatArray
    row_norms: FloatArray
    gershgorin: float
    lambda_min: float
    operator_norm: float
    estimated: bool

    @classmethod
    def of(cls, data: Dataset) -> Interactions:
        """Compute them, without an (n, n) matrix for large n."""
        from ..data.coherence import gram_blocks

        squares = data.norms**2
        kappa, sums = np.zeros(data.n), np.zeros(data.n)
        if not data.is_orthogonal:
            for part, block in gram_blocks(data):
                block[np.arange(block.shape[0]), np.arange(part.start, part.stop)] = 0.0
                np.abs(block, out=block)
                kappa[part], sums[part] = np.linalg.norm(block, axis=1), block.sum(axis=1)
        known = data.coherence
        gershgorin = float(np.min(squares - sums))
        lowest = max(gershgorin, 0.0) if known.lambda_min is None else known.lambda_min
        highest = float(np.max(squares + sums)) if known.lambda_max is None else known.lambda_max
        return cls(kappa, np.hypot(kappa, squares), gershgorin, lowest, float(np.sqrt(highest)), known.rank is None)

    def limit(self, y: FloatArray) -> float:
        """The residual norm below which the data interact weakly: min_i |y_i| |K_i|/kappa_i."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return float(np.min(np.where(y == 0, 0.0, np.abs(y) * self.row_norms / self.kappa)))


@dataclass(frozen=True, eq=False)
class Starts:
    """Facts of starts, arrays (N,); N = 1 for a start that is given.

    Attributes
    ----------
    given : bool
        Whether it is the actual start, so that nothing is left to chance.
    residual, loss : array (N,)
        |r| and the loss.
    dominated, covered : array (N,)
        How many neurons have |a_j| >= |w_j|, and how many samples are covered.
    surplus, deficit : array (N,)
        (1/p) sum_j max(c_j, 0) and (1/p) sum_j max(-c_j, 0).
    rate_a, rate_a0 : array (N,)
        The rates of Theorems A and A0; 0 where they do not apply.
    """

    given: bool
    residual: FloatArray
    loss: FloatArray
    dominated: FloatArray
    covered: FloatArray
    surplus: FloatArray
    deficit: FloatArray
    rate_a: FloatArray
    rate_a0: FloatArray

    @classmethod
    def of(cls, networks: Iterable[ShallowNetwork], data: Dataset, facts: Interactions, *, given: bool) -> Starts:
        """Look at starts on the same data."""
        return cls(given, *np.transpose([_look(network, data, facts) for network in networks]))

    @classmethod
    def gather(cls, parts: list[Starts]) -> Starts:
        """Put starts on several data sets together; none is given."""
        columns = (np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(cls)[1:])
        return cls(False, *columns)

    def chance(self, event: np.ndarray) -> float:
        """Probability of an event (N,): 0 or 1 if given, else its lower bound of confidence 0.99."""
        return float(event[0]) if self.given else clopper_pearson(int(event.sum()), len(event))[0]

    def at_least(self, values: FloatArray, probability: float) -> float:
        """What a start reaches with the given probability, of confidence 0.99; NaN if the draws are too few."""
        return float(values[0]) if self.given else reached_by(values, probability)

    def at_most(self, values: FloatArray, probability: float) -> float:
        """What a start exceeds with no more than the remaining probability; see `at_least`."""
        return -self.at_least(-values, probability)


def _look(network: ShallowNetwork, data: Dataset, facts: Interactions) -> list[float]:
    """Facts of one start, in the order of the attributes of `Starts`."""
    z, c = network.preactivations(data.X), network.invariant
    r = data.y - network.a @ network.activate(z) / network.p
    size = float(np.linalg.norm(r))
    h_plus, base = pulls(z, network.a, np.maximum(c, 0.0), data.y, data.norms)
    covered = np.zeros(data.n, dtype=bool)
    for sign in (1.0, -1.0):
        theirs = sign * data.y > 0
        covered[theirs] = (z[sign * network.a > 0][:, theirs] > 0).any(axis=0)
    deficit = float(np.mean(np.maximum(-c, 0.0)))
    scale = 2 / data.n * facts.lambda_min
    least = 0.0
    if (c >= 0).all() and covered.all():
        least, _ = least_activity(
            data.y, size, facts.row_norms, facts.kappa, data.norms, facts.operator_norm, h_plus, base
        )
    near = float(activity_near(data.y, size, data.norms, deficit).min())
    return [
        size,
        size**2 / (2 * data.n),
        float((c >= 0).sum()),
        float(covered.sum()),
        float(np.mean(np.maximum(c, 0.0))),
        deficit,
        scale * least,
        scale * max(near, 0.0),
    ]
