"""`sparsefacs reproduce`: what is run, written, gone on with and refused."""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from jobs_here import TINY, in_this_process, made_store
from sparsefacs.cli import app
from sparsefacs.data.store import Store
from sparsefacs.engine.run import RunFolder
from sparsefacs.errors import InputError
from sparsefacs.experiments import execute, outcome
from sparsefacs.experiments.items import read_paper
from sparsefacs.experiments.jobs import Plan
from sparsefacs.experiments.pages import counts_figure
from sparsefacs.experiments.reproduction import _claim, describe, plan_item, reproduce
from sparsefacs.experiments.stores import find_stores


def _without_seconds(content: dict[str, Any]) -> dict[str, Any]:
    return content | {"rows": [{k: v for k, v in row.items() if "seconds" not in k} for row in content["rows"]]}


def test_a_dry_run_tells_commands_and_cost_and_writes_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["reproduce", "kdsrl", "Table 3", "--scale", "paper", "--dry-run", "--out", str(out), "--json"]
    told = json.loads(CliRunner().invoke(app, words).stdout)
    assert len(told["jobs"]) == 12
    assert told["faces"] == sum(job["faces"] for job in told["jobs"]) > 10**6
    assert told["missing"]["BP4D-STORE"] == "sparsefacs prepare BP4D-FOLDER STORE --dataset bp4d --size 224"
    assert all(job["command"].startswith("sparsefacs ") for job in told["jobs"])
    assert list(tmp_path.iterdir()) == []


def test_a_missing_store_is_refused_with_how_to_prepare_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"prepare DISFA-FOLDER STORE --dataset disfa --size 224`") as told:
        plan_item("adversarial", "table-3", tmp_path / "out", scale="paper", stores=[made_store(tmp_path / "faces")])
    assert f"{tmp_path / 'faces'} is of synthetic" in str(told.value)
    with pytest.raises(InputError, match="no paper scale"):
        plan_item("benchmark", "occurrence", tmp_path / "out", scale="paper")
    with pytest.raises(InputError, match="pre-training called 'mae'"):
        plan_item("kdsrl", "table-3", tmp_path / "out", starts={"mae": tmp_path})


def test_the_benchmark_takes_no_other_faces_than_its_own(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds other faces than the benchmark's"):
        reproduce("benchmark", "intensity", tmp_path / "out", stores=[made_store(tmp_path / "faces")])
    assert not (tmp_path / "out").exists()


def test_the_benchmark_s_stores_are_known_by_what_they_hold(tmp_path: Path) -> None:
    def given(name: str, profile: str, appearance: str = "usual") -> Path:
        (tmp_path / name).mkdir()
        source = {"kind": "synthetic", "profile": profile, "appearance": appearance}
        (tmp_path / name / "store.json").write_text(json.dumps({"source": source, "faces": 4800}))
        return tmp_path / name

    rare, other = given("a", "disfa"), given("b", "bp4d", "shifted")
    plan = plan_item("benchmark", "occurrence", tmp_path / "out", stores=[other, rare])
    assert plan.stores.places == {"frequent": tmp_path / "out" / "frequent", "rare": rare}
    assert plan.stores.shifted["frequent"][0] == other
    with pytest.raises(InputError, match="is a second store of rare faces"):
        plan_item("benchmark", "occurrence", tmp_path / "out", stores=[rare, given("c", "disfa")])
    with pytest.raises(InputError, match="Give the benchmark's stores frequent, rare"):
        plan_item("benchmark", "occurrence", tmp_path / "out", stores=[given("d", "disfa", "shifted")])


def test_given_weights_stand_in_for_a_pretraining_and_its_faces(tmp_path: Path) -> None:
    _described(tmp_path / "bp4d", "bp4d", "real")
    plan = plan_item(
        "mae-face",
        "table-1",
        tmp_path / "out",
        scale="paper",
        stores=[tmp_path / "bp4d"],
        starts={"mae": tmp_path / "w.pth"},
    )
    assert [job.kind for job in plan.jobs] == ["train"] * 3
    assert all(str(tmp_path / "w.pth") in job.words for job in plan.jobs)


def test_an_item_is_made_resumed_and_made_again_to_the_same_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran, out = in_this_process(monkeypatch), tmp_path / "out"
    given: dict[str, Any] = {"stores": [made_store(tmp_path / "faces")], "settings": TINY, "seeds": 2}
    made = reproduce("adversarial", "table-1", out, **given)
    assert not made.failed and len(ran) == 5, "one pre-training and two seeds of two rows"
    rows = made.content["rows"]
    assert [(row["row"], row["seeds"]) for row in rows] == [("Ours", [0, 1]), ("O-wlc", [0, 1])]
    assert all(len(row["scores"]["f1"]["seeds"]) == 2 and row["parameters"] > 1000 for row in rows)
    assert {row["start"] for row in rows} == {"kdsrl"}, "the item's own start, not the row's, is told too"
    assert [each["row"] for each in made.content["differences"]] == ["Ours"]
    assert not any("published" in row for row in rows), "synthetic faces are never set against published numbers"
    page = (made.out / "results.html").read_text()
    text = (made.out / "results.md").read_text()
    for told in (page, text):
        assert "never evidence about real faces" in told and "Table 1 (published)" in told and "protocol" in told
        assert "one seed" not in told, "there are two"
    assert str(tmp_path) not in (made.out / "results.json").read_text() + text + page, (
        "results name no place of the machine"
    )

    first = (made.out / "results.json").read_text()
    reproduce("adversarial", "table-1", out, **given)
    assert len(ran) == 5 and (made.out / "results.json").read_text() == first, "what is finished is not made again"
    (out / "runs/bp4d/all/Ours/seed-1/metrics.json").unlink()
    (out / "runs/bp4d/all/Ours/seed-1/model.safetensors").unlink()
    (out / "runs/bp4d/all/Ours/seed-1/model.json").unlink()
    reproduce("adversarial", "table-1", out, **given)
    assert len(ran) == 6 and (made.out / "results.json").read_text() == first, "a stopped run goes on to the same end"
    again = reproduce("adversarial", "table-1", tmp_path / "again", **given)
    assert _without_seconds(again.content) == _without_seconds(made.content)
    assert "data.labelled_batch=4" in rows[0]["settings"]
    kept = RunFolder.read_config

    def changed(run: RunFolder) -> dict[str, Any]:
        config = kept(run)
        method = {key: value for key, value in config["method"].items() if key != "alpha"}
        return config | {"data": config["data"] | {"labelled_batch": 3}, "name": "supervised", "method": method}

    monkeypatch.setattr(RunFolder, "read_config", changed)
    row = reproduce("adversarial", "table-1", tmp_path / "again", **given).content["rows"][1]
    told, before = row["settings"], rows[1]["settings"]
    assert (rows[1]["method"], row["method"]) == ("adversarial", "supervised")
    assert [each for each in told if ".labelled_batch" in each] == ["data.labelled_batch=3"], "as it was trained"
    assert {each.partition("=")[0] for each in before} - {each.partition("=")[0] for each in told} == {"method.alpha"}
    for item in ("table-1", "figure-6"):
        with pytest.raises(InputError, match="made of other settings"):
            reproduce("adversarial", item, out, **given | {"settings": ()})


@pytest.mark.slow
def test_processes_run_a_failing_one_is_listed_and_the_rest_goes_on(tmp_path: Path) -> None:
    out, store = tmp_path / "out", made_store(tmp_path / "faces")
    words = ["reproduce", "adversarial", "table-1", "--store", str(store), "--out", str(out), "--together", "2"]
    words += [word for setting in TINY for word in ("--set", setting)]
    other = out / "runs/bp4d/all/O-wlc/seed-0"
    plan = plan_item("adversarial", "table-1", out, stores=[store], settings=TINY)
    _claim(plan, {"settings": TINY})
    assert [job.kind for job in plan.jobs] == ["pretrain", "train", "train"]
    assert CliRunner().invoke(app, list(plan.jobs[0].words)).exit_code == 0  # here, where torch is imported already
    other.mkdir(parents=True)
    (other / "config.yaml").write_text("{name: another run, recipe: probe, seed: 0}\n")
    (other / "protocol.json").write_text('{"seen": {"persons": [], "groups": []}, "store": "s", "store_hash": "0"}')
    result = CliRunner().invoke(app, words)
    assert isinstance(result.exception, InputError)
    assert "1 job failed, first runs/bp4d/all/O-wlc/seed-0: " in str(result.exception)
    assert "holds a run with other settings" in str(result.exception)
    content = json.loads((out / "table-1" / "results.json").read_text())
    assert [row["row"] for row in content["rows"]] == ["Ours"]
    assert content["missing"] == 1 and "other settings" in content["failed"][0]["why"]
    assert "Failed: runs/bp4d/all/O-wlc/seed-0" in (out / "table-1" / "results.md").read_text()


@pytest.mark.slow
def test_kill_stops_the_trainings_too_when_begun_where_ctrl_c_is_ignored(tmp_path: Path) -> None:
    """As by `nohup … &`: the trainings end by themselves and say so, rather than being killed after a minute."""
    out, settings = tmp_path / "out", [*TINY, "training.steps=1000000", "training.checkpoint_every=1"]
    words = ["reproduce", "kdsrl", "table-5", "--store", str(made_store(tmp_path / "faces")), "--out", str(out)]
    words += [word for setting in settings for word in ("--set", setting)]
    shell = ["sh", "-c", 'trap "" INT; exec "$@"', "sh", sys.executable, "-m", "sparsefacs", *words]
    run = out / "runs/bp4d/10/random-weights/seed-0"
    with subprocess.Popen(shell, stderr=subprocess.PIPE, text=True) as process:
        end = time.monotonic() + 60
        while not (run / "checkpoint" / "last.pt").exists() and time.monotonic() < end:
            time.sleep(0.1)
        process.terminate()
        _, told = process.communicate(timeout=50)
    assert process.returncode == 2 and "stopped by the user with 3 jobs to go" in told
    assert (run / "checkpoint" / "last.pt").exists()
    assert "stopped" in execute.last_line(next((out / "logs").iterdir()))


@pytest.mark.parametrize(
    ("scale", "together", "threads"),
    [("small", None, 1), ("small", 1, 1), ("small", 3, 1), ("paper", None, 6), ("paper", 3, 2)],
)
def test_small_trainings_have_one_thread_each_and_large_ones_share_the_cores(
    scale: Any, together: int | None, threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that small tables have the same numbers however many run together: sums in another order differ."""
    given, lock = [], threading.Lock()

    def run(crew: Any, job: Any) -> str:
        with lock:
            given.append(crew.threads)
        return ""

    monkeypatch.setattr(execute._Crew, "run", run)
    monkeypatch.setattr(execute.os, "cpu_count", lambda: 6)
    plan = plan_item("kdsrl", "table-5", tmp_path / "out", scale=scale, stand_in=True)
    assert execute.run_jobs(plan, together, {job.id: 1.0 for job in plan.jobs}) == []
    assert given == [threads] * len(plan.jobs) and given


def test_what_needs_a_failed_job_is_not_begun(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []

    def run(_: Any, job: Any) -> str:
        ran.append(job.kind)
        return "no" if job.kind == "pretrain" else ""

    monkeypatch.setattr(execute._Crew, "run", run)
    plan = plan_item("kdsrl", "table-5", tmp_path / "out", stores=[made_store(tmp_path / "faces")])
    failed = execute.run_jobs(plan, 1, {job.id: 1.0 for job in plan.jobs})
    assert ran == ["train", "pretrain"], "random weights' training, and the pre-training alone"
    assert [each.why for each in failed] == ["no", "not begun, because starts/faces/kdsrl failed"]


def test_a_job_list_has_stages_and_leaves_out_what_is_finished(tmp_path: Path) -> None:
    plan = plan_item("kdsrl", "table-5", tmp_path / "out")
    count, stages = execute.write_jobs(plan, tmp_path / "jobs.txt")
    lines = (tmp_path / "jobs.txt").read_text().splitlines()
    commands = [line for line in lines if not line.startswith("#")]
    assert (count, stages) == (7, 4) == (len(commands), sum(line.startswith("# stage") for line in lines))
    kinds = [line.split()[1] for line in commands]
    assert kinds == ["synth", "synth", "train", "pretrain", "evaluate", "train", "evaluate"], "a stage after the other"
    assert "--init" in commands[5] and commands[5].split()[4] == commands[6].split()[2]
    (tmp_path / "out" / "faces").mkdir(parents=True)
    (tmp_path / "out" / "faces" / "store.json").write_text("{}")
    assert execute.write_jobs(plan, tmp_path / "jobs.txt") == (6, 4)


def test_a_card_item_trains_nothing_and_counts_combinations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_this_process(monkeypatch)
    made = reproduce("knowledge-spreader", "figure-5", tmp_path / "out", stores=[made_store(tmp_path / "faces")])
    cards = made.content["label_cards"]
    assert len(cards) == 3 and all(card["kept"] <= card["all"] for card in cards)
    assert "AU combinations kept" in (made.out / "results.md").read_text()


def test_a_counts_item_shows_how_often_each_au_occurs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_this_process(monkeypatch)
    store = made_store(tmp_path / "faces")
    made = reproduce("adversarial", "figure-3", tmp_path / "out", stores=[store])
    assert not made.failed
    counted = made.content["counts"]["bp4d"]
    occurrence = Store(store).occurrence()
    assert counted == {str(au): [int((occurrence[:, n] == 1).sum()), 48] for n, au in enumerate((1, 4, 12))}
    assert "how often each AU occurs" in (made.out / "results.md").read_text()
    figure = (tmp_path / "out" / "counts" / "bp4d.svg").read_text()
    assert "AU12" in figure and "F1" not in figure
    assert "data:image/svg+xml" in (made.out / "results.html").read_text()


def test_f1_of_published_methods_stands_on_the_shares_at_paper_scale_alone(tmp_path: Path) -> None:
    stores = [_described(tmp_path / name, name, "real") for name in ("bp4d", "bp4d+", "disfa", "celeba", "affectnet")]
    stores += [_described(tmp_path / name, name, "real") for name in ("casia-webface", "imdb-wiki")]
    plan = plan_item("mae-face", "figure-3", tmp_path / "out", scale="paper", stores=stores)
    row = {"data": "disfa", "row": "MAE-Face", "scores": {"f1": {"per_au": {"1": 0.5, "12": 0.8}}}}
    content: dict[str, Any] = {"synthetic": False, "rows": [row], "counts": {"disfa": {"1": [5, 50], "12": [20, 50]}}}
    figure = counts_figure(plan, content, "disfa")
    assert "F1, MAE-Face" in figure and "F1, SEV-Net (published)" in figure and "F1, UGN-B" not in figure
    assert "published" not in counts_figure(plan, content | {"synthetic": True}, "disfa")


def test_the_strength_of_the_adversary_is_told_beside_f1(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_this_process(monkeypatch)
    item = read_paper("adversarial").items["control"]
    few = item.model_copy(
        update={"rows": item.rows[:2], "small": item.small.model_copy(update={"labels": {"50%": "50%"}})}
    )
    monkeypatch.setattr("sparsefacs.experiments.reproduction.find_item", lambda paper, name: ("control", few))
    made = reproduce("adversarial", "control", tmp_path / "out", stores=[made_store(tmp_path / "faces")], settings=TINY)
    assert not made.failed
    control, plain = made.content["rows"]
    assert control["row"] == "control" and control["scores"]["loss-ratio"]["value"] > 0
    assert control["scores"]["loss-ratio-weighted"]["value"] > 1e9, "next to no adversary"
    assert 0 <= control["scores"]["judged-right"]["value"] <= 1
    assert 0 <= control["scores"]["judged-right-soft"]["value"] <= 1
    assert plain["scores"]["loss-ratio"]["value"] is None
    assert "by its weight" in (made.out / "results.md").read_text()


def test_how_many_pseudo_labels_absent_alone_would_have_right_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_this_process(monkeypatch)
    item = read_paper("knowledge-spreader").items["section-4.5"]
    few = item.model_copy(
        update={"rows": item.rows[:1], "small": item.small.model_copy(update={"labels": {"50%": "50%"}})}
    )
    monkeypatch.setattr("sparsefacs.experiments.reproduction.find_item", lambda paper, name: ("section-4.5", few))
    store = made_store(tmp_path / "faces")
    made = reproduce("knowledge-spreader", "section-4.5", tmp_path / "out", stores=[store], settings=TINY)
    assert not made.failed
    (spread,) = made.content["rows"]
    judged = json.loads((tmp_path / "out/runs/bp4d/50/KS/seed-0/metrics.json").read_text())["provenance"][
        "pseudo_labels"
    ]
    assert spread["guessed_absent"] == judged["absent"] and 0 < judged["absent"] < 1
    assert 0 < spread["guessed_subjects"] <= len(set(Store(store).strings("subject")))


def _described(path: Path, dataset: str, kind: str) -> Path:
    path.mkdir()
    (path / "store.json").write_text(json.dumps({"source": {"dataset": dataset, "kind": kind}, "faces": 1000}))
    return path


def _planned(tmp_path: Path, kind: str, item: str = "table-1") -> Plan:
    return plan_item(
        "adversarial", item, tmp_path / "out", scale="paper", stores=[_described(tmp_path / kind, "bp4d", kind)]
    )


def test_a_published_number_stands_beside_ours_only_where_all_agrees(tmp_path: Path) -> None:
    real, scores = _planned(tmp_path, "real"), {"f1": {"value": 0.6}}
    beside = {(run.data, run.row.name): outcome._beside(real, run, scores) for run in real.runs}
    # Table 1, BP4D, three folds: "Ours" 61.9? is read from the table itself
    from sparsefacs.protocols.published import published_results

    printed = next(
        one.value
        for one in published_results(paper="adversarial", item="Table 1", protocol="3-fold", method="Ours")
        if one.au is None
    )
    assert beside["bp4d", "Ours"]["f1"]["difference"] == pytest.approx(0.6 - printed / 100)
    assert beside["bp4d", "O-wlc"]["f1"]["value"] != beside["bp4d", "Ours"]["f1"]["value"]
    assert beside["bp4d-split", "Ours"] == {}, "its people were drawn, the paper's are not known"
    fake = _planned(tmp_path, "synthetic")
    assert all(outcome._beside(fake, run, scores) == {} for run in fake.runs)


def test_stores_are_found_by_the_data_set_they_were_prepared_from(tmp_path: Path) -> None:
    content = read_paper("kdsrl")
    stores = [_described(tmp_path / name, dataset, "real") for name, dataset in (("a", "bp4d+"), ("b", "bp4d"))]
    found = find_stores("kdsrl", content.items["table-3"], content, "paper", tmp_path, stores, {})
    assert found.of("bp4d") == tmp_path / "b" and found.of("bp4d+") == tmp_path / "a" and not found.synthetic


def test_a_plan_is_told_with_what_is_finished(tmp_path: Path) -> None:
    plan = plan_item("adversarial", "table-1", tmp_path / "out", stores=[made_store(tmp_path / "faces")])
    job = next(job for job in plan.jobs if job.kind == "train")
    job.done.parent.mkdir(parents=True)
    job.done.write_text("{}")
    told = describe(plan)
    assert [each["finished"] for each in told["jobs"]] == [False, True, False], "the pre-training, one row, the other"
    assert told["faces"] == told["jobs"][0]["faces"] + told["jobs"][2]["faces"]


def test_all_rows_have_seed_0_before_any_has_seed_1(tmp_path: Path) -> None:
    plan = plan_item("benchmark", "occurrence", tmp_path / "out", seeds=3)
    words = [job.words for job in plan.jobs if job.kind == "train"]
    seeds = [int(each[each.index("--seed") + 1]) for each in words]
    assert seeds == sorted(seeds) and seeds.count(0) == seeds.count(1) == seeds.count(2) == len(plan.runs) / 3
    place = {job.id: number for number, job in enumerate(plan.jobs)}
    assert all(place[need] < place[job.id] for job in plan.jobs for need in job.needs)
    student = next(run for run in plan.runs if run.row.teacher and run.seed == 2)
    job = plan.jobs[place[student.jobs[0]]]
    assert any(need.endswith("/seed-2") for need in job.needs) and any("/seed-2" in word for word in job.words[4:])


def test_runs_stand_by_row_and_budget_as_they_do_with_one_seed(tmp_path: Path) -> None:
    def named(seeds: int) -> list[tuple[str, str, str, int]]:
        runs = plan_item("adversarial", "table-1", tmp_path, seeds=seeds, scale="paper", stand_in=True).runs
        return [(run.data, run.labels, run.row.name, run.seed) for run in runs]

    one = named(1)
    assert len(one) > 2
    assert named(3) == [(*each[:3], seed) for each in one for seed in range(3)]


def test_faces_are_counted_as_the_given_store_says(tmp_path: Path) -> None:
    store = made_store(tmp_path / "faces")
    told = describe(plan_item("wsrtl", "table-iv", tmp_path / "out", stores=[store]))["jobs"]
    flow = next(job for job in told if job["job"].startswith("flow/"))
    assert flow["faces"] == 48, "6 people of 8 frames, not as many as are published"
    plan = plan_item("mae-face", "table-1", tmp_path / "out", stores=[store])
    assert [job.training.faces for job in plan.jobs if job.kind == "pretrain" and job.training] == [48]
    made = plan_item("mae-face", "table-1", tmp_path / "out")
    own = [(job.words[2], job.training.faces) for job in made.jobs if job.kind == "pretrain" and job.training]
    assert own == [(str(tmp_path / "out" / "faces-400-people"), 8000)], "without a store, of many other people"
    told = describe(plan_item("wsrtl", "table-iv", tmp_path / "out"))["jobs"]
    assert told[0]["faces"] == told[1]["faces"] > 48, "what is to be made"
    for name, faces in (("bp4d", "real"), ("emotionet", "real")):
        _described(tmp_path / name, name, faces)
    paper = plan_item(
        "wsrtl", "table-iv", tmp_path / "out", scale="paper", stores=[tmp_path / "bp4d", tmp_path / "emotionet"]
    )
    assert next(job for job in describe(paper)["jobs"] if job["job"] == "flow/bp4d")["faces"] == 1000


def test_a_folder_is_one_call_s_alone_and_none_of_an_earlier_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, out = made_store(tmp_path / "faces"), tmp_path / "out"
    given: dict[str, Any] = {"stores": [store], "settings": TINY}
    _claim(plan_item("adversarial", "table-1", out, **given), given)
    with monkeypatch.context() as held:
        held.setattr(
            "sparsefacs.files._locked_file", lambda path, shared: None if path == out / ".lock" else path.open()
        )
        with pytest.raises(InputError, match="another run is writing it"):
            reproduce("adversarial", "figure-6", out, **given)
    for mark in (out / "table-1" / "reproduce.json", out / "reproduce.json"):
        (mark.parent / "runs").mkdir()
        mark.write_text((out / "table-1" / "reproduce.json").read_text())
        with pytest.raises(InputError, match="made by an earlier version"):
            reproduce("adversarial", "figure-6", out, **given)
        (mark.parent / "runs").rmdir()
