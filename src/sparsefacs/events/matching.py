"""Which videos, people and frames of two codings belong together."""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.adapters.timed_labels import TOLERANCE_S
from ..data.media import IMAGE_SUFFIXES, VIDEO_SUFFIXES
from ..errors import InputError
from .coded_tables import FaceCodes
from .codings import Coding, Person

Floats = NDArray[np.float64]
USUAL_FPS = 25.0
"""Frames a second at which two files of events are compared where neither tells its video's."""


@dataclass(frozen=True, eq=False)
class Sampled:
    """Two codings of one person in one video on the same frames (N,): their labels of the same AUs.

    only_a, only_b: frames that one of them says something of and the other nothing. note: what to know, "" for nothing.
    """

    video: str
    subject: str
    a: FaceCodes
    b: FaceCodes
    only_a: int
    only_b: int
    note: str = ""


@dataclass(frozen=True)
class Alone:
    """A coding without a partner: which, of which side ("A" or "B"), and why."""

    coding: Coding
    side: str
    why: str

    @property
    def line(self) -> str:
        """It in words."""
        subject, face = self.coding.person
        who = f", {subject}" if subject else ""
        who += f", face {face}" if face is not None else ""
        return f"only {self.side} codes {self.coding.video}{who}: {self.why}"


def match(
    a: Sequence[Coding], b: Sequence[Coding], *, main_face: bool = False
) -> tuple[list[tuple[Coding, Coding]], list[Alone]]:
    """Pair the codings of the same person in the same video, and tell those left over.

    Videos are the same by their whole name, else by its end: the folders that both sides tell must agree, unless each
    side has all its videos in one folder. Ending and case do not count; one video a side is the same where a file
    does not name it. People are the same by subject, else by face, and one person a side is the same. main_face:
    where one side has one person, whom the other does not know, and that has several faces, take the face found in
    most frames.
    """
    of_a, of_b = _by_video(a), _by_video(b)
    partner = _partners(of_a, of_b)
    pairs: list[tuple[Coding, Coding]] = []
    alone: list[Alone] = []
    for video, own in of_a.items():
        if video in partner:
            found, left = _match_people(own, of_b[partner[video]], main_face)
            pairs += found
            alone += left
        else:
            alone += [Alone(coding, "A", "B has no such video") for coding in own]
    taken = set(partner.values())
    alone += [Alone(c, "B", "A has no such video") for video, own in of_b.items() if video not in taken for c in own]
    return pairs, alone


def _by_video(codings: Sequence[Coding]) -> dict[tuple[str, ...], list[Coding]]:
    found: defaultdict[tuple[str, ...], list[Coding]] = defaultdict(list)
    for coding in codings:
        found[_key(coding.video)].append(coding)
    return dict(found)


def _key(video: str) -> tuple[str, ...]:
    """Return a video's folders and name, in lower case, without its ending."""
    path = PurePosixPath(video.strip().replace("\\", "/"))
    known = path.suffix.lower() in VIDEO_SUFFIXES | IMAGE_SUFFIXES
    parts = (path.with_suffix("") if known else path).parts
    return tuple(part.casefold() for part in parts if part not in (".", ".."))


_Videos = dict[tuple[str, ...], list[Coding]]


def _partners(of_a: _Videos, of_b: _Videos) -> dict[tuple[str, ...], tuple[str, ...]]:
    """Return which video of B each of A is."""
    partner = {video: video for video in of_a if video in of_b}
    for fits in (_ends_alike, _moved(of_a, of_b)):
        rest_a = [video for video in of_a if video not in partner]
        rest_b = [video for video in of_b if video not in partner.values()]
        for video in rest_a:
            alike = [other for other in rest_b if fits(video, other)]
            if len(alike) == 1 and sum(fits(other, alike[0]) for other in rest_a) == 1:
                partner[video] = alike[0]
    if not partner and len(of_a) == len(of_b) == 1:
        (one, own_a), (two, own_b) = *of_a.items(), *of_b.items()
        if not (own_a[0].named and own_b[0].named):
            partner[one] = two
    return partner


def _ends_alike(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Say whether two names have the same folders as far up as both tell them."""
    shared = min(len(one), len(other))
    return shared > 0 and one[-shared:] == other[-shared:]


def _moved(of_a: Iterable[tuple[str, ...]], of_b: Iterable[tuple[str, ...]]) -> Callable[..., bool]:
    """Return whether two names are the same but for their folder, where each side has all its videos in one folder."""
    alone = all(len({video[:-1] for video in side}) == 1 for side in (of_a, of_b))
    return lambda one, other: alone and one[-1:] == other[-1:]


def _both(coding: Coding) -> Person | None:
    return coding.person if coding.person[0] and coding.person[1] is not None else None


def _subject(coding: Coding) -> str | None:
    return coding.person[0] or None


def _face(coding: Coding) -> int | None:
    return coding.person[1]


def _match_people(a: list[Coding], b: list[Coding], main_face: bool) -> tuple[list[tuple[Coding, Coding]], list[Alone]]:
    """Pair the people of one video."""
    pairs: list[tuple[Coding, Coding]] = []
    rest_a, rest_b = list(a), list(b)
    for of in (_both, _subject, _face):
        for one in list(rest_a):
            own = of(one)
            alike = [two for two in rest_b if own is not None and of(two) == own]
            both_named = of is _face and alike and one.person[0] and alike[0].person[0]
            if len(alike) == 1 and sum(of(c) == own for c in rest_a) == 1 and not both_named:
                pairs.append((one, alike[0]))
                rest_a.remove(one)
                rest_b.remove(alike[0])
    if not pairs and main_face and min(len(rest_a), len(rest_b)) == 1:
        rest_a, rest_b, left = _largest(rest_a), _largest(rest_b), [*rest_a, *rest_b]
        left = [coding for coding in left if coding not in (*rest_a, *rest_b)]
    else:
        left = []
    if not pairs and len(rest_a) == len(rest_b) == 1:
        pairs, rest_a, rest_b = [(rest_a[0], rest_b[0])], [], []
    why = "its other faces were seen in more frames" if left else "the other side does not tell who this is"
    alone = [Alone(coding, "A" if coding in a else "B", why) for coding in (*rest_a, *rest_b, *left)]
    return pairs, alone


def _largest(codings: list[Coding]) -> list[Coding]:
    """Return the one that was found in most frames."""
    seen = [0 if coding.frames is None else int(coding.frames.success.sum()) for coding in codings]
    return [codings[int(np.argmax(seen))]]


def sample(a: Coding, b: Coding, aus: tuple[int, ...], *, fps: float | None = None) -> Sampled:
    """Bring two codings of one person to the same frames: the codes' own, or such of `fps` a second.

    Raises InputError where frames have no times and the other side speaks of times alone.
    """
    if fps is None and a.frames is not None and b.frames is not None:
        return _by_frames(a, b, a.frames, b.frames, aus)
    framed = a.frames if a.frames is not None else b.frames
    note = ""
    if fps is None and framed is not None:
        start_s, shown_s, frame = framed.time_s, framed.shown_s, _evenly(framed.frame)
        if np.isnan(start_s).any():
            raise InputError(
                f"{a.video}: frames without times cannot be compared with stretches of time",
                path=(a if a.frames is not None else b).file,
                remedy="Say how many frames a second the video has: --fps 25",
            )
    else:
        rate, note = (fps, "") if fps is not None else _rate(a, b)
        end_s, more = _end(a, b, rate)
        note = "; ".join(filter(None, (note, more)))
        frame = np.arange(1, math.ceil(end_s * rate - 1e-6) + 1)
        start_s, shown_s = (frame - 1) / rate, np.full(len(frame), 1 / rate)
    labels = [_labels_at(coding, start_s, shown_s, fps) for coding in (a, b)]
    return _sampled(a, b, aus, frame, start_s, labels, (0, 0), note)


def _by_frames(a: Coding, b: Coding, of_a: FaceCodes, of_b: FaceCodes, aus: tuple[int, ...]) -> Sampled:
    note = ""
    photo = len(of_a.frame) == len(of_b.frame) == 1
    if photo or (a.numbered and b.numbered):
        if photo:
            at_a = at_b = np.zeros(1, np.intp)
        else:
            _, at_a, at_b = np.intersect1d(of_a.frame, of_b.frame, return_indices=True)
        late = np.abs(of_a.time_s[at_a] - of_b.time_s[at_b]) > 0.5 * of_a.shown_s[at_a]
        if len(late) and late.mean() > 0.5:
            first = int(np.flatnonzero(late)[0])
            note = (
                f"frame {of_a.frame[at_a[first]]} is shown at {of_a.time_s[at_a[first]]:.2f} s in A and at "
                f"{of_b.time_s[at_b[first]]:.2f} s in B; frames are matched by number (--fps matches them by time)"
            )
    else:
        if np.isnan(of_a.time_s).any() or np.isnan(of_b.time_s).any():
            raise InputError(
                f"{a.video}: one side tells times and the other frame numbers without times",
                path=b.file,
                remedy="Say how many frames a second the video has: --fps 25",
            )
        by_a = a.numbered or not b.numbered
        base, other = (of_a, of_b) if by_a else (of_b, of_a)
        at_base, known = _shown_at(base.time_s, base.shown_s, other.time_s)
        at_base, first_of = np.unique(at_base[known], return_index=True)
        at_other = np.flatnonzero(known)[first_of]
        at_a, at_b = (at_base, at_other) if by_a else (at_other, at_base)
    labels = [(of.occurrence[at], of.intensity[at], of.aus) for of, at in ((of_a, at_a), (of_b, at_b))]
    base, at = (of_a, at_a) if a.numbered else (of_b, at_b)
    time_s = base.time_s[at]
    time_s = (of_b.time_s[at_b] if a.numbered else of_a.time_s[at_a]) if np.isnan(time_s).any() else time_s
    lone = tuple(
        int((_says(of.occurrence, of.intensity, of.aus, aus)).sum())
        - int((_says(of.occurrence[at], of.intensity[at], of.aus, aus)).sum())
        for of, at in ((of_a, at_a), (of_b, at_b))
    )
    return _sampled(a, b, aus, _evenly(base.frame[at]), time_s, labels, (lone[0], lone[1]), note)


def _evenly(frame: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return frame numbers as neighbours where every so manieth frame is labelled."""
    steps = np.diff(frame)
    step = int(np.median(steps)) if len(steps) else 1
    return (frame - frame[0]) // step + 1 if step > 1 and steps.min() == step else frame


_Labels = tuple[NDArray[np.int8], Floats, tuple[int, ...]]


def _labels_at(coding: Coding, start_s: Floats, shown_s: Floats, fps: float | None) -> _Labels:
    """Return occurrence and intensity of the frames shown from `start_s` for `shown_s`, and their AUs."""
    if coding.stretches is not None:
        occurrence, intensity = coding.stretches.over(start_s, start_s + shown_s)
        return occurrence, intensity, coding.stretches.aus
    assert coding.frames is not None
    codes = coding.frames
    if np.isnan(codes.time_s).any() and fps is not None:
        codes = replace(codes, time_s=(codes.frame - 1) / fps)
    if codes.time_s is start_s:
        return codes.occurrence, codes.intensity, codes.aus
    at, known = _shown_at(codes.time_s, codes.shown_s, start_s)
    occurrence = np.where(known[:, None], codes.occurrence[at], -1).astype(np.int8)
    return occurrence, np.where(known[:, None], codes.intensity[at], np.nan), codes.aus


def _shown_at(start_s: Floats, shown_s: Floats, moment_s: Floats) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Return which frame is shown at each moment (the last that begins no later), and whether any is."""
    slack = np.minimum(TOLERANCE_S, 0.25 * shown_s)
    at = np.searchsorted(start_s - slack, moment_s, "right") - 1
    known = (at >= 0) & (moment_s < (start_s + shown_s - slack)[at])
    return np.maximum(at, 0), known


def _sampled(
    a: Coding,
    b: Coding,
    aus: tuple[int, ...],
    frame: NDArray[np.int64],
    time_s: Floats,
    labels: Sequence[_Labels],
    lone: tuple[int, int],
    note: str,
) -> Sampled:
    said = [_says(*label, aus) for label in labels]
    both = said[0] & said[1]
    sides = [
        FaceCodes(
            a.video,
            "",
            0,
            frame[both],
            time_s[both],
            np.ones(int(both.sum()), bool),
            aus,
            _spread(occurrence[both], own, aus, -1),
            _spread(intensity[both], own, aus, np.nan),
            np.full((int(both.sum()), len(aus)), np.nan),
        )
        for occurrence, intensity, own in labels
    ]
    only = [int((one & ~two).sum()) + more for (one, two), more in zip((said, said[::-1]), lone, strict=True)]
    subject = a.person[0] or b.person[0] or a.video
    return Sampled(a.video, subject, sides[0], sides[1], only[0], only[1], note and f"{a.video}: {note}")


def _says(
    occurrence: NDArray[np.int8], intensity: Floats, own: tuple[int, ...], aus: tuple[int, ...]
) -> NDArray[np.bool_]:
    """Return which frames anything is said of, of the AUs asked for."""
    places = [place for place, au in enumerate(own) if au in aus]
    said = (occurrence[:, places] >= 0) | ~np.isnan(intensity[:, places])
    return np.asarray(said.any(axis=1), np.bool_)


def _spread(values: NDArray[Any], own: tuple[int, ...], aus: tuple[int, ...], nothing: float) -> NDArray[Any]:
    """Return the columns of `aus`; those that there are none of hold `nothing`."""
    spread = np.full((len(values), len(aus)), nothing, values.dtype)
    for place, au in enumerate(aus):
        if au in own:
            spread[:, place] = values[:, own.index(au)]
    return spread


def _rate(a: Coding, b: Coding) -> tuple[float, str]:
    told = [coding.fps for coding in (a, b) if coding.fps]
    if told:
        return max(told), ""
    return USUAL_FPS, f"no file tells how many frames a second it has: compared at {USUAL_FPS:g} (--fps says another)"


def _end(a: Coding, b: Coding, rate: float) -> tuple[float, str]:
    """Return the time up to which two codings are compared, and what to say of it."""
    ends = [end for end in (_end_of(coding, rate) for coding in (a, b)) if end < math.inf]
    if ends:
        return max(ends), ""
    last = max(
        (float(np.nanmax(np.r_[events.onset + 1 / rate, events.offset]))
         for coding in (a, b) if coding.stretches is not None for events in coding.stretches.events.values()),
        default=0.0,
    )  # fmt: skip
    return last, f"no file tells how long it is: compared up to the end of the last event, {last:g} s"


def _end_of(coding: Coding, rate: float) -> float:
    if coding.frames is None:
        return coding.end_s
    codes = coding.frames
    if np.isnan(codes.time_s).any():
        return float(codes.frame[-1] / rate)
    return float(codes.time_s[-1] + codes.shown_s[-1])
