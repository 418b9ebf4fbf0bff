"""Several processes of one machine that code units, each with models of its own; one that dies is replaced."""

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Sequence
from multiprocessing.connection import Connection, wait
from typing import Any

from ...errors import InputError
from ...files import sweep
from .units import Unit
from .work import Job, Outcome, Worker, failed

_TRIES = 2  # a unit whose process dies as often is at fault itself
_GUARD = 'In a script, call predict under `if __name__ == "__main__":`, or leave workers at 1'
_SHARE_EVERY_S = 0.5
_GRACE_S = 5.0  # for a stopped process to take its half-written table away


def code_in_processes(
    job: Job, units: Sequence[Unit], workers: int, ahead: Callable[[Unit, float], object]
) -> Generator[Outcome, None, None]:
    """Code `units` with `workers` processes and yield what comes of each, in no order.

    ahead: told what share of a unit, 0–1, is coded. Whatever ends the loop ends the processes. Raises InputError where
    one of them finds that the work cannot go on, or none can begin.
    """
    waiting, losses = deque(units), _Losses()
    hands = [_Hand(job) for _ in range(min(workers, len(units)))]
    try:
        while any(hand.unit for hand in hands) or waiting:
            for hand in [one for one in hands if one.unit is None][: len(waiting)]:
                hand.give(waiting.popleft())
            for ready in wait([hand.pipe for hand in hands]):
                hand = next(one for one in hands if one.pipe is ready)
                unit, (kind, told) = hand.unit, hand.received()
                if kind == "died":
                    hands[hands.index(hand)] = hand.replaced()
                    if unit is not None and losses.try_again(hand, unit):
                        waiting.appendleft(unit)
                    elif unit is not None:
                        yield failed(job.plan, unit, f"{unit.input}: {_why(hand)}; out of memory?")
                elif kind == "stop":
                    raise InputError(told)
                elif kind == "share" and unit is not None:
                    ahead(unit, told)
                elif kind == "done":
                    hand.unit = None
                    yield told
    finally:
        for hand in hands:
            hand.stop()
        until = time.monotonic() + _GRACE_S
        for hand in hands:
            hand.gone(until)


class _Losses:
    """Counts processes that died, by the unit they had in hand, and those that had not even begun."""

    def __init__(self) -> None:
        self._by_place: Counter[str] = Counter()
        self._not_begun = 0

    def try_again(self, hand: "_Hand", unit: Unit) -> bool:
        """Say whether another is to try; raises InputError where processes cannot be started at all."""
        if hand.begun:
            self._by_place[unit.place] += 1
            return self._by_place[unit.place] < _TRIES
        self._not_begun += 1
        if self._not_begun > _TRIES:
            raise InputError(f"processes cannot be started: {_why(hand)}", remedy=_GUARD)
        return True


def _why(hand: "_Hand") -> str:
    code = hand.process.exitcode
    ended = f"by signal {-code}" if code is not None and code < 0 else f"with code {code}"
    return f"the process that was to code it ended more than once, at last {ended}"


class _Hand:
    """A process, and the unit that it has in hand."""

    def __init__(self, job: Job) -> None:
        context = multiprocessing.get_context("spawn")  # threads and models of this process are no use in another
        self._job = job
        self.unit: Unit | None = None
        self.begun = False
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(theirs, job), daemon=True)
        self.process.start()
        theirs.close()

    def give(self, unit: Unit) -> None:
        """Let it code `unit`."""
        self.unit = unit
        with contextlib.suppress(OSError):  # it has died, which the pipe's other end tells
            self.pipe.send(unit)

    def received(self) -> tuple[str, Any]:
        """Return what it tells next: begun, share, done or stop, and what of it; or that it died."""
        try:
            kind, told = self.pipe.recv()
        except (EOFError, OSError):
            return "died", None
        self.begun = True
        return kind, told

    def replaced(self) -> "_Hand":
        """Return another in place of one that died."""
        self.process.join(_GRACE_S)
        self.pipe.close()
        return _Hand(self._job)

    def stop(self) -> None:
        """End it: at once where it is at work, else as soon as it finds nobody there."""
        self.pipe.close()
        if self.unit is not None:
            self.process.terminate()

    def gone(self, until: float) -> None:
        """Wait for its end, at most until then, and take away what it has not finished."""
        self.process.join(max(0.0, until - time.monotonic()))
        if self.process.is_alive():
            self.process.kill()
            self.process.join()
        folder = None if self.unit is None else self._job.plan.table(self.unit.place).parent
        if folder is not None and folder.is_dir():
            sweep(folder, os.getpid())


def _work(pipe: Connection, job: Job) -> None:
    """Code what comes through the pipe until it is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches all processes; the first ends the others
    signal.signal(signal.SIGTERM, _leave)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    worker, last = Worker(job), 0.0
    pipe.send(("begun", None))

    def share(done: float) -> None:
        nonlocal last
        if time.monotonic() - last >= _SHARE_EVERY_S:
            last = time.monotonic()
            pipe.send(("share", done))

    while True:
        try:
            unit = pipe.recv()
        except (EOFError, OSError):
            return
        message: tuple[str, Any]
        try:
            message = "done", worker.code(unit, share)
        except InputError as error:
            message = "stop", str(error)
        with contextlib.suppress(OSError):
            pipe.send(message)


def _leave(number: int, frame: object) -> None:
    raise SystemExit(128 + number)


def _end_with_parent() -> None:
    """End this process when the one that started it was killed: it leaves its work to its successor."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)
