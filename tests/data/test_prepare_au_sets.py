"""`prepare` through the command line on fake trees of the four AU data sets."""

import csv
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest

from sparsefacs import cli
from sparsefacs.data.store import Store
from sparsefacs.faces.alignment import transform_points
from sparsefacs.synthetic.trees import write_tree

SIZE = 160
INNER = slice(17, 68)  # brows, eyes, nose and mouth: what 49 points know of
Run = tuple[int, str, str]


def tree_of(folder: Path, name: str, **shape: object) -> Path:
    return write_tree(folder / "tree", name, size=SIZE, **{"subjects": 2, "clips": 2, "frames": 4, **shape})  # type: ignore[arg-type]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Return a function that gives the command line words and returns exit code, stdout, stderr."""

    def call(*words: object) -> Run:
        monkeypatch.setattr(sys, "argv", ["sparsefacs", *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        out, err = capsys.readouterr()
        return int(stopped.value.code or 0), out, err

    return call


@pytest.fixture
def prepared(command, tmp_path: Path):  # type: ignore[no-untyped-def]
    """Return a function that prepares a tree and returns the store and what was printed on stderr."""

    def call(source: Path, dataset: str, *options: object) -> tuple[Store, str]:
        out = tmp_path / f"store-{len(list(tmp_path.iterdir()))}"
        code, _, err = command("prepare", source, out, "--dataset", dataset, "--workers", 1, *options)
        assert code == 0, err
        return Store(out), err

    return call


def keys(store: Store) -> list[tuple[str, str, int]]:
    return list(zip(store.strings("subject"), store.strings("clip"), store.numbers("frame").tolist(), strict=True))


def in_source(store: Store) -> np.ndarray:
    """Return the landmarks (M, 68, 2) in pixels of the source pictures."""
    matrices = store.vectors("matrix").reshape(-1, 2, 3).astype(np.float64)
    back = [np.linalg.inv(np.vstack([matrix, [0, 0, 1]]))[:2] for matrix in matrices]
    points = store.vectors("landmarks").reshape(-1, 68, 2)
    return np.stack([transform_points(of, matrix) for of, matrix in zip(points, back, strict=True)])


def same_points(detected: Store, delivered: Store) -> None:
    """Check that both stores place the inner face alike: within 2.5 pixels of 160 on average, and without a shift."""
    place = {key: row for row, key in enumerate(keys(detected))}
    rows = [place[key] for key in keys(delivered)]
    away = (in_source(delivered) - in_source(detected)[rows])[:, INNER]
    assert np.linalg.norm(away, axis=2).mean() < 2.5
    assert np.abs(away.mean(axis=(0, 1))).max() < 1.5
    difference = np.abs(delivered.vectors("matrix") - detected.vectors("matrix")[rows]).reshape(-1, 2, 3)
    assert difference[:, :, :2].max() < 0.12 and delivered.info.recipe_hash != detected.info.recipe_hash


def coded(path: Path, au: int) -> dict[int, int]:
    """Return the column of an AU by frame, as the file has it."""
    with path.open() as handle:
        header, *rows = csv.reader(handle)
    return {int(row[0]): int(row[header.index(str(au), 1)]) for row in rows if row[-1] == "0"}


@pytest.fixture(scope="module")
def bp4d(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tree_of(tmp_path_factory.mktemp("bp4d"), "bp4d")


@pytest.fixture(scope="module")
def bp4d_from_zero(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tree_of(tmp_path_factory.mktemp("zero"), "bp4d", subjects=1, first_image=0)


def test_bp4d_detected_and_delivered(bp4d: Path, prepared) -> None:  # type: ignore[no-untyped-def]
    detected, _ = prepared(bp4d, "bp4d")
    assert len(detected) == 2 * 2 * 7 and detected.info.clips == 4 and detected.info.subjects == 2
    assert np.allclose(detected.numbers("time"), detected.numbers("frame") / 25)
    assert set(detected.numbers("face")) == {0}
    assert not detected.info.rejected
    for au in (1, 12):
        truth = {
            (path.stem[:4], path.stem[5:], frame): value
            for path in sorted((bp4d / "AUCoding" / "AU_OCC").iterdir())
            for frame, value in coded(path, au).items()
            if value != 9
        }
        found = detected.occurrence((au,))[:, 0]
        assert {key: int(value) for key, value in zip(keys(detected), found, strict=True) if value != -1} == truth
    strength = detected.intensity((6, 1))
    assert 0 < (~np.isnan(strength[:, 0])).sum() < len(detected) and np.isnan(strength[:, 1]).all()
    source = detected.info.source
    assert source["people"] == "bp4d" and source["frame_offset"] == 0 and source["unscorable_frames"] == 2
    delivered, _ = prepared(bp4d, "bp4d", "--landmarks", "delivered")
    assert len(delivered) == len(detected) - 4  # in every sequence tracking failed once
    assert {reject.reason for reject in delivered.info.rejected} == {"no landmarks were delivered for this frame"}
    assert delivered.info.recipe["landmarks"] == "49 points delivered with BP4D"
    same_points(detected, delivered)


def test_bp4d_with_images_from_zero(bp4d_from_zero: Path, prepared) -> None:  # type: ignore[no-untyped-def]
    store, err = prepared(bp4d_from_zero, "bp4d", "--labelled-only", "--landmarks", "delivered")
    assert store.info.source["frame_offset"] == -1 and "note: image numbers are taken to be" in err
    frames = {(subject, clip, frame + 1) for subject, clip, frame in keys(store)}
    files = bp4d_from_zero / "AUCoding" / "AU_OCC"
    labelled = {("F001", task, frame) for task in ("T1", "T2") for frame in coded(files / f"F001_{task}.csv", 1)}
    assert frames <= labelled and len(labelled - frames) == 2  # a failed track each
    detected, _ = prepared(bp4d_from_zero, "bp4d")
    same_points(detected, store)


def test_bp4d_videos(prepared, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    tree = tree_of(tmp_path, "bp4d", subjects=1, video=True, fera=True)
    detected, _ = prepared(tree, "bp4d")
    assert len(detected) == 14 and set(detected.strings("source")) == {"F001/T1.avi", "F001/T2.avi"}
    truth = {frame - 1: value for frame, value in coded(tree / "AUCoding" / "F001_T2.csv", 4).items()}
    row = detected.strings("clip") == "T2"
    found = dict(zip(detected.numbers("frame")[row].tolist(), detected.occurrence((4,))[row, 0].tolist(), strict=True))
    assert {frame: value for frame, value in found.items() if value != -1} == truth
    delivered, _ = prepared(tree, "bp4d", "--landmarks", "delivered")
    assert len(delivered) == 12
    same_points(detected, delivered)


def test_what_cannot_be_prepared_is_one_line(bp4d: Path, command, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    half = tmp_path / "half"
    shutil.copytree(bp4d, half)
    shutil.rmtree(half / "Sequences(2D+3D)" / "M002")
    (half / "Sequences(2D+3D)" / "F001" / "T1" / "0005.jpg").unlink()
    code, out, err = command("prepare", half, tmp_path / "store", "--dataset", "bp4d", "--labelled-only")
    assert code == 0, err
    told = {(reject.source, reject.reason) for reject in Store(tmp_path / "store").info.rejected}
    assert told == {
        ("F001/T1", "1 labelled frame has no image"),
        ("M002/T1", "its images are missing"),
        ("M002/T2", "its images are missing"),
    }
    wrong = tmp_path / "wrong"
    (wrong / "ActionUnit_Labels").mkdir(parents=True)
    label = half / "AUCoding" / "AU_OCC" / "F001_T2.csv"
    label.write_text(label.read_text() + "99,1\n")
    for source, options, words in (
        (wrong, (), "DISFA is --dataset disfa"),
        (half, (), "F001_T2.csv: line 6: has 2 values"),
        (bp4d, ("--aus", "26", "--landmarks", "nowhere"), "--landmarks nowhere is not possible"),
        (bp4d, ("--camera", "left"), "takes no --camera"),
        (tmp_path / "absent", (), "is not there"),
    ):
        code, out, err = command("prepare", source, tmp_path / "no", "--dataset", "bp4d", *options)
        problems = [line for line in err.splitlines() if line.startswith("sparsefacs: ")]
        assert (code, len(problems)) == (2, 1) and words in problems[0] and "Traceback" not in err
        assert not out and not (tmp_path / "no").exists()


def truth_of(path: Path) -> dict[int, int]:
    """Return the intensity by frame that a file of DISFA has."""
    return {int(frame): int(value) for frame, value in csv.reader(path.open())}


@pytest.fixture(scope="module")
def disfa(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tree_of(tmp_path_factory.mktemp("disfa"), "disfa", subjects=3, frames=5)


def test_disfa_detected_and_delivered(disfa: Path, prepared) -> None:  # type: ignore[no-untyped-def]
    detected, _ = prepared(disfa, "disfa")
    assert len(detected) == 3 * 8 and set(detected.strings("clip")) == {"left"}
    assert sorted(set(detected.strings("subject"))) == ["SN001", "SN010", "SN031"]
    assert np.allclose(detected.numbers("time"), detected.numbers("frame") / 20)
    assert not detected.info.rejected and detected.info.source["people"] == "disfa"
    for subject, labels in (("SN001", 5), ("SN010", 4)):
        row = detected.strings("subject") == subject
        strength = detected.intensity((12,))[row, 0]
        truth = truth_of(disfa / "ActionUnit_Labels" / subject / f"{subject}_au12.txt")
        assert len(truth) == labels and strength[:labels].tolist() == [truth[frame + 1] for frame in range(labels)]
        assert np.isnan(strength[labels:]).all() and len(strength) == 8
        present = detected.occurrence((12,))[row, 0]
        assert present[:labels].tolist() == (strength[:labels] >= 2).astype(int).tolist()
        assert (present[labels:] == -1).all()
    delivered, _ = prepared(disfa, "disfa", "--landmarks", "delivered", "--labelled-only")
    rejected = [(reject.source, reject.frame, reject.reason) for reject in delivered.info.rejected]
    assert rejected == [("Videos_LeftCamera/LeftVideoSN031_comp.avi", 2, "no landmarks were delivered for this frame")]
    assert len(delivered) == 5 + 4 + 4
    same_points(detected, delivered)


def test_disfa_cameras_and_failed_tracking(disfa: Path, prepared, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("sparsefacs.data.adapters.disfa.failed_tracking", lambda: {"SN001": frozenset({0, 3, 6})})
    store, _ = prepared(disfa, "disfa", "--camera", "both", "--drop-failed-tracking")
    assert store.info.clips == 5 + 1
    for camera in ("left", "right"):
        row = (store.strings("subject") == "SN001") & (store.strings("clip") == camera)
        assert store.numbers("frame")[row].tolist() == [1, 2, 4, 5, 7]  # neither labelled nor unlabelled
    assert store.info.source["failed_tracking_frames_dropped"] == 4
    assert not store.info.rejected


def test_disfa_plus(prepared, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    tree = tree_of(tmp_path, "disfa+", subjects=1)
    store, err = prepared(tree, "disfa+", "--aus", "1,26")
    assert len(store) == 8 and store.info.clips == 2 and store.aus == (1, 26)
    assert "all nine subjects of DISFA+ are also in DISFA" in err and store.info.source["people"] == "disfa"
    trial = store.strings("clip")[0]
    lines = (tree / "Labels" / "SN001" / trial / "AU26.txt").read_text().splitlines()
    truth = [float(line.split()[1]) for line in lines if not line.startswith("#")]
    assert store.intensity((26,))[store.strings("clip") == trial, 0].tolist() == truth


def test_bp4d_plus_from_zips(prepared, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    tree = tree_of(tmp_path, "bp4d+", clips=1, other_frames=1)
    (tree / "2D+3D" / "M001.zip").write_bytes((tree / "2D+3D" / "M001.zip").read_bytes()[:2000])
    store, _ = prepared(tree, "bp4d+")
    assert set(store.strings("subject")) == {"F001"} and store.info.clips == 7
    truth = coded(tree / "AUCoding" / "AU_OCC" / "F001_T1.csv", 6)
    row = store.occurrence((6,))[:, 0] != -1
    assert (
        dict(zip(store.numbers("frame")[row].tolist(), store.occurrence((6,))[row, 0].tolist(), strict=True)) == truth
    )
    assert set(store.strings("clip")[row]) == {"T1"} and store.info.source["unscorable_frames"] == 2
    (reject,) = store.info.rejected
    assert reject.source == "M001.zip" and "cannot be read as a zip" in reject.reason
