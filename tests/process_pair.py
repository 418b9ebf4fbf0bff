"""Two processes that stay, for tests of what two processes do together: starting them anew costs each test seconds."""

import multiprocessing
import sys
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import torch

WAIT_S = 240


class ProcessPair:
    """Runs `function(rank, 2, *arguments)` in two processes at once; call it as often as you like."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
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
