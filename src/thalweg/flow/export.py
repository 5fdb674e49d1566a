"""Trajectories as tables of pandas and labelled arrays of xarray."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from .._errors import missing_extra

if TYPE_CHECKING:
    from pandas import DataFrame
    from xarray import Dataset as XarrayDataset

    from .trajectory import Trajectory

_COLUMNS = (
    "loss",
    "loss_bound",
    "curvature",
    "curvature_lower",
    "curvature_upper",
    "average_curvature",
    "active",
    "inactive",
    "sliding",
    "events",
    "steps",
)


def to_pandas(traj: Trajectory) -> DataFrame:
    """Return the scalar series of a trajectory, indexed by t."""
    try:
        import pandas
    except ImportError:
        raise missing_extra("pandas", "data") from None
    index = pandas.Index(traj.t, name="t")
    return pandas.DataFrame({name: getattr(traj, name) for name in _COLUMNS}, index=index)


def to_xarray(traj: Trajectory) -> XarrayDataset:
    """Return all series of a trajectory over the dimensions t and sample."""
    try:
        import xarray
    except ImportError:
        raise missing_extra("xarray", "data") from None
    series = {name: ("t", getattr(traj, name)) for name in _COLUMNS}
    return xarray.Dataset(
        series | {"residuals": (("t", "sample"), traj.residuals), "y": ("sample", traj.data.y)},
        coords={"t": traj.t, "sample": np.arange(traj.data.n)},
        attrs={"data": traj.data.name, "outcome": traj.outcome.name}
        | {f"audit_{name}": value for name, value in dataclasses.asdict(traj.audit).items()}
        # Files of xarray (netCDF) have no null: settings left open are left out.
        | {f"setting_{name}": value for name, value in traj.settings.items() if value is not None},
    )
