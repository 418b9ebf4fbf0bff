"""Several stores trained on as one: who is who, and leave-one-data-set-out."""

from pathlib import Path

import numpy as np
import pytest

from made_stores import build_store
from sparsefacs import InputError, api
from sparsefacs.data.joined import JoinedStore, open_stores
from sparsefacs.data.people import people_of, person_names, same_people
from sparsefacs.data.store import Store
from sparsefacs.engine.config import resolve
from sparsefacs.engine.training_set import training_set
from sparsefacs.protocols.folds import make_protocol


def corpus(path: Path, dataset: str, people: str | None, **more: object) -> Store:
    return build_store(path, source={"dataset": dataset, "people": people}, **more)  # type: ignore[arg-type]


@pytest.fixture
def three(tmp_path: Path) -> JoinedStore:
    """DISFA's and DISFA+'s s00 … are the same people; BP4D's s00 is somebody else."""
    return JoinedStore(
        [
            corpus(tmp_path / "a", "bp4d", "bp4d", subjects=4, seed=1),
            corpus(tmp_path / "b", "disfa", "disfa", subjects=5, seed=2, aus=(1, 2, 4, 12)),
            corpus(tmp_path / "c", "disfa+", "disfa", subjects=3, seed=3, aus=(12, 4, 1)),
        ]
    )


def test_a_joined_store_reads_like_its_parts(three: JoinedStore) -> None:
    assert len(three) == (4 + 5 + 3) * 12
    assert three.aus == (1, 4, 12)
    assert set(three.strings("subject")) >= {"bp4d:s00", "disfa:s04", "disfa+:s02"}
    first, second, third = three.parts
    assert (three.occurrence()[48:108] == second.occurrence((1, 4, 12))).all()
    assert (three.occurrence((12, 1))[108:] == third.occurrence((12, 1))).all()
    two = three.occurrence((2, 12))
    assert (two[:48, 0] == -1).all() and (two[48:108, 0] >= 0).all() and (two[108:, 0] == -1).all()
    assert (three.image(50) == second.image(2)).all() and (three.image(0) == first.image(0)).all()
    with pytest.raises(InputError, match="AU24"):
        three.occurrence((24,))


def test_people_are_matched_within_their_group_and_in_doubt(three: JoinedStore, tmp_path: Path) -> None:
    assert people_of(three)["disfa+:s01"] == ("disfa", "s01")
    assert person_names(three)["disfa+:s01"] == person_names(three)["disfa:s01"] != person_names(three)["bp4d:s01"]
    own = build_store(tmp_path / "own", subjects=2)
    assert person_names(own) is None
    disfa, bp4d = three.parts[1], three.parts[0]
    assert set(disfa.strings("subject")[same_people(disfa, [("disfa", "s01"), ("bp4d", "s02")])]) == {"s01"}
    assert set(own.strings("subject")[same_people(own, [("disfa", "s01")])]) == {"s01"}  # unknown: may be the same
    assert set(bp4d.strings("subject")[same_people(bp4d, [(None, "s03")])]) == {"s03"}


def test_leave_one_data_set_out_keeps_people_apart(three: JoinedStore) -> None:
    names, person = three.strings("subject"), person_names(three)
    protocol = make_protocol("leave-one-data-set-out", names.tolist(), 0, person=person)
    assert [fold.name for fold in protocol.folds] == ["bp4d", "disfa", "disfa+"]
    for fold in protocol.folds:
        data = training_set(three, None, fold, "all", resolve("supervised", aus=three.aus))
        used = set(names[np.concatenate([data.labelled, data.unlabelled, data.selection])])
        assert {name.partition(":")[0] for name in fold.test} == {fold.name}
        assert not {person[name] for name in used} & {person[name] for name in fold.test}
        trained = {person[name] for name in names[data.labelled]}
        assert not trained & {person[name] for name in data.fold.validation}
    assert not any(name.startswith("disfa+") for name in protocol.folds[1].train)


def test_an_unlabelled_store_loses_the_people_tested_on(tmp_path: Path) -> None:
    disfa = corpus(tmp_path / "disfa", "disfa", "disfa", subjects=6)
    plus = corpus(tmp_path / "plus", "disfa+", "disfa", subjects=6, seed=2)
    bp4d = corpus(tmp_path / "bp4d", "bp4d", "bp4d", subjects=6, seed=3)
    fold = make_protocol("holdout:25%", disfa.strings("subject").tolist(), 0).folds[0]
    config = resolve("adversarial", aus=disfa.aus)
    for other, kept in ((plus, False), (bp4d, True)):
        data = training_set(disfa, other, fold, "all", config)
        extra = data.unlabelled[data.unlabelled >= len(disfa)] - len(disfa)
        names = set(other.strings("subject")[extra])
        assert bool(names & set(fold.test)) == kept
        assert bool(names & set(data.fold.validation)) == kept


def test_training_over_data_sets_and_what_may_be_evaluated(tmp_path: Path, tiny_settings: tuple[str, ...]) -> None:
    paths = [tmp_path / name for name in ("a", "b")]
    corpus(paths[0], "bp4d", "bp4d", subjects=4, seed=1)
    corpus(paths[1], "disfa", "disfa", subjects=4, seed=2)
    plus = corpus(tmp_path / "c", "disfa+", "disfa", subjects=6, seed=3)
    metrics = api.train(
        "supervised", paths, tmp_path / "run", protocol="leave-one-data-set-out", fold="all",
        settings=(*tiny_settings, "training.steps=3"),
    )  # fmt: skip
    assert set(metrics["folds"]) == {"bp4d", "disfa"}
    assert metrics["pooled"]["frames"] == 8 * 12
    assert api.evaluate(tmp_path / "run")["pooled"] == metrics["pooled"]
    on_bp4d = tmp_path / "run" / "fold-1"  # tested on BP4D, so trained on DISFA
    assert api.evaluate(on_bp4d, plus.path)["pooled"]["subjects"] == 2  # s04, s05: the others were trained on
    on_disfa = tmp_path / "run" / "fold-2"
    assert api.evaluate(on_disfa, plus.path)["pooled"]["subjects"] == 6


def test_faces_used_without_labels_cannot_be_evaluated_on(tmp_path: Path, tiny_settings: tuple[str, ...]) -> None:
    labelled = corpus(tmp_path / "a", "bp4d", "bp4d", subjects=4)
    free = corpus(tmp_path / "b", "disfa", "disfa", subjects=4, seed=2)
    api.train(
        "adversarial", labelled.path, tmp_path / "run", unlabelled=free.path,
        settings=(*tiny_settings, "training.steps=2"),
    )  # fmt: skip
    with pytest.raises(InputError, match="trained on"):
        api.evaluate(tmp_path / "run", free.path)


def test_stores_that_cannot_be_joined(tmp_path: Path) -> None:
    one = build_store(tmp_path / "one", size=32)
    build_store(tmp_path / "other", size=48)
    build_store(tmp_path / "aus", aus=(25, 26))
    for second, words in (("other", "cut differently"), ("aus", "share no AU"), ("one", "named twice")):
        with pytest.raises(InputError, match=words):
            open_stores([one.path, tmp_path / second])
    with pytest.raises(InputError, match="--with"):
        api.protocol(one.path, protocol="leave-one-data-set-out")


def test_a_partition_of_other_people_is_refused(tmp_path: Path) -> None:
    """BP4D and BP4D+ call different people by the same names."""
    plus = corpus(tmp_path / "plus", "bp4d+", "bp4d+", subjects=4, prefix="F0")
    with pytest.raises(InputError, match=r"divides the people of bp4d, and these are of bp4d\+"):
        api.protocol(plus.path, protocol="bp4d-3fold@fg-net")


def test_the_labelled_store_is_no_unlabelled_one(tmp_path: Path) -> None:
    own = build_store(tmp_path / "own")
    with pytest.raises(InputError, match="labelled store itself"):
        api.protocol(own.path, unlabelled=own.path)


def test_other_data_sets_are_scored_on_the_aus_they_have(
    tmp_path: Path, tiny_settings: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    own = corpus(tmp_path / "a", "bp4d", "bp4d", aus=(1, 4, 12))
    other = corpus(tmp_path / "b", "disfa", "disfa", aus=(12, 25, 1), seed=2)
    none = corpus(tmp_path / "c", "disfa+", "disfa", aus=(25, 26), seed=2)
    api.train("supervised", own.path, tmp_path / "run", settings=(*tiny_settings, "training.steps=2"))
    metrics = api.evaluate(tmp_path / "run", other.path)
    assert metrics["pooled"]["mean"]["auc"]["aus"] == [1, 12]
    assert metrics["pooled"]["per_au"]["4"]["f1"]["entries"] == 0
    assert "no labels of them: AUs 4" in capsys.readouterr().err
    with pytest.raises(InputError, match="no labels of the AUs that the model codes"):
        api.evaluate(tmp_path / "run", none.path)


def test_a_run_of_all_folds_says_which_can_code(tmp_path: Path, tiny_settings: tuple[str, ...]) -> None:
    own = build_store(tmp_path / "own")
    settings = (*tiny_settings, "training.steps=2")
    api.train("supervised", own.path, tmp_path / "cv", settings=settings, protocol="kfold:2", fold="all")
    with pytest.raises(InputError, match=r"holds several folds.*cv/fold-1"):
        api.load(tmp_path / "cv")
