"""Where work in parts is done: in processes of this machine, or by the workers of a Dask cluster.

In Python any backend of joblib can be named around a call (`joblib.parallel_config`); `cluster` does so for Dask.
"""

import socket
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from .errors import InputError
from .extras import EXTRAS, check_installed

T = TypeVar("T")
_WAIT_S = 30


def elsewhere() -> bool:
    """Say whether a joblib backend was named from outside, so that work may be done on other machines."""
    from joblib.parallel import get_active_backend

    return not type(get_active_backend()[0]).__name__.startswith("Loky")


def in_parallel(
    function: Callable[..., T], jobs: Iterable[tuple[Any, ...]], workers: int, *, ordered: bool = False
) -> Iterable[T]:
    """Return what `function` makes of each job's arguments, as it comes, or in the order of the jobs.

    Done by `workers` processes here, each with one thread for its products; where a joblib backend was named from
    outside, by all workers of that. Jobs are taken from their source a few ahead of the workers.
    """
    from contextlib import nullcontext

    from joblib import Parallel, delayed, parallel_config

    away = elsewhere()
    if workers == 1 and not away:
        return (function(*job) for job in jobs)
    settings = {"return_as": "generator" if ordered else "generator_unordered", "batch_size": 1}
    with nullcontext() if away else parallel_config(backend="loky", inner_max_num_threads=1):
        run = Parallel(n_jobs=-1 if away else workers, pre_dispatch="3*n_jobs", **settings)
        made: Iterable[T] = run(delayed(function)(*job) for job in jobs)
        return made


@contextmanager
def cluster(scheduler: str | None) -> Iterator[None]:
    """Let the workers of the Dask cluster at `scheduler` (tcp://host:8786) do the work; None: this machine's processes.

    They must see the same files under the same names. Raises InputError where Dask is not installed, no scheduler
    answers, or it has no worker.
    """
    if scheduler is None:
        yield
        return
    check_installed(*EXTRAS["dask"])
    from distributed import Client
    from distributed.comm import get_address_host_port
    from joblib import parallel_config

    remedy = "Start it with `dask scheduler`, and `dask worker tcp://HOST:8786 --nthreads 1` on each machine"
    try:  # by hand first: a client that found nobody hangs when it is thrown away
        socket.create_connection(get_address_host_port(scheduler), timeout=_WAIT_S).close()
    except (OSError, ValueError) as error:
        raise InputError(f"no Dask scheduler answers at {scheduler}", remedy=remedy) from error
    with Client(scheduler, timeout=_WAIT_S, set_as_default=False) as client:
        if not client.scheduler_info()["workers"]:
            raise InputError(f"the Dask cluster at {scheduler} has no workers", remedy=remedy)
        with parallel_config(backend="dask", client=client):
            yield
