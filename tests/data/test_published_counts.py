"""What a store lacks of its data set: against a small made-up data set, whose entry has the form of the table's."""

import json
from importlib import resources

from sparsefacs.data.published_counts import (
    ClipCount,
    Finding,
    Inventory,
    compare,
    listed,
    natural,
    published_counts,
    read_entry,
    sentences,
)
from sparsefacs.facs import UNITS

TASKS = read_entry(
    {
        "title": "Made up",
        "subjects": ["F01-F03", "M01"],
        "clips": ["T1-T3"],
        "further_clips": ["T9"],
        "counts": [
            {"name": "the release", "frames": 120, "positives": {"1": 40, "12": 60}},
            {"name": "a list", "frames": 110, "positives": {"1": 38, "12": 55}},
        ],
    }
)
FILMS = read_entry(
    {
        "title": "Films",
        "subjects": ["SN1-SN3"],
        "clips_per_subject": 1,
        "frames_per_clip": {"each": 50, "SN2": 49},
        "per_camera": True,
        "counts": [{"name": "the release", "frames": 149, "positives": {"4": 10}}, {"name": "a list", "frames": 140}],
    }
)
PHOTOS = read_entry(
    {
        "title": "Photos",
        "images": [{"name": "all", "images": 2000, "about": True}, {"name": "some", "images": 500}],
        "identities": 30,
    }
)


def tasks(skip: tuple[str, ...] = (), frames: int = 10, **changed: int) -> tuple[ClipCount, ...]:
    names = [(subject, f"T{task}") for subject in ("F01", "F02", "F03", "M01") for task in (1, 2, 3)]
    return tuple(
        ClipCount(subject, clip, frames, changed.get(f"{subject}_{clip}", frames))
        for subject, clip in names
        if f"{subject} {clip}" not in skip and subject not in skip
    )


def films(frames: dict[str, int], cameras: tuple[str, ...] = ("left",), rejected: int = 0) -> tuple[ClipCount, ...]:
    return tuple(ClipCount(name, camera, 55, n, rejected) for name, n in frames.items() for camera in cameras)


def test_a_whole_data_set_has_no_findings() -> None:
    assert compare(Inventory(tasks(), {1: 40, 12: 60, 15: 3}), TASKS) == []
    assert compare(Inventory(films({"SN1": 50, "SN2": 49, "SN3": 50}), {4: 10}), FILMS) == []
    both = films({"SN1": 50, "SN2": 49, "SN3": 50}, ("left", "right"))
    assert compare(Inventory(both, {4: 20}, cameras=2), FILMS) == []
    people = tuple(ClipCount(f"p{number}", "", 70, 0) for number in range(30))
    assert compare(Inventory(people, images=1990), PHOTOS) == []
    assert compare(Inventory(people, images=500), PHOTOS) == []


def test_the_second_published_list_is_held_against_its_own_positives() -> None:
    clips = tasks(F01_T1=5, M01_T3=5)
    assert compare(Inventory(clips, {1: 38, 12: 55}), TASKS) == []
    (found,) = compare(Inventory(clips, {1: 40, 12: 55}), TASKS)
    assert (found.kind, found.au, found.here, found.published) == ("positives", 1, 40, 38)
    assert found.as_json()["difference"] == 2


def test_missing_subjects_and_tasks_are_named() -> None:
    clips = (*tasks(skip=("M01", "F02 T2", "F02 T3", "F03 T2"), F03_T1=0), ClipCount("X7", "T1", 4, 4))
    clips += (ClipCount("F01", "T9", 4, 0), ClipCount("F01", "T10", 4, 0))
    found = compare(Inventory(clips, {1: 40, 12: 60}), TASKS)
    assert [(one.kind, one.subject, one.names) for one in found[:-1]] == [
        ("missing_subjects", None, ("M01",)),
        ("unexpected_subjects", None, ("X7",)),
        ("unexpected_clips", "F01", ("T10",)),
        ("missing_clips", "F02", ("T2", "T3")),
        ("missing_clips", "F03", ("T2",)),
        ("unlabelled_clips", "F03", ("T1",)),
    ]
    assert (found[-1].kind, found[-1].here, found[-1].published) == ("frames", 54, 120)
    assert sentences(found) == [
        "1 of 4 subjects is missing: M01",
        "not among the subjects of Made up: X7",
        "F01 has clips that Made up has not: T10",
        "F02 has no T2, T3",
        "F03 has no T2",
        "F03 has no labels in T1",
        "labelled frames: 54 here, 120 published, 110 in a list",
    ]


def test_frames_of_each_clip_and_camera() -> None:
    clips = films({"SN1": 50, "SN2": 50, "SN3": 47}, rejected=3)[:2] + (ClipCount("SN3", "left", 50, 47, 3),)
    found = [one for one in compare(Inventory(clips), FILMS) if one.kind == "clip_frames"]
    assert [(one.subject, one.clip, one.here, one.published) for one in found] == [
        ("SN2", "left", 50, 49),
        ("SN3", "left", 47, 50),
    ]
    assert found[1].sentence == "SN3 left 47 of 50 (3 rejected)"
    (lacking,) = compare(Inventory(films({"SN1": 50, "SN2": 49, "SN3": 50}), {4: 10}, cameras=2), FILMS)[0:1]
    assert (lacking.kind, lacking.here, lacking.published) == ("clips_of_subject", 1, 2)
    told = sentences(compare(Inventory(films({"SN1": 50, "SN2": 49, "SN3": 50}), cameras=2), FILMS))
    assert told[:2] == [
        "SN1–SN3 have 1 clip, 2 published",
        "labelled frames: 149 here, 298 published, 280 in a list",
    ]


def test_frames_left_out_on_request_are_not_missed() -> None:
    clips = films({"SN1": 45, "SN2": 49, "SN3": 50})
    assert compare(Inventory(clips, {4: 2}, left_out={"SN1": 5}), FILMS) == []
    found = compare(Inventory(clips, {4: 2}, left_out={"SN1": 4}), FILMS)
    assert [(one.kind, one.here, one.published) for one in found] == [("frames", 144, 145), ("clip_frames", 45, 46)]
    assert found[0].sentence == "labelled frames: 144 here, 145 published less the 4 frames left out"


def test_collections_of_photos_are_counted_alone() -> None:
    found = compare(Inventory((ClipCount("p1", "", 9, 0), ClipCount("p2", "", 9, 0)), images=1979), PHOTOS)
    assert sentences(found) == [
        "images: 1,979 here; published: about 2,000 in all, 500 in some",
        "identities: 2 here, 30 published",
    ]


def test_a_long_list_is_told_in_a_dozen_sentences_and_kept_whole() -> None:
    subjects = [f"S{number:03d}" for number in range(0, 80, 2)]
    lacking = [
        Finding("missing_clips", "", name, names=(f"T{place}", f"T{place + 5}")) for place, name in enumerate(subjects)
    ]
    lines = sentences(lacking)
    assert len(lines) == 5 and lines[-1] == "and 36 more subjects have no other clips"
    assert lines[0] == "S000 has no T0, T5"
    alike = [Finding("missing_clips", "", name, names=("T2",)) for name in subjects]
    (line,) = sentences(alike)
    assert line.startswith("S000, S002, ") and line.endswith(" and 30 more have no T2")


def test_names_in_words() -> None:
    assert listed(["F004", "F005", "F006", "M001", "M002"]) == "F004–F006, M001, M002"
    assert listed(["T9", "T10", "T11"]) == "T9–T11"
    assert listed(["b", "a"]) == "b, a"
    assert listed([f"x{2 * number}" for number in range(14)], most=3) == "x0, x2, x4 and 11 more"
    assert sorted(["T10", "T9", "a", "T1b", "10"], key=natural) == ["10", "T1b", "T9", "T10", "a"]


def test_the_table_names_its_sources() -> None:
    table = json.loads((resources.files("sparsefacs.data") / "tables/published_counts.json").read_text("utf-8"))
    assert list(table["data_sets"]) == [
        *("bp4d", "bp4d+", "disfa", "disfa+", "casia-webface", "imdb-wiki", "celeba", "affectnet", "emotionet")
    ]
    for name, entry in table["data_sets"].items():
        assert entry["source"] and entry["terms"] and entry["terms_source"], name
        for count in entry.get("counts", ()):
            assert count["source"], name
        published = published_counts(name)
        assert published is not None
        assert all(set(total.positives) <= set(UNITS) for total in published.frames)
        assert all(max(total.positives.values(), default=0) < total.number for total in published.frames)
    assert published_counts("folder") is None and published_counts(None) is None


def test_the_tables_numbers_agree_with_each_other() -> None:
    bp4d, disfa, plus = (published_counts(name) for name in ("bp4d", "disfa", "bp4d+"))
    assert bp4d and disfa and plus
    assert (len(bp4d.subjects), len(bp4d.subjects) * len(bp4d.clips)) == (41, 328)
    assert (len(plus.subjects), plus.subjects[81], plus.subjects[82]) == (140, "F082", "M001")
    assert len(disfa.subjects) == 27 and "SN014" not in disfa.subjects
    frames = [disfa.frames_per_clip.get(name, disfa.frames_per_clip["each"]) for name in disfa.subjects]
    assert sum(frames) == disfa.frames[0].number == 130_814
    partitions = json.loads((resources.files("sparsefacs.protocols") / "tables/folds.json").read_text("utf-8"))
    text = json.dumps(partitions)
    assert all(f"{name}" in text for name in (*bp4d.subjects, *disfa.subjects, *plus.subjects))
