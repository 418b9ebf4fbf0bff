"""What the data sets are published to hold (tables/published_counts.json), and what a store lacks of it."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import resources
from typing import Any, Literal

_TABLE = "tables/published_counts.json"
_ABOUT = 0.01  # a number published as approximate is met within this share of it
_GROUPED = 4  # sentences of one kind, before the rest is counted
_NAMED = 10  # names or ranges of names in a sentence
_NAME = re.compile(r"(.*?)(\d+)")

Kind = Literal[
    "missing_subjects",
    "unexpected_subjects",
    "missing_clips",
    "unexpected_clips",
    "clips_of_subject",
    "unlabelled_clips",
    "frames",
    "clip_frames",
    "positives",
    "images",
    "identities",
]


@dataclass(frozen=True)
class Total:
    """A published total and whose count it is.

    about: published as approximate. positives: AU → number of frames that show it, where known.
    """

    name: str
    number: int
    about: bool = False
    positives: Mapping[int, int] = field(default_factory=dict, hash=False)
    source: str = ""

    def met_by(self, here: int) -> bool:
        """Say whether `here` is this number, within 1 % if it was published as approximate."""
        return abs(here - self.number) <= (self.number * _ABOUT if self.about else 0)


@dataclass(frozen=True)
class PublishedCounts:
    """What one data set is published to hold; empty or None where that is not known.

    subjects, clips: names; clips: those of every subject that are coded; further_clips: others that a subject has.
    frames_per_clip: coded frames of each clip, by subject, `each` being the rule. per_camera: clips_per_subject and
    all counts of frames are those of one camera. frames, images: totals, the first the main one.
    """

    title: str
    source: str = ""
    subjects: tuple[str, ...] = ()
    clips: tuple[str, ...] = ()
    further_clips: tuple[str, ...] = ()
    clips_per_subject: int | None = None
    frames_per_clip: Mapping[str, int] = field(default_factory=dict, hash=False)
    per_camera: bool = False
    frames: tuple[Total, ...] = ()
    images: tuple[Total, ...] = ()
    identities: int | None = None
    terms: str = ""
    terms_source: str = ""


@dataclass(frozen=True)
class ClipCount:
    """One clip of a store: its faces, how many of them have any label, and rejected frames and files."""

    subject: str
    clip: str
    faces: int
    labelled: int
    rejected: int = 0


@dataclass(frozen=True)
class Inventory:
    """What a store holds, to be compared.

    positives: AU → faces that show it. images: different source files, with those that gave no face. cameras: how
    many videos of each clip were asked for. left_out: subject → frames of each of its clips left out on request.
    """

    clips: tuple[ClipCount, ...]
    positives: Mapping[int, int] = field(default_factory=dict, hash=False)
    images: int = 0
    cameras: int = 1
    left_out: Mapping[str, int] = field(default_factory=dict, hash=False)


@dataclass(frozen=True)
class Finding:
    """One difference between a store and what is published.

    sentence: the difference in words. names: the missing or unexpected ones. here, published: the counts, where the
    difference is one; difference: here less published.
    """

    kind: Kind
    sentence: str
    subject: str | None = None
    clip: str | None = None
    au: int | None = None
    names: tuple[str, ...] = ()
    here: int | None = None
    published: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Return the finding as JSON, without what it has not."""
        content = {name: value for name, value in asdict(self).items() if value not in (None, ())}
        if self.here is not None and self.published is not None:
            content["difference"] = self.here - self.published
        return content


def published_counts(data_set: str | None) -> PublishedCounts | None:
    """Return what the data set called `data_set` is published to hold; None for a user's own media."""
    return _read().get(data_set or "")


@cache
def _read() -> dict[str, PublishedCounts]:
    table = json.loads((resources.files(__package__) / _TABLE).read_text(encoding="utf-8"))
    return {name: read_entry(entry) for name, entry in table["data_sets"].items()}


def read_entry(entry: Mapping[str, Any]) -> PublishedCounts:
    """Read one data set's entry of the table; names may be ranges, such as `F001-F023`."""
    known = dict(entry)
    for name in ("subjects", "clips", "further_clips"):
        known[name] = tuple(one for names in known.get(name, ()) for one in _expanded(names))
    known["frames"] = tuple(_total(one, "frames") for one in known.pop("counts", ()))
    known["images"] = tuple(_total(one, "images") for one in known.get("images", ()))
    return PublishedCounts(**known)


def _total(entry: Mapping[str, Any], number: str) -> Total:
    positives = {int(au): count for au, count in entry.get("positives", {}).items()}
    return Total(entry["name"], entry[number], entry.get("about", False), positives, entry.get("source", ""))


def _expanded(names: str) -> list[str]:
    first, dash, last = names.partition("-")
    start, end = _NAME.fullmatch(first), _NAME.fullmatch(last)
    if not dash or start is None or end is None:
        return [names]
    return [f"{start[1]}{number:0{len(start[2])}d}" for number in range(int(start[2]), int(end[2]) + 1)]


def compare(here: Inventory, published: PublishedCounts) -> list[Finding]:
    """Return every difference between a store's inventory and what its data set is published to hold.

    In order: subjects, clips, labelled frames, positives of each AU, images, identities. Nothing is compared that is
    not published.
    """
    return [
        *_subjects(here, published),
        *_clips(here, published),
        *_frames(here, published),
        *_clip_frames(here, published),
        *_positives(here, published),
        *_collection(here, published),
    ]


def _subjects(here: Inventory, published: PublishedCounts) -> Iterable[Finding]:
    if not published.subjects:
        return
    present = dict.fromkeys(row.subject for row in here.clips)
    missing = tuple(name for name in published.subjects if name not in present)
    strange = tuple(name for name in present if name not in published.subjects)
    if missing:
        are = "is" if len(missing) == 1 else "are"
        text = f"{len(missing)} of {len(published.subjects)} subjects {are} missing: {listed(missing)}"
        yield Finding("missing_subjects", text, names=missing)
    if strange:
        text = f"not among the subjects of {published.title}: {listed(strange)}"
        yield Finding("unexpected_subjects", text, names=strange)


def _clips(here: Inventory, published: PublishedCounts) -> Iterable[Finding]:
    of: dict[str, list[ClipCount]] = {}
    for row in here.clips:
        of.setdefault(row.subject, []).append(row)
    known = {*published.clips, *published.further_clips}
    for subject, rows in of.items():
        if published.subjects and subject not in published.subjects:
            continue
        present = [row.clip for row in rows]
        if published.clips:
            missing = tuple(clip for clip in published.clips if clip not in present)
            strange = tuple(clip for clip in present if clip not in known)
            bare = tuple(row.clip for row in rows if row.clip in published.clips and not row.labelled)
            if missing:
                yield Finding("missing_clips", f"{subject} has no {listed(missing)}", subject, names=missing)
            if strange:
                text = f"{subject} has clips that {published.title} has not: {listed(strange)}"
                yield Finding("unexpected_clips", text, subject, names=strange)
            if bare:
                yield Finding("unlabelled_clips", f"{subject} has no labels in {listed(bare)}", subject, names=bare)
        if published.clips_per_subject is not None:
            wanted = published.clips_per_subject * _copies(here, published)
            if len(rows) != wanted:
                text = f"{subject} has {_counted(len(rows), 'clip')}, {wanted} published"
                yield Finding("clips_of_subject", text, subject, here=len(rows), published=wanted)


def _frames(here: Inventory, published: PublishedCounts) -> Iterable[Finding]:
    if not published.frames:
        return
    copies, labelled = _copies(here, published), sum(row.labelled for row in here.clips)
    less = sum(here.left_out.values())
    totals = [Total(one.name, (one.number - less) * copies, one.about) for one in published.frames]
    if less:  # only the whole release is known frame by frame
        del totals[1:]
    if any(total.met_by(labelled) for total in totals):
        return
    first, *others = totals
    also = "".join(f", {other.number:,} in {other.name}" for other in others)
    also += f" less the {_counted(less * copies, 'frame')} left out" if less else ""
    rejected = sum(row.rejected for row in here.clips)
    lost = f"; {_counted(rejected, 'frame')} rejected" if rejected else ""
    text = f"labelled frames: {labelled:,} here, {_number(first)} published{also}{lost}"
    yield Finding("frames", text, here=labelled, published=first.number)


def _clip_frames(here: Inventory, published: PublishedCounts) -> Iterable[Finding]:
    per_clip = published.frames_per_clip
    for row in here.clips if per_clip else ():
        if row.subject not in published.subjects:
            continue
        wanted = per_clip.get(row.subject, per_clip["each"]) - here.left_out.get(row.subject, 0)
        if row.labelled != wanted:
            lost = f" ({row.rejected:,} rejected)" if row.rejected else ""
            name = row.subject if row.clip in ("", row.subject) else f"{row.subject} {row.clip}"
            text = f"{name} {row.labelled:,} of {wanted:,}{lost}"
            yield Finding("clip_frames", text, row.subject, row.clip, here=row.labelled, published=wanted)


def _positives(here: Inventory, published: PublishedCounts) -> Iterable[Finding]:
    copies, labelled = _copies(here, published), sum(row.labelled for row in here.clips)
    totals = [total for total in published.frames if total.positives]
    if not totals or here.left_out:
        return
    # The list whose frames these are, where there is one: two published lists differ in frames and so in positives.
    total = next((one for one in totals if one.number * copies == labelled), totals[0])
    for au, count in sorted(total.positives.items()):
        found = here.positives.get(au)
        if found is not None and found != count * copies:
            text = f"AU{au} {found:,} of {count * copies:,}"
            yield Finding("positives", text, au=au, here=found, published=count * copies)


def _collection(here: Inventory, published: PublishedCounts) -> Iterable[Finding]:
    totals = published.images
    if totals and not any(total.met_by(here.images) for total in totals):
        told = ", ".join(f"{_number(total)} in {total.name}" for total in totals)
        text = f"images: {here.images:,} here; published: {told}"
        yield Finding("images", text, here=here.images, published=totals[0].number)
    people = len({row.subject for row in here.clips})
    if published.identities is not None and people != published.identities:
        text = f"identities: {people:,} here, {published.identities:,} published"
        yield Finding("identities", text, here=people, published=published.identities)


def _copies(here: Inventory, published: PublishedCounts) -> int:
    return here.cameras if published.per_camera else 1


def _number(total: Total) -> str:
    return f"{'about ' if total.about else ''}{total.number:,}"


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def sentences(findings: Sequence[Finding]) -> list[str]:
    """Return the findings in at most about a dozen sentences: alike ones together, the rest of a long list counted."""
    lines: list[str] = []
    for kind in dict.fromkeys(finding.kind for finding in findings):
        alike = [finding for finding in findings if finding.kind == kind]
        if kind in ("missing_clips", "unlabelled_clips"):
            what = "no labels in" if kind == "unlabelled_clips" else "no"
            lines += _by_names(alike, what)
        elif kind == "clip_frames":
            lines.append(f"labelled frames of clips: {_some([one.sentence for one in alike], 6)}")
        elif kind == "positives":
            lines.append(f"positives, here of published: {_some([one.sentence for one in alike], 12)}")
        elif kind == "clips_of_subject":
            lines += _by_number(alike)
        elif kind == "unexpected_clips":
            lines.append("; ".join(one.sentence for one in alike[:_GROUPED]) + _rest(len(alike) - _GROUPED))
        else:
            lines += [one.sentence for one in alike]
    return lines


def _by_names(findings: Sequence[Finding], what: str) -> list[str]:
    """Join the subjects that lack the same clips."""
    lacking: dict[tuple[str, ...], list[str]] = {}
    for finding in findings:
        lacking.setdefault(finding.names, []).append(str(finding.subject))
    groups = sorted(lacking.items(), key=lambda item: -len(item[1]))
    shown = sorted(groups[:_GROUPED], key=lambda item: item[1])
    lines = [f"{_have(subjects)} {what} {listed(clips)}" for clips, subjects in shown]
    rest = sum(len(subjects) for _, subjects in groups[_GROUPED:])
    if rest:
        lines.append(f"and {rest} more {'subject has' if rest == 1 else 'subjects have'} {what} other clips")
    return lines


def _by_number(findings: Sequence[Finding]) -> list[str]:
    """Join the subjects that have the same number of clips."""
    having: dict[tuple[int | None, int | None], list[str]] = {}
    for finding in findings:
        having.setdefault((finding.here, finding.published), []).append(str(finding.subject))
    return [
        f"{_have(subjects)} {_counted(here or 0, 'clip')}, {published} published"
        for (here, published), subjects in list(having.items())[:_GROUPED]
    ]


def _have(subjects: Sequence[str]) -> str:
    return f"{listed(subjects)} {'has' if len(subjects) == 1 else 'have'}"


def _some(items: Sequence[str], most: int) -> str:
    return ", ".join(items[:most]) + _rest(len(items) - most)


def _rest(number: int) -> str:
    return f" and {number} more" if number > 0 else ""


def listed(names: Iterable[str], most: int = _NAMED) -> str:
    """Return names in words, three or more that follow each other as a range: `F001, F004–F023 and 12 more`."""
    runs: list[list[str]] = []
    for name in names:
        if runs and _follows(runs[-1][-1], name):
            runs[-1].append(name)
        else:
            runs.append([name])
    parts = [part for run in runs for part in ([run] if len(run) > 2 else [[name] for name in run])]
    told = ", ".join(part[0] if len(part) == 1 else f"{part[0]}–{part[-1]}" for part in parts[:most])
    return told + _rest(sum(len(part) for part in parts[most:]))


def natural(name: str) -> list[tuple[int, str]]:
    """Return a sort key by which T9 comes before T10."""
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]


def _follows(name: str, other: str) -> bool:
    first, second = _NAME.fullmatch(name), _NAME.fullmatch(other)
    if first is None or second is None or first[1] != second[1]:
        return False
    return len(first[2]) <= len(second[2]) and int(second[2]) == int(first[2]) + 1
