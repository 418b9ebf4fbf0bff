"""Scores of faces cut out badly: how faces are moved, what is written, and that a moved face is coded worse."""

from pathlib import Path

import numpy as np
import pytest

from made_stores import build_store
from sparsefacs import InputError, api
from sparsefacs.files import read_json
from sparsefacs.reports.alignment import ERRORS, alignment_text, misaligned


def dots(*places: tuple[int, int], size: int = 101) -> np.ndarray:
    image = np.zeros((size, size, 3), np.uint8)
    for x, y in places:
        image[y - 1 : y + 2, x - 1 : x + 2] = 255
    return image


def centre(image: np.ndarray) -> np.ndarray:
    y, x = np.nonzero(image[..., 0] > 100)
    return np.array([x.mean(), y.mean()])


def test_faces_are_shifted_turned_and_scaled_about_their_middle_in_both_directions() -> None:
    middle, ways, turns, sizes = np.array([50.0, 50.0]), [], [], []
    for seed in range(12):
        shifted = centre(misaligned(dots((50, 50)), "shift", 8, np.random.default_rng(seed))) - middle
        assert np.hypot(*shifted) == pytest.approx(8 * 1.01, abs=0.6)
        ways.append(np.arctan2(*shifted))
        turned = centre(misaligned(dots((80, 50)), "turn", 20, np.random.default_rng(seed))) - middle
        assert np.hypot(*turned) == pytest.approx(30, abs=0.6)
        turns.append(np.rad2deg(np.arctan2(turned[1], turned[0])))
        scaled = centre(misaligned(dots((80, 50)), "scale", 10, np.random.default_rng(seed))) - middle
        assert scaled[1] == pytest.approx(0, abs=0.3)
        sizes.append(scaled[0])
    assert np.std(ways) > 1
    assert {round(turn / 10) for turn in turns} == {-2, 2}
    assert {round(size) for size in sizes} == {27, 33}
    same = [misaligned(dots((30, 40)), "shift", 4, np.random.default_rng(3)) for _ in range(2)]
    assert (same[0] == same[1]).all()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that finds AUs by the place of a bright cell, trained on faces that lie where they should."""
    folder = tmp_path_factory.mktemp("alignment")
    store = build_store(folder / "store", subjects=8, aus=(1, 2, 4, 6, 12, 15))
    still = "data.augmentation={flip: 0, shift: 0, rotation: 0, scale: 0}"
    settings = ("network.backbone=test_resnet", "network.options={}", "network.input_size=32", "data.labelled_batch=16")
    api.train(
        "supervised", store.path, folder / "run",
        settings=(*settings, still, "data.workers=1", "training.precision='32'", "training.steps=60"),
    )  # fmt: skip
    return folder / "run"


def test_the_report_tells_what_misalignment_costs(run: Path, tmp_path: Path) -> None:
    metrics = api.evaluate(run, misalign=tmp_path / "out")
    told = read_json(tmp_path / "out" / "alignment.json", what="it", remedy="")
    assert metrics["alignment"]["kinds"].keys() == told["kinds"].keys() == ERRORS.keys()
    assert told["metric"] == "f1" and told["subjects"] == 2 and told["faces"] == metrics["pooled"]["frames"]
    for kind, (unit, errors) in ERRORS.items():
        found = told["kinds"][kind]
        assert found["unit"] == unit and [one["error"] for one in found["scores"]] == [0, *errors]
        well_cut = found["scores"][0]
        mean = metrics["pooled"]["mean"]["f1"]
        assert [well_cut[key] for key in ("value", "low", "high")] == [mean[key] for key in ("value", "low", "high")]
        assert well_cut["change"] == {"value": 0, "low": None, "high": None}, "two people make no interval"
        for one in found["scores"][1:]:
            assert one["change"]["value"] == pytest.approx(one["value"] - mean["value"], abs=1e-9)
    assert told["kinds"]["turn"]["scores"][-1]["change"]["value"] < -0.02
    drawn = (tmp_path / "out" / "alignment.svg").read_text()
    assert drawn.startswith("<svg") and all(f"{kind}, " in drawn for kind in ERRORS) and "mean F1" in drawn
    lines = alignment_text(told).splitlines()
    assert len(lines) == 1 + 1 + 9 and lines[1].startswith("none") and lines[-1].startswith("scale 20 %")


def test_it_is_the_same_every_time_and_overwrites_nothing(run: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        api.evaluate(run, misalign=tmp_path / name)
    for file in ("alignment.json", "alignment.svg"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()
    with pytest.raises(InputError, match="already exists"):
        api.evaluate(run, misalign=tmp_path / "a")


def test_another_store_and_runs_that_hold_folds(run: Path, tmp_path: Path) -> None:
    other = build_store(tmp_path / "other", prefix="o", aus=(1, 2, 4, 6, 12, 15))
    told = api.evaluate(run, other.path, misalign=tmp_path / "on-other")["alignment"]
    assert told["store"] == str(other.path) and told["subjects"] == 6
    (tmp_path / "cv" / "fold-1").mkdir(parents=True)
    (tmp_path / "cv" / "fold-1" / "model.json").write_text("{}")
    with pytest.raises(InputError, match="holds several folds"):
        api.evaluate(tmp_path / "cv", misalign=tmp_path / "x")
