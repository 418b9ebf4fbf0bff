"""What a store holds, in numbers: counts, labels, gaps, rejects, and what is missing of the published data set."""

import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..facs import UNITS
from .media import is_video
from .published_counts import (
    ClipCount,
    Inventory,
    PublishedCounts,
    compare,
    listed,
    natural,
    published_counts,
    sentences,
)
from .rejects import ReasonCounts
from .store import UNLABELLED, Store

TOP_COMBINATIONS = 5
LISTED = 10_000
"""As many subjects and clips are listed one by one; a collection of photos has more than can be read."""

_EVIDENCE = ("blendshapes", "pose")  # columns that older versions did not make
_SUBJECTS_TOLD = 12
_NOTES_TOLD = 6
_SHORT = 40  # characters of a fact
_WIDTH = 100
_LEVELS = 6  # intensity 0 to 5
_USUAL = {"frame_step": 1, "unlabelled_frames": True, "min_face": 0}  # facts not worth a word
# Of the source's description, what is told elsewhere; the rest is how the data set was read.
_GENERAL = frozenset({"made_by", "dataset", "people", "source", "labels", "models", "notes", "note"})


def inspect_store(store: Store, published: PublishedCounts | None = None) -> dict[str, Any]:
    """Return what `store` holds, as JSON values: counts, per-AU labels, clips, rejects, and what it lacks.

    base_rate is positives over labelled entries; gaps is the share of faces without that label. combinations are the
    distinct ones over the fully labelled faces; label_patterns are distinct rows of labels over all labelled faces,
    not labelled being a third value. warnings tell in words what findings list in full: differences from `published`
    (default: what the store's data set is published to hold; a user's own media have no such entry).
    """
    info = store.info
    occurrence, intensity = store.occurrence(), store.intensity()
    labelled = ((occurrence != UNLABELLED) | ~np.isnan(intensity)).any(axis=1)
    complete = occurrence[(occurrence != UNLABELLED).all(axis=1)] if len(store.aus) else occurrence[:0]
    kinds, counts = np.unique(complete, axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")[:TOP_COMBINATIONS]
    clips, images, unplaced = _clips(store, labelled)
    faces, with_label = _per_subject(clips)
    aus = [_au_row(au, occurrence[:, i], intensity[:, i]) for i, au in enumerate(store.aus)]
    dataset = info.source.get("dataset")
    expected = published or published_counts(dataset)
    positives = {row["au"]: row["positive"] for row in aus}
    here = Inventory(tuple(clips), positives, images, len(info.source.get("cameras", ())) or 1, _left_out(info.source))
    findings = compare(here, expected) if expected else []
    return {
        "store": str(store.path),
        "dataset": dataset,
        "terms": expected.terms or None if expected else None,
        "notes": [*map(str, info.source.get("notes", ())), *filter(None, [info.source.get("note")])],
        "missing_columns": [name for name in _EVIDENCE if not store.has(name)],
        "facts": {name: value for name, value in info.source.items() if name not in _GENERAL},
        "faces": len(store),
        "images": images,
        "subjects": info.subjects,
        "clips": info.clips,
        "size": info.size,
        "recipe_hash": info.recipe_hash,
        "source": info.source,
        "faces_per_subject": {
            "least": min(faces.values()),
            "median": float(np.median(list(faces.values()))),
            "most": max(faces.values()),
        },
        "subjects_table": [
            {"subject": name, "faces": number, "labelled": with_label[name]}
            for name, number in list(faces.items())[:LISTED]
        ],
        "subjects_unlabelled": [name for name, number in with_label.items() if not number][:LISTED],
        "clips_table": [vars(row) for row in clips[:LISTED]],
        "clips_left_out": max(0, len(clips) - LISTED),
        "faces_labelled": int(labelled.sum()),
        "faces_fully_labelled": len(complete),
        "aus": aus,
        "combinations": len(kinds),
        "label_patterns": len(np.unique(occurrence[labelled], axis=0)),
        "frequent_combinations": [
            {"aus": [au for au, on in zip(store.aus, kinds[i], strict=True) if on == 1], "faces": int(counts[i])}
            for i in order
        ],
        "rejected": _reasons(store),
        "rejected_unplaced": unplaced,
        "rejected_files": [one.source for one in info.rejected if one.frame is None][:LISTED],
        "published": None if expected is None else {"title": expected.title, "source": expected.source},
        "warnings": sentences(findings),
        "findings": [finding.as_json() for finding in findings],
    }


def _left_out(source: Mapping[str, Any]) -> dict[str, int]:
    """Return how many frames of each subject's clips were left out on request."""
    if not source.get("failed_tracking_frames_dropped"):
        return {}
    from .adapters.disfa import failed_tracking

    return {subject: len(frames) for subject, frames in failed_tracking().items()}


def _au_row(au: int, occurrence: NDArray[np.int8], intensity: NDArray[np.float32]) -> dict[str, Any]:
    labelled = int((occurrence != UNLABELLED).sum())
    positive = int((occurrence == 1).sum())
    graded = intensity[~np.isnan(intensity)]
    levels = np.clip(np.rint(graded), 0, _LEVELS - 1).astype(np.int64)
    return {
        "au": au,
        "name": UNITS[au].name,
        "labelled": labelled,
        "positive": positive,
        "base_rate": positive / labelled if labelled else None,
        "gaps": 1 - labelled / len(occurrence),
        "intensity_labelled": len(graded),
        "intensity_mean": float(graded.mean()) if len(graded) else None,
        "intensity_histogram": np.bincount(levels, minlength=_LEVELS).tolist() if len(graded) else None,
    }


def _reasons(store: Store) -> dict[str, int]:
    """Return rejects by reason, as the store counted them or, where it has not, counted here."""
    return dict(store.info.reasons) or ReasonCounts(store.info.rejected).as_dict()


def _clips(store: Store, labelled: NDArray[np.bool_]) -> tuple[list[ClipCount], int, int]:
    """Return the clips in order, the number of different source files, and of rejects that belong to no known clip."""
    subjects, subject_of = np.unique(store.strings("subject"), return_inverse=True)
    clips, clip_of = np.unique(store.strings("clip"), return_inverse=True)
    keys, clip_rows = np.unique(subject_of * len(clips) + clip_of, return_inverse=True)
    faces = np.bincount(clip_rows)
    with_label = np.bincount(clip_rows, weights=labelled).astype(int)
    rejects = Counter(reject.source for reject in store.info.rejected)
    rejected, images, unplaced = _place(rejects, zip(_sources(store), clip_rows.tolist(), strict=True))
    rows = [
        ClipCount(
            str(subjects[key // len(clips)]),
            str(clips[key % len(clips)]),
            int(faces[place]),
            int(with_label[place]),
            rejected[place],
        )
        for place, key in enumerate(keys.tolist())
    ]
    return sorted(rows, key=lambda row: (natural(row.subject), natural(row.clip))), images, unplaced


def _sources(store: Store) -> Iterator[str]:
    for chunk in store.texts("source").chunks:  # chunk by chunk: a million paths are not held at once
        yield from chunk.to_pylist()


def _place(rejects: Mapping[str, int], rows: Iterator[tuple[str, int]]) -> tuple[Counter[int], int, int]:
    """Say to which clip the rejects belong: that of their source, or of all other photos of its folder.

    rejects: source → number; rows: the source and clip of each face. Returns clip → rejects, the number of different
    sources of faces and rejects together, and of rejects whose clip is not known.
    """
    clip_of: dict[str, int] = {}
    folders: dict[str, set[int]] = {}
    photos: Counter[str] = Counter()
    for source, clip in rows:
        if source not in clip_of:
            clip_of[source] = clip
            folder = source.rpartition("/")[0]
            folders.setdefault(folder, set()).add(clip)
            photos[folder] += 1
    placed: Counter[int] = Counter()
    unplaced = 0
    for source, number in rejects.items():
        folder = source.rpartition("/")[0]
        alone = folders.get(folder, set())
        if source in clip_of:
            placed[clip_of[source]] += number
        elif len(folders.get(source, ())) == 1:  # the folder as a whole
            placed[next(iter(folders[source]))] += number
        elif len(alone) == 1 and photos[folder] > 1 and not is_video(Path(source)):
            placed[next(iter(alone))] += number
        else:
            unplaced += number
    return placed, len(clip_of.keys() | rejects.keys()), unplaced


def _per_subject(clips: list[ClipCount]) -> tuple[Counter[str], Counter[str]]:
    """Return subject → faces and subject → labelled faces."""
    faces: Counter[str] = Counter()
    labelled: Counter[str] = Counter()
    for row in clips:
        faces[row.subject] += row.faces
        labelled[row.subject] += row.labelled
    return faces, labelled


def describe(found: dict[str, Any]) -> str:
    """Return what `inspect_store` found as lines of text, about 100 columns wide."""
    lines = [*_head(found), *_warnings(found), *_subjects(found), *_au_table(found), *_histograms(found)]
    for row in found["frequent_combinations"]:
        lines.append(f"{row['faces']:>9} faces show {'+'.join(map(str, row['aus'])) or 'no AU'}")
    if found["rejected"]:
        lines.append("rejected:")
        for reason, count in found["rejected"].items():
            lines += _wrapped(f"{count:>9}  ", reason)
        where = "rejected.csv" if (Path(found["store"]) / "rejected.csv").exists() else "store.json"
        lines.append(f"           each by name in the store's {where}")
        if found["rejected_unplaced"]:
            lines.append(f"{found['rejected_unplaced']:>9}  of these belong to no clip that is here")
    return "\n".join(lines)


def _wrapped(first: str, text: str) -> list[str]:
    return textwrap.wrap(first + text, _WIDTH, subsequent_indent=" " * len(first), drop_whitespace=True) or [first]


def _head(found: dict[str, Any]) -> list[str]:
    per = found["faces_per_subject"]
    lines = _wrapped(
        "",
        f"{found['store']}: {found['faces']} faces, {found['subjects']} subjects, {found['clips']} clips, "
        f"{found['size']} × {found['size']} pixels, recipe {found['recipe_hash']}",
    )
    facts = ", ".join(f"{name.replace('_', ' ')} {text}" for name, text in _facts(found["facts"]).items())
    title = found["published"]["title"] if found["published"] else found["dataset"]
    told = "; ".join(part for part in (f"data set {title}" if title else "", facts) if part)
    lines += _wrapped("", told) if told else []
    lines += _wrapped("terms: ", found["terms"]) if found["terms"] else []
    for note in found["notes"][:_NOTES_TOLD]:
        lines += _wrapped("note: ", note)
    if len(found["notes"]) > _NOTES_TOLD:
        lines.append(f"note: and {len(found['notes']) - _NOTES_TOLD} more notes in store.json")
    if found["missing_columns"]:
        lines.append(f"no {' and no '.join(found['missing_columns'])} of faces: preparing them again adds them")
    lines.append(f"faces per subject: {per['least']} to {per['most']}, median {per['median']:g}")
    lines += _wrapped(
        "",
        f"labelled faces: {found['faces_labelled']}, with every AU: {found['faces_fully_labelled']}, "
        f"distinct AU combinations among these: {found['combinations']}",
    )
    return lines


def _facts(facts: dict[str, Any]) -> dict[str, str]:
    """Return the facts that can be told in a word or two."""
    told: dict[str, str] = {}
    for name, value in facts.items():
        if name in _USUAL and value == _USUAL[name]:
            continue
        if isinstance(value, bool):
            told[name] = "yes" if value else "no"
        elif isinstance(value, list) and value and all(isinstance(one, str | int) for one in value):
            told[name] = " ".join(map(str, value))
        elif isinstance(value, str | int | float):
            told[name] = str(value)
    return {name: text for name, text in told.items() if len(text) <= _SHORT}


def _warnings(found: dict[str, Any]) -> list[str]:
    if not found["warnings"]:
        return [f"all that {found['published']['title']} is published to hold is here"] if found["published"] else []
    lines = [f"differs from what {found['published']['title']} is published to hold:"]
    for warning in found["warnings"]:
        lines += _wrapped("  ! ", warning)
    return lines


def _subjects(found: dict[str, Any]) -> list[str]:
    """Return a line for each of the first subjects, with faces and labelled faces of their clips."""
    clips: dict[str, list[dict[str, Any]]] = {}
    for row in found["clips_table"]:
        clips.setdefault(row["subject"], []).append(row)
    lines = ["faces of each clip, by subject:"]
    told = list(clips)[:_SUBJECTS_TOLD]
    for subject in told:
        shown = [_clip_text(row, found["faces_labelled"] > 0) for row in clips[subject][:_SUBJECTS_TOLD]]
        if len(clips[subject]) > len(shown):
            shown.append(f"and {len(clips[subject]) - len(shown)} more clips")
        lines += _wrapped(f"  {subject}  ", ", ".join(shown))
    if found["subjects"] > len(told):
        lines.append(f"  and {found['subjects'] - len(told)} more subjects (--json lists them)")
    bare = found["subjects_unlabelled"]
    if bare and found["faces_labelled"]:
        lines += _wrapped("subjects without any label: ", listed(bare))
    return lines


def _clip_text(row: dict[str, Any], labels: bool) -> str:
    text = f"{row['clip'] or '(no clip)'} {row['faces']}"
    if labels and row["labelled"] < row["faces"]:
        text += f" ({row['labelled'] or 'none'} labelled)"
    return text + (f" ({row['rejected']} rejected)" if row["rejected"] else "")


def _au_table(found: dict[str, Any]) -> list[str]:
    shown = [row for row in found["aus"] if row["labelled"] or row["intensity_labelled"]]
    lines = []
    if shown:
        lines.append(f"{'AU':>4}  {'name':22} {'labelled':>9} {'positive':>9} {'rate':>6} {'gaps':>6} {'graded':>8}")
    for row in shown:
        rate = "–" if row["base_rate"] is None else f"{row['base_rate']:.1%}"
        lines.append(
            f"{row['au']:>4}  {row['name']:22} {row['labelled']:>9} {row['positive']:>9} {rate:>6} "
            f"{row['gaps']:>6.1%} {row['intensity_labelled']:>8}"
        )
    if len(shown) < len(found["aus"]):
        bare = ",".join(str(row["au"]) for row in found["aus"] if row not in shown)
        lines += _wrapped("AUs without any label: ", bare)
    return lines


def _histograms(found: dict[str, Any]) -> list[str]:
    graded = [row for row in found["aus"] if row["intensity_histogram"]]
    if not graded:
        return []
    lines = ["faces by intensity, rounded to a whole level:"]
    lines.append(f"{'AU':>4}  {'':22}" + "".join(f" {level:>9}" for level in range(_LEVELS)))
    for row in graded:
        counts = "".join(f" {count:>9}" for count in row["intensity_histogram"])
        lines.append(f"{row['au']:>4}  {row['name']:22}{counts}")
    return lines
