"""Which face a coder is asked next: what the queue says, what a second coder codes again, and what is already asked."""

import hashlib
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Condition, RLock
from typing import Any, Protocol

from ..data.answers import Answer

AHEAD = 6  # faces chosen in advance, so that nobody waits
LEARN_EVERY = 8  # answers, at least, before the model learns again


@dataclass(frozen=True)
class Ask:
    """A face that a coder is asked: its row, in a word why, and whether its answer is kept for scoring alone."""

    row: int
    why: str
    test: bool = False


class FaceQueue(Protocol):
    """What chooses the faces; answers are by row, occurrence by AU (0, 1) of what could be judged.

    problem: what went wrong beside, "" for nothing.
    """

    problem: str

    def next(self, answered: Mapping[int, Mapping[int, int]], count: int = 1) -> list[Ask]:
        """Return the next faces, none of them answered; fewer, or none, where there are no more."""

    def learn(self, answers: Mapping[int, Mapping[int, int]]) -> None:
        """Learn from the answers."""

    def beliefs(self, row: int) -> Mapping[int, float]:
        """Return AU → probability that the model gives it now."""


class Asker:
    """Hands faces to the tabs of one coder; no two tabs are asked the same one.

    double: the share of asked faces that another coder has coded and that this one codes again. later: runs a function
    beside what is going on; tests give one that runs it at once.
    """

    def __init__(
        self, queue: FaceQueue, double: float, later: Callable[[Callable[[], None]], Any] | None = None
    ) -> None:
        self._queue, self._double = queue, double
        self._pool = ThreadPoolExecutor(2, "asking") if later is None else None
        self._later = later or (lambda work: self._pool and self._pool.submit(work))
        self._lock = RLock()
        self._ready: deque[Ask] = deque()
        self._handed: dict[str, Ask] = {}
        self._filling = self._learning = self._closed = False
        self._filled = Condition(self._lock)
        self._learned = 0
        self._problem = ""

    @property
    def problem(self) -> str:
        """What went wrong beside, "" for nothing."""
        return "; ".join(filter(None, (self._queue.problem, self._problem)))

    def close(self) -> None:
        """Begin nothing new."""
        with self._lock:
            self._closed = True
            self._filled.notify_all()
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def next(self, tab: str, own: Mapping[int, Answer], others: Mapping[int, Answer]) -> Ask | None:
        """Return what `tab` is asked: what it was asked already and has not answered, else another; None: all done.

        own, others: what this coder, and all others, have answered, by row.
        """
        with self._lock:
            held = self._handed.get(tab)
            if held is not None and held.row not in own:
                return held
            taken = {ask.row for other, ask in self._handed.items() if other != tab}
            ask = self._again(own, others, taken) or self._from_queue(own, others, taken)
            self._handed.pop(tab, None)
            if ask is not None:
                self._handed[tab] = ask
            self._fill(own, others)
            return ask

    def hand(self, tab: str, ask: Ask) -> None:
        """Ask `tab` this face now, and what it was asked before later."""
        with self._lock:
            if (held := self._handed.get(tab)) is not None and held.row != ask.row:
                self._ready.appendleft(held)
            self._handed[tab] = ask

    def _again(self, own: Mapping[int, Answer], others: Mapping[int, Answer], taken: set[int]) -> Ask | None:
        """Return a face of another coder's to be coded again, where so few were that it is time for one."""
        twice = sum(row in others for row in own)
        if not others or twice >= self._double * (len(own) + 1):
            return None
        free = [row for row, answer in others.items() if answer.occurrence and row not in own and row not in taken]
        if not free:
            return None
        row = min(free, key=lambda one: hashlib.blake2b(str(one).encode(), digest_size=8).digest())
        return Ask(row, "double", others[row].test)

    def _from_queue(self, own: Mapping[int, Answer], others: Mapping[int, Answer], taken: set[int]) -> Ask | None:
        while self._ready or (self._filling and not self._closed):
            if not self._ready:  # some are being chosen: choosing another meanwhile would take both longer
                self._filled.wait()
                continue
            ask = self._ready.popleft()
            if ask.row not in own and ask.row not in others and ask.row not in taken:
                return ask
        return next(iter(self._chosen(own, others, taken, 1)), None)

    def _chosen(
        self, own: Mapping[int, Answer], others: Mapping[int, Answer], taken: set[int], count: int
    ) -> list[Ask]:
        answered = _told(own, others) | {row: {} for row in taken if row not in own and row not in others}
        return self._queue.next(answered, count)

    def _fill(self, own: Mapping[int, Answer], others: Mapping[int, Answer]) -> None:
        """Choose some faces in advance."""
        if self._filling or len(self._ready) > AHEAD // 2:
            return
        self._filling = True
        taken = {ask.row for ask in (*self._handed.values(), *self._ready)}

        def fill() -> None:
            try:
                found = self._chosen(own, others, taken, AHEAD - len(self._ready))
                with self._lock:
                    self._ready.extend(found)
            except Exception as error:  # of another thread, which nobody would hear of
                self._problem = f"choosing the next face failed: {error}"
            finally:
                with self._lock:
                    self._filling = False
                    self._filled.notify_all()

        self._later(fill)

    def learn(self, own: Mapping[int, Answer], others: Mapping[int, Answer]) -> None:
        """Let the model learn, if there are enough new answers and it is not learning already."""
        told = _told(own, others)
        if self._learning or abs(len(told) - self._learned) < max(LEARN_EVERY, len(told) // 20):
            return
        self._learning, self._learned = True, len(told)

        def learn() -> None:
            try:
                self._queue.learn(told)
                found = self._chosen(own, others, {ask.row for ask in self._handed.values()}, AHEAD)
                with self._lock:  # until here, what was chosen before is asked: nobody waits
                    self._ready = deque(found)
            except Exception as error:  # likewise
                self._problem = f"learning from the answers failed: {error}"
            finally:
                self._learning = False

        self._later(learn)

    def beliefs(self, row: int) -> Mapping[int, float]:
        """Return AU → probability that the model gives it now; nothing where it knows nothing."""
        return self._queue.beliefs(row)


def _told(own: Mapping[int, Answer], others: Mapping[int, Answer]) -> dict[int, Mapping[int, int]]:
    return {row: answer.occurrence for row, answer in others.items()} | {
        row: answer.occurrence for row, answer in own.items()
    }
