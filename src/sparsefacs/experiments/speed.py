"""How many aligned faces a second a run's network codes, measured once and kept in the run folder."""

import time
from pathlib import Path
from typing import Any

import numpy as np

from ..records import read_record, write_record
from ..run_records import SpeedRecord

FACES = 64
_REPEATS = 3


def coding_speed(folder: Path) -> dict[str, Any]:
    """Return faces_per_second of a run's network alone, with threads and device; measured if speed.json is not there.

    64 blank faces at once, the best of three. A network of clips sees each face once and then decodes a window a face.
    """
    kept = folder / "speed.json"
    if not kept.exists():
        write_record(kept, _measured(folder))
    return read_record(kept, SpeedRecord, what="the run's speed", remedy="Delete this file to measure it again")


def _measured(folder: Path) -> dict[str, Any]:
    import torch

    from ..facs.landmarks import mean_face
    from ..inference.model import load_coder
    from ..inference.network_model import NetworkCoder
    from ..onnx_session import all_but_one

    coder = load_coder(folder)
    side = coder.recipe.size
    faces = np.zeros((FACES, side, side, 3), np.uint8)
    landmarks = np.tile((mean_face() * side).astype(np.float32), (FACES, 1, 1))

    def code() -> None:
        found = coder.encode(faces, landmarks)
        coder.decode(np.repeat(found[:, None], coder.clip[0], axis=1))

    seconds = []
    for _ in range(_REPEATS + 1):  # the first warms up
        started = time.perf_counter()
        code()
        seconds.append(time.perf_counter() - started)
    rate = FACES / max(min(seconds[1:]), 1e-9)
    by_torch = isinstance(coder, NetworkCoder)
    threads = torch.get_num_threads() if by_torch else all_but_one()
    return {"faces_per_second": round(rate, 1), "threads": threads, "device": str(getattr(coder, "device", "cpu"))}
