"""The command line: a thin skin over `sparsefacs.api`. Results on stdout, progress and problems on stderr."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from . import api
from .errors import InputError
from .facs.units import parse_aus
from .files import without_nan
from .protocols.budgets import FORMS as BUDGET_FORMS
from .protocols.folds import FORMS as PROTOCOL_FORMS
from .protocols.folds import protocol_names

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    help="Learn to code facial action units (AUs) from few labels; code photos and videos with what was learned.\n\n"
    "The way: synth or prepare makes a STORE of aligned faces; train makes a RUN; evaluate scores it; predict turns "
    "a RUN and videos into codes; report makes a web page of RUNs.",
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.")]
Aus = Annotated[str | None, typer.Option("--aus", help="Action units, such as 1,2,4,12. Default: all there are.")]


def _show(result: dict[str, Any], as_json: bool, text: str) -> None:
    typer.echo(json.dumps(without_nan(result)) if as_json else text)


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder for everything the demo makes.")] = Path("demo-out"),
    media: Annotated[Path | None, typer.Option(help="A photo or video of yours to code at the end.")] = None,
) -> None:
    """Run the whole path on this machine: synthetic faces, training on 5 % of the labels, codes, report (minutes)."""
    from .demo import demo as run

    run(out, media)


@app.command()
def synth(
    out: Annotated[Path, typer.Argument(help="Store folder to make, or, with --layout, folder of the fake tree.")],
    subjects: Annotated[int, typer.Option(min=1, help="Different people.")] = 8,
    clips: Annotated[int, typer.Option(min=1, help="Clips a person.")] = 2,
    frames: Annotated[int, typer.Option(min=1, help="Frames a clip.")] = 50,
    size: Annotated[
        int | None, typer.Option(help="Side in pixels: of the faces (112), or with --layout of whole pictures (160).")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same faces, whatever --workers.")] = 0,
    workers: Annotated[int, typer.Option(min=1, help="Processes. Not with --layout.")] = 2,
    profile: Annotated[
        str, typer.Option(help="Whose AU statistics to follow: bp4d or disfa. A --layout has its own.")
    ] = "bp4d",
    flow: Annotated[bool, typer.Option("--flow", help="Also store true optical flow and occlusions.")] = False,
    aus: Aus = None,
    layout: Annotated[
        str | None,
        typer.Option(help="Write a fake delivered tree of this data set instead of a store, to try `prepare` on."),
    ] = None,
    variant: Annotated[
        list[str] | None, typer.Option(help="With --layout: key=value, how the tree varies; may be repeated.")
    ] = None,
) -> None:
    """Make a store of synthetic faces with AU labels, landmarks, pose (and flow).

    With --layout NAME: whole pictures of synthetic people instead, in the folders, file names and label formats in
    which data set NAME is delivered, oddities included, and nothing of the data set itself. Try it without a licence:
    sparsefacs synth fake --layout bp4d, then sparsefacs prepare fake store --dataset bp4d.

    Layouts: bp4d, bp4d+, disfa, disfa+, emotionet, affectnet, casia-webface, imdb-wiki, celeba, folder, table.

    Variants: every layout hold=10 (a new picture every 10 frames: long clips are made quickly); bp4d fera=true (the
    FERA 2015 copy), video=true, first_image=0; bp4d+ unzipped=true, first_image=0, other_frames=2 (of tasks not
    coded); emotionet names=true (of the columns); affectnet release=small.
    """
    if layout is not None:
        _refuse_with_layout(flow=flow, aus=aus)
        sized = {} if size is None else {"size": size}
        given = _variants(variant or ())
        api.synth_tree(out, layout, subjects=subjects, clips=clips, frames=frames, seed=seed, **sized, **given)
        then = f"sparsefacs prepare {out} STORE --dataset {layout}"
        then += f" --labels {out / 'labels.csv'}" if layout == "table" else ""
        typer.echo(f"{out}: synthetic faces laid out as {layout}; now: {then}")
        return
    if variant:
        raise InputError("--variant goes with --layout only", remedy="Add --layout NAME")
    extra: dict[str, Any] = {} if aus is None else {"aus": parse_aus(aus)}
    store = api.synth(
        out,
        subjects=subjects,
        clips=clips,
        frames=frames,
        size=112 if size is None else size,
        seed=seed,
        workers=workers,
        profile=profile,
        flow=flow,
        **extra,
    )
    typer.echo(f"{out}: {len(store)} synthetic faces of {store.info.subjects} subjects, AUs {_listed(store.aus)}")


def _refuse_with_layout(**given: Any) -> None:
    for name, value in given.items():
        if value:
            raise InputError(f"--{name} does not go with --layout", remedy="Leave one of them out")


def _variants(given: Sequence[str]) -> dict[str, Any]:
    """Return key → value, as text, of `key=value` words."""
    options = {"out", "layout", "dataset", "subjects", "clips", "frames", "size", "seed"}
    out: dict[str, Any] = {}
    for word in given:
        key, sign, value = word.partition("=")
        if not sign or not key.isidentifier() or key in options | out.keys():
            raise InputError(f"--variant {word} is not possible", remedy="Write key=value, each key once")
        out[key] = value
    return out


@app.command()
def prepare(
    source: Annotated[Path, typer.Argument(help="Folder (or one file) as it was delivered. Nothing in it is changed.")],
    out: Annotated[Path, typer.Argument(help="Store folder to make. An unfinished one is gone on with.")],
    dataset: Annotated[str, typer.Option(help="How the source is laid out: a data set named below.")],
    labels: Annotated[Path | None, typer.Option(help="With --dataset table: CSV or Parquet of AU labels.")] = None,
    size: Annotated[int, typer.Option(help="Side of the aligned faces, pixels: 112, 200, 224 …")] = 112,
    frame_step: Annotated[int, typer.Option(min=1, help="Take every N-th of the frames without labels.")] = 1,
    labelled_only: Annotated[bool, typer.Option("--labelled-only", help="Leave out frames without labels.")] = False,
    min_face: Annotated[float, typer.Option(min=0, help="Reject faces narrower than this, pixels of the source.")] = 0,
    landmarks: Annotated[
        str, typer.Option(help="detected, or delivered: those that came with bp4d, disfa, affectnet, celeba.")
    ] = "detected",
    frame_offset: Annotated[
        int | None, typer.Option(help="bp4d, bp4d+: image number less label frame number. Default: found.")
    ] = None,
    camera: Annotated[str | None, typer.Option(help="disfa: left (default), right or both.")] = None,
    drop_failed_tracking: Annotated[
        bool, typer.Option("--drop-failed-tracking", help="disfa: leave out the published list of failed frames.")
    ] = False,
    first_frame: Annotated[
        int | None, typer.Option(help="table: number the table gives a video's first frame.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
    aus: Aus = None,
) -> None:
    """Find, align and store every face of a data set, or of your own images and videos, with its AU labels.

    Data sets: bp4d, bp4d+, disfa, disfa+ (labelled); emotionet, affectnet, casia-webface, imdb-wiki, celeba (faces);
    folder (any photos and videos, no labels); table (your own label table). Point SOURCE at the folder as delivered.

    The table has a path column (image, or video with a frame or time column), a subject column, and AU columns:
    AU12 or AU12_c is occurrence 0/1, AU12_r intensity 0 to 5; an empty cell means not labelled. OpenFace and py-feat
    tables are read too. Every frame without a usable face is listed with its reason in STORE/store.json.
    """
    store = api.prepare(
        source,
        out,
        dataset=dataset,
        labels=labels,
        size=size,
        frame_step=frame_step,
        unlabelled_frames=not labelled_only,
        min_face=min_face,
        delivered_landmarks=_one_of("--landmarks", landmarks, ("detected", "delivered")) == "delivered",
        frame_offset=frame_offset,
        camera=None if camera is None else _one_of("--camera", camera, ("left", "right", "both")),
        drop_failed_tracking=drop_failed_tracking,
        first_frame=first_frame,
        workers=workers,
        aus=None if aus is None else parse_aus(aus),
    )
    info = store.info
    typer.echo(f"{out}: {len(store)} faces of {info.subjects} subjects in {info.clips} clips, AUs {_listed(store.aus)}")
    if info.rejected:
        typer.echo(f"{len(info.rejected)} files or frames gave no face; the reasons are in {out / 'store.json'}")


def _one_of(option: str, given: str, known: tuple[str, ...]) -> str:
    if given not in known:
        raise InputError(f"{option} {given} is not possible", remedy=f"Choose {' or '.join(known)}")
    return given


def _listed(aus: tuple[int, ...]) -> str:
    return ",".join(map(str, aus)) or "none"


@app.command()
def inspect(
    store: Annotated[Path, typer.Argument(help="Store folder.")],
    as_json: Json = False,
    picture: Annotated[
        Path | None, typer.Option(help="Also draw sample faces with landmarks, AU centres and areas to this PNG.")
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="Also draw a contact sheet to this PNG: small faces with their active AUs.")
    ] = None,
    faces: Annotated[
        int | None, typer.Option(min=1, help="Faces to draw. Default: 6 with --picture, 60 with --sheet.")
    ] = None,
) -> None:
    """Show what a store holds: counts, clips, AU base rates, label gaps, rejected frames by reason.

    A store of a known data set is compared with what is published of it: missing subjects and tasks are named, and
    labelled frames and positives of each AU are counted against the published ones.
    """
    from .data.contact_sheet import contact_sheet, geometry_picture
    from .data.inspection import describe
    from .data.store import Store

    found = api.inspect(store)
    if picture is not None:
        geometry_picture(Store(store), picture, **({} if faces is None else {"faces": faces}))
    if sheet is not None:
        contact_sheet(Store(store), sheet, **({} if faces is None else {"faces": faces}))
    _show(found, as_json, describe(found))


@app.command()
def methods(
    name: Annotated[str | None, typer.Argument(help="Method; none named: list all.")] = None,
    aus: Annotated[str, typer.Option(help="Action units the network is built for.")] = _listed(api.DEFAULT_AUS),
    recipe: Annotated[str | None, typer.Option(help="Recipe; default: the paper's own.")] = None,
    as_json: Json = False,
) -> None:
    """List the methods, or show one method's parameters, GFLOPs, input size and paper."""
    from .engine.config import recipe_names
    from .methods.registry import method_class, method_names

    if name is None:
        found = {m: {"paper": method_class(m).paper, "recipes": recipe_names(m)} for m in method_names()}
        lines = [f"{m:20} {', '.join(about['recipes'])}\n{'':20} {about['paper']}" for m, about in found.items()]
        _show(found, as_json, "\n".join(lines))
        return
    cost = api.methods(name, aus=parse_aus(aus), recipe=recipe)
    _show(cost, as_json, "\n".join(f"{key:22} {value}" for key, value in cost.items()))


Protocol = Annotated[str, typer.Option(help=f"{PROTOCOL_FORMS}; or {', '.join(protocol_names())}.")]
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
Task = Annotated[str | None, typer.Option(help="occurrence or intensity.")]


@app.command("protocol")
def show_protocol(
    store: Annotated[Path, typer.Argument(help="Store of faces with labels.")],
    also: With = None,
    unlabelled: Unlabelled = None,
    protocol: Protocol = api.DEFAULT_PROTOCOL,
    labels: Labels = "all",
    selection: Selection = None,
    task: Task = None,
    aus: Aus = None,
    settings: Settings = None,
    split_seed: SplitSeed = None,
    out: Annotated[Path | None, typer.Option(help="Also write the folds to this .json, to be used again.")] = None,
    as_json: Json = False,
) -> None:
    """Show who would train, validate and test, and which labels would be seen, with hashes; nothing is trained."""
    from .protocols.card import card_text

    cards = api.protocol(
        [store, *(also or ())],
        protocol=protocol,
        labels=labels,
        unlabelled=unlabelled,
        out=out,
        settings=settings or (),
        aus=() if aus is None else parse_aus(aus),
        task=task,
        selection__rule=selection,
        split_seed=split_seed,
    )
    _show({"folds": cards}, as_json, "\n\n".join(map(card_text, cards)))


@app.command()
def train(
    method: Annotated[str, typer.Argument(help="Method name, see `sparsefacs methods`.")],
    store: Annotated[Path, typer.Argument(help="Store of faces with labels.")],
    out: Annotated[Path, typer.Argument(help="Run folder to make.")],
    also: With = None,
    unlabelled: Unlabelled = None,
    protocol: Protocol = api.DEFAULT_PROTOCOL,
    fold: Annotated[str, typer.Option(help="Which fold is tested on: 1, 2, … or all.")] = "1",
    labels: Labels = "all",
    recipe: Annotated[str, typer.Option(help="Settings to start from: a recipe's name or YAML file.")] = "small",
    selection: Selection = None,
    task: Task = None,
    aus: Aus = None,
    init: Annotated[
        str | None, typer.Option(help="Start of the backbone: imagenet, none, a .safetensors file.")
    ] = None,
    settings: Settings = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the labelled faces.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of weights and batches.")] = None,
    split_seed: SplitSeed = None,
    devices: Annotated[int, typer.Option(min=1, help="GPUs, or CPU processes where there is no GPU.")] = 1,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the unfinished run in OUT.")] = False,
    as_json: Json = False,
) -> None:
    """Train a method on few labels, then score it on held-out subjects.

    The AUs learned are those that --aus names, else those the protocol scores, else all of the store. With --set
    selection.threshold=chosen the probability from which an AU counts is chosen together with the epoch.
    """
    from .reports.tables import text_table

    metrics = api.train(
        method,
        [store, *(also or ())],
        out,
        unlabelled=unlabelled,
        protocol=protocol,
        fold=fold,
        labels=labels,
        recipe=recipe,
        aus=() if aus is None else parse_aus(aus),
        settings=settings or (),
        devices=devices,
        resume=resume,
        task=task,
        network__init=init,
        training__epochs=epochs,
        selection__rule=selection,
        seed=seed,
        split_seed=split_seed,
    )
    if metrics:
        _show(metrics, as_json, text_table(metrics) + f"\nRun: {out}")


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    store: Annotated[Path | None, typer.Argument(help="Another store to score on; default: the held-out fold.")] = None,
    as_json: Json = False,
) -> None:
    """Score a run per AU, with 95 % intervals from resampling subjects."""
    from .reports.tables import text_table

    metrics = api.evaluate(run, store)
    _show(metrics, as_json, text_table(metrics))


@app.command()
def predict(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    inputs: Annotated[list[Path], typer.Argument(help="Photos, videos, or folders of them.")],
    out: Annotated[Path, typer.Option(help="Codes to write: a .csv or .parquet file.")],
    overlay: Annotated[
        Path | None, typer.Option(help="Also write the video (.mp4) or photo with codes drawn in.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Also draw AU curves over time to this .png.")] = None,
    as_json: Json = False,
) -> None:
    """Code photos and videos: a row a frame and face, in OpenFace's columns plus probabilities (AU12_p).

    Where a face is lost, its row has success 0 and empty codes. Files that cannot be read are named and left out.
    """
    summary = api.predict(run, inputs, out, overlay=overlay, plot=plot)
    for line in summary.messages():
        typer.echo(line, err=True)
    rate = summary.frames / max(summary.seconds, 1e-9)
    text = f"{out}: {summary.rows} rows of {summary.frames} frames, {rate:.1f} frames/s"
    _show(summary.as_json(), as_json, text)


@app.command()
def published(
    paper: Annotated[
        str | None, typer.Argument(help="adversarial, kdsrl, wsrtl, mae-face, knowledge-spreader; none named: list.")
    ] = None,
    item: Annotated[str | None, typer.Argument(help='Such as "Table 1"; none named: all of the paper.')] = None,
    as_json: Json = False,
) -> None:
    """Show the papers' results as they were printed, with notes on misprints and where papers disagree."""
    from .protocols.published import published_results, published_table_text, published_tables

    tables = published_tables()
    if paper is None:
        _show({"papers": tables}, as_json, "\n".join(f"{name:20} {', '.join(items)}" for name, items in tables.items()))
        return
    numbers = published_results(paper=paper, item=item)
    items = list(dict.fromkeys(one.item for one in numbers))
    text = "" if as_json else "\n\n".join(published_table_text(paper, each) for each in items)
    _show({"numbers": [vars(one) for one in numbers]}, as_json, text)


@app.command()
def report(
    out: Annotated[Path, typer.Argument(help="Web page to write (.html).")],
    results: Annotated[list[Path], typer.Argument(help="Run folders.")],
    codes: Annotated[list[Path] | None, typer.Option(help="Codes of `predict` to show as curves.")] = None,
    still: Annotated[list[Path] | None, typer.Option(help="Overlay pictures of `predict` to show.")] = None,
) -> None:
    """Write one self-contained web page that compares runs: tables, curves, heat maps, example faces, settings."""
    typer.echo(str(api.report(out, results, codes=codes or (), stills=still or ())))


def main() -> None:
    """Run the command line; what the user can mend is one line on stderr and exit code 2."""
    try:
        app(prog_name="sparsefacs")
    except InputError as error:
        print(f"sparsefacs: {error}", file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:
        sys.exit(1)


if __name__ == "__main__":
    main()
