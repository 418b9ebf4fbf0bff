"""Commands for coders: events, summary, agreement."""

from pathlib import Path
from typing import Annotated

import typer

from .. import observation
from ..events.formats import FORMATS
from .options import Json, show

_WRITTEN = ", ".join(f"{row.name} ({row.suffixes[0]})" for row in FORMATS.values() if row.written)


def events(
    codes: Annotated[Path, typer.Argument(help="Codes of `predict`, or a folder of such files.")],
    out: Annotated[Path, typer.Argument(help=f"File to write: {_WRITTEN}.")],
    form: Annotated[
        str | None, typer.Option("--format", help="Kind of file, where its ending does not say it.")
    ] = None,
    on: Annotated[
        float | None,
        typer.Option(help="Probability from which an event begins. Default: where the codes say present (AU12_c)."),
    ] = None,
    off: Annotated[
        float | None, typer.Option(help="With --on: probability below which it ends. Default: --on.")
    ] = None,
    bridge: Annotated[float, typer.Option(help="Seconds: an interruption shorter than this does not end it.")] = 0.1,
    shortest: Annotated[float, typer.Option(help="Seconds: what is seen for less is no event.")] = 0.1,
    as_json: Json = False,
) -> None:
    """Write when each AU begins, peaks and ends, as a file that BORIS, ELAN, R or a spreadsheet opens.

    A row an event: onset, apex, offset, duration, highest intensity. Where a face is lost, or the video begins or ends
    while an AU is present, the event is cut and says so. Stretches in which the face was coded are written too, so that
    silence means absent. Corrected there, the file goes back as labels: sparsefacs prepare VIDEOS STORE --dataset table
    --labels FILE.
    """
    told = observation.write_events(codes, out, form=form, on=on, off=off, bridge_s=bridge, shortest_s=shortest)
    for note in told.notes:
        typer.echo(f"note: {note}", err=True)
    total = sum(told.events.values())
    listed = ", ".join(f"AU{au} {count}" for au, count in told.events.items() if count)
    what, where = f"{total} event{'s' * (total != 1)}", f"{told.videos} video{'s' * (told.videos != 1)}"
    text = f"{out}: {what} in {where}, {told.cut} of them cut" + (f"; {listed}" if listed else "")
    show(
        {"files": [str(path) for path in told.files], "videos": told.videos, "events": told.events, "cut": told.cut},
        as_json,
        text,
    )
