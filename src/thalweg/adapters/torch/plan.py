"""What is to be done to the parameters of a module: all of it is checked before any is done."""

from __future__ import annotations

from dataclasses import dataclass, field
from difflib import get_close_matches
from functools import cached_property

import torch
from torch import nn
from torch.nn.parameter import Parameter, UninitializedParameter

from ... import _validate as check
from ..report import Change
from .branches import Branch
from .layers import LAYERS, is_affine_norm

OWNER = "zas_"
# On a layer: by name of the parameter the factor that it was scaled by, and its norm then. A second call sees by
# the norm that nothing happened since, and does not scale again.
_MARK = "_thalweg_scaled"


@dataclass
class Plan:
    """Parameters to set to zero and to scale, each by its name in the module."""

    module: nn.Module
    zeroed: list[Change] = field(default_factory=list)
    scaled: list[Change] = field(default_factory=list)
    _factors: dict[str, float] = field(default_factory=dict)  # 0 for those to set to zero

    def zero(self, name: str, why: str) -> None:
        """Plan to set weight and bias of a layer or a norm to zero."""
        layer = self._layer(name)
        parts = [part for part in ("weight", "bias") if getattr(layer, part, None) is not None]
        if not parts:
            must = f"name layers that have a weight: {name!r} is a {type(layer).__name__}"
            raise check.fail(OWNER, "branches or head", must, repr(name))
        for part in parts:
            self._plan(name, layer, part, 0.0)
        if all(change.name != name for change in self.zeroed):
            kind = "norm after the last layer" if is_affine_norm(layer) else "last layer"
            self.zeroed.append(Change(name, ", ".join(parts), why if why.startswith("computes") else f"{kind} {why}"))

    def scale(self, branch: Branch, count: int) -> None:
        """Plan to scale the other layers of a branch, one of `count`."""
        if branch.depth < 2:
            return
        factor = count ** (-1 / (2 * branch.depth - 2))
        for name in branch.others:
            layer = self._layer(name)
            parts = [part for part in dict(layer.named_parameters(recurse=False)) if part.endswith("weight")]
            if not parts:
                raise check.fail(OWNER, "branches", "name layers that have a weight", f"{name!r}")
            for part in parts:
                self._plan(name, layer, part, factor)
            if all(change.name != name for change in self.scaled):
                rule = f"L^(-1/(2m - 2)) with L = {count}, m = {branch.depth}"
                self.scaled.append(Change(name, f"{', '.join(parts)} times {factor:.3g}", rule))

    def untouched(self) -> list[str]:
        """Return the layers of the module for which nothing is planned."""
        planned = {change.name for change in (*self.zeroed, *self.scaled)}
        layers = [name for name, each in self.module.named_modules() if isinstance(each, LAYERS)]
        return [name for name in layers if name not in planned]

    def refuse_shared(self) -> None:
        """Refuse parameters that have another name with which something else is to happen."""
        owners: dict[int, list[str]] = {}
        for layer in self.module.modules():  # each once, also one of several names
            for part, parameter in layer.named_parameters(recurse=False):
                owners.setdefault(id(parameter), []).append(self._key(layer, part))
        for name, factor in self._factors.items():
            for other in owners[id(self._parameter(name))]:
                if self._factors.get(other, 1.0) != factor:
                    must = f"share no parameter between {name}, which is to be {_done(factor)}, and another layer: "
                    remedy = "give each its own, or name branches and head so that both are treated alike"
                    raise check.fail(OWNER, "module", must + remedy, f"the same parameter as {other}")

    def apply(self) -> None:
        """Do what is planned, once for a parameter of several names."""
        done: set[int] = set()
        with torch.no_grad():
            for name, factor in self._factors.items():
                parameter = self._parameter(name)
                if id(parameter) in done:
                    continue
                done.add(id(parameter))
                if factor == 0.0:
                    parameter.zero_()
                else:
                    self._scale_once(name, parameter, factor)

    def _scale_once(self, name: str, parameter: Parameter, factor: float) -> None:
        layer, _, part = name.rpartition(".")
        marks = self.module.get_submodule(layer).__dict__.setdefault(_MARK, {})
        before, norm = marks.get(part, (1.0, None))
        if norm != float(parameter.norm()):
            before = 1.0
        if factor != before:
            parameter.mul_(factor / before)
        marks[part] = (factor, float(parameter.norm()))

    def _plan(self, name: str, layer: nn.Module, part: str, factor: float) -> None:
        key = self._key(layer, part)
        parameter = layer._parameters.get(part)
        reason = None
        if parameter is None:
            reason = "hold parameters themselves, not parametrizations: remove them first"
        elif isinstance(parameter, UninitializedParameter) or parameter.is_meta:
            reason = "be initialised: run it on a batch, or load it, first"
        elif factor == 0.0 and not parameter.requires_grad:
            reason = "be trainable where it is set to zero: call requires_grad_() on that parameter first"
        if reason is not None:
            raise check.fail(OWNER, "module", reason, key)
        if (planned := self._factors.setdefault(key, factor)) != factor:
            must = f"use each layer in one way only: {key} is to be {_done(planned)} and {_done(factor)}"
            raise check.fail(OWNER, "module", must, f"several uses of {name}; name the branches")

    def _key(self, layer: nn.Module, part: str) -> str:
        """Return the name of a parameter: that of a layer of several names is the first."""
        name = self._names[layer]
        return f"{name}.{part}" if name else part

    @cached_property
    def _names(self) -> dict[nn.Module, str]:
        return {each: name for name, each in self.module.named_modules()}

    @cached_property
    def _modules(self) -> dict[str, nn.Module]:
        return dict(self.module.named_modules(remove_duplicate=False))

    def _layer(self, name: str) -> nn.Module:
        if not isinstance(name, str) or name not in self._modules:
            near = get_close_matches(str(name), self._modules)
            must = f"name layers of the module{', such as ' if near else ''}{', '.join(near)}"
            raise check.fail(OWNER, "branches or head", must, repr(name))
        return self._modules[name]

    def _parameter(self, name: str) -> Parameter:
        return self.module.get_parameter(name)


def _done(factor: float) -> str:
    return "set to zero" if factor == 0.0 else f"scaled by {factor:.3g}"
