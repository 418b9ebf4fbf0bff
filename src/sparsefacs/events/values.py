"""What a coder wrote beside or in place of an AU: side, intensity, absence, doubt."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Literal

from .names import Meaning, Names, Side, intensity_of, side_of

Cut = Literal["", "start", "end", "both"]
ABSENT = frozenset(("0", "absent", "not present", "none", "no", "n", "off", "false"))
DOUBTFUL = frozenset(
    ("?", "9", "n/a", "na", "unclear", "unknown", "unsure", "not visible", "not scorable", "unscorable", "uncodable")
)
_PRESENT = frozenset(("present", "yes", "y", "on", "x", "active", "true", "intensity", "level", "side"))
_CUT = re.compile(r"cut at (start|end|both ends)", re.IGNORECASE)
_APEX = re.compile(r"apex (?:at )?(\d{1,9}(?:\.\d{1,9})?) ?s\b", re.IGNORECASE)
_SPLIT = re.compile(r"[\s,;/|()=:]+")
_SPEAKS = re.compile(r"(?<![a-z])(?:aus?|facs|action units?|faces?|facial)(?![a-z])")
_NUMBER = re.compile(r"\d{1,9}(?:[.,]\d{1,9})?")
_LISTED = re.compile(r"\s*(?:[,;/&]|\band\b)\s*", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Told:
    """What a value tells of an AU that it stands beside.

    understood: every word of it was; else the value says no more than that the AU was marked. absent, doubtful: it
    says that the AU was not there, or could not be seen.
    """

    side: Side | None = None
    intensity: float | None = None
    absent: bool = False
    doubtful: bool = False
    understood: bool = True
    cut: Cut = ""
    apex_s: float | None = None


def told_by(value: str) -> Told:
    """Return what `value` tells: "C", "left", "C left", "3", "absent", "?"; "B" is an intensity, not both sides."""
    plain = " ".join(value.split()).casefold()
    if plain in DOUBTFUL:
        return Told(doubtful=True)
    if plain in ABSENT or intensity_of(plain) == 0:
        return Told(absent=True)
    if (whole := intensity_of(plain)) is not None:
        return Told(intensity=whole)
    cut, apex = _CUT.search(plain), _APEX.search(plain)
    side: Side | None = None
    intensity: float | None = None
    for word in filter(None, _SPLIT.split(_APEX.sub("", _CUT.sub("", plain)))):
        level, of = intensity_of(word), side_of(word)
        if level and intensity is None:
            intensity = level
        elif of is not None and side in (None, of):
            side = of
        elif word not in _PRESENT:
            return Told(understood=False)
    return Told(side, intensity, cut=_cut(cut[1]) if cut else "", apex_s=float(apex[1]) if apex else None)


def are_levels(values: Iterable[str], aus: Collection[int] = ()) -> bool:
    """Say whether the numbers among `values`, which stand beside `aus`, are intensities 0–5.

    They are not where they are 0 and 1 only, which are marks of presence, nor where one is over 5, as on other scales.
    """
    numbers = {float(value.replace(",", ".")) for value in values if _NUMBER.fullmatch(value.strip())}
    numbers -= {float(au) for au in aus if au > 5}
    return not numbers or (max(numbers) <= 5 and not numbers <= {0.0, 1.0})


def speaks_of_faces(name: str) -> bool:
    """Say whether a tier's or column's name tells that AUs are coded in it, so that bare numbers in it are AUs."""
    return _SPEAKS.search(name.replace("_", " ").casefold()) is not None


def aus_in(names: Names, value: str, context: str = "") -> tuple[Meaning, ...]:
    """Return the AUs that a value names, none unless all of it does; context: names of its tier or column.

    A bare number is an AU only where the context speaks of faces or the user's map has it: tiers are also full of
    trial numbers.
    """
    if not value.strip():
        return ()
    if names.knows(value):
        return names.of(value)
    found: list[Meaning] = []
    for part in filter(None, _LISTED.split(value)):
        if _is_bare(part) and not names.knows(part) and not speaks_of_faces(context):
            return ()
        meant = names.of(part)
        if not meant:
            return ()
        found.extend(meant)
    return tuple(found)


def _is_bare(word: str) -> bool:
    plain = word.casefold()
    return any(sign.isdigit() for sign in plain) and "au" not in plain and "action" not in plain


def _cut(word: str) -> Cut:
    return "start" if word == "start" else "end" if word == "end" else "both"
