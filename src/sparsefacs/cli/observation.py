"""Commands for coders: events, summary, agreement."""

from pathlib import Path
from typing import Annotated

import typer

from .. import observation
from ..events.formats import FORMATS
from .options import Json, show

_WRITTEN = ", ".join(f"{row.name} ({row.suffixes[0]})" for row in FORMATS.values() if row.written)
On = Annotated[
    float | None,
    typer.Option(help="Probability from which an event begins. Default: where the codes say present (AU12_c)."),
]
Off = Annotated[float | None, typer.Option(help="With --on: probability below which it ends. Default: --on.")]
Bridge = Annotated[float, typer.Option(help="Seconds: an interruption shorter than this does not end an event.")]
Shortest = Annotated[float, typer.Option(help="Seconds: what is seen for less is no event.")]


def events(
    codes: Annotated[Path, typer.Argument(help="Codes of `predict`, or a folder of such files.")],
    out: Annotated[Path, typer.Argument(help=f"File to write: {_WRITTEN}.")],
    form: Annotated[
        str | None, typer.Option("--format", help="Kind of file, where its ending does not say it.")
    ] = None,
    on: On = None,
    off: Off = None,
    bridge: Bridge = 0.1,
    shortest: Shortest = 0.1,
    as_json: Json = False,
) -> None:
    """Write when each AU begins, peaks and ends, as a file that BORIS, ELAN, R or a spreadsheet opens.

    A row an event: onset, apex, offset, duration, highest intensity. Where a face is lost, or the video begins or ends
    while an AU is present, the event is cut and says so. Stretches in which the face was coded are written too, so that
    silence means absent. Corrected there, the file goes back as labels: sparsefacs prepare VIDEOS STORE --labels FILE.
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


def summary(
    codes: Annotated[Path, typer.Argument(help="Codes of `predict` or OpenFace, or a folder of such files.")],
    out: Annotated[Path, typer.Argument(help="Table to write (.csv or .parquet).")],
    wide: Annotated[
        bool, typer.Option("--wide", help="A row a face, a column an AU and number (AU12_present). Default: long.")
    ] = False,
    on: On = None,
    off: Off = None,
    bridge: Bridge = 0.1,
    shortest: Shortest = 0.1,
    as_json: Json = False,
) -> None:
    """Write how much of its time each face shows each AU: a table for R or a spreadsheet.

    A row a video, face and AU: share of time present, mean and highest intensity, events, their mean duration and rate
    a minute, and with which other AUs it is present (share of time together; Jaccard). Frames weigh as long as they are
    shown. Events are those of `sparsefacs events` with the same options; the last column says what they are.
    """
    told = observation.summary(codes, out, wide=wide, on=on, off=off, bridge_s=bridge, shortest_s=shortest)
    for problem in told.problems:
        typer.echo(f"left out: {problem}", err=True)
    typer.echo(f"note: {told.event_rule}", err=True)
    show(told.as_json(), as_json, f"{out}: rows {told.rows}, faces {told.faces}, videos and photos {told.inputs}")


def agreement(
    a: Annotated[
        Path,
        typer.Argument(
            help="Codes, a file of events (BORIS, ELAN …), a table of labels, or a folder of them; the reference, if "
            "one is needed.",
        ),
    ],
    b: Annotated[Path, typer.Argument(help="What it is compared with: likewise.")],
    out: Annotated[Path | None, typer.Option(help="Also write all coefficients to a table (.csv or .parquet).")] = None,
    page: Annotated[Path | None, typer.Option(help="Also write a web page (.html).")] = None,
    fps: Annotated[
        float | None, typer.Option(help="Compare at so many frames a second. Default: at the codes' own frames.")
    ] = None,
    coded: Annotated[
        str | None,
        typer.Option(help="Files of events: the behaviour, tier or code that marks what was looked at; or all."),
    ] = None,
    coded_b: Annotated[
        str | None, typer.Option(help="The same in B, where it is called otherwise. Default: as --coded.")
    ] = None,
    coder: Annotated[
        str | None, typer.Option(help="Answers of `label`: whose. Two coders of one file: give it as A and as B.")
    ] = None,
    coder_b: Annotated[str | None, typer.Option(help="The same in B.")] = None,
    names: Annotated[
        Path | None, typer.Option("--map", help="Files of events: table of what words mean, columns name and au.")
    ] = None,
    first_frame: Annotated[
        int | None, typer.Option(help="Tables of labels: number of a video's first frame. Default: 0.")
    ] = None,
    main_face: Annotated[
        bool,
        typer.Option("--main-face", help="Where one side does not say whom it codes, take the face found most often."),
    ] = False,
    onset: Annotated[float, typer.Option(help="Events match whose onsets lie at most so many seconds apart.")] = 0.5,
    overlap: Annotated[
        float, typer.Option(help="Events match whose common time is at least this share of what both cover, 0 to 1.")
    ] = 0.5,
    bridge: Bridge = 0.1,
    shortest: Shortest = 0.1,
    as_json: Json = False,
) -> None:
    """Compare two coders, or a coder and codes: κ, MCC, α, ICC and F1 of each AU, and how their events match.

    Videos are matched by name, people by subject or face, frames by number or time; what only one side codes is counted
    and told. What is undefined is said to be, and why. From three people on there are intervals, over people. --bridge
    and --shortest hold for the events of codes alone; a coder's stand as they are.
    """
    told = observation.agreement(
        a,
        b,
        out=out,
        page=page,
        fps=fps,
        coded=coded,
        coded_b=coded_b,
        coder=coder,
        coder_b=coder_b,
        names=names,
        first_frame=first_frame,
        main_face=main_face,
        onset_tolerance_s=onset,
        overlap=overlap,
        bridge_s=bridge,
        shortest_s=shortest,
    )
    for note in (*told.notes, *told.alone, told.rule):
        typer.echo(f"note: {note}", err=True)
    if as_json:
        show(told.as_json(), as_json, "")
        return
    from ..reports.agreement import agreement_text

    typer.echo(agreement_text(told))
