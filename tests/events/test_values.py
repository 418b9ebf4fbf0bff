import pytest

from sparsefacs.events.names import Meaning, Names
from sparsefacs.events.values import Told, are_levels, aus_in, told_by


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("", Told()),
        ("B", Told(intensity=2.0)),
        ("b left", Told("left", 2.0)),
        ("R; E", Told("right", 5.0)),
        ("2,5", Told(intensity=2.5)),
        ("present", Told()),
        ("intensity: C (bilateral)", Told("both", 3.0)),
        ("No", Told(absent=True)),
        ("0", Told(absent=True)),
        (" ? ", Told(doubtful=True)),
        ("Not  visible", Told(doubtful=True)),
        ("left right", Told(understood=False)),
        ("a little", Told(understood=False)),
        ("C, cut at both ends, apex 1.250 s", Told(intensity=3.0, cut="both", apex_s=1.25)),
    ],
)
def test_values_tell_side_intensity_and_doubt(value, told) -> None:
    assert told_by(value) == told


@pytest.mark.parametrize(
    ("values", "levels"),
    [
        (["A", "left"], True),
        (["1", "3"], True),
        (["2,5", "12"], True),
        (["0", "1", "1"], False),
        (["1", "7"], False),
    ],
)
def test_numbers_are_levels_only_on_the_scale_of_facs(values, levels) -> None:
    assert are_levels(values, {12}) is levels


@pytest.mark.parametrize(
    ("value", "context", "aus"),
    [
        ("AU6 and AU12", "talk", [6, 12]),
        ("lip corner puller", "talk", [12]),
        ("1+2", "talk", []),
        ("1+2", "upper_face", [1, 2]),
        ("1+2", "facsimile", []),
        ("AU6, gaze", "face", []),
        ("12", "AUs", [12]),
        ("12", "mouth AU", [12]),
        ("seven", "x", [7]),
        ("", "face", []),
    ],
)
def test_words_are_aus_where_they_all_are(value, context, aus) -> None:
    names = Names({"seven": (Meaning(7),)})
    assert [meaning.au for meaning in aus_in(names, value, context)] == aus
