"""Fake delivered trees: files and first lines as delivered, the same bytes, true landmarks, faces that are found."""

import csv
import io
import sys
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image
from scipy.io import loadmat

from sparsefacs import cli, synth_tree
from sparsefacs.data.media import is_image, is_video
from sparsefacs.errors import InputError
from sparsefacs.faces.detection import FaceFinder
from sparsefacs.faces.video import VideoReader, read_image
from sparsefacs.facs.landmarks import POINTS_49_TO_68, POINTS_66_TO_68
from sparsefacs.synthetic.trees import LAYOUTS, write_tree
from sparsefacs.synthetic.trees.faces import Cast
from trees import tree

SMALL = {"subjects": 2, "clips": 2, "frames": 4}
ODD = {
    "emotionet": 2,
    "affectnet": 3,
    "casia-webface": 2,
    "imdb-wiki": 5,
    "celeba": 2,
}  # pictures without one good face
VARIANTS = [
    *((name, {}) for name in LAYOUTS),
    ("bp4d", {"fera": True}), ("bp4d", {"video": True}), ("bp4d", {"first_image": 0}), ("bp4d+", {"unzipped": True}),
    ("emotionet", {"names": True}), ("affectnet", {"release": "small"}), ("disfa", {"hold": 2}),
]  # fmt: skip


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory):  # type: ignore[no-untyped-def]
    def get(dataset: str, **variant: object) -> Path:
        return tree(tmp_path_factory, dataset, **{**SMALL, **variant})

    return get


@pytest.fixture(scope="module")
def finder() -> Iterable[FaceFinder]:
    opened = FaceFinder()
    yield opened


def files(root: Path, pattern: str = "**/*") -> list[str]:
    return sorted(path.relative_to(root).as_posix() for path in root.glob(pattern) if path.is_file())


def lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def table(path: Path) -> dict[int, dict[str, str]]:
    with path.open() as handle:
        return {int(row.pop("0")): row for row in csv.DictReader(handle)}


def frames_of(path: Path) -> list[np.ndarray]:
    with VideoReader(path) as reader:
        return [frame.image for frame in reader]


def track(path: Path) -> list[np.ndarray | None]:
    """BP4D's points as MATLAB would show them, (49, 2) or None where empty."""
    assert path.read_bytes()[:19] == b"MATLAB 7.3 MAT-file"
    with h5py.File(path) as opened:
        entries = [opened[reference] for reference in opened["fit/pred"][()].ravel()]
        return [None if entry.attrs.get("MATLAB_empty") else entry[()].T for entry in entries]


def apart(found: np.ndarray, true: np.ndarray) -> float:
    """Mean distance of landmarks without the jaw, in distances between the eyes."""
    eyes = np.linalg.norm(true[36:42].mean(axis=0) - true[42:48].mean(axis=0))
    return float(np.linalg.norm(found[17:] - true[17:], axis=1).mean() / eyes)


def test_bp4d(small) -> None:  # type: ignore[no-untyped-def]
    root = small("bp4d")
    assert files(root, "AUCoding/AU_OCC/*") == [
        f"AUCoding/AU_OCC/{name}.csv" for name in ("F001_T1", "F001_T2", "M002_T1", "M002_T2")
    ]
    assert files(root, "AUCoding/AU_INT/**/F001_T1*") == [
        f"AUCoding/AU_INT/AU{au}/F001_T1_AU{au}.csv" for au in ("06", "10", "12", "14", "17")
    ]
    assert files(root, "Sequences(2D+3D)/F001/T1/*")[0] == "Sequences(2D+3D)/F001/T1/0001.jpg"
    assert files(root, "Sequences(2D+3D)/F001/T2/*")[-1] == "Sequences(2D+3D)/F001/T2/007.jpg"
    assert files(root, "2DFeatures/*") == [f"2DFeatures/{s}_{t}.mat" for s in ("F001", "M002") for t in ("T1", "T2")]
    header = lines(root / "AUCoding/AU_OCC/F001_T1.csv")[0]
    assert header.startswith("0,1,2,3,4,5,6,7,") and header.endswith(",58,59,99")
    first, second = (table(root / f"AUCoding/AU_OCC/F001_{task}.csv") for task in ("T1", "T2"))
    assert list(first) == [4, 5, 6, 7] and list(second) == [1, 2, 3, 4]  # seven photos each
    assert [row["99"] for row in first.values()] == ["0", "0", "0", "1"]
    assert {row["3"] for row in first.values()} == {"9"} and (first[6]["2"], first[5]["2"]) == ("9", "0")
    assert {value for row in second.values() for value in row.values()} == {"0", "1", "9"}
    strength = [line.split(",") for line in lines(root / "AUCoding/AU_INT/AU12/F001_T1_AU12.csv")]
    assert [frame for frame, _ in strength] == ["4", "5", "6", "7"] and strength[1][1] == "9"
    for frame, value in strength:
        assert value == "9" or (int(value) >= 1) == (first[int(frame)]["12"] == "1")


def test_bp4d_tracks_are_true(small, finder: FaceFinder) -> None:  # type: ignore[no-untyped-def]
    root = small("bp4d")
    points = track(root / "2DFeatures/F001_T1.mat")
    assert len(points) == 7 and points[4] is None  # the second coded frame, 5
    assert np.isnan(track(root / "2DFeatures/F001_T2.mat")[1]).all()
    found = finder.find(read_image(root / "Sequences(2D+3D)/F001/T1/0006.jpg"))[0].landmarks
    true = np.zeros((68, 2))
    true[:] = found
    true[POINTS_49_TO_68] = points[5] - 1  # MATLAB counts from 1
    assert 0.005 < apart(found, true) < 0.09
    assert apart(found + 4, true) > 0.09  # four pixels would be noticed


def test_bp4d_variants(small) -> None:  # type: ignore[no-untyped-def]
    fera = small("bp4d", fera=True)
    assert (
        files(fera, "AUCoding/*")[0] == "AUCoding/F001_T1.csv" and (fera / "BP4D-training/F001/T1/0001.jpg").is_file()
    )
    zero = files(small("bp4d", first_image=0), "Sequences(2D+3D)/F001/T1/*")
    assert [Path(name).stem for name in zero] == ["0000", "0001", "0002", "0003", "0004", "0005", "0006"]
    assert list(table(small("bp4d", first_image=0) / "AUCoding/AU_OCC/F001_T1.csv")) == [4, 5, 6, 7]
    film = small("bp4d", video=True) / "Sequences(2D+3D)/M002/T2.avi"
    with VideoReader(film) as reader:
        assert reader.fps == 25 and sum(1 for _ in reader) == 7


def test_bp4d_plus(small) -> None:  # type: ignore[no-untyped-def]
    root = small("bp4d+")
    assert files(root, "2D+3D/*") == ["2D+3D/F001.zip", "2D+3D/M001.zip"]
    with zipfile.ZipFile(root / "2D+3D/F001.zip") as opened:
        names = opened.namelist()
        with Image.open(io.BytesIO(opened.read("F001/T1/0001.jpg"))) as photo:
            assert photo.format == "JPEG" and photo.size == (160, 160)
    tasks = {name.split("/")[1] for name in names}
    assert tasks == {"T1", "T6", "T2", "T3", "T4", "T5", "T9", "T10"}
    assert {Path(name).stem.split("_")[1] for name in files(root, "AUCoding/AU_OCC/*")} == {"T1", "T6"}
    occurrence = lines(root / "AUCoding/AU_OCC/F001_T1.csv")
    assert occurrence[0].startswith("1,1,2,4,5,6,7,9,10,") and occurrence[0].endswith(",38,39,99")
    assert [row.split(",")[0] for row in occurrence[1:]] == ["4", "5", "6", "7"]
    assert [row.split(",")[-1] for row in occurrence[1:]] == ["0", "0", "0", "1"]
    assert (small("bp4d+", unzipped=True) / "2D+3D/M001/T10/0002.jpg").is_file()


def test_disfa(small, finder: FaceFinder) -> None:  # type: ignore[no-untyped-def]
    root = small("disfa", subjects=3)
    assert files(root, "ActionUnit_Labels/SN001/*") == sorted(
        f"ActionUnit_Labels/SN001/SN001_au{au}.txt" for au in (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26)
    )
    for subject, rows in (("SN001", 4), ("SN010", 3), ("SN031", 4)):
        found = [line.split(",") for line in lines(root / f"ActionUnit_Labels/{subject}/{subject}_au12.txt")]
        assert [int(frame) for frame, _ in found] == list(range(1, rows + 1))
        assert {value for _, value in found} <= set("012345")
        left = frames_of(root / f"Videos_LeftCamera/LeftVideo{subject}_comp.avi")
        right = frames_of(root / f"Video_RightCamera/RightVideo{subject}_comp.avi")
        assert len(left) == len(right) == 7
        assert np.abs(left[0].astype(int) - right[0]).mean() > 3
    with VideoReader(root / "Videos_LeftCamera/LeftVideoSN001_comp.avi") as reader:
        assert reader.fps == 20
    marks = [Path(name).name for name in files(root, "Landmark_Points/*/tmp_frame_lm/*")]
    assert marks[:4] == ["SN001_0000_lm.mat", "SN001_0001_lm.mat", "SN001_0002_lm.mat", "SN001_0003_lm.mat"]
    assert marks[-3:] == ["l00001_lm.mat", "l00003_lm.mat", "l00004_lm.mat"]
    points = loadmat(root / "Landmark_Points/SN010/tmp_frame_lm/SN010_0002_lm.mat")["pts"]
    seen = finder.find(frames_of(root / "Videos_LeftCamera/LeftVideoSN010_comp.avi")[2])[0].landmarks
    true = seen.astype(np.float64)
    true[POINTS_66_TO_68] = points - 1
    assert points.shape == (66, 2) and 0.005 < apart(seen, true) < 0.09


def test_held_pictures_are_repeated_with_their_labels(small) -> None:  # type: ignore[no-untyped-def]
    root = small("disfa", frames=5, hold=3)
    for name in files(root, "ActionUnit_Labels/SN001/*"):
        values = [line.split(",")[1] for line in lines(root / name)]
        assert len(set(values[:3])) == len(set(values[3:])) == 1
    faces = list(Cast(0, 160, "disfa", 3, LAYOUTS["disfa"].people).clip(1, 0, 5))
    assert faces[0] is faces[2] and faces[3] is faces[4]
    assert np.abs(faces[2].image.astype(int) - faces[3].image).mean() > 0.1


def test_disfa_plus(small) -> None:  # type: ignore[no-untyped-def]
    root = small("disfa+")
    assert files(root, "Images/**/*")[:2] == [f"Images/SN001/A1_AU1_TrialNo_1/00{n}.jpg" for n in (0, 1)]
    labels = lines(root / "Labels/SN003/A2_AU2_TrialNo_1/AU26.txt")
    assert [line[0] for line in labels[:2]] == ["#", "#"]
    assert [line.split()[0] for line in labels[2:]] == ["000.jpg", "001.jpg", "002.jpg", "003.jpg"]
    assert len(files(root, "Labels/SN001/A1_AU1_TrialNo_1/*")) == 12
    assert LAYOUTS["disfa+"].people == LAYOUTS["disfa"].people  # the same people, as in truth
    assert len({layout.people for layout in LAYOUTS.values()}) == len(LAYOUTS) - 2


def test_emotionet(small) -> None:  # type: ignore[no-untyped-def]
    rows = [line.split("\t") for line in lines(small("emotionet") / "dataFile_0001.txt")]
    pictures = {Path(name).name for name in files(small("emotionet"), "images/*")}
    assert len(rows) == 16 + 3 and {len(row) for row in rows} == {62}
    missing = [row[0] for row in rows if row[0].rsplit("/", 1)[1] not in pictures]
    assert len(missing) == 1 and len(pictures) == 18
    assert {value for row in rows for value in row[2:]} == {"0", "1", "999", "-1"}
    named = lines(small("emotionet", names=True) / "dataFile_0001.txt")
    assert named[0].startswith("URL\tURL orig\tAU 1\tAU 2\t") and len(named) == 20


def test_affectnet(small, finder: FaceFinder) -> None:  # type: ignore[no-untyped-def]
    root = small("affectnet")
    with (root / "Manual_Annot/training.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    columns = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
    assert list(rows[0]) == columns.split(",")
    assert len(rows) == 12 + 3 and len(lines(root / "Manual_Annot/validation.csv")) == 1 + 4
    faceless = [row for row in rows if row["expression"] == "10"]
    assert len(faceless) == 1 and (faceless[0]["valence"], faceless[0]["arousal"]) == ("-2", "-2")
    picture = read_image(root / "Manual_Annot/Manually_Annotated_Images" / rows[0]["subDirectory_filePath"])
    points = np.array(rows[0]["facial_landmarks"].split(";"), float).reshape(68, 2)
    assert apart(finder.find(picture)[0].landmarks, points) < 0.09
    left, top = points.min(axis=0) - (int(rows[0]["face_x"]), int(rows[0]["face_y"]))
    assert 0 <= left < 1 and 0 <= top < 1

    other = small("affectnet", release="small")
    assert files(other, "train_set/annotations/0_*") == [
        f"train_set/annotations/0_{k}.npy" for k in ("aro", "exp", "lnd", "val")
    ]
    assert len(files(other, "train_set/images/*")) == 12 + 2 and len(files(other, "val_set/images/*")) == 4
    assert np.load(other / "train_set/annotations/0_lnd.npy").shape == (136,)
    assert 0 <= int(np.load(other / "train_set/annotations/0_exp.npy").item()) <= 7


def test_casia_and_imdb_wiki(small) -> None:  # type: ignore[no-untyped-def]
    assert files(small("casia-webface"))[:2] == ["0000045/001.jpg", "0000045/002.jpg"]
    root = small("imdb-wiki")
    for kind, pictures in (("imdb", 14 + 4), ("wiki", 2 + 1)):
        listed = loadmat(root / f"{kind}_crop/{kind}.mat")[kind][0, 0]
        paths = [str(cell[0]) for cell in listed["full_path"][0]]
        assert len(paths) == pictures and all((root / f"{kind}_crop" / path).is_file() for path in paths)
        assert np.isneginf(listed["face_score"][0]).sum() == 1
        assert (~np.isnan(listed["second_face_score"][0])).sum() == (kind == "imdb")
        assert listed["face_location"][0, 0].shape == (1, 4)
        if kind == "imdb":
            names = [str(cell[0]) for cell in listed["celeb_names"][0]]
            assert names == ["Synthetic Person 1", "Synthetic Person 2"]
            assert set(listed["celeb_id"][0]) == {1.0, 2.0}
    born = loadmat(root / "wiki_crop/wiki.mat")["wiki"][0, 0]["dob"][0, 0]
    assert born == 712224  # MATLAB's datenum of 1 January 1950


def test_celeba(small) -> None:  # type: ignore[no-untyped-def]
    root = small("celeba", subjects=3)
    assert files(root, "img_align_celeba/*")[0] == "img_align_celeba/000001.jpg"
    points = lines(root / "list_landmarks_align_celeba.txt")
    assert points[0] == "26" and points[1].split()[:4] == ["lefteye_x", "lefteye_y", "righteye_x", "righteye_y"]
    assert points[2].split()[0] == "000001.jpg" and len(points[2].split()) == 11
    x = [int(value) for value in points[2].split()[1::2]]
    assert x[0] < x[2] < x[1] and x[3] < x[4]
    assert lines(root / "identity_CelebA.txt")[:4] == ["000001.jpg 1", "000002.jpg 2", "000003.jpg 3", "000004.jpg 1"]
    assert [line[-1] for line in lines(root / "list_eval_partition.txt")[:4]] == ["0", "1", "2", "0"]


def test_folder_and_table(small) -> None:  # type: ignore[no-untyped-def]
    wanted = [*(f"P01/C01/000{number}.jpg" for number in (1, 2, 3, 4)), "P01/C02.mp4"]
    assert files(small("folder"), "P01/**/*") == files(small("table"), "P01/**/*") == wanted
    with (small("table") / "labels.csv").open() as handle:
        rows = list(csv.DictReader(handle))
    assert list(rows[0])[:5] == ["path", "subject", "clip", "frame", "AU01_c"] and "AU26_r" in rows[0]
    assert [(row["path"], row["frame"]) for row in rows[3:7]] == [
        ("P01/C01/0004.jpg", ""), ("P01/C02.mp4", "0"), ("P01/C02.mp4", "1"), ("P01/C02.mp4", "2"),
    ]  # fmt: skip
    assert {row["AU26_c"] == "" for row in rows} == {True, False}


def pictures(root: Path) -> Iterator[tuple[str, np.ndarray | None]]:
    """Yield every picture of a tree, None where it cannot be read."""
    for path in sorted(path for path in root.rglob("*") if path.is_file()):
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as opened:
                for name in opened.namelist():
                    yield f"{path}:{name}", read_image(path, name)
        elif is_video(path):
            yield from ((f"{path}:{number}", image) for number, image in enumerate(frames_of(path)))
        elif is_image(path):
            try:
                yield str(path), read_image(path)
            except InputError:
                yield str(path), None


@pytest.mark.parametrize("dataset", LAYOUTS)
def test_every_face_is_found(dataset: str, small, finder: FaceFinder) -> None:  # type: ignore[no-untyped-def]
    found = {name: 0 if image is None else len(finder.find(image)) for name, image in pictures(small(dataset))}
    assert len(found) >= 12
    odd = [name for name, faces in found.items() if faces != 1]
    assert len(odd) == ODD.get(dataset, 0), odd


@pytest.mark.parametrize(("dataset", "variant"), VARIANTS)
def test_same_seed_same_bytes(dataset: str, variant: dict[str, object], tmp_path: Path) -> None:
    shape = {"subjects": 1, "clips": 2, "frames": 2, "size": 120, **variant}
    one, two = (write_tree(tmp_path / name, dataset, **shape) for name in ("one", "two"))  # type: ignore[arg-type]
    assert files(one) == files(two)
    assert [name for name in files(one) if (one / name).read_bytes() != (two / name).read_bytes()] == []
    assert "synthetic" in lines(one / "README.txt")[0]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []


def test_another_seed_other_faces(small, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    other = synth_tree(tmp_path / "other", "folder", seed=1, **SMALL)
    name = "P01/C01/0001.jpg"
    assert np.abs(read_image(other / name).astype(int) - read_image(small("folder") / name)).mean() > 10


@pytest.mark.parametrize(
    ("dataset", "change", "told"),
    [
        ("bp4e", {}, "there is no layout 'bp4e'. Choose one of: bp4d, bp4d+"),
        ("bp4d", {"subjects": 42}, "BP4D has 41 subjects, not 42"),
        ("disfa+", {"clips": 13}, "12 clips"),
        ("disfa", {"frames": 0}, "frames must be at least 1"),
        ("disfa", {"hold": 0}, "hold must be at least 1"),
        ("celeba", {"size": 64}, "even size of 120 to 1024"),
        ("bp4d", {"camera": "left"}, "no variant 'camera'. It has: fera=false, video=false"),
        ("bp4d", {"fera": "perhaps"}, "Give true or false"),
        ("bp4d", {"first_image": 2}, "Choose 0 or 1"),
        ("affectnet", {"release": "big"}, "Choose full or small"),
    ],
)
def test_impossible_arguments_are_told_and_leave_nothing(
    dataset: str, change: dict[str, object], told: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError) as caught:
        write_tree(tmp_path / "tree", dataset, **change)  # type: ignore[arg-type]
    assert told in str(caught.value) and "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_overwritten_and_a_killed_call_leaves_no_tree(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "note.txt").write_text("kept")
    with pytest.raises(InputError, match="already exists"):
        write_tree(tmp_path / "mine", "folder", **SMALL)  # type: ignore[arg-type]
    assert files(tmp_path) == ["mine/note.txt"]
    with monkeypatch.context() as patched, pytest.raises(RuntimeError):
        patched.setattr(Cast, "clip", lambda *_, **__: (_ for _ in ()).throw(RuntimeError("killed")))
        write_tree(tmp_path / "tree", "folder", **SMALL)  # type: ignore[arg-type]
    assert files(tmp_path) == ["mine/note.txt"] and not (tmp_path / "tree").exists()
    (tmp_path / "tree").mkdir()  # an empty folder is not in the way
    assert len(files(write_tree(tmp_path / "tree", "folder", subjects=1, clips=1, frames=1))) == 2


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def run(*words: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["sparsefacs", *map(str, words)])
        monkeypatch.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        return int(stopped.value.code or 0), *capsys.readouterr()

    out = tmp_path / "tree"
    shape = ("--subjects", 1, "--clips", 1, "--frames", 2)
    code, said, _ = run(
        "synth", out, "--layout", "bp4d", *shape, "--variant", "first_image=0", "--variant", "fera=true"
    )
    assert code == 0 and f"prepare {out} STORE --dataset bp4d" in said
    assert (out / "BP4D-training/F001/T1/0000.jpg").is_file()
    for words, told in (
        (("--layout", "bp4d", "--flow"), "--flow does not go with --layout"),
        (("--layout", "bp4d", "--aus", "1"), "--aus does not go with --layout"),
        (("--layout", "bp4d", "--variant", "fera"), "Write key=value"),
        (("--layout", "bp4d", "--variant", "seed=3"), "--variant seed=3 is not possible"),
        (("--variant", "fera=true"), "Add --layout NAME"),
    ):
        code, _, err = run("synth", tmp_path / "none", *words)
        assert code == 2 and told in err and len([line for line in err.splitlines() if "sparsefacs:" in line]) == 1
        assert not (tmp_path / "none").exists()
    _, said, _ = run("synth", "--help")
    for name, layout in LAYOUTS.items():
        assert name in said
        assert all(f"{variant}=" in said for variant in layout.variants)
