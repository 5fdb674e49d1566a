"""Statistics of trials: probabilities, thresholds, scaling laws."""

from .adaptive import next_trials
from .binomial import clopper_pearson, wilson
from .scaling import ScalingFit, fit_scaling
from .sequential import sequential_interval
from .threshold import Threshold, threshold

__all__ = [
    "ScalingFit",
    "Threshold",
    "clopper_pearson",
    "fit_scaling",
    "next_trials",
    "sequential_interval",
    "threshold",
    "wilson",
]
