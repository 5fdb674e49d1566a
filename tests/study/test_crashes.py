"""Studies that are killed, cut off and crowded: after resuming, the same bits as without."""

import errno
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from fake_trials import spec

import thalweg as tw
from thalweg.study import Ending, Store, Study, processes, results, run_study
from thalweg.study import runner as running
from thalweg.study.chunk import Chunk

HERE = Path(__file__).parent
# A driver with chunks of a few trials, so that a kill finds it in the middle of everything.
DRIVER = """
import sys
from thalweg.study import Study, run_study, runner
runner.CHUNK_SECONDS = runner._SHORTEST = 0.03
print("ready", flush=True)
run_study(Study.load(sys.argv[1]), sys.argv[2])
"""
pytestmark = pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="POSIX signals")


def bits(folder):
    return {cell.key: trials.tobytes() for cell, trials in results(folder)}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed") / "store"
    run_study(Study.from_toml(spec("slow_coin", repetitions=300)), folder)
    return bits(folder)


@pytest.fixture
def short_chunks(monkeypatch):
    monkeypatch.setattr(running, "CHUNK_SECONDS", 0.03)
    monkeypatch.setattr(running, "_SHORTEST", 0.03)


def driver(specification, folder):
    """Start a driver in a process of its own, and return it when it is about to begin."""
    path = os.pathsep.join([str(HERE), *sys.path])
    process = subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(specification), str(folder)],
        env=os.environ | {"PYTHONPATH": path},
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return process


def wait_for_more_chunks(folder, patience=60.0):
    """Wait until there are more chunks than now."""
    before, deadline = len(list(folder.glob("chunks/*.chunk"))), time.monotonic() + patience
    while len(list(folder.glob("chunks/*.chunk"))) <= before and time.monotonic() < deadline:
        time.sleep(0.01)


def test_a_driver_killed_at_random_moments(undisturbed, tmp_path):
    """900 trials of 4 ms; twelve kills, every other one after some trials were made, the others wherever it is."""
    specification, folder = tmp_path / "spec.toml", tmp_path / "store"
    specification.write_text(spec("slow_coin", repetitions=300))
    moments, killed, made = random.Random(1), 0, []
    for k in range(12):
        process = driver(specification, folder)
        if k % 2:
            wait_for_more_chunks(folder)
        time.sleep(moments.uniform(0.0, 0.2))
        process.kill()
        killed += process.wait() == -signal.SIGKILL
        process.stdout.close()
        if (folder / "study.toml").exists():
            made.append(sum(len(trials) for _, trials in results(folder)))
    assert killed == 12
    assert made == sorted(made)
    assert 0 < made[-1] < 900
    assert run_study(None if made else Study.load(specification), folder).made == 900 - made[-1]
    assert bits(folder) == undisturbed


def test_workers_killed_at_random_moments(undisturbed, tmp_path, short_chunks):
    """Eight kills, each after the study has got on since the last."""
    moments, killed, over = random.Random(2), [], threading.Event()
    folder = tmp_path / "store"

    def kill():
        before = 0
        while len(killed) < 8 and not over.wait(moments.uniform(0.0, 0.05)):
            done = len(list((folder / "chunks").glob("*.chunk"))) if folder.exists() else 0
            workers = multiprocessing.active_children()
            if done > before and workers:
                before = done
                victim = moments.choice(workers)
                victim.kill()
                killed.append(victim.pid)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        report = run_study(Study.from_toml(spec("slow_coin", repetitions=300)), folder, processes(2))
    finally:
        over.set()
        killer.join()
    assert report.ending is Ending.COMPLETE
    assert len(killed) == 8
    assert len(report.problems) >= 4  # a kill may find a worker that has nothing to do
    assert bits(folder) == undisturbed


def test_workers_die_with_a_driver_that_is_killed(tmp_path):
    code = DRIVER.replace("sys.argv[2])", "sys.argv[2], processes(1))").replace("runner\n", "runner, processes\n", 1)
    specification, folder = tmp_path / "spec.toml", tmp_path / "store"
    specification.write_text(spec("slow_coin", repetitions=10_000))
    path = os.pathsep.join([str(HERE), *sys.path])
    guarded = f"if __name__ == '__main__':\n{''.join('    ' + line + chr(10) for line in code.strip().splitlines())}"
    (tmp_path / "drive.py").write_text(guarded)
    command = [sys.executable, str(tmp_path / "drive.py"), str(specification), str(folder)]
    process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": path}, stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.readline()
    deadline = time.monotonic() + 300
    while not list(folder.glob("chunks/*.chunk")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.kill()
    # The workers hold the same pipe: it ends when the last of them has gone.
    assert process.stdout.read() == b""
    process.wait()
    process.stdout.close()
    assert list(folder.glob("chunks/*.chunk"))


def test_a_worker_that_dies_once_is_replaced_and_its_trials_redone(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_TRIALS_ONCE", str(tmp_path / "died"))
    report = run_study(Study.from_toml(spec("dying")), tmp_path / "store", processes(1))
    assert (report.ending, report.made) == (Ending.COMPLETE, 120)
    assert "BrokenProcessPool" in report.problems[0]


def test_a_trial_that_always_kills_its_worker_ends_the_run_and_the_others_are_kept(tmp_path):
    report = run_study(Study.from_toml(spec("dying", repetitions=8)), tmp_path / "store", processes(1))
    assert report.ending is Ending.WORKERS_LOST
    assert "trials 5 to 5 of n=90" in report.problems[-1]
    made = {cell.n: len(trials) for cell, trials in results(tmp_path / "store")}
    assert made == {60: 8, 90: 5, 120: 8}


def test_a_second_driver_is_refused_and_the_first_goes_on(tmp_path):
    study, folder = Study.from_toml(spec(repetitions=2)), tmp_path / "store"
    with Store.writing(folder, study):
        for second in (lambda: run_study(study, folder), lambda: run_study(None, folder)):
            with pytest.raises(tw.InputError, match=f"Another driver is at work .*process {os.getpid()}"):
                second()
        assert results(folder).table() == []  # readers are welcome
    assert run_study(study, folder).made == 6


def test_a_second_driver_in_another_process_is_refused(tmp_path):
    specification, folder = tmp_path / "spec.toml", tmp_path / "store"
    specification.write_text(spec("slow_coin", repetitions=10_000))
    first = driver(specification, folder)
    deadline = time.monotonic() + 300  # on a busy machine
    while not (folder / "study.toml").exists() and time.monotonic() < deadline:  # kept once it holds the lock
        time.sleep(0.02)
    with pytest.raises(tw.InputError, match=f"process {first.pid}"):
        run_study(None, folder)
    first.kill()
    first.wait()
    first.stdout.close()
    with Store.writing(folder):  # the lock died with its holder
        pass


def test_a_full_disk_ends_the_run_and_resuming_completes_it(tmp_path, monkeypatch):
    study, folder, save = Study.from_toml(spec()), tmp_path / "store", Chunk.save
    saved = []

    def full(chunk, where):
        if len(saved) >= 3:
            raise OSError(errno.ENOSPC, "No space left on device", str(where))
        saved.append(chunk)
        return save(chunk, where)

    with monkeypatch.context() as patch:
        patch.setattr(Chunk, "save", full)
        report = run_study(study, folder)
    assert report.ending is Ending.STORE_FAILED
    assert "No space left" in report.problems[0]
    assert report.made == sum(len(chunk.trials) for chunk in saved)
    assert run_study(None, folder).made == 120 - report.made
    run_study(study, tmp_path / "plain")
    assert bits(folder) == bits(tmp_path / "plain")


def test_a_disk_that_is_really_full(tmp_path):
    """A file system of 100 kB, filled by the study itself."""
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=100k", "tmpfs", str(small)]
    try:
        mounted = subprocess.run(mount, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("no right to mount a small file system")
    try:
        study = Study.from_toml(spec(repetitions=700))
        report = run_study(study, small / "store")
        assert report.ending is Ending.STORE_FAILED
        assert "No space left" in report.problems[-1]
        kept = sum(len(trials) for _, trials in results(small / "store"))
        assert 0 < kept == report.made < 2100
        assert run_study(None, small / "store").ending is Ending.STORE_FAILED  # still full: still one clear end
        subprocess.run(["mount", "-o", "remount,size=2m", str(small)], check=True)
        assert run_study(None, small / "store").ending is Ending.COMPLETE
        run_study(study, tmp_path / "plain")
        assert bits(small / "store") == bits(tmp_path / "plain")
    finally:
        subprocess.run(["umount", str(small)], check=True)


@pytest.mark.parametrize("workers", [None, 2])
def test_ctrl_c_keeps_what_is_finished(tmp_path, workers, short_chunks):
    study, folder = Study.from_toml(spec("slow_coin", repetitions=2000)), tmp_path / "store"
    crew = None if workers is None else processes(workers)

    def interrupt(now):
        if now.made and not pressed:
            pressed.append(now.made)
            signal.raise_signal(signal.SIGINT)

    pressed = []

    report = run_study(study, folder, crew, on_progress=interrupt)
    assert report.ending is Ending.INTERRUPTED
    assert 0 < report.made < 6000
    assert report.made == sum(len(trials) for _, trials in results(folder))
    assert not multiprocessing.active_children()


def test_half_a_trial_is_no_result(tmp_path):
    """A run that catches Ctrl-C returns what it has; the study is to take it for an interruption."""
    study, folder = Study.from_toml(spec("cut_short")), tmp_path / "store"
    report = run_study(study, folder)
    assert report.ending is Ending.INTERRUPTED
    assert not any((trials["outcome"] == b"INTERRUPTED").any() for _, trials in results(folder))
    assert report.made == 40 + 2  # those that were finished before it, also of its own chunk


def test_ctrl_c_ends_jobs_of_arrays_and_plans(tmp_path):
    study, folder = Study.from_toml(spec("cut_short")), tmp_path / "store"
    tw.study.export_array(study, folder, jobs=1)
    with pytest.raises(KeyboardInterrupt):
        tw.study.run_array_task(folder, 0)
    assert run_study(study, folder).made == 0  # interrupted again, at the trial that was next
    assert sum(len(trials) for _, trials in results(folder)) == 40 + 2
    with pytest.raises(KeyboardInterrupt):
        tw.study.plan(study, workers=1)
