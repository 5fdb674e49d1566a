"""Trajectories as values: saved, loaded, printed, exported."""

import dataclasses
import sys

import numpy as np
import pytest

import thalweg as tw
from thalweg.flow.storage import _COUNTS, _SERIES, _SNAPSHOTS


def assert_same_bits(one, other):
    assert one.dtype == other.dtype
    assert one.shape == other.shape
    assert one.tobytes() == other.tobytes()


@pytest.fixture(params=["traj", "sparse_traj"])
def any_traj(request):
    return request.getfixturevalue(request.param)


def test_a_saved_trajectory_is_loaded_to_the_last_bit(any_traj, tmp_path):
    path = any_traj.save(tmp_path / "run.npz")
    back = tw.Trajectory.load(path)
    for name in (*_SERIES, *_COUNTS, "residuals"):
        assert_same_bits(getattr(any_traj, name), getattr(back, name))
    for name in _SNAPSHOTS:
        assert_same_bits(getattr(any_traj.networks, name), getattr(back.networks, name))
    for one, other in ((any_traj.final, back.final), (any_traj.networks.start, back.networks.start)):
        for name in ("W", "a", "invariant"):
            assert_same_bits(getattr(one, name), getattr(other, name))
        assert (one.activation, one.slope) == (other.activation, other.slope)
    assert back.outcome is any_traj.outcome
    assert back.audit == any_traj.audit  # an infinite tangential distance included
    assert back.settings == any_traj.settings  # 0.1 + 0.2 included
    assert (back.data.name, back.data.is_sparse) == (any_traj.data.name, any_traj.data.is_sparse)
    assert_same_bits(any_traj.data.y, back.data.y)
    assert np.array_equal((any_traj.data.X != back.data.X).sum(), 0)


def test_a_loaded_trajectory_rebuilds_its_networks(traj, tmp_path):
    back = tw.Trajectory.load(traj.save(tmp_path / "run.npz"))
    assert_same_bits(back.networks.moved, traj.networks.moved)
    np.testing.assert_allclose(back.networks.moved[-1] @ back.data.X + back.networks.start.W, traj.final.W, atol=1e-12)


@pytest.mark.parametrize("outcome", list(tw.Outcome))
def test_every_outcome_survives_a_file_and_prints_a_verdict_first(traj, tmp_path, outcome):
    changed = dataclasses.replace(traj, outcome=outcome)
    assert tw.Trajectory.load(changed.save(tmp_path / "run.npz")).outcome is outcome
    message, _, advice = str(outcome).partition(". ")
    lines = str(changed).splitlines()
    assert lines[0].startswith(message.rstrip(".")[:40])
    assert (advice.split(".")[0][:30] in str(changed)) if advice else not lines[-1].startswith("next")


def test_a_leaky_network_keeps_its_slope(traj, tmp_path):
    leaky = traj.final.replace(activation="leaky_relu", slope=0.1)
    snapshots = dataclasses.replace(traj.networks, start=leaky)
    back = tw.Trajectory.load(dataclasses.replace(traj, final=leaky, networks=snapshots).save(tmp_path / "run.npz"))
    assert (back.final.slope, back.networks.start.slope) == (0.1, 0.1)


@pytest.mark.parametrize("keep", [0, 1, 100, 0.5, 0.99, -1])
def test_a_truncated_file_is_refused(traj, tmp_path, keep):
    path = traj.save(tmp_path / "run.npz")
    whole = path.read_bytes()
    path.write_bytes(whole[: int(keep * len(whole)) if isinstance(keep, float) else keep])
    with pytest.raises(tw.InputError, match=r"run\.npz"):
        tw.Trajectory.load(path)


def test_a_damaged_file_is_refused(traj, tmp_path):
    path = traj.save(tmp_path / "run.npz")
    content = bytearray(path.read_bytes())
    at = content.find(traj.residuals.tobytes()) + 5
    content[at] ^= 0xFF
    path.write_bytes(bytes(content))
    with pytest.raises(tw.InputError, match="complete"):
        tw.Trajectory.load(path)


def test_foreign_files_are_refused(traj, tmp_path):
    missing, text, array, other = (tmp_path / name for name in ("no.npz", "a.npz", "b.npy", "c.npz"))
    text.write_text("t,loss\n0,1\n")
    np.save(array, np.ones(3))
    traj.final.save(other)
    np.savez(tmp_path / "d.npz", X=np.ones(3))
    for path in (missing, text, array, other, tmp_path / "d.npz", tmp_path):
        with pytest.raises(tw.InputError, match=path.name):
            tw.Trajectory.load(path)


def test_a_file_appears_complete_or_not_at_all(traj, tmp_path, monkeypatch):
    with pytest.raises(tw.InputError, match="existing folder"):
        traj.save(tmp_path / "none" / "run.npz")

    def fail(stream, **arrays):
        stream.write(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(tw.InputError, match=r"run\.npz.*disk full"):
        traj.save(tmp_path / "run.npz")
    assert list(tmp_path.iterdir()) == []


def test_the_loss_bound_is_the_exponential_of_the_integral(traj, sparse_traj):
    # Oracle: for a constant lower curvature the bound is known in closed form.
    constant = dataclasses.replace(traj, curvature_lower=np.full(len(traj), 0.3))
    np.testing.assert_allclose(constant.loss_bound, traj.loss[0] * np.exp(-0.3 * traj.t), rtol=1e-13)
    assert (traj.loss_bound[1:] > traj.loss[1:]).all()
    # The curvature integrates to the log loss: with it as the lower bound, the bound is the loss, up to
    # the quadrature and the Euler steps.
    tight = dataclasses.replace(sparse_traj, curvature_lower=sparse_traj.curvature)
    np.testing.assert_allclose(tight.loss_bound, sparse_traj.loss, rtol=0.01)
    assert sparse_traj.loss[-1] < 0.9 * sparse_traj.loss[0]


def test_to_pandas_and_to_xarray_hold_the_series(traj):
    pytest.importorskip("pandas")
    pytest.importorskip("xarray")
    table = traj.to_pandas()
    assert_same_bits(table.index.to_numpy(), traj.t)
    for name in ("loss", "loss_bound", "curvature", "average_curvature", "sliding", "events"):
        assert_same_bits(table[name].to_numpy(), getattr(traj, name))
    labelled = traj.to_xarray()
    assert labelled.residuals.dims == ("t", "sample")
    assert_same_bits(labelled.residuals.values, traj.residuals)
    assert_same_bits(labelled.loss.values, table["loss"].to_numpy())
    assert labelled.attrs["outcome"] == "REACHED_END"
    assert labelled.attrs["audit_energy_error"] == traj.audit.energy_error
    assert "setting_kernel" not in labelled.attrs  # None


@pytest.mark.parametrize(("package", "method"), [("pandas", "to_pandas"), ("xarray", "to_xarray")])
def test_a_missing_package_names_its_extra(traj, monkeypatch, package, method):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(tw.MissingExtraError, match=r"thalweg\[data\]"):
        getattr(traj, method)()


def test_printing(traj):
    assert repr(traj).startswith("Trajectory('sphere(n=12, d=30)', p=9, t=6, loss=")
    text = str(traj)
    for word in ("12 samples x 30 inputs", "9 neurons", "curvature", "sliding", "invariant drift", "next"):
        assert word in text
    assert f"{traj.loss[-1]:.3g}" in text
    assert "\x1b" not in text  # print goes to files as well


def test_a_name_is_not_read_as_markup(traj):
    hostile = dataclasses.replace(traj.data, name="[bold]<script>alert(1)</script>[/nope]")
    changed = dataclasses.replace(traj, data=hostile)
    assert "[bold]<script>" in str(changed)
    assert "<script>" not in changed._repr_html_()
    assert "&lt;script&gt;" in changed._repr_html_()
