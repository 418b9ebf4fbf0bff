"""Codes → events → a file of each kind → labels: the same AUs in the same frames, and nothing where a face was lost."""

from pathlib import Path

import numpy as np
import pytest

from made_codes import face_codes, save_codes
from sparsefacs.data.adapters import Request, make_plan
from sparsefacs.errors import InputError
from sparsefacs.events.finding import Rules
from sparsefacs.events.writing import write_events

NAMES = {"boris": "out.boris", "elan": "out.eaf", "bids": "out_events.tsv", "csv": "out.csv"}
PLAIN = Rules(bridge_s=0, shortest_s=0)


def moments(rate: float | None, frames: int) -> np.ndarray:
    """Return when each frame is shown, and when the last one ends; rate None: 30 a second with pauses."""
    steps = np.full(frames, 1 / 30 if rate is None else 1 / rate)
    if rate is None:
        steps[7::11] = 0.5
    return np.concatenate([[0.0], np.cumsum(steps)])


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("rate", [25, 30000 / 1001, None])
def test_labels_come_back_frame_by_frame(kind: str, rate: float | None, tmp_path: Path) -> None:
    rng, frames, aus = np.random.default_rng(3), 60, (1, 4, 12)
    shown = moments(rate, frames)
    faces = []
    for face in (0, 1):
        occurrence = (np.repeat(rng.random((frames // 4, len(aus))), 4, axis=0) < 0.4).astype(np.int8)
        success = np.ones(frames, bool)
        success[20 + 10 * face : 26 + 10 * face] = False
        occurrence[~success] = -1
        faces.append(face_codes(occurrence, face=face, input="clip.mp4", aus=aus, time_s=shown[:-1]))
    (tmp_path / "clip.mp4").write_bytes(b"x")
    out = tmp_path / NAMES[kind]
    told = write_events(save_codes(tmp_path / "codes.csv", *faces), out, rules=PLAIN)
    assert PLAIN.words in out.read_text(), "what counts as an event stands in the file"
    assert told.files == (out,) and told.videos == 1 and told.events.keys() == set(aus)
    (item,) = make_plan("table", Request(tmp_path / "clip.mp4", out, clock="first-frame")).items
    for face, timed in zip(faces, item.timed, strict=True):
        for number in range(frames):
            labels = timed.at(shown[number], shown[number + 1])
            found = labels[0].occurrence.tolist() if labels else [-1] * len(aus)
            assert found == face.occurrence[number].tolist(), (kind, face.face, number)
            assert not labels or labels[0].face == face.face


def test_elan_has_a_file_a_video_and_other_kinds_hold_them_all(tmp_path: Path) -> None:
    occurrence = np.array([[1], [0], [1]], np.int8)
    faces = [face_codes(occurrence, input=name, aus=(12,)) for name in ("a/x.mp4", "b/x.mp4", "C:\\v\\y.mp4")]
    codes = save_codes(tmp_path / "codes.csv", *faces)
    with pytest.raises(InputError, match=r"out\.eaf: is to hold 3 videos.*--format elan"):
        write_events(codes, tmp_path / "out.eaf", rules=PLAIN)
    told = write_events(codes, tmp_path / "elan", rules=PLAIN, form="elan")
    assert [path.relative_to(tmp_path).as_posix() for path in told.files] == [
        "elan/a/x.eaf", "elan/b/x.eaf", "elan/C/v/y.eaf"
    ]  # fmt: skip
    assert all(path.is_file() for path in told.files)
    assert write_events(codes, tmp_path / "out.boris", rules=PLAIN).events == {12: 6}
    with pytest.raises(InputError, match=r"other\.eaf: ends like a file of ELAN annotations, not of BORIS project"):
        write_events(codes, tmp_path / "other.eaf", rules=PLAIN, form="boris")
    with pytest.raises(InputError, match="already exists"):
        write_events(codes, tmp_path / "out.boris", rules=PLAIN)
    with pytest.raises(InputError, match="does not say what kind of file to write"):
        write_events(codes, tmp_path / "out.xyz", rules=PLAIN)


@pytest.mark.parametrize("kind", ["boris", "elan"])
def test_files_name_their_video_from_where_they_lie(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "study" / "P01").mkdir(parents=True)
    (tmp_path / "study" / "P01" / "x.mp4").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)
    codes = save_codes(tmp_path / "codes.csv", face_codes([[1], [0]], input="study/P01/x.mp4", aus=(12,)))
    out = tmp_path / "deep" / "er" / NAMES[kind]
    write_events(codes, out, rules=PLAIN)
    assert "../../study/P01/x.mp4" in out.read_text()
    assert [item.source for item in make_plan("table", Request(tmp_path / "study", out)).items] == ["P01/x.mp4"]
