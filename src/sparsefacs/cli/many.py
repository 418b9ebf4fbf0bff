"""Options of work on many files, and `gather`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from .. import api
from ..errors import InputError
from ..shards import OWN_INPUTS, Shard, read_shard
from .options import Json, one_of, show

Every = Annotated[int, typer.Option(help="Code each so manieth frame of a video: 1 all, 5 each fifth.")]
Fps = Annotated[
    float | None,
    typer.Option(help="Code about so many frames a second: each Nth, N being the video's own rate over this, rounded."),
]
OneShard = Annotated[
    str | None,
    typer.Option(
        metavar="I/N",
        help="Do the I-th of N about equal shares, from 1; 1/1: all. Default: as the task of a Slurm array, else all.",
    ),
]
Workers = Annotated[int, typer.Option(min=1, help="Into a folder: processes, each with models of its own.")]
Format = Annotated[str | None, typer.Option("--format", help="Into a folder: csv (default) or parquet.")]


def for_folder(
    out: Path, shard: str | None, workers: int, codes: str | None, *, partial: bool = False
) -> dict[str, Any]:
    """Return what `api.predict` takes for many files; of a single table, what was given alone, to be refused there."""
    into_folder = out.is_dir() or not out.suffix
    if partial and not into_folder:
        raise InputError("--partial: for many files", path=out, remedy="Give --out a folder, a name without a suffix")
    given: dict[str, Any] = {} if codes is None else {"codes": one_of("--format", codes, ("csv", "parquet"))}
    given |= {} if workers == 1 else {"workers": workers}
    if shard is not None or into_folder:
        given["shard"] = one_shard(shard)
    return given


def one_shard(given: str | None) -> Shard:
    """Return the shard that is given, or that Slurm tells; say which it is where that is not all of the work."""
    shard = read_shard(given)
    if not shard.is_whole:
        typer.echo(f"{shard.name}; {OWN_INPUTS}" if shard.told_by else shard.name, err=True)
    return shard


def gather(
    folder: Annotated[Path, typer.Argument(help="Folder of codes, of `sparsefacs predict --out FOLDER`.")],
    out: Annotated[Path | None, typer.Argument(help="Table to write: .csv or .parquet. Default: only check.")] = None,
    partial: Annotated[
        bool, typer.Option("--partial", help="Join what is there, even if something is missing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Join the tables of a folder of codes into one, and say what is missing, double, changed or not read.

    What is expected was written down when coding began, by whichever shard; what came into the folders of inputs since
    then, where these are still there, is missing too. FOLDER/manifest.csv is written anew: a row
    an input, with status, reason, hashes, frames, rows and seconds. With anything missing, double, changed or not
    read no table is made, unless --partial, and the exit code is 2 (with --partial 0).
    """
    told = api.gather(folder, out, partial=partial)
    for line in told.problems:
        typer.echo(line, err=True)
    show(told.as_json(), as_json, told.text())
    if told.problems and not partial:
        raise typer.Exit(2)
