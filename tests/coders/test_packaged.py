"""The packaged coder: what it is, that it is whole and free, and that it codes without a run."""

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from sparsefacs import InputError, api, cli, coders, demo
from sparsefacs.coders import make
from sparsefacs.data.store import Store
from sparsefacs.engine.config import resolve
from sparsefacs.engine.lineage import is_free, lineage
from sparsefacs.inference.model import load_coder

CARD = api.coder_card()
AUS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 24, 25, 26, 43, 45)


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from PIL import Image
    from skimage import data

    path = tmp_path_factory.mktemp("photo") / "astronaut.png"
    Image.fromarray(data.astronaut()).save(path)
    return path


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[..., SimpleNamespace]:
    """Return a function that gives the command line words, in this process."""

    def call(*words: str) -> SimpleNamespace:
        monkeypatch.setattr(sys, "argv", ["sparsefacs", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        out, err = capsys.readouterr()
        return SimpleNamespace(returncode=int(ended.value.code or 0), stdout=out, stderr=err)

    return call


def test_it_is_small_free_and_says_what_it_rests_on() -> None:
    assert CARD["bytes"] <= 10_000_000 and CARD["licence"] == "MIT" and CARD["free"] is True
    assert tuple(CARD["aus"]) == AUS
    assert {entry["what"] for entry in CARD["lineage"]} == {"data", "landmarks"}
    assert all(entry["free"] for entry in CARD["lineage"]) and len(CARD["lineage"]) >= 4
    assert CARD["made_by"] == ["sparsefacs make-coder OUT"] and len(CARD["cannot"]) >= 4


def test_its_people_are_in_no_benchmark_and_no_demo() -> None:
    items = Path(api.__file__).parent / "experiments" / "items" / "benchmark.yaml"
    content = yaml.safe_load(items.read_text(encoding="utf-8"))
    others = {faces["seed"] for part in ("faces", "shifted") for faces in content[part].values()}
    others |= {content["further"]["seed"], demo.SYNTH["seed"], 0}
    assert not others & {faces["seed"] for faces in make.plan()["stores"].values()}


def test_it_is_listed_and_its_card_can_be_read(command: Callable[..., SimpleNamespace]) -> None:
    listed = command("coders")
    assert listed.returncode == 0 and CARD["name"] in listed.stdout and "free for any use" in listed.stdout
    card = command("coders", CARD["name"]).stdout
    assert "What it cannot do" in card and "Rests on" in card
    assert json.loads(command("coders", "coder", "--json").stdout) == CARD
    refused = command("coders", "nobody")
    assert refused.returncode == 2 and "no coder is called 'nobody'" in refused.stderr


def test_a_photo_is_coded_without_a_run(command: Callable[..., SimpleNamespace], photo: Path, tmp_path: Path) -> None:
    """The astronaut smiles broadly with parted lips and raises no brow, as anyone can see."""
    done = command("predict", str(photo), "--out", str(tmp_path / "codes.csv"))
    assert done.returncode == 0, done.stderr
    row = pd.read_csv(tmp_path / "codes.csv").iloc[0]
    assert row["AU12_p"] > 0.5 and row["AU25_p"] > 0.5
    assert row["AU04_p"] < 0.5 and row["AU43_p"] < 0.5
    assert row["AU12_r"] > 1.5 and row["AU12_left_r"] > 1 and row["AU12_right_r"] > 1
    told = [name for name in row.index if name.endswith("_r")]
    assert row[told].between(0, 5).all() and len(told) == 19 + 2 * 13


def test_a_run_or_a_name_may_stand_before_the_inputs(
    photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert api.coder_and_inputs([photo]) == (Path("coder"), [photo])
    assert api.coder_and_inputs([Path(CARD["name"]), photo]) == (Path(CARD["name"]), [photo])
    run = tmp_path / "run"
    run.mkdir()
    for name in ("config.yaml", "protocol.json"):
        (run / name).write_text("{}", encoding="utf-8")
    assert api.coder_and_inputs([run, photo]) == (run, [photo])
    with pytest.raises(InputError, match="no photo or video was named"):
        api.coder_and_inputs([run])
    album = tmp_path / "album"
    album.mkdir()
    assert api.coder_and_inputs([album]) == (Path("coder"), [album])
    with pytest.raises(InputError, match="no photo or video was named"):
        api.coder_and_inputs([Path("coder")])
    monkeypatch.chdir(tmp_path)
    Path("coder").mkdir()  # of somebody's videos
    assert api.coder_and_inputs([Path("coder")]) == (Path("coder"), [Path("coder")])


def test_a_changed_file_is_found_before_it_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = coders.coder_folder()
    copy = tmp_path / folder.name
    shutil.copytree(folder, copy)
    monkeypatch.setattr(coders, "_FOLDER", tmp_path)
    assert coders.coder_folder() == copy
    coders._checked.cache_clear()
    content = bytearray((copy / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (copy / "model.safetensors").write_bytes(bytes(content))
    with pytest.raises(InputError, match=r"not what was packaged.*Install"):
        coders.coder_folder()


def test_instant_begins_from_it_by_default_and_its_network_is_the_recipes() -> None:
    config = resolve("instant")
    assert config.network.init == coders.LATEST
    described = json.loads((coders.coder_folder() / "model.json").read_text(encoding="utf-8"))
    assert config.network.model_dump(mode="json") | {"init": "none"} == described["network"]
    assert config.method["said"] == 3 * len(described["aus"])


def test_what_a_training_rests_on_is_written_down(tmp_path: Path) -> None:
    from made_stores import evident_store

    ours = evident_store(tmp_path / "ours", subjects=4)
    config = resolve("instant")
    told = lineage([ours], config)
    assert [entry["what"] for entry in told][:2] == ["data", "start"] and is_free(told) is None  # of unknown data
    ours.info.source.update({"kind": "real", "dataset": "bp4d"})
    told = lineage([ours], config)
    assert told[0]["free"] is False and "research" in told[0]["terms"] and is_free(told) is False
    assert is_free(CARD["lineage"]) is True and is_free([]) is None


TINY: dict[str, Any] = {
    "stores": {
        "wild-bp4d": {"subjects": 6, "clips": 1, "frames": 5, "seed": 7, "profile": "bp4d", "appearance": "wild"}
    },
    "every": {"size": 48, "resting": "varied", "points": "true"},
    "protocol": "holdout:34%",
}


def test_a_coder_is_made_again_by_its_command_at_a_small_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = make.plan()
    monkeypatch.setattr(make, "plan", lambda: whole | TINY)
    made = make.make_coder(tmp_path / "out", steps=2, workers=1)
    card = json.loads((made / "card.json").read_text(encoding="utf-8"))
    assert card["aus"] == whole["aus"] and card["free"] is True and card["scores"]["f1"]["value"] >= 0
    assert {"skin tone", "age", "sex"} == set(card["by_group"]) and card["reliability"]
    assert card["people"] == {"wild-bp4d": 6} and card["made_by"] == ["sparsefacs make-coder OUT --steps 2"]
    coder = load_coder(made)
    assert coder.further[0] == "AU01_r" and len(coder.further) == 19 + 2 * 13
    store = Store(tmp_path / "out" / "faces" / "wild-bp4d")
    assert store.info.source["appearance"] == "wild" and np.isfinite(store.optional_vectors("sides", 38)).all()
    with pytest.raises(InputError, match="holds another making"):
        make.make_coder(tmp_path / "out", steps=3, workers=1)
