"""The curvature monitor in a PyTorch loop."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from ... import _validate as check
from ..monitor import Judgement, PLRecord

# Between two layers these keep the balance of their weights: all are homogeneous of degree 1.
_HOMOGENEOUS = (nn.ReLU, nn.LeakyReLU, nn.Identity, nn.Flatten, nn.MaxPool1d, nn.MaxPool2d, nn.AvgPool1d, nn.AvgPool2d)
_WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
# Batches over which mini-batch figures are smoothed.
_MEMORY = 50


class PLMonitor:
    """Watch the local Polyak-Lojasiewicz curvature of a training run, and say what the run is doing.

    Call `step(loss)` after `loss.backward()` and before `optimizer.step()`.

    Parameters
    ----------
    model : nn.Module
        Its parameters with gradients are watched.
    optimizer : torch.optim.Optimizer, optional
        Where the step size is read at each step. Of SGD with momentum m it is lr/(1 - m), the pace that a
        constant gradient leads to. With Adam and other optimizers that rescale the gradient, time is the sum of the
        learning rates, and only a loss that blows up is called a step too large. Weight decay is not seen.
    step_size : float, optional
        Instead of the optimizer.
    target : float, optional
        Loss that counts as converged, by default a ten-thousandth of the first, above the floor.
    floor : float
        Smallest loss there is, if known.
    every : int
        Look at every so many steps only. A look reads the gradients once, and waits for the device.
    minibatch : bool
        Losses and gradients are those of mini-batches: smooth them, and take for |g|^2 the product of the gradients
        of two batches in a row (`every` looks apart), which is without the bias tr(covariance)/B of a square. It is
        smaller than |g|^2 by what the gradient changed in between. Keeps a copy of the gradients.
    pairs : sequence of (module, module), optional
        Layers one of which feeds the next through activations of degree 1, whose balance |W_next|^2 - |W|^2 - |b|^2
        the flow conserves. By default those that follow each other so in the Sequentials of the model.

    Examples
    --------
    >>> import torch
    >>> from thalweg.adapters.torch import PLMonitor
    >>> _ = torch.manual_seed(0)
    >>> model = torch.nn.Sequential(torch.nn.Linear(5, 20), torch.nn.ReLU(), torch.nn.Linear(20, 1))
    >>> optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    >>> x, y = torch.randn(30, 5), torch.randn(30, 1)
    >>> monitor = PLMonitor(model, optimizer)
    >>> for _ in range(100):
    ...     optimizer.zero_grad()
    ...     loss = ((model(x) - y) ** 2).mean() / 2
    ...     loss.backward()
    ...     scalars = monitor.step(loss)
    ...     optimizer.step()
    >>> monitor.judgement().state
    'descending'
    >>> sorted(scalars)[:3]
    ['pl/average_curvature', 'pl/balance_drift', 'pl/curvature']
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer | None = None,
        *,
        step_size: float | None = None,
        target: float | None = None,
        floor: float = 0.0,
        every: int = 1,
        minibatch: bool = False,
        pairs: Sequence[tuple[nn.Module, nn.Module]] | None = None,
    ) -> None:
        if (optimizer is None) == (step_size is None):
            raise check.fail("PLMonitor", "optimizer", "be given, or a step_size instead", repr(optimizer))
        self._parameters = [p for p in model.parameters() if p.requires_grad]
        if not self._parameters:
            raise check.fail("PLMonitor", "model", "have parameters that are trained", type(model).__name__)
        self._optimizer = optimizer
        self._step_size = None if step_size is None else check.real("PLMonitor", "step_size", step_size, above=0.0)
        self._every = check.positive_int("PLMonitor", "every", every)
        self._minibatch, self._before = minibatch, None
        memory, plain = _MEMORY if minibatch else 1, optimizer is None or isinstance(optimizer, torch.optim.SGD)
        self._record = PLRecord(target=target, floor=floor, memory=memory, plain=plain)
        self._pairs = list(_pairs(model)) if pairs is None else list(pairs)
        self._balance = self._balances()
        self._calls = 0

    def step(self, loss: Tensor | float) -> dict[str, float]:
        """Look at a state, its gradients computed and not yet used.

        Parameters
        ----------
        loss : scalar Tensor or float
            The loss that the gradients are of.

        Returns
        -------
        dict of str to float
            `scalars()`; empty at the steps that are left out.
        """
        self._calls += 1
        if (self._calls - 1) % self._every:
            return {}
        gradients = [p.grad for p in self._parameters if p.grad is not None]
        if not gradients:
            raise check.fail("PLMonitor.step", "model", "have gradients: call it after loss.backward()", "none")
        norm = get_total_norm(gradients).item()
        agreement = None
        if self._minibatch:
            agreement = norm**2 if self._before is None else _product(gradients, self._before)
            self._before = [gradient.detach().clone() for gradient in gradients]
        value = loss.item() if isinstance(loss, Tensor) else float(loss)
        steps = self._every if self._calls > 1 else 1
        self._record.add(value, norm, self._pace(), agreement=agreement, steps=steps)
        return self.scalars()

    def scalars(self) -> dict[str, float]:
        """Return the present figures, plain floats under names that trackers take.

        Those of `thalweg.adapters.monitor`, and "pl/balance_drift": the largest change of the balance of a pair of
        layers since the start, relative to their weights then. The flow has none; that of descent is of the order
        of the step size.
        """
        drift = {}
        if self._pairs:
            changes = (
                abs(now - then) / size for (now, _), (then, size) in zip(self._balances(), self._balance, strict=True)
            )
            drift["pl/balance_drift"] = max(changes)
        return self._record.scalars() | drift

    def judgement(self) -> Judgement:
        """Say what the run is doing: descending, escaping a saddle, converged, stuck, or taking steps too large."""
        return self._record.judgement()

    def probe(self, closure: Callable[[], Tensor], *, tolerance: float = 1e-2) -> Probe:
        """Tell a saddle from a minimum: compute the most negative curvature of the loss here.

        Parameters
        ----------
        closure : function
            Returns the loss, without `backward`. It is called once; its graph is differentiated some tens of times.
        tolerance : float
            Relative accuracy of the curvature.
        """
        return probe(closure, self._parameters, self._pace(), tolerance=tolerance)

    def __str__(self) -> str:
        return str(self.judgement())

    def _pace(self) -> float:
        if self._optimizer is None:
            return float(self._step_size or 0.0)
        groups = self._optimizer.param_groups
        paces = [float(group["lr"]) / (1 - float(group.get("momentum", 0.0))) for group in groups]
        if len(set(paces)) == 1:
            return paces[0]
        # The rate at which the loss falls is that of one step size for all.
        squares = [
            get_total_norm([p.grad for p in group["params"] if p.grad is not None]).item() ** 2 for group in groups
        ]
        total = math.fsum(squares)
        return math.fsum(map(float.__mul__, paces, squares)) / total if total > 0 else max(paces)

    def _balances(self) -> list[tuple[float, float]]:
        """Balance of every pair, and the size of its weights."""
        found = []
        with torch.no_grad():
            for layer, following in self._pairs:
                into = get_total_norm(list(layer.parameters())).item() ** 2
                weight = following.weight
                assert isinstance(weight, Tensor)
                out = get_total_norm([weight]).item() ** 2
                found.append((out - into, out + into or 1.0))
        return found


@dataclass(frozen=True)
class Probe:
    """The most negative curvature of a loss.

    Attributes
    ----------
    curvature : float
        Smallest eigenvalue of the Hessian.
    steps : float
        Steps in which a deviation along its direction grows e-fold at the present step size; infinite at a minimum.
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
    """Compute the smallest eigenvalue of the Hessian by Lanczos' method; see `PLMonitor.probe`."""
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


def _product(one: list[Tensor], other: list[Tensor]) -> float:
    return sum(torch.vdot(a.flatten(), b.flatten()) for a, b in zip(one, other, strict=True)).item()  # type: ignore[union-attr]


def _pairs(model: nn.Module) -> Iterator[tuple[nn.Module, nn.Module]]:
    """Find layers that follow each other in a Sequential with nothing between them but homogeneous activations."""
    for module in model.modules():
        if isinstance(module, nn.Sequential):
            parts = [part for part in module if not isinstance(part, _HOMOGENEOUS)]
            for layer, following in itertools.pairwise(parts):
                if isinstance(layer, _WEIGHTED) and isinstance(following, _WEIGHTED):
                    yield layer, following
