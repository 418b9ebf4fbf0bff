"""The coders' loop: coded in BORIS, learned from, coded on, corrected in BORIS, learned from again."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from sparsefacs.data.store import Store


@pytest.mark.slow
def test_boris_to_codes_to_boris_and_back(command: Callable[..., tuple[str, str]], tmp_path: Path) -> None:
    study, coded = tmp_path / "study", tmp_path / "study" / "coded.boris"
    shape = ("--subjects", 4, "--clips", 1, "--frames", 12, "--seed", 3, "--layout", "table")
    command("synth", study, *shape, "--variant", "events=boris")
    _, err = command("prepare", study, tmp_path / "store", "--dataset", "table", "--labels", coded, "--size", 64)
    assert "coded.boris is read as BORIS project" in err and "a time belongs to the frame shown at it" in err
    store = Store(tmp_path / "store")
    acted = json.loads(coded.read_text())["observations"]
    assert sorted(store.strings("subject").tolist()) == [f"P{n:02d}" for n in (1, 2, 3, 4) for _ in range(12)]
    for row, (clip, frame) in enumerate(zip(store.strings("clip"), store.numbers("frame"), strict=True)):
        assert store.occurrence()[row].tolist() == _truth(acted, f"{clip}.mp4", int(frame), store.aus), (clip, frame)

    command(
        "train", "instant", tmp_path / "store", tmp_path / "run", "--recipe", "evidence", "--protocol", "kfold:2",
        "--set", "training.steps=1", "--set", "selection.rule=last",
    )  # fmt: skip
    video, codes, events = study / "P01" / "C01.mp4", tmp_path / "codes.csv", tmp_path / "events.boris"
    command("predict", tmp_path / "run", video, "--out", codes)
    out, _ = command("events", codes, events, "--shortest", 0, "--bridge", 0)
    assert "events in 1 video" in out

    told = json.loads(events.read_text())
    (seen,) = told["observations"].values()
    who = next((line[1] for line in seen["events"] if line[1]), "")
    kept = [line for line in seen["events"] if line[2] != "AU12"]
    seen["events"] = [*kept, *([time_s, who, "AU12", "None|C", "", "NA"] for time_s in (0.12, 0.2))]
    events.with_name("corrected.boris").write_text(json.dumps(told))
    again = tmp_path / "again"
    command(
        "prepare", study, again, "--dataset", "table", "--labels", events.with_name("corrected.boris"), "--size", 64,
        "--aus", "12",
    )  # fmt: skip
    corrected = Store(again)
    assert corrected.numbers("frame").tolist() == list(range(12))
    assert np.flatnonzero(corrected.occurrence()[:, 0] == 1).tolist() == [3, 4]
    assert (corrected.occurrence()[:, 0] >= 0).all(), "the whole video was coded, so silence is absence"
    assert corrected.intensity()[[2, 3, 4, 5], 0].tolist() == [0, 3, 3, 0]


def _truth(observations: dict, video: str, frame: int, aus: tuple[int, ...]) -> list[int]:  # type: ignore[type-arg]
    """Return what a coder's lines say of a frame of a video at 25 frames a second, by a reading of its own."""
    (seen,) = [one for one in observations.values() if video in one["file"]["1"]]
    moment = frame / 25 + 0.001
    on: dict[str, list[float]] = {}
    for line in seen["events"]:
        on.setdefault(line[2], []).append(line[0])
    inside = {
        code: sum(begin <= moment < end for begin, end in zip(times[::2], times[1::2], strict=True))
        for code, times in on.items()
    }
    return [inside.get(f"AU{au}", 0) if inside["coded"] else -1 for au in aus]
