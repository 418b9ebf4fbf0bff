"""A small generator of fake run folders and stores, with the files and keys a real run leaves."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from sparsefacs.files import write_json
from sparsefacs.metrics import au_distributions, score

AUS = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)
RATES = np.array([0.21, 0.17, 0.2, 0.46, 0.55, 0.6, 0.56, 0.47, 0.17, 0.34, 0.17, 0.15])


def fake_truth(rows=240, subjects=6, aus=AUS, seed=0):
    """Return (subject names (M,), occurrence (M, A) with some entries −1)."""
    rng = np.random.default_rng(seed)
    names = np.array([f"S{i * subjects // rows:02d}" for i in range(rows)])
    latent = rng.normal(size=(rows, 1)) + rng.normal(size=(rows, len(aus)))
    cut = np.quantile(latent, 1 - np.resize(RATES, len(aus)), axis=0).diagonal()
    truth = (latent > cut).astype(np.int8)
    truth[rng.random(truth.shape) < 0.03] = -1
    return names, truth


def fake_store(path: Path, rows=240, subjects=6, aus=AUS, kind="synthetic", size=64) -> Path:
    from io import BytesIO

    from PIL import Image

    from sparsefacs.data.store import FaceRow, StoreInfo
    from sparsefacs.data.store_writer import StoreWriter
    from sparsefacs.faces.alignment import FaceRecipe

    rng = np.random.default_rng(3)
    names, truth = fake_truth(rows, subjects, aus)
    info = StoreInfo(aus=aus, recipe=FaceRecipe(size=size).as_json(), source={"kind": kind})
    writer = StoreWriter(path, info, {"fake": 1})

    def faces():
        for row in range(rows):
            yy, xx = np.mgrid[:size, :size] / size - 0.5
            skin = rng.integers(120, 230)
            face = np.where((xx**2 / 0.12 + yy**2 / 0.2) < 1, skin, 40)[..., None] * np.array([1, 0.85, 0.75])
            buffer = BytesIO()
            Image.fromarray(face.astype(np.uint8)).save(buffer, format="JPEG")
            yield FaceRow(
                image=buffer.getvalue(),
                subject=str(names[row]),
                clip="T1",
                frame=row,
                time=row / 25,
                face=0,
                landmarks=np.zeros((68, 2), np.float32),
                matrix=np.zeros((2, 3), np.float32),
                occurrence=truth[row],
                intensity=np.where(truth[row] < 0, np.nan, truth[row] * 2.0).astype(np.float32),
                score=0.9,
                source="fake",
            )

    writer.write_part(0, faces(), [])
    writer.finish(1)
    return path


def fake_run(
    path: Path,
    *,
    method="adversarial",
    task="occurrence",
    noise=0.8,
    store: Path | None = None,
    rows=240,
    subjects=6,
    aus=AUS,
    seed=1,
    folds=("fold 1", "fold 2", "fold 3"),
    provenance=None,
    name_subject=lambda name: name,
) -> Path:
    """Write a run folder whose predictions are its labels behind `noise`."""
    rng = np.random.default_rng(seed)
    names, truth = fake_truth(rows, subjects, aus)
    names = np.array([name_subject(name) for name in names])
    path.mkdir(parents=True)
    occurrence = task == "occurrence"
    clean = np.where(truth < 0, 0.5, truth) * (2 if occurrence else 3)
    said = clean - (1 if occurrence else 0) + rng.normal(scale=noise, size=truth.shape)
    predicted = (1 / (1 + np.exp(-2 * said))) if occurrence else np.clip(said, 0, 5)
    columns = {
        "row": np.arange(rows),
        "subject": names,
        "clip": "T1",
        "frame": np.arange(rows),
        "time": np.arange(rows) / 25,
        "fold": [folds[i * len(folds) // rows] for i in range(rows)],
    }
    for i, au in enumerate(aus):
        columns[f"AU{au:02d}_{'p' if occurrence else 'r'}"] = predicted[:, i].astype(np.float32)
        columns[f"AU{au:02d}_true"] = (
            truth[:, i] if occurrence else np.where(truth[:, i] < 0, np.nan, 3.0 * truth[:, i])
        )
    pd.DataFrame(columns).to_parquet(path / "predictions.parquet")
    shown = truth if occurrence else np.where(truth < 0, np.nan, 3.0 * truth)
    folds_M = np.array(columns["fold"])
    metrics = {
        "format": 1,
        "method": method,
        **score(task, aus, shown, predicted, names, folds_M, resamples=100),
        "provenance": {
            "store": None if store is None else str(store),
            "store_hash": "5f2c0e6b9a7d4c31",
            "recipe_hash": "0aa1b2c3d4e5f607",
            "protocol": {"name": "kfold:3", "hash": "77aa12bb34cc56dd"},
            "labels": {"spec": "5%", "hash": "90ab12cd34ef56aa", "frames": 300, "entries": 3564},
            "seed": seed,
            "selection_rule": "last epoch",
            "images_seen": 48000,
            "seconds": 131.5,
            "parameters": 11_176_512,
            "version": "0.1.0",
            **(provenance or {}),
        },
    }
    if occurrence:
        metrics["distributions"] = au_distributions(aus, truth, predicted)
    write_json(path / "metrics.json", metrics)
    steps = np.arange(1, 401)
    loss = np.exp(-steps / 150) + rng.normal(scale=0.03, size=400) + 0.2
    log = pd.DataFrame(
        {"step": steps, "epoch": steps // 100, "seconds": steps * 0.3, "images": steps * 32, "loss": loss}
    )
    if method != "supervised":
        log["discriminator"] = np.where(steps % 2, 1.38 - 0.2 * loss, np.nan)
    log.to_csv(path / "log.csv", index=False)
    (path / "config.yaml").write_text(f"method: {method}\nbackbone: resnet18\nnote: <b>bold & wild</b>\n")
    held = np.array_split(np.unique(names), len(folds))
    listed = [
        {"name": name, "train": sorted(set(names) - set(test)), "test": list(test)}
        for name, test in zip(folds, held, strict=True)
    ]
    (path / "protocol.json").write_text(json.dumps({"name": "kfold:3", "folds": listed, "source": "made"}))
    return path


def fake_codes(path: Path, frames=200, aus=AUS) -> Path:
    """Write a codes CSV of one face that is lost for a while."""
    time = np.arange(frames) / 25
    there = (np.arange(frames) < 90) | (np.arange(frames) >= 120)
    table = pd.DataFrame(
        {"frame": np.arange(1, frames + 1), "face_id": 0, "timestamp": time, "confidence": 0.9, "success": there * 1}
    )
    for i, au in enumerate(aus):
        value = 0.5 + 0.45 * np.sin(time * (0.5 + 0.2 * i))
        table[f"AU{au:02d}_p"] = np.where(there, value, np.nan)
        table[f"AU{au:02d}_c"] = np.where(there, value >= 0.5, np.nan)
    table.to_csv(path, index=False)
    return path
