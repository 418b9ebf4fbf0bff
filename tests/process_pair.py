"""Two processes that stay, for tests of what two processes do together: starting them anew costs each test seconds."""

import multiprocessing
import os
import socket
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from typing import Any
from unittest import mock

import torch

WAIT_S = 240


class ProcessPair:
    """Runs `function(rank, 2, *arguments)` in two processes at once; call it as often as you like."""

    def __init__(self) -> None:
        # both begin as copies of a third process, which has imported for both what takes seconds
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["timm", "lightning_fabric", "sparsefacs.engine.trainer", "sparsefacs.api"])
        self._pipes: list[Connection] = []
        self._processes = []
        for rank in range(2):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, rank), daemon=True)
            process.start()
            self._pipes.append(ours)
            self._processes.append(process)

    def __call__(self, function: Callable[..., None], *arguments: Any) -> None:
        """Run the function in both; raises AssertionError with what was raised in either."""
        for pipe in self._pipes:
            pipe.send(list(sys.path))  # first: what comes next may be of a module that lies there
            pipe.send((function, arguments))
        for rank, pipe in enumerate(self._pipes):
            assert pipe.poll(WAIT_S), f"process {rank} has not answered"
            problem = pipe.recv()
            assert problem is None, problem

    def close(self) -> None:
        """End both processes."""
        for process in self._processes:
            process.kill()
            process.join()


def _serve(pipe: Connection, rank: int) -> None:
    while True:
        sys.path[:] = pipe.recv()
        try:
            function, arguments = pipe.recv()
            function(rank, 2, *arguments)
            pipe.send(None)
        except BaseException:
            if torch.distributed.is_initialized():  # or the next test would find the failed one's group
                torch.distributed.destroy_process_group()
            pipe.send(traceback.format_exc())


@contextmanager
def torchrun_s(rank: int, world: int, port: int) -> Iterator[None]:
    """Tell this process what torchrun tells its processes."""
    told = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": world, "LOCAL_WORLD_SIZE": world, "GROUP_RANK": 0}
    told |= {"TORCHELASTIC_RUN_ID": "test", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    with mock.patch.dict(os.environ, {name: str(value) for name, value in told.items()}):
        try:
            yield
        finally:
            if torch.distributed.is_initialized():
                torch.distributed.destroy_process_group()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
