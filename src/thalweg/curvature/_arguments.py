"""Checks of the arguments that the functions of this package share."""

from __future__ import annotations

from .. import _validate as check
from ..data.dataset import Dataset
from ..flow.trajectory import Trajectory
from ..networks.shallow import ShallowNetwork


def require_data(owner: str, data: object) -> None:
    """Refuse what is no data set."""
    if not isinstance(data, Dataset):
        raise check.fail(owner, "data", "be a Dataset (tw.Dataset(X, y))", type(data).__name__)


def require_state(owner: str, network: object, data: object) -> None:
    """Refuse what is no network on data of its dimension."""
    if not isinstance(network, ShallowNetwork):
        raise check.fail(owner, "network", "be a ShallowNetwork", type(network).__name__)
    require_data(owner, data)
    if isinstance(data, Dataset) and network.d != data.d:
        raise check.fail(owner, "network", f"have {data.d} inputs, as the data have", f"d = {network.d}")


def require_trajectory(owner: str, name: str, traj: object) -> None:
    """Refuse what is no trajectory."""
    if not isinstance(traj, Trajectory):
        raise check.fail(owner, name, "be a Trajectory (from tw.flow)", type(traj).__name__)
