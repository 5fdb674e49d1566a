"""Certificates of deep linear networks.

Read `enclosed` first, then the three tests: `conserved` (A), `near_target` (B), and `paths` and `nearby` (C). `decide`
puts them in order; `replay` checks what they say with other arithmetic.
"""

from .decide import LinearWatch, certify_deep_linear

__all__ = ["LinearWatch", "certify_deep_linear"]
