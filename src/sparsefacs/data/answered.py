"""Labels that came after the store was made: answers of `sparsefacs label`, laid over its faces."""

import sys
from pathlib import Path

import numpy as np

from ..errors import InputError
from .answer_rows import by_row
from .answers import Answer, AnswerTable, FaceKey, read_answers
from .given_labels import GivenLabels
from .joined import AnyStore, JoinedStore
from .store import UNLABELLED, Store


def with_answers(store: AnyStore, path: Path) -> AnyStore:
    """Return the store, or the joined ones, with the answers at `path` as their labels; their own are not read.

    Faces kept for the test whose person has others that are not, as in a store of one person, have no label then.
    Raises InputError where the file is none of answers, or none of them is about a face of the store.
    """
    table = read_answers(path)
    held = {key: answer for key, answer in table.of(None).items() if answer.occurrence}
    learned = {key.subject for key, answer in held.items() if not answer.test}
    moments = {key for key, answer in held.items() if answer.test and key.subject in learned}
    used = {key: answer for key, answer in held.items() if key not in moments}
    parts = [_labelled(part, used, table) for part in store.parts]
    found = sum(int((part.occurrence() != UNLABELLED).any(axis=1).sum()) for part in parts)
    if not found:
        raise InputError(
            f"none of its {len(held)} coded faces is in the store" if held else "holds no coded face",
            path=path,
            remedy=f"Code faces of {store.path} with `sparsefacs label`",
        )
    if found < len(used):
        print(f"note: {path}: {len(used) - found} of its {len(held)} coded faces are not in the store", file=sys.stderr)
    if moments:
        print(
            f"note: {path}: {len(moments)} coded faces are kept for the test and show people who are learned from; "
            "they are not learned from",
            file=sys.stderr,
        )
    if table.torn:
        print(f"note: {path}: its last line was cut off in writing and is left out", file=sys.stderr)
    return parts[0] if len(parts) == 1 else JoinedStore(parts)


def tested_people(store: AnyStore) -> list[str]:
    """Return the subjects some of whose faces were kept for scoring, by name."""
    marks = np.concatenate(
        [part.given.tested if part.given is not None else np.zeros(len(part), bool) for part in store.parts]
    )
    return sorted(set(store.strings("subject")[marks].tolist()))


def _labelled(store: Store, held: dict[FaceKey, Answer], table: AnswerTable) -> Store:
    aus = table.aus
    occurrence = np.full((len(store), len(aus)), UNLABELLED, np.int8)
    intensity = np.full((len(store), len(aus)), np.nan, np.float32)
    tested = np.zeros(len(store), bool)
    for row, answer in by_row(store, held, table.path).items():
        occurrence[row] = [answer.occurrence.get(au, UNLABELLED) for au in aus]
        intensity[row] = [answer.intensity.get(au, np.nan) for au in aus]
        tested[row] = answer.test
    return store.labelled(GivenLabels(aus, occurrence, intensity, tested, table.content))
