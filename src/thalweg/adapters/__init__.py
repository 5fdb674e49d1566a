"""Adapters for the frameworks in which people train: PyTorch, Lightning and JAX, each with an extra of its name.

None of them is imported here; ask for `thalweg.adapters.torch`, `thalweg.adapters.lightning` or
`thalweg.adapters.jax`.
"""

from .bridges import append_constant, from_torch, to_torch

__all__ = ["append_constant", "from_torch", "to_torch"]
