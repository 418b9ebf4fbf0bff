"""Drawn divisions and data sets left out: every form keeps people, not only names, on one side."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsefacs.errors import InputError
from sparsefacs.protocols.division import who
from sparsefacs.protocols.folds import Fold, make_protocol, protocol_names
from sparsefacs.protocols.partitions import partition_orders, published
from sparsefacs.protocols.selection import draw_validation

SUBJECTS = [f"S{number:02d}" for number in range(20)]
FORMS = ["holdout:25%", "holdout:60%", "kfold:2", "kfold:3", "60-20-20", "split:70-30", "split:50-30-20"]
LODO = "leave-one-data-set-out"


def assert_people_apart(fold: Fold, person):
    sides = [{who(name, person) for name in side} for side in (fold.train, fold.validation, fold.test)]
    assert not sides[0] & sides[1] and not sides[0] & sides[2] and not sides[1] & sides[2]
    assert fold.train and fold.test


@st.composite
def joined_stores(draw):
    """Subjects of two or three corpora, some of whose people have a name in several."""
    corpora = draw(st.lists(st.sampled_from(["bp4d", "disfa", "disfa+", "mine"]), min_size=2, max_size=3, unique=True))
    names, person = [], {}
    for corpus in corpora:
        for number in draw(st.sets(st.integers(1, 12), min_size=2, max_size=10)):
            names.append(f"{corpus}:S{number}")
            if draw(st.booleans()):
                person[f"{corpus}:S{number}"] = f"person {number}"
    return names, person


@settings(max_examples=80, deadline=None)
@given(joined_stores(), st.sampled_from([*FORMS, LODO]), st.integers(0, 10**6), st.floats(0.05, 0.9))
def test_no_person_crosses_in_any_form(store, form, seed, share):
    names, person = store
    try:
        protocol = make_protocol(form, names, seed, person)
    except InputError:  # refused, and only where a side would be empty
        people = {name: who(name, person) for name in names}
        tests = [{people[name] for name in names if name.startswith(f"{c}:")} for c in {n.split(":")[0] for n in names}]
        assert any(set(people.values()) == test for test in tests) if form == LODO else len(set(people.values())) < 3
        return
    for fold in protocol.folds:
        assert_people_apart(fold, person)
        if form != LODO:
            assert sorted([*fold.train, *fold.validation, *fold.test]) == sorted(names)  # and no one is lost
        drawn = draw_validation(fold.train, fold.train, share, seed, person)
        if not fold.validation:
            assert_people_apart(fold.with_validation(drawn), person)


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([*protocol_names(), *partition_orders()]), st.integers(0, 10**6), st.data())
def test_no_person_crosses_in_any_published_table(name, seed, data):
    table = published()[name.partition("@")[0]]
    everyone = sorted({s for fold in table["folds"] for s in fold["test"] + fold.get("train", [])})
    for fold in make_protocol(name, everyone).folds:
        assert_people_apart(fold, None)
        assert_people_apart(fold.with_validation(draw_validation(fold.train, fold.train, 0.2, seed)), None)
    shared = data.draw(st.lists(st.sampled_from(everyone), min_size=2, max_size=4, unique=True))
    person = dict.fromkeys(shared, "one person")
    protocol = make_protocol(name, everyone, seed, person)
    for fold in protocol.folds:
        assert_people_apart(fold, person)
    parted = any(
        set(shared) & set(fold.test) and set(shared) - set(fold.test) for fold in make_protocol(name, everyone).folds
    )
    assert parted == any("people of the test subjects" in note for note in protocol.notes)


def test_a_fold_refuses_a_subject_on_two_sides():
    for sides in ({"train": ("A",), "test": ("A",)}, {"train": ("A",), "test": ("B",), "validation": ("B",)}):
        with pytest.raises(InputError, match="in both"):
            Fold("1", **sides)
    with pytest.raises(InputError, match="A in both train and validation"):
        Fold("1", ("A",), ("B",), ("A",))
    assert "validation" not in Fold("1", ("A",), ("B",)).as_json()
    held = Fold("1", ("A", "C"), ("B",)).with_validation(["C"])
    assert held.as_json() == {"name": "1", "train": ["A"], "test": ["B"], "validation": ["C"]}


def test_60_20_20_is_counted_seeded_and_tells_its_name():
    protocol = make_protocol("60-20-20", SUBJECTS, 1)
    (fold,) = protocol.folds
    assert (len(fold.train), len(fold.validation), len(fold.test)) == (12, 4, 4)
    assert protocol.name == "60-20-20" and make_protocol("split:60-20-20", SUBJECTS, 1) == protocol
    assert len({make_protocol("60-20-20", SUBJECTS, seed).hash for seed in range(4)}) == 4
    assert make_protocol("60-20-20", SUBJECTS[::-1] * 2, 1) == protocol
    plain = make_protocol("split:70-30", SUBJECTS, 1)
    assert len(plain.folds[0].test) == 6 and plain.folds[0].validation == () and plain.name == "split:70-30"
    assert plain.folds[0].test == make_protocol("holdout:30%", SUBJECTS, 1).folds[0].test


@pytest.mark.parametrize("spec", ["60-20-20", "split:98-1-1", "split:1-98-1", "split:1-1-98"])
@pytest.mark.parametrize("count", [3, 4, 7])
def test_no_side_of_a_split_is_empty(spec, count):
    (fold,) = make_protocol(spec, SUBJECTS[:count], 0).folds
    assert fold.train and fold.validation and fold.test
    assert len(fold.train) + len(fold.validation) + len(fold.test) == count
    with pytest.raises(InputError, match="2 subjects, too few for split"):
        make_protocol(spec, SUBJECTS[:2], 0)


def test_without_shared_people_the_draws_are_those_of_names():
    """Identity for everyone, or no identities at all: the folds of published numbers must not move."""
    for form in FORMS:
        assert make_protocol(form, SUBJECTS, 3, {name: name for name in SUBJECTS}) == make_protocol(form, SUBJECTS, 3)
        assert make_protocol(form, SUBJECTS, 3, {}) == make_protocol(form, SUBJECTS, 3)


def test_leave_one_data_set_out_drops_people_it_tests_on():
    names = [f"{corpus}:SN00{number}" for corpus in ("disfa", "disfa+") for number in (1, 3)] + ["disfa:SN002", "me:a"]
    person = {name: name.replace("disfa+", "disfa") for name in names}
    protocol = make_protocol(LODO, names, 0, person)
    assert protocol == make_protocol("leave-one-dataset-out", names, 9, person)
    assert [fold.name for fold in protocol.folds] == ["disfa", "disfa+", "me"]
    assert protocol.fold("disfa").train == ("me:a",)
    assert protocol.fold("disfa+").train == ("disfa:SN002", "me:a")
    assert protocol.fold("me").train == tuple(sorted(set(names) - {"me:a"}))
    assert protocol.notes[0].startswith("fold disfa: 2 subjects of other data sets are people of disfa")
    assert "fold disfa+: 2 subjects" in protocol.notes[1] and len(protocol.notes) == 2
    unaware = make_protocol(LODO, names, 0)
    assert len(unaware.fold("disfa").train) == 3 and unaware.notes == ()


@pytest.mark.parametrize("names", [["F001", "F002"], ["bp4d:F001", "bp4d:F002"], ["bp4d:F001", "F002"], []])
def test_leave_one_data_set_out_needs_joined_stores(names):
    with pytest.raises(InputError, match=r"needs subjects of two data sets.*Join stores.*`--with STORE`"):
        make_protocol(LODO, names, 0)


def test_leave_one_data_set_out_with_no_one_else_to_train_on():
    person = {"a:1": "ann", "b:1": "ann"}
    with pytest.raises(InputError, match=r"no one to train on for a: .*Join a data set of other people"):
        make_protocol(LODO, list(person), 0, person)


def test_people_are_counted_not_names():
    names = [f"{corpus}:S{number}" for corpus in "ab" for number in range(10)]
    person = {name: name[2:] for name in names}
    assert len(make_protocol("holdout:20%", names, 0, person).folds[0].test) == 4  # two people, four names
    with pytest.raises(InputError, match="1 subject, too few"):
        make_protocol("holdout:20%", ["a:1", "b:1"], 0, {"a:1": "ann", "b:1": "ann"})
