"""Flows with a formula: one moving direction per neuron, and groups of orthogonal inputs."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class OneDirection:
    """One neuron that moves along one unit direction, fitted to one sample.

    With omega the component of w along the direction and sigma(z) = k omega at the only sample that drives
    it, the flow is
        omega' = (k/n) a r,  a' = (k/n) omega r,  r = y - k a omega.
    u = a + omega and v = a - omega satisfy u' = (k r/n) u, v' = -(k r/n) v, so that u v = c = a^2 - omega^2
    stays, and E = u^2 obeys the Riccati equation
        E' = -(k^2/2n) (E - E+) (E - E-),  E+- = 2y/k +- sqrt((2y/k)^2 + c^2).

    It covers a single sample (k = |x|); a leaky neuron on its negative side (k = slope |x|); and a neuron
    that slides on one input while another drives it (k = the part of |x| orthogonal to the stuck input).
    """

    k: float
    y: float
    n: int

    def at(self, omega, a, t):
        """Return (omega, a) at times t."""
        t = np.asarray(t, float)
        if abs(a + omega) < abs(a - omega):  # the mirror image omega -> -omega, y -> -y divides by the larger
            mirrored, a_t = OneDirection(self.k, -self.y, self.n).at(-omega, a, t)
            return -mirrored, a_t
        c, start = (a - omega) * (a + omega), (a + omega) ** 2
        root = np.hypot(2 * self.y / self.k, c)
        upper, lower = 2 * self.y / self.k + root, 2 * self.y / self.k - root
        # (E - E+)/(E - E-) decays at the rate (k^2/2n)(E+ - E-).
        ratio = (start - upper) / (start - lower) * np.exp(-(self.k**2) / (2 * self.n) * (upper - lower) * t)
        u = np.sign(a + omega) * np.sqrt((upper - lower * ratio) / (1 - ratio))
        return (u - c / u) / 2, (u + c / u) / 2

    def time_to(self, omega, a, target):
        """Return when omega reaches `target`, a and a + omega being positive on the way."""
        c, start = (a - omega) * (a + omega), (a + omega) ** 2
        root = np.hypot(2 * self.y / self.k, c)
        upper, lower = 2 * self.y / self.k + root, 2 * self.y / self.k - root
        end = (target + np.sqrt(target**2 + c)) ** 2
        ratio = (start - upper) * (end - lower) / ((start - lower) * (end - upper))
        return np.log(ratio) * 2 * self.n / (self.k**2 * (upper - lower))


def single_sample(x, y, w, a, t, slope=0.0):
    """(W, a) for one neuron and one sample whose z does not change sign: W (T, d), a (T,)."""
    x, w = np.asarray(x, float), np.asarray(w, float)
    length = np.linalg.norm(x)
    e = x / length
    k = length if w @ x > 0 else slope * length
    if k == 0:
        return np.tile(w, (len(t), 1)), np.full(len(t), float(a))
    omega, a_t = OneDirection(k, y, 1).at(w @ e, a, t)
    return w + (omega - w @ e)[:, None] * e, a_t


@dataclass(frozen=True)
class SlidingNeuron:
    """One neuron, two samples: it slides on the first while the second drives it.

    The start w must be orthogonal to x1 and along the rest of x2, z2 > 0. Staying on the kink needs the
    multiplier lam = -r2 <x1, x2> / (y1 |x1|^2) in [0, 1] and a y1 < 0 all the while.
    """

    x1: np.ndarray
    x2: np.ndarray
    y1: float
    y2: float

    @property
    def direction(self):
        """The part of x2 orthogonal to x1."""
        return self.x2 - (self.x1 @ self.x2) / (self.x1 @ self.x1) * self.x1

    def at(self, omega, a, t):
        """Return W (T, d), a, residuals (T, 2), mu and the multiplier of the stuck pair at times t."""
        k = np.linalg.norm(self.direction)
        omega_t, a_t = OneDirection(k, self.y2, 2).at(omega, a, t)
        r2 = self.y2 - k * a_t * omega_t
        r = np.stack([np.full_like(r2, self.y1), r2], axis=1)
        mu = (k * r2) ** 2 * (a_t**2 + omega_t**2) / (r**2).sum(1)
        lam = -r2 * (self.x1 @ self.x2) / (self.y1 * (self.x1 @ self.x1))
        return omega_t[:, None] * self.direction / k, a_t, r, mu, lam


def orthogonal_group(w, y, length, n, p, t):
    """Group of orthogonal inputs of one length, fitted by one balanced neuron, all coordinates positive.

    The neuron has a = |w| > 0, labels y > 0 and coordinates w (g,) > 0 along the inputs' directions; no other
    neuron is active on the group. Then with D = length |y|, s = D t/n and c = cos(w, y),
        c = tanh(s + artanh c0),  N = a^2 = N0 G^2 / (1 + (2 N0 length^2/(p D)) I),
        G = ch s + c0 sh s,  I = int_0^s G^2 = (1 - c0^2) s/2 + (1 + c0^2) sh(2s)/4 + c0 (ch 2s - 1)/2.
    N' = (2/n)(D c N - length^2 N^2/p) is a Bernoulli equation. Returns w (T, g) and a (T,).
    """
    w, y, t = np.asarray(w, float), np.asarray(y, float), np.asarray(t, float)
    start, along = np.linalg.norm(w), y / np.linalg.norm(y)
    c0 = min(w @ along / start, 1.0)
    aside = w - (w @ along) * along
    if np.linalg.norm(aside) > 1e-15:
        aside = aside / np.linalg.norm(aside)
    D = length * np.linalg.norm(y)
    s = D * t / n
    G = np.cosh(s) + c0 * np.sinh(s)
    integral = (1 - c0**2) * s / 2 + (1 + c0**2) * np.sinh(2 * s) / 4 + c0 * (np.cosh(2 * s) - 1) / 2
    N = start**2 * G**2 / (1 + 2 * start**2 * length**2 / (p * D) * integral)
    # cos and sin of the angle, as tanh(s + artanh c0) without its pole at c0 = 1
    cosine = (c0 * np.cosh(s) + np.sinh(s)) / G
    sine = np.sqrt(1 - c0**2) / G
    return np.sqrt(N)[:, None] * (cosine[:, None] * along + sine[:, None] * aside), np.sqrt(N)
