"""The command next."""

from pathlib import Path
from typing import Annotated

import typer

from .options import Json, show


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
    strategy: Annotated[
        str, typer.Option(help="ours, random, typiclust, maxherding, uncertainty-herding, margin or badge.")
    ] = "ours",
    coder: Annotated[str, typer.Option(help="Packaged coder to begin from, or none.")] = "coder-1",
    seed: Annotated[int, typer.Option(min=0, help="Draws who is kept for the test.")] = 0,
    test_share: Annotated[
        float, typer.Option(min=0, max=0.9, help="Share of people and of faces kept for the test.")
    ] = 0.2,
    as_json: Json = False,
) -> None:
    """List the faces that are most worth coding next, for those who code in another program.

    A row a face: video, frame, time, person, why it is asked (coverage, doubt, rare, random), and whether it is kept
    for the test: keep those out of training. In ELAN and BORIS the frames are the stretches called coded; mark the AUs
    that are present there, and give the file to sparsefacs prepare VIDEOS STORE --dataset table --labels FILE.
    """
    from ..coders import coder_folder, read_card
    from ..data.store import Store
    from ..facs.units import parse_aus
    from ..labelling.listing import write_next
    from ..labelling.queue import Queue

    opened = Store(store)
    wanted = parse_aus(aus) if aus else tuple(int(au) for au in read_card(coder_folder().name)["aus"])
    queue = Queue(opened, wanted, strategy=strategy, coder=coder, seed=seed, test_share=test_share, wait=True)
    told = write_next(opened, labels, out, queue, count)
    typer.echo(f"note: {told.told}", err=True)
    files = ", ".join(map(str, told.files))
    text = f"{files}: {told.faces} face{'s' * (told.faces != 1)} to code, {told.test} of them for the test"
    show({"files": [str(path) for path in told.files], "faces": told.faces, "test": told.test}, as_json, text)
