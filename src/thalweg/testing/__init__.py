"""Checks of what the library claims against what the flow does, for its own tests and for those of others.

Every check raises AssertionError with all it found wrong, in figures, and returns quietly else.
"""

from .certificate import check_certificate
from .flow import check_flow
from .theorem import check_theorem

__all__ = ["check_certificate", "check_flow", "check_theorem"]
