"""Face collections: each layout is read as delivered, half a copy and broken lists are one clear line."""

import io
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from collection_trees import (
    AFFECTNET_HEADER,
    POINTS_5,
    TREES,
    affectnet_small,
    celeba,
    points_68,
    put,
)
from sparsefacs.cli import app
from sparsefacs.data.adapters import Plan, Request, make_plan
from sparsefacs.data.adapters.collection import Names, encoded, find_names
from sparsefacs.data.media import media_below
from sparsefacs.data.store import Reject, Store
from sparsefacs.errors import InputError
from sparsefacs.faces.parts import split
from sparsefacs.faces.prepare import prepare
from sparsefacs.facs import UNITS
from trees import tree


@pytest.fixture(scope="module")
def face() -> bytes:
    """A JPEG with one face, 90 pixels wide: an astronaut's portrait (NASA, public domain, in scikit-image)."""
    import skimage.data

    content = io.BytesIO()
    Image.fromarray(skimage.data.astronaut()[:256, 90:346]).save(content, "JPEG", quality=90)
    return content.getvalue()


def plan_of(tree: str, root: Path, face: bytes = b"x", **options: object) -> Plan:
    name, make = TREES[tree]
    make(root, face)
    plan = make_plan(name, Request(root, **options))  # type: ignore[arg-type]
    assert split(plan.items).digest == split(make_plan(name, Request(root, **options)).items).digest  # type: ignore[arg-type]
    keys = [(item.subject, item.clip) for item in plan.items]
    assert len({key for key, before in zip(keys, [None, *keys], strict=False) if key != before}) == len(set(keys))
    assert all(item.path.as_posix().endswith(f"/{item.source}") and item.path.is_file() for item in plan.items)
    assert all(item.alone for item in plan.items)
    return plan


def keys_of(plan: Plan) -> list[tuple[str, str, str]]:
    return [(item.source, item.subject, item.clip) for item in plan.items]


def test_emotionet(tmp_path: Path) -> None:
    plan = plan_of("emotionet", tmp_path)
    assert keys_of(plan) == [("p/one.jpg", "one.jpg", "one.jpg"), ("p/two b.jpg", "two b.jpg", "two b.jpg")]
    assert plan.aus == tuple(sorted(UNITS)) and 60 not in plan.aus
    (label,) = plan.items[0].by_frame[0]
    known = {au: int(label.occurrence[place]) for place, au in enumerate(plan.aus) if label.occurrence[place] >= 0}
    assert known == {1: 1, 2: 0} and np.isnan(label.intensity).all()
    assert plan.items[1].by_frame == {}
    reasons = {reject.source: reject.reason for reject in plan.rejected}
    assert reasons == {
        "q/same.jpg": "several URLs of the list end in this name",
        "q/deep/one.jpg": "another picture of this name comes before it",
        "list.tsv": "2 URLs have no picture under SOURCE",
    }
    assert "1 pictures are not in the list" in plan.notes[0] and "AU60" in plan.notes[1]
    (fewer,) = {len(item.by_frame[0][0].occurrence) for item in plan_of("emotionet", tmp_path, aus=(2,)).items[:1]}
    assert fewer == 1
    elsewhere = tmp_path.parent / f"{tmp_path.name}.txt"
    elsewhere.write_bytes((tmp_path / "list.tsv").read_bytes())
    (tmp_path / "list.tsv").unlink()
    assert len(make_plan("emotionet", Request(tmp_path, elsewhere)).items) == 2


@pytest.mark.parametrize("delivered", [False, True])
def test_affectnet_full(tmp_path: Path, delivered: bool) -> None:
    plan = plan_of("affectnet-full", tmp_path, delivered_landmarks=delivered)
    folder = "Manually_Annotated_Images"
    assert keys_of(plan) == [
        (f"{folder}/1/a.jpg", "1/a", "train"),
        (f"{folder}/1/c.jpg", "1/c", "val"),
        (f"{folder}/3/d.png", "3/d", "val"),
    ]
    assert [reject.reason for reject in plan.rejected] == [
        "no face according to training.csv",
        "named in training.csv but not found",
    ]
    assert plan.landmarks == ("68 points delivered with AffectNet" if delivered else None)
    if delivered:
        points = [item.points for item in plan.items]
        assert points[0] and points[1] and points[2]
        np.testing.assert_allclose(points[0].at(0), points_68(), atol=0.006)
        np.testing.assert_allclose(points[2].at(0), points_68(), atol=0.006)
        with pytest.raises(InputError, match=r"validation\.csv.*68 points"):
            points[1].at(0)


def test_affectnet_small(tmp_path: Path) -> None:
    plan = plan_of("affectnet-small", tmp_path)
    assert [(item.subject, item.clip) for item in plan.items] == [
        ("train/2", "train"),
        ("train/10", "train"),
        ("train/11", "train"),
        ("val/2", "val"),
    ]
    given = make_plan("affectnet", Request(tmp_path, delivered_landmarks=True))
    assert [item.subject for item in given.items] == ["train/2", "train/10", "val/2"]
    assert [reject.reason for reject in given.rejected] == ["its landmarks (_lnd.npy) are missing"]
    points = given.items[1].points
    assert points is not None
    np.testing.assert_allclose(points.at(0), points_68(), atol=1e-4)
    np.save(tmp_path / "train_set" / "annotations" / "10_lnd.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(InputError, match=r"10_lnd\.npy"):
        points.at(0)


def test_casia(tmp_path: Path) -> None:
    plan = plan_of("casia", tmp_path / "CASIA-WebFace")
    assert keys_of(plan) == [
        ("0000045/001.jpg", "0000045", "001"),
        ("0000045/015.jpg", "0000045", "015"),
        ("0000099/001.jpg", "0000099", "001"),
    ]
    assert "1 identity folders hold no images" in plan.notes
    assert len(make_plan("casia-webface", Request(tmp_path)).items) == 3


def test_imdb_wiki(tmp_path: Path) -> None:
    plan = plan_of("imdb-wiki", tmp_path)
    assert keys_of(plan) == [
        ("imdb_crop/01/nm1_a.jpg", "Ann", "imdb_crop/01/nm1_a"),
        ("imdb_crop/02/nm2_c.jpg", "Bo", "imdb_crop/02/nm2_c"),
        ("wiki_crop/00/7.jpg", "wiki_crop/00/7", "wiki_crop/00/7"),
    ]
    assert plan.facts == {"two_faces": 1}
    assert plan.rejected == (
        Reject("imdb_crop/01/nm1_b.jpg", None, "no face according to imdb.mat"),
        Reject("imdb_crop/02/nm2_gone.jpg", None, "named in imdb.mat but not found"),
    )


def test_celeba(tmp_path: Path) -> None:
    plan = plan_of("celeba", tmp_path, delivered_landmarks=True)
    assert [(item.source, item.subject, item.clip, item.frame) for item in plan.items] == [
        ("img_align_celeba/000002.jpg", "3", "train", 2),
        ("img_align_celeba/000004.jpg", "3", "train", 4),
        ("img_align_celeba/000001.jpg", "20", "train", 1),
        ("img_align_celeba/000003.jpg", "20", "val", 3),
    ]
    assert {(reject.source, reject.reason) for reject in plan.rejected} == {
        ("img_align_celeba/000006.jpg", "named in identity_CelebA.txt but not found"),
        ("img_align_celeba/000005.jpg", "not in list_eval_partition.txt"),
    }
    assert "1 images are not in identity_CelebA.txt" in plan.notes[0]
    points = plan.items[0].points
    assert points is not None and points.at(2).tolist() == [[x - 90, y] for x, y in POINTS_5]  # type: ignore[union-attr]


def test_delivered_landmarks_come_without_blendshapes_and_pose(tmp_path: Path, face: bytes) -> None:
    celeba(tmp_path / "celeba", face)
    settings = {"dataset": "celeba", "workers": 1, "size": 64}
    delivered = prepare(tmp_path / "celeba", tmp_path / "delivered", delivered_landmarks=True, **settings)
    found = prepare(tmp_path / "celeba", tmp_path / "found", **settings)
    for name, width in (("blendshapes", 52), ("pose", 3)):
        assert np.isnan(delivered.optional_vectors(name, width)).all()
        assert np.isfinite(found.optional_vectors(name, width)).all()


@pytest.mark.parametrize("tree", TREES)
def test_wrong_and_empty_folders_are_one_line(tree: str, tmp_path: Path) -> None:
    name = TREES[tree][0]
    put(tmp_path / "other" / "SN001" / "a.jpg")
    for source, words in ((tmp_path / "other", "other"), (tmp_path / "none", "not there")):
        with pytest.raises(InputError, match=words) as caught:
            make_plan(name, Request(source))
        assert "\n" not in str(caught.value)


def test_another_data_set_is_told_by_name(tmp_path: Path) -> None:
    celeba(tmp_path, b"x")
    with pytest.raises(InputError, match="--dataset celeba"):
        make_plan("imdb-wiki", Request(tmp_path / "Img"))


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        ("affectnet", "Point SOURCE at the folder that holds either Manual_Annot or train_set and val_set"),
        ("imdb-wiki", "Point SOURCE at the folder that holds imdb_crop or wiki_crop"),
        ("emotionet", r"holds no list of URLs and AUs \(\.tsv, \.txt or \.csv\)\. Give EmotioNet's list with --labels"),
    ],
)
def test_what_is_looked_for_is_told(dataset: str, words: str, tmp_path: Path) -> None:
    put(tmp_path / "other" / "a.jpg")
    with pytest.raises(InputError, match=words):
        make_plan(dataset, Request(tmp_path / "other"))


def test_another_data_set_is_told_by_name_where_emotionets_list_is_missing(tmp_path: Path) -> None:
    affectnet_small(tmp_path / "small", b"x")
    for source in (tmp_path, tmp_path / "small"):
        with pytest.raises(InputError, match=r"holds no list.*, but train_set and val_set.*--dataset affectnet"):
            make_plan("emotionet", Request(source))


@pytest.mark.parametrize("tree", ["affectnet-small", "casia", "imdb-wiki", "celeba"])
def test_labelled_only_is_refused_where_nothing_is_labelled(tree: str, tmp_path: Path) -> None:
    name, make = TREES[tree]
    make(tmp_path / "source", b"x")
    command = ["prepare", str(tmp_path / "source"), str(tmp_path / "store"), "--dataset", name, "--labelled-only"]
    result = CliRunner().invoke(app, command)
    assert isinstance(result.exception, InputError)
    assert f"the data set {name} has no labels" in str(result.exception) and not (tmp_path / "store").exists()
    assert "\n" not in str(result.exception) and "Leave out --labelled-only" in str(result.exception)


def test_a_small_face_is_told_from_none(tmp_path: Path, face: bytes) -> None:
    put(tmp_path / "source" / "a.jpg", face)
    with pytest.raises(InputError, match=r"Lower --min-face, now 200: it rejects 1 of 1") as caught:
        prepare(tmp_path / "source", tmp_path / "store", workers=1, min_face=200)
    assert "40 pixels" not in str(caught.value)
    for name in ("b.jpg", "c.jpg"):
        put(tmp_path / "source" / name)
    with pytest.raises(InputError, match="Check that the source shows faces at least 40 pixels wide"):
        prepare(tmp_path / "source", tmp_path / "store", workers=1, min_face=200)


def test_one_is_singular(tmp_path: Path, face: bytes) -> None:
    put(tmp_path / "source" / "a.jpg", face)
    put(tmp_path / "source" / "b.jpg")
    out = tmp_path / "store"
    command = ["prepare", str(tmp_path / "source"), str(out), "--dataset", "folder", "--workers", "1", "--aus", "12"]
    result = CliRunner().invoke(app, command)
    assert f"{out}: 1 face of 1 subject in 1 clip, AUs 12\n1 file or frame gave no face (each is" in result.stdout
    assert "\n  1 × " in result.stdout, "and why"
    made = ["synth", str(tmp_path / "made"), "--subjects", "1", "--clips", "1", "--frames", "1", "--workers", "1"]
    assert (
        "made: 1 synthetic face of 1 subject, AUs"
        in CliRunner().invoke(app, [*made, "--size", "48", "--points", "true"]).stdout
    )


@pytest.mark.parametrize(
    ("tree", "file", "content", "words"),
    [
        ("emotionet", "list.tsv", None, r"holds no list of URLs"),
        ("emotionet", "list.tsv", "URL\tid\tAU1\nhttp://a/one.jpg\tx\t7\n", r"list\.tsv: line 2: '7' is not 1, 0"),
        ("emotionet", "list.tsv", "URL\tid\tAU1\tAU2\nhttp://a/one.jpg\tx\t1\n", r"line 2: has 3 columns, not 4"),
        ("emotionet", "list.tsv", "URL\tid\tAU1\nhttp://a/else.jpg\tx\t1\n", "names no picture"),
        ("affectnet-full", "Manual_Annot/training.csv", None, r"training\.csv is missing"),
        ("affectnet-full", "Manual_Annot/training.csv", "a,b\n", r"training\.csv: .*no column subDirectory_filePath"),
        ("affectnet-full", "Manual_Annot/training.csv", AFFECTNET_HEADER + "\n1/a.jpg,0\n", r"line 2: has 2 columns"),
        ("affectnet-full", "Manual_Annot/Manually_Annotated_Images", None, "Manually_Annotated_Images"),
        ("affectnet-small", "train_set/images", None, r"train_set: holds no folder images"),
        ("affectnet-small", "val_set/annotations", None, r"val_set: holds no folder annotations"),
        ("imdb-wiki", "imdb_crop/imdb.mat", None, r"imdb\.mat is missing"),
        ("imdb-wiki", "imdb_crop/imdb.mat", "MATLAB 5.0 cut short", r"imdb\.mat: cannot be read as a MATLAB file"),
        ("imdb-wiki", "imdb_crop/imdb.mat", "", r"imdb\.mat: cannot be read as a MATLAB file"),
        ("imdb-wiki", "imdb_crop/imdb.mat", "MATL", r"imdb\.mat: cannot be read as a MATLAB file"),
        ("imdb-wiki", "wiki_crop/wiki.mat", "\0" * 400, r"wiki\.mat: "),
        ("celeba", "Anno/identity_CelebA.txt", None, r"identity_CelebA\.txt is missing"),
        ("celeba", "Anno/identity_CelebA.txt", "000001.jpg 3\n000002.jpg\n", r"identity_CelebA\.txt: line 2"),
        ("celeba", "Anno/identity_CelebA.txt", "000001.jpg 3\n000001.jpg 4\n", r"names 000001\.jpg twice"),
        ("celeba", "Eval/list_eval_partition.txt", "000001.jpg 5\n", r"list_eval_partition\.txt: .*0, 1 and 2"),
        ("celeba", "Img/img_align_celeba/", None, "none of the images"),
    ],
)
def test_half_a_copy_and_broken_lists_are_one_line(
    tree: str, file: str, content: str | None, words: str, tmp_path: Path
) -> None:
    import shutil

    name, make = TREES[tree]
    make(tmp_path, b"x")
    path = tmp_path / file
    if content is not None:
        path.write_text(content)
    elif path.is_dir():
        shutil.rmtree(path)
        if file.endswith("/"):
            path.mkdir()
    else:
        path.unlink()
    with pytest.raises(InputError, match=words) as caught:
        make_plan(name, Request(tmp_path, delivered_landmarks=tree == "affectnet-small"))
    assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)


@pytest.mark.parametrize(
    ("tree", "options", "faces", "rejects"),
    [
        ("emotionet", [], 2, 3),
        ("affectnet-full", ["--landmarks", "delivered"], 2, 3),
        ("affectnet-small", ["--landmarks", "delivered"], 3, 1),
        ("casia", [], 3, 0),
        ("imdb-wiki", [], 3, 2),
        ("celeba", ["--landmarks", "delivered"], 4, 2),
    ],
)
def test_through_the_command_line(
    tree: str, options: list[str], faces: int, rejects: int, tmp_path: Path, face: bytes
) -> None:
    """As delivered → prepare → inspect, without moving a file."""
    name, make = TREES[tree]
    make(tmp_path / "source", face)
    before = sorted(tmp_path.rglob("*"))
    command = ["prepare", str(tmp_path / "source"), str(tmp_path / "store"), "--dataset", name, "--size", "64"]
    result = CliRunner().invoke(app, [*command, *options, "--workers", "1"])
    assert result.exit_code == 0, result.output
    assert sorted(path for path in tmp_path.rglob("*") if tmp_path / "store" not in (path, *path.parents)) == before
    store = Store(tmp_path / "store")
    assert (len(store), len(store.info.rejected)) == (faces, rejects)
    assert set(store.numbers("face").tolist()) == {0}
    eyes = store.vectors("landmarks").reshape(-1, 68, 2)[:, 36:48].mean(axis=1)
    assert np.abs(eyes - [31.5, 0.35 * 64]).max() < 3
    inspected = CliRunner().invoke(app, ["inspect", str(tmp_path / "store"), "--json"])
    assert inspected.exit_code == 0, inspected.output
    found = json.loads(inspected.output)
    assert found["faces"] == faces and sum(found["rejected"].values()) == rejects


@pytest.mark.parametrize(
    ("dataset", "variant", "options", "subjects", "others"),
    [
        ("emotionet", {}, [], 6, {"… URLs have no picture under SOURCE"}),
        ("emotionet", {"names": True}, ["--aus", "1,12"], 6, {"… URLs have no picture under SOURCE"}),
        ("affectnet", {"release": "full"}, [], 6, {"no face according to training.csv"}),
        ("affectnet", {"release": "small"}, [], 6, set()),
        ("casia-webface", {}, [], 2, set()),
        ("imdb-wiki", {}, [], 4, {"no face according to imdb.mat", "no face according to wiki.mat"}),
        ("celeba", {}, [], 2, set()),
    ],
)
def test_a_fake_tree_becomes_a_store(
    dataset: str,
    variant: dict[str, object],
    options: list[str],
    subjects: int,
    others: set[str],
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Two people with three photos each, and beside them a spoilt one, a tiny one, and what the lists turn down."""
    source, out = tree(tmp_path_factory, dataset, subjects=2, clips=1, frames=3, **variant), tmp_path / "store"
    command = ["prepare", str(source), str(out), "--dataset", dataset, "--size", "64", "--min-face", "40", *options]
    result = CliRunner().invoke(app, [*command, "--workers", "1"])
    assert result.exit_code == 0, result.output
    found = json.loads(CliRunner().invoke(app, ["inspect", str(out), "--json"]).output)
    two_faces = dataset == "imdb-wiki"
    assert (found["faces"], found["subjects"]) == (6 + two_faces, subjects)
    reasons = dict(found["rejected"])
    assert sum(count for reason, count in reasons.items() if "damaged" in reason) == 1
    assert sum(count for reason, count in reasons.items() if "pixels wide" in reason) == 1
    assert sum(reasons.values()) == 2 + len(others)
    assert {re.sub(r"\d+", "…", reason) for reason in reasons} >= others
    store = Store(out)
    if dataset == "emotionet":
        assert store.aus == ((1, 12) if options else tuple(sorted(UNITS)))
        assert (store.occurrence((1, 12)) >= 0).all() and np.isnan(store.intensity()).all()
    else:
        assert (store.occurrence() == -1).all()
    assert store.info.source["dataset"] == dataset
    assert not two_faces or store.info.source["two_faces"] == 1


def test_names_are_found_in_bulk_and_kept_as_they_are() -> None:
    names = ["b/ä.jpg", "a", "", "b/ä.jpgx"]
    kept = Names(names)
    assert list(kept) == names and kept[-1] == names[-1] and kept[1:3] == names[1:3]
    with pytest.raises(IndexError):
        kept[4]
    assert find_names(encoded(names), encoded(["z", "a", "b/ä.jpg", "a"])).tolist() == [2, 1, -1, -1]
    assert find_names(encoded(names), encoded([])).tolist() == [-1] * 4
    assert find_names(encoded([]), encoded(names)).tolist() == []


def test_a_folder_is_listed_with_its_files_side_by_side(tmp_path: Path) -> None:
    for name in ("b/x/1.jpg", "b/2.jpg", "b/z.jpg", "b-c/1.jpg", "0.jpg", ".git/1.jpg", "b/note.txt"):
        put(tmp_path / name)
    rejected: list[Reject] = []
    assert list(media_below(tmp_path, rejected)) == ["0.jpg", "b/2.jpg", "b/z.jpg", "b/x/1.jpg", "b-c/1.jpg"]
    assert rejected == []
    try:
        put(Path(bytes(tmp_path).decode() + "/\udcff.jpg"))
    except OSError:
        return  # this file system takes no such names
    assert "0.jpg" in list(media_below(tmp_path, rejected))
    assert [reject.reason for reject in rejected] == ["its name is not valid text (UTF-8)"]
