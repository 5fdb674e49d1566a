"""The most negative curvature of a loss, which tells a saddle from a minimum."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Probe:
    """The most negative curvature of a loss.

    Attributes
    ----------
    curvature : float
        Smallest eigenvalue of the Hessian.
    steps : float
        Steps in which a deviation along its direction grows e-fold at the present step size; infinite at a minimum.

    Examples
    --------
    >>> import torch
    >>> from thalweg.adapters.torch import probe
    >>> w = torch.zeros(2, requires_grad=True)
    >>> found = probe(lambda: w[0] ** 2 + 0.5 * w[1] ** 2, [w], step_size=0.1)
    >>> round(found.curvature, 6), found.steps
    (1.0, inf)
    """

    curvature: float
    steps: float

    def __str__(self) -> str:
        if math.isinf(self.steps):
            return f"no direction descends to second order: smallest curvature {self.curvature:.3g}"
        return f"a saddle: curvature {self.curvature:.3g}; what is along it grows e-fold in {self.steps:.3g} steps"


def probe(
    closure: Callable[[], Tensor], parameters: Iterable[Tensor], step_size: float, *, tolerance: float = 1e-2
) -> Probe:
    """Compute the smallest eigenvalue of the Hessian by Lanczos' method; see `PLMonitor.probe`.

    Examples
    --------
    >>> import torch
    >>> from thalweg.adapters.torch import probe
    >>> w = torch.zeros(2, requires_grad=True)
    >>> print(probe(lambda: w[0] ** 2 - 0.5 * w[1] ** 2, [w], step_size=0.1))
    a saddle: curvature -1; what is along it grows e-fold in 10 steps
    """
    from scipy.sparse import linalg

    watched = list(parameters)
    gradients = torch.autograd.grad(closure(), watched, create_graph=True, materialize_grads=True)
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])
    size = flat.numel()
    if not flat.requires_grad:  # the loss is linear in the parameters
        return Probe(0.0, math.inf)

    def multiply(vector: np.ndarray) -> np.ndarray:
        direction = torch.as_tensor(vector.reshape(-1), dtype=flat.dtype, device=flat.device)
        parts = torch.autograd.grad(flat, watched, direction, retain_graph=True, materialize_grads=True)
        return torch.cat([part.reshape(-1) for part in parts]).double().cpu().numpy()

    if size == 1:
        curvature = float(multiply(np.ones(1))[0])
    else:
        eigsh: Any = linalg.eigsh  # its stub takes no float for tol
        hessian = linalg.LinearOperator((size, size), matvec=multiply, dtype=np.float64)  # type: ignore[call-arg]
        start = np.random.default_rng(0).standard_normal(size)
        curvature = float(eigsh(hessian, k=1, which="SA", tol=tolerance, v0=start, return_eigenvectors=False)[0])
    return Probe(curvature, 1 / (-curvature * step_size) if curvature < 0 else math.inf)
