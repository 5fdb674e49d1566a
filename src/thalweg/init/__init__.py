"""Initializations of shallow and of deep linear networks."""

from .balanced import balanced
from .balanced_layers import balanced_layers
from .counterexample import counterexample
from .dominated import dominated
from .gaussian import gaussian
from .group import group
from .near_identity import near_identity
from .orthogonal import orthogonal
from .perturbed import perturbed
from .xavier import xavier
from .zas import zas, zas_alpha

__all__ = [
    "balanced",
    "balanced_layers",
    "counterexample",
    "dominated",
    "gaussian",
    "group",
    "near_identity",
    "orthogonal",
    "perturbed",
    "xavier",
    "zas",
    "zas_alpha",
]
