"""What is coded counts at once: for `train`, `prepare` and `agreement`."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from made_stores import evident_store
from sparsefacs import api, observation
from sparsefacs.data.adapters.label_tables import read_label_table
from sparsefacs.data.adapters.plan import Request
from sparsefacs.data.adapters.table import plan_table
from sparsefacs.data.answer_rows import face_keys
from sparsefacs.data.answered import with_answers
from sparsefacs.data.answers import Answer, FaceKey
from sparsefacs.data.joined import open_stores
from sparsefacs.data.store import Store
from sparsefacs.errors import InputError
from sparsefacs.labelling.answer_file import AnswerFile

AUS = (1, 4, 12)


@pytest.fixture(scope="module")
def seen(tmp_path_factory) -> Store:
    """A store of eight people, whose labels an answer may repeat."""
    return evident_store(tmp_path_factory.mktemp("seen") / "store")


def coded(path: Path, store: Store, rows, *, coder="anna", test=(), change=lambda told: told) -> Path:
    """Answer these rows as the store's own labels have it; test: the people kept for the test."""
    file, keys, truth = AnswerFile(path, AUS), face_keys(store), store.occurrence(AUS)
    for row in rows:
        told = change(dict(zip(AUS, truth[row].tolist(), strict=True)))
        file.add(Answer(keys[row], coder, "coded", told, test=keys[row].subject in test))
    file.close()
    return path


def test_answers_take_the_place_of_a_stores_labels(seen, tmp_path, capsys):
    path = coded(tmp_path / "a.csv", seen, [0, 5], change=lambda told: {1: 1 - told[1], 12: told[12]})
    file = AnswerFile(path)
    file.add(Answer(FaceKey("elsewhere.mp4", "s", "c", 0, 0), "anna", "coded", {1: 1}))
    file.close()
    given = with_answers(seen, path)
    truth, found = seen.occurrence(), given.occurrence()
    assert (found[[0, 5], 0] == 1 - truth[[0, 5], 0]).all()
    assert (found[:, 1] == -1).all()
    assert (found[[0, 5], 2] == truth[[0, 5], 2]).all()
    assert (np.delete(found, [0, 5], axis=0) == -1).all()
    assert np.isnan(given.intensity()).all()
    assert "1 of its 3 coded faces" in capsys.readouterr().err
    assert seen.intensity().max() > 0  # the store itself is as it was
    joined = with_answers(open_stores([seen.path, evident_store(tmp_path / "other", subjects=2).path]), path)
    assert (joined.occurrence() >= 0).any(axis=1).sum() == 2 + 2  # alike people of the other store are alike faces


def test_label_then_train_then_score_on_the_people_kept_for_the_test(seen, tmp_path, capsys):
    rows = [row for row in range(len(seen)) if row % 2]
    path = coded(tmp_path / "a.csv", seen, rows, test=("s01", "s06"))
    metrics = api.train("instant", seen.path, tmp_path / "run", recipe="evidence", labels_from=path)
    plan = json.loads((tmp_path / "run" / "protocol.json").read_text())
    assert (plan["protocol"]["name"], plan["fold"]["test"]) == ("kept", ["s01", "s06"])
    assert metrics["pooled"]["mean"]["auc"]["value"] > 0.9
    predictions = pd.read_parquet(tmp_path / "run" / "predictions.parquet")
    assert (predictions["AU12_true"] >= 0).sum() == 16  # of the 32 faces of these two, every other is coded
    capsys.readouterr()
    coded(path, seen, [0, 2, 4])  # coding goes on; the run keeps what it learned from
    assert (tmp_path / "run" / "answers.csv").read_bytes() != path.read_bytes()
    assert api.evaluate(tmp_path / "run")["pooled"] == metrics["pooled"]


def test_everyone_may_be_trained_on_where_nobody_is_left_to_test(seen, tmp_path, capsys):
    path = coded(tmp_path / "a.csv", seen, range(0, 16, 2))
    told = api.train("instant", seen.path, tmp_path / "run", recipe="evidence", labels_from=path, protocol="everyone")
    assert told == {}
    assert "not scored" in capsys.readouterr().err
    assert api.load(tmp_path / "run").aus == AUS


def test_labels_of_people_kept_for_the_test_reach_nothing_that_is_learned(seen, tmp_path):
    files = [coded(tmp_path / name, seen, range(0, 128, 4), test=("s01",)) for name in ("as.csv", "flipped.csv")]
    kept = [row for row in range(0, 128, 4) if seen.strings("subject")[row] == "s01"]
    assert kept
    coded(files[1], seen, kept, test=("s01",), change=lambda told: {au: 1 - on for au, on in told.items()})
    weights = []
    for number, path in enumerate(files):
        api.train("instant", seen.path, tmp_path / f"run{number}", recipe="evidence", labels_from=path)
        weights.append((tmp_path / f"run{number}" / "model.safetensors").read_bytes())
    assert weights[0] == weights[1]


@pytest.mark.parametrize(
    ("content", "message"),
    [("path,subject,frame,AU12\na.mp4,s,1,1\n", "no file of answers"), (None, "cannot be read")],
)
def test_other_tables_are_no_answers(seen, tmp_path, content, message):
    if content:
        (tmp_path / "a.csv").write_text(content)
    with pytest.raises(InputError, match=message):
        with_answers(seen, tmp_path / "a.csv")


def test_answers_about_other_faces_are_told(seen, tmp_path):
    file = AnswerFile(tmp_path / "a.csv", AUS)
    with pytest.raises(InputError, match="holds no coded face"):
        with_answers(seen, tmp_path / "a.csv")
    file.add(Answer(FaceKey("elsewhere.mp4", "s", "c", 0, 0), "anna", "coded", {1: 1}))
    file.close()
    with pytest.raises(InputError, match="none of its 1 coded faces is in the store"):
        with_answers(seen, tmp_path / "a.csv")


def answered(path: Path, *rows) -> Path:
    """Write answers of (coder, frame, AU1, AU12) on one video."""
    file = AnswerFile(path, (1, 12))
    for coder, frame, *told in rows:
        occurrence = {au: on for au, on in zip((1, 12), told, strict=True) if on is not None}
        file.add(Answer(FaceKey("S1/clip.mp4", "S1", "clip", frame, 1), coder, "coded", occurrence, time_s=frame / 25))
    file.close()
    return path


def test_prepare_takes_them_as_a_table_of_labels(tmp_path):
    path = answered(tmp_path / "a.csv", ("anna", 3, 0, 1), ("ben", 3, 1, 1), ("anna", 8, None, 1), ("anna", 3, 1, 0))
    file = AnswerFile(path)
    file.add(Answer(FaceKey("S1/clip.mp4", "S1", "clip", 9, 1), "anna", "skipped"))
    file.close()
    table = read_label_table(path)
    assert (table.kind, table.occurrence.tolist()) == ("answers", [[1, 0], [-1, 1]])
    assert "coders anna, ben" in table.notes[0]
    (tmp_path / "media" / "S1").mkdir(parents=True)
    (tmp_path / "media" / "S1" / "clip.mp4").write_bytes(b"x")
    plan = plan_table(Request(tmp_path / "media", path))
    (item,) = plan.items
    assert (item.subject, item.clip, sorted(item.by_frame)) == ("S1", "clip", [3, 8])
    assert item.by_frame[3][0].face == 1
    assert not any("counting from 0" in note for note in plan.notes)


def test_two_coders_of_one_file_are_compared(tmp_path):
    rows = [(coder, frame, frame % 2, int(frame < 5)) for coder in ("anna", "ben") for frame in range(10)]
    path = answered(tmp_path / "a.csv", *rows, ("ben", 9, 0, 0), ("anna", 20, 1, 1))
    told = observation.agreement(path, path, coder="anna", coder_b="ben")
    assert (told.common, told.only_a, told.only_b) == (10, 1, 0)
    assert told.figures[12]["kappa"].value == 1.0
    assert told.figures[1]["kappa"].value == pytest.approx(0.8)
    with pytest.raises(InputError, match="has no answer of carl"):
        observation.agreement(path, path, coder="anna", coder_b="carl")


def test_moments_kept_of_people_who_are_learned_from_are_not_learned_from(tmp_path, capsys):
    alone = evident_store(tmp_path / "store", subjects=1, frames=32)
    path = coded(tmp_path / "a.csv", alone, range(0, 16))
    without = api.train("instant", alone.path, tmp_path / "without", recipe="evidence", labels_from=path)
    file, flipped = AnswerFile(path), 1 - alone.occurrence(AUS)
    for row in range(16, 20):
        told = dict(zip(AUS, flipped[row].tolist(), strict=True))
        file.add(Answer(face_keys(alone)[row], "anna", "coded", told, test=True))
    file.close()
    capsys.readouterr()
    assert api.train("instant", alone.path, tmp_path / "kept", recipe="evidence", labels_from=path) == without == {}
    err = capsys.readouterr().err
    assert "4 coded faces are kept for the test" in err
    assert "nobody is left to test on" in err
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("without", "kept")]
    assert weights[0] == weights[1]
