"""Studies on Dask: the same bits as serial, with workers that die."""

import os
import signal
import threading
import time

import pytest
from fake_trials import spec

import thalweg as tw
from thalweg.study import Ending, Study, dask, results, run_study
from thalweg.study import runner as running

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.filterwarnings("default")  # Dask's own


def bits(folder):
    return {cell.key: trials.tobytes() for cell, trials in results(folder)}


@pytest.fixture(scope="module")
def cluster():
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address="", silence_logs=60
    ) as cluster:
        yield cluster


def test_a_scheduler_by_its_address_gives_the_bits_of_serial(cluster, tmp_path):
    text = spec("coin").replace("fake_trials:coin", "descend").replace("60, 90, 120", "20, 30")
    study = Study.from_toml(text + "[descend]\nsteps = 30\n")
    assert run_study(study, tmp_path / "dask", dask(cluster.scheduler_address, 2)).ending is Ending.COMPLETE
    run_study(study, tmp_path / "serial")
    assert bits(tmp_path / "dask") == bits(tmp_path / "serial")


def test_the_trials_of_a_killed_worker_are_redone(cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(running, "CHUNK_SECONDS", 0.1)
    monkeypatch.setattr(running, "_SHORTEST", 0.1)
    with distributed.Client(cluster) as client:
        victims = list(client.run(os.getpid).values())
    folder = tmp_path / "dask"

    def kill():
        while not list(folder.glob("chunks/*.chunk")):
            time.sleep(0.02)
        os.kill(victims[0], signal.SIGKILL)

    killer = threading.Thread(target=kill, daemon=True)
    killer.start()
    study = Study.from_toml(spec("slow_coin", repetitions=300))
    assert run_study(study, folder, dask(cluster.scheduler_address, 2)).ending is Ending.COMPLETE
    killer.join(30)
    with distributed.Client(cluster) as client:
        client.wait_for_workers(2, timeout=300)
        assert victims[0] not in client.run(os.getpid).values()
    run_study(study, tmp_path / "serial")
    assert bits(folder) == bits(tmp_path / "serial")


def test_slurm_is_asked_for_the_workers(cluster, tmp_path, monkeypatch):
    slurm = pytest.importorskip("dask_jobqueue.slurm")
    asked = []

    class Slurm:
        """Stands for a SLURM cluster; its workers are those that run already."""

        def __init__(self):
            self.scheduler_address = cluster.scheduler_address

        def __enter__(self):
            return cluster.scheduler_address

        def __exit__(self, *ignored):
            asked.append("closed")

        def scale(self, jobs):
            asked.append(jobs)

    monkeypatch.setattr(slurm, "SLURMCluster", Slurm)
    report = run_study(Study.from_toml(spec(repetitions=3)), tmp_path / "store", dask("slurm", 5))
    assert (report.ending, report.made) == (Ending.COMPLETE, 9)
    assert asked == [5, "closed"]


def test_without_dask_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "distributed", None)
    with pytest.raises(tw.MissingExtraError, match=r"thalweg\[cluster\]"):
        dask("local", 2)
