"""For PyTorch: the curvature monitor and the zero-asymmetric initialization. Needs the extra `torch`."""

from ..._errors import missing_extra

try:
    import torch as _torch  # noqa: F401
except ImportError:
    raise missing_extra("PyTorch", "torch") from None

from ..report import Change, ZASReport
from .monitor import PLMonitor
from .second_order import Probe, probe
from .zas import zas_

__all__ = ["Change", "PLMonitor", "Probe", "ZASReport", "probe", "zas_"]
