"""Commands that use what was learned: export, predict, coders, pictures, report, demo."""

from pathlib import Path
from typing import Annotated

import typer

from .. import api, representation
from ..coders.card import card_text
from ..errors import InputError
from .many import Every, Format, Fps, OneShard, Workers, for_folder
from .options import Json, show


def export(
    run: Annotated[Path, typer.Argument(help="Run folder of a training, or a name of `sparsefacs coders`.")],
    out: Annotated[Path, typer.Argument(help="File to write (.onnx).")],
    batch: Annotated[str, typer.Option(help="Faces a call: dynamic (any number), or one number.")] = "dynamic",
    as_json: Json = False,
) -> None:
    """Write a run's network to one ONNX file, with all that `sparsefacs predict OUT.onnx VIDEO` needs.

    Input `faces`: aligned faces, uint8 RGB (B, S, S, 3); crop, size and normalisation are part of the file. A network
    that looks at landmarks has them as input `landmarks`, (B, 68, 2), pixels of the face; one that looks at evidence
    has `evidence` and, where it compares a face with its person, `reference`. Output `codes`: probabilities 0–1, or
    intensities 0–5. AUs, their limits and how faces are cut stand in the file's metadata (key sparsefacs,
    JSON). Before the file is written its answers are compared with the run's. A network of clips, or one that is too
    large, is distilled first: sparsefacs train distil STORE SMALL --set method.teacher=RUN.
    """
    if batch != "dynamic" and not (batch.isdigit() and int(batch)):
        raise InputError(f"--batch {batch} is not possible", remedy="Say dynamic, or a number of faces such as 1")
    told = api.export(run, out, batch=None if batch == "dynamic" else int(batch))
    text = f"{out}: {told['bytes'] / 1e6:.1f} MB, AUs {','.join(map(str, told['aus']))}"
    text += "" if told["batch"] is None else f", {told['batch']} faces a call"
    show(told, as_json, f"{text}; differs from the run by at most {told['max_difference']:.1g} on random faces")


def predict(
    inputs: Annotated[
        list[Path],
        typer.Argument(
            metavar="[CODER] INPUTS...",
            help="Photos, videos, or folders of them; before them, if another coder than the packaged one is to code "
            "them: a run folder, an .onnx file of `sparsefacs export`, or a name of `sparsefacs coders`.",
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(help="Codes to write: a .csv or .parquet file; or a folder, with a file for each video in it."),
    ],
    overlay: Annotated[
        Path | None, typer.Option(help="Also write the video (.mp4) or photo with codes drawn in.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Also draw AU curves over time to this .png.")] = None,
    reference: Annotated[
        list[Path] | None,
        typer.Option(
            help="Photo or video (or a folder of them) of the person's resting, neutral face; all faces are compared "
            "with the largest face in it. Only for inputs that all show this one person. May be given several times."
        ),
    ] = None,
    causal: Annotated[
        bool,
        typer.Option(
            "--causal", help="Compare each face only with what was seen of it before, not later: for live use."
        ),
    ] = False,
    smooth: Annotated[
        float | None,
        typer.Option(
            help="Smooth a video's codes over a window of so many seconds, such as 0.5; with --causal, only over what "
            "came before. A column `smoothing` then says so."
        ),
    ] = None,
    every: Every = 1,
    fps: Fps = None,
    shard: OneShard = None,
    workers: Workers = 1,
    codes: Format = None,
    partial: Annotated[
        bool,
        typer.Option(
            "--partial", help="Into a folder: exit code 0 also where something could not be coded; it is named."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Code photos and videos: a row a frame and face, in OpenFace's columns plus probabilities (AU12_p).

    The packaged coder needs no label and no training: sparsefacs predict VIDEO --out codes.csv. It tells occurrence and
    intensity of 19 AUs, and intensity on the person's left and right apart (AU12_left_r, AU12_right_r).

    A model trained with network.evidence=person compares a face with how its person looks otherwise: in a video with
    the whole video, so that its rows come after its last frame. Photos in a sub-folder of a folder given are taken for
    one person's, as long as each shows one face; photos given one by one, or lying directly in the folder, are each
    coded without comparison. The column `reference` says with how many other moments a face was compared.
    Where a face is lost, its row has success 0 and empty codes. Files that cannot be read are named and left out.

    Many files: --out FOLDER writes each video's codes to a file named like it, in folders named like those it lies in
    (the photos of a folder to one, photos.csv), whole or not at all, and FOLDER/manifest.csv. Given again it does what
    is missing or failed. Exit code 2 where something could not be coded, or lies among the inputs and is of a kind that
    is not read, unless --partial. Shards share FOLDER; `sparsefacs gather` checks and joins it.
    """
    coder, shown = api.coder_and_inputs(inputs)
    summary = api.predict(
        shown,
        out,
        coder,
        overlay=overlay,
        plot=plot,
        reference=reference or (),
        causal=causal,
        smooth=smooth,
        every=every,
        fps=fps,
        **for_folder(out, shard, workers, codes, partial=partial),
    )
    for line in summary.messages():
        typer.echo(line, err=True)
    show(summary.as_json(), as_json, summary.text())
    if summary.bad and not partial:
        raise typer.Exit(2)


def coders(
    name: Annotated[str | None, typer.Argument(help="Name of one, to read its card. Default: list them.")] = None,
    as_json: Json = False,
) -> None:
    """List the coders that come with the package, with licence and size; or show what one is, and what it cannot do."""
    told = api.coders() if name is None else [api.coder_card(name)]
    if as_json:
        show(told[0] if name is not None else {"coders": told}, as_json, "")
        return
    for card in told:
        typer.echo(card_text(card, whole=name is not None))


def pictures(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    out: Annotated[Path, typer.Argument(help="Folder to make.")],
    store: Annotated[
        Path | None, typer.Argument(help="Store whose unseen people are shown. Default: the run's own test people.")
    ] = None,
    beside: Annotated[
        Path | None, typer.Option(help="Second run of pretrain mae-face, such as one with another loss, to compare.")
    ] = None,
    faces: Annotated[int, typer.Option(min=1, help="Faces a picture.")] = 6,
    seed: Annotated[int, typer.Option(min=0, help="Which faces, and which AUs or patches are hidden.")] = 0,
    as_json: Json = False,
) -> None:
    """Draw what a training taught, as far as it did, on people it was not trained on.

    flow.png: optical flow seen in one face, beside TV-L1 (STORE/flow) and, of synthetic faces, true flow.
    inpainting.png: faces with an AU's regions hidden, as they are, and restored. queries.svg: how alike the learned AU
    queries are. pseudo-labels.svg (knowledge-spreader): pseudo labels of clips, beside the labels hidden in training.
    intensity.svg (--task intensity): predicted intensity over a clip, beside its labels.
    reconstructions.png (pretrain mae-face): faces with 50, 75 and 90 % of their patches hidden, and restored;
    beside.png: by two runs. pictures.json: the numbers.
    """
    told = representation.pictures(run, out, store, beside=beside, faces=faces, seed=seed)
    lines = [f"{out / name}: {words}" for name, words in told["written"].items()]
    lines += [f"not written: {name}: {why}" for name, why in told["not_written"].items()]
    show(told, as_json, "\n".join(lines))


def report(
    out: Annotated[Path, typer.Argument(help="Web page to write (.html).")],
    results: Annotated[list[Path], typer.Argument(help="Run folders.")],
    codes: Annotated[list[Path] | None, typer.Option(help="Codes of `predict` to show as curves.")] = None,
    still: Annotated[list[Path] | None, typer.Option(help="Overlay pictures of `predict` to show.")] = None,
) -> None:
    """Write one self-contained web page that compares runs: tables, curves, heat maps, example faces, settings."""
    typer.echo(str(api.report(out, results, codes=codes or (), stills=still or ())))


def demo(
    out: Annotated[Path, typer.Option(help="Folder for everything the demo makes.")] = Path("demo-out"),
    media: Annotated[Path | None, typer.Option(help="A photo or video of yours to code at the end.")] = None,
) -> None:
    """Run the whole path on this machine: synthetic faces, training on 5 % of the labels, codes, report (minutes)."""
    from ..demo import demo as run

    run(out, media)


def make_coder(
    out: Annotated[Path, typer.Argument(help="Folder to make everything in.")],
    share: Annotated[
        float, typer.Option(help="Share of the people it is made from, over 0 to 1: small for a trial.")
    ] = 1.0,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Steps of the pixels' training. Default: the recipe's.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes that make faces.")] = 2,
) -> None:
    """Make the packaged coder again: synthetic faces, training, scores, card. Hours on two cores; stopped, it goes on.

    The coder's own folder in OUT is what the package holds; a trial: sparsefacs make-coder OUT --share 0.01 --steps 50.
    """
    from ..coders.make import make_coder as run

    typer.echo(str(run(out, share=share, steps=steps, workers=workers)))
