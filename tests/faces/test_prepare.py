import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from sparsefacs.data.contact_sheet import draw_geometry, geometry_picture
from sparsefacs.data.inspection import describe, inspect_store
from sparsefacs.data.store import Store
from sparsefacs.errors import InputError
from sparsefacs.evidence.blendshapes import BLENDSHAPES
from sparsefacs.faces.alignment import FaceRecipe
from sparsefacs.faces.prepare import make_store, prepare
from sparsefacs.shards import Shard


def digests(store: Path) -> dict[str, str]:
    return {
        path.relative_to(store).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(store.rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def source(tmp_path_factory, panned, photo, write_video) -> Path:
    """Two subjects with a clip each, loose photos, and files that cannot be read."""
    folder = tmp_path_factory.mktemp("source")
    write_video(folder / "anna" / "talk.mp4", panned[:14])
    write_video(folder / "bert" / "talk.mp4", [np.ascontiguousarray(frame[:, ::-1]) for frame in panned[:10]])
    Image.fromarray(photo).save(folder / "portrait.png")
    Image.fromarray(photo[300:]).save(folder / "no_face.png")
    (folder / "damaged.jpg").write_bytes(b"no picture")
    (folder / "anna" / "empty.mp4").touch()
    return folder


@pytest.fixture(scope="module")
def prepared(source, tmp_path_factory) -> Store:
    return prepare(source, tmp_path_factory.mktemp("out") / "store", size=64, workers=1)


def test_a_folder_becomes_a_store_and_bad_files_are_listed(prepared) -> None:
    assert len(prepared) == 14 + 10 + 1
    assert set(prepared.strings("subject")) == {"anna", "bert", "portrait"}
    reasons = {reject.source: reject.reason for reject in prepared.info.rejected}
    assert set(reasons) == {"no_face.png", "damaged.jpg", "anna/empty.mp4"}
    assert "no image" in reasons["damaged.jpg"]
    assert "empty" in reasons["anna/empty.mp4"]
    assert "no face" in reasons["no_face.png"]
    anna = prepared.strings("subject") == "anna"
    assert prepared.numbers("frame")[anna].tolist() == list(range(14))
    assert np.allclose(prepared.numbers("time")[anna], np.arange(14) / 25, atol=1e-3)
    assert set(prepared.numbers("face").tolist()) == {0}
    assert (prepared.occurrence() == -1).all() and np.isnan(prepared.intensity()).all()
    assert prepared.info.recipe_hash == FaceRecipe(size=64).hash
    assert prepared.image(0).shape == (64, 64, 3)
    eyes = prepared.vectors("landmarks").reshape(-1, 68, 2)[:, 36:48].mean(axis=1)
    assert np.abs(eyes - [31.5, 0.35 * 64]).max() < 3


def test_blendshapes_and_pose_of_videos_and_photos_are_kept(prepared) -> None:
    shapes, pose = prepared.optional_vectors("blendshapes", 52), prepared.optional_vectors("pose", 3)
    assert shapes.min() >= 0 and shapes.max() <= 1
    smile = shapes[:, BLENDSHAPES.index("mouthSmileLeft")]
    assert (smile > 0.3).all(), "she smiles"
    anna, bert = (prepared.strings("subject") == name for name in ("anna", "bert"))
    assert np.abs(pose).max() < 40
    yaw, _, roll = (np.median(pose[anna], axis=0) + np.median(pose[bert], axis=0)).tolist()
    assert abs(yaw) < 5 and abs(roll) < 5, "the flipped face looks and tilts the other way"


def test_roll_is_of_the_source_picture(photo, tmp_path) -> None:
    import cv2

    for name, clockwise in (("left", -20), ("none", 0), ("right", 20)):
        turn = cv2.getRotationMatrix2D((223, 120), -clockwise, 1)
        path = tmp_path / "source" / f"{name}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(cv2.warpAffine(photo, turn, (512, 512), borderMode=cv2.BORDER_REPLICATE)).save(path)
    store = prepare(tmp_path / "source", tmp_path / "store", size=64, workers=1)
    assert store.strings("subject").tolist() == ["left", "none", "right"]
    pose = store.optional_vectors("pose", 3)
    np.testing.assert_allclose(pose[[0, 2]] - pose[1], [[0, 0, -20], [0, 0, 20]], atol=6)


def test_worker_count_and_a_kill_leave_no_trace(source, prepared, tmp_path) -> None:
    """Killed with SIGKILL once a part is done, then finished with two workers: byte for byte the same store."""
    out = tmp_path / "store"
    script = (
        "import sys, pathlib\nfrom sparsefacs.faces.prepare import prepare\n"
        "prepare(pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), size=64, workers=1)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(source), str(out)], stderr=subprocess.DEVNULL)
    until = time.monotonic() + 60
    while not list((out / "done").glob("*.json")) and process.poll() is None and time.monotonic() < until:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert (out / "job.json").exists(), "killed too late to test anything"
    with pytest.raises(InputError, match="unfinished"):
        Store(out)
    kept = {path.name: path.stat().st_mtime_ns for path in out.glob("data-*.arrow")}
    with pytest.raises(InputError, match="other settings"):
        prepare(source, out, size=96, workers=1)
    prepare(source, out, size=64, workers=2)
    assert digests(out) == digests(prepared.path)
    first = "data-00000.arrow"
    if first in kept and (out / first).exists():
        assert (out / first).stat().st_mtime_ns == kept[first], "a finished part was made again"


def test_labels_go_to_their_frames_and_the_largest_face(source, photo, tmp_path) -> None:
    import cv2

    folder = tmp_path / "media"
    folder.mkdir()
    both = np.full((512, 900, 3), 120, np.uint8)
    both[:, :512] = photo
    both[:256, 600:856] = cv2.resize(photo, (256, 256), interpolation=cv2.INTER_AREA)
    Image.fromarray(both).save(folder / "pair.png")
    (folder / "talk.mp4").write_bytes((source / "anna" / "talk.mp4").read_bytes())
    table = tmp_path / "labels.csv"
    table.write_text(
        "path,subject,frame,time,AU12_c,AU12_r,AU4\npair.png,p,,,1,3.5,\ntalk.mp4,q,3,,1,,0\n"
        "talk.mp4,q,,0.2,0,0,\nmissing.png,r,,,1,,\ntalk.mp4,q,99,,1,,\n"
    )
    store = prepare(folder, tmp_path / "all", dataset="table", labels=table, size=64, workers=1)
    assert store.aus == (4, 12)
    pair = store.strings("source") == "pair.png"
    assert sorted(store.occurrence((12,))[pair, 0].tolist()) == [-1, 1]
    scale = np.hypot(*store.vectors("matrix").reshape(-1, 2, 3)[:, :, 0].T)
    labelled = store.occurrence((12,))[:, 0] == 1
    assert scale[pair & labelled] < scale[pair & ~labelled]  # the larger face is shrunk more
    talk = store.strings("source") == "talk.mp4"
    assert store.occurrence((12,))[talk, 0].tolist() == [-1] * 3 + [1, -1, 0] + [-1] * 8
    assert store.occurrence((4,))[talk, 0].tolist() == [-1] * 3 + [0] + [-1] * 10
    reasons = {(reject.source, reject.frame): reject.reason for reject in store.info.rejected}
    assert "not found" in reasons["missing.png", None]
    assert "beyond" in reasons["talk.mp4", 99]
    only = prepare(
        folder, tmp_path / "only", dataset="table", labels=table, size=64, workers=1, aus=(12,), unlabelled_frames=False
    )
    kept = only.strings("source") == "talk.mp4"
    assert only.numbers("frame")[kept].tolist() == [3, 5]
    assert only.aus == (12,)
    found = inspect_store(store)
    assert found["faces_labelled"] == 3 and found["aus"][1]["base_rate"] == pytest.approx(2 / 3)
    assert "Lip Corner Puller" in describe(found)


def test_every_nth_frame(source, tmp_path) -> None:
    store = prepare(source / "anna" / "talk.mp4", tmp_path / "store", size=64, workers=1, frame_step=5)
    assert store.numbers("frame").tolist() == [0, 5, 10]


def test_bad_sources_are_one_line_and_leave_nothing(tmp_path, photo) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "faceless").mkdir()
    Image.fromarray(photo[300:]).save(tmp_path / "faceless" / "a.png")
    (tmp_path / "kept").mkdir()
    (tmp_path / "kept" / "mine.txt").write_text("mine")
    for name, out, words in (
        ("missing", "out", "not there"),
        ("empty", "out", "no images or videos"),
        ("faceless", "out", "no face was found"),
        ("faceless", "kept", "already exists"),
    ):
        with pytest.raises(InputError, match=words):
            prepare(tmp_path / name, tmp_path / out, workers=1)
        assert not (tmp_path / "out").exists()
    assert (tmp_path / "kept" / "mine.txt").read_text() == "mine"
    for out, words in (("n" * 300, "File name too long"), ("st\udcfc", r"st\\xfc: its name is not valid text")):
        with pytest.raises(InputError, match=words):
            prepare(tmp_path / "faceless", tmp_path / out, workers=1)
    with pytest.raises(InputError, match="Choose one of"):
        prepare(tmp_path / "empty", tmp_path / "out", dataset="nonesuch")


def test_landmarks_are_named_where_faces_cut_otherwise_are_refused(prepared) -> None:
    from sparsefacs.inference.evaluation import code_store
    from sparsefacs.inference.features import extract_features

    delivered = FaceRecipe(size=64, landmarks="49 points delivered with BP4D")
    learned = SimpleNamespace(recipe=delivered)
    for look in (code_store, extract_features):
        with pytest.raises(InputError, match="--size 64, and the --landmarks and version of"):
            look(learned, prepared, np.arange(1))


def test_the_picture_shows_faces_and_refuses_to_overwrite(prepared, tmp_path) -> None:
    path = geometry_picture(prepared, tmp_path / "sheet.png", faces=2, columns=1, side=256)
    with Image.open(path) as sheet:
        assert sheet.size == (512, 512)
    with pytest.raises(InputError, match="already exists"):
        geometry_picture(prepared, path)
    with pytest.raises(InputError, match="PNG"):
        geometry_picture(prepared, tmp_path / "sheet.jpg")
    face, points = prepared.image(0), prepared.vectors("landmarks")[0].reshape(68, 2)
    drawn = draw_geometry(face, points, (1, 12), side=256)
    bare = draw_geometry(face, points, (), side=256)
    assert drawn.shape == (256, 512, 3)
    changed = np.abs(drawn.astype(int) - bare).max(axis=-1) > 40
    assert changed[:, 256:].any() and not changed[:, :256].any()


def test_shards_make_the_same_store_and_the_last_one_makes_it_whole(source, prepared, tmp_path) -> None:
    out = tmp_path / "store"
    for number in (3, 1, 1):  # one is given twice, which does nothing
        assert make_store(source, out, size=64, workers=1, shard=Shard(number, 3)) is None
        with pytest.raises(InputError, match="unfinished"):
            Store(out)
    with pytest.raises(InputError, match="other settings"):
        make_store(source, out, size=96, workers=1, shard=Shard(2, 3))
    made = make_store(source, out, size=64, workers=1, shard=Shard(2, 3))
    assert made is not None and digests(out) == digests(prepared.path)
    assert make_store(source, out, size=64, workers=1, shard=Shard(1, 3)) is not None, "a task of an array begun again"


def test_a_task_of_an_array_that_is_too_large_is_refused_until_the_store_is_whole(source, prepared, tmp_path) -> None:
    out, idle = tmp_path / "store", Shard(9, 9, "task of a Slurm array")
    with pytest.raises(InputError, match=r"nothing is left for shard 9 of 9 .* pieces of work \(4\)"):
        make_store(source, out, size=64, workers=1, shard=idle)
    assert not out.exists()
    shutil.copytree(prepared.path, out)
    assert make_store(source, out, size=64, workers=1, shard=idle) is not None


def test_a_store_that_shards_work_on_is_not_finished_by_another(source, prepared, tmp_path) -> None:
    out = tmp_path / "store"
    assert make_store(source, out, size=64, workers=1, shard=Shard(1, 2)) is None
    script = (
        "import sys\nfrom pathlib import Path\nfrom sparsefacs.files import SoleWriter\n"
        "held = SoleWriter(Path(sys.argv[1]), shared=True)\nprint('held', flush=True)\nsys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(out)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None and other.stdin is not None and other.stdout.readline() == "held\n"
        with pytest.raises(InputError, match="another run is writing it"):
            prepare(source, out, size=64, workers=1)
        assert make_store(source, out, size=64, workers=1, shard=Shard(2, 2)) is None, "the other one will finish it"
        other.stdin.close()
    assert len(prepare(source, out, size=64, workers=1)) == len(prepared)
