"""For PyTorch: the curvature monitor. Needs the extra `torch`."""

from ..._errors import missing_extra

try:
    import torch as _torch  # noqa: F401
except ImportError:
    raise missing_extra("PyTorch", "torch") from None

from .monitor import PLMonitor, Probe, probe

__all__ = ["PLMonitor", "Probe", "probe"]
