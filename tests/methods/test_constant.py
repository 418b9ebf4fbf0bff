"""Always present and always absent: what F1 and AUC are without having looked."""

import json
from pathlib import Path

import numpy as np
import pytest

from sparsefacs import api
from sparsefacs.data.store import Store


@pytest.mark.parametrize(("answer", "labels"), [("present", "50%"), ("absent", "none")])
def test_it_scores_as_written_out(answer: str, labels: str, store: Store, tmp_path: Path) -> None:
    settings = (f"method.answer={answer}", "network.input_size=32")
    metrics = api.train("constant", store.path, tmp_path / "run", labels=labels, settings=settings)
    tested = json.loads((tmp_path / "run" / "protocol.json").read_text())["fold"]["test"]
    rate_A = store.occurrence()[np.isin(store.strings("subject"), tested)].mean(axis=0)
    mean = metrics["pooled"]["mean"]
    assert mean["auc"]["value"] == 0.5
    expected = np.mean(2 * rate_A / (1 + rate_A)) if answer == "present" else 0
    assert mean["f1"]["value"] == mean["f1_half"]["value"] == pytest.approx(expected)
