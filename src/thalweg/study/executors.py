"""Who computes: executors of concurrent.futures, local or on a cluster. They know no store."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from typing import Any

from .. import _validate as check
from .._errors import InputError, missing_extra


@dataclass(frozen=True)
class Crew:
    """A way to open an executor, as often as need be, and how many tasks it runs at once.

    Attributes
    ----------
    open : callable
        Returns a context manager that gives an executor. Called again after workers died, if `renewable`.
    workers : int
    renewable : bool
    ahead : int
        Tasks to hand out per worker; with 2, none waits for the driver.

    Examples
    --------
    >>> from thalweg.study import processes
    >>> crew = processes(4)
    >>> crew.workers, crew.renewable
    (4, True)
    """

    open: Callable[[], AbstractContextManager[Executor]]
    workers: int
    renewable: bool = True
    ahead: int = 2


def serial() -> Crew:
    """Compute in this process.

    Examples
    --------
    >>> from thalweg.study import serial
    >>> with serial().open() as executor:
    ...     executor.submit(sum, [1, 2]).result()
    3
    """
    return Crew(lambda: nullcontext(_Serial()), 1, ahead=1)


def processes(workers: int) -> Crew:
    """Compute in processes of their own, begun afresh, which end with this one.

    Each imports the script it was begun from, which must therefore run studies under ``if __name__ == "__main__":``.

    Examples
    --------
    >>> from thalweg.study import processes
    >>> processes(4).workers
    4
    """
    return Crew(lambda: _pool(workers), check.positive_int("processes", "workers", workers))


def executor(given: Executor, workers: int) -> Crew:
    """Compute on any executor of concurrent.futures, which stays open; `workers` is how many tasks it runs at once.

    Examples
    --------
    >>> from concurrent.futures import ThreadPoolExecutor
    >>> from thalweg.study import executor
    >>> with ThreadPoolExecutor(2) as pool:
    ...     executor(pool, workers=2).renewable
    False
    """
    if not isinstance(given, Executor):
        raise check.fail("executor", "given", "be an executor of concurrent.futures", type(given).__name__)
    return Crew(lambda: nullcontext(given), check.positive_int("executor", "workers", workers), renewable=False)


def dask(where: str, workers: int) -> Crew:
    """Compute on Dask. Needs the extra `cluster`.

    Parameters
    ----------
    where : str
        The address of a scheduler, such as "tcp://host:8786"; "local" for a cluster on this machine; "slurm" for jobs
        that dask-jobqueue submits, with the cores, memory, queue and wall time of its own configuration file.
    workers : int
        Workers to start for "local" and "slurm"; tasks to keep at work for an address.

    Examples
    --------
    >>> from thalweg.study import dask
    >>> dask("tcp://host:8786", workers=100).workers
    100
    """
    workers = check.positive_int("dask", "workers", workers)
    try:
        import distributed
    except ImportError:
        raise missing_extra("distributed", "cluster") from None

    @contextmanager
    def opened() -> Iterator[Executor]:
        with ExitStack() as stack:
            try:
                client = stack.enter_context(distributed.Client(stack.enter_context(_cluster(where, workers))))
            except (OSError, ValueError) as error:
                raise InputError(f"There is no Dask cluster at {where!r}: {error}.") from None
            # Retries are the runner's: it sees a task whose worker died, and redoes it.
            yield client.get_executor(pure=False)

    return Crew(opened, workers)


def _cluster(where: str, workers: int) -> Any:
    if where == "local":
        from distributed import LocalCluster

        return LocalCluster(n_workers=workers, threads_per_worker=1, processes=True, dashboard_address="")
    if where == "slurm":
        try:
            from dask_jobqueue.slurm import SLURMCluster
        except ImportError:
            raise missing_extra("dask-jobqueue", "cluster") from None
        cluster = SLURMCluster()
        cluster.scale(workers)
        return cluster
    return nullcontext(where)


class _Serial(Executor):
    """Runs each task when it is submitted."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


@contextmanager
def _pool(workers: int) -> Iterator[Executor]:
    # Spawned, not forked: forked copies of threads and locks deadlock.
    pool = ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), initializer=_begin_worker)
    try:
        # All workers at once: a pool that is adding one while another dies loses its manager to a race.
        with suppress(BrokenExecutor):
            while len(pool._processes or {}) < workers:
                pool.submit(int)
        yield pool
    except BaseException:
        for process in list((pool._processes or {}).values()):
            process.kill()  # do not wait for tasks nobody wants
        raise
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _begin_worker() -> None:
    """Leave Ctrl-C to the driver, and die with it: a pool does not notice that its driver was killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = multiprocessing.parent_process()
    if parent is not None:

        def follow() -> None:
            parent.join()
            os._exit(1)

        threading.Thread(target=follow, daemon=True).start()
