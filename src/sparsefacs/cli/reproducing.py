"""The command that makes a paper's table or figure: reproduce."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..errors import InputError
from .options import Json, Settings, one_of, show

if TYPE_CHECKING:
    from ..experiments.reproduction import Reproduced


def reproduce(
    paper: Annotated[
        str | None,
        typer.Argument(help="adversarial, kdsrl, wsrtl, mae-face, knowledge-spreader, benchmark; none named: list."),
    ] = None,
    item: Annotated[
        str | None,
        typer.Argument(
            help='Such as "Table 1" or figure-4; claims: what decides the paper\'s claims; none named: list.'
        ),
    ] = None,
    store: Annotated[
        list[Path] | None, typer.Option(help="Store of a data set that the item needs; may be repeated.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder that items of a paper share; results are in its folder ITEM. Default: reproduced/PAPER."
        ),
    ] = None,
    scale: Annotated[
        str,
        typer.Option(
            help="small (small networks; unless a store is given on synthetic faces, with further people to test on) "
            "or paper."
        ),
    ] = "small",
    seeds: Annotated[
        int,
        typer.Option(
            min=1, help="Trainings of each row, of seeds 0, 1, …; the benchmark's draw people and labels anew as well."
        ),
    ] = 1,
    together: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Processes at a time. Default: at small scale one a core, at most 8, of one thread each, so that the "
            "numbers do not depend on it; at paper scale 1, which share the cores.",
        ),
    ] = None,
    start: Annotated[
        list[str] | None,
        typer.Option(help="NAME=RUN or NAME=FILE: weights in place of the item's pre-training; may be repeated."),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show the runs, their commands and cost; do nothing.")
    ] = False,
    jobs: Annotated[
        Path | None, typer.Option(help="Write the commands to this file, in stages, instead of running them.")
    ] = None,
    settings: Settings = None,
    as_json: Json = False,
) -> None:
    """Make a table or figure of a paper, or the synthetic benchmark: its runs, and our numbers beside the published.

    What is finished is not made again, so a stopped command goes on when given again. With --jobs FILE a cluster runs
    the commands; the same command without --jobs then gathers the results. --scale paper needs stores of the item's
    data sets (--dry-run names them). Scores of synthetic faces say nothing about real ones.
    """
    from ..experiments import reproduction

    if paper is None:
        titles = {name: reproduction.read_paper(name).title for name in reproduction.PAPERS}
        show(titles, as_json, "\n".join(f"{name:20} {title}" for name, title in titles.items()))
        return
    if item is None:
        found = reproduction.item_list(paper)
        show({"items": found}, as_json, "\n".join(map(_item_text, found)) + f"\n{_ROUGH}")
        return
    chosen: Any = one_of("--scale", scale, ("small", "paper"))
    given: dict[str, Any] = {"stores": store or (), "scale": chosen, "seeds": seeds, "settings": settings or ()}
    given["starts"] = _starts(start or ())
    claims = item.casefold() == _CLAIMS
    if dry_run:
        given["stand_in"] = True
        plans = (
            reproduction.plan_claims(paper, out, **given)
            if claims
            else [reproduction.plan_item(paper, item, out, **given)]
        )
        told = reproduction.describe(*plans)
        show(told, as_json, _plan_text(told))
        return
    given |= {"together": together, "jobs": jobs}
    made = (
        reproduction.reproduce_claims(paper, out, **given)
        if claims
        else [reproduction.reproduce(paper, item, out, **given)]
    )
    if jobs is not None:
        typer.echo(f"{jobs}: the commands left to do; afterwards give this command again without --jobs", err=True)
    content = {"items": [each.content for each in made]} if claims else made[0].content
    show(content, as_json, "\n".join(map(_result_text, made)))
    _tell_failed(made)


def _tell_failed(made: Sequence["Reproduced"]) -> None:
    """Raise InputError where jobs failed."""
    failed = {each.job: each for one in made for each in one.failed}
    if failed:
        first = next(iter(failed.values()))
        raise InputError(
            f"{len(failed)} job{'s' if len(failed) > 1 else ''} failed, first {first.job}: {first.why}",
            path=made[0].out.parent,
            remedy="See logs there; give the same command again to make what is missing",
        )


_CLAIMS = "claims"
_ROUGH = (
    "Hours: rough, on two cores with bfloat16 products and without a GPU, two jobs at a time; without such products up "
    "to 2.3 times as long; a GPU takes far less for large networks."
)


def _starts(given: Sequence[str]) -> dict[str, Path]:
    found = {}
    for word in given:
        name, sign, path = word.partition("=")
        if not sign or not Path(path).exists():
            raise InputError(
                f"--start {word} is not possible", remedy="Write NAME=RUN, a run folder or file of weights"
            )
        found[name] = Path(path).resolve()
    return found


def _item_text(entry: dict[str, Any]) -> str:
    lines = [f"{entry['item']:14} {entry['what']}"]
    for scale in ("small", "paper"):
        if scale in entry:
            each = entry[scale]
            needs = f", stores of {', '.join(entry['data_sets'])}" if scale == "paper" else ""
            what = f", {entry['what_small']}" if scale == "small" and "what_small" in entry else ""
            lines.append(f"{'':14} {scale}: {each['jobs']} jobs, about {_time(each['hours'])}{needs}{what}")
    return "\n".join(lines)


def _time(hours: float) -> str:
    """Return hours in words, short ones in minutes."""
    return f"{hours:,.1f} hours" if hours >= 1 else f"{max(1, round(60 * hours))} min"


def _plan_text(told: dict[str, Any]) -> str:
    lines = []
    for job in told["jobs"]:
        state = "finished" if job["finished"] else f"{job['faces']:,} faces, about {_time(job['hours'])}"
        lines.append(f"# {job['job']}: {state}\n{job['command']}")
    left = sum(not job["finished"] for job in told["jobs"])
    lines.append(f"{left} jobs to do: {told['faces']:,} faces to be seen, about {_time(told['hours'])}. {_ROUGH}")
    lines += [f"{place} stands for a store that is not there: {command}" for place, command in told["missing"].items()]
    return "\n".join(lines)


def _result_text(made: "Reproduced") -> str:
    from ..reports.tables import with_interval

    lines = []
    for row in made.content["rows"]:
        metric = next(iter(row["scores"]))
        score = row["scores"][metric]
        name = f"{row['data']}, {row['labels']}, {row['row']}"
        lines.append(f"{name:40} {metric} {with_interval(score, 3)}, seeds {len(row['seeds'])}")
    lines += made.content["notes"]
    lines += ["Scores of synthetic faces say nothing about real ones."] if made.content["synthetic"] else []
    return "\n".join([*lines, str(made.out / "results.html")])
