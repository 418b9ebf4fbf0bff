"""Stages of a pipeline that work at the same time: each runs ahead of the next by a bounded number of items."""

import queue
import sys
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")
_LOOK_S = 0.1  # how soon a stage that waits for room notices that nobody wants its items any more


@dataclass(frozen=True)
class _Failure:
    error: BaseException


class _End:
    pass


def overlapped(items: Iterator[T], depth: int, name: str) -> Generator[T, None, None]:
    """Yield `items` in their order while a thread called `name` makes up to `depth` of them ahead.

    depth 0: no thread. An error in the thread is raised here; when the caller stops early, the thread is stopped and
    `items` closed in it, so that whatever `items` holds open is released by the thread that opened it.
    """
    if depth == 0:
        yield from items
        return
    ready: queue.Queue[T | _Failure | _End] = queue.Queue(maxsize=depth)
    unwanted = threading.Event()
    worker = threading.Thread(target=_work, args=(items, ready, unwanted), name=name, daemon=True)
    worker.start()
    try:
        while True:
            item = ready.get()
            if isinstance(item, _End):
                return
            if isinstance(item, _Failure):
                raise item.error
            yield item
    finally:
        unwanted.set()
        worker.join()


@contextmanager
def cores_shared() -> Iterator[None]:
    """While the block runs, leave the network all cores but one, and OpenCV one, and put both back afterwards.

    Left alone, each library spreads over all cores; with landmarks at work beside the network its threads then spin,
    waiting for each other: on 2 cores a ResNet-18 took three times the processor time. Enter it in the thread that
    runs the network.
    """
    import cv2
    import torch

    before_torch, before_cv2 = torch.get_num_threads(), cv2.getNumThreads()
    torch.set_num_threads(max(1, before_torch - 1))
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before_torch)
        cv2.setNumThreads(before_cv2)


def _work(items: Iterator[T], ready: "queue.Queue[T | _Failure | _End]", unwanted: threading.Event) -> None:
    last: _Failure | _End = _End()
    try:
        for item in items:
            if not _hand_over(item, ready, unwanted):
                break
    except BaseException as error:
        last = _Failure(error)
    finally:
        if isinstance(items, Generator):
            items.close()
        _hand_over(last, ready, unwanted)


def _hand_over(item: T | _Failure | _End, ready: "queue.Queue[T | _Failure | _End]", unwanted: threading.Event) -> bool:
    while not unwanted.is_set():
        try:
            ready.put(item, timeout=_LOOK_S)
        except queue.Full:
            continue
        return True
    return False


@contextmanager
def network_on_one_core() -> Iterator[None]:
    """While the block runs, give torch one core, where it is in use: with more, sums have other last digits."""
    torch = sys.modules.get("torch")
    before = torch.get_num_threads() if torch is not None else 1
    if torch is not None:
        torch.set_num_threads(1)
    try:
        yield
    finally:
        if torch is not None:
            torch.set_num_threads(before)
