"""How label budgets are written; read without numpy, so that commands start at once."""

import re
from typing import NamedTuple

from ..errors import InputError

FORMS = (
    "all, 5%, count:1000, missing:30% (so many faces lose their labels), entries:30% (so many single labels, one AU of "
    "one face, are hidden), subjects:9, every:100, one-per-clip:5, none; "
    "the label combinations keep their shares in 5%:stratified, count:1000:stratified, missing:30%:stratified"
)
_PATTERNS = {
    "all": r"all",
    "none": r"none",
    "percent": r"(\d+(?:\.\d+)?)%",
    "count": r"count:(\d+)",
    "missing": r"missing:(\d+(?:\.\d+)?)%",
    "entries": r"entries:(\d+(?:\.\d+)?)%",
    "subjects": r"subjects:(\d+)",
    "every": r"every:(\d+)",
    "one-per-clip": r"one-per-clip:(\d+)",
}
_STRATIFIED = ":stratified"
_CAN_STRATIFY = ("percent", "count", "missing")


class Budget(NamedTuple):
    """What a label budget's text says; `all` has the number 0."""

    kind: str
    number: float
    stratified: bool = False

    @property
    def spec(self) -> str:
        """The one spelling of this budget."""
        value = f"{self.number:g}" if self.number % 1 else str(int(self.number))
        plain = {"all": "all", "none": "none", "percent": f"{value}%"}.get(self.kind, f"{self.kind}:{value}")
        hides = "%" if self.kind in ("missing", "entries") else ""
        return plain + hides + _STRATIFIED * self.stratified


def parse_budget(spec: str) -> Budget:
    """Return the kind and number of a label budget (`all` → 0); raises InputError that lists the forms."""
    text = spec.strip().lower()
    stratified = text.endswith(_STRATIFIED)
    text = text.removesuffix(_STRATIFIED)
    for kind, pattern in _PATTERNS.items():
        if match := re.fullmatch(pattern, text):
            number = float(match[1]) if match.groups() else 0.0
            hides = kind in ("missing", "entries")
            known = {"all": True, "none": True, "percent": 0 < number <= 100}
            fits = known.get(kind, 0 <= number < 100 if hides else number >= 1)
            if not fits:
                raise InputError(
                    f"the label budget {spec!r} leaves no label or is over 100 %", remedy=f"Forms: {FORMS}"
                )
            if stratified and kind not in _CAN_STRATIFY:
                raise InputError(f"the label budget {text!r} cannot be stratified", remedy=f"Forms: {FORMS}")
            return Budget(kind, number, stratified)
    hint = f"{text}% or count:{text}? " if re.fullmatch(r"\d+(\.\d+)?", text) else ""
    raise InputError(f"{spec!r} is not a label budget", remedy=f"{hint}Forms: {FORMS}")
