"""Certificates of deep linear networks checked again, with arithmetic and code of their own.

Layers, target and data are exact numbers. Everything else is computed again in extended precision with its errors
(`extended`; products from the last layer down, where `enclosed` goes up), on request also in balls. Of the witness only
the choices are used: the pivot, the distances. What the certificate says must follow. Beyond the sizes that the tests
are tried on there are forgeries only, which must not take for ever.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ...data.target import Target
from ...flow.linear.drive import fitting
from ...networks.deep_linear import DeepLinearNetwork
from ..certificate import Certificate
from ..extended import UNIT, Real, above, accuracy, below, gram, norm
from ..extended import product as product_with_transpose
from ..rounding import TINY
from .conserved import MOST_LAYERS
from .nearby import MOST_STRETCHES
from .paths import too_large
from .replay_curvature import curvature, march, sizes
from .replay_products import downwards, lowest, spectral

# What a certificate proved, at least a rate and at most a radius, or (0, infinity).
Proved = tuple[Any, Any]
NOTHING: Proved = (Real(0), Real(np.inf))


def verify_deep_linear(certificate: Certificate, *, exact: bool = False) -> bool:
    """Check a certificate of a deep linear network again; see `Certificate.verify`."""
    network, target = certificate.network, certificate.data
    fitting("verify", network, target)
    assert isinstance(network, DeepLinearNetwork)
    assert isinstance(target, Target)
    if exact:
        from ..balls import arithmetic

        with arithmetic():
            pass  # says what is missing before any work is done
    figures = (certificate.rate, certificate.radius, certificate.loss, certificate.loss_floor)
    if certificate.verdict != "converges" or not all(math.isfinite(x) for x in figures):
        return False
    if not (certificate.rate > 0 and certificate.radius >= 0 and certificate.stuck.size == 0):
        return False
    if not certificate.limit_loss == certificate.loss_floor == target.floor:
        return False
    with np.errstate(all="ignore"):  # what overflows or is NaN confirms nothing
        state = Replay(network, target, exact)
        if not state.sound():
            return False
        prove = {"A": state.conserved, "B": state.near_target, "C": state.nearby}.get(certificate.test)
        rate, radius = NOTHING if prove is None else prove(dict(certificate.witness))
        confirmed = rate >= certificate.rate and radius <= certificate.radius
        return bool(confirmed and state.loss_is(certificate.loss))


class Replay:
    """A network on its target, with its error and its data enclosed in extended precision."""

    def __init__(self, network: DeepLinearNetwork, target: Target, exact: bool) -> None:
        self.network, self.target, self.exact = network, target, exact
        W, radius = downwards(network)
        self.E = W - target.Phi
        self.radius = above(radius + UNIT * norm(self.E))
        size = above(norm(self.E) + self.radius)
        if target.scale is not None:
            self.least = self.most = Real(target.scale)
            self.root, self.error = above(np.sqrt(self.least) * size), size
        else:
            Sigma = target.second_moment.astype(Real)
            self.least, self.most = lowest(Sigma, Real(0)), -lowest(-Sigma, Real(0))
            square = np.maximum(np.sum(self.E * product_with_transpose(self.E, Sigma)), 0)
            square += (accuracy(target.d_in) + (self.E.size + 2) * UNIT) * above(norm(self.E) ** 2 * norm(Sigma))
            self.root = above(above(np.sqrt(above(square))) + np.sqrt(np.maximum(self.most, 0)) * self.radius)
            self.error = above(self.root / np.sqrt(self.least)) if self.least > 0 else Real(np.inf)

    def sound(self) -> bool:
        """Whether the data are proved to be positive definite, and balls agree about error and data if asked."""
        return bool(
            self.least > 0
            and self._confirmed("moment_is", self.target, self.least, self.most)
            and self._confirmed("error_is", self.network, self.target, self.root)
        )

    def loss_is(self, loss: float) -> bool:
        """Whether the loss is this, to 1e-9 of it or to the rounding, and the underflow, of float64."""
        mine = self.root**2 / 2 + self.target.floor
        coarse = (self.network.depth + self.network.d_in + 8) * 2.0**-50 * float(norm(self.target.Phi.astype(Real)))
        doubt = coarse + 2.0 ** (64 - 53) * self.radius
        lost = self.E.size * (1 + self.most) * TINY
        return bool(abs(loss - mine) <= 1e-9 * mine + self.most * doubt * (2 * self.error + doubt) + lost)

    def conserved(self, witness: dict[str, list[float]]) -> Proved:
        """Test A, for the pivot given."""
        pivot, network = witness.get("pivot", []), self.network
        if (
            network.depth > MOST_LAYERS
            or len(pivot) != 1
            or not 1 <= pivot[0] <= network.depth
            or pivot[0] != int(pivot[0])
        ):
            return NOTHING
        k = int(pivot[0])
        gain = Real(1)
        # Both sides are the same, seen from the pivot: transposing turns D into -D and the order round.
        for side, place in ((network, k), (network.transposed(), network.depth + 1 - k)):
            factor = self._beyond(side, place)
            gain = below(gain * factor)
        mu = gain * self.least
        if not mu > 0:
            return NOTHING
        return below(2 * mu), above(self.error / np.sqrt(gain))

    def _beyond(self, network: DeepLinearNetwork, k: int) -> Any:
        """Return a lower bound of the product of s_l over the layers after the k-th, 0 if one is not positive."""
        s, gain, begun, previous = Real(0), Real(1), 0, None
        for W, count in network.runs:
            first, begun = begun + 1, begun + count
            # Layers first to begun are W.
            if begun > k and W.shape[0] != W.shape[1]:
                return Real(0)
            if first > k:
                assert previous is not None
                s = self._step(s, self._lowest_imbalance(previous, W))
                gain = below(gain * s)
            repeated = begun - max(first, k)
            if repeated > 0:
                change = Real(0) if np.array_equal(W, W.T) else self._lowest_imbalance(W, W)
                s, factor = self._repeat(s, change, repeated)
                gain = below(gain * factor)
            if begun > k and not (s > 0 and gain > 0):
                return Real(0)
            previous = W
        return gain

    @staticmethod
    def _step(s: Any, change: Any) -> Any:
        return s + change - 2 * UNIT * (abs(s) + abs(change))

    @staticmethod
    def _repeat(s: Any, change: Any, count: int) -> tuple[Any, Any]:
        """Return s after adding the same change so often, and the product of all values on the way."""
        values = s + np.arange(1, count + 1).astype(Real) * change
        values = values - 4 * UNIT * (abs(s) + count * abs(change))
        if not (values > 0).all():
            return Real(0), Real(0)
        mantissas, exponent = values, 0
        while mantissas.size > 1:  # a few at a time, so that nothing underflows
            mantissas, shifts = np.frexp(np.append(mantissas, np.ones(-mantissas.size % 64, Real)))
            exponent += int(shifts.sum(dtype=np.int64))
            mantissas = np.multiply.reduce(mantissas.reshape(-1, 64), axis=1)
        product = np.ldexp(mantissas[0], max(min(exponent, 1000), -5000))
        return values[-1], below(product, 2 * count)

    def _lowest_imbalance(self, lower: np.ndarray, upper: np.ndarray) -> Any:
        """Return a lower bound of lambda_min(upper^T upper - lower lower^T)."""
        after, before = np.ascontiguousarray(upper.T).astype(Real), lower.astype(Real)
        D = gram(after) - gram(before)
        squares = above(norm(after) ** 2 + norm(before) ** 2)
        f = accuracy(max(after.shape[1], before.shape[1])) + 2 * UNIT
        least = lowest(D, f * squares)
        return least if self._confirmed("imbalance_is", lower, upper, least) else Real(-np.inf)

    def near_target(self, witness: dict[str, list[float]]) -> Proved:
        """Test B."""
        Phi, runs = self.target.Phi, self.network.runs
        if self.network.depth < 2:
            return NOTHING
        s = self._smallest_singular_value(Phi)
        margin = (s - self.error) - 2 * UNIT * s
        if not margin > 0:
            return NOTHING
        sizes = []
        if Phi.shape[0] <= Phi.shape[1]:
            sizes.append(spectral(runs[0][0]))
        if Phi.shape[0] >= Phi.shape[1]:
            sizes.append(spectral(runs[-1][0]))
        gain = below(sum((margin / size) ** 2 for size in sizes))
        return below(2 * gain * self.least), above(self.error / np.sqrt(gain))

    def _smallest_singular_value(self, Phi: np.ndarray) -> Any:
        """Return a lower bound: with Y = Phi^+ about, it is at least (1 - |I - Phi Y|)/|Y|."""
        wide = Phi if Phi.shape[0] <= Phi.shape[1] else Phi.T
        Y = np.linalg.pinv(wide)
        left, right = wide.astype(Real), np.ascontiguousarray(Y.T).astype(Real)
        defect = norm(np.eye(len(wide), dtype=Real) - product_with_transpose(left, right))
        defect = above(defect + (accuracy(wide.shape[1]) + 2 * UNIT) * norm(left) * norm(right) + len(wide) * UNIT)
        s = below((1 - defect) / spectral(Y)) if defect < 0.5 else Real(0)
        return s if self._confirmed("smallest_singular_value_is", Phi, s) else Real(0)

    def nearby(self, witness: dict[str, list[float]]) -> Proved:
        """Test C, on the distances given."""
        distances, step = np.array(witness.get("distances", [])), witness.get("step_size")
        if too_large(self.network) or distances.size > MOST_STRETCHES:
            return NOTHING
        if not (distances.size and np.isfinite(distances).all() and (np.diff(distances, prepend=0.0) > 0).all()):
            return NOTHING
        if step is not None and not (len(step) == 1 and step[0] > 0 and math.isfinite(step[0])):
            return NOTHING
        K, error = curvature(self.network)
        least, most = lowest(K, error), -lowest(-K, error)
        if not (least > 0 and self._confirmed("curvature_is", self.network, least)):
            return NOTHING
        walk = march(sizes(self.network), distances.astype(Real), below(np.sqrt(least)), above(np.sqrt(most)))
        if walk is None:
            return NOTHING
        m, J, bend, spent = walk
        q = Real(1)
        if step is not None:
            beta = above(self.most * J * J + self.root * np.sqrt(self.most) * bend)
            q = 1 - above(step[0] * beta / 2) - UNIT
        if not (q > 0 and below(q * spent) > self.error):
            return NOTHING
        return below(2 * q * m * m * self.least), Real(distances[-1])

    def _confirmed(self, inequality: str, *arguments: Any) -> bool:
        """Whether balls confirm an inequality of `replay_balls`; taken as proved if they were not asked for."""
        if not self.exact:
            return True
        from . import replay_balls

        return getattr(replay_balls, inequality)(*arguments)
