"""Local PL curvature: the tangent kernel and its spectrum."""

from .alignment import Alignment, alignment
from .spectrum import Spectrum, extreme_eigenvalues, spectrum
from .tangent import TangentKernel, tangent_kernel, tangent_kernel_at

__all__ = [
    "Alignment",
    "Spectrum",
    "TangentKernel",
    "alignment",
    "extreme_eigenvalues",
    "spectrum",
    "tangent_kernel",
    "tangent_kernel_at",
]
