"""What all pages share: templates that escape every text, and the versions at the foot."""

from __future__ import annotations

import platform

import numpy as np


def render(template: str, **values: object) -> str:
    """Fill a template of this package; `versions` is added."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(loader=PackageLoader("thalweg.report"), autoescape=True, undefined=StrictUndefined)
    return environment.get_template(template).render(**values, versions=versions())


def versions() -> dict[str, str]:
    """Return the versions of what computed, by name."""
    from importlib.metadata import version

    return {
        "thalweg": version("thalweg"),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": version("scipy"),
        "numba": version("numba"),
        "platform": platform.platform(),
    }
