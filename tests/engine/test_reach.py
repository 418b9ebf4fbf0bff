"""What cannot be learned or scored is said before a training starts."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from made_stores import build_store
from sparsefacs import api
from sparsefacs.engine.config import resolve
from sparsefacs.engine.reach import warnings
from sparsefacs.faces.alignment import FaceRecipe
from sparsefacs.protocols.card import card_text
from sparsefacs.training import start_notes


def test_each_side_is_counted_and_a_hopeless_au_named(tmp_path: Path) -> None:
    def never_and_always(truth: np.ndarray) -> np.ndarray:
        return np.array([truth[0], 0, 1], np.int8)

    store = build_store(tmp_path / "store", subjects=8, hide=never_and_always)
    (card,) = api.protocol(store.path, selection__rule="last")
    truth, subject = store.occurrence(), store.strings("subject")
    for side, people in (("train", card["fold"]["train"]), ("test", card["fold"]["test"])):
        mine = np.isin(subject, people)
        active = mine & (truth[:, 0] == 1)
        wanted = [mine.sum(), active.sum(), len(people), len(np.unique(subject[active]))]
        assert list(card["reach"][side]["1"].values()) == wanted
        assert card["reach"][side]["4"]["active"] == 0 == card["reach"][side]["4"]["active_people"]
    told = card["warnings"]
    assert any(each.startswith("AU4 cannot be learned: the labels to train on never show it") for each in told)
    assert "AU12 cannot be learned: the labels to train on always show it" in told
    assert any(each.startswith("AU4 cannot be scored: the labels of the people tested never") for each in told)
    assert any(each.startswith("2 people with labels to test on: too few people for an interval") for each in told)
    first = card["reach"]["train"]["1"]
    assert f"AU1: {first['active']} ({first['active_people']}) | " in card_text(card)
    assert max(map(len, card_text(card).splitlines())) <= 100


def test_hidden_labels_are_none_to_learn_from_and_no_label_is_no_fault_where_none_is_wanted(tmp_path: Path) -> None:
    store = build_store(tmp_path / "store", subjects=8)
    (few,) = api.protocol(store.path, labels="count:4", selection__rule="last")
    assert few["reach"]["train"]["1"]["labels"] == 4 < few["reach"]["test"]["1"]["labels"]
    nothing = few["reach"] | {"train": {"1": dict.fromkeys(("labels", "active", "people", "active_people"), 0)}}
    assert any("cannot be learned" in each for each in warnings(nothing))
    assert not any("cannot be learned" in each for each in warnings(nothing, learns=False))


def test_one_fold_of_many_is_shown(tmp_path: Path) -> None:
    store = build_store(tmp_path / "store")
    every = api.protocol(store.path, protocol="kfold:3")
    assert api.protocol(store.path, protocol="kfold:3", fold=2) == [every[1]]
    with pytest.raises(api.InputError, match="there is no fold 4"):
        api.protocol(store.path, protocol="kfold:3", fold="4")


def test_a_training_says_so_first(
    tmp_path: Path, tiny_settings: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    store = build_store(tmp_path / "store", hide=lambda truth: np.array([truth[0], 0, truth[2]], np.int8))
    api.train("supervised", store.path, tmp_path / "run", settings=(*tiny_settings, "training.steps=1"))
    told = capsys.readouterr().err
    assert "note: AU4 cannot be learned" in told and told.index("note: AU4") < told.index("step")


def test_it_is_said_what_a_network_leaves_behind_of_the_coder() -> None:
    cases = (("tcl", "coder", True), ("tcl", "none", False), ("fixmatch", "coder", False), ("instant", "coder", False))
    cuts: tuple[dict[str, str], ...] = ({}, {"landmarks": "delivered"})
    found, delivered = (SimpleNamespace(info=SimpleNamespace(recipe=FaceRecipe(**each).as_json())) for each in cuts)
    for method, init, said in cases:
        notes = start_notes(resolve(method, "small", (f"network.init={init}",)), found)  # type: ignore[arg-type]
        assert any("takes over all" in note for note in notes) == said, (method, init)
    notes = start_notes(resolve("fixmatch", "small", ("network.init=coder",)), delivered)  # type: ignore[arg-type]
    assert any("takes over all" in note for note in notes), "faces were cut otherwise than the coder's"
