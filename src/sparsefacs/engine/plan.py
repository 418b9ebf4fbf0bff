"""What a training is about to do: the content of its protocol.json, and what the user is told before it starts."""

import sys
from typing import Any

from ..data.joined import AnyStore, paths_of
from ..files import hash_json, write_bytes
from ..protocols.card import card_text, protocol_card
from ..protocols.folds import Protocol
from .config import RunConfig
from .reach import reach, warnings
from .run import RunFolder
from .training_set import TrainingSet


def describe(store: AnyStore, unlabelled: AnyStore | None, protocol: Protocol, data: TrainingSet) -> dict[str, Any]:
    """Return the content of protocol.json: who trains, who tests, which labels are seen, with their hashes."""
    facts = {
        "store": paths_of(store),
        "store_hash": hash_json(store.info.as_json()),
        "recipe_hash": store.info.recipe_hash,
        "unlabelled_store": None if unlabelled is None else str(unlabelled.path.resolve()),
        "labelled_faces": len(data.labelled),
        "unlabelled_faces": len(data.unlabelled),
        "seen": data.seen.as_json(),
    }
    return protocol_card(protocol, data.fold, data.budget, data.rule, facts)


def keep_labels(data: TrainingSet, run: RunFolder) -> None:
    """Write which labels may be seen, and the answers they come from, where they are not the store's own."""
    if (given := data.stores[0].given) is not None:
        write_bytes(run.answers, given.content)
    data.visible.save(run.labels)


def print_start(config: RunConfig, store: AnyStore, data: TrainingSet, plan: dict[str, Any]) -> None:
    """Tell who trains and who tests, what is not as was asked for, and what cannot be had from these labels."""
    found = reach(data, store, data.fold, config)
    print(card_text(plan | {"reach": found}), file=sys.stderr)
    for each in warnings(found, learns=data.budget["spec"] != "none", tests=bool(data.fold.test)):
        print(f"note: {each}", file=sys.stderr)
    if config.selection.rule != data.rule:
        print("note: no labelled subject can be spared to validate on, so the last epoch is kept", file=sys.stderr)
    if data.rule == "last" and config.selection.patience is not None:
        print("note: there is no score to stop early on, so the training takes its whole length", file=sys.stderr)
    if config.network.evidence != "pixels" and not data.coder.table(person=False).knows_blendshapes:
        print(
            "note: the store has no blendshapes, so that only the faces' points are evidence; it was made by an older "
            "version or from delivered landmarks: prepare it again to have them",
            file=sys.stderr,
        )
