"""Every table and figure that an item names: its methods, recipes, settings, commands and published rows exist."""

import re
from pathlib import Path

import pytest
import typer

from sparsefacs.cli import app
from sparsefacs.data.adapters import DATA_SETS
from sparsefacs.engine.config import resolve
from sparsefacs.errors import InputError
from sparsefacs.experiments.claims import deciding_places
from sparsefacs.experiments.cost import job_cost, rate
from sparsefacs.experiments.items import (
    BENCHMARK,
    PAPERS,
    Benchmark,
    Scale,
    SmallItem,
    benchmark,
    find_item,
    read_paper,
)
from sparsefacs.experiments.jobs import Job, Plan
from sparsefacs.experiments.plan import fold_count
from sparsefacs.experiments.reproduction import describe, in_one, plan_claims, plan_item
from sparsefacs.experiments.stores import find_stores
from sparsefacs.methods.registry import PRETRAIN, method_names, pretraining_names
from sparsefacs.protocols.published import published_results, published_tables
from sparsefacs.records import write_record

EVERY = [(paper, item) for paper in PAPERS for item in read_paper(paper).items]
BOTH: tuple[Scale, ...] = ("small", "paper")


def _plans(paper: str, item: str, out: Path) -> list[Plan]:
    scales = BOTH[:1] if paper == BENCHMARK else BOTH
    return [plan_item(paper, item, out, scale=scale, stand_in=True) for scale in scales]


def test_every_published_table_and_figure_has_an_item() -> None:
    for paper, printed in published_tables().items():
        covered = {name for item in read_paper(paper).items.values() for name in item.printed}
        assert covered == set(printed), paper


@pytest.mark.parametrize("paper", PAPERS)
def test_items_of_a_paper_make_one_thing_in_one_place(paper: str, tmp_path: Path) -> None:
    """So that they can share a folder, and a training of several tables is made once."""
    made: dict[tuple[Scale, str], Job] = {}
    shared = 0
    for item in read_paper(paper).items:
        for plan in _plans(paper, item, tmp_path):
            for job in plan.jobs:
                known = made.setdefault((plan.scale, job.id), job)
                assert known.words == job.words and known.done == job.done and known.made == job.made, (item, job.id)
                shared += known is not job
    assert shared or paper == BENCHMARK


def test_the_items_of_claims_are_planned_as_one(tmp_path: Path) -> None:
    plans = plan_claims("adversarial", tmp_path)
    assert [plan.key for plan in plans] == ["table-1", "control", "figure-6", "figure-7"]
    whole = in_one(plans)
    names = [job.id for job in whole.jobs]
    assert len(names) == len(set(names)) < sum(len(plan.jobs) for plan in plans)
    assert {job.id for plan in plans for job in plan.jobs} == set(names)
    for place, job in enumerate(whole.jobs):
        assert set(job.needs) <= set(names[:place])
    told = describe(*plans)
    assert [job["job"] for job in told["jobs"]] == names and told["faces"] == sum(job["faces"] for job in told["jobs"])
    with pytest.raises(InputError, match="no list of claims"):
        plan_claims("benchmark", tmp_path)


def test_claims_train_the_rows_and_budgets_that_decide_one_alone(tmp_path: Path) -> None:
    def rows(paper: str, out: Path) -> dict[str, set[tuple[str, str]]]:
        return {plan.key: {(run.labels, run.row.name) for run in plan.runs} for plan in plan_claims(paper, out)}

    found = rows("kdsrl", tmp_path)
    assert found["figure-4"] == {("missing:10%", "Ours"), ("missing:50%", "Ours")}
    assert {row for _, row in found["figure-3"]} == {"lambda = 0", "lambda = 0.1", "alpha = 0", "alpha = 0.01"}
    starts = {job.id for plan in plan_claims("kdsrl", tmp_path) for job in plan.jobs if job.kind == "pretrain"}
    assert "starts/faces/lambda/method.intra-weight-1" not in starts and "starts/faces/simclr" in starts
    for paper in PAPERS[:-1]:
        for plan in plan_claims(paper, tmp_path, seeds=2):
            names = [job.id for job in plan.jobs]
            assert all(set(job.needs) <= set(names) for job in plan.jobs), "whatever a job needs is there"
            decided = deciding_places(paper, plan.key)
            assert {run.place for run in plan.runs} == decided
            whole = plan_item(paper, plan.key, tmp_path, seeds=2)
            assert plan.left_out == len(whole.runs) - len(plan.runs)
            assert bool(decided) or [job.kind for job in plan.jobs][-1] == "card", "counted, not trained"
    done = next(
        job for job in plan_item("kdsrl", "figure-4", tmp_path).jobs if job.id == "runs/bp4d/missing-30/Ours/seed-0"
    )
    done.done.parent.mkdir(parents=True)
    done.done.write_text("{}", encoding="utf-8")
    assert ("missing:30%", "Ours") in rows("kdsrl", tmp_path)["figure-4"], "what is finished is told too"
    paper_size = plan_claims("kdsrl", tmp_path / "2", scale="paper", stand_in=True)
    sizes = [len(plan_item("kdsrl", each.key, scale="paper", stand_in=True).runs) for each in paper_size]
    assert [len(each.runs) for each in paper_size] == sizes, "at the paper's size whole tables"


@pytest.mark.parametrize("paper", [paper for paper in PAPERS if paper != BENCHMARK])
def test_items_of_claims_need_data_sets_of_all_of_them(paper: str, tmp_path: Path) -> None:
    plans = plan_claims(paper, tmp_path, scale="paper", stand_in=True)
    told = describe(*plans)
    assert set(told["missing"]) == {str(plan.stores.of(key)) for plan in plans for key in plan.stores.missing}
    assert told["hours"] > 1 and all(job["hours"] >= 0 for job in told["jobs"])


@pytest.mark.parametrize(("paper", "item"), EVERY)
def test_what_an_item_names_exists_at_both_scales(paper: str, item: str, tmp_path: Path) -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    for plan in _plans(paper, item, tmp_path / "out"):
        seen = set()
        for job in plan.jobs:
            assert set(job.needs) <= seen, "a job stands after those it needs"
            assert job.id not in seen
            seen.add(job.id)
            commands[job.words[0]].make_context(job.words[0], list(job.words[1:]))  # the options exist
            if job.training is None:
                continue
            faces, seconds = job_cost(plan, job)
            assert faces > 0 and seconds > 0
        for name, recipe, settings in {
            (j.training.name, j.training.recipe, j.training.settings) for j in plan.jobs if j.training
        }:
            teacher = ("method.teacher=T",) if name == "distil" else ()
            config = resolve(name, recipe, (*settings, *teacher))
            assert rate(config) > 0.1, "rates.csv knows the backbone"
    assert not (tmp_path / "out").exists(), "a plan writes nothing"


@pytest.mark.parametrize("paper", [paper for paper in PAPERS if paper != BENCHMARK])
def test_rows_marked_as_printed_are_printed_for_that_data_set_and_budget(paper: str, tmp_path: Path) -> None:
    for key, item in read_paper(paper).items.items():
        plan = plan_item(paper, key, tmp_path, scale="paper", stand_in=True)
        numbers = [one for each in item.printed for one in published_results(paper=paper, item=each)]
        if not any(one.metric in ("f1", "icc") for one in numbers) or key == "figure-5":
            continue  # a figure that tells gains or differences alone
        known = {(one.dataset, one.labels, one.method) for one in numbers}
        for run in plan.runs:
            printed = plan.content.data[run.data].printed
            assert printed is not None
            told = any((printed.dataset, run.printed_labels, name) in known for name in run.row.printed)
            few = key == "figure-4" and run.printed_labels not in ("10% missing", "50% missing")
            assert told or few or not run.row.printed or run.row.name == "O-wlc", (
                key,
                run.row.name,
                run.printed_labels,
            )


def test_every_method_and_pretraining_is_in_the_benchmark() -> None:
    content = read_paper(BENCHMARK)
    rows = content.items["occurrence"].rows
    packaged = {"coder"}  # is made of other faces, and is what the row "from the coder" begins from
    assert {row.method for row in rows} == set(method_names()) - packaged
    assert {start.method for start in content.pretrain.values()} == set(pretraining_names())
    assert {row.start for row in rows if row.start} | ({content.small_start} - {None}) == set(content.pretrain)


def test_the_benchmark_has_two_data_sets_for_each_task(tmp_path: Path) -> None:
    for task in ("occurrence", "intensity"):
        plan = plan_item(BENCHMARK, task, tmp_path)
        assert [run.data for run in plan.runs if run.row.name == "MAE-Face"] == ["frequent"] * 3 + ["rare"] * 3
        assert {run.task for run in plan.runs} == {task}
        trained = [job.words for job in plan.jobs if job.kind == "train"]
        assert all((task == "intensity") == ("intensity" in words) for words in trained)
        made = {job.id: job.words for job in plan.jobs if job.kind == "synth"}
        assert set(made) == {"faces/frequent", "faces/rare", "faces/frequent-shifted"}
        assert "disfa" in made["faces/rare"] and all("varied" in words and "found" in words for words in made.values())
        scored = [job.id for job in plan.jobs if job.kind == "evaluate"]
        folder = "runs/frequent/" if task == "occurrence" else "runs/frequent-intensity/"
        assert scored and all(name.startswith(folder) for name in scored)
        starts = {job.id for job in plan.jobs if job.kind == "pretrain"}
        assert {"starts/kdsrl/seed-0", "starts/simclr/seed-0", "starts/mae/seed-0"} <= starts, (
            "one for both, of the same people"
        )
        flow = {job.words[-1] for job in plan.jobs if job.kind == "flow"}
        assert flow == ({"3", "2"} if task == "occurrence" else set()), "to the next stored face"


def test_flow_to_the_person_at_rest_has_a_store_of_its_own(tmp_path: Path) -> None:
    """A store has room for the flow to one target, and the paper's items need that to the later frame."""
    made = {}
    for item in ("table-ii", "flow-to-rest"):
        jobs = plan_item("wsrtl", item, tmp_path).jobs
        made[item] = {job.kind: job.words for job in jobs}
        flow, trained = made[item]["flow"], [job.words for job in jobs if job.kind in ("train", "pretrain")]
        assert {words[2] for words in trained} == {flow[1]}
    (later, rest), synth = (each["flow"] for each in made.values()), [each["synth"][2:] for each in made.values()]
    assert (later[2:], rest[2:]) == (("--step", "3"), ("--target", "rest")) and later[1] != rest[1]
    assert synth[0] == synth[1], "of the same faces"


def test_a_seed_of_the_benchmark_draws_people_and_labels_anew_and_has_its_own_starts(tmp_path: Path) -> None:
    plan = plan_item(BENCHMARK, "occurrence", tmp_path, seeds=2)
    for job in plan.jobs:
        if job.kind in ("train", "pretrain"):
            seed, drawn = (job.words[job.words.index(option) + 1] for option in ("--seed", "--split-seed"))
            assert seed == drawn and f"/seed-{seed}" in job.words[3]
            if "--init" in job.words:
                assert job.words[job.words.index("--init") + 1].endswith(f"/seed-{seed}"), (
                    "whose test people it left out"
                )
            assert all(need.endswith(f"/seed-{seed}") for need in job.needs if need.startswith(("starts/", "runs/")))
    shared = {job.id: job.words for job in plan.jobs if job.id.startswith("starts/kdsrl/")}
    assert set(shared) == {"starts/kdsrl/seed-0", "starts/kdsrl/seed-1"}, "one for both sets, which share their people"
    assert all(words[2] == str(plan.stores.of("frequent")) for words in shared.values())


def test_the_benchmark_takes_weights_that_are_given(tmp_path: Path) -> None:
    plan = plan_item(BENCHMARK, "occurrence", tmp_path, starts={"simclr": tmp_path / "weights"})
    assert {job.words[1] for job in plan.jobs if job.kind == "pretrain"} == {"kdsrl", "moco", "mae-face"}
    begun = [job.words for job in plan.jobs if str(tmp_path / "weights") in job.words]
    assert len(begun) == len([run for run in plan.runs if run.row.name.startswith("SimCLR")])
    assert not plan.stores.further, "each seed of the benchmark has other test people already"


def test_a_benchmark_row_may_have_its_own_budgets_and_fewer_seeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = benchmark().model_dump()
    few = {"name": "few", "method": "supervised", "recipe": "small", "budgets": ["none", "5%"], "seeds": 2}
    content["rows"] = [few, {"name": "all", "method": "supervised", "recipe": "small"}]
    changed = Benchmark.model_validate(content)
    monkeypatch.setattr("sparsefacs.experiments.items.benchmark", lambda: changed)
    read_paper.cache_clear()
    try:
        plan = plan_item(BENCHMARK, "occurrence", tmp_path, seeds=3)
        found = {
            name: [(r.labels, r.seed) for r in plan.runs if (r.row.name, r.data) == (name, "rare")]
            for name in ("few", "all")
        }
        assert found["few"] == [("none", 0), ("none", 1), ("5%", 0), ("5%", 1)]
        assert found["all"] == [(labels, seed) for labels in changed.budgets for seed in range(3)]
        assert all(job_cost(plan, job)[1] > 0 for job in plan.jobs)
    finally:
        read_paper.cache_clear()
    content["rows"].append({"name": "taught", "method": "distil", "recipe": "small", "teacher": "few", "seeds": 2})
    with pytest.raises(ValueError, match="taught has budgets that its teacher few has not"):
        Benchmark.model_validate(content)
    content["rows"][-1] |= {"budgets": ["5%"], "seeds": None}
    with pytest.raises(ValueError, match="taught has seeds that its teacher few has not"):
        Benchmark.model_validate(content)


def test_small_items_have_faces_of_the_statistics_they_stand_for(tmp_path: Path) -> None:
    made = {}
    for item in ("table-iv", "table-v"):
        for key, faces in plan_item("wsrtl", item, tmp_path).stores.made.items():
            made[key] = faces
    assert made["bp4d"] == benchmark().faces["frequent"]
    content = read_paper("adversarial")
    item = content.items["table-1"].model_copy(update={"small": SmallItem(data=("bp4d", "disfa"))})
    stores = find_stores("adversarial", item, content, "small", tmp_path, [], {})
    assert stores.made == {"bp4d": benchmark().faces["frequent"], "disfa": benchmark().faces["rare"]}
    assert [stores.of(key).name for key in ("bp4d", "disfa")] == ["faces", "faces-disfa"]


def test_data_sets_are_known_and_protocols_have_folds() -> None:
    for paper in PAPERS:
        for data in read_paper(paper).data.values():
            assert data.dataset == "synthetic" or data.dataset in DATA_SETS
    assert [fold_count(name) for name in ("bp4d-3fold", "bp4d+-4fold", "kfold:5", "60-20-20", "holdout:33%")] == [
        3,
        4,
        5,
        1,
        1,
    ]


def test_small_trainings_begin_from_a_pretraining_where_the_paper_s_do_from_imagenet(tmp_path: Path) -> None:
    small = [job for job in plan_item("adversarial", "table-1", tmp_path).jobs if job.kind == "train"]
    assert small and all("starts/faces/kdsrl" in job.needs and "--init" in job.words for job in small)
    paper = plan_item("adversarial", "table-1", tmp_path, scale="paper", stand_in=True)
    assert not any(job.kind == "pretrain" or "--init" in job.words for job in paper.jobs)
    own = plan_item("kdsrl", "table-5", tmp_path)
    begun = {job.id for job in own.jobs if job.kind == "train" and "--init" in job.words}
    assert {run.row.name: bool(begun & {*run.jobs}) for run in own.runs} == {
        "random weights": False,
        "Ours, fine-tuned": True,
    }


def test_an_item_is_found_however_it_is_written() -> None:
    for name in ("Table 1", "table-1", "TABLE  1"):
        assert find_item("adversarial", name)[0] == "table-1"
    assert find_item("adversarial", "Fig. 4")[0] == find_item("adversarial", "figure 4")[0] == "figure-4"
    assert find_item("knowledge-spreader", "Section 4.5")[0] == "section-4.5"
    with pytest.raises(InputError, match="table-i, table-ii"):
        find_item("wsrtl", "table 9")
    with pytest.raises(InputError, match="Papers: adversarial"):
        read_paper("resnet")


def test_a_sweep_makes_a_row_a_value_of_the_recipe(tmp_path: Path) -> None:
    plan = plan_item("wsrtl", "figure-5", tmp_path)
    names = [run.row.name for run in plan.runs if run.row.name.startswith("lambdaf")]
    assert names == [f"lambdaf, weight = {value}" for value in (0.05, 0.1, 0.2, 0.5, 1.0)]
    assert "method.flow.weight=0.05" in next(run for run in plan.runs if run.row.name == names[0]).settings
    starts = [job for job in plan_item("kdsrl", "figure-3", tmp_path).jobs if job.kind == "pretrain"]
    assert sum("method.alpha=0.5" in job.words for job in starts) == 1
    assert all(PRETRAIN + job.words[1] == "pretrain/kdsrl" for job in starts)


def test_folds_share_a_pretraining_only_where_its_people_are_others(tmp_path: Path) -> None:
    paper = plan_item("kdsrl", "table-3", tmp_path, scale="paper", stand_in=True)
    assert len([job for job in paper.jobs if job.kind == "pretrain"]) == 3
    assert len([job for job in paper.jobs if job.kind == "train"]) == 9
    small = plan_item("kdsrl", "table-3", tmp_path)
    ahead = [job for job in small.jobs if job.kind == "pretrain"]
    assert all("--protocol" in job.words for job in ahead), "people tested on are kept out"


def test_two_cores_draw_twice_what_each_was_measured_to_draw() -> None:
    measured = {
        **{"supervised": 315, "adversarial": 466, "kdsrl": 303, "rotation": 229, "jigsaw": 212, "exemplar": 236},
        **{"fixmatch": 276, "mixmatch": 286, "mean-teacher": 268, "pseudo-label": 332, "cutmix": 290, "tcl": 290},
        **{"knowledge-spreader": 236, "mae-face": 152, "pretrain/kdsrl": 98 * 3 / 2},
    }
    for name, faces in measured.items():
        assert rate(resolve(name)) == pytest.approx(2 * faces, rel=0.02), name
    plain = resolve("wsrtl", settings=("method.auxiliary=[]", "method.semi_supervised=none"))
    assert rate(plain) == pytest.approx(2 * 198, rel=0.02)
    assert rate(resolve("wsrtl")) < rate(plain) / 3


def test_every_numbered_figure_of_results_has_an_item() -> None:
    """All of the papers' tables and figures but drawings of the method and pictures of data sets."""
    wanted = {
        "adversarial": (3, 4, 5, 6, 7, 8),
        "wsrtl": (5, 6, 7, 8, 9),
        "knowledge-spreader": (4, 5, 6, 8),
        "mae-face": (1, 3, 4, 5, 6, 7, 8),
    }
    for paper, figures in wanted.items():
        items = read_paper(paper).items
        assert {f"figure-{number}" for number in figures} == {key for key in items if key.startswith("figure-")}, paper


def test_words_of_an_item_are_true_of_the_small_scale() -> None:
    """What says "all labels" or a share of them is what runs, or has other words where it is not."""
    for paper in ("adversarial", "kdsrl", "wsrtl", "knowledge-spreader", "mae-face"):
        for key, item in read_paper(paper).items.items():
            run = {*(item.small.labels or item.labels).values()} | {"all" if "all" in (item.small.labels or ()) else ""}
            said = set(re.findall(r"(?<!to )\b[\d.]+ %", item.what_at("small"))) - {"90 %", "50 %"}
            if "with all labels" in item.what_at("small"):
                said.add("all")
            faces = item.what_at("small") if not item.small.data else ""
            assert not re.search("BP4D|DISFA|AffectNet", faces), (paper, key, "faces of the small scale are synthetic")
            for word in said:
                assert word.replace(" ", "") in {each.replace(" missing", "") for each in run}, (paper, key, word)


def test_pictures_of_a_pretraining_are_of_people_whom_it_has_not_seen(tmp_path: Path) -> None:
    """One that learned from other faces than the training's needs a store to be named; else its fold tells whom."""
    for item, named in (("figure-1", [str(tmp_path / "faces")]), ("figure-8", [])):
        (pictures,) = [job.words for job in plan_item("mae-face", item, tmp_path).jobs if job.kind == "pictures"]
        assert list(pictures[3 : len(pictures) - 2 * ("--beside" in pictures)]) == named, item


def test_counts_are_of_each_data_set_and_maps_of_the_pictures_too(tmp_path: Path) -> None:
    plan = plan_item("adversarial", "figure-3", tmp_path)
    assert [job.kind for job in plan.jobs] == ["synth"] * 2 + ["counts"] * 2 and not plan.runs
    assert [job.words[0] for job in plan.jobs if job.to is not None] == ["inspect", "inspect"]
    maps = [job for job in plan_item("adversarial", "figure-8", tmp_path).jobs if job.kind == "map"]
    assert [job.words[1].rpartition("/")[2] for job in maps] == ["pixels", "seed-0"]
    queries = [job for job in plan_item("wsrtl", "figure-9", tmp_path).jobs if job.kind == "pictures"]
    assert [job.id for job in queries] == ["pictures/WSRTL-bp4d", "pictures/WSRTL-disfa"]
    assert all(f"/{data}/" in job.words[1] for job, data in zip(queries, ("bp4d", "disfa"), strict=True))


def test_the_control_draws_what_the_method_draws(tmp_path: Path) -> None:
    runs = {run.row.name: run for run in plan_item("adversarial", "control", tmp_path).runs}
    control, ours = ((runs[name].row.method, runs[name].recipe) for name in ("control", "Ours"))
    assert control == ours and "method.alpha=1.0e-12" in runs["control"].settings
    assert resolve("adversarial", settings=runs["control"].settings).method["alpha"] == 1e-12


def test_a_store_serves_an_item_whose_flow_it_has_or_may_get(tmp_path: Path) -> None:
    stores = {}
    for name, target in (("later", "later"), ("rest", "rest"), ("none", None)):
        folder = tmp_path / name
        (folder / "flow").mkdir(parents=True)
        write_record(folder / "store.json", {"source": {"dataset": "bp4d"}})
        if target is not None:
            flow = {"rows": 2, "store": "s", "step": 3, "part_rows": 2, "cell": 4, "target": target}
            write_record(folder / "flow" / "flow.json", flow)
        stores[name] = folder
    paper = read_paper("wsrtl")

    def found(item: str, *given: str) -> Path:
        key = "bp4d" if item == "table-i" else "bp4d-rest"
        of_item = paper.items[item].model_copy(update={"rows": paper.items[item].rows[:1]})
        places = find_stores("wsrtl", of_item, paper, "paper", tmp_path, [stores[name] for name in given], {})
        return places.of(key)

    assert found("flow-to-rest", "rest", "later") == stores["rest"]
    assert found("table-i", "later", "rest") == stores["later"]
    assert found("flow-to-rest", "none") == found("table-i", "none") == stores["none"]
    with pytest.raises(InputError, match=r"bp4d, without flow to later frames, is needed .*; .*later is of bp4d"):
        found("flow-to-rest", "later")
    with pytest.raises(InputError, match=r"rest is of bp4d with flow to the person at rest"):
        found("table-i", "rest")
