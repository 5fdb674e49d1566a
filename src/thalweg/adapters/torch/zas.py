"""The zero-asymmetric initialization (ZAS) of PyTorch modules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import nn

from ... import _validate as check
from ..report import Change, ZASReport
from .branches import REMEDY, Branch, anatomy
from .endings import head_of
from .plan import OWNER as _OWNER
from .plan import Plan


def zas_(
    module: nn.Module,
    *,
    branches: Iterable[str] | Mapping[str, Iterable[str]] | None = None,
    head: str | bool | None = None,
    scaling: str | None = None,
) -> ZASReport:
    """Set the last layer of every residual branch, and the head, to zero, in place.

    The network then computes its skip path and the output 0. It is no saddle: the head has a gradient at the first
    step, the branches from the second on. This is the modified ZAS of Wu, Wang and Ma (2019, section 5), without
    normalisation at any depth. Its largest stable step falls like 1/L for L branches; with `scaling="fixup"` it does
    not.

    Branches are recognised where a module adds to x what it computes from x: by symbolic tracing (torch.fx) in
    modules of any kind, in the transformer layers of PyTorch by name. Where the skip path has a projection
    (a torchvision "downsample") the operand with more layers is the branch. If a branch ends in a norm with a
    gain, as in torchvision, the gain and the bias of the norm are set to zero instead of the layer before it.

    Parameters
    ----------
    module : nn.Module
        Changed under no_grad; type and device of its parameters stay. A call that raises changes nothing, a second
        call neither.
    branches : sequence of str, or dict of str to sequence of str, optional
        The last layer of each branch (or the norm after it), by its name in `module.named_modules()`, if the branches
        are not recognised. With `scaling` a dict, which gives for each its other layers too.
    head : str or False, optional
        The layer that computes the output, by name; False leaves it as it is.
    scaling : {"fixup"}, optional
        Multiply the weights of the other layers of each branch by L^(-1/(2m - 2)), L the number of branches and
        m the number of layers on the longest path through the branch (Zhang, Dauphin and Ma, 2019): L^(-1/2) for
        branches of two layers. Attention counts as two, its projections and its output. For networks without norms.

    Returns
    -------
    ZASReport
        What was set to zero and scaled, and what was left, with the reasons.

    Raises
    ------
    InputError
        If no branch is found, or one is found that its last layer cannot switch off; for names of no layer, and for
        parameters that are shared with another layer, frozen, computed by a parametrization, or not initialised.

    Examples
    --------
    >>> import torch
    >>> from thalweg.adapters.torch import zas_
    >>> class Block(torch.nn.Module):
    ...     def __init__(self, width):
    ...         super().__init__()
    ...         self.fc1, self.fc2 = torch.nn.Linear(width, width), torch.nn.Linear(width, width)
    ...
    ...     def forward(self, x):
    ...         return x + self.fc2(torch.relu(self.fc1(x)))
    >>> model = torch.nn.Sequential(torch.nn.Linear(5, 8), *(Block(8) for _ in range(100)), torch.nn.Linear(8, 1))
    >>> print(zas_(model, scaling="fixup"))
    ZAS        100 residual branches computed as 0, and so is the head, 101
      zeroed   1.fc2 ... 100.fc2 (100 in all): weight, bias; last layer of a residual branch
      zeroed   101: weight, bias; computes the output
      scaled   1.fc1 ... 100.fc1 (100 in all): weight times 0.1; L^(-1/(2m - 2)) with L = 100, m = 2
      left     0: as it was
    """
    if not isinstance(module, nn.Module):
        raise check.fail(_OWNER, "module", "be a torch.nn.Module", type(module).__name__)
    if scaling is not None:
        check.one_of(_OWNER, "scaling", scaling, ("fixup",))
    notes: list[tuple[str, str]] = []
    if branches is None:
        body = anatomy(module)
        found, notes = body.branches, body.notes
    else:
        found = _named(branches, scaling)
    if not found:
        must = f"have residual branches, and none is recognised. {REMEDY.rstrip('.')}"
        raise check.fail(_OWNER, "module", must, type(module).__name__)
    plan = Plan(module)
    for branch in found:
        for name in branch.last:
            plan.zero(name, "of a residual branch")
    heads = _heads(module, head)
    for name in heads:
        plan.zero(name, "computes the output")
    if scaling is not None:
        for branch in found:
            plan.scale(branch, len(found))
    plan.refuse_shared()
    plan.apply()
    if not heads:
        why = "as it was, as asked" if head is False else "there is none: the output is the residual stream"
        notes = [("head", why), *notes]
    notes += [(name, "as it was") for name in plan.untouched()]
    left = tuple(Change(name, "", why) for name, why in notes)
    return ZASReport(len(found), heads[0] if heads else None, tuple(plan.zeroed), tuple(plan.scaled), left)


def _named(branches: Iterable[str] | Mapping[str, Iterable[str]], scaling: str | None) -> list[Branch]:
    if isinstance(branches, str) or not isinstance(branches, Iterable):
        raise check.fail(_OWNER, "branches", "be a sequence of names, or a dict", repr(branches))
    if isinstance(branches, Mapping):
        others = {last: tuple(rest) for last, rest in branches.items()}
    elif scaling is None:
        others = dict.fromkeys(branches, ())
    else:
        must = "be a dict if there is scaling, {last layer: [its other layers], ...}"
        raise check.fail(_OWNER, "branches", must, f"a {type(branches).__name__}")
    return [Branch((last,), rest, len(rest) + 1) for last, rest in others.items()]


def _heads(module: nn.Module, head: str | bool | None) -> tuple[str, ...]:
    if isinstance(head, str):
        return (head,)
    if head is False:
        return ()
    if head is not None:
        raise check.fail(_OWNER, "head", "be the name of a layer, or False to leave it as it is", repr(head))
    heads = head_of(module)
    if heads is None:
        must = (
            "be given, as the layer that computes the output is not recognised: its name, or False to leave it as it is"
        )
        raise check.fail(_OWNER, "head", must, "None")
    return heads
