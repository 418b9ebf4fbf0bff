"""Options that several commands share, and how results are shown."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import InputError
from ..files import without_nan
from ..protocols.budget_words import FORMS as BUDGET_FORMS
from ..protocols.folds import FORMS as PROTOCOL_FORMS
from ..protocols.folds import protocol_names
from ..protocols.partitions import partition_orders

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.")]
Aus = Annotated[str | None, typer.Option("--aus", help="Action units, such as 1,2,4,12. Default: all there are.")]
Protocol = Annotated[
    str, typer.Option(help=f"{PROTOCOL_FORMS}; or {', '.join([*protocol_names(), *partition_orders()])}.")
]
Labels = Annotated[str, typer.Option(help=f"Labels that may be seen: {BUDGET_FORMS}.")]
Unlabelled = Annotated[
    Path | None, typer.Option(help="Further store whose faces are used without labels (people tested on left out).")
]
With = Annotated[
    list[Path] | None,
    typer.Option("--with", help="Further labelled store, joined to STORE; may be repeated. Common AUs are learned."),
]
Settings = Annotated[list[str] | None, typer.Option("--set", help="Any setting, as key.sub=value; may be repeated.")]
SplitSeed = Annotated[int | None, typer.Option(min=0, help="Seed of drawn folds, labels and validation subjects.")]
Selection = Annotated[
    str | None,
    typer.Option(
        help="What the epoch is chosen on: validation (default: a fifth of the labelled training subjects), last (the "
        "last epoch, no choice), published-practice (the test fold itself: marked † on every table)."
    ),
]
Fold = Annotated[str, typer.Option(help="Which fold is tested on: 1, 2, … or all.")]
Recipe = Annotated[str, typer.Option(help="Settings to start from: a recipe's name or YAML file.")]
Seed = Annotated[int | None, typer.Option(min=0, help="Seed of weights and batches.")]
Devices = Annotated[int, typer.Option(min=1, help="GPUs, or CPU processes where there is no GPU.")]
Resume = Annotated[bool, typer.Option("--resume", help="Go on with the unfinished run in OUT.")]
Dask = Annotated[
    str | None,
    typer.Option(help="Scheduler of a Dask cluster, tcp://HOST:8786, whose workers work in place of processes here."),
]
Task = Annotated[str | None, typer.Option(help="occurrence or intensity.")]


def show(result: dict[str, Any], as_json: bool, text: str) -> None:
    """Print a result: one JSON object, or its text."""
    typer.echo(json.dumps(without_nan(result)) if as_json else text)


def one_of(option: str, given: str, known: tuple[str, ...]) -> str:
    """Return `given` if it is one of `known`; raises InputError naming the option."""
    if given not in known:
        first, last = ", ".join(known[:-1]), known[-1]
        raise InputError(f"{option} {given} is not possible", remedy=f"Choose {first} or {last}" if first else last)
    return given


def listed(aus: tuple[int, ...]) -> str:
    """Return AUs as 1,2,4."""
    return ",".join(map(str, aus)) or "none"
