"""Kernels compiled once, for all processes alike."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def compile_kernels() -> None:
    """Run every kernel once, so that numba compiles it and keeps it in its cache."""
    from ..data import orthogonal, sphere
    from ..init import dominated
    from .solve import flow

    for data in (sphere(4, 3, seed=1), orthogonal(3, seed=1)):
        flow(dominated(data.d, 3, seed=2), data, t_end=1.0, progress=False)


def compile_elsewhere() -> None:
    """Compile the kernels in a process of their own, unless the cache has them.

    Sums are reordered by the compiler, and a process that compiles may link its kernels otherwise than one that reads
    them from the cache: results could differ in their last bits. So all processes are to read.
    """
    from . import orthogonal_kernels, sweeps

    for kernel in (sweeps.carry, orthogonal_kernels.advance):
        folder = Path(kernel._cache.cache_path)  # type: ignore[attr-defined]
        name = Path(str(kernel.py_func.__code__.co_filename)).stem
        if not any(folder.glob(f"{name}.{kernel.py_func.__name__}-*.nbi")):
            code = "from thalweg.flow.warm import compile_kernels; compile_kernels()"
            subprocess.run([sys.executable, "-c", code], check=False)
            return
