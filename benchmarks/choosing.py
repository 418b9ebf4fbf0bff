"""Seconds and memory of choosing the next face in a large store, its features kept from the pass before.

    python benchmarks/choosing.py [--faces 100000] [--people 200] [--answered 200] [--strategies ours,random]

Faces are random numbers: nothing of a picture is read when a face is chosen. Seconds are of one processor. A line each:
opening (vectors from points and blendshapes, the kept pass), learning from the answers, the next face and the next 50.
"""

import argparse
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from sparsefacs.coders import coder_folder
from sparsefacs.labelling import features as kept
from sparsefacs.labelling.choosing import STRATEGIES
from sparsefacs.labelling.queue import StoreQueue

AUS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 24, 25, 26)
CLIPS = 10


class Faces:
    """What a queue asks of a store: people of ten clips each, at 25 frames a second, points and blendshapes."""

    def __init__(self, path: Path, faces: int, people: int) -> None:
        self.path, self.parts, rng = path, (self,), np.random.default_rng(0)
        rows = np.arange(faces)
        self._who = rows % people
        self._frames = rows // (people * CLIPS)
        self._text = {
            "subject": np.char.add("p", self._who.astype(str)),
            "clip": np.char.add("c", (rows // people % CLIPS).astype(str)),
        }
        self._text["source"] = self._text["clip"]
        self._points = rng.normal(48, 20, (faces, 136)).astype(np.float32)
        self._shapes = rng.uniform(0, 0.5, (faces, 52)).astype(np.float32)
        (path / "store.json").write_text(f"{faces}")

    def __len__(self) -> int:
        return len(self._frames)

    def strings(self, name: str) -> Any:
        """Return a text column."""
        return self._text[name]

    def numbers(self, name: str) -> Any:
        """Return a number column."""
        return self._frames / 25 if name == "time" else self._frames

    def vectors(self, name: str) -> Any:
        """Return the points."""
        del name
        return self._points

    def optional_vectors(self, name: str, width: int) -> Any:
        """Return the blendshapes."""
        del name, width
        return self._shapes


def measured(what: str, work: Callable[[], Any]) -> Any:
    """Print the seconds that `work` takes, and the most memory so far; return its result."""
    begun, used = time.perf_counter(), time.process_time()
    result = work()
    passed, used = time.perf_counter() - begun, time.process_time() - used
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{what:40} {used:6.2f} s of processor, {passed:6.2f} s, {most:,.0f} MB at most", flush=True)
    return result


def main(argv: Sequence[str]) -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--faces", type=int, default=100_000)
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--answered", type=int, default=200)
    parser.add_argument("--strategies", default=",".join(STRATEGIES))
    given = parser.parse_args(argv)
    with TemporaryDirectory() as folder:
        store: Any = measured("making the numbers", lambda: Faces(Path(folder), given.faces, given.people))
        coder = coder_folder().name
        width = kept.coder_weights(coder, AUS)[1]
        kept._keep(store, coder, np.random.default_rng(1).normal(0, 2, (given.faces, width)).astype(np.float32))
        for strategy in given.strategies.split(","):
            queue = measured(
                f"{strategy}: opening", lambda name=strategy: StoreQueue(store, AUS, strategy=name, wait=True)
            )
            rng = np.random.default_rng(2)
            rows = rng.choice(queue.pool.train, min(given.answered, len(queue.pool.train) // 2), replace=False)
            answers = {
                int(row): {au: int(rng.random() < chance) for au, chance in queue.beliefs(int(row)).items()}
                for row in rows
            }
            measured(f"{strategy}: learning from {len(answers)}", lambda of=queue, by=answers: of.learn(by))
            for count in (1, 50):
                measured(f"{strategy}: next {count}", lambda of=queue, by=answers, n=count: of.next(by, n))


if __name__ == "__main__":
    main(sys.argv[1:])
