"""Selection rules and the validation draw: seeded, by person, never everyone."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sparsefacs.errors import InputError
from sparsefacs.protocols.selection import (
    DEFAULT_SELECTION,
    FOOTNOTE,
    MARK,
    SELECTION_RULES,
    draw_validation,
    is_marked,
    parse_selection,
)

TRAIN = [f"S{number:02d}" for number in range(20)]


def test_rules():
    assert list(SELECTION_RULES) == ["validation", "last", "published-practice"] and DEFAULT_SELECTION == "validation"
    assert [rule for rule in SELECTION_RULES if is_marked(rule)] == ["published-practice"]
    assert MARK == "†" and FOOTNOTE == "epoch or threshold chosen on the test fold (published practice)"
    assert parse_selection("last") == "last"
    with pytest.raises(InputError, match="Write one of: validation, last, published-practice"):
        parse_selection("best")


@settings(max_examples=60, deadline=None)
@given(st.sets(st.sampled_from(TRAIN)), st.floats(0.01, 0.99), st.integers(0, 10**6), st.randoms())
def test_a_share_of_the_labelled_subjects_at_least_one_never_all(labelled, share, seed, random):
    drawn = draw_validation(TRAIN, sorted(labelled), share, seed)
    assert set(drawn) <= labelled and list(drawn) == sorted(drawn)
    if len(labelled) < 2:
        assert drawn == ()
    else:
        assert len(drawn) == min(max(round(share * len(labelled)), 1), len(labelled) - 1)
    mixed = [*labelled, "not in training"]
    random.shuffle(mixed)
    assert draw_validation(TRAIN[::-1], mixed, share, seed) == drawn


def test_seed_decides_and_a_larger_share_holds_a_smaller():
    assert len({draw_validation(TRAIN, TRAIN, 0.2, seed) for seed in range(5)}) == 5
    assert set(draw_validation(TRAIN, TRAIN, 0.2, 0)) < set(draw_validation(TRAIN, TRAIN, 0.5, 0))
    assert len(draw_validation(TRAIN, TRAIN, 0.2, 0)) == 4


def test_all_names_of_a_person_validate():
    person = {name: f"person {int(name[1:]) % 10}" for name in TRAIN}
    drawn = draw_validation(TRAIN, TRAIN[:10], 0.2, 0, person)
    assert len(drawn) == 4 and len({person[name] for name in drawn}) == 2  # the unlabelled second names leave train too
    assert draw_validation(["a:1", "b:1"], ["a:1", "b:1"], 0.5, 0, {"a:1": "ann", "b:1": "ann"}) == ()


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 20.0])
def test_shares_outside_0_to_1(share):
    with pytest.raises(InputError, match="Give a share such as"):
        draw_validation(TRAIN, TRAIN, share, 0)
