"""Adapters for the frameworks in which people train: PyTorch, Lightning and JAX, each with an extra of its name.

Nothing is imported here; ask for `thalweg.adapters.torch`, `thalweg.adapters.lightning` or `thalweg.adapters.jax`.
"""
