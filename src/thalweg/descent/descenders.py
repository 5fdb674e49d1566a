"""The two ways to descend: mode by mode from exact ZAS, and over all layers."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from .._typing import FloatArray
from ..data.target import Target
from ..flow.linear.layers import invariants, refuse_large
from ..flow.linear.route import LinearState
from ..networks.deep_linear import DeepLinearNetwork
from ..networks.forms import ZeroAsymmetric
from ..networks.products import error_and_gradients, singular_values, squared_norm


class Descender(Protocol):
    """Gradient descent, plain or with heavy-ball momentum, that can be advanced and read."""

    name: str
    why: str
    piece: int
    """Iterations that take a tenth of a second or so, after which Ctrl-C is looked for."""

    def advance(self, count: int, level: float, ceiling: float) -> tuple[int, int]:
        """Make up to `count` iterations; return how many, and why no more, as `modes_kernel.advance` does."""
        ...

    def state(self, t: float) -> LinearState:
        """Read the present state; t is the number of iterations times the step size."""
        ...


class ModeDescent:
    """Gradient descent from exact ZAS: each mode of the target is two variables, at any depth."""

    name = "modes"
    why = "the start is exactly zero-asymmetric, so that each mode of the target is a problem of two variables"

    def __init__(
        self,
        form: ZeroAsymmetric,
        spectrum: tuple[FloatArray, FloatArray, FloatArray, FloatArray],
        step_size: float,
        momentum: float,
        kernel: str,
    ) -> None:
        self._form, self._eta, self._momentum = form, step_size, momentum
        self._U, self._sigma, self._Z, self._lam = spectrum
        self.piece = max(1, (1_000_000 if kernel == "numba" else 2_000) // len(self._sigma))
        self._w, self._g, self._w_speed, self._g_speed = np.zeros((4, len(self._sigma)))
        advance: Any
        if kernel == "numba":
            from .modes_kernel import advance
        else:
            from .modes_numpy import advance
        self._advance = advance

    def advance(self, count: int, level: float, ceiling: float) -> tuple[int, int]:
        """Make up to `count` iterations."""
        state = (self._w, self._g, self._w_speed, self._g_speed)
        form, eta, momentum = self._form, self._eta, self._momentum
        return self._advance(
            self._sigma, self._lam, *state, form.hidden, form.alpha, eta, momentum, count, level, ceiling
        )

    def state(self, t: float) -> LinearState:
        """Read the present state."""
        form, w, g = self._form, self._w.copy(), self._g.copy()
        a = form.alpha + g
        with np.errstate(divide="ignore"):
            size = np.exp(form.hidden * (np.log(form.alpha) + np.log(np.abs(a / form.alpha))))
            precise = np.exp(form.hidden * (np.log(form.alpha) + np.log1p(np.maximum(g / form.alpha, -1.0))))
        top = np.where(a > 0, precise, size * np.where(a < 0, -1.0, 1.0) ** form.hidden)
        errors = self._sigma - w * top
        excess = 0.5 * float(np.sum(self._lam * errors**2))
        # a^(2N) + N w^2 a^(2N-2): the squared derivatives of p by w and by the hidden layers together.
        gains = top**2 * (1 + form.hidden * (w / np.where(a == 0, 1.0, a)) ** 2)
        power = float(np.sum((self._lam * errors) ** 2 * gains))
        drift = float(np.abs(2 * form.alpha * g + g**2 - w**2).max()) / form.alpha**2 if form.hidden else 0.0
        values = np.sort(np.abs(w * top))[::-1]
        curvature = power / excess if excess > 0 else 0.0
        return LinearState(t, excess, curvature, values, drift, lambda: form.network(self._U, self._Z, w, g))


class LayerDescent:
    """Gradient descent over all layers."""

    name = "all layers"
    why = "the start is not exactly zero-asymmetric, so that every layer is stepped"

    def __init__(self, network: DeepLinearNetwork, target: Target, step_size: float, momentum: float) -> None:
        refuse_large("descend", network)
        self._target, self._eta, self._momentum = target, step_size, momentum
        self._layers = [W.copy() for W in network.layers]
        self.piece = max(1, 10_000 // len(self._layers))
        self._speeds = [np.zeros_like(W) for W in self._layers]
        self._invariants = invariants(self._layers)
        norms = [float(np.linalg.norm(W, 2)) ** 2 for W in self._layers]
        self._sizes = np.maximum(np.maximum(norms[:-1], norms[1:]), 1e-300)

    def advance(self, count: int, level: float, ceiling: float) -> tuple[int, int]:
        """Make up to `count` iterations."""
        before = self._layers
        with np.errstate(all="ignore"):
            for done in range(count + 1):
                E, gradients = error_and_gradients(self._layers, self._target)
                excess = self._target.excess(E)
                if not excess <= ceiling:
                    self._layers = before
                    return max(done - 1, 0), 2
                if excess <= level:
                    return done, 1
                if done == count:
                    break
                before = self._layers
                self._speeds = [
                    self._momentum * V - self._eta * G for V, G in zip(self._speeds, gradients, strict=True)
                ]
                self._layers = [W + V for W, V in zip(self._layers, self._speeds, strict=True)]
        return count, 0

    def state(self, t: float) -> LinearState:
        """Read the present state."""
        layers = self._layers
        E, gradients = error_and_gradients(layers, self._target)
        excess = self._target.excess(E)
        curvature = squared_norm(gradients) / excess if excess > 0 else 0.0
        changes = zip(invariants(layers), self._invariants, self._sizes, strict=True)
        drift = max((float(np.abs(now - then).max() / size) for now, then, size in changes), default=0.0)
        values = singular_values(E + self._target.Phi)
        return LinearState(t, excess, curvature, values, drift, lambda: DeepLinearNetwork(layers))
