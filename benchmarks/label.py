"""How long a coder waits for the page of `label` on a large store: the first face, each key, the second face, memory.

    python benchmarks/label.py [STORE] [--faces 100000] [--answers 60] [--pause 1] [--json FILE]

Without STORE: one of blurred noise, points and blendshapes drawn by chance, as many people as --people. The server is
the real one, asked as a browser asks it, in a process of its own. The first face is answered as soon as it is there;
then somebody codes a face every --pause seconds. Baseline: the same where the first faces wait, as all others do, until
the store's numbers are read. Wall-clock seconds, and those of the processor of a choice of six faces.
Target: the first face within 2 s, a key within .1 s, a choice within 2 s.
"""

import argparse
import http.client
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from measuring import AUS, faces_store, give, machine, memory_mib, own_process

OPEN_S, KEY_S, CHOICE_S = 2.0, 0.1, 2.0


def main(words: Sequence[str] | None = None) -> None:
    arguments = parse(words)
    if arguments.of:
        print(json.dumps(session(arguments)))
        return
    with tempfile.TemporaryDirectory() as folder:
        store = arguments.store or Path(folder) / "faces"
        if arguments.store is None:
            faces_store(store, arguments.faces, 96, people=arguments.people)
        own = ["--answers", arguments.answers, "--pause", arguments.pause]
        result: dict[str, Any] = {"benchmark": "label", **machine()}
        for name, more in (("at_once", []), ("waiting", ["--waiting"])):
            result[name] = own_process(__file__, "--of", store, "--labels", Path(folder) / f"{name}.csv", *own, *more)
    waits = [result[name]["second_face_s"] for name in ("waiting", "at_once")]
    result["times_second_face"] = round(waits[0] / waits[1], 1)
    print_figures(result)
    give(result, arguments.json)


def parse(words: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("store", type=Path, nargs="?", help="default: a generated one")
    parser.add_argument("--faces", type=int, default=100_000)
    parser.add_argument("--people", type=int, default=200)
    parser.add_argument("--answers", type=int, default=60)
    parser.add_argument("--pause", type=float, default=1.0, help="seconds between the second answer and each further")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--of", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--labels", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--waiting", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(words)


class Page:
    """A page: what it asks the server, and the seconds until the answer is there."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self._line, self._root = http.client.HTTPConnection(parts.netloc), parts.path

    def _asked(self, method: str, name: str, told: dict[str, Any] | None = None) -> bytes:
        content, kind = (None, {}) if told is None else (json.dumps(told), {"Content-Type": "application/json"})
        self._line.request(method, self._root + name, content, kind)
        response = self._line.getresponse()
        found = response.read()
        assert response.status == 200, found
        return found

    def told(self, name: str, **more: Any) -> tuple[dict[str, Any], float]:
        """Return what the server answers."""
        before = time.perf_counter()
        found = json.loads(self._asked("POST", name, {"tab": "a", **more}))
        return found["face"], time.perf_counter() - before

    def show(self, face: dict[str, Any]) -> None:
        """Fetch the pictures that the page shows at first."""
        for row in {face["row"], face["reference"] or face["row"]}:
            self._asked("GET", f"face/{row}")

    def close(self) -> None:
        """Leave."""
        self._line.close()


def session(given: argparse.Namespace) -> dict[str, float]:
    """Return the seconds of a session on the store `given.of`, and its memory."""
    begun = time.perf_counter()
    from sparsefacs.labelling import queue as queues
    from sparsefacs.labelling.opening import label_store
    from sparsefacs.labelling.server import LabelServer

    made: list[queues.StoreQueue] = []

    def make(store: Any, aus: tuple[int, ...]) -> queues.StoreQueue:
        made.append(queues.StoreQueue(store, aus))
        if given.waiting:
            made[-1].at_once = 0
        return made[-1]

    with label_store(given.of, given.labels, AUS[:4], coder="anna", make_queue=make) as opened:
        server = LabelServer(opened)
        server.start()
        page = Page(server.address)
        face, _ = page.told("next")
        page.show(face)
        first = time.perf_counter() - begun
        seconds, answered = [], dict[int, dict[int, int]]()
        for number in range(given.answers):
            time.sleep(given.pause if number > 1 else 0)
            answered[face["row"]] = dict.fromkeys(AUS[:4], number % 2)
            told = {"occurrence": {str(au): number % 2 for au in AUS[:4]}, "intensity": {}, "seconds": 1}
            face, passed = page.told("answer", row=face["row"], state="coded", **told)
            page.show(face)
            seconds.append(passed)
        before = time.perf_counter(), time.process_time()
        chosen = made[0].next(answered, 6)
        choice = time.perf_counter() - before[0], time.process_time() - before[1]
        page.close()
        server.close()
        memory = memory_mib().get("peak_resident", 0)
        made[0].close()
    assert len(chosen) == 6, "the store is coded to its end"
    return {
        "first_face_s": round(first, 3),
        "second_face_s": round(seconds[0], 4),
        "key_median_s": round(float(np.median(seconds)), 4),
        "key_worst_s": round(max(seconds), 4),
        "choice_s": round(choice[0], 3),
        "choice_processor_s": round(choice[1], 3),
        "memory_mib": memory,
    }


def print_figures(result: dict[str, Any]) -> None:
    goals = {"first_face_s": OPEN_S, "second_face_s": KEY_S, "key_median_s": KEY_S, "key_worst_s": KEY_S}
    for name, goal in {**goals, "choice_s": CHOICE_S, "memory_mib": None}.items():
        here, other = result["at_once"][name], result["waiting"][name]
        met = "" if goal is None else f"; target {goal:g} s: {'met' if here <= goal else 'MISSED'}"
        print(f"{name:18s} {here:10.3f} (waiting for numbers: {other:.3f}){met}", file=sys.stderr)


if __name__ == "__main__":
    main()
