"""Commands that make and show stores: synth, prepare, flow, inspect."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .. import api
from ..errors import InputError
from ..events.model import CLOCKS
from ..facs.units import parse_aus
from ..workers import cluster
from .many import OneShard, one_shard
from .options import Aus, Dask, Json, listed, one_of, show

if TYPE_CHECKING:
    from ..data.store import Store

_REASONS_SHOWN = 5


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
    dask: Dask = None,
    profile: Annotated[
        str, typer.Option(help="Whose AU statistics to follow: bp4d or disfa. A --layout has its own.")
    ] = "bp4d",
    flow: Annotated[bool, typer.Option("--flow", help="Also store true optical flow and occlusions.")] = False,
    flow_step: Annotated[int, typer.Option(min=1, help="With --flow: frames to the later one.")] = 1,
    flow_to: Annotated[
        str, typer.Option(help="With --flow: later, or rest: to the same person's resting face, the head where it is.")
    ] = "later",
    fps: Annotated[
        float | None, typer.Option(help="Frames kept a second, such as 8.33 or 5. Default: the profile's, 25 or 20.")
    ] = None,
    appearance: Annotated[
        str,
        typer.Option(
            help="usual; shifted: other light, pose, skin, hair, blur, noise, compression; or wild: all that and "
            "glasses, beards, hands, speech, one-sided movements, closed eyes."
        ),
    ] = "usual",
    resting: Annotated[
        str, typer.Option(help="plain, or varied: people's resting faces may look like an AU, which is not labelled.")
    ] = "plain",
    points: Annotated[
        str,
        typer.Option(
            help="found: landmarks, blendshapes and pose as `prepare` finds them in the picture; or true: the "
            "generator's own landmarks and pose, for faces under 64 pixels."
        ),
    ] = "found",
    aus: Aus = None,
    layout: Annotated[
        str | None,
        typer.Option(help="Write a fake delivered tree of this data set instead of a store, to try `prepare` on."),
    ] = None,
    variant: Annotated[
        list[str] | None, typer.Option(help="With --layout: key=value, how the tree varies; may be repeated.")
    ] = None,
) -> None:
    """Make a store of synthetic faces with AU labels, landmarks, blendshapes, pose (and flow).

    A face that is not found in its picture is rejected, as `prepare` does.

    With --layout NAME: whole pictures of synthetic people instead, in the folders, file names and label formats in
    which data set NAME is delivered, oddities included, and nothing of the data set itself. Try it without a licence:
    sparsefacs synth fake --layout bp4d, then sparsefacs prepare fake store --dataset bp4d.

    Layouts: bp4d, bp4d+, disfa, disfa+, emotionet, affectnet, casia-webface, imdb-wiki, celeba, folder, table.

    Variants: every layout hold=10 (a new picture every 10 frames: long clips are made quickly); bp4d fera=true (the
    FERA 2015 copy), video=true, first_image=0; bp4d+ unzipped=true, first_image=0, other_frames=2 (of tasks not
    coded); emotionet names=true (of the columns); affectnet release=small; table
    events=boris (or bids, csv: videos alone, with a coder's file of events in place of the table).
    """
    from ..synthetic.appearance import APPEARANCES  # here, or every command would load the generator

    if layout is not None:
        _refuse_with_layout(
            flow=flow,
            flow_step=flow_step > 1,
            flow_to=flow_to != "later",
            fps=fps,
            appearance=appearance != "usual",
            resting=resting != "plain",
            points=points != "found",
            aus=aus,
            dask=dask,
        )
        sized = {} if size is None else {"size": size}
        given = _variants(variant or ())
        api.synth_tree(out, layout, subjects=subjects, clips=clips, frames=frames, seed=seed, **sized, **given)
        then = f"sparsefacs prepare {out} STORE --dataset {layout}"
        labels = sorted(path for path in out.iterdir() if path.stem in {"labels", "coded"}) if layout == "table" else []
        then += "".join(f" --labels {path}" for path in labels)
        typer.echo(f"{out}: synthetic faces laid out as {layout}; now: {then}")
        return
    if variant:
        raise InputError("--variant goes with --layout only", remedy="Add --layout NAME")
    extra: dict[str, Any] = {} if aus is None else {"aus": parse_aus(aus)}
    store = cluster(dask)(api.synth)(
        out,
        subjects=subjects,
        clips=clips,
        frames=frames,
        size=112 if size is None else size,
        seed=seed,
        workers=workers,
        profile=profile,
        flow=flow,
        flow_step=flow_step,
        flow_to=one_of("--flow-to", flow_to, ("later", "rest")),
        fps=fps,
        appearance=one_of("--appearance", appearance, tuple(APPEARANCES)),
        resting=one_of("--resting", resting, ("plain", "varied")),
        points=one_of("--points", points, ("found", "true")),
        **extra,
    )
    faces, people = _counted(len(store), "synthetic face"), _counted(store.info.subjects, "subject")
    typer.echo(f"{out}: {faces} of {people}, AUs {listed(store.aus)}")
    _tell_rejects(store)


def _refuse_with_layout(**given: Any) -> None:
    for name, value in given.items():
        if value:
            raise InputError(f"--{name.replace('_', '-')} does not go with --layout", remedy="Leave one of them out")


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


def prepare(
    source: Annotated[Path, typer.Argument(help="Folder (or one file) as it was delivered. Nothing in it is changed.")],
    out: Annotated[Path, typer.Argument(help="Store folder to make. An unfinished one is gone on with.")],
    dataset: Annotated[
        str | None,
        typer.Option(help="How the source is laid out, of those named above. Default: folder; with --labels table."),
    ] = None,
    labels: Annotated[
        Path | None, typer.Option(help="Table of AU labels, or file of events (or a folder), of --dataset table.")
    ] = None,
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
    coded: Annotated[
        str | None,
        typer.Option(
            help="files of events: the behaviour, tier or code that marks what was looked at; all: whole videos."
        ),
    ] = None,
    person: Annotated[str | None, typer.Option(help="files of events: take this person's events alone.")] = None,
    names: Annotated[
        Path | None, typer.Option("--map", help="files of events: table saying what words mean; columns name, au.")
    ] = None,
    by_name: Annotated[
        bool,
        typer.Option("--by-name", help="table: find files by their name alone, whatever folders the labels name."),
    ] = False,
    clock: Annotated[
        str | None,
        typer.Option(
            help="table: what times in seconds count from: first-frame, or media (as players show). Default: "
            "media in files of events, else first-frame."
        ),
    ] = None,
    first_frame: Annotated[
        int | None, typer.Option(help="table: number of a video's first frame there. Default: 0; in OpenFace tables 1.")
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
    dask: Dask = None,
    shard: OneShard = None,
    aus: Aus = None,
) -> None:
    """Find, align and store every face of a data set, or of your own images and videos, with its AU labels.

    Data sets: bp4d, bp4d+, disfa, disfa+ (labelled); emotionet, affectnet, casia-webface, imdb-wiki, celeba (faces);
    folder (any photos and videos, no labels); table (your own label table). Point SOURCE at the folder as delivered.

    The table has a path column (image, or video with a frame or time column), a subject column, and AU columns:
    AU12 or AU12_c is occurrence 0/1, AU12_r intensity 0 to 5; an empty cell means not labelled. OpenFace and py-
    feat tables are read too, and files of events: BORIS, ELAN, Observer XT, Datavyu, BIDS, or a table of onsets and
    offsets. These must say what was looked at (--coded): silence there means absent, silence elsewhere nothing.
    Every frame without a usable face is listed with its reason in STORE/store.json; so is a link to a photo or video
    that is there already, which is nobody else's.

    Shards write their parts of one STORE, on any number of machines; the last to end makes it whole. Where one was
    killed, give its command again, or the same without --shard (outside of an array), which does all that is missing.
    """
    share = one_shard(shard)
    store = cluster(dask)(api.prepare_shard)(
        source,
        out,
        share,
        dataset=dataset,
        labels=labels,
        size=size,
        frame_step=frame_step,
        unlabelled_frames=not labelled_only,
        min_face=min_face,
        delivered_landmarks=one_of("--landmarks", landmarks, ("detected", "delivered")) == "delivered",
        frame_offset=frame_offset,
        camera=None if camera is None else one_of("--camera", camera, ("left", "right", "both")),
        drop_failed_tracking=drop_failed_tracking,
        first_frame=first_frame,
        by_name=by_name,
        coded=coded,
        person=person,
        names=names,
        clock=None if clock is None else one_of("--clock", clock, CLOCKS),
        workers=workers,
        aus=None if aus is None else parse_aus(aus),
    )
    if store is None:
        typer.echo(f"{out}: {share.name} is done; the store is not whole yet, other shards lack")
        return
    info = store.info
    people = f"{_counted(info.subjects, 'subject')} in {_counted(info.clips, 'clip')}"
    typer.echo(f"{out}: {_counted(len(store), 'face')} of {people}, AUs {listed(store.aus)}")
    _tell_rejects(store)


def _tell_rejects(store: "Store") -> None:
    """Say how many files or frames gave no face, and why."""
    info = store.info
    if info.rejected:
        what = "file or frame" if len(info.rejected) == 1 else "files or frames"
        typer.echo(f"{len(info.rejected)} {what} gave no face (each is named in {store.path / 'store.json'}):")
        for reason, count in list(info.reasons.items())[:_REASONS_SHOWN]:
            typer.echo(f"  {count} × {reason}")


def _counted(number: int, what: str) -> str:
    """Return a count in words: 1 face, 2 faces."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def flow(
    store: Annotated[Path, typer.Argument(help="Store folder; the flow is kept in STORE/flow. Needs clips.")],
    step: Annotated[int, typer.Option(min=1, help="Frames from a face to the later one.")] = 3,
    target: Annotated[
        str,
        typer.Option(help="later, or rest: to the face of the same person that looks most like that person's usual."),
    ] = "later",
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
    dask: Dask = None,
) -> None:
    """Compute optical flow from each face to the same face a few frames later, for methods that learn from it.

    TV-L1 flow, the later frame aligned as the earlier one. Photos, ends of clips and gaps have none. It is computed
    once and then read by `train`; a stopped command goes on when given again. Of faces that `synth --flow --flow-to
    rest` made, --target rest takes the true flow.
    """
    target = one_of("--target", target, ("later", "rest"))
    made = cluster(dask)(api.flow)(store, step=step, target=target, workers=workers)
    there = "; it was there already" if made.already else ""
    faces = f"{made.known} of {_counted(made.rows, 'face')}"
    where = "to the person at rest" if target == "rest" else f"{_counted(made.step, 'frame')} ahead"
    typer.echo(f"{made.folder}: optical flow of {faces}, {where}{there}")


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
    from ..data.contact_sheet import contact_sheet, geometry_picture
    from ..data.inspection import describe
    from ..data.store import Store

    found = api.inspect(store)
    if picture is not None:
        geometry_picture(Store(store), picture, **({} if faces is None else {"faces": faces}))
    if sheet is not None:
        contact_sheet(Store(store), sheet, **({} if faces is None else {"faces": faces}))
    show(found, as_json, describe(found))
