"""Runs and studies in words and on pages: ``tw.report.write(traj, "run.html")``."""

from .html import write
from .summary import Fact, Summary, summarize

__all__ = ["Fact", "Summary", "summarize", "write"]
