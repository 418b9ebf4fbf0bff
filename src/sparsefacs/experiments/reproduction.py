"""`reproduce`: a paper's table or figure, from its runs to its results, in one call that can be given again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import SoleWriter, refuse_existing, write_json, write_text
from ..records import Record, read_record, write_record
from .claims import deciding_items, deciding_places, papers_of_claims
from .cost import job_cost
from .execute import Failure, run_jobs, write_jobs
from .items import BENCHMARK, PAPERS, Scale, find_item, read_paper
from .jobs import Job, Plan
from .outcome import gather
from .pages import counts_figure, markdown, web_page
from .plan import make_plan
from .stores import check_faces, command_line, find_stores, prepare_command

MARK = "reproduce.json"
_MOST_ON_REPORT = 8
_PICTURES = (".png", ".svg")


@dataclass(frozen=True)
class Reproduced:
    """What a call came to. out: the folder of the results; content: of results.json; failed: jobs that ended badly."""

    out: Path
    content: dict[str, Any]
    failed: tuple[Failure, ...]


def plan_item(
    paper: str,
    item: str,
    out: Path | None = None,
    *,
    stores: Sequence[Path] = (),
    scale: Scale = "small",
    seeds: int = 1,
    starts: Mapping[str, Path] | None = None,
    settings: Sequence[str] = (),
    stand_in: bool = False,
) -> Plan:
    """Return the runs of an item; nothing is written.

    out: default reproduced/PAPER; stores: of the item's data sets, or (small scale) one for all; starts:
    pre-training → a run or file of weights in its place; settings: of every training; stand_in: name a missing store
    instead of refusing. Raises InputError for an unknown paper or item, and for missing stores.
    """
    paper = paper.casefold()
    content = read_paper(paper)
    key, chosen = find_item(paper, item)
    content = content.of(chosen)
    folder = Path("reproduced") / paper if out is None else out
    given = dict(starts or {})
    found = find_stores(paper, chosen, content, scale, folder, stores, given, stand_in=stand_in)
    return make_plan(paper, key, chosen, content, scale, folder, found, seeds, settings)


def reproduce(
    paper: str,
    item: str,
    out: Path | None = None,
    *,
    together: int | None = None,
    jobs: Path | None = None,
    **given: Any,
) -> Reproduced:
    """Make the runs of a paper's item that are not there yet, and write its results into `out`/ITEM; return them.

    Items of a paper share what they have in common in `out`: faces, pre-trainings, and runs of the same command.
    together: processes at a time, see `run_jobs`; jobs: write the commands there instead of running them, and gather
    what is finished; given: as of `plan_item`. Files: results.json, results.md, results.html, report.html where
    distributions are asked for. A stopped call goes on when given again; a failed run is told and the others go on.
    """
    (made,) = _make([plan_item(paper, item, out, **given)], together, jobs, given)
    return made


def plan_claims(paper: str, out: Path | None = None, **given: Any) -> list[Plan]:
    """Return the runs of all items that decide a claim of the paper; given: as of `plan_item`.

    At small scale, whose numbers the verdicts are of, the rows and budgets that decide one alone, and what is finished.
    Raises InputError for a paper of which no claim is listed, and as `plan_item` does.
    """
    items = deciding_items(paper.casefold())
    if not items:
        raise InputError(f"{paper} has no list of claims", remedy=f"Choose of {', '.join(papers_of_claims())}")
    plans = [plan_item(paper, item, out, **given) for item in items]
    return [plan.narrowed(deciding_places(plan.paper, plan.key)) if plan.scale == "small" else plan for plan in plans]


def reproduce_claims(
    paper: str, out: Path | None = None, *, together: int | None = None, jobs: Path | None = None, **given: Any
) -> list[Reproduced]:
    """Make all items that decide a claim of the paper, each run once, as `reproduce` makes one; return them."""
    return _make(plan_claims(paper, out, **given), together, jobs, given)


def _make(plans: Sequence[Plan], together: int | None, jobs: Path | None, given: Mapping[str, Any]) -> list[Reproduced]:
    """Run or write down what is not finished of several items of a paper; write the results of each and return them."""
    notes = []
    for plan in plans:
        told = _check_stores(plan)
        if plan.left_out:
            told.append(f"{plan.left_out} trainings of other rows and budgets decide no claim and were not asked for")
        notes.append(told)
        _claim(plan, given)
    whole, failed = in_one(plans), []
    if jobs is not None:
        write_jobs(whole, jobs)
    else:
        costs = {job.id: cost[1] for job, cost in _costs(plans) if not job.finished}
        alone = SoleWriter(whole.out)  # another item of the paper may make the same runs
        try:
            failed = run_jobs(whole, together, costs, lambda job: _wrong_faces(whole, job))
        finally:
            alone.release()
    made = []
    for plan, told in zip(plans, notes, strict=True):
        own = {job.id for job in plan.jobs}
        content = gather(plan, [each for each in failed if each.job in own])
        content["notes"] = told
        write_results(plan, content)
        made.append(Reproduced(plan.results, content, tuple(each for each in failed if each.job in own)))
    return made


def in_one(plans: Sequence[Plan]) -> Plan:
    """Return the jobs of several items of a paper as one plan, what they share once."""
    jobs = {job.id: job for plan in plans for job in plan.jobs}
    first = plans[0]
    return first if len(plans) == 1 else replace(first, key="claims", jobs=list(jobs.values()), runs=[])


def _costs(plans: Sequence[Plan]) -> list[tuple[Job, tuple[int, float]]]:
    """Return each job of several items once, with the faces that it sees and its seconds, by the first that has it."""
    found = {}
    for plan in plans:
        for job in plan.jobs:
            if job.id not in found:
                found[job.id] = (job, job_cost(plan, job))
    return list(found.values())


def _check_stores(plan: Plan) -> list[str]:
    """Return what is amiss with the faces that are there; raises InputError where they are to be the benchmark's."""
    paths = dict.fromkeys((*plan.stores.places.values(), *(path for path, _ in plan.stores.shifted.values())))
    told = [why for path in paths if (why := check_faces(plan.stores, path))]
    if told and plan.paper == BENCHMARK:
        raise InputError(told[0])
    return told


def _wrong_faces(plan: Plan, job: Job) -> str:
    """Say why faces just made are not the benchmark's, where they must be."""
    return check_faces(plan.stores, Path(job.words[1])) if job.kind == "synth" and plan.paper == BENCHMARK else ""


def write_results(plan: Plan, content: dict[str, Any]) -> None:
    """Write results.json and its pages."""
    metrics, printed = plan.item.metrics, plan.item.printed
    for data in content["counts"]:
        write_text(plan.counts[data].with_suffix(".svg"), counts_figure(plan, content, data))
    write_json(plan.results / "results.json", content)
    write_text(plan.results / "results.md", markdown(content, metrics, printed))
    write_text(plan.results / "results.html", web_page(content, metrics, printed, _pictures(plan)))
    if any(extra.kind == "report" for extra in plan.item.extras):
        _report(plan)


def _report(plan: Plan) -> None:
    """Write the page that compares the first seeds at the first data set and budget, distributions included."""
    from ..api import report

    first = next(iter(plan.runs))
    runs = [run for run in plan.runs if (run.data, run.labels, run.seed) == (first.data, first.labels, 0)]
    done = [run.folder for run in runs if (run.folder / "metrics.json").exists()][:_MOST_ON_REPORT]
    if done:
        page = plan.results / "report.html"
        page.unlink(missing_ok=True)
        report(page, done)


def _pictures(plan: Plan) -> dict[str, Path]:
    """Return the pictures made beside, by what they show."""
    found: dict[str, Path] = {}
    for name, path in plan.extras.items():
        files = sorted(path.iterdir()) if path.is_dir() else [path] if path.exists() else []
        found |= {f"{name}: {file.stem}": file for file in files if file.suffix in _PICTURES}
    return found


def _claim(plan: Plan, given: Mapping[str, Any]) -> None:
    """Make `out` the folder of this paper's items, or find that it is: at one scale, of the same faces, starts and
    settings, since items share what they make. Another number of seeds is nothing else.
    """
    starts = {name: str(path) for name, path in (given.get("starts") or {}).items()}
    about: dict[str, Any] = {
        "paper": plan.paper,
        "item": plan.key,
        "scale": plan.scale,
        "stores": {key: str(path) for key, path in plan.stores.places.items()},
        "starts": starts,
        "settings": list(given.get("settings") or ()),
    }
    marks = sorted(plan.out.glob(f"*/{MARK}"))
    earlier = [mark.parent for mark in (plan.out / MARK, *marks) if (mark.parent / "runs").exists() and mark.exists()]
    if earlier:
        raise InputError(
            "was made by an earlier version, in which each item had runs of its own",
            path=earlier[0],
            remedy="Choose another --out, or move it away",
        )
    for mark in marks:
        known = read_record(mark, Record, what="the folder's mark", remedy="Choose another --out")
        stores = known.get("stores") or {}
        of_others = any(stores.get(key, path) != path for key, path in about["stores"].items())
        if of_others or any(known.get(key) != about[key] for key in ("paper", "scale", "starts", "settings")):
            raise InputError(
                f"holds {known.get('paper')} {known.get('item')} at {known.get('scale')} scale, made of other settings",
                path=plan.out,
                remedy="Choose another --out, or give the command that began it",
            )
    if not marks:
        refuse_existing(plan.out, what="folder of the results")
    if plan.results / MARK not in marks:
        write_record(plan.results / MARK, about)


def item_list(paper: str) -> list[dict[str, Any]]:
    """Return the items of a paper: what each shows and needs, runs and hours at both scales."""
    content = read_paper(paper.casefold())
    told = []
    for key, item in content.items.items():
        entry: dict[str, Any] = {"item": key, "what": item.what, "printed": list(item.printed)}
        entry |= {} if item.small.what is None else {"what_small": item.small.what}
        for scale in ("small",) if paper.casefold() == BENCHMARK else ("small", "paper"):
            plan = plan_item(paper, key, scale=scale, stand_in=True)  # type: ignore[arg-type]
            entry[scale] = {"runs": len(plan.runs), "jobs": len(plan.jobs), **cost_of(plan)}
        if paper.casefold() != BENCHMARK:
            entry["data_sets"] = list(dict.fromkeys(content.data[each].dataset for each in plan.stores.places))
        told.append(entry)
    return told


def cost_of(plan: Plan) -> dict[str, Any]:
    """Return the faces to be seen and hours on two cores of what is not finished yet."""
    return _left(_costs([plan]))


def _left(costs: Sequence[tuple[Job, tuple[int, float]]]) -> dict[str, Any]:
    left = [cost for job, cost in costs if not job.finished]
    return {"faces": sum(faces for faces, _ in left), "hours": round(sum(each for _, each in left) / 3600, 2)}


def describe(*plans: Plan) -> dict[str, Any]:
    """Return every job of a paper's plans with its command and cost, and how missing stores are prepared."""
    plan, jobs, costs = plans[0], [], _costs(plans)
    for job, (faces, seconds) in costs:
        jobs.append(
            {
                "job": job.id,
                "command": command_line(job.words),
                "needs": list(job.needs),
                "finished": job.finished,
                "faces": faces,
                "hours": round(seconds / 3600, 3),
            }
        )
    missing = {
        str(each.stores.of(key)): prepare_command(each.content, key) for each in plans for key in each.stores.missing
    }
    return {
        "paper": plan.paper,
        "item": plan.key,
        "scale": plan.scale,
        "jobs": jobs,
        "missing": missing,
        **_left(costs),
    }


__all__ = [
    "PAPERS",
    "Reproduced",
    "cost_of",
    "describe",
    "item_list",
    "plan_item",
    "read_paper",
    "reproduce",
    "write_results",
]
