"""Scores of a run on faces it was not trained on."""

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.clips import Tracks
from ..data.evidence import EvidenceTable
from ..data.joined import AnyStore
from ..engine.coding import RowCoder
from ..engine.run import RunFolder
from ..errors import InputError
from ..metrics.limits import FROM_CODER
from ..networks.clip_answers import rows_in_clips
from ..progress import progress
from ..records import as_settings, write_record
from ..run_records import CardRecord
from .batching import code_faces, decode_windows, encode_faces
from .contract import Coder
from .model import load_coder
from .pooling import Answered, conditions, table_of, write_scores
from .unseen import unseen_faces

BATCH = 128


def _encoder(coder: Coder, store: AnyStore, known: RowCoder) -> Callable[[NDArray[np.int64]], NDArray[np.float32]]:
    """Return what gives what a coder makes of rows of a store by themselves, (M, E)."""
    own = known.table(person=coder.person).vectors_ME if coder.known else None

    def encode(wanted: NDArray[np.int64]) -> NDArray[np.float32]:
        return np.concatenate(
            [
                encode_faces(coder, faces, points, None if own is None else own[part])
                for part, faces, points in _faces_in_parts(store, wanted)
            ]
        )

    return encode


def _compared(
    coder: Coder, known: RowCoder, rows: NDArray[np.int64], encode: Callable[[NDArray[np.int64]], NDArray[np.float32]]
) -> EvidenceTable | None:
    """Return the evidence of rows with the references that a coder compares with; None where it looks at none."""
    table = known.evidence(coder.known, rows, encode, person=coder.person)
    return None if table is None else table.settled(coder.settle)


def told_of_rows(coder: Coder, store: AnyStore, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return all that a coder of single faces tells of rows of a store, further intensities too, (M, A + X)."""
    known = RowCoder(store.parts)
    encode = _encoder(coder, store, known)
    table = _compared(coder, known, rows, encode)
    return decode_windows(coder, encode(rows)[:, None], None if table is None else table.reference(rows))


def code_store(coder: Coder, store: AnyStore, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the codes (len(rows), A) of faces of a store; raises InputError if they are cut differently."""
    if store.info.recipe_hash != coder.recipe.hash:
        raise InputError(
            "its faces are cut differently from those the model learned on",
            path=store.path,
            remedy=f"Prepare it with --size {coder.recipe.size}, and the --landmarks and version of the model's faces",
        )
    known = RowCoder(store.parts)
    encode = _encoder(coder, store, known)
    table = _compared(coder, known, rows, encode)
    with progress("code held-out faces", len(rows), "faces") as bar:
        if coder.clip[0] > 1:
            return _code_clips(coder, store, rows, table, encode, bar.advance)
        coded = []
        for part, faces, points in _faces_in_parts(store, rows):
            coded.append(code_faces(coder, faces, points, None if table is None else table.of(part)))
            bar.advance(len(part))
    return np.concatenate(coded)


def _faces_in_parts(
    store: AnyStore, rows: NDArray[np.int64]
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.float32]]]:
    """Yield at most BATCH of `rows` at a time with their faces and landmarks."""
    for first in range(0, len(rows), BATCH):
        part = rows[first : first + BATCH]
        faces, points = zip(*(store.face(int(row)) for row in part), strict=True)
        yield part, np.stack(faces), np.stack(points)


def _code_clips(
    coder: Coder,
    store: AnyStore,
    rows: NDArray[np.int64],
    table: EvidenceTable | None,
    encode: Callable[[NDArray[np.int64]], NDArray[np.float32]],
    done: Callable[[int], object],
) -> NDArray[np.float32]:
    """Return the codes of faces each within its clip; a person's own further frames are looked at, but not coded."""

    def decode(window: NDArray[np.float32], coded: NDArray[np.int64]) -> NDArray[np.float32]:
        return decode_windows(coder, window, None if table is None else table.reference(coded))

    return rows_in_clips(Tracks(store.parts), rows, coder.clip, encode, decode, done)


def evaluate_run(path: Path, store: AnyStore | None = None, csv: Path | None = None) -> dict[str, Any]:
    """Score run `path` on its fold's test subjects, or on the people of another `store` that it has not seen.

    Not seen: see `unseen.unseen_faces`. Writes predictions.parquet and metrics.json, into the run folder or into
    `on-<store name>/` of it, and returns the metrics; csv: the predictions also there, as CSV. Raises InputError when
    no test subject is left or the AUs do not match.
    """
    run = RunFolder(path)
    coder = load_coder(path)
    unseen = unseen_faces(path, store)
    tested, rows, own, plan = unseen.store, unseen.rows, unseen.own, unseen.plan
    as_settings(CardRecord, plan, run.protocol, what="the run's protocol", remedy="Train again")
    _check_aus(coder, tested)
    folder = run.path if own else run.on(tested.path)
    target = RunFolder(folder)
    answered = Answered(coder.task, coder.aus)
    coded_MA = code_store(coder, tested, rows)
    table = table_of(answered, tested, rows, coded_MA, str(plan["fold"]["name"]), coder.limits)
    facts = provenance(run, plan, tested)
    if own and (found := _pseudo_labels(run, coder, tested, plan, rows)):
        if (by_subject := found.pop("by_subject", None)) is not None:
            write_record(target.pseudo_labels, {"by_subject": by_subject})
        facts["pseudo_labels"] = found
    return write_scores(target, table, answered, run.read_config(), facts, csv)


def _pseudo_labels(
    run: RunFolder, coder: Coder, store: AnyStore, plan: Mapping[str, Any], tested: NDArray[np.int64]
) -> dict[str, Any]:
    """Return how right the run's pseudo labels are on training frames whose labels it could not see, and, of the people
    `tested` on, how often it recognises the order of clips and what each of its branches is worth.
    """
    if "pseudo_labels" not in run.read_config()["method"]:
        return {}
    from .network_model import NetworkCoder
    from .pseudo_labels import branch_scores, hidden_rows, order_accuracy, pseudo_label_accuracy

    assert isinstance(coder, NetworkCoder)
    guessed = pseudo_label_accuracy(coder, store, hidden_rows(run, store, plan))  # none where all is labelled
    return guessed | order_accuracy(coder, store, tested) | branch_scores(coder, store, tested)


def _check_aus(coder: Coder, tested: AnyStore) -> None:
    """Say which AUs cannot be scored for want of labels; raises InputError when none can, before anything is coded."""
    there = {au for part in tested.parts for au in part.aus}
    absent = ",".join(str(au) for au in coder.aus if au not in there)
    if not there & set(coder.aus):
        raise InputError(
            f"has no labels of the AUs that the model codes ({absent})",
            path=tested.path,
            remedy=f"It has {','.join(map(str, sorted(there)))}: train with --aus some of these",
        )
    if absent:
        print(f"note: not scored, since {tested.path} has no labels of them: AUs {absent}", file=sys.stderr)


def _older_rule(config: Mapping[str, Any], model: Mapping[str, Any]) -> str:
    """Return the rule that the limits of a run are by which does not tell it itself, as earlier versions left it."""
    rule = config.get("selection", {}).get("threshold", "fixed") if model["task"] == "occurrence" else "fixed"
    from_coder = model["method"] == "instant" and model.get("settings", {}).get("said", 0) > 0
    return FROM_CODER if from_coder and rule in ("base-rate", "chosen-frames") else str(rule)


def provenance(run: RunFolder, plan: Mapping[str, Any], tested: AnyStore) -> dict[str, Any]:
    """Return everything a number must carry to be comparable: hashes, seed, limits, selection rule, cost."""
    config, model = run.read_config(), run.read_model()
    log = run.read_log()
    cost = log[-1] if log else None
    return {
        **conditions(config, plan, tested),
        "selected_step": model.get("step"),
        "limits": model["limits"],
        "limit_rule": model.get("limit_rule") or _older_rule(config, model),
        "precision": config.get("training", {}).get("precision"),
        "backbone": config["network"]["backbone"],
        "input_size": config["network"]["input_size"],
        "steps": None if cost is None else int(cost["step"]),
        "images_seen": None if cost is None else int(cost["images"]),
        "training_seconds": None if cost is None else float(cost["seconds"]),
    }
