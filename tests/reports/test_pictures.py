"""Pictures of a training: whose faces, what is pasted, what grey means, and errors of flow computed anew."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from edited import edit_record
from made_stores import build_store
from sparsefacs import InputError, api, representation
from sparsefacs.cli import app
from sparsefacs.data.flow import StoredFlow
from sparsefacs.data.store import Store
from sparsefacs.faces.flow import later_rows
from sparsefacs.inference.training_parts import load_training_parts
from sparsefacs.networks.rois import roi_corners
from sparsefacs.reports import flow_errors, grids, pictures
from sparsefacs.synthetic import unpack_flow
from sparsefacs.synthetic.flow import in_earlier_alignment

SIDE, MAP, AUS = 64, 8, (1, 4, 12)
ROI = (
    "method.recogniser.relation=transformer",
    "method.recogniser.cells=2",
    "method.recogniser.heads=2",
    "method.inpainting.width=16",
)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    """Moving synthetic faces with true and TV-L1 flow."""
    path = tmp_path_factory.mktemp("made") / "faces"
    made = api.synth(path, subjects=5, clips=1, frames=8, size=SIDE, aus=AUS, seed=3, workers=1, flow=True, flow_step=3)
    api.flow(path, workers=1)
    return made


@pytest.fixture(scope="module")
def settings(tiny_settings: tuple[str, ...]) -> tuple[str, ...]:
    return (*tiny_settings, "network.options={}", f"network.input_size={SIDE}", "training.steps=3")


@pytest.fixture(scope="module")
def run(store: Store, settings: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """WSRTL, tested on two people."""
    path = tmp_path_factory.mktemp("trained") / "run"
    api.train("wsrtl", store.path, path, protocol="holdout:40%", labels="50%", settings=[*settings, *ROI])
    return path


@pytest.fixture(scope="module")
def made(run: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    out = tmp_path_factory.mktemp("drawn") / "pictures"
    return out, representation.pictures(run, out, faces=3)


@pytest.fixture
def copied(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "copied"))


@pytest.fixture
def grid(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, tuple[Any, ...]]]:
    """What is handed to be drawn, by file name."""
    seen: dict[str, tuple[Any, ...]] = {}
    monkeypatch.setattr(pictures, "draw_grid", lambda path, *parts: seen.update({path.name: parts}))
    yield seen


def people_of_the_fold(run: Path) -> set[str]:
    return set(json.loads((run / "protocol.json").read_text())["fold"]["test"])


def test_all_pictures_are_of_people_not_trained_on_and_the_numbers_lie_beside(
    made: tuple[Path, dict[str, Any]], run: Path, store: Store
) -> None:
    out, told = made
    assert {path.name for path in out.iterdir()} == {"flow.png", "inpainting.png", "queries.svg", "pictures.json"}
    assert json.loads((out / "pictures.json").read_text()) == told
    assert not told["not_written"]
    assert told["flow"]["step"] == 3
    later = later_rows(store, 3)
    assert all(later[face["row"]] >= 0 for face in told["flow"]["faces"])
    for kind in ("flow", "inpainting"):
        shown = told[kind]["faces"]
        assert {face["subject"] for face in shown} == people_of_the_fold(run)
        assert len(shown) == 3
        for face in shown:
            assert (face["subject"], face["frame"]) == (
                store.strings("subject")[face["row"]],
                store.numbers("frame")[face["row"]],
            )


def test_the_same_seed_draws_the_same_files_and_another_one_others(
    made: tuple[Path, dict[str, Any]], run: Path, tmp_path: Path
) -> None:
    out, told = made
    representation.pictures(run, tmp_path / "same", faces=3)
    for file in out.iterdir():
        assert (tmp_path / "same" / file.name).read_bytes() == file.read_bytes()
    other = representation.pictures(run, tmp_path / "other", faces=3, seed=5)
    assert other["inpainting"]["faces"] != told["inpainting"]["faces"]
    assert other["queries"] == told["queries"]


def test_endpoint_errors_equal_those_computed_cell_by_cell(
    made: tuple[Path, dict[str, Any]], run: Path, store: Store
) -> None:
    kept, matrices, later = load_training_parts(run), store.vectors("matrix").reshape(-1, 2, 3), later_rows(store, 3)
    assert kept.flow_head is not None
    found, subjects = StoredFlow(store), store.strings("subject")
    sums: dict[str, list[float]] = {"predicted": [], "zero": [], "tv_l1": []}
    faces = 0
    for row in np.flatnonzero(np.isin(subjects, list(people_of_the_fold(run))) & (later >= 0)).tolist():
        faces += 1
        image = torch.tensor(store.image(row)).permute(2, 0, 1)[None].float() / 255
        with torch.no_grad():
            predicted = kept.flow_head(kept.recogniser.maps(image))[0].numpy()
        flow, hidden = unpack_flow(store.value("flow", row))
        flow = in_earlier_alignment(flow, matrices[row], matrices[later[row]])
        cell = SIDE // MAP
        for y in range(MAP):
            for x in range(MAP):
                part = np.s_[y * cell : (y + 1) * cell, x * cell : (x + 1) * cell]
                inner = found.at(row)[2 * y : 2 * y + 2, 2 * x : 2 * x + 2].reshape(-1, 2)
                inner = inner[np.isfinite(inner).all(axis=1)]
                visible = flow[part][~hidden[part]]
                if len(inner) < 2 or len(visible) < cell * cell / 2:
                    continue
                true = visible.mean(axis=0)
                sums["predicted"].append(float(np.linalg.norm(predicted[:, y, x] - true)))
                sums["zero"].append(float(np.linalg.norm(true)))
                sums["tv_l1"].append(float(np.linalg.norm(inner.mean(axis=0) - true)))
    errors = made[1]["flow"]["endpoint_error"]
    assert (errors["against"], errors["faces"], errors["subjects"]) == ("true flow", faces, 2)
    assert errors["cells"] == len(sums["zero"]) > 0.7 * faces * MAP * MAP
    for name, each in sums.items():
        assert errors[name]["value"] == pytest.approx(np.mean(each), rel=1e-4)
        assert errors[name]["low"] is errors[name]["high"] is None, "two people make no interval"
    gain = errors["predicted"]["value"] - errors["zero"]["value"]
    assert errors["predicted_minus_zero"]["value"] == pytest.approx(gain)
    assert errors["tv_l1"]["value"] < 0.8 * errors["zero"]["value"]


def test_intervals_come_from_people_and_unknown_cells_count_for_nobody() -> None:
    """Of three people whose flow is 3, 4 and 5 px off, the mean of any resample lies between, and of one kind is it."""
    true = np.zeros((6, 2, 4, 4), np.float32)
    predicted = np.zeros_like(true)
    subjects = np.array(["a", "a", "b", "b", "c", "c"])
    predicted[:, 0] = np.array([3, 3, 4, 4, 5, 5])[:, None, None]
    true[0, 0, 0, 0] = np.nan
    flows = flow_errors.SeenFlows(np.arange(6), predicted, np.ones_like(true), true)
    errors = flow_errors.endpoint_errors(flows, subjects)
    assert errors is not None
    assert errors["cells"] == 6 * 16 - 1
    assert errors["predicted"]["value"] == pytest.approx((31 * 3 + 32 * 4 + 32 * 5) / 95)
    assert (errors["predicted"]["low"], errors["predicted"]["high"]) == (pytest.approx(3), pytest.approx(5))
    assert errors["tv_l1"] == pytest.approx({name: np.sqrt(2) for name in ("value", "low", "high")})
    assert errors["zero"] == {"value": 0, "low": 0, "high": 0}
    without = flow_errors.endpoint_errors(
        flow_errors.SeenFlows(flows.rows, predicted, np.ones_like(true), None), subjects
    )
    assert without is not None
    assert without["against"] == "TV-L1" and "tv_l1" not in without
    assert without["zero"]["value"] == pytest.approx(np.sqrt(2))
    nothing = flow_errors.SeenFlows(flows.rows, predicted, np.full_like(true, np.nan), None)
    assert flow_errors.endpoint_errors(nothing, subjects) is None


def test_flow_pictures_have_one_scale_a_face_and_grey_is_still(
    run: Path, store: Store, tmp_path: Path, grid: dict[str, tuple[Any, ...]]
) -> None:
    told = representation.pictures(run, tmp_path / "out", faces=2)
    tiles, names, titles, notes = grid["flow.png"]
    kinds = [f"{kind}\n{way}" for kind in ("TV-L1", "predicted", "true") for way in ("horizontal", "vertical")]
    assert names == ["face", *kinds]
    scales = np.array(told["flow"]["scales"])
    by_name = {name: np.where(tile == 0.93, np.nan, tile)[..., 0] for name, tile in zip(names, tiles, strict=True)}
    flows = {name: (2 * by_name[name] - 1) * scales[:, None, None] for name in kinds}
    sizes = np.abs(np.stack(list(flows.values()), axis=1)).reshape(2, -1)
    for size_C, scale in zip(sizes, scales, strict=True):
        assert np.nanmax(size_C) == pytest.approx(scale)
        assert (size_C > 0.9999 * scale).mean() == pytest.approx(0.01, abs=0.005)
    for place, face in enumerate(told["flow"]["faces"]):
        assert np.array_equal((tiles[0][place] * 255).round().astype(np.uint8), store.image(face["row"]))
        cells = StoredFlow(store).at(face["row"]).reshape(MAP, 2, MAP, 2, 2)
        whole = np.isfinite(cells).all(axis=(1, 3, 4))
        for axis, way in enumerate(("horizontal", "vertical")):
            expected = cells.mean(axis=(1, 3))[..., axis][whole]
            expected = np.clip(expected, -scales[place], scales[place])
            assert flows[f"TV-L1\n{way}"][place][whole] == pytest.approx(expected, abs=1e-4)
        assert f"±{scales[place]:.1f} px" in titles[place]
        assert face["subject"] in titles[place]
    assert "true flow" in " ".join(notes)


def test_hidden_boxes_are_white_and_what_is_pasted_comes_from_the_generator(
    copied: Path, store: Store, tmp_path: Path, grid: dict[str, tuple[Any, ...]]
) -> None:
    told = representation.pictures(copied, tmp_path / "before", faces=4)
    (hidden, original, restored), names, titles, _ = grid["inpainting.png"]
    assert names == ["hidden", "original", "restored"]
    boxes = np.zeros(original.shape[:3], bool)
    for place, face in enumerate(told["inpainting"]["faces"]):
        points = torch.from_numpy(store.face(face["row"])[1])[None]
        for x, y in roi_corners(points, (face["au"],), SIDE, 16)[0, 0].tolist():
            boxes[place, y : y + 16, x : x + 16] = True
        assert titles[place].startswith(f"AU{face['au']}\n")
        assert np.array_equal((original[place] * 255).round().astype(np.uint8), store.image(face["row"]))
    assert (hidden[boxes] == 1).all()
    assert np.array_equal(hidden[~boxes], original[~boxes])
    assert np.array_equal(restored[~boxes], original[~boxes])
    assert len({face["au"] for face in told["inpainting"]["faces"]}) > 1

    weights = load_file(copied / "auxiliary.safetensors")
    last = max(
        key for key in weights if key.startswith("generator.") and key.endswith(".bias") and len(weights[key]) == 3
    )
    weights[last.replace("bias", "weight")].zero_()
    weights[last].copy_(torch.tensor([0.0, 2.0, -2.0]))
    save_file(weights, copied / "auxiliary.safetensors")
    edit_record(copied / "model.json", {}, "sha256")
    representation.pictures(copied, tmp_path / "after", faces=4)
    (white, same, painted), *_ = grid["inpainting.png"]
    assert np.array_equal(white, hidden) and np.array_equal(same, original)
    assert painted[boxes] == pytest.approx(np.broadcast_to([0.5, 0.880797, 0.119203], (boxes.sum(), 3)), abs=1e-5)
    assert np.array_equal(painted[~boxes], original[~boxes])


def test_similarities_are_those_of_the_model_that_codes(made: tuple[Path, dict[str, Any]], copied: Path) -> None:
    out, told = made
    queries = load_file(copied / "model.safetensors")["relation.queries"].double()
    expected = torch.nn.functional.cosine_similarity(queries[:, None], queries[None], dim=-1)
    assert np.array(told["queries"]["cosine"]) == pytest.approx(expected.numpy(), abs=1e-9)
    drawn = (out / "queries.svg").read_text()
    for words in ("Inner Brow Raiser  AU1", "Brow Lowerer  AU4", "Lip Corner Puller  AU12", ">AU4<"):
        assert words in drawn
    assert f"{float(expected[0, 1]):.2f}".replace("0.", ".", 1).replace("-", "−") in drawn


def test_a_grid_shows_every_tile_in_its_place_and_small_ones_as_squares(tmp_path: Path) -> None:
    red, blue = np.array([1.0, 0, 0]), np.array([0, 0, 1.0])
    small = np.zeros((2, 2, 2, 3))
    small[1, 0, 0], small[1, 1, 1] = red, blue  # upper left, lower right
    grids.draw_grid(
        tmp_path / "grid.png", [np.ones((2, 8, 8, 3)) * 0.5, small], ["one", "two"], ["a\nb", "c"], ["note"]
    )
    with Image.open(tmp_path / "grid.png") as opened:
        drawn = np.asarray(opened.convert("RGB")).astype(int)
    for colour in (red, blue):
        y, x = np.nonzero((drawn == np.rint(255 * colour)).all(axis=-1))
        assert np.ptp(y) == pytest.approx(np.ptp(x), abs=2)
        assert np.ptp(y) > 80
    red_y, red_x = (places.mean() for places in np.nonzero((drawn == [255, 0, 0]).all(axis=-1)))
    blue_y, blue_x = (places.mean() for places in np.nonzero((drawn == [0, 0, 255]).all(axis=-1)))
    grey_y, _ = (places.mean() for places in np.nonzero((drawn == 128).all(axis=-1) | (drawn == 127).all(axis=-1)))
    assert red_y < blue_y and red_x < blue_x and grey_y < red_y


def test_the_command_tells_what_was_written_and_what_was_not(
    store: Store, settings: tuple[str, ...], run: Path, tmp_path: Path
) -> None:
    """A run of the flow task alone, on whole faces; then the same on a store without flow."""
    flow_only = [*settings, "method.auxiliary=[flow]"]
    api.train("rotation", store.path, tmp_path / "run", protocol="holdout:40%", settings=flow_only)
    told = CliRunner().invoke(app, ["pictures", str(tmp_path / "run"), str(tmp_path / "out"), "--faces", "2"])
    assert told.exit_code == 0
    lines = told.stdout.splitlines()
    assert "flow.png: flow in 2 faces" in lines[0] and "no flow" in lines[0] and "TV-L1" in lines[0]
    assert [line.partition(":")[0] for line in lines[1:]] == ["not written"] * 2
    assert "inpainting.png" in lines[1] and "queries.svg" in lines[2]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"flow.png", "pictures.json"}

    still = api.synth(tmp_path / "still", subjects=2, clips=1, frames=2, size=SIDE, aus=AUS, seed=4, workers=1)
    given = representation.pictures(run, tmp_path / "other", still.path, faces=2)
    assert set(given["written"]) == {"inpainting.png", "queries.svg"}
    assert "sparsefacs flow" in given["not_written"]["flow.png"]
    assert len(given["inpainting"]["faces"]) == 2


def test_people_of_another_store_that_were_seen_are_not_shown(run: Path, store: Store, tmp_path: Path) -> None:
    """The same people by another name of the store: only those not trained on are left."""
    again = api.synth(tmp_path / "again", subjects=5, clips=1, frames=2, size=SIDE, aus=AUS, seed=3, workers=1)
    told = representation.pictures(run, tmp_path / "out", again.path, faces=4)
    seen = {name for _, name in json.loads((run / "protocol.json").read_text())["seen"]["persons"]}
    shown = {face["subject"] for face in told["inpainting"]["faces"]}
    assert shown and not shown & seen


def test_queries_need_no_auxiliary_module_and_no_store(settings: tuple[str, ...], tmp_path: Path) -> None:
    faces = build_store(tmp_path / "faces", size=SIDE, faces=True)
    roi = [*settings, *ROI, "method.recogniser.kind=roi"]
    api.train("fixmatch", faces.path, tmp_path / "run", labels="50%", settings=roi)
    faces.path.rename(tmp_path / "moved")
    told = representation.pictures(tmp_path / "run", tmp_path / "out")
    assert set(told["written"]) == {"queries.svg"}
    assert set(told["not_written"]) == {"flow.png", "inpainting.png"}
    api.train(
        "fixmatch",
        tmp_path / "moved",
        tmp_path / "graph",
        labels="50%",
        settings=[*roi, "method.recogniser.relation=gcn"],
    )
    with pytest.raises(InputError, match=r"wsrtl.*method\.auxiliary"):
        representation.pictures(tmp_path / "graph", tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_what_cannot_be_drawn_is_said(run: Path, copied: Path, store: Store, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("kept")
    with pytest.raises(InputError, match="already exists"):
        representation.pictures(run, tmp_path / "full")
    with pytest.raises(InputError, match="does not exist"):
        representation.pictures(tmp_path / "nothing", tmp_path / "out")
    wide = api.synth(tmp_path / "wide", subjects=1, clips=1, frames=1, size=80, aus=AUS, seed=9, workers=1)
    with pytest.raises(InputError, match=r"cut differently.*--size 64"):
        representation.pictures(run, tmp_path / "out", wide.path)

    edit_record(copied / "model.json", {}, "sha256")
    weights = load_file(copied / "auxiliary.safetensors")
    save_file(
        {key: value for key, value in weights.items() if key != "flow_head.layers.0.bias"},
        copied / "auxiliary.safetensors",
    )
    with pytest.raises(InputError, match=r"auxiliary\.safetensors.*do not fit"):
        representation.pictures(copied, tmp_path / "out")
    (copied / "auxiliary.safetensors").write_bytes(b"not tensors")
    with pytest.raises(InputError, match="not a readable"):
        representation.pictures(copied, tmp_path / "out")
    save_file(weights, copied / "auxiliary.safetensors")
    plan = json.loads((copied / "protocol.json").read_text())
    edit_record(copied / "protocol.json", {"store": str(tmp_path / "gone")})
    with pytest.raises(InputError, match="is not a store folder"):
        representation.pictures(copied, tmp_path / "out")
    edit_record(copied / "protocol.json", {"store": plan["store"], "fold": plan["fold"] | {"test": []}})
    with pytest.raises(InputError, match="every subject of it was trained on"):
        representation.pictures(copied, tmp_path / "out")
    assert not (tmp_path / "out").exists()
