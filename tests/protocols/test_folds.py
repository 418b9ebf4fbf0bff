"""Folds: every division keeps subjects apart, depends on seed and names alone, and refuses what it cannot keep."""

import hashlib
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsefacs.errors import InputError
from sparsefacs.files import hash_json
from sparsefacs.protocols.folds import Protocol, make_protocol

SUBJECTS = [f"S{i:02d}" for i in range(12)]
NAMES = st.lists(st.text("abÉ9_ /", min_size=1, max_size=4), min_size=2, max_size=40, unique=True)


def check(protocol: Protocol, subjects):
    for fold in protocol.folds:
        assert fold.train and fold.test
        sides = [fold.train, fold.validation, fold.test]
        together = [name for side in sides for name in side]
        assert len(together) == len(set(together)) and set(together) <= set(subjects)
        assert all(list(side) == sorted(side) for side in sides)


@settings(max_examples=60, deadline=None)
@given(NAMES, st.integers(0, 2**31), st.integers(2, 6), st.floats(0.5, 99.5), st.randoms())
def test_no_subject_crosses_and_order_does_not_matter(names, seed, k, percent, random):
    mixed = [*names, names[0]]
    random.shuffle(mixed)
    holdout = make_protocol(f"holdout:{percent:.1f}%", names, seed)
    check(holdout, names)
    assert make_protocol(f"holdout:{percent:.1f}%", mixed, seed) == holdout
    if k <= len(names):
        folds = make_protocol(f"kfold:{k}", names, seed)
        check(folds, names)
        tested = [subject for fold in folds.folds for subject in fold.test]
        assert sorted(tested) == sorted(names)  # everyone is tested exactly once
        sizes = [len(fold.test) for fold in folds.folds]
        assert max(sizes) - min(sizes) <= 1
        assert all(set(fold.train) == set(names) - set(fold.test) for fold in folds.folds)
        assert make_protocol(f"kfold:{k}", mixed, seed).hash == folds.hash


def test_seed_decides_and_the_hash_tells():
    made = [make_protocol("kfold:3", SUBJECTS, seed) for seed in range(5)]
    assert len({protocol.hash for protocol in made}) == 5
    assert make_protocol("kfold:3", SUBJECTS, 0).hash == made[0].hash


def test_holdout_of_a_known_store_is_fixed_for_good():
    """A changed draw would silently change every published number: this must never differ."""
    numbers = {s: hashlib.blake2b(f"0\x1fsubjects\x1f{s}".encode(), digest_size=8).digest() for s in SUBJECTS}
    lowest = sorted(SUBJECTS, key=lambda s: int.from_bytes(numbers[s], "little"))[:3]
    fold = make_protocol("holdout:25%", SUBJECTS, 0).folds[0]
    assert fold.test == tuple(sorted(lowest)) == ("S04", "S06", "S08")


def test_default_is_a_quarter():
    protocol = make_protocol(subjects=SUBJECTS, seed=3)
    assert protocol.name == "holdout:25%" and len(protocol.folds[0].test) == 3
    assert make_protocol(subjects=["a", "b"]).folds[0].test  # never rounded to nobody


def test_published_with_absent_and_foreign_subjects_says_so():
    protocol = make_protocol("bp4d-3fold", ["F001", "F003", "F004", "F002", "me"], 0)
    check(protocol, ["F001", "F002", "F003", "F004"])
    assert protocol.fold("part1").test == ("F001", "F002") and protocol.fold("part1").train == ("F003", "F004")
    assert "37 of the 41" in protocol.notes[0] and "me" in protocol.notes[1]
    with pytest.raises(InputError, match="no test subject of fold part3"):
        make_protocol("bp4d-3fold", ["F001", "F003"], 0)
    with pytest.raises(InputError, match="no train subject of fold part1"):
        make_protocol("bp4d-3fold", ["F001"], 0)


def write(tmp_path, content):
    path = tmp_path / "folds.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_file_of_folds_and_back(tmp_path):
    path = write(tmp_path, {"name": "mine", "folds": [{"test": ["S01"]}, {"train": ["S02"], "test": ["S03", "S01"]}]})
    protocol = make_protocol(path, SUBJECTS, 0)
    assert make_protocol(str(path), SUBJECTS, 99) == protocol
    assert protocol.name == "mine" and [fold.name for fold in protocol.folds] == ["1", "2"]
    assert protocol.folds[0].train == tuple(s for s in SUBJECTS if s != "S01")
    assert protocol.folds[1].train == ("S02",) and protocol.folds[1].test == ("S01", "S03")
    again = make_protocol(write(tmp_path, protocol.as_json()), SUBJECTS, 0)
    assert again == protocol and again.hash == protocol.hash
    part = make_protocol("bp4d-3fold", ["F001", "F003", "F004", "me"], 0)
    assert part.notes and make_protocol(write(tmp_path, part.as_json()), ["F001", "F003", "F004"], 0) == part
    scored = make_protocol("disfa-3fold", ["SN001", "SN003", "SN006"], 0)
    assert make_protocol(write(tmp_path, scored.as_json()), ["SN001", "SN003", "SN006"], 0).aus == scored.aus != {}
    edited = protocol.as_json()
    edited["folds"][1]["train"] = ["S04"]
    with pytest.raises(InputError, match="hash is not that of its folds"):
        make_protocol(write(tmp_path, edited), SUBJECTS, 0)


def test_validation_in_a_file_is_neither_trained_nor_tested_on(tmp_path):
    lists = {"test": ["S01"], "validation": ["S03", "S02"]}
    protocol = make_protocol(write(tmp_path, {"folds": [lists]}), SUBJECTS, 0)
    check(protocol, SUBJECTS)
    assert protocol.folds[0].validation == ("S02", "S03")
    assert protocol.folds[0].train == tuple(s for s in SUBJECTS if s not in ("S01", "S02", "S03"))
    assert make_protocol(write(tmp_path, protocol.as_json()), SUBJECTS, 0) == protocol
    moved = protocol.as_json()
    moved["folds"][0]["validation"] = ["S02"]
    with pytest.raises(InputError, match="hash is not that of its folds"):
        make_protocol(write(tmp_path, moved), SUBJECTS, 0)


def test_files_that_part_the_names_of_a_person_are_refused(tmp_path):
    person = {"S01": "ann", "S05": "ann"}
    left = make_protocol(write(tmp_path, {"folds": [{"test": ["S05"]}]}), SUBJECTS, 0, person)
    assert left.folds[0].train == tuple(s for s in SUBJECTS if s not in ("S01", "S05"))
    path = write(tmp_path, {"folds": [{"test": ["S05"], "train": ["S01", "S02"]}]})
    assert make_protocol(path, SUBJECTS, 0).folds[0].train == ("S01", "S02")
    with pytest.raises(InputError, match="people of two names on two sides: S05 in both train and test") as caught:
        make_protocol(path, SUBJECTS, 0, person)
    assert str(path) in str(caught.value)


def test_a_hash_of_folds_as_they_stand_is_still_read(tmp_path):
    lists = [{"name": "b", "train": ["S01"], "test": ["S02"]}, {"name": "a", "train": ["S02"], "test": ["S01"]}]
    old = {"folds": lists, "hash": hash_json(lists)}
    assert make_protocol(write(tmp_path, old), SUBJECTS, 0).hash != old["hash"]


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ({"folds": [{"train": ["S01", "S02"], "test": ["S02"]}]}, "S02 in both train and test"),
        ({"folds": [{"train": ["S01"], "test": ["X1", "X2", "X3", "X4", "X5", "X6"]}]}, "X4, X5 and 1 more"),
        ({"folds": [{"train": [], "test": ["S01"]}]}, "fold 1 train is empty"),
        ({"folds": [{"test": []}]}, "fold 1 test is empty"),
        ({"folds": [{"test": SUBJECTS}]}, "no subject to train on"),
        ({"folds": [{"train": ["S01"]}]}, 'no "test" list'),
        ({"folds": [{"test": [1, 2]}]}, "not a list of subject names"),
        ({"folds": [{"test": "S01"}]}, "not a list of subject names"),
        ({"folds": [{"test": ["S01", "S01"]}]}, "names S01 twice"),
        ({"folds": [{"tests": ["S01"], "test": ["S01"]}]}, "unknown key 'tests'"),
        ({"folds": [{"train": ["S01"], "validation": ["S01"], "test": ["S02"]}]}, "S01 in both train and validation"),
        ({"folds": [{"validation": ["S02"], "test": ["S02"]}]}, "S02 in both validation and test"),
        ({"folds": [{"validation": [], "test": ["S02"]}]}, "fold 1 validation is empty"),
        ({"folds": [{"validation": ["X"], "test": ["S02"]}]}, "store does not have: X"),
        ({"folds": [{"validation": SUBJECTS[1:], "test": ["S00"]}]}, "no subject to train on"),
        ({"folds": [{"test": ["S01"]}], "aus": [1, 2]}, '"aus" is not lists'),
        ({"folds": [{"test": ["S01"]}], "aus": {"occurrence": ["AU1"]}}, '"aus" is not lists'),
        ({"folds": [{"test": ["S01"]}], "aus": {"faces": [1]}}, "unknown key 'faces'"),
        ({"fold": []}, "no list of folds"),
        ({"folds": []}, "no list of folds"),
        ([], "no list of folds"),
        ({"folds": [{"name": "a", "test": ["S01"]}, {"name": "a", "test": ["S02"]}]}, "same name"),
        ("{", "cannot be read"),
    ],
)
def test_bad_files_are_one_line_naming_the_file(tmp_path, content, told):
    path = write(tmp_path, content)
    with pytest.raises(InputError) as caught:
        make_protocol(path, SUBJECTS, 0)
    assert told in str(caught.value) and str(path) in str(caught.value) and "\n" not in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize(
    "spec",
    [
        "kfold:0",
        "kfold:1",
        "kfold:13",
        "holdout:0%",
        "holdout:100%",
        "holdout:25",
        "x",
        "",
        "split:100",
        "split:60-50",
        "split:80-20-0",
        "split:25-25-25-25",
        "60-40",
        "bp4d-3fold@",
        "bp4d-3fold@nobody",
        "bp4d-3fold:me-graphau",
    ],
)
def test_bad_specs(spec):
    with pytest.raises(InputError) as caught:
        make_protocol(spec, SUBJECTS, 0)
    assert caught.value.remedy


def test_too_few_subjects_and_missing_file(tmp_path):
    with pytest.raises(InputError, match="1 subject, too few"):
        make_protocol("holdout:25%", ["only"], 0)
    with pytest.raises(InputError, match=r"nowhere\.json: the protocol file is missing"):
        make_protocol(tmp_path / "nowhere.json", SUBJECTS, 0)
    with pytest.raises(InputError, match="no fold '7'"):
        make_protocol("kfold:3", SUBJECTS, 0).fold("7")
