"""What is said of codes: what coded them, from what it learned, and whose they are."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from edited import edit_record
from made_runs import write_run
from sparsefacs import api
from sparsefacs.coders import coder_names
from sparsefacs.engine.lineage import synthetic_alone
from sparsefacs.errors import InputError
from sparsefacs.inference import pipeline
from sparsefacs.inference.beside import told_beside
from sparsefacs.inference.origin import Origin, origin_of
from sparsefacs.inference.outputs import plan_outputs
from sparsefacs.inference.pipeline import predict
from sparsefacs.inference.sources import list_sources
from sparsefacs.reports.codes import read_tracks

MADE = {"what": "data", "name": "synthetic faces, bp4d, wild, seed 1", "terms": "free", "free": True}
REAL = {"what": "data", "name": "bp4d", "terms": "research", "free": False}
UNKNOWN = {"what": "start", "name": "w.safetensors", "terms": "not known", "free": None}
ORIGIN = Origin("runs/mine/fold-1", (MADE,), "abc", ("It cannot fly.",))


def test_only_what_is_known_to_be_of_synthetic_faces_alone_is_called_so() -> None:
    landmarks = {"what": "landmarks", "name": "x", "terms": "MIT", "free": True}
    assert synthetic_alone([MADE, landmarks, MADE])
    assert not any(synthetic_alone(each) for each in ([], [landmarks], [MADE, REAL], [MADE, UNKNOWN]))


def test_a_run_and_the_packaged_coder_say_what_they_rest_on(tmp_path: Path) -> None:
    packaged = origin_of("coder", api.load())
    assert (
        packaged.name == (name := coder_names()[-1])
        and packaged.caption == f"{name}: learned from synthetic faces alone"
    )
    assert packaged.cannot == tuple(api.coder_card()["cannot"])
    folder = write_run(tmp_path / "run", {"backbone": "test_resnet", "input_size": 32})
    told = origin_of(folder, api.load(folder)).as_json()
    assert told["lineage"] == [] and told["synthetic_alone"] is None and told["notes"] == []
    for lineage, alone in (([MADE], True), ([MADE, REAL], False)):
        edit_record(folder / "model.json", {"lineage": lineage})
        made = origin_of(folder, api.load(folder))
        assert made.as_json()["synthetic_alone"] is alone and bool(made.notes) is bool(made.caption) is alone


def test_a_json_beside_the_codes_says_how_they_were_made(coder: Any, clips: Path, tmp_path: Path) -> None:
    out = tmp_path / "codes.csv"
    summary = predict(coder, [clips / "photo.png", clips / "zero.jpg"], out, origin=ORIGIN, smooth=0.5)
    told = json.loads((tmp_path / "codes.json").read_text())
    assert told["coder"]["lineage"] == [MADE] and told["coder"]["cannot"] == ["It cannot fly."]
    assert (told["coder"]["name"], told["coder"]["weights_sha256"], told["coder"]["free"]) == (ORIGIN.name, "abc", True)
    assert told["settings"] == {"reference": [], "causal": False, "smoothing": "around 0.5 s", "frames": "all"}
    assert told["limits"] == {"AU01_p": 0.4, "AU12_p": 0.4, "AU25_p": 0.4} and told["codes"] == "codes.csv"
    assert [(one["input"], one["coded_rows"]) for one in told["inputs"]] == [((clips / "photo.png").as_posix(), 1)]
    assert [one["input"] for one in told["rejected"]] == [(clips / "zero.jpg").as_posix()]
    note = f"note: {ORIGIN.notes[0]}"
    assert "learned from synthetic faces alone" in note and told["notes"][-1] == note == summary.messages()[-1]
    assert read_tracks(out)[0].notes == (ORIGIN.notes[0],) and told_beside(tmp_path / "other.csv") == ()
    assert told_beside(tmp_path / "codes.parquet") == (), "the file is another table's"
    with pytest.raises(InputError, match=r"codes\.json: the file beside the codes"):
        predict(coder, [clips / "photo.png"], tmp_path / "codes.parquet")


def test_pictures_say_it_too(coder: Any, clips: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    captions: list[str] = []
    inner = pipeline.plot_codes
    monkeypatch.setattr(pipeline, "plot_codes", lambda *a, **k: (captions.append(k["caption"]), inner(*a, **k)))
    for name, origin in (("plain", Origin("x")), ("told", ORIGIN)):
        pictures = {"overlay": tmp_path / f"{name}.png", "plot": tmp_path / f"{name}.svg"}
        predict(coder, [clips / "photo.png"], tmp_path / f"{name}.csv", origin=origin, **pictures)
    assert captions == ["", "fold-1: learned from synthetic faces alone"]
    plain, told = (np.asarray(Image.open(tmp_path / f"{name}.png")).astype(int) for name in ("plain", "told"))
    rows = np.flatnonzero((plain != told).any(axis=(1, 2)))
    assert len(rows) and rows.min() > 0.9 * len(plain) and rows.max() == len(plain) - 1, "at the foot"
    sizes = [(tmp_path / f"{name}.svg").read_text().count('<g id="text_') for name in ("plain", "told")]
    assert sizes[1] == sizes[0] + 1


def test_one_and_many_have_the_same_columns_and_a_folder_is_its_person(
    coder: Any, photo: np.ndarray, tmp_path: Path
) -> None:
    from PIL import Image

    for name in ("ann", "bob"):
        (tmp_path / "in" / name).mkdir(parents=True)
        Image.fromarray(photo).save(tmp_path / "in" / name / "rest.png")
    Image.fromarray(photo).save(tmp_path / "in" / "alone.png")
    outputs = {"overlay": tmp_path / "drawn", "plot": tmp_path / "plots"}
    predict(coder, [tmp_path / "in"], tmp_path / "many.csv", **outputs)
    predict(coder, [tmp_path / "in" / "alone.png"], tmp_path / "one.csv")
    many, one = pd.read_csv(tmp_path / "many.csv"), pd.read_csv(tmp_path / "one.csv")
    assert many.columns.tolist() == one.columns.tolist()
    names = many["input"].map(lambda name: name.split("/in/")[1])
    whose = {"alone.png": "", "ann/rest.png": "ann", "bob/rest.png": "bob"}
    assert dict(zip(names, many["subject"].fillna(""), strict=True)) == whose
    drawn = sorted(
        path.relative_to(tmp_path).as_posix() for name in outputs for path in Path(outputs[name]).rglob("*.png")
    )
    assert drawn == [f"{to}/{name}.png" for to in ("drawn", "plots") for name in ("alone", "ann/rest", "bob/rest")]


def test_outputs_keep_the_folders_of_their_inputs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("s1/day/x.mp4", "s2/x.mp4", "s2/x.mov", "far/y.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path / "far")

    def planned(*given: str) -> list[str]:
        sources = list_sources([Path(name) for name in given])
        plan = plan_outputs(Path("out"), sources, lambda _: (".mp4",), option="--overlay")
        return [path.as_posix() for path in plan.values()]

    assert planned("../s1", "../s2") == ["out/s1/day/x.mp4", "out/s2/x.mp4", "out/s2/x-2.mp4"]
    assert planned("../s1/day/x.mp4", "y.mp4") == ["out/s1/day/x.mp4", "out/far/y.mp4"]
    assert planned("../s1") == ["out/day/x.mp4"] and planned("y.mp4") == ["out/y.mp4"]
