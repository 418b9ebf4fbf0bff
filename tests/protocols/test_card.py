"""The card: equal to itself read back, complete, and short in words."""

import json

import numpy as np
import pytest

from sparsefacs.errors import InputError
from sparsefacs.protocols.budgets import apply_budget, budget_card
from sparsefacs.protocols.card import card_text, protocol_card
from sparsefacs.protocols.folds import make_protocol
from sparsefacs.protocols.partitions import published

AUS = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)
FACTS = {
    "store": "/a/very/long/way/down/to/the/place/where/the/store/is/called/bp4d-store",
    "store_hash": "0123456789abcdef",
    "recipe_hash": "fedcba9876543210",
    "unlabelled_store": None,
    "labelled_faces": 123456,
    "unlabelled_faces": 7,
}


def made_card(selection="validation", spec="missing:12.5%:stratified", **facts):
    """A card on BP4D+ with validation, 12 AUs and a note: as long as cards get."""
    everyone = sorted({s for fold in published()["bp4d+-4fold"]["folds"] for s in fold["test"]})[1:]
    protocol = make_protocol("bp4d+-4fold", everyone)
    fold = protocol.folds[1].with_validation(protocol.folds[1].train[:20])
    subject = np.repeat(fold.train, 10)
    occurrence = np.random.default_rng(0).integers(0, 2, (len(subject), 12)).astype(np.int8)
    labels = {
        "occurrence": occurrence, "intensity": np.full(occurrence.shape, np.nan, np.float32), "subject": subject,
        "rows": np.arange(len(subject)),
    }  # fmt: skip
    clip, frame = np.repeat("T1", len(subject)), np.tile(np.arange(10), len(fold.train))
    shown = apply_budget(spec, seed=12345, clip=clip, frame=frame, **labels)
    return protocol, fold, protocol_card(protocol, fold, budget_card(shown, AUS, **labels), selection, FACTS | facts)


def test_card_holds_who_and_which_with_hashes():
    protocol, fold, card = made_card()
    assert json.loads(json.dumps(card)) == card  # a resumed run compares it with the file
    keys = {"protocol", "protocol_hash", "fold", "labels", "store", "store_hash", "recipe_hash", "unlabelled_store"}
    assert keys | {"labelled_faces", "unlabelled_faces", "selection_rule", "selection"} <= set(card)
    assert card["protocol_hash"] == protocol.hash and card["protocol"]["aus"]["occurrence"] == list(AUS)
    assert card["fold"]["train"] == list(fold.train) and card["fold"]["validation"] == list(fold.validation)
    assert card["fold"]["number"] == 2 and card["fold"]["folds"] == 4
    assert card["aus"] == list(AUS) and card["labels"]["spec"] == "missing:12.5%:stratified"
    assert card["selection"] == "validation" and "validation subjects" in card["selection_rule"]
    with pytest.raises(InputError, match="not a selection rule"):
        made_card("best")


@pytest.mark.parametrize("extra", [{}, {"unlabelled_store": "/x/y/z"}, {"store": ["/a/bp4d", "/b/disfa"]}])
def test_words_fit_and_tell(extra):
    _, fold, card = made_card(**extra)
    lines = card_text(card).splitlines()
    assert len(lines) <= 13 and max(map(len, lines)) <= 100
    text = card_text(card)
    for told in ("bp4d+-4fold, fold F2 (2 of 4)", card["protocol_hash"], card["labels"]["hash"], FACTS["store_hash"]):
        assert told in text
    assert f"{len(fold.train)} subjects: " in text and "20 subjects: " in text and "1 2 4 6 7 10" in text
    assert "123,456 with and 7 without" in text and "1 of the 140 subjects" in text and " …" in text
    assert ("bp4d + disfa" in text) == ("store" in extra) and ("/x/y/z" in text) == ("unlabelled_store" in extra)


def test_published_practice_is_marked_and_others_are_not():
    assert "selection  † epoch or threshold chosen on the test fold" in card_text(made_card("published-practice")[2])
    for rule in ("validation", "last"):
        assert "†" not in card_text(made_card(rule)[2])


def test_cards_of_earlier_runs_still_read():
    old = {
        "protocol": {"name": "kfold:3", "source": "drawn with seed 0", "hash": "h", "notes": [], "folds": []},
        "protocol_hash": "h", "fold": {"name": "1", "train": ["A"], "test": ["B", "C"]},
        "labels": {"spec": "5%", "seed": 0, "hash": "l", "frames": 5, "entries": 50, "rows": 9, "aus": 10},
        "store": "/s", "store_hash": "s", "recipe_hash": "r", "unlabelled_store": None, "labelled_faces": 5,
        "unlabelled_faces": 4, "selection_rule": "last epoch (no choice was made on any score)",
    }  # fmt: skip
    text = card_text(old)
    assert "trains     1 subject: A" in text and "validates  no subject" in text and "50 labels on 5 faces" in text
    assert "last epoch" in text and "None" not in text
