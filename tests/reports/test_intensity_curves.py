"""Curves of intensity: which clip is shown, whose values, and what the figures beside it say."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from made_stores import build_store
from sparsefacs import InputError, api, representation
from sparsefacs.cli import app
from sparsefacs.data.store import Store
from sparsefacs.inference.evaluation import code_store
from sparsefacs.inference.model import load_coder
from sparsefacs.reports import intensity_curves as module
from sparsefacs.reports.intensity_curves import ClipCurves, draw_curves, figures_of, intensity_curves

AUS = (1, 4, 12)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, tiny_settings: tuple[str, ...]) -> tuple[Path, Store]:
    folder = tmp_path_factory.mktemp("made")
    store = build_store(folder / "store", subjects=6)
    settings = [*tiny_settings, "training.steps=3"]
    api.train("supervised", store.path, folder / "run", protocol="holdout:50%", task="intensity", settings=settings)
    return folder / "run", store


def curves(**changes: Any) -> ClipCurves:
    place = np.arange(6.0)
    truth = np.stack([[0, 1, 2, 3, 4, 5], [0, 0, 2, 2, 0, np.nan]], axis=1)
    made = {"subject": "s1", "clip": "c1", "aus": (4, 12), "place": place, "unit": "s", "truth": truth}
    return ClipCurves(**(made | {"predicted": np.nan_to_num(truth) * 0.5} | changes))


def test_the_clip_of_a_person_not_trained_on_whose_labels_move_most_is_shown(trained: tuple[Path, Store]) -> None:
    run, store = trained
    found = intensity_curves(run)
    assert found is not None
    tested = json.loads((run / "protocol.json").read_text())["fold"]["test"]
    spread = {name: store.intensity()[store.strings("subject") == name].std(axis=0).max() for name in tested}
    assert len(tested) == 3
    assert found.subject == max(spread, key=lambda name: spread[name])
    table = pd.read_parquet(run / "predictions.parquet").query("subject == @found.subject").sort_values("frame")
    for place, au in enumerate(found.aus):
        assert np.array_equal(found.truth[:, place], table[f"AU{au:02d}_true"])
        assert np.array_equal(found.predicted[:, place], table[f"AU{au:02d}_r"].astype(float))
    assert np.array_equal(found.place, table["time"])
    assert found.unit == "s"


def test_people_of_another_store_are_coded_anew_and_those_seen_left_out(
    trained: tuple[Path, Store], tmp_path: Path
) -> None:
    run, _ = trained
    other = build_store(tmp_path / "other", subjects=3, seed=4, prefix="t")
    found = intensity_curves(run, other)
    assert found is not None and found.subject.startswith("t")
    rows = np.flatnonzero(other.strings("subject") == found.subject)
    coded = code_store(load_coder(run), other, rows)
    places = [AUS.index(au) for au in found.aus]
    assert found.predicted == pytest.approx(coded[:, places], abs=1e-5)
    seen = build_store(tmp_path / "seen", subjects=6, seed=4)
    names = {person for _, person in json.loads((run / "protocol.json").read_text())["seen"]["persons"]}
    again = intensity_curves(run, seen)
    assert again is not None and again.subject not in names


def test_a_clip_of_few_labelled_frames_comes_last_and_one_without_movement_never() -> None:
    subjects = np.repeat(["a", "b", "c"], [12, 2, 12])
    clips = np.full(26, "c1")
    truth = np.zeros((26, 1))
    truth[12:14, 0] = 0, 5
    truth[20:, 0] = 2
    assert module._liveliest(subjects, clips, truth).tolist() == list(range(14, 26))
    truth[14:] = 3
    assert module._liveliest(subjects, clips, truth).tolist() == [12, 13]
    truth[12:14] = np.nan
    assert module._liveliest(subjects, clips, truth) is None


def test_at_most_four_aus_are_shown_those_that_move_most_in_the_order_of_their_numbers() -> None:
    aus = (1, 2, 4, 6, 12, 25)
    columns: dict[str, Any] = {"subject": "s", "clip": "c", "frame": np.arange(12)[::-1], "time": np.nan}
    for au, top in zip(aus, (1, 5, 0, 4, 3, 2), strict=True):
        columns[f"AU{au:02d}_true"] = np.arange(12) % 2 * float(top)
        columns[f"AU{au:02d}_r"] = np.arange(12) / 12
    found = module._of(pd.DataFrame(columns), aus)
    assert found.aus == (2, 6, 12, 25)
    assert found.unit == "frame"
    assert found.place.tolist() == list(range(12))
    assert (np.diff(found.predicted, axis=0) < 0).all()  # in order of frames, from last row to first


def test_figures_count_labelled_frames_alone() -> None:
    found = figures_of(curves())
    assert found["frames"] == 6
    assert found["per_au"]["4"]["mae"] == pytest.approx(1.25)
    assert found["per_au"]["12"]["mae"] == pytest.approx(0.4)  # 2 of 5 frames off by 1
    true, coded = np.arange(6.0), np.arange(6.0) * 0.5
    shared = 2 * np.cov(true, coded)[0, 1] / (true.var(ddof=1) + coded.var(ddof=1))
    assert found["per_au"]["4"]["icc"] == pytest.approx(shared)
    flat = figures_of(curves(truth=np.ones((6, 2)), predicted=np.ones((6, 2))))
    assert flat["per_au"]["4"] == {"icc": None, "mse": 0, "mae": 0}


def test_the_drawing_names_aus_and_the_person_and_breaks_where_frames_are_missing() -> None:
    drawn = draw_curves(curves())
    for words in ("AU4 Brow Lowerer: ICC", "MAE 1.25", "AU12 Lip Corner Puller", "s1, c1, not trained on", "time (s)"):
        assert words in drawn
    assert drawn == draw_curves(curves())
    assert "time (s)" not in draw_curves(curves(unit="frame"))
    place, value = module._broken(np.array([0.0, 1, 2, 7, 8]), np.arange(5.0))
    assert place.tolist() == [0, 1, 2, 2, 7, 8]
    assert np.array_equal(value, [0, 1, 2, np.nan, 3, 4], equal_nan=True)
    assert module._broken(np.array([3.0]), np.array([1.0]))[1].tolist() == [1.0]


def test_the_command_draws_curves_of_a_run_of_intensity(trained: tuple[Path, Store], tmp_path: Path) -> None:
    run, _ = trained
    told = CliRunner().invoke(app, ["pictures", str(run), str(tmp_path / "out")])
    assert told.exit_code == 0
    first = told.stdout.splitlines()[0]
    assert "intensity.svg" in first and "beside its labels" in first
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"intensity.svg", "pictures.json"}
    kept = json.loads((tmp_path / "out" / "pictures.json").read_text())
    assert set(kept["not_written"]) == {"flow.png", "inpainting.png", "queries.svg"}
    found = intensity_curves(run)
    assert found is not None and kept["intensity"] == figures_of(found)
    assert (tmp_path / "out" / "intensity.svg").read_text() == draw_curves(found)


def test_runs_of_several_folds_are_shown_from_their_predictions_together(
    tmp_path: Path, tiny_settings: tuple[str, ...]
) -> None:
    store = build_store(tmp_path / "store", subjects=4, frames=6)
    settings = [*tiny_settings, "training.steps=1"]
    folds: dict[str, Any] = {"protocol": "kfold:2", "fold": "all", "task": "intensity", "settings": settings}
    api.train("supervised", store.path, tmp_path / "run", **folds)
    told = representation.pictures(tmp_path / "run", tmp_path / "out")
    assert set(told["written"]) == {"intensity.svg"} and not told["not_written"]
    with pytest.raises(InputError, match="holds several folds"):
        representation.pictures(tmp_path / "run", tmp_path / "other", store.path)


def test_a_run_that_was_not_scored_and_labels_that_do_not_vary_are_said(
    trained: tuple[Path, Store], tmp_path: Path
) -> None:
    run, _ = trained
    with pytest.raises(InputError, match="Leave --beside out"):
        representation.pictures(run, tmp_path / "out", beside=run)
    file = run / "predictions.parquet"
    content = file.read_bytes()
    try:
        table = pd.read_parquet(file)
        for au in AUS:
            table[f"AU{au:02d}_true"] = np.float32("nan")
        table.to_parquet(file)
        told = representation.pictures(run, tmp_path / "still")
        assert "no intensity labels that vary" in told["not_written"]["intensity.svg"]
        file.write_bytes(b"nothing")
        with pytest.raises(InputError, match="the table of predictions cannot be read"):
            representation.pictures(run, tmp_path / "out")
        file.unlink()
        with pytest.raises(InputError, match="the table of predictions is missing"):
            representation.pictures(run, tmp_path / "out")
    finally:
        file.write_bytes(content)
    assert not (tmp_path / "out").exists()
