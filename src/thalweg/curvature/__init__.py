"""Local PL curvature: the tangent kernel and its spectrum, plateaus and transitions, implicit bias."""

from .alignment import Alignment, alignment
from .asymptotic import AsymptoticRate, asymptotic_rate
from .bias import ImplicitBias, implicit_bias, minimum_norm, minimum_norm_interpolator
from .plateau import Plateau, PlateauLaw, plateau_law, plateaus
from .spectrum import Spectrum, extreme_eigenvalues, spectrum
from .tangent import TangentKernel, tangent_kernel, tangent_kernel_at
from .transition import PhaseTransition, phase_transition

__all__ = [
    "Alignment",
    "AsymptoticRate",
    "ImplicitBias",
    "PhaseTransition",
    "Plateau",
    "PlateauLaw",
    "Spectrum",
    "TangentKernel",
    "alignment",
    "asymptotic_rate",
    "extreme_eigenvalues",
    "implicit_bias",
    "minimum_norm",
    "minimum_norm_interpolator",
    "phase_transition",
    "plateau_law",
    "plateaus",
    "spectrum",
    "tangent_kernel",
    "tangent_kernel_at",
]
