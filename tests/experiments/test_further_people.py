"""Papers' small trainings are tested on further people too, who count like those of their own store."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score, roc_auc_score

from jobs_here import TINY, in_this_process
from made_stores import build_store
from sparsefacs.experiments import reproduction
from sparsefacs.experiments.items import benchmark, read_paper
from sparsefacs.experiments.outcome import gather
from sparsefacs.experiments.reproduction import plan_claims, plan_item, reproduce
from sparsefacs.experiments.stores import find_stores


def test_each_small_training_on_made_faces_is_tested_on_further_people(tmp_path: Path) -> None:
    plan = plan_item("wsrtl", "flow-to-rest", tmp_path)  # of two data sets, whose faces are the same
    made = [job for job in plan.jobs if job.id == "faces/faces-further"]
    tested = [job for job in plan.jobs if job.kind == "evaluate"]
    assert len(made) == 1, "one store of them serves both"
    assert {need for job in tested for need in job.needs} == {
        made[0].id,
        *(name for run in plan.runs for name in run.jobs),
    }
    assert all(job.words[2] == str(tmp_path / "faces-further") for job in tested)
    (faces,) = {each for _, each in plan.stores.further.values()}
    usual = benchmark().faces["frequent"]
    assert faces == usual.model_copy(update={"subjects": 60, "seed": 2030, "sha256": None})
    assert not set(plan.stores.further.values()) & set(plan.stores.people.values())
    kept = plan_claims("adversarial", tmp_path)[0].jobs
    assert {job.needs[1] for job in kept if job.kind == "evaluate"} == {job.id for job in kept if job.kind == "train"}


def test_further_people_are_of_no_other_seed() -> None:
    own = benchmark()
    papers = [read_paper(name) for name in ("adversarial", "kdsrl", "wsrtl", "knowledge-spreader", "mae-face")]
    starts = [start for each in (*papers, own) for start in each.pretrain.values()]
    of_starts = {
        start.small.faces.seed for start in starts if start.small is not None and start.small.faces is not None
    }
    assert of_starts and own.further.seed not in {*of_starts, *(faces.seed for faces in own.stores.values())}


def test_a_given_store_or_a_paper_s_own_size_has_no_further_people(tmp_path: Path) -> None:
    given = build_store(tmp_path / "faces", subjects=6, frames=8, source={"kind": "synthetic"}).path
    for plan in (
        plan_item("kdsrl", "areas", tmp_path, stores=[given]),
        plan_item("kdsrl", "table-3", tmp_path, scale="paper", stand_in=True),
    ):
        assert not plan.stores.further and not [job for job in plan.jobs if job.kind == "evaluate"]


def test_all_people_count_alike_and_keep_apart_though_they_are_called_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_this_process(monkeypatch)
    paths = [
        build_store(
            tmp_path / name, subjects=people, frames=8, seed=seed, source={"kind": "synthetic", "people": name}
        ).path
        for name, people, seed in (("faces", 9, 0), ("faces-further", 5, 1))
    ]

    def with_further(*words: Any, **named: Any) -> Any:
        return replace(find_stores(*words, **named), further={"bp4d": (paths[1], benchmark().faces["frequent"])})

    monkeypatch.setattr(reproduction, "find_stores", with_further)
    made = reproduce("adversarial", "table-1", tmp_path / "out", stores=paths[:1], settings=TINY)
    rows = {row["row"]: row for row in made.content["rows"]}
    assert {row["subjects"] for row in rows.values()} == {3 + 5} and rows["Ours"]["frames"] == (3 + 5) * 8
    assert [each["row"] for each in made.content["compared"]] == ["Ours", "Ours"], "in pairs, on the same people"

    folder = tmp_path / "out/runs/bp4d/all/Ours/seed-0"
    tables = [pd.read_parquet(each / "predictions.parquet") for each in (folder, folder / "on-faces-further")]
    assert set(tables[0]["subject"]) & set(tables[1]["subject"]), "names that both have"
    both = pd.concat(tables)
    aucs = [
        roc_auc_score(both[f"AU{au:02}_true"], both[f"AU{au:02}_p"])
        for au in map(int, rows["Ours"]["scores"]["auc"]["per_au"])
        if both[f"AU{au:02}_true"].nunique() == 2
    ]
    assert rows["Ours"]["scores"]["auc"]["value"] == pytest.approx(np.mean(aucs), abs=1e-5)

    floor = np.mean([f1_score(both[f"AU{au:02}_true"], np.ones(len(both))) for au in (1, 4, 12)])
    assert made.content["always_present"] == {"bp4d": pytest.approx(floor, abs=1e-5)}
    assert f"has F1 {floor:.3f} on " in (made.out / "results.md").read_text()

    (folder / "on-faces-further" / "metrics.json").unlink()
    plan = plan_item("adversarial", "table-1", tmp_path / "out", stores=paths[:1], settings=TINY)
    content = gather(plan)
    assert {row["subjects"] for row in content["rows"]} == {3}, "all rows on the same people, or none of them further"
    assert (content["waiting"], made.content["waiting"]) == (["bp4d"], [])
    assert "further" not in content["faces"]["bp4d"]
    assert made.content["faces"]["bp4d"]["further"] == {"seed": 2028, "subjects": 60}, "as the plan has them"
