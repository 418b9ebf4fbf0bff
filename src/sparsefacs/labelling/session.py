"""One coder at work: what is asked, what was answered, how far it is; the server hands this to the page."""

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from threading import RLock
from typing import Any

from ..data.answers import Answer, FaceKey, State
from ..errors import InputError
from ..facs.looks import look
from ..facs.units import UNITS
from .answer_file import AnswerFile
from .asking import Ask, Asker
from .faces import Faces, check_rows

KEYS = "1234567890qwrtyuopfghjkl,.-"
"""Keys of AUs, in order; the page's own commands are other keys (page/page.js)."""
_NOTE = 2000  # letters
_LONGEST_S = 3600.0


@dataclass(frozen=True)
class Setting:
    """How the page is set: the coder, whether beliefs are hidden for good, and whether codes are corrected.

    corrects: codes are corrected, so that what they say is always shown. title: what is coded. asks: how many
    faces can be asked; 0: all.
    """

    coder: str
    blind: bool = False
    corrects: bool = False
    title: str = ""
    asks: int = 0


class Session:
    """Asks and takes answers; all its functions may be called by several tabs at once. Raises InputError."""

    def __init__(self, faces: Faces, file: AnswerFile, asker: Asker, setting: Setting) -> None:
        self.faces, self.file, self.asker, self.setting = faces, file, asker, setting
        self.aus = file.aus
        self._rows = {key: row for row, key in enumerate(faces.keys)}
        self._people = len({key.subject for key in faces.keys})
        self._clips = len({(key.subject, key.clip) for key in faces.keys})
        self._lock = RLock()
        self._asks: dict[int, Ask] = {}
        self._begun = len(self._own())

    def describe(self) -> dict[str, Any]:
        """Return what the page needs to know once."""
        aus = [
            {"au": au, "name": UNITS[au].name, "look": look(au), "key": KEYS[at] if at < len(KEYS) else ""}
            for at, au in enumerate(self.aus)
        ]
        return {
            "aus": aus,
            "coder": self.setting.coder,
            "blind": self.setting.blind,
            "corrects": self.setting.corrects,
            "title": self.setting.title,
            "file": self.file.path.name,
        }

    def told(self) -> str:
        """Return in words how far this coder is."""
        with self._lock:
            own = self._own()
            coded = sum(answer.state == "coded" for answer in own.values())
            return f"{coded} faces coded by {self.setting.coder}, {len(own) - self._begun} answers this time"

    def next(self, tab: str) -> dict[str, Any]:
        """Return what `tab` is to show: the next face to be coded."""
        with self._lock:
            self.file.refresh()
            own = self._own()
            ask = self.asker.next(tab, own, self._others())
            if ask is not None:
                self._asks[ask.row] = ask
            return {"face": None if ask is None else self._shown(ask.row, None), "progress": self._progress(own)}

    def answer(self, tab: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """Write an answer, then return the next face; raises InputError for one that cannot be, or is not written."""
        with self._lock:
            answer = self._read(given)
            self.file.add(answer)
            self.asker.learn(self._own(), self._others())
            return self.next(tab)

    def undo(self, tab: str) -> dict[str, Any]:
        """Take back the last answer, and return its face with what was answered."""
        with self._lock:
            self.file.refresh()
            order = self.file.standing.order.get(self.setting.coder, [])
            known = next((key for key in reversed(order) if key in self._rows), None)
            if known is None:
                return {"face": None, "progress": self._progress(self._own())}
            taken = self.file.standing.held[self.setting.coder][known][-1]
            row = self._rows[known]
            self._asks.setdefault(row, Ask(row, taken.why, taken.test))
            self.asker.hand(tab, self._asks[row])
            now = datetime.now(UTC).isoformat(timespec="seconds")
            self.file.add(Answer(known, self.setting.coder, "withdrawn", time_s=taken.time_s, given_at=now))
            return {"face": self._shown(row, taken), "progress": self._progress(self._own())}

    def visit(self, row: int, step: int) -> dict[str, Any]:
        """Return the face that was answered before (step −1) or after (1) the one in `row`; none at the end."""
        with self._lock:
            self.file.refresh()
            own = self._own()
            order = list(dict.fromkeys(reversed(self.file.standing.order.get(self.setting.coder, []))))[::-1]
            rows = [self._rows[key] for key in order if key in self._rows]
            at = rows.index(row) + step if row in rows else len(rows) + min(step, 0)
            found = rows[at] if 0 <= at < len(rows) else None
            shown = None if found is None else self._shown(found, own[found])
            return {"face": shown, "progress": self._progress(own)}

    def _own(self) -> dict[int, Answer]:
        return self._by_row(self.file.standing.of(self.setting.coder))

    def _others(self) -> dict[int, Answer]:
        standing = self.file.standing
        held: dict[FaceKey, Answer] = {}
        for coder in standing.coders:
            if coder != self.setting.coder:
                held = standing.of(coder) | held
        return self._by_row(held)

    def _by_row(self, held: Mapping[FaceKey, Answer]) -> dict[int, Answer]:
        return {row: answer for key, answer in held.items() if (row := self._rows.get(key)) is not None}

    def _shown(self, row: int, answer: Answer | None) -> dict[str, Any]:
        """Return a face as the page shows it; what the model believes stays away where it could lead the coder."""
        key, faces = self.faces.keys[row], self.faces
        ask = self._asks.get(row)
        test = answer.test if answer is not None else ask is not None and ask.test
        kept = test or (ask is not None and ask.why == "double") or (answer is not None and answer.why == "double")
        hidden = self.setting.blind or (kept and not self.setting.corrects)
        around = faces.around(row)
        return {
            "row": row,
            "subject": key.subject,
            "clip": key.clip,
            "frame": key.frame,
            "time": faces.time_s(row),
            "around": around,
            "times": [faces.time_s(each) for each in around],
            "reference": faces.reference(row),
            "prefill": {au: on for au, on in faces.coded(row).items() if au in self.aus},
            "beliefs": None if hidden else {au: p for au, p in self.asker.beliefs(row).items() if au in self.aus},
            "why": ask.why if ask is not None and not kept else "",
            "answer": None if answer is None else _as_json(answer),
        }

    def _progress(self, own: Mapping[int, Answer]) -> dict[str, Any]:
        coded = [answer for answer in own.values() if answer.state == "coded"]
        spent = sorted(answer.seconds for answer in coded if answer.seconds)
        seen = Counter(au for answer in coded for au, present in answer.occurrence.items() if present)
        notes, self.file.notes = self.file.notes, []
        return {
            "answered": len(own),
            "coded": len(coded),
            "today": len(own) - self._begun,
            "faces": self.setting.asks or len(self.faces.keys),
            "people": [len({answer.key.subject for answer in coded}), self._people],
            "clips": [len({(answer.key.subject, answer.key.clip) for answer in coded}), self._clips],
            "present": {au: seen[au] for au in self.aus},
            "seconds": spent[len(spent) // 2] if spent else None,
            "double": len(own.keys() & self._others().keys()),
            "problem": "; ".join(filter(None, (*notes, self.asker.problem))),
        }

    def _read(self, given: Mapping[str, Any]) -> Answer:
        """Return what the page sent as an answer; raises InputError for what the page would not send."""
        row, state = given.get("row"), given.get("state")
        if not isinstance(row, int) or isinstance(row, bool):
            raise _odd("row")
        key = self.faces.keys[check_rows(self.faces, row)]
        if state not in ("coded", "unusable", "skipped"):
            raise _odd("state")
        occurrence, intensity, sides = (
            _numbers(given.get("occurrence"), (0, 1), self.aus),
            _numbers(given.get("intensity"), range(6), self.aus),
            given.get("sides") or {},
        )
        if any((level > 0) != occurrence.get(au, -1) for au, level in intensity.items()):
            raise _odd("intensity")
        sides = {_au(au, self.aus): side for au, side in sides.items()} if isinstance(sides, dict) else None
        if sides is None or any(side not in ("L", "R") or not occurrence.get(au) for au, side in sides.items()):
            raise _odd("sides")
        if state != "coded":
            occurrence, intensity, sides = {}, {}, {}
        note, seconds, ask = given.get("note") or "", given.get("seconds"), self._asks.get(row)
        before = self._own().get(row)
        if not isinstance(note, str) or isinstance(seconds, bool) or not isinstance(seconds, int | float):
            raise _odd("note or seconds")
        return Answer(
            key,
            self.setting.coder,
            _state(state),
            occurrence,
            intensity,
            sides,
            plain(note)[:_NOTE],
            ask.why if ask else before.why if before else "",
            ask.test if ask else bool(before and before.test),
            self.faces.time_s(row),
            min(max(float(seconds), 0.0), _LONGEST_S),
            datetime.now(UTC).isoformat(timespec="seconds"),
        )


def plain(text: str) -> str:
    """Return a text on one line, without control characters and halves of characters."""
    return " ".join(re.sub(r"[\x00-\x1f\x7f\x85\u2028\u2029\ud800-\udfff]", " ", text).split())


def _state(state: Any) -> State:
    found: State = state
    return found


def _numbers(told: Any, allowed: range | tuple[int, ...], aus: tuple[int, ...]) -> dict[int, int]:
    if not isinstance(told, dict):
        raise _odd("AUs")
    found = {_au(au, aus): value for au, value in told.items() if value is not None}
    if any(not isinstance(value, int) or isinstance(value, bool) or value not in allowed for value in found.values()):
        raise _odd("AUs")
    return found


def _au(au: Any, aus: tuple[int, ...]) -> int:
    if not (isinstance(au, str) and au.isascii() and au.isdigit() and len(au) < 4 and int(au) in aus):
        raise _odd("AUs")
    return int(au)


def _odd(what: str) -> InputError:
    return InputError(f"the page sent {what} that cannot be", remedy="Reload the page")


def _as_json(answer: Answer) -> dict[str, Any]:
    return {
        "occurrence": dict(answer.occurrence),
        "intensity": dict(answer.intensity),
        "sides": dict(answer.sides),
        "note": answer.note,
        "state": answer.state,
    }
