"""Commands for coding by hand: label, next."""

import getpass
import sys
import webbrowser
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from ..coders import LATEST
from ..errors import InputError
from ..facs.units import parse_aus
from .options import Json, listed, show

_DEFAULT_AUS = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 23, 24)
Strategy = Annotated[
    str,
    typer.Option(
        help="ours, ours-rare (rare AUs more), random, typiclust, maxherding, uncertainty-herding, margin or badge."
    ),
]
Init = Annotated[str, typer.Option(help="Packaged coder that the choice begins from, or none.")]
Seed = Annotated[int, typer.Option(min=0, help="Draws who is kept for the test.")]


def label(
    source: Annotated[Path, typer.Argument(help="Store of faces; with --codes the video that was coded.")],
    answers: Annotated[
        Path | None,
        typer.Argument(help="CSV of answers to begin or to go on with. Default with --codes: VIDEO-corrected.csv."),
    ] = None,
    aus: Annotated[
        str | None,
        typer.Option("--aus", help=f"AUs to code. Default: those of the file, else {listed(_DEFAULT_AUS)}."),
    ] = None,
    codes: Annotated[
        Path | None, typer.Option(help="Codes of `predict` of this video: correct these, in moments of doubt.")
    ] = None,
    coder: Annotated[str | None, typer.Option(help="Your name in the file. Default: who is logged in.")] = None,
    blind: Annotated[bool, typer.Option("--blind", help="Never show what the model believes.")] = False,
    double: Annotated[
        float, typer.Option(min=0, max=1, help="Share of your faces that another coder of the file has coded as well.")
    ] = 0.1,
    strategy: Strategy = "ours",
    init: Init = LATEST,
    seed: Seed = 0,
    no_browser: Annotated[bool, typer.Option("--no-browser", help="Print the address only.")] = False,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of 127.0.0.1. Default: any that is free.")] = 0,
) -> None:
    """Code faces by hand, on a page in your browser; nothing leaves this computer.

    Each answer is on the disk before the next face is shown, and undo goes back without end; the file can be read at
    any time by train --labels-from ANSWERS.csv, by prepare --labels ANSWERS.csv and, for two coders, by agreement
    ANSWERS.csv ANSWERS.csv --coder ANNA --coder-b BEN. Ctrl-C ends.
    """
    from ..labelling.opening import correct_codes, label_store
    from ..labelling.server import LabelServer

    wanted = () if aus is None else parse_aus(aus)
    name = _logged_in() if coder is None else coder
    if codes is None and answers is None:
        raise InputError("no file for the answers was named", remedy="Name one behind the store, such as labels.csv")
    if codes is not None:
        answers = answers or source.with_name(f"{source.stem}-corrected.csv")
        opened = correct_codes(source, codes, answers, wanted, coder=name, blind=blind)
    else:
        assert answers is not None
        opened = label_store(
            source, answers, wanted, coder=name, blind=blind, double=double, default_aus=_DEFAULT_AUS,
            strategy=strategy, begin=init, seed=seed,
        )  # fmt: skip
    with opened as session:
        server = LabelServer(session, port)
        typer.echo(server.address)
        print(f"Answers of {name} go to {answers} at once. Ctrl-C ends.", file=sys.stderr)
        if not no_browser:
            with suppress(webbrowser.Error):
                webbrowser.open(server.address)
        sys.stdout.flush()
        server.serve()
        server.close()
        print(f"{answers}: {session.told()}", file=sys.stderr)


def next_faces(
    store: Annotated[Path, typer.Argument(help="Store of faces.")],
    labels: Annotated[
        Path, typer.Argument(help="Answers of `sparsefacs label` so far; where there is no such file, none is known.")
    ],
    out: Annotated[
        Path,
        typer.Option(help="File to write: .csv, or .eaf (ELAN) or .boris with the table beside it."),
    ] = Path("next.csv"),
    count: Annotated[int, typer.Option(min=1, help="How many faces.")] = 50,
    aus: Annotated[
        str | None, typer.Option("--aus", help="AUs to be coded, such as 1,2,4,12. Default: the packaged coder's.")
    ] = None,
    strategy: Strategy = "ours",
    init: Init = LATEST,
    seed: Seed = 0,
    test_share: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share of people and of faces kept for the test.")
    ] = 0.2,
    as_json: Json = False,
) -> None:
    """List the faces to code next, chosen by what a model expects to learn from them, for who codes in another program.

    A row a face: video, frame, time, person, why it is asked (coverage, doubt, rare, random), and whether it is kept
    for the test: keep those out of training. In ELAN and BORIS the frames are the stretches called coded, which say
    test where they are kept for it (ELAN: as their value, BORIS: as their comment); mark the AUs that are present
    there, and give the file to sparsefacs prepare VIDEOS STORE --labels FILE.
    """
    from ..coders import coder_folder, read_card
    from ..data.store import Store
    from ..labelling.listing import write_next
    from ..labelling.queue import StoreQueue

    opened = Store(store)
    wanted = parse_aus(aus) if aus else tuple(int(au) for au in read_card(coder_folder().name)["aus"])
    queue = StoreQueue(opened, wanted, strategy=strategy, coder=init, seed=seed, test_share=test_share, wait=True)
    told = write_next(opened, labels, out, queue, count)
    if not labels.exists():
        typer.echo(f"note: {labels} is not there: no face is known to be coded", err=True)
    typer.echo(f"note: {told.told}", err=True)
    files = ", ".join(map(str, told.files))
    text = f"{files}: {told.faces} face{'s' * (told.faces != 1)} to code, {told.test} of them for the test"
    show({"files": [str(path) for path in told.files], "faces": told.faces, "test": told.test}, as_json, text)


def _logged_in() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a machine without names
        return "coder"
