"""Videos with files of events (BORIS, ELAN and others) as labels: intervals become labels of frames.

What was looked at must be said, by the file or by the user: silence inside it means absent, silence elsewhere nothing.
"""

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...errors import InputError
from ...events.formats import Format
from ...events.model import EVERYTHING, Asked, Clock, Event, EventFile, Span, same_name
from ...events.names import Names, read_map
from ...facs import parse_aus
from ..media import is_video
from ..store import Reject
from .named_media import NamedMedia
from .plan import MediaItem, Plan, Request
from .timed_labels import LabelsInStretches, spans_by_au, stretches_by_au

_WORDS_SHOWN = 8
_RULE = (
    "a time belongs to the frame shown at it (by the frames' own times); an event reaches from the frame shown at its "
    "onset up to, and without, the one shown at its offset"
)
_CLOCK_WORDS: dict[Clock, str] = {
    "media": "times are read as players show them, from the start of the media file (--clock first-frame: from the "
    "video's first frame)",
    "first-frame": "times are read from the video's first frame on (--clock media: as players show them)",
}


@dataclass(frozen=True)
class _Told:
    """What one file says of one video: the file, the names it calls the video, and what lies within."""

    file: EventFile
    names: frozenset[str]
    person: str | None

    @property
    def events(self) -> list[Event]:
        """Its events of the person asked for, in order of time."""
        own = (event for event in self.file.events if event.media in self.names and self._is_of(event.subject))
        return sorted(own, key=lambda event: (event.onset_s, event.au))

    @property
    def coded(self) -> list[Span]:
        """The stretches of it that were looked at."""
        return [span for span in self.file.coded if span.media in self.names and self._is_of(span.subject)]

    @property
    def unknown(self) -> list[Span]:
        """The stretches that nothing is known of, since a line could not be used."""
        spans = (fault.span for fault in self.file.faults if fault.span is not None)
        return [span for span in spans if span.media in self.names and self._is_of(span.subject)]

    @property
    def subjects(self) -> list[str]:
        """Its people, by name."""
        coded = {span.subject for span in self.coded}
        return sorted({*(event.subject for event in self.events), *coded} - {""})

    @property
    def faces(self) -> list[int | None]:
        """Its faces by number, where it tells several apart; else one that has no number."""
        known = {event.face for event in self.events} | {span.face for span in self.coded}
        numbered = sorted(face for face in known if face is not None)
        return list(numbered) if len(numbered) > 1 else [None]

    def _is_of(self, subject: str) -> bool:
        return self.person is None or not subject or same_name(subject, self.person)


def plan_events(request: Request, files: Sequence[tuple[Path, Format]], media: NamedMedia) -> Plan:
    """Plan the videos that files of events code.

    Raises InputError where a file says nothing of a video's coded stretches, two files code one video, or one codes
    several people in a video and the request does not choose one.
    """
    names = Names() if request.names is None else read_map(request.names)
    asked = Asked(names, request.coded)
    read = [row.module.read(path, asked) for path, row in files]
    aus = _aus(request, read)
    _check_person(request, read)
    told, rejected = _by_video(read, media, request.person)
    if not told:
        first = rejected[0].source if rejected else None
        raise InputError(
            "codes no video"
            if first is None
            else f"none of the videos it codes is found, for instance {first!r}{media.elsewhere(first)}",
            path=read[0].path,
            remedy=f"Videos are looked for under {media.root}",
        )
    items = [_item(path, media.root, told[path], aus, request) for path in sorted(told)]
    return Plan(
        aus,
        tuple(items),
        (*rejected, *media.rejected),
        (*_notes(read, request), *media.notes, *(f"{one.source}: {one.reason}" for one in rejected)),
    )


def _aus(request: Request, files: Iterable[EventFile]) -> tuple[int, ...]:
    available = sorted({au for file in files for au in file.aus})
    if not available:
        words = Counter({word: count for file in files for word, count in file.unmapped.items()})
        found = f": {', '.join(repr(word) for word, _ in words.most_common(_WORDS_SHOWN))}" if words else ""
        raise InputError(
            f"codes nothing that is known as an AU{found}",
            path=request.labels,
            remedy="Say what its words mean: --map FILE, a table with columns name and au",
        )
    aus = parse_aus(request.aus) if request.aus else tuple(available)
    if absent := [au for au in aus if au not in available]:
        raise InputError(
            f"has no labels of AU{absent[0]}", path=request.labels, remedy=f"It has {','.join(map(str, available))}"
        )
    return aus


def _check_person(request: Request, files: Iterable[EventFile]) -> None:
    people = sorted({event.subject for file in files for event in file.events} - {""})
    if request.person is not None and not any(same_name(request.person, name) for name in people):
        known = f"It has {', '.join(people)}" if people else "It names no person: leave out --person"
        raise InputError(f"codes nobody called {request.person!r}", path=request.labels, remedy=known)


def _by_video(
    files: Iterable[EventFile], media: NamedMedia, person: str | None
) -> tuple[dict[Path, _Told], list[Reject]]:
    """Return what is told of each video that is found, and the videos that are not."""
    told: dict[Path, _Told] = {}
    rejected: list[Reject] = []
    for file in files:
        mentioned = [span.media for span in file.coded] + [event.media for event in file.events]
        mentioned += [row.name for row in file.recordings]
        names: defaultdict[Path, set[str]] = defaultdict(set)
        found = media.find([name for name in dict.fromkeys(mentioned) if name])
        for name in dict.fromkeys(mentioned):
            path = found.get(name) or media.video_called(name)
            if path is None or not is_video(path):
                reason = "is no video" if path else f"coded in {file.path.name} but not found{media.elsewhere(name)}"
                rejected.append(Reject(name or "(no name)", None, reason))
            else:
                names[path].add(name)
        for path, alike in names.items():
            if path in told:
                raise InputError(
                    f"codes {path.name}, which {told[path].file.path.name} codes too",
                    path=file.path,
                    remedy="Give one of them; compare two codings with sparsefacs agreement",
                )
            told[path] = _Told(file, frozenset(alike), person)
    return told, rejected


def _item(path: Path, root: Path, told: _Told, aus: tuple[int, ...], request: Request) -> MediaItem:
    subjects = told.subjects
    if len(subjects) > 1:
        raise InputError(
            f"codes {len(subjects)} people in {path.name}: {', '.join(subjects)}",
            path=told.file.path,
            remedy="Make a store of each person: --person NAME, of a video that shows this person alone or largest",
        )
    coded = told.coded
    if request.coded == EVERYTHING:
        coded = [Span("", "", 0.0, math.inf)]
    if not coded and (told.events or not any(span.media for span in told.file.coded)):
        raise _not_said(path, told.file, request)
    name = path.resolve().relative_to(root.resolve()) if path.resolve().is_relative_to(root.resolve()) else path
    own = name.with_suffix("").as_posix()
    labels = tuple(_labels(told, coded, aus, face, request.clock or told.file.clock) for face in told.faces)
    return MediaItem(path, name.as_posix(), subjects[0] if subjects else own, own, timed=labels)


def _not_said(path: Path, file: EventFile, request: Request) -> InputError:
    """Return what to say where nothing says which stretches of a video were looked at."""
    if request.coded is None:
        silence = "silence could mean absent or not coded"
        problem = f"does not say which stretches of {path.name} were looked at, so that {silence}"
    else:
        known = ", ".join(repr(word) for word, _ in Counter(file.unmapped).most_common(_WORDS_SHOWN))
        problem = f"has no stretch of {request.coded!r} in {path.name} that can be used" + (
            f"; other names in it: {known}" if known else ""
        )
    remedy = (
        "Name the behaviour, tier or code that marks them, --coded NAME; or say --coded all if the whole of each video "
        "was coded"
    )
    faults = [fault.line for fault in file.faults if "coded" in fault.problem or (request.coded or "") in fault.problem]
    return InputError(problem + (f" ({faults[0]})" if faults else ""), path=file.path, remedy=remedy)


def _labels(
    told: _Told, coded: Sequence[Span], aus: tuple[int, ...], face: int | None, clock: Clock
) -> LabelsInStretches:
    """Return the labels of one face of a video, of the largest where `face` is None."""
    events = [event for event in told.events if face is None or event.face in (None, face)]
    own = [span for span in coded if face is None or span.face in (None, face)]
    unknown = [span for span in told.unknown if face is None or span.face in (None, face)]
    every = told.file.aus
    stretches, spans = stretches_by_au(event for event in events if event.au in aus), spans_by_au(own, every)
    return LabelsInStretches(aus, stretches, spans, spans_by_au(unknown, every), clock, face)


def _notes(files: Sequence[EventFile], request: Request) -> Iterable[str]:
    """Yield what the user should know of how the files were read."""
    for file in files:
        yield from file.told
    clocks = {request.clock or file.clock for file in files}
    yield from (_CLOCK_WORDS[clock] for clock in sorted(clocks))
    yield _RULE
    yield "an AU of either side of the face counts as present; left and right are not kept apart in a store"
