"""MAE-Face learns intensity, and is scored by ICC(3,1), MSE and MAE with intervals over people."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from sparsefacs import api
from sparsefacs.cli import app
from sparsefacs.data.store import Store


def icc_3_1(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Shrout and Fleiss' two-way mixed consistency of single ratings, by its mean squares."""
    rows = np.stack([truth, predicted], axis=1)
    between = 2 * ((rows.mean(axis=1) - rows.mean()) ** 2).sum() / (len(rows) - 1)
    left = rows - rows.mean(axis=1, keepdims=True) - rows.mean(axis=0) + rows.mean()
    within = (left**2).sum() / (len(rows) - 1)
    return float((between - within) / (between + within))


def test_it_is_scored_per_au_and_in_the_mean_over_people(
    store: Store, tmp_path: Path, tiny_settings: tuple[str, ...]
) -> None:
    settings = (*tiny_settings, "training.steps=80")
    metrics = api.train(
        "mae-face", store.path, tmp_path / "run", recipe="small-intensity", settings=settings, protocol="holdout:50%"
    )
    codes = pd.read_parquet(tmp_path / "run" / "predictions.parquet")
    pooled = metrics["pooled"]
    for au in store.aus:
        truth, said = codes[f"AU{au:02d}_true"].to_numpy(), codes[f"AU{au:02d}_r"].to_numpy()
        found = pooled["per_au"][str(au)]
        assert found["icc"]["value"] == pytest.approx(icc_3_1(truth, said), abs=1e-5)
        assert found["mse"]["value"] == pytest.approx(((truth - said) ** 2).mean(), rel=1e-5)
        assert found["mae"]["value"] == pytest.approx(np.abs(truth - said).mean(), rel=1e-5)
        assert 0 <= said.min() <= said.max() <= 5
    for metric, mean in pooled["mean"].items():
        assert mean["value"] == pytest.approx(np.mean([pooled["per_au"][str(au)][metric]["value"] for au in store.aus]))
        assert mean["low"] <= mean["value"] <= mean["high"] and mean["low"] < mean["high"]
    assert set(pooled["mean"]) == {"icc", "mse", "mae"}
    assert pooled["mean"]["icc"]["value"] > 0.2
    told = CliRunner().invoke(app, ["evaluate", str(tmp_path / "run")])
    assert told.exit_code == 0 and all(name in told.output for name in ("ICC", "MSE", "MAE"))
    again = CliRunner().invoke(app, ["evaluate", str(tmp_path / "run"), "--json"])
    assert json.loads(again.stdout)["pooled"] == pooled
    page = api.report(tmp_path / "page.html", [tmp_path / "run"]).read_text()
    assert all(name in page for name in ("ICC", "MSE", "MAE"))
    assert f"{pooled['mean']['icc']['value']:.2f}" in page or f"{pooled['mean']['icc']['value']:.3f}" in page
