"""`predict` with networks that look at the person, from files to rows."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from made_runs import write_run
from sparsefacs import InputError, api
from sparsefacs.cli import app
from sparsefacs.data.evidence import EvidenceTable
from sparsefacs.evidence.pose import openface_angles
from sparsefacs.evidence.reference import NEUTRAL_MOMENTS, no_reference
from sparsefacs.evidence.vectors import face_vectors
from sparsefacs.faces.alignment import align_face
from sparsefacs.faces.detection import FaceFinder
from sparsefacs.faces.landmarks import UNKNOWN_TRAITS
from sparsefacs.faces.tracking import TrackedFace
from sparsefacs.facs.landmarks import mean_face
from sparsefacs.inference import pipeline
from sparsefacs.inference.clips import decode_frames
from sparsefacs.inference.codes import CodedFrame
from sparsefacs.inference.evaluation import code_store
from sparsefacs.inference.frames import Closed, FoundFrame, Opened
from sparsefacs.inference.model import load_coder
from sparsefacs.inference.overlay import with_pictures
from sparsefacs.inference.pipeline import predict
from sparsefacs.inference.sources import Source
from sparsefacs.inference.stages import encode_frames

SMALL = {"backbone": "test_resnet", "input_size": 32, "evidence": "person"}
AREAS = SMALL | {"backbone": "resnet10t", "options": {"channels": [8, 16, 32, 64]}, "input_size": 48}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Untrained runs that look at the person: of evidence alone, beside pixels, by areas, and within clips."""
    folder = tmp_path_factory.mktemp("runs")
    made = {"instant": ("instant", SMALL), "plain": ("supervised", SMALL), "areas": ("kdsrl", AREAS)}
    made |= {"clips": ("tcl", SMALL), "pixels": ("supervised", SMALL | {"evidence": "pixels"})}
    return {name: write_run(folder / name, network, method=method) for name, (method, network) in made.items()}


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory, photo: Any, write_video: Any) -> Path:
    """A video of 40 frames, 1.6 s, in which a face moves, is gone, and comes back."""
    frames = [np.roll(photo, round(12 * np.sin(n / 4)), axis=1) for n in range(40)]
    frames[20:25] = [np.full_like(photo, 90)] * 5
    return Path(write_video(tmp_path_factory.mktemp("video") / "moving.mp4", frames))


def probabilities(table: pd.DataFrame) -> np.ndarray:
    return np.asarray(table.loc[table["success"] == 1].filter(regex="^AU.._p$"))


def coded(run: Any, inputs: Any, out: Path, **options: Any) -> pd.DataFrame:
    api.predict(inputs, out, run, **options)
    return pd.read_csv(out)


@pytest.mark.parametrize("name", ["instant", "plain", "clips"])
def test_a_video_has_the_codes_of_a_store_made_of_it(
    runs: dict[str, Path], moving: Path, tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = api.prepare(moving, tmp_path / "store", size=40, workers=1)
    coder, compared = load_coder(runs[name]), []
    inner = pipeline.decode_frames

    def spied(frames: Any, *rest: Any) -> Any:
        def watched() -> Any:
            for item in frames:
                if getattr(item, "references_FR", None) is not None:
                    compared.extend(item.references_FR)
                yield item

        return inner(watched(), *rest)

    monkeypatch.setattr(pipeline, "decode_frames", spied)
    table = coded(runs[name], [moving], tmp_path / "c.csv")
    assert table["success"].tolist() == [1] * 20 + [0] * 5 + [1] * 15 and len(store) == 35
    rows = np.arange(len(store))
    reference = (raw := EvidenceTable(store.parts, person=True)).settled(coder.settle).reference(rows)
    np.testing.assert_allclose(np.array(compared), reference, rtol=1e-6)
    assert np.array_equal(raw.reference(rows), reference) == (name != "instant"), (
        "how active they are has a part in one"
    )
    assert set(table["reference"].dropna()) == {3.0} == set(reference[:, -1].tolist())
    close = 2e-5 if name == "instant" else 0.03  # pixels went through a JPEG
    np.testing.assert_allclose(probabilities(table), code_store(coder, store, rows), atol=close)
    assert probabilities(table).std(axis=0).min() > 0.003


def test_causal_codes_are_those_of_two_passes_at_the_end_and_rows_do_not_wait(
    runs: dict[str, Path], moving: Path, tmp_path: Path
) -> None:
    whole, far = (coded(runs["plain"], [moving], tmp_path / f"{n}.csv", causal=n) for n in (False, True))
    np.testing.assert_allclose(probabilities(far)[-1], probabilities(whole)[-1], atol=1e-6)
    assert far["reference"].dropna().tolist() == [0] * 13 + [1] * 7 + [2] * 13 + [3] * 2
    assert np.abs(probabilities(far)[:10] - probabilities(whole)[:10]).max() > 1e-3


def test_a_photo_alone_is_coded_as_if_nothing_were_known_of_the_person(
    runs: dict[str, Path], clips: Path, tmp_path: Path, photo: Any
) -> None:
    coder = load_coder(runs["plain"])
    table = coded(runs["plain"], [clips / "photo.png"], tmp_path / "c.csv")
    assert table["reference"].tolist() == [0]
    finder = FaceFinder()
    (found,) = finder.find(photo)
    face, points, _ = align_face(photo, found.landmarks, coder.recipe)
    vectors = face_vectors(points[None], found.traits.blendshapes[None])
    nobody = no_reference(1, coder.known)
    wanted = coder(face[None], points[None], np.concatenate([vectors, nobody], axis=1))
    np.testing.assert_allclose(probabilities(table), wanted, atol=2e-6)
    angles = table[["pose_Rx", "pose_Ry", "pose_Rz"]].to_numpy()[0]
    np.testing.assert_allclose(angles, openface_angles(found.traits.pose), atol=1e-4)


def test_an_exported_network_codes_a_video_as_its_run_does(runs: dict[str, Path], moving: Path, tmp_path: Path) -> None:
    api.export(runs["plain"], tmp_path / "plain.onnx")
    wanted = coded(runs["plain"], [moving], tmp_path / "run.csv")
    found = coded(tmp_path / "plain.onnx", [moving], tmp_path / "file.csv")
    assert list(found) == list(wanted) and found["reference"].max() == 3
    pd.testing.assert_frame_equal(found, wanted, rtol=0, atol=1e-4)


@pytest.fixture(scope="module")
def album(tmp_path_factory: pytest.TempPathFactory, photo: Any) -> Path:
    """A folder: two people's photos, of which one's show the face differently, and a photo by itself."""
    folder = tmp_path_factory.mktemp("album")
    for place, (name, width) in enumerate((("ann/a", 256), ("ann/b", 200), ("ann/c", 320), ("ben/a", 256), ("z", 200))):
        (folder / name).parent.mkdir(exist_ok=True)
        Image.fromarray(np.roll(photo, place, axis=1)).resize((width, 200)).save(folder / f"{name}.png")
    return folder


def test_photos_of_a_folder_are_compared_within_their_sub_folders(
    runs: dict[str, Path], album: Path, tmp_path: Path
) -> None:
    together = coded(runs["instant"], [album], tmp_path / "all.csv")
    assert together["reference"].tolist() == [2, 2, 2, 0, 0]
    each = sorted(album.rglob("*.png"))
    alone = coded(runs["instant"], each, tmp_path / "each.csv")
    assert alone["reference"].tolist() == [0] * 5 and alone["input"].tolist() == together["input"].tolist()
    apart = np.abs(probabilities(together) - probabilities(alone)).max(axis=1)
    assert apart[:3].max() > 0.01 and apart[3:].max() < 1e-6


def test_a_given_reference_takes_the_place_of_the_input_s_own(
    runs: dict[str, Path], album: Path, moving: Path, tmp_path: Path
) -> None:
    given = [album / "ann" / "b.png", album / "ann" / "c.png"]
    table = coded(runs["instant"], [moving], tmp_path / "c.csv", reference=given)
    assert set(table["reference"].dropna()) == {NEUTRAL_MOMENTS}
    own = coded(runs["instant"], [moving], tmp_path / "own.csv")
    assert np.abs(probabilities(table) - probabilities(own)).max() > 0.01
    itself = coded(runs["instant"], given, tmp_path / "self.csv", reference=[album / "ann" / "c.png"])
    assert itself["reference"].tolist() == [NEUTRAL_MOMENTS] * 2


@pytest.mark.parametrize(
    ("name", "reference", "message"),
    [
        ("pixels", "photo.png", "does not compare a face with its person"),
        ("instant", "empty.mp4", "no face was found to compare with"),
        ("instant", "zero.jpg", "is empty"),
        ("instant", "missing.jpg", "is not there"),
    ],
)
def test_a_reference_of_no_use_is_one_line_and_leaves_nothing(
    runs: dict[str, Path], clips: Path, tmp_path: Path, name: str, reference: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        api.predict([clips / "photo.png"], tmp_path / "c.csv", runs[name], reference=[clips / reference])
    assert list(tmp_path.iterdir()) == []


def test_codes_of_two_passes_do_not_depend_on_batch_size_threads_or_company(
    runs: dict[str, Path], moving: Path, clips: Path, tmp_path: Path
) -> None:
    coder = load_coder(runs["clips"])
    for name, (batch_size, threads) in {"a": (1, True), "b": (100, True), "c": (32, False)}.items():
        predict(coder, [moving], tmp_path / f"{name}.csv", batch_size=batch_size, threads=threads)
    assert len({(tmp_path / f"{name}.csv").read_bytes() for name in "abc"}) == 1
    both = coded(runs["clips"], [clips / "face.mp4", moving, clips / "zero.jpg"], tmp_path / "both.csv")
    beside = both[both["input"] == moving.as_posix()].reset_index(drop=True)
    pd.testing.assert_frame_equal(beside, pd.read_csv(tmp_path / "a.csv"), check_exact=True, check_dtype=False)


def test_an_overlay_of_two_passes_has_every_frame_with_its_faces(
    runs: dict[str, Path], moving: Path, tmp_path: Path, photo: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import av

    drawn = []
    inner = pipeline.OverlayWriter.write
    monkeypatch.setattr(pipeline.OverlayWriter, "write", lambda self, frame: (drawn.append(frame), inner(self, frame)))
    coded(runs["instant"], [moving], tmp_path / "c.csv", overlay=tmp_path / "o.mp4")
    with av.open(str(tmp_path / "o.mp4")) as video:
        assert video.streams.video[0].frames == 40
    assert [frame.index for frame in drawn] == list(range(40))
    for index in (0, 5, 22, 39):  # the very picture that the faces were found in
        expected = np.roll(photo, round(12 * np.sin(index / 4)), axis=1) if index != 22 else np.full_like(photo, 90)
        assert np.abs(drawn[index].image.astype(int) - expected).mean() < 6


def test_a_file_that_changes_between_the_passes_has_no_pictures_from_there_on(clips: Path, tmp_path: Path) -> None:
    shutil.copy(clips / "face.mp4", tmp_path / "v.mp4")
    source = Source(tmp_path / "v.mp4")
    frames = [Opened(source, 25.0), *(CodedFrame(source.name, n, n / 25, (), ()) for n in (0, 10, 11))]
    found = with_pictures(iter(frames))
    assert isinstance(next(found), Opened)
    assert [frame.image is None for frame in found] == [False, False, True]  # type: ignore[union-attr]


def test_a_fault_after_the_first_pass_leaves_nothing(
    runs: dict[str, Path], moving: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    coder = load_coder(runs["instant"])
    monkeypatch.setattr("sparsefacs.inference.spool.IN_MEMORY", 100)

    def fault(*given: Any) -> Any:
        assert not [path for path in tmp_path.iterdir() if path.name == "c.csv"]
        raise RuntimeError("stopped")

    coder.decode = fault  # type: ignore[method-assign]
    with pytest.raises(RuntimeError, match="stopped"):
        predict(coder, [moving], tmp_path / "c.csv", overlay=tmp_path / "o.mp4")
    assert list(tmp_path.iterdir()) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from sparsefacs.inference import spool
from sparsefacs.inference.model import load_coder
from sparsefacs.inference.pipeline import predict
spool.IN_MEMORY = 100
coder = load_coder(sys.argv[1])
coder.decode = lambda *given: os.kill(os.getpid(), signal.SIGKILL)
predict(coder, [Path(sys.argv[2])], Path(sys.argv[3]))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="files without a name are Linux's")
def test_a_kill_in_the_second_pass_leaves_no_table_and_no_spool(
    runs: dict[str, Path], moving: Path, tmp_path: Path
) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", KILLED, str(runs["instant"]), str(moving), str(tmp_path / "c.csv")], check=False
    )
    assert ended.returncode == -9
    assert [path.name for path in tmp_path.iterdir() if ".predict." in path.name or path.name == "c.csv"] == []


@pytest.mark.parametrize("name", ["instant", "plain", "areas", "clips"])
def test_what_is_not_a_number_is_unknown(runs: dict[str, Path], name: str) -> None:
    coder, source, rng = load_coder(runs[name]), Source(Path("v.mp4")), np.random.default_rng(0)
    points = (mean_face() * 40).astype(np.float32)
    holes, none = points.copy(), np.full_like(points, np.nan)
    holes[60:] = np.nan
    items: list[Any] = [Opened(source, 25.0)]
    for index, landmarks in enumerate((points, holes, none)):
        face = TrackedFace(0, landmarks, np.zeros(4, np.float32), 1.0, UNKNOWN_TRAITS)
        picture = rng.integers(0, 255, (1, 40, 40, 3), np.uint8)
        items.append(FoundFrame(source, index, index / 25, (face,), picture, landmarks[None], (), None))
    items.append(Closed(source))
    stage = pipeline.comparison(coder, pipeline.Way(causal=True), Path(), pipeline.Pace(32, False))
    found = list(decode_frames(stage.frames(encode_frames(iter(items), coder, 32)), coder, 32))
    frames = [item for item in found if isinstance(item, CodedFrame)]
    assert all(np.isfinite(frame.faces[0].codes).all() for frame in frames)
    assert [frame.faces[0].reference for frame in frames] == [0, 0, 0]
    assert np.isnan(frames[0].faces[0].pose).all()  # type: ignore[arg-type]


def test_what_is_passed_over_in_the_reference_s_folder_is_said(
    runs: dict[str, Path], clips: Path, tmp_path: Path, photo: Any
) -> None:
    """Into one table as into a folder: a kind that is not read, a link to a folder, a photo without a face."""
    rest, other = tmp_path / "rest", tmp_path / "other"
    for folder in (rest, other):
        folder.mkdir()
        shutil.copy(clips / "photo.png", folder / "face.png")
    Image.fromarray(np.full_like(photo, 90)).save(rest / "wall.png")
    (rest / "more.heic").write_bytes(b"x")
    (rest / "linked").symlink_to(other)
    heic = f"{rest}/more.heic: HEIC is not read: save it as PNG or JPEG in its place"
    link = f"{rest}/linked: is a link to a folder, which is not followed: name it too, or put the folder in its place"
    wall = f"note: {rest}/wall.png: no face was found in it, so that it is no part of the reference"
    table = api.predict([clips / "photo.png"], tmp_path / "c.csv", runs["instant"], reference=[rest])
    lines = table.messages()
    assert {f"rejected: {heic}", f"rejected: {link}", wall} <= set(lines)
    whole = api.predict([clips / "photo.png", rest], tmp_path / "codes", runs["instant"], reference=[rest])
    lines = whole.messages()
    assert lines.count(f"not read: {heic}") == lines.count(f"not read: {link}") == lines.count(wall) == 1
    assert [line for line in api.gather(tmp_path / "codes").problems if "heic" in line] == [
        f"not read: {heic}. Do that or take it away, then give `sparsefacs predict` again."
    ]


def test_the_command_line_takes_both_options(runs: dict[str, Path], clips: Path, tmp_path: Path) -> None:
    photo = str(clips / "photo.png")
    given = ["predict", str(runs["instant"]), photo, "--out", str(tmp_path / "c.parquet"), "--causal"]
    result = CliRunner().invoke(app, [*given, "--reference", photo, "--reference", str(clips / "face.mp4")])
    assert result.exit_code == 0, result.output
    table = pd.read_parquet(tmp_path / "c.parquet")
    assert table["reference"].tolist() == [NEUTRAL_MOMENTS] and str(table["reference"].dtype).startswith("int")
