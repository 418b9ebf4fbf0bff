"""The accuracy of pseudo labels, all and confirmed, against a hand-made case."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import torch

from made_stores import build_store
from sparsefacs import api, representation
from sparsefacs.inference.pseudo_labels import branch_scores, order_accuracy, pseudo_label_accuracy
from sparsefacs.networks.spreader import PseudoLabels

LENGTH = 3


class Network:
    """Says that every AU is present, not sure of the last, and confirms the clips whose first frame is bright."""

    def by_branch(self, features_BLE: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return features_BLE, features_BLE

    def pseudo_labels(
        self, clip_BLE: torch.Tensor, single_BLE: torch.Tensor, known_NA: torch.Tensor | float = 0.0
    ) -> PseudoLabels:
        assert not known_NA  # pixels alone
        label_BLA = torch.ones(*clip_BLE.shape[:2], 3)
        sure_BLA = label_BLA > 0
        sure_BLA[..., 2] = False
        return PseudoLabels(label_BLA, sure_BLA, clip_BLE[:, 0, 0] > 0.37)


def test_only_unseen_frames_count_each_once_a_clip(tmp_path: Path) -> None:
    store = build_store(tmp_path / "store", subjects=3, frames=6)
    coder: Any = SimpleNamespace(
        network=Network(),
        clip=(LENGTH, 1),
        known=0,
        person=False,
        aus=store.aus,
        device=torch.device("cpu"),
        encode=lambda faces, points: (faces.mean(axis=(1, 2, 3)) / 255)[:, None].astype(np.float32),
    )
    rows = np.array([0, 1, 2, 4, 5, 9])
    found = pseudo_label_accuracy(coder, store, rows)
    truth = store.occurrence()
    right = sure = absent = right_confirmed = known_confirmed = confirmed = 0
    for row in rows:
        start = row // 6 * 6
        window = [min(max(row + offset, start), start + 5) for offset in (-1, 0, 1)]
        bright = store.image(window[0]).mean() / 255 > 0.37
        confirmed += bright
        for each in sorted(set(window) & set(rows.tolist())):
            right += int((truth[each, :2] == 1).sum())
            sure += 2
            absent += int((truth[each] == 0).sum())
            right_confirmed += int((truth[each, :2] == 1).sum()) * bright
            known_confirmed += 2 * bright
    assert found["clips"] == len(rows) and found["entries"] == sure * 3 // 2
    assert found["sure"] == round(2 / 3, 4) and found["accuracy"] == round(right / sure, 4)
    assert found["absent"] == round(absent / (sure * 3 // 2), 4)
    assert 0 < confirmed < len(rows)
    assert found["confirmed"] == round(confirmed / len(rows), 4)
    assert found["accuracy_confirmed"] == round(right_confirmed / known_confirmed, 4)
    by_subject = found["by_subject"]
    assert list(by_subject) == sorted({str(store.strings("subject")[row]) for row in rows})
    assert np.sum(list(by_subject.values()), axis=0).tolist() == [right, sure, right_confirmed, known_confirmed]
    coder.network = object()
    assert pseudo_label_accuracy(coder, store, rows) == {}


class Ordered(Network):
    """Takes a clip for true where the first frame stands first, and is bright."""

    temporal = SimpleNamespace(order=object())

    def order_is_true(self, clip_BLE: torch.Tensor, orders_BL: torch.Tensor) -> torch.Tensor:
        self.judged += len(clip_BLE)
        places = orders_BL[:, 0]
        return torch.where(places == 0, clip_BLE[:, 0, 0] > 0.37, torch.zeros(len(places), dtype=torch.bool))

    judged = 0


def test_order_is_judged_on_whole_windows_true_and_shuffled(tmp_path: Path) -> None:
    store = build_store(tmp_path / "store", subjects=3, frames=6)
    coder: Any = SimpleNamespace(
        network=Ordered(),
        clip=(LENGTH, 1),
        known=0,
        person=False,
        aus=store.aus,
        device=torch.device("cpu"),
        encode=lambda faces, points: (faces.mean(axis=(1, 2, 3)) / 255)[:, None].astype(np.float32),
    )
    rows = np.arange(6)  # of which the first and last stand at an edge of their clip
    found = order_accuracy(coder, store, rows)
    bright = sum(store.image(row - 1).mean() / 255 > 0.37 for row in range(1, 5))
    assert found["order_clips"] == 4 and coder.network.judged == 8
    # one of the five other orders of three begins with the first frame, and is then judged by its brightness
    assert found["order_accuracy"] <= round((bright + 4) / 8, 4)
    assert order_accuracy(coder, store, rows) == found
    assert order_accuracy(coder, store, np.array([0])) == {}
    coder.network.temporal = SimpleNamespace(order=None)
    assert order_accuracy(coder, store, rows) == {}


class Branched(Network):
    """One branch is right of AU 1, one tells nothing, one the contrary."""

    def apart(self, single_BLE: torch.Tensor, clip_BLE: torch.Tensor) -> dict[str, torch.Tensor]:
        right_BA = single_BLE[:, 1]
        return {"single": right_BA, "student": torch.zeros_like(right_BA), "clip": -right_BA}


def test_each_branch_is_scored_alone(tmp_path: Path) -> None:
    store = build_store(tmp_path / "store", subjects=3, frames=6, aus=(1, 4, 12))
    truth = {store.face(row)[0].tobytes(): int(store.occurrence()[row, 0]) for row in range(len(store))}
    coder: Any = SimpleNamespace(
        network=Branched(),
        clip=(LENGTH, 1),
        aus=(1,),
        device=torch.device("cpu"),
        encode=lambda faces, points: np.array([[truth[face.tobytes()]] for face in faces], np.float32),
    )
    found = branch_scores(coder, store, np.arange(len(store)))
    assert found == {"auc_single": 1.0, "auc_student": 0.5, "auc_clip": 0.0}
    assert branch_scores(coder, store, np.arange(0)) == {}
    coder.network = Network()
    assert branch_scores(coder, store, np.arange(len(store))) == {}


def test_a_run_s_scores_carry_it(tmp_path: Path, tiny_settings: tuple[str, ...]) -> None:
    store = build_store(tmp_path / "store")
    settings = [*tiny_settings, "network.options={}", "training.steps=2", "method.width=8", "method.heads=2"]
    settings += ["data.labelled_batch=2", "data.unlabelled_batch=2", "method.unlabelled_after=0.3"]
    metrics = api.train("knowledge-spreader", store.path, tmp_path / "run", labels="20%", settings=settings)
    facts = metrics["provenance"]
    assert 0 <= facts["pseudo_labels"]["accuracy"] <= 1 and facts["pseudo_labels"]["clips"] > 0
    assert 0 <= facts["pseudo_labels"]["order_accuracy"] <= 1
    apart = [facts["pseudo_labels"][f"auc_{name}"] for name in ("single", "student", "clip")]
    assert all(0 < auc < 1 for auc in apart) and len(set(apart)) == 3, "branch A, students and Temporal Teacher"
    assert facts["labels"]["combinations"]["kept"] >= 1
    told = representation.pictures(tmp_path / "run", tmp_path / "pictures")
    (figure,) = told["written"]
    assert figure == "pseudo-labels.svg" and "</svg>" in (tmp_path / "pictures" / figure).read_text()
    truth, seen = store.occurrence(), pd.read_parquet(tmp_path / "run" / "labels.parquet")["row"].tolist()
    for clip in told["pseudo_labels"]["clips"]:
        rows = np.flatnonzero((store.strings("subject") == clip["subject"]) & (store.strings("clip") == clip["clip"]))
        shown = [row for row in rows if store.numbers("frame")[row] in clip["frames"] and row not in seen]
        assert clip["entries"] == len(set(shown)) * truth.shape[1] and 0 <= clip["wrong"] <= clip["entries"]
    plain = api.train("supervised", store.path, tmp_path / "plain", labels="20%", settings=tiny_settings)
    assert "pseudo_labels" not in plain["provenance"]


def test_with_all_labels_branches_are_scored_though_nothing_is_guessed(
    tmp_path: Path, tiny_settings: tuple[str, ...]
) -> None:
    store = build_store(tmp_path / "store")
    settings = [*tiny_settings, "network.options={}", "training.steps=2", "method.width=8", "method.heads=2"]
    settings += ["data.labelled_batch=2", "data.unlabelled_batch=2"]
    made = api.train("knowledge-spreader", store.path, tmp_path / "run", settings=settings)
    assert {"auc_single", "auc_student", "auc_clip"} <= set(made["provenance"]["pseudo_labels"])
    assert "accuracy" not in made["provenance"]["pseudo_labels"]
    assert not (tmp_path / "run" / "pseudo-labels.json").exists()
