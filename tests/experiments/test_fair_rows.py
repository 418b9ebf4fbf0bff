"""Rows of an item are compared fairly: as many labelled faces a step, nobody set aside unsaid, none with itself."""

from pathlib import Path

import pytest

from sparsefacs.engine.config import resolve
from sparsefacs.experiments.items import BENCHMARK, PAPERS, Scale, read_paper
from sparsefacs.experiments.reproduction import plan_item


def test_every_row_of_the_benchmark_sees_as_many_labelled_faces_a_step(tmp_path: Path) -> None:
    """A method that sees twice as many is ahead by that alone; of clips, each with a label, pages say how many."""
    plan, seen, clips = plan_item(BENCHMARK, "occurrence", tmp_path), {}, {}
    for run in {(run.row.name, run.labels): run for run in plan.runs}.values():
        name = run.row.method
        if name in ("instant", "constant"):
            continue
        teacher = ("method.teacher=T",) if name == "distil" else ()
        config = resolve(name, run.recipe, (*run.settings, *teacher))
        if name in ("tcl", "knowledge-spreader"):
            clips[name, run.labels == "all"] = (config.data.labelled_batch, config.data.unlabelled_batch)
            continue
        seen[run.row.name, run.labels] = config.data.labelled_batch
        if name not in ("supervised", "kdsrl", "mae-face") and run.row.name.partition(",")[0] != "WSRTL backbone":
            assert config.data.unlabelled_batch == 64, (run.row.name, "equal halves, as in WSRTL, IV-G")
    assert set(seen.values()) == {64} and len(seen) > 60
    few, many = clips["knowledge-spreader", False], clips["knowledge-spreader", True]
    assert (few, clips["tcl", False]) == ((20, 6), (13, 13)) and many[0] == clips["tcl", True][0] == 26
    said = (Path(__file__).parents[2] / "docs" / "results" / "introduction.txt").read_text(encoding="utf-8")
    assert "KS shows the labels of 20 clips a step, with all labels of 26" in " ".join(said.split())


def test_the_benchmark_has_the_rows_that_say_what_a_gain_is_due_to(tmp_path: Path) -> None:
    rows = {row.name: row for row in read_paper(BENCHMARK).items["occurrence"].rows}
    chance = {name: resolve("constant", settings=rows[name].settings) for name in ("always present", "always absent")}
    assert {name: config.method["answer"] for name, config in chance.items()} == {
        "always present": "present",
        "always absent": "absent",
    }
    assert rows["KDSRL"].settings == rows["KDSRL from random weights"].settings
    assert rows["KDSRL from random weights"].start is None
    for name in ("SimCLR", "MoCo"):
        assert (rows[name].method, rows[f"{name}, whole face"].method) == ("kdsrl", "supervised")
        assert rows[name].start == rows[f"{name}, whole face"].start == name.casefold()
    for name, tasks in (("OFE", ["flow"]), ("RoII", ["inpainting"]), ("OFE+RoII", ["flow", "inpainting"])):
        method = resolve("wsrtl", settings=rows[name].settings).method
        assert (method["auxiliary"], method["semi_supervised"]) == (tasks, "none")


@pytest.mark.parametrize("scale", ["small", "paper"])
def test_rows_of_one_item_see_as_many_labelled_faces_a_step(scale: Scale, tmp_path: Path) -> None:
    """Of a clip the key frame alone is labelled, so that a clip counts as a face does."""
    for paper in PAPERS[:-1]:
        for key in read_paper(paper).items:
            planned = plan_item(paper, key, tmp_path, scale=scale, stand_in=scale == "paper").runs
            runs = {(run.row.method, run.recipe, run.settings) for run in planned}
            sizes = {resolve(*run).data.labelled_batch for run in runs}
            assert len(sizes) <= 1, (paper, key, sizes)


@pytest.mark.parametrize("paper", ["adversarial", "wsrtl", "kdsrl", "knowledge-spreader"])
def test_nobody_is_set_aside_where_the_paper_sets_nobody_aside(paper: str, tmp_path: Path) -> None:
    """Fig. 6 of WSRTL trains on 27 of the 27 people of a fold's training part, or on fewer and on no other."""
    for key in read_paper(paper).items:
        runs = plan_item(paper, key, tmp_path, scale="paper", stand_in=True).runs
        for run in {(run.data, run.row.name, run.labels): run for run in runs}.values():
            config = resolve(run.row.method, run.recipe, run.settings)
            validated = run.data == "bp4d-split"  # 60-20-20: the fifth of the people is there to choose a state by
            assert config.selection.rule == ("validation" if validated else "last"), (key, run.row.name)
            assert (config.data.others == "leave-out") == (
                (paper, key) == ("wsrtl", "figure-6") and run.labels != "all"
            )
            assert config.network.init == ("none" if "random weights" in run.row.name else "imagenet")


@pytest.mark.parametrize("scale", ["small", "paper"])
@pytest.mark.parametrize("paper", ["adversarial", "kdsrl", "wsrtl", "knowledge-spreader", "mae-face"])
def test_no_row_is_compared_with_itself(paper: str, scale: Scale, tmp_path: Path) -> None:
    """Two names for one training would show a difference of nothing; curves alone pass through the usual value."""
    for key in read_paper(paper).items:
        trained: dict[tuple[str, str, str], dict[object, str]] = {}
        for run in plan_item(paper, key, tmp_path, scale=scale, stand_in=scale == "paper").runs:
            if " = " in run.row.name:
                continue
            config = resolve(run.row.method, run.recipe, run.settings)
            asked = (config.model_copy(update={"recipe": ""}).model_dump_json(), run.row.unlabelled, run.start)
            names = trained.setdefault((run.data, run.labels, run.task), {})
            assert names.setdefault(asked, run.row.name) == run.row.name, (key, names[asked], run.row.name)


def test_people_and_steps_of_a_pretraining_differ_one_by_one_and_its_fine_tuning_does_not(tmp_path: Path) -> None:
    plan = plan_item("mae-face", "people-and-steps", tmp_path)
    made = {job.id: job for job in plan.jobs}
    cells = {}
    for run in plan.runs:
        (start,) = [need for need in made[run.jobs[0]].needs if need.startswith("starts/")]
        words = made[start].words
        cells[run.row.name] = (words[2].rpartition("/")[2], [word for word in words if "training.steps" in word][-1])
        assert ("--protocol" in words) == ("few people" in run.row.name), "people of their own are nobody's"
    assert len(set(cells.values())) == 4 and {len({cell[n] for cell in cells.values()}) for n in (0, 1)} == {2}
    assert len({(run.recipe, run.settings) for run in plan.runs}) == 1
    given = plan_item("mae-face", "people-and-steps", tmp_path, starts={"many-long": tmp_path})
    assert not any("many-long" in job.id for job in given.jobs)


def test_budgets_below_a_tenth_are_trained_at_small_scale_too(tmp_path: Path) -> None:
    """Figure 7 of MAE-Face goes down to a thousandth; synthetic clips of ten frames have drawn frames below a tenth."""
    labels = {run.labels for run in plan_item("mae-face", "figure-7", tmp_path).runs}
    assert {"all", "every:10", "5%", "2%", "1%"} <= labels
