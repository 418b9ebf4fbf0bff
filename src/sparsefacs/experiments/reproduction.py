"""`reproduce`: a paper's table or figure, from its runs to its results, in one call that can be given again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import InputError
from ..files import hash_json, refuse_existing, write_json, write_text
from ..records import Record, read_record, write_record
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
    """What a call came to. content: of results.json; page: the web page; failed: jobs that did not end well."""

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

    out: default reproduced/PAPER/ITEM; stores: of the item's data sets, or (small scale) one for all; starts:
    pre-training → a run or file of weights in its place; settings: of every training; stand_in: name a missing store
    instead of refusing. Raises InputError for an unknown paper or item, and for missing stores.
    """
    paper = paper.casefold()
    content = read_paper(paper)
    key, chosen = find_item(paper, item)
    content = content.of(chosen)
    folder = Path("reproduced") / paper / key if out is None else out
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
    """Make the runs of a paper's item that are not there yet, and write its results into `out`; return them.

    together: processes at a time, see `run_jobs`; jobs: write the commands there instead of running them, and gather
    what is finished; given: as of `plan_item`. Files: results.json, results.md, results.html, report.html where
    distributions are asked for. A stopped call goes on when given again; a failed run is told and the others go on.
    """
    plan = plan_item(paper, item, out, **given)
    notes = _check_stores(plan)
    _claim(plan, given)
    failed: list[Failure] = []
    if jobs is not None:
        write_jobs(plan, jobs)
    else:
        costs = {job.id: job_cost(plan, job)[1] for job in plan.jobs if not job.finished}
        failed = run_jobs(plan, together, costs, lambda job: _wrong_faces(plan, job))
    content = gather(plan, failed)
    content["notes"] = notes
    write_results(plan, content)
    return Reproduced(plan.out, content, tuple(failed))


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
    write_json(plan.out / "results.json", content)
    write_text(plan.out / "results.md", markdown(content, metrics, printed))
    write_text(plan.out / "results.html", web_page(content, metrics, printed, _pictures(plan)))
    if any(extra.kind == "report" for extra in plan.item.extras):
        _report(plan)


def _report(plan: Plan) -> None:
    """Write the page that compares the first seeds at the first data set and budget, distributions included."""
    from ..api import report

    first = next(iter(plan.runs))
    runs = [run for run in plan.runs if (run.data, run.labels, run.seed) == (first.data, first.labels, 0)]
    done = [run.folder for run in runs if (run.folder / "metrics.json").exists()][:_MOST_ON_REPORT]
    if done:
        page = plan.out / "report.html"
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
    """Make `out` this item's folder, or find that it already is; another number of seeds is no other item."""
    starts = {name: str(path) for name, path in (given.get("starts") or {}).items()}
    about = {
        "paper": plan.paper,
        "item": plan.key,
        "scale": plan.scale,
        "stores": {key: str(path) for key, path in plan.stores.places.items()},
        "starts": starts,
        "settings": list(given.get("settings") or ()),
    }
    mark = plan.out / MARK
    if mark.exists():
        known = read_record(mark, Record, what="the folder's mark", remedy="Choose another --out")
        if hash_json(known) == hash_json(about):
            return
        raise InputError(
            f"holds {known.get('paper')} {known.get('item')} at {known.get('scale')} scale, made of other settings",
            path=plan.out,
            remedy="Choose another --out, or give the command that began it",
        )
    refuse_existing(plan.out, what="folder of the results")
    write_record(mark, about)


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
    costs = [job_cost(plan, job) for job in plan.jobs if not job.finished]
    return {"faces": sum(faces for faces, _ in costs), "hours": round(sum(each for _, each in costs) / 3600, 2)}


def describe(plan: Plan) -> dict[str, Any]:
    """Return every job of a plan with its command and cost, and how missing stores are prepared; for --dry-run."""
    jobs = []
    for job in plan.jobs:
        faces, seconds = job_cost(plan, job)
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
    missing = {str(plan.stores.of(key)): prepare_command(plan.content, key) for key in plan.stores.missing}
    return {
        "paper": plan.paper,
        "item": plan.key,
        "scale": plan.scale,
        "jobs": jobs,
        "missing": missing,
        **cost_of(plan),
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
