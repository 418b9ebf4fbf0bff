"""`next`: the choice as a table, and as files that coders' own programs give back."""

import csv
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from made_stores import evident_store
from sparsefacs.data.store import Store
from sparsefacs.errors import InputError
from sparsefacs.events.formats import find_format
from sparsefacs.events.model import Asked as Names
from sparsefacs.labelling.asking import Ask
from sparsefacs.labelling.listing import _write_for, answers_of, write_next
from sparsefacs.labelling.queue import StoreQueue

AUS = (1, 4, 12)
HEADER = "path,frame,time,face,subject,clip,coder,why,test,given_at,seconds,AU01_c,AU01_r,AU04_c,AU04_r,AU12_c,AU12_r"


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return evident_store(tmp_path_factory.mktemp("next") / "store", subjects=5, frames=10)


def answers(store: Store, path: Path, *rows: tuple[int, str, str]) -> Path:
    """Write a file of answers: row of the store, its AU cells, state."""
    columns = [store.strings(name) for name in ("source", "subject", "clip")]
    lines = [f"{HEADER},sides,note,state"]
    for row, cells, state in rows:
        source, subject, clip = (str(column[row]) for column in columns)
        frame = int(store.numbers("frame")[row])
        lines.append(f"{source},{frame},{frame}.0,0,{subject},{clip},anna,doubt,0,2026,1.0,{cells},,,{state}")
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def table(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as handle:
        return list(csv.DictReader(handle))


def test_what_is_answered_is_not_asked_again(faces: Store, tmp_path: Path) -> None:
    queue = StoreQueue(faces, AUS, coder="none", test_share=0)
    first = [each.row for each in queue.next({}, 20)]
    labels = answers(faces, tmp_path / "l.csv", *((row, "1,,0,,,", "coded") for row in first))
    write_next(faces, labels, tmp_path / "n.csv", queue, 25)
    keys = zip(faces.strings("subject")[first].tolist(), faces.numbers("frame")[first].tolist(), strict=True)
    asked = {(row["subject"], int(row["frame"])) for row in table(tmp_path / "n.csv")}
    assert len(asked) == 25
    assert not asked & set(keys)


def test_answers_by_row(faces: Store, tmp_path: Path) -> None:
    path = answers(
        faces, tmp_path / "l.csv", (3, "1,3,0,,,", "coded"), (4, ",,,,,", "unusable"), (5, "1,,1,,1,", "coded"),
        (5, ",,,,,", "withdrawn"), (3, "0,,0,,1,", "coded"), (6, "1,,1,,1,", "coded"), (6, "0,,1,,1,", "coded"),
        (6, ",,,,,", "withdrawn"),
    )  # fmt: skip
    assert answers_of(faces, path, (1, 12)) == {3: {1: 0, 12: 1}, 4: {1: None, 12: None}, 6: {1: 1, 12: 1}}
    path.write_text("path,AU01_c\nx,1\n")
    with pytest.raises(InputError, match="no file of answers"):
        answers_of(faces, path, AUS)


@pytest.mark.parametrize("ending", ["eaf", "boris"])
def test_files_for_other_programs_say_what_is_to_be_coded(faces: Store, tmp_path: Path, ending: str) -> None:
    queue = StoreQueue(faces, AUS, coder="none")
    told = write_next(faces, tmp_path / "none.csv", tmp_path / f"n.{ending}", queue, 12)
    rows = table(tmp_path / "n.csv")
    kind = find_format(told.files[1])
    assert kind is not None
    read = kind.module.read(told.files[1], Names())
    assert set(read.aus) == set(AUS)
    assert not read.events
    steps = {round(span.offset_s - span.onset_s, 3) for span in read.coded}
    assert steps == {1.0}
    wanted = sorted((round(float(row["time"]), 3), row["subject"]) for row in rows)
    assert sorted((round(span.onset_s, 3), span.subject) for span in read.coded) == wanted


@pytest.mark.parametrize("ending", ["eaf", "boris"])
def test_files_for_other_programs_say_which_frames_are_kept_for_the_test(
    faces: Store, tmp_path: Path, ending: str
) -> None:
    queue = StoreQueue(faces, AUS, coder="none")
    told = write_next(faces, tmp_path / "none.csv", tmp_path / f"n.{ending}", queue, 12)
    rows = table(tmp_path / "n.csv")
    wanted = {(row["subject"], round(float(row["time"]), 3)) for row in rows if row["test"] == "1"}
    assert 0 < len(wanted) == told.test < len(rows)
    found, others = (_marked_in_eaf if ending == "eaf" else _marked_in_boris)(told.files[1:])
    assert found == wanted and len(others) == len(rows) - len(wanted)
    assert "keep them out of training" in told.files[1].read_text()


def _marked_in_eaf(files: tuple[Path, ...]) -> tuple[set[tuple[str, float]], set[tuple[str, float]]]:
    """Return person and time of the stretches `coded` that say test, and of the others, as ELAN has them."""
    found: dict[str, set[tuple[str, float]]] = {"test": set(), "": set()}
    for path in files:
        root = ElementTree.parse(path).getroot()
        times = {slot.get("TIME_SLOT_ID"): int(slot.get("TIME_VALUE", "")) / 1000 for slot in root.iter("TIME_SLOT")}
        for tier in root.iter("TIER"):
            for one in tier.iter("ALIGNABLE_ANNOTATION") if tier.get("TIER_ID", "").startswith("coded") else ():
                where = (tier.get("PARTICIPANT", ""), times[one.get("TIME_SLOT_REF1")])
                found[one.findtext("ANNOTATION_VALUE") or ""].add(where)
    return found["test"], found[""]


def _marked_in_boris(files: tuple[Path, ...]) -> tuple[set[tuple[str, float]], set[tuple[str, float]]]:
    """Return the same as BORIS has it, from the line that begins each stretch."""
    found: dict[str, set[tuple[str, float]]] = {"test": set(), "": set()}
    (path,) = files
    for seen in json.loads(path.read_text())["observations"].values():
        begun: set[str] = set()
        for time, subject, code, _, comment, _ in seen["events"]:
            assert code == "coded"
            if subject not in begun:
                found[comment].add((subject, time))
            begun ^= {subject}
    return found["test"], found[""]


@pytest.mark.parametrize("ending", ["eaf", "boris"])
@pytest.mark.parametrize("asked", [(3,), (0, 3, 4, 5)])
def test_of_a_video_with_several_faces_it_is_said_whose_codes_are_asked(
    tmp_path: Path, ending: str, asked: tuple[int, ...]
) -> None:
    """Faces 0 and 1 in each of three frames of one video, of one name; an AU is added where there is no tier of it."""
    columns = {
        "source": np.array(["duo.mp4"] * 6), "subject": np.array(["duo"] * 6), "frame": np.arange(6) // 2,
        "time": np.arange(6) // 2 / 25, "face": np.arange(6) % 2,
    }  # fmt: skip
    store: Any = SimpleNamespace(strings=columns.get, numbers=columns.get, path=tmp_path)
    kind = {"eaf": "elan", "boris": "boris"}[ending]
    (path,) = _write_for(store, [Ask(row, "doubt") for row in asked], tmp_path / f"n.{ending}", kind, (4, 12))
    read = find_format(path).module.read(path, Names())  # type: ignore[union-attr]
    wanted = [(row % 2, round(row // 2 / 25, 3)) for row in asked]
    assert sorted((span.face, round(span.onset_s, 3)) for span in read.coded) == sorted(wanted)
    if len(asked) > 1:
        text = path.read_text(encoding="utf-8")
        for name in {"eaf": ("AU12 face 0@duo", "AU12 face 1@duo"), "boris": ("duo (face 0)", "duo (face 1)")}[ending]:
            assert f'"{name}"' in text


def test_nothing_is_overwritten(faces: Store, tmp_path: Path) -> None:
    queue = StoreQueue(faces, AUS, coder="none")
    (tmp_path / "n.csv").write_text("mine")
    with pytest.raises(InputError, match="already"):
        write_next(faces, tmp_path / "l.csv", tmp_path / "n.eaf", queue, 3)
    assert not (tmp_path / "n.eaf").exists()
    with pytest.raises(InputError, match="what to write"):
        write_next(faces, tmp_path / "l.csv", tmp_path / "n.xlsx", queue, 3)
    everything = answers(faces, tmp_path / "l.csv", *((row, ",,,,,", "skipped") for row in range(len(faces))))
    with pytest.raises(InputError, match="every face of the store is answered"):
        write_next(faces, everything, tmp_path / "m.csv", queue, 3)
