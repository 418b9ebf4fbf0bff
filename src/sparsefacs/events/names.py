"""What a coder's words for AUs mean: by number, by FACS name, or by a map of the user's own."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

from ..errors import InputError
from ..facs import UNITS
from .sheets import read_table

Side = Literal["left", "right", "both"]
_T = TypeVar("_T")
LETTERS = "ABCDE"
_SIDES: dict[str, Side] = {
    "l": "left", "left": "left", "r": "right", "right": "right",
    "b": "both", "both": "both", "bilateral": "both",
}  # fmt: skip
_ONE = re.compile(
    r"(?:(?P<before>l|r|left|right)[\s_-]*)?"
    r"(?:(?:au|action[\s_]*unit)[\s_-]*)?0*(?P<au>\d{1,2})[\s_]*(?P<level>[a-e])?"
    r"(?:[\s_(-]+(?P<after>l|r|left|right|both|bilateral)\)?)?"
    r"(?:\s*[-:–_]\s*(?P<words>[a-z]{2}[a-z ]+))?",
    re.IGNORECASE,
)
_SHORT = re.compile(r"(?:au[\s_-]*)?0*(?P<au>\d{1,2})(?P<after>l|r)(?P<level>[a-e])?", re.IGNORECASE)

_APART = re.compile(r"\+|/|&|,| and ", re.IGNORECASE)
_TOKEN = re.compile(r"(?<![a-z])[LR]?(?:AU|FACS|action[\s_]*unit)[\s_-]*0*(\d{1,2})(?!\d)", re.IGNORECASE)
_NUMBERED = re.compile(r"0*(?P<au>\d{1,2})\s+(?P<words>\D+)")
_MORE = re.compile(
    r"\?|(?<![a-z])(?:no|not|non|without|absent|absence|onset|offset|start|stop|begin|end|on|off|maybe|unsure)(?![a-z])",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a word says: an AU, the side of the face and the intensity 1–5 (A–E), None where the word tells neither."""

    au: int
    side: Side | None = None
    intensity: float | None = None


@dataclass(frozen=True)
class Names:
    """Turns words into AUs. given: the user's own meanings, an empty one for a word that is knowingly no AU."""

    given: Mapping[str, tuple[Meaning, ...]] | None = None

    def of(self, word: str) -> tuple[Meaning, ...]:
        """Return the AUs that `word` means, none where it is no AU.

        Read are numbers with or without AU ("AU12", "AU 12", "12", "Action Unit 12 - Lip Corner Puller"), a side before
        or after ("L12", "AU12 left", "AU12_R"), a letter for intensity ("AU12B"), several in one ("AU1+2", "6+12"),
        and FACS names ("lip corner puller"). Other words that hold AU and a number ("Smile (AU12)", "AU 4 frown") mean
        that AU, unless they say more of it than that it is there ("no AU12", "AU12 offset", "AU12?").
        """
        plain = _plain(word)
        if self.given is not None and plain in self.given:
            return self.given[plain]
        if plain in _BY_NAME:
            return (Meaning(_BY_NAME[plain]),)
        parts = [_one(part.strip()) for part in _APART.split(word)]
        known = [part for part in parts if part is not None]
        return tuple(known) if len(known) == len(parts) else _within(word)

    def knows(self, word: str) -> bool:
        """Say whether the user's own map has the word, be it to say that it is no AU."""
        return self.given is not None and _plain(word) in self.given


def side_of(word: str) -> Side | None:
    """Return the side of the face that `word` says ("left", "R", "bilateral"), None where it says none."""
    plain = _plain(word)
    return _SIDES.get(plain) if plain else None


def intensity_of(word: str) -> float | None:
    """Return the intensity 1–5 of a letter A–E or a number 0–5 (decimal comma too), None where `word` is neither."""
    plain = word.strip()
    if len(plain) == 1 and plain.upper() in LETTERS:
        return LETTERS.index(plain.upper()) + 1.0
    if re.fullmatch(r"[0-5]([.,]\d+)?", plain):
        value = float(plain.replace(",", "."))
        return value if value <= 5 else None
    return None


def letter_of(intensity: float) -> str:
    """Return the letter A–E nearest to an intensity over 0."""
    return LETTERS[min(max(round(intensity), 1), 5) - 1]


def read_map(path: Path) -> Names:
    """Read a user's map of words: a table with columns `name` and `au`, and, if wanted, `side` and `intensity`.

    An empty `au` says that the word is no AU. A word may have several rows. Raises InputError naming file and row.
    """
    table = read_table(path)
    for needed in ("name", "au"):
        if needed not in table.columns:
            raise InputError(
                f"has no column {needed}", path=path, remedy="A map has columns name and au (side, intensity if wanted)"
            )
    given: dict[str, tuple[Meaning, ...]] = {}
    for where, row in table.rows():
        word = _plain(row["name"])
        if not word:
            raise InputError(f"{where}: the name is empty", path=path, remedy="Fill it in or remove the row")
        number = row["au"].strip()
        if not number:
            given.setdefault(word, ())
            continue
        meaning = _one(number)
        if meaning is None:
            raise InputError(f"{where}: {number!r} is no AU", path=path, remedy="Write its number, such as 12")
        side, intensity = row.get("side", "").strip(), row.get("intensity", "").strip()
        told = Meaning(
            meaning.au,
            _checked(side_of(side), side, "side", "left, right or both", where, path) or meaning.side,
            _checked(intensity_of(intensity), intensity, "intensity", "A to E, or 1 to 5", where, path)
            or meaning.intensity,
        )
        given[word] = (*given.get(word, ()), told)
    return Names(given)


def _checked(value: _T | None, text: str, what: str, wanted: str, where: str, path: Path) -> _T | None:
    if text and value is None:
        raise InputError(f"{where}: {text!r} is no {what}", path=path, remedy=f"Write {wanted}, or nothing")
    return value


def _plain(word: str) -> str:
    return " ".join(word.replace("_", " ").split()).casefold()


def _names() -> dict[str, int]:
    """Return the FACS names that mean one AU alone, and its synonyms."""
    return {_plain(name): number for number, unit in UNITS.items() for name in (unit.name, *unit.synonyms)}


_BY_NAME = _names()


def _within(word: str) -> tuple[Meaning, ...]:
    """Return the AUs whose numbers stand somewhere in a word, none where one is no AU or the word is a doubt."""
    numbers = [int(number) for number in _TOKEN.findall(word)]
    if len(numbers) < len(re.findall(r"\d+", word)):  # it says more than which AU
        numbers = []
    numbered = _NUMBERED.fullmatch(word.strip())
    if not numbers and numbered and _BY_NAME.get(_plain(numbered["words"])) == int(numbered["au"]):
        numbers = [int(numbered["au"])]
    if not numbers or _MORE.search(word) or any(number not in UNITS for number in numbers):
        return ()
    return tuple(Meaning(number) for number in dict.fromkeys(numbers))


def _one(text: str) -> Meaning | None:
    """Return what one AU's notation means, None where it is none or its number is no AU."""
    text = text.removesuffix(".0")  # spreadsheets' whole numbers
    found = _SHORT.fullmatch(text) or _ONE.fullmatch(text)
    if found is None or int(found["au"]) not in UNITS:
        return None
    told = found.groupdict()
    side = side_of(told.get("before") or told.get("after") or "")
    level = intensity_of(told["level"]) if told.get("level") else None
    return Meaning(int(found["au"]), side, level)
