"""For JAX: the gradient flow of any differentiable loss, the curvature monitor, zero-asymmetric starts.

Needs the extra `jax`.
"""

from ..._errors import missing_extra

try:
    import diffrax as _diffrax  # noqa: F401
    import jax as _jax  # noqa: F401
except ImportError:
    raise missing_extra("JAX or diffrax", "jax") from None

from ...flow.loss_trajectory import LossAudit, LossTrajectory
from .flow import flow
from .kinks import kinks
from .monitor import PLMonitor, PLState, squared_norm, watch
from .zas import zas

__all__ = ["LossAudit", "LossTrajectory", "PLMonitor", "PLState", "flow", "kinks", "squared_norm", "watch", "zas"]
