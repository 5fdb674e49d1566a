"""The curvature monitor in a PyTorch loop."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ... import _validate as check
from ..judgement import Judgement
from ..monitor import PLRecord
from .second_order import Probe, probe

# Between two layers these keep the balance of their weights: all are homogeneous of degree 1.
_HOMOGENEOUS = (nn.ReLU, nn.LeakyReLU, nn.Identity, nn.Flatten, nn.MaxPool1d, nn.MaxPool2d, nn.AvgPool1d, nn.AvgPool2d)
_WEIGHTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)
# Batches over which mini-batch figures are smoothed.
_MEMORY = 50
# Steps that are all looked at, and of which one is from then on, unless asked otherwise.
_ALL, _THEN_EVERY = 100, 5
# Looks for which a balance drift stands: it moves slowly, and norms of many small layers take time.
_DRIFT_STANDS = 10
# Gradients of more entries are not put into one vector: time is in the steps then, and memory is dear.
_MOST_ENTRIES = 2**24


class PLMonitor:
    """Watch the local Polyak-Lojasiewicz curvature of a training run, and say what the run is doing.

    Call `step(loss)` after `loss.backward()` and before `optimizer.step()`.

    Parameters
    ----------
    model : nn.Module
        All of its parameters that have gradients are watched if there is no optimizer.
    optimizer : torch.optim.Optimizer, optional
        Its parameters are watched, those that have gradients at the time, and its step size is read at each step. Of
        SGD with momentum m that is lr/(1 - m), the pace that a constant gradient leads to. With Adam and other
        optimizers that rescale the gradient, time is the sum of the learning rates. With these, with momentum, and
        with parameters of under 32 bits, whose steps are rounded, what the loss falls by in a step is not what the
        gradient promises: only a loss that blows up is called a step too large then. Weight decay is not seen.
    step_size : float, optional
        Instead of the optimizer, of plain gradient descent.
    target : float, optional
        Loss that counts as converged, by default a ten-thousandth of the first, above the floor.
    floor : float
        Smallest loss there is, if known.
    every : int, optional
        Look at every so many steps only. A look reads the gradients once, and waits for the device. By default the
        first hundred steps are all looked at, and every fifth of the others.
    minibatch : bool
        Losses and gradients are those of mini-batches: smooth them, and take for |g|^2 the product of the gradients
        of two batches in a row (`every` looks apart), which is without the bias tr(covariance)/B of a square. It is
        smaller than |g|^2 by what the gradient changed in between. Keeps a copy of the gradients.
    pairs : sequence of (module, module), optional
        Layers one of which feeds the next through activations of degree 1, whose balance |W_next|^2 - |W|^2 - |b|^2
        the flow conserves. By default those that follow each other so in the Sequentials of the model.

    Notes
    -----
    Under mixed precision unscale the gradients first (`scaler.unscale_(optimizer)`). A look at gradients that are not
    finite, of a loss that is, is left out: such steps are skipped. With gradient accumulation, look once before each
    step of the optimizer, with the mean of the losses.

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
        every: int | None = None,
        minibatch: bool = False,
        pairs: Sequence[tuple[nn.Module, nn.Module]] | None = None,
    ) -> None:
        if not isinstance(model, nn.Module):
            raise check.fail("PLMonitor", "model", "be a torch.nn.Module", type(model).__name__)
        if (optimizer is None) == (step_size is None):
            given = "neither" if optimizer is None else "both"
            raise check.fail("PLMonitor", "optimizer", "be given, or a step_size instead", given)
        self._optimizer, self._parameters = optimizer, list(model.parameters())
        if optimizer is not None:
            self._parameters = [p for group in optimizer.param_groups for p in group["params"]]
        if not any(p.requires_grad for p in self._parameters):
            raise check.fail("PLMonitor", "model", "have parameters that are trained", type(model).__name__)
        self._step_size = None if step_size is None else check.real("PLMonitor", "step_size", step_size, above=0.0)
        self._every = None if every is None else check.positive_int("PLMonitor", "every", every)
        self._minibatch: bool = minibatch
        self._before: tuple[list[int], Tensor] | None = None
        self._large = sum(p.numel() for p in self._parameters) > _MOST_ENTRIES
        plain = _is_plain(optimizer) and all(p.dtype.itemsize >= 4 for p in self._parameters)
        self._record = PLRecord(target=target, floor=floor, memory=_MEMORY if minibatch else 1, plain=plain)
        self._pairs = list(_pairs(model)) if pairs is None else list(pairs)
        self._balance = self._balances()
        self._calls, self._looks, self._looked, self._drift = 0, 0, 0, 0.0

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
        now, every = self._calls, self._every or (1 if self._calls < _ALL else _THEN_EVERY)
        self._calls += 1
        if now % every:
            return {}
        gradients = [gradient for p in self._parameters if (gradient := p.grad) is not None]
        if not gradients:
            raise check.fail("PLMonitor.step", "model", "have gradients: call it after loss.backward()", "none")
        if isinstance(loss, Tensor) and loss.numel() != 1:
            must = "be the scalar that backward() was called on"
            raise check.fail("PLMonitor.step", "loss", must, f"shape {tuple(loss.shape)}")
        value = loss.item() if isinstance(loss, Tensor) else float(loss)
        if self._minibatch:
            norm, agreement = None, self._agreement(gradients)
        else:
            norm, agreement = math.sqrt(_square(gradients, self._large)), None
        self._record.add(value, norm, self._pace(), agreement=agreement, steps=now - self._looked)
        if self._pairs and self._looks % _DRIFT_STANDS == 0:
            self._drift = max(map(_drift, self._balance, self._balances()))
        self._looks, self._looked = self._looks + 1, now
        return self.scalars()

    def scalars(self) -> dict[str, float]:
        """Return the present figures, plain floats under names that trackers take.

        Those of `thalweg.adapters.monitor`, and "pl/balance_drift": the largest change of the balance of a pair of
        layers since the start, relative to the larger of their weights then and now, taken at every tenth look. The
        flow has none; that of descent is of the order of the step size.
        """
        return self._record.scalars() | ({"pl/balance_drift": self._drift} if self._pairs else {})

    def state_dict(self) -> dict[str, Any]:
        """Return what a run that is taken up again needs, plain numbers in lists and dicts."""
        return {
            "calls": self._calls,
            "looks": self._looks,
            "looked": self._looked,
            "drift": self._drift,
            "balance": self._balance,
            "record": self._record.state_dict(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take a run up again where `state_dict` was called; options are those given to this monitor.

        Of mini-batches the next look has no gradient to be compared with, and keeps its curvature.
        """
        self._record.load_state_dict(state["record"])
        self._calls, self._looks, self._looked = state["calls"], state["looks"], state["looked"]
        self._drift = state["drift"]
        self._balance = [(now, size) for now, size in state["balance"]]

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

    def _agreement(self, gradients: list[Tensor]) -> float | None:
        """Product of these gradients with those of the look before, None if there was none; keeps a copy of these."""
        owners = [k for k, p in enumerate(self._parameters) if p.grad is not None]
        flat = _in_a_row(gradients)
        if len(gradients) == 1:
            flat = flat.clone()
        before, self._before = self._before, (owners, flat)
        if before is None:
            return None
        if before[0] == owners:
            return torch.dot(before[1], flat).item()
        # Parameters were frozen, or took no part in one of the batches: their product is 0.
        sizes = [p.numel() * (2 if p.is_complex() else 1) for p in self._parameters]
        then, now = (
            dict(zip(held, entries.split([sizes[k] for k in held]), strict=True))
            for held, entries in (before, self._before)
        )
        return math.fsum(torch.dot(then[k], now[k]).item() for k in then.keys() & now.keys())

    def _pace(self) -> float:
        if self._optimizer is None:
            return float(self._step_size or 0.0)
        groups = self._optimizer.param_groups
        paces = [
            float(group["lr"]) * (1 - float(group.get("dampening", 0.0))) / (1 - momentum)
            if (momentum := float(group.get("momentum", 0.0)))
            else float(group["lr"])
            for group in groups
        ]
        if len(set(paces)) == 1:
            return paces[0]
        # The rate at which the loss falls is that of one step size for all.
        held = [[p.grad for p in group["params"] if p.grad is not None] for group in groups]
        squares = [_square(gradients, self._large) for gradients in held]
        total = math.fsum(squares)
        return math.fsum(map(float.__mul__, paces, squares)) / total if total > 0 else max(paces)

    def _balances(self) -> list[tuple[float, float]]:
        """Balance of every pair, and the size of its weights."""
        found = []
        for layer, following in self._pairs:
            into, weight = _square(list(layer.parameters()), self._large), following.weight
            assert isinstance(weight, Tensor)
            out = _square([weight], self._large)
            found.append((out - into, out + into))
        return found


def _drift(then: tuple[float, float], now: tuple[float, float]) -> float:
    size = max(then[1], now[1])
    return abs(now[0] - then[0]) / size if size else 0.0


def _is_plain(optimizer: torch.optim.Optimizer | None) -> bool:
    """Whether a step is along the gradient there and then, so that it promises what the step does to the loss."""
    if optimizer is None:
        return True
    return isinstance(optimizer, torch.optim.SGD) and not any(group["momentum"] for group in optimizer.param_groups)


def _in_a_row(gradients: Sequence[Tensor]) -> Tensor:
    """Return all entries as one real vector of at least 32 bits; a copy, unless there is one tensor only."""
    try:
        parts = [each.ravel() for each in gradients]
        flat = torch.cat(parts) if len(parts) > 1 else parts[0]
    except RuntimeError:  # some are sparse, or on another device
        flat = torch.cat([each.to_dense().to(gradients[0].device).ravel() for each in gradients])
    if flat.is_complex():
        flat = torch.view_as_real(flat).flatten()
    return flat if flat.dtype.itemsize >= 4 else flat.float()


def _square(gradients: Sequence[Tensor], large: bool) -> float:
    """Return |g|^2, summed in at least 32 bits."""
    with torch.no_grad():
        if not large:
            flat = _in_a_row(gradients) if gradients else torch.zeros(1)
            return torch.dot(flat, flat).item()
        each = (g.coalesce().values() if g.is_sparse else g for g in gradients)
        return math.fsum(torch.linalg.vector_norm(_in_a_row([g])).item() ** 2 for g in each)


def _pairs(model: nn.Module) -> Iterator[tuple[nn.Module, nn.Module]]:
    """Find layers that follow each other in a Sequential with nothing between them but homogeneous activations."""
    for module in model.modules():
        if isinstance(module, nn.Sequential):
            parts = [part for part in module if not isinstance(part, _HOMOGENEOUS)]
            for layer, following in itertools.pairwise(parts):
                if isinstance(layer, _WEIGHTED) and isinstance(following, _WEIGHTED):
                    yield layer, following
