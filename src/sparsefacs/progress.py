"""Progress with time left, on stderr: a bar on a terminal, a plain line now and then elsewhere."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

PLAIN_LINE_EVERY_S = 10.0


class Progress(Protocol):
    """What a long job calls: `advance` by finished items, `note` for a short status."""

    def advance(self, items: int = 1, note: str = "") -> None:
        """Count `items` more as finished and show `note` beside the bar."""


class _Plain:
    def __init__(self, title: str, total: int | None, unit: str) -> None:
        self.title, self.total, self.unit = title, total, unit
        self.done, self.started, self.shown = 0, time.monotonic(), time.monotonic()

    def advance(self, items: int = 1, note: str = "") -> None:
        self.done += items
        now = time.monotonic()
        if now - self.shown >= PLAIN_LINE_EVERY_S:
            self.shown = now
            self._line(note)

    def _line(self, note: str) -> None:
        elapsed = max(time.monotonic() - self.started, 1e-9)
        rate = self.done / elapsed
        of = f"/{self.total}" if self.total else ""
        left = f", {(self.total - self.done) / rate:.0f} s left" if self.total and rate > 0 else ""
        print(f"{self.title}: {self.done}{of} {self.unit}, {rate:.1f}/s{left} {note}".rstrip(), file=sys.stderr)

    def finish(self) -> None:
        self._line(f"done in {time.monotonic() - self.started:.1f} s")


@contextmanager
def progress(title: str, total: int | None, unit: str = "frames") -> Iterator[Progress]:
    """Show progress of `total` items (None: unknown) on stderr while the block runs."""
    if not sys.stderr.isatty():
        plain = _Plain(title, total, unit)
        yield plain
        plain.finish()
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    from rich.progress import Progress as RichProgress

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(unit),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with RichProgress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=total, note="")

        class _Bar:
            def advance(self, items: int = 1, note: str = "") -> None:
                bar.update(task, advance=items, note=note)

        yield _Bar()
