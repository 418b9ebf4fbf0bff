"""Every data set from a delivered (fake) tree to a trained, scored run, through the command line alone."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sparsefacs.protocols.folds import make_protocol

TINY = [
    *("--set", "network.backbone=test_resnet", "--set", "network.input_size=32"),
    *("--set", "data.labelled_batch=8", "--set", "data.unlabelled_batch=8"),
    *("--set", "training.steps=4", "--set", "training.precision='32'"),
]
TWELVE = [1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24]
LABELLED = {
    # data set → protocol, label budget, task, folds, AUs scored, people in the small tree
    "bp4d": ("bp4d-3fold", "50%:stratified", "occurrence", 3, TWELVE, 6),
    "bp4d+": ("bp4d+-4fold", "one-per-clip:3", "occurrence", 4, TWELVE, 4),
    "disfa": ("disfa-3fold@me-graphau", "every:2", "intensity", 3, [1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26], 4),
    "disfa+": ("60-20-20", "count:12", "occurrence", 1, None, 4),
    "table": ("kfold:2", "missing:30%", "occurrence", 2, None, 4),
}
Command = Callable[..., tuple[str, str]]
FACES = ("emotionet", "affectnet", "casia-webface", "imdb-wiki", "celeba", "folder")


def prepared(command: Command, folder: Path, dataset: str, *, people: int = 3, clips: int = 2, frames: int = 5) -> Path:
    """Write the fake tree of `dataset` and prepare it."""
    tree, store = folder / f"{dataset}-tree", folder / f"{dataset}-store"
    size = ("--subjects", people, "--clips", clips, "--frames", frames)
    command("synth", tree, "--layout", dataset, *size, "--seed", 3)
    labels = ("--labels", tree / "labels.csv") if dataset == "table" else ()
    named = () if dataset in ("folder", "table") else ("--dataset", dataset)  # what is taken where nothing is said
    command("prepare", tree, store, *named, "--size", 64, "--workers", 1, *labels)
    return store


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the store of `table` is, to be read only: tests share it, and the first of them makes it."""
    return tmp_path_factory.mktemp("tables")


@pytest.fixture
def table(command: Command, tables: Path) -> Path:
    """A prepared store of labels from a table."""
    store = tables / "table-store"
    return store if (store / "store.json").exists() else prepared(command, tables, "table", people=4)


@pytest.mark.slow
@pytest.mark.parametrize("dataset", LABELLED)
def test_a_labelled_data_set_all_the_way(
    dataset: str, command: Command, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    protocol, labels, task, folds, aus, people = LABELLED[dataset]
    shared = dataset == "table"
    store = request.getfixturevalue("table") if shared else prepared(command, tmp_path, dataset, people=people)
    found = json.loads(command("inspect", store, "--json")[0])
    assert found["dataset"] == dataset and found["subjects"] == people and found["faces_labelled"] > 0
    assert bool(found["warnings"]) == (dataset != "table"), "a few people are not the whole data set, and it is said"
    chosen = ("--protocol", protocol, "--labels", labels, "--task", task)
    cards = json.loads(command("protocol", store, *chosen, "--json")[0])["folds"]
    assert len(cards) == folds
    out, err = command("train", "supervised", store, tmp_path / "run", *chosen, "--fold", "all", "--json", *TINY)
    metrics = json.loads(out)
    assert metrics["task"] == task and metrics["pooled"]["subjects"] >= 1
    assert aus is None or metrics["aus"] == aus
    for number, card in enumerate(cards, start=1):
        name = f"fold-{number}/protocol.json" if folds > 1 else "fold-1/protocol.json"
        kept = json.loads((tmp_path / "run" / name).read_text())
        assert {key: kept[key] for key in ("fold", "labels", "selection", "aus")} == {
            key: card[key] for key in ("fold", "labels", "selection", "aus")
        }
        sides = [set(kept["fold"].get(side, ())) for side in ("train", "validation", "test")]
        assert sum(map(len, sides)) == len(set().union(*sides))
    assert f"folds' hash {cards[0]['protocol_hash']}" in err, "the card is printed with its hashes"


@pytest.mark.slow
@pytest.mark.parametrize("dataset", FACES)
def test_a_face_collection_is_trained_on_without_labels(
    dataset: str, command: Command, table: Path, tmp_path: Path
) -> None:
    store = prepared(command, tmp_path, dataset, people=2, frames=3)
    found = json.loads(command("inspect", store, "--json")[0])
    assert found["dataset"] == dataset and found["faces"] > 0
    options = ("--unlabelled", store, "--protocol", "holdout:25%", "--labels", "50%", "--json", *TINY)
    metrics = json.loads(command("train", "adversarial", table, tmp_path / "run", *options)[0])
    assert metrics["provenance"]["unlabelled_faces"] >= found["faces"]


def test_a_fake_tree_is_known_to_be_synthetic(command: Command, table: Path, tmp_path: Path) -> None:
    assert json.loads((table / "store.json").read_text())["source"]["kind"] == "synthetic"
    run = tmp_path / "run"
    command("train", "supervised", table, run, "--protocol", "kfold:2", "--selection", "published-practice", *TINY)
    out, _ = command("evaluate", run)
    assert "†" in out
    command("report", tmp_path / "page.html", run)
    page = (tmp_path / "page.html").read_text()
    assert "Synthetic faces." in page and "† epoch or threshold chosen on the test fold" in page


def test_data_sets_are_joined_and_one_left_out(command: Command, tmp_path: Path) -> None:
    stores = [prepared(command, tmp_path, name, clips=1) for name in ("disfa", "disfa+", "bp4d")]
    also = [word for store in stores[1:] for word in ("--with", store)]
    folds = tmp_path / "folds.json"
    chosen = ("--protocol", "leave-one-data-set-out", "--labels", "50%")
    text, _ = command("protocol", stores[0], *also, *chosen, "--out", folds)
    assert "fold bp4d (1 of 3)" in text and "disfa+:SN" in text
    written = json.loads(folds.read_text())
    assert [fold["name"] for fold in written["folds"]] == ["bp4d", "disfa", "disfa+"]
    out, _ = command("train", "supervised", stores[0], tmp_path / "run", *also, *chosen, "--fold", "1", "--json", *TINY)
    assert json.loads(out)["provenance"]["fold"] == "bp4d"
    names = [name for fold in written["folds"] for side in ("train", "test") for name in fold[side]]
    again = make_protocol(folds, names)
    assert again.hash == written["hash"]
