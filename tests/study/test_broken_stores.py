"""Stores whose files are gone, broken, foreign or cannot be written: honest counts, and one clear line."""

import os
import pathlib
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pytest
from fake_trials import spec

import thalweg as tw
from thalweg.study import Ending, Store, Study, plan, results, run_study
from thalweg.study.array import export_array
from thalweg.study.lock import driver_at_work


@pytest.fixture
def folder(tmp_path):
    run_study(Study.from_toml(spec()), tmp_path / "store")
    return tmp_path / "store"


def spoil(folder):
    """Alter one trial of the first chunk, its size kept."""
    path = min((folder / "chunks").iterdir())
    content = path.read_bytes()
    path.write_bytes(content[:-5] + bytes([content[-5] ^ 1]) + content[-4:])
    return path.name


def test_chunks_that_are_gone_are_not_counted(folder):
    for path in (folder / "chunks").iterdir():
        path.unlink()
    (folder / "chunks").rmdir()
    assert tw.study.progress_of(Store.reading(folder)).made == 0  # though the index knows 120
    assert run_study(None, folder).made == 120


def test_a_damaged_chunk_of_the_right_size_is_named_once_and_counts_as_missing(folder):
    name = spoil(folder)
    found = results(folder)
    assert found.store.damaged == []  # only reading it tells
    left = sum(row["trials"] for row in found.table())
    assert found.table() == found.table()
    assert found.store.damaged == [name]
    assert sum(last - first for _, first, last in found.store.to_make()) == 120 - left > 0


@pytest.mark.parametrize("content", [b"no database" * 400, b"\x00" * 5000])
def test_a_broken_lock_is_named_and_readers_do_without(folder, content):
    (folder / "lock.sqlite").write_bytes(content)
    assert driver_at_work(folder) is None
    assert len(results(folder).table()) == 3
    with pytest.raises(tw.InputError, match=r"lock\.sqlite is broken, delete it"):
        run_study(None, folder)
    (folder / "lock.sqlite").unlink()
    assert run_study(None, folder).made == 0


def test_a_reader_that_may_not_write_sees_the_driver(folder, monkeypatch):
    connect = sqlite3.connect

    def read_only(path, **options):
        return connect(f"{pathlib.Path(path).absolute().as_uri()}?mode=ro", uri=True, **options)

    with Store.writing(folder):
        monkeypatch.setattr(sqlite3, "connect", read_only)
        assert f"process {os.getpid()}" in str(driver_at_work(folder))
    assert driver_at_work(folder) is None


def test_a_specification_that_cannot_be_read_is_named(folder):
    kept = folder / "study.toml"
    kept.write_bytes(b"\xff\xfe")
    for use in (lambda: results(folder), lambda: run_study(None, folder)):
        with pytest.raises(tw.InputError, match=r"study\.toml' cannot be read as a text in UTF-8"):
            use()
    kept.unlink()
    kept.mkdir()
    with pytest.raises(tw.InputError, match=r"study\.toml' cannot be read"):
        run_study(Study.from_toml(spec()), folder)


def test_a_file_in_the_place_of_the_chunks_is_named(folder):
    (folder / "chunks").rename(folder / "elsewhere")
    (folder / "chunks").touch()
    with pytest.raises(tw.InputError, match="chunks' cannot be read"):
        results(folder)


def test_a_driver_that_may_not_remove_its_name_ends_well(folder, monkeypatch):
    def refuse(path, **ignored):
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr(pathlib.Path, "unlink", refuse)
    assert run_study(None, folder).ending is Ending.COMPLETE


def test_what_cannot_be_written_is_one_clear_line(folder, tmp_path, monkeypatch):
    pytest.importorskip("duckdb")
    (tmp_path / ".trials.parquet.tmp").mkdir()  # in the way
    with pytest.raises(tw.InputError, match=r"trials\.parquet' cannot be written"):
        results(folder).to_parquet(tmp_path / "trials.parquet")
    assert not (tmp_path / "trials.parquet").exists()
    (folder / "array").touch()
    with pytest.raises(tw.InputError, match=r"array' cannot be made: File exists"):
        export_array(Study.from_toml(spec(repetitions=50)), folder, jobs=2)


def test_groups_that_share_a_cell_make_its_trials_once(tmp_path):
    text = spec().replace("p = 2", 'p = ["coverage(0.05)", 25]')  # coverage(0.05) is 25 at n = 60
    study = Study.from_toml(text)
    assert [[cell.p for cell in group] for group in study.groups] == [[25, 27, 28], [25, 25, 25]]
    assert len(study.cells) == 5
    assert study.most == plan(study, 1).trials == 5 * 40
    assert run_study(study, tmp_path / "store").made == 5 * 40
    now = tw.study.progress_of(Store.reading(tmp_path / "store"))
    assert (now.made, now.most, now.work_left) == (5 * 40, 5 * 40, 0.0)
    assert plan(study, 1, tmp_path / "store").stored == 5 * 40
    assert len(results(tmp_path / "store").table()) == 5
    assert len(results(tmp_path / "store").thresholds()) == 2


def test_gaps_are_found_without_counting_every_trial(folder):
    store = Store.reading(folder)
    cell = store.study.cells[0]
    assert store.missing(cell, 2**32 - 1) == [(40, 2**32 - 1)]
    assert store.missing(cell, 40) == store.missing(cell, 7) == []
    store.study = Study.from_toml(spec(sizes="61"))
    assert store.missing(store.study.cells[0], 3) == [(0, 3)]


def test_a_plan_counts_the_trials_of_its_own_seed_only(folder):
    other = Study.from_toml(spec(repetitions=50).replace("seed = 7", "seed = 8"))
    found = plan(other, 1, folder)
    assert (found.trials, found.stored, found.timed) == (150, 0, 120)
    assert plan(Study.from_toml(spec(repetitions=50)), 1, folder).stored == 120


def test_a_plan_whose_trials_all_fail_says_so():
    with pytest.raises(tw.InputError, match=r"No trial of the method 'fake_trials:nothing' could be timed: .*imported"):
        plan(Study.from_toml(spec("nothing")), 10)


def test_an_executor_that_was_shut_down_ends_the_run(tmp_path):
    with ThreadPoolExecutor(1) as pool:
        pass
    report = run_study(Study.from_toml(spec()), tmp_path / "store", tw.study.executor(pool, 1))
    assert (report.ending, report.made) == (Ending.WORKERS_LOST, 0)
    assert "after shutdown" in report.problems[0]
