"""When a training saves its state besides every so many steps: where it is asked to stop, and before much is lost."""

import signal
import threading
import time
from types import FrameType
from typing import Any, Self

SAVED_AFTER_S = 30.0
"""A kill costs about so many seconds of training, or fifty times what a saving takes, which is then 2 % of the time."""
_SAVINGS_APART = 50
_STOPPING = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name))
"""What asks a process to stop; the last is of Windows, where a process of a group of its own gets no SIGINT."""


class Savings:
    """How long the last saving of the state is ago, and how long it took."""

    def __init__(self) -> None:
        self._ended, self._took = time.monotonic(), 0.0

    def due(self) -> bool:
        """Say whether enough was trained since the last saving, for what a saving takes, to be worth one."""
        return time.monotonic() - self._ended >= max(SAVED_AFTER_S, _SAVINGS_APART * self._took)

    def __enter__(self) -> Self:
        """Begin a saving."""
        self._began = time.monotonic()
        return self

    def __exit__(self, *raised: object) -> None:
        """End a saving."""
        self._ended = time.monotonic()
        self._took = self._ended - self._began


class StopRequest:
    """Ctrl-C and `kill` let the step under way end, so that its state can be saved; a second one stops at once.

    Only where `alone`, a training of one process, and in the main thread: several processes would end after different
    steps and wait for each other. A signal that is ignored, as Ctrl-C is under `nohup … &`, stays so.
    """

    def __init__(self, alone: bool) -> None:
        self.asked = False
        self._alone = alone and threading.current_thread() is threading.main_thread()
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        """Take over the signals."""
        for number in _STOPPING if self._alone else ():
            before = signal.getsignal(number)
            if before is not signal.SIG_IGN and before is not None:
                self._before[number] = before
                signal.signal(number, self._ask)
        return self

    def __exit__(self, *raised: object) -> None:
        """Give the signals back."""
        for number, before in self._before.items():
            signal.signal(number, before)

    def _ask(self, number: int, frame: FrameType | None) -> None:
        if self.asked:
            raise KeyboardInterrupt
        self.asked = True
