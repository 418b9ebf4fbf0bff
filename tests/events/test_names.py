"""What coders' words mean: numbers, FACS names, sides, letters, and what is left alone."""

import pytest

from sparsefacs.events.names import Meaning, Names


@pytest.mark.parametrize(
    ("word", "meaning"),
    [
        *((word, [Meaning(12)]) for word in (
            "AU12", "AU 12", "au_12", "12", "12.0", "012", "Lip Corner Puller", "lip_corner  puller", "smile",
            "Action Unit 12 - Lip Corner Puller", "12_Lip corner puller", "AU12 Lip Corner Puller", "AU 12 (smile)",
            "Smile (AU12)", "12 lip corner puller", "FACS 12",
        )),
        *((word, [Meaning(12, "left")]) for word in ("L12", "AU12 left", "AU12_L", "12L", "left AU12", "AU12 (left)")),
        ("AU12B", [Meaning(12, None, 2)]), ("R12C", [Meaning(12, "right", 3)]), ("AU12RE", [Meaning(12, "right", 5)]),
        *((word, [Meaning(6), Meaning(12)]) for word in ("6+12", "AU6+AU12", "AU6/12", "AU6, AU12", "AU6 & AU12")),
        ("AU1B+2", [Meaning(1, None, 2), Meaning(2)]),
    ],
)  # fmt: skip
def test_words_that_mean_aus(word: str, meaning: list[Meaning]) -> None:
    assert list(Names().of(word)) == meaning


@pytest.mark.parametrize(
    "word",
    ["", "talk", "AU99", "99", "AU12?", "no AU12", "AU12 offset", "AU12 start", "AU12 absent", "12 months",
     "12 smile s", "AU6+99", "trial 4", "x12"],
)  # fmt: skip
def test_words_that_do_not(word: str) -> None:
    assert Names().of(word) == ()


def test_the_users_own_map_comes_first() -> None:
    names = Names({"smile": (Meaning(6), Meaning(12)), "au12": ()})
    assert names.of(" Smile ") == (Meaning(6), Meaning(12))
    assert names.of("AU12") == () and names.knows("AU12") and not names.knows("AU1")
