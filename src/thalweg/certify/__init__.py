"""Certificates: what is proved about a run from one of its states, rounding included.

Read `rounding` first, then `tube` for the one idea, `slabs` and `silent` for its use, `early` for the cheap tests, and
`shallow` for their order. `verify` checks a certificate from its parts with other arithmetic.
"""

from .along import Certified
from .certificate import Certificate
from .shallow import certify

__all__ = ["Certificate", "Certified", "certify"]
