"""Links to files that are there already: each real file once, under the name that says most, and the others named."""

import os
import pickle
from pathlib import Path

import pytest

from label_trees import occurrence, photos
from sparsefacs.data.adapters import Plan, Request, make_plan

pytestmark = pytest.mark.skipif(os.name == "nt", reason="links need rights there")


@pytest.fixture
def media(tmp_path: Path) -> Path:
    """A video of ann's that bob's folder links to, twice; photos; files of another disk, one of them linked twice."""
    folder = tmp_path / "in"
    for name in ("in/ann/day1.mp4", "in/ann/1.png", "disk/far.mp4", "disk/other.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    for name, target in (
        ("bob/day1.mp4", "../ann/day1.mp4"), ("bob/again.mp4", "day1.mp4"), ("bob/1.png", "../ann/1.png"),
        ("cleo/far.mp4", "../../disk/far.mp4"), ("dora/far.mp4", "../../disk/far.mp4"),
        ("dora/other.mp4", "../../disk/other.mp4"),
    ):  # fmt: skip
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).symlink_to(target)
    return folder


def people(plan: Plan) -> list[tuple[str, str]]:
    return [(item.subject, item.source) for item in plan.items]


def twins(plan: Plan) -> dict[str, str]:
    """Return what is turned down as a twin, and of what."""
    begin, end = "is the same file as one that is there already (", "), by a link"
    assert all(one.reason.startswith(begin) and one.reason.endswith(end) for one in plan.rejected)
    return {one.source: one.reason.removeprefix(begin).removesuffix(end) for one in plan.rejected}


@pytest.mark.parametrize("given", ["in", "link"])
def test_a_file_and_links_to_it_are_one_person_s(media: Path, tmp_path: Path, given: str) -> None:
    (tmp_path / "link").symlink_to(media)
    plan = make_plan("folder", Request(tmp_path / given))
    assert people(plan) == [
        ("ann", "ann/1.png"), ("ann", "ann/day1.mp4"), ("cleo", "cleo/far.mp4"), ("dora", "dora/other.mp4"),
    ]  # fmt: skip
    assert twins(plan) == {
        "bob/1.png": "ann/1.png", "bob/again.mp4": "ann/day1.mp4", "bob/day1.mp4": "ann/day1.mp4",
        "dora/far.mp4": "cleo/far.mp4",
    }  # fmt: skip
    assert people(pickle.loads(pickle.dumps(plan))) == people(plan), "worker processes are sent them"


def test_what_has_no_links_is_as_it_was(media: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(media / "ann")
    for source in (media / "ann", tmp_path / "link", media / "ann" / "day1.mp4", media / "bob" / "day1.mp4"):
        plan = make_plan("folder", Request(source))
        assert len(plan.items) == (1 if source.suffix else 2) and not plan.rejected


@pytest.mark.parametrize(("ann", "bob", "kept"), [("1", "0", "ann"), ("", "1", "bob"), ("1", "", "ann")])
def test_of_a_table_s_names_of_one_file_the_labelled_one_is_kept(
    media: Path, tmp_path: Path, ann: str, bob: str, kept: str
) -> None:
    rows = [f"{name}/day1.mp4,0,{name},{label}\n" for name, label in (("ann", ann), ("bob", bob)) if label]
    (tmp_path / "labels.csv").write_text("path,frame,subject,AU12\n" + "".join(rows))
    plan = make_plan("table", Request(media, tmp_path / "labels.csv"))
    assert [item.subject for item in plan.items] == [kept]
    other = {"ann": "bob", "bob": "ann"}[kept]
    assert twins(plan) == ({f"{other}/day1.mp4": f"{kept}/day1.mp4"} if ann and bob else {})


def test_a_linked_folder_of_a_data_set_is_not_another_sequence(tmp_path: Path) -> None:
    images, coding = tmp_path / "BP4D" / "Sequences(2D+3D)", tmp_path / "BP4D" / "AUCoding"
    photos(images / "F001" / "T1", range(1, 4))
    (images / "F002").mkdir()
    (images / "F002" / "T1").symlink_to(images / "F001" / "T1")
    for subject in ("F001", "F002"):
        occurrence(coding / "AU_OCC" / f"{subject}_T1.csv", range(1, 4))
    plan = make_plan("bp4d", Request(tmp_path / "BP4D"))
    assert {item.subject for item in plan.items} == {"F001"} and len(plan.items) == 3
    at = "Sequences(2D+3D)"
    assert twins(plan) == {f"{at}/F002/T1/00{n}.jpg": f"{at}/F001/T1/00{n}.jpg" for n in (1, 2, 3)}
