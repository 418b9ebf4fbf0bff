"""Faces restored by a masked autoencoder: whose, which patches are hidden, what is put back, errors computed anew."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from edited import edit_record
from made_stores import build_store
from sparsefacs import InputError, representation
from sparsefacs.cli import app
from sparsefacs.data.store import Store
from sparsefacs.inference.reconstruction import load_restorer
from sparsefacs.reports import reconstructions as module

SIDE, PATCH = 32, 8
SETTINGS = (
    "network.backbone=vit_tiny_patch16_224",
    f"network.options={{img_size: {SIDE}, patch_size: {PATCH}, depth: 1, embed_dim: 24}}",
    f"network.input_size={SIDE}",
    "method.decoder={width: 12, depth: 1, heads: 3}",
    "data.unlabelled_batch=8",
    "training.precision='32'",
    "training.steps=2",
)
GRID = SIDE // PATCH


def pretrained(out: Path, store: Path, *settings: str, protocol: str | None = "holdout:50%") -> Path:
    representation.pretrain("mae-face", store, out, protocol=protocol, settings=[*SETTINGS, *settings])
    return out


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return build_store(tmp_path_factory.mktemp("made") / "faces", subjects=6, frames=4)


@pytest.fixture(scope="module")
def run(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """L1 on normalised patches; three people are kept out."""
    return pretrained(tmp_path_factory.mktemp("trained") / "l1", store.path)


@pytest.fixture(scope="module")
def plain(store: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """L2 on plain pixels, from the same fold."""
    out = tmp_path_factory.mktemp("trained") / "l2"
    return pretrained(out, store.path, "method.loss=l2", "method.normalise=false")


@pytest.fixture
def copied(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "copied"))


@pytest.fixture
def grids(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, tuple[Any, ...]]]:
    """What is handed to be drawn, by file name."""
    seen: dict[str, tuple[Any, ...]] = {}
    monkeypatch.setattr(module, "draw_grid", lambda path, *parts: seen.update({path.name: parts}))
    yield seen


def predicts(run: Path, value: float) -> None:
    """Let the decoder of `run` predict `value` for every pixel."""
    weights = load_file(run / "auxiliary.safetensors")
    place = next(key for key in weights if key.endswith("decoder_pred.weight"))
    weights[place].zero_()
    weights[place.replace("weight", "bias")].fill_(value)
    save_file(weights, run / "auxiliary.safetensors")
    edit_record(run / "encoder.json", {}, "sha256")


def hidden_patches(made: np.ndarray, original: np.ndarray) -> np.ndarray:
    """Return which patches (B, N) of pictures (B, S, S, 3) are wholly grey."""
    grey = (made == 0.5).all(axis=-1).reshape(-1, GRID, PATCH, GRID, PATCH).all(axis=(2, 4))
    assert original.shape == made.shape
    return np.asarray(grey.reshape(len(made), -1))


def test_all_is_of_people_kept_out_and_the_numbers_lie_beside(
    run: Path, plain: Path, store: Store, tmp_path: Path
) -> None:
    told = representation.pictures(run, tmp_path / "out", faces=3, beside=plain)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "reconstructions.png",
        "beside.png",
        "pictures.json",
    }
    assert json.loads((tmp_path / "out" / "pictures.json").read_text()) == told
    tested = json.loads((run / "protocol.json").read_text())["fold"]["test"]
    assert {face["subject"] for face in told["faces"]} == set(tested)
    assert not told["seen_by_run"] and "not trained on" in told["written"]["reconstructions.png"]
    for face in told["faces"]:
        assert store.strings("subject")[face["row"]] == face["subject"]
    assert set(told["reconstructions"]["hidden"]) == {"50 %", "75 %", "90 %"}
    assert told["reconstructions"]["hidden"]["75 %"]["faces"] == 12
    assert told["reconstructions"]["learned"] == "L1, normalised patches"
    assert told["beside"]["learned"] == "L2, plain pixels"

    again = representation.pictures(run, tmp_path / "again", faces=3, beside=plain)
    assert again == told
    for file in (tmp_path / "out").iterdir():
        assert (tmp_path / "again" / file.name).read_bytes() == file.read_bytes()
    other = representation.pictures(run, tmp_path / "other", faces=3, seed=1)
    assert other["faces"] != told["faces"] or other["reconstructions"] != told["reconstructions"]


def test_more_is_hidden_at_higher_ratios_and_what_is_not_is_shown_as_it_is(
    run: Path, store: Store, tmp_path: Path, grids: dict[str, tuple[Any, ...]]
) -> None:
    told = representation.pictures(run, tmp_path / "out", faces=2)
    rows, names, titles, notes = grids["reconstructions.png"]
    assert titles[0] == "original" and [title.partition(" %")[0] for title in titles[1::2]] == ["50", "75", "90"]
    assert names[0].split("\n")[0] == told["faces"][0]["subject"]
    tiles = np.stack(rows, axis=1)  # columns, faces
    original = tiles[0]
    for picture, face in zip(original, told["faces"], strict=True):
        assert np.array_equal((picture * 255).round().astype(np.uint8), store.image(face["row"]))
    before = np.zeros((2, GRID**2), bool)
    for place, ratio in enumerate((0.5, 0.75, 0.9)):
        masked, restored = tiles[1 + 2 * place : 3 + 2 * place]
        hidden = hidden_patches(masked, original)
        assert (hidden.sum(axis=1) == GRID**2 - int(GRID**2 * (1 - ratio))).all()
        assert (hidden >= before).all()
        before = hidden
        pixels = hidden.reshape(2, GRID, GRID).repeat(PATCH, 1).repeat(PATCH, 2)
        assert np.array_equal(masked[~pixels], original[~pixels])
        assert np.array_equal(restored[~pixels], original[~pixels])
        assert not np.allclose(restored[pixels], original[pixels], atol=0.01)
    assert not np.array_equal(*before)
    assert "mean colour and contrast are not the network's" in " ".join(notes)


def test_errors_are_those_of_hidden_pixels_over_all_people_kept_out(run: Path, store: Store, tmp_path: Path) -> None:
    figures = representation.pictures(run, tmp_path / "out")["reconstructions"]["hidden"]["75 %"]
    tested = json.loads((run / "protocol.json").read_text())["fold"]["test"]
    rows = np.flatnonzero(np.isin(store.strings("subject"), tested))
    made = load_restorer(run).reconstruct(store, rows, 0.75, 0)
    pixels, flat = [], []
    for face in range(len(rows)):
        for y in range(0, SIDE, PATCH):
            for x in range(0, SIDE, PATCH):
                part = np.s_[face, y : y + PATCH, x : x + PATCH]
                if (made.masked[part] == 0.5).all():
                    pixels += np.abs(made.restored[part] - made.original[part]).ravel().tolist()
                    flat += np.abs(made.original[part] - made.original[part].mean()).ravel().tolist()
    assert len(pixels) == 12 * 12 * PATCH * PATCH * 3
    assert figures["restored"]["value"] == pytest.approx(np.mean(pixels), rel=1e-5)
    assert figures["patch_mean"]["value"] == pytest.approx(np.mean(flat), rel=1e-3)
    difference = figures["restored"]["value"] - figures["patch_mean"]["value"]
    assert figures["restored_minus_patch_mean"]["value"] == pytest.approx(difference)
    assert figures["restored"]["low"] <= figures["restored"]["value"] <= figures["restored"]["high"]


def test_the_true_patch_gives_mean_and_deviation_where_patches_were_normalised(
    copied: Path, plain: Path, store: Store, tmp_path: Path
) -> None:
    """A decoder that says 0 shows each patch's mean; one of plain pixels that says 0 shows the encoder's mean grey."""
    rows = np.arange(3)
    predicts(copied, 0.0)
    made = load_restorer(copied).reconstruct(store, rows, 0.75, 0)
    assert made.restored == pytest.approx(made.flat, abs=1e-6)
    assert made.errors()["restored"] == pytest.approx(made.errors()["patch_mean"], abs=1e-6)
    predicts(copied, 1.0)
    brighter = load_restorer(copied).reconstruct(store, rows, 0.75, 0)
    first = next(zip(*np.nonzero(hidden_patches(made.masked, made.original)), strict=True))
    y, x = divmod(int(first[1]), GRID)
    part = np.s_[first[0], y * PATCH : (y + 1) * PATCH, x * PATCH : (x + 1) * PATCH]
    true = made.original[part]
    assert brighter.restored[part] == pytest.approx(np.full(true.shape, true.mean() + true.std(ddof=1)), abs=2e-3)

    other = Path(shutil.copytree(plain, tmp_path / "plain"))
    predicts(other, 0.0)
    restored = load_restorer(other).reconstruct(store, rows, 0.75, 0)
    mean = load_restorer(other).method.network.trunk.mean.flatten().numpy()
    assert restored.restored[restored.hidden] == pytest.approx(
        np.broadcast_to(mean, restored.restored[restored.hidden].shape), abs=1e-6
    )


def test_two_runs_hide_the_same_patches_and_are_compared_pair_by_pair(
    run: Path, plain: Path, tmp_path: Path, grids: dict[str, tuple[Any, ...]]
) -> None:
    told = representation.pictures(run, tmp_path / "out", faces=2, beside=plain)
    alone = representation.pictures(plain, tmp_path / "alone", faces=2)
    rows, _, titles, notes = grids["beside.png"]
    assert any(note.startswith("L1, normalised patches: the loss was on patches less their own mean") for note in notes)
    assert not any("are put back" in note for note in grids["reconstructions.png"][3])  # of the second run alone
    masked, first, second, original = np.stack(rows, axis=1)
    assert [title.split("\n")[0] for title in titles] == ["75 % hidden", "L1", "L2", "original"]
    pixels = (masked == 0.5).all(axis=-1)
    assert np.array_equal(first[~pixels], original[~pixels]) and np.array_equal(second[~pixels], original[~pixels])
    assert not np.allclose(first[pixels], second[pixels], atol=0.01)
    figures, hidden = told["beside"], "75 %"
    mine, theirs = (each["reconstructions"]["hidden"][hidden]["restored"]["value"] for each in (told, alone))
    assert figures["restored"]["value"] == pytest.approx(theirs)
    assert figures["first_run"]["value"] == pytest.approx(mine)
    assert figures["restored_minus_first_run"]["value"] == pytest.approx(theirs - mine)


def test_intervals_come_from_people() -> None:
    errors = {"restored": np.array([1.0, 1, 2, 2, 3, 3]), "patch_mean": np.array([2.0, 2, 3, 3, 4, 4])}
    figures = module.error_figures(errors, np.array(list("aabbcc")))
    assert (figures["faces"], figures["subjects"]) == (6, 3)
    assert figures["restored"] == {"value": pytest.approx(2), "low": pytest.approx(1), "high": pytest.approx(3)}
    gain = figures["restored_minus_patch_mean"]
    assert gain == {name: pytest.approx(-1) for name in ("value", "low", "high")}


def test_a_run_without_a_fold_says_that_its_faces_were_seen_and_takes_other_people(
    store: Store, run: Path, tmp_path: Path, grids: dict[str, tuple[Any, ...]]
) -> None:
    everyone = pretrained(tmp_path / "all", store.path, protocol=None)
    for name, given in (("own", None), ("named", store.path)):
        told = representation.pictures(everyone, tmp_path / name, given, faces=2)
        assert told["seen_by_run"] and "WAS trained on" in told["written"]["reconstructions.png"]
        assert "WAS trained on" in " ".join(grids["reconstructions.png"][3])
    others = build_store(tmp_path / "others", subjects=2, frames=2, prefix="t", seed=3)
    told = representation.pictures(everyone, tmp_path / "unseen", others.path, faces=2)
    assert not told["seen_by_run"]
    assert {face["subject"] for face in told["faces"]} == {"t00", "t01"}
    same_people = build_store(tmp_path / "again", subjects=6, frames=2, seed=3)
    with pytest.raises(InputError, match="every subject of it was trained on"):
        representation.pictures(everyone, tmp_path / "none", same_people.path)
    with pytest.raises(InputError, match="has seen everybody whom the other run has not"):
        representation.pictures(run, tmp_path / "none", beside=everyone)


def test_the_command_draws_and_tells_the_error(run: Path, tmp_path: Path) -> None:
    told = CliRunner().invoke(app, ["pictures", str(run), str(tmp_path / "out"), "--faces", "2"])
    assert told.exit_code == 0
    (line,) = told.stdout.splitlines()
    assert "reconstructions.png: 2 faces of people not trained on" in line
    assert "of each patch's mean" in line and "12 faces of 3 people" in line


def test_what_cannot_be_drawn_is_said(
    run: Path, copied: Path, store: Store, tmp_path: Path, tiny_settings: tuple[str, ...]
) -> None:
    wide = build_store(tmp_path / "wide", size=48, prefix="t")
    with pytest.raises(InputError, match=r"cut differently.*--size 32"):
        representation.pictures(run, tmp_path / "out", wide.path)
    coarse = f"network.options={{img_size: {SIDE}, patch_size: 16, depth: 1, embed_dim: 24}}"
    with pytest.raises(InputError, match="same faces, input size and patch size"):
        representation.pictures(run, tmp_path / "out", beside=pretrained(tmp_path / "coarse", store.path, coarse))
    small = ["network.options={channels: [8, 8, 16, 16]}", "training.steps=1", "method.level=2", "method.hidden=8"]
    representation.pretrain("simclr", store.path, tmp_path / "other", settings=[*tiny_settings, *small])
    with pytest.raises(InputError, match=r"is a run of pretrain/simclr, which restores no faces"):
        representation.pictures(tmp_path / "other", tmp_path / "out")

    edit_record(copied / "encoder.json", {}, "sha256")
    weights = load_file(copied / "auxiliary.safetensors")
    cut = {key: value for key, value in weights.items() if not key.endswith("mask_token")}
    save_file(cut, copied / "auxiliary.safetensors")
    with pytest.raises(InputError, match=r"auxiliary\.safetensors.*does not fit"):
        representation.pictures(copied, tmp_path / "out")
    (copied / "auxiliary.safetensors").unlink()
    with pytest.raises(InputError, match="the decoder is missing"):
        representation.pictures(copied, tmp_path / "out")
    save_file(weights, copied / "auxiliary.safetensors")
    encoder = load_file(copied / "encoder.safetensors")
    save_file({key: torch.zeros(3) for key in encoder}, copied / "encoder.safetensors")
    with pytest.raises(InputError, match=r"encoder\.safetensors.*does not fit"):
        representation.pictures(copied, tmp_path / "out")
    (tmp_path / "folds" / "fold-1").mkdir(parents=True)
    shutil.copy(run / "encoder.json", tmp_path / "folds" / "fold-1")
    with pytest.raises(InputError, match="holds several folds"):
        representation.pictures(tmp_path / "folds", tmp_path / "out")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("kept")
    with pytest.raises(InputError, match="already exists"):
        representation.pictures(run, tmp_path / "full")
    assert not (tmp_path / "out").exists()
