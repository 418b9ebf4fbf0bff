"""`flow`: which frames are paired, in whose alignment, how near to the truth, and that a kill changes nothing."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from made_stores import build_store
from sparsefacs import cli
from sparsefacs.data.flow import Flows, StoredFlow
from sparsefacs.data.store import FaceRow, Store, StoreInfo
from sparsefacs.data.store_writer import StoreWriter
from sparsefacs.errors import InputError
from sparsefacs.faces.alignment import FaceRecipe
from sparsefacs.faces.flow import (
    FlowSettings,
    cell_means,
    face_flow,
    flow,
    later_rows,
    rest_rows,
    seen_from_earlier,
    to_earlier,
)
from sparsefacs.synthetic import synth, unpack_flow
from sparsefacs.synthetic.flow import in_earlier_alignment

PARTS = {"workers": 1, "part_rows": 16}


def files(store: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted((store / "flow").iterdir())}


@pytest.fixture
def clips(tmp_path: Path) -> Store:
    """Three people with a clip of twelve frames each."""
    return build_store(tmp_path / "clips", subjects=3)


def numbered_store(path: Path, rows: list[tuple[str, str, int, int]]) -> Store:
    """Write a store whose rows are these subjects, clips, face ids and frame numbers."""
    pattern = build_store(path.with_name("pattern"), subjects=1, frames=1)
    image = pattern.value("image", 0)["bytes"]
    writer = StoreWriter(path, StoreInfo((1,), FaceRecipe(size=32).as_json(), {"kind": "test"}), {})
    labels = {"occurrence": np.zeros(1, np.int8), "intensity": np.zeros(1, np.float32)}
    made = [
        FaceRow(
            image=image,
            subject=subject,
            clip=clip,
            frame=frame,
            time=0.0,
            face=face,
            landmarks=np.zeros((68, 2), np.float32),
            matrix=np.eye(2, 3, dtype=np.float32),
            score=1.0,
            source="made",
            **labels,
        )
        for subject, clip, face, frame in rows
    ]
    writer.write_part(0, made[:5], [])
    writer.write_part(1, made[5:], [])
    return writer.finish(2)


def test_tv_l1_is_near_the_true_flow(tmp_path: Path) -> None:
    """On the visible cells of moving faces, heads turning, the error is well below that of no motion at all."""
    store = synth(
        tmp_path / "moving", subjects=2, clips=1, frames=12, size=96, seed=2, workers=1, flow=True, flow_step=3
    )
    assert flow(store.path, workers=1).known == 18
    found, matrices = StoredFlow(store), store.vectors("matrix").reshape(-1, 2, 3)
    errors, own, still = [], [], []
    for row, later in enumerate(later_rows(store, 3)):
        if later < 0:
            assert np.isnan(found.at(row)).all()
            continue
        true, hidden = unpack_flow(store.value("flow", row))
        aligned = in_earlier_alignment(true, matrices[row], matrices[later])
        at_stored, at_aligned = (cell_means(each, ~hidden, 4) for each in (true, aligned))
        seen = np.isfinite(found.at(row) + at_aligned).all(axis=-1)
        assert seen.mean() > 0.6
        errors.append(np.linalg.norm(found.at(row) - at_aligned, axis=-1)[seen])
        own.append(np.linalg.norm(found.at(row) - at_stored, axis=-1)[seen])
        still.append(np.linalg.norm(at_aligned, axis=-1)[seen])
    error, other, zero = (np.concatenate(each).mean() for each in (errors, own, still))
    assert zero > 0.5
    assert error < 0.35 * zero
    assert error < 0.35 * other


def test_flow_to_rest_is_as_rendered_and_else_to_the_face_nearest_to_the_person_s_median(tmp_path: Path) -> None:
    rendered = synth(
        tmp_path / "rendered", subjects=1, clips=1, frames=2, size=64, workers=1, points="true", flow=True,
        flow_to="rest",
    )  # fmt: skip
    flow(rendered.path, target="rest", workers=1)
    true, hidden = unpack_flow(rendered.value("flow", 1))
    found = StoredFlow(rendered)
    assert found.target == "rest"
    np.testing.assert_allclose(found.at(1), cell_means(true, ~hidden, 4), atol=2e-3)
    with pytest.raises(InputError, match="another target: rest"):
        flow(rendered.path, workers=1)
    plain = synth(tmp_path / "plain", subjects=2, clips=1, frames=3, size=64, workers=1, points="true")
    rest, points = rest_rows(plain), plain.vectors("landmarks").reshape(6, -1)
    for rows in (slice(0, 3), slice(3, 6)):
        away = np.linalg.norm(points[rows] - np.median(points[rows], axis=0), axis=1)
        assert set(rest[rows].tolist()) == {rows.start + int(np.argmin(away))}
    flow(plain.path, target="rest", step=1, workers=1)
    Flows([rendered, plain])  # frames to a later face say nothing of flow to rest
    moved = [float(np.nanmean(np.abs(StoredFlow(plain).at(row)))) for row in range(6)]
    assert all((moved[row] < 1e-3) == (rest[row] == row) for row in range(6))


def test_the_later_face_is_seen_through_the_earlier_matrix() -> None:
    """Two alignments of one picture that differ by a shift, or by a quarter turn, become one again, to the pixel."""
    later = np.random.default_rng(0).integers(0, 256, (24, 24), np.uint8)
    earlier_matrix = np.array([[0.5, 0, -10], [0, 0.5, -20]])
    shifted = earlier_matrix + [[0, 0, 3], [0, 0, -2]]  # the later face lies 3 right and 2 up of the earlier
    warped, covered = seen_from_earlier(later, to_earlier(earlier_matrix, shifted))
    assert np.array_equal(warped[2:, :21], later[:-2, 3:])
    assert covered[2:, :21].all()
    assert covered.sum() == 22 * 21

    turn = np.array([[0, 1, 0], [-1, 0, 23.0]])  # x, y → y, 23 − x
    turned = turn @ np.vstack([earlier_matrix, [0, 0, 1]])
    warped, covered = seen_from_earlier(later, to_earlier(earlier_matrix, turned))
    assert np.array_equal(warped, np.rot90(later, -1))
    assert covered.all()


def test_a_shift_between_alignments_is_no_motion_and_one_in_the_picture_is() -> None:
    """A texture that moves 2 right and 1 down in the picture is found so, whatever the later alignment."""
    rng = np.random.default_rng(1)
    coarse = rng.integers(0, 256, (20, 20)).astype(np.uint8)
    picture = np.repeat(np.repeat(coarse, 8, 0), 8, 1).astype(np.float32)
    for axis in (0, 1):  # smooth it, so that motion can be followed
        picture = sum(np.roll(picture, shift, axis) for shift in range(-4, 5)) / 9
    face = np.stack([picture[32:96, 32:96]] * 3, -1).astype(np.uint8)
    moved = np.roll(picture, (1, 2), (0, 1))
    for x, y in ((0, 0), (5, 0), (-4, 8)):  # the later face's window lies so much right and down
        later = np.stack([moved[32 + y : 96 + y, 32 + x : 96 + x]] * 3, -1).astype(np.uint8)
        across = to_earlier(np.array([[1, 0, -32], [0, 1, -32]]), np.array([[1, 0, -32 - x], [0, 1, -32 - y]]))
        found = face_flow(face, later, across, FlowSettings())
        known = np.isfinite(found).all(axis=-1)
        blind = (abs(x) + 3) // 4 * 16 + (abs(y) + 3) // 4 * (16 - (abs(x) + 3) // 4)
        assert (~known).sum() == blind
        assert np.median(found[known], axis=0) == pytest.approx([2, 1], abs=0.15)


def test_frames_are_paired_by_number_within_subject_clip_and_face(tmp_path: Path) -> None:
    rows = [("a", "x", 0, frame) for frame in (0, 1, 2, 4, 5, 7)]  # 3 and 6 are missing
    rows += [("a", "x", 1, 3), ("a", "x", 1, 8), ("a", "y", 0, 3), ("b", "x", 0, 3), ("b", "x", 0, 6), ("a", "x", 0, 8)]
    later = later_rows(numbered_store(tmp_path / "store", rows), 3)
    pairs = {rows[row]: rows[at] for row, at in enumerate(later) if at >= 0}
    assert pairs == {
        ("a", "x", 0, 1): ("a", "x", 0, 4),
        ("a", "x", 0, 2): ("a", "x", 0, 5),
        ("a", "x", 0, 4): ("a", "x", 0, 7),
        ("a", "x", 0, 5): ("a", "x", 0, 8),
        ("b", "x", 0, 3): ("b", "x", 0, 6),
    }


def test_ends_of_clips_have_no_flow_and_the_store_still_loads(clips: Store) -> None:
    made = flow(clips.path, **PARTS)
    assert (made.rows, made.known, made.already) == (36, 27, False)
    found = StoredFlow(clips)
    known = [bool(np.isfinite(found.at(row)).all()) for row in range(36)]
    assert known == [frame < 9 for frame in clips.numbers("frame")]
    assert found.at(0).shape == (8, 8, 2)
    assert found.at(0).dtype == np.float32
    assert len(Store(clips.path)) == 36
    about = json.loads((clips.path / "flow" / "flow.json").read_text())
    assert (about["step"], about["cell"], about["rows"], about["known"]) == (3, 4, 36, 27)
    assert about["algorithm"]["weight"] == 0.3


def test_bytes_do_not_depend_on_workers(clips: Store, tmp_path: Path) -> None:
    flow(clips.path, **PARTS)
    alone = files(clips.path)
    assert sorted(alone) == ["flow.json", "part-00000.npy", "part-00001.npy", "part-00002.npy"]
    again = build_store(tmp_path / "again", subjects=3)
    flow(again.path, **(PARTS | {"workers": 2}))
    assert files(again.path) == alone


KILLED = """
import os, signal, sys
from pathlib import Path
from sparsefacs.faces import flow

written, write = [], flow.write_with

def dying(path, writer):
    if written:
        (path.parent / f".{path.stem}.abc.tmp.npy").write_bytes(b"half")
        os.kill(os.getpid(), signal.SIGKILL)
    write(path, writer)
    written.append(path)

flow.write_with = dying
flow.flow(Path(sys.argv[1]), workers=1, part_rows=16)
"""


def test_a_killed_flow_goes_on_to_the_same_bytes(clips: Store, tmp_path: Path) -> None:
    whole = build_store(tmp_path / "whole", subjects=3)
    flow(whole.path, **PARTS)
    ended = subprocess.run([sys.executable, "-c", KILLED, clips.path], capture_output=True, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    assert sorted(files(clips.path)) == [".lock", ".part-00001.abc.tmp.npy", "job.json", "part-00000.npy"]
    with pytest.raises(InputError, match=r"unfinished.*Run sparsefacs flow"):
        StoredFlow(clips)
    with pytest.raises(InputError, match="other settings"):
        flow(clips.path, step=2, **PARTS)
    first = clips.path / "flow" / "part-00000.npy"
    written = first.stat().st_mtime_ns
    flow(clips.path, **PARTS)
    assert first.stat().st_mtime_ns == written
    assert files(clips.path) == files(whole.path)


def test_flow_that_is_there_is_left_alone(clips: Store) -> None:
    flow(clips.path, **PARTS)
    before = files(clips.path)
    assert flow(clips.path, **PARTS).already
    with pytest.raises(InputError, match="another step: 3"):
        flow(clips.path, step=2, **PARTS)
    with pytest.raises(InputError, match="another cell: 4"):
        flow(clips.path, cell=8, **PARTS)
    assert files(clips.path) == before


def test_a_store_without_pairs_and_impossible_settings_are_told(tmp_path: Path) -> None:
    photos = build_store(tmp_path / "photos", subjects=4, frames=1)
    with pytest.raises(InputError, match=r"no two frames 3 apart.*auxiliary=\[inpainting\]"):
        flow(photos.path, workers=1)
    for settings in ({"step": 0}, {"cell": 0}, {"workers": 0}, {"part_rows": 0}):
        with pytest.raises(InputError, match="must be at least 1"):
            flow(photos.path, **settings)
    assert not (photos.path / "flow").exists()


def test_cells_are_means_of_what_is_covered_whole() -> None:
    flow_map = np.random.default_rng(0).normal(0, 3, (24, 24, 2)).astype(np.float32)
    covered = np.ones((24, 24), bool)
    covered[9, 17] = False
    means = cell_means(flow_map, covered, 4)
    expected = flow_map.reshape(6, 4, 6, 4, 2).mean(axis=(1, 3))
    expected[2, 4] = np.nan
    np.testing.assert_allclose(means, expected, atol=1e-5)
    assert cell_means(flow_map[:21, :21], covered[:21, :21], 4).shape == (5, 5, 2)


def test_command(clips: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["sparsefacs", "flow", *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        out, err = capsys.readouterr()
        return int(stopped.value.code or 0), out, err

    code, out, _ = run(clips.path, "--step", 2, "--workers", 1)
    assert code == 0
    assert out.strip() == f"{clips.path / 'flow'}: optical flow of 30 of 36 faces, 2 frames ahead"
    code, out, _ = run(clips.path, "--step", 2)
    assert code == 0
    assert "already" in out
    code, _, err = run(clips.path)
    assert code == 2
    assert "another step" in err
    assert err.count("\n") == 1
