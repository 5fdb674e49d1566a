"""Theorems on convergence, and checks of their hypotheses."""

from .base import Comparison, Finding, Guarantee, Hypothesis, Repair, Theorem
from .check import check
from .linear_setting import LinearSetting
from .registry import THEOREMS
from .report import Report
from .setting import ShallowSetting

__all__ = [
    "THEOREMS",
    "Comparison",
    "Finding",
    "Guarantee",
    "Hypothesis",
    "LinearSetting",
    "Repair",
    "Report",
    "ShallowSetting",
    "Theorem",
    "check",
]
