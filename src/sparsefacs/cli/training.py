"""Commands that decide, train and score: methods, protocol, published, train, evaluate."""

from pathlib import Path
from typing import Annotated

import typer

from .. import api
from ..facs.units import parse_aus
from ..training import DEFAULT_PROTOCOL
from .options import (
    Aus,
    Devices,
    Fold,
    Json,
    Labels,
    Protocol,
    Recipe,
    Resume,
    Seed,
    Selection,
    Settings,
    SplitSeed,
    Task,
    Unlabelled,
    With,
    listed,
    show,
)


def methods(
    name: Annotated[str | None, typer.Argument(help="Method; none named: list all.")] = None,
    aus: Annotated[str, typer.Option(help="Action units the network is built for.")] = listed(api.DEFAULT_AUS),
    recipe: Annotated[str | None, typer.Option(help="Recipe; default: the paper's own.")] = None,
    as_json: Json = False,
) -> None:
    """List the methods, or show one method's parameters, GFLOPs, input size and paper."""
    from ..engine.config import recipe_names
    from ..methods.registry import PRETRAIN, algorithm_class, method_names, pretraining_names

    if name is None:
        names = (*method_names(), *(PRETRAIN + name for name in pretraining_names()))
        found = {m: {"paper": algorithm_class(m).paper, "recipes": recipe_names(m)} for m in names}
        lines = [f"{m:20} {', '.join(about['recipes'])}\n{'':20} {about['paper']}" for m, about in found.items()]
        show(found, as_json, "\n".join(lines))
        return
    cost = api.methods(name, aus=parse_aus(aus), recipe=recipe)
    show(cost, as_json, "\n".join(f"{key:22} {value}" for key, value in cost.items()))


def show_protocol(
    store: Annotated[Path, typer.Argument(help="Store of faces with labels.")],
    also: With = None,
    unlabelled: Unlabelled = None,
    protocol: Protocol = DEFAULT_PROTOCOL,
    fold: Fold = "all",
    labels: Labels = "all",
    selection: Selection = None,
    task: Task = None,
    aus: Aus = None,
    settings: Settings = None,
    split_seed: SplitSeed = None,
    out: Annotated[Path | None, typer.Option(help="Also write the folds to this .json, to be used again.")] = None,
    as_json: Json = False,
) -> None:
    """Show who would train, validate and test, and which labels would be seen, with hashes; nothing is trained.

    Also on how many frames of how many people each AU is active on either side, and which cannot be learned or scored.
    """
    from ..protocols.card import card_text

    cards = api.protocol(
        [store, *(also or ())],
        protocol=protocol,
        labels=labels,
        unlabelled=unlabelled,
        out=out,
        fold=fold,
        settings=settings or (),
        aus=() if aus is None else parse_aus(aus),
        task=task,
        selection__rule=selection,
        split_seed=split_seed,
    )
    texts = ["\n".join([card_text(card), *(f"note: {each}" for each in card["warnings"])]) for card in cards]
    show({"folds": cards}, as_json, "\n\n".join(texts))


def published(
    paper: Annotated[
        str | None, typer.Argument(help="adversarial, kdsrl, wsrtl, mae-face, knowledge-spreader; none named: list.")
    ] = None,
    item: Annotated[str | None, typer.Argument(help='Such as "Table 1"; none named: all of the paper.')] = None,
    as_json: Json = False,
) -> None:
    """Show the papers' results as they were printed, with notes on misprints and where papers disagree."""
    from ..protocols.published import published_results, published_table_text, published_tables

    tables = published_tables()
    if paper is None:
        show({"papers": tables}, as_json, "\n".join(f"{name:20} {', '.join(items)}" for name, items in tables.items()))
        return
    numbers = published_results(paper=paper, item=item)
    items = list(dict.fromkeys(one.item for one in numbers))
    text = "" if as_json else "\n\n".join(published_table_text(paper, each) for each in items)
    show({"numbers": [vars(one) for one in numbers]}, as_json, text)


def train(
    method: Annotated[str, typer.Argument(help="Method name, see `sparsefacs methods`.")],
    store: Annotated[Path, typer.Argument(help="Store of faces with labels.")],
    out: Annotated[Path, typer.Argument(help="Run folder to make.")],
    also: With = None,
    unlabelled: Unlabelled = None,
    labels_from: Annotated[
        Path | None,
        typer.Option(
            help="Answers of `sparsefacs label`, in place of STORE's own labels. Tested on: the people whom `label` "
            "kept for that, unless --protocol says otherwise; nobody in a store of one person. Limits heed that "
            "frames were chosen (selection.threshold=chosen-frames)."
        ),
    ] = None,
    protocol: Protocol = DEFAULT_PROTOCOL,
    fold: Fold = "1",
    labels: Labels = "all",
    recipe: Recipe = "small",
    selection: Selection = None,
    task: Task = None,
    aus: Aus = None,
    init: Annotated[
        str | None,
        typer.Option(help="Start of the backbone: imagenet, none, a .safetensors or .pth, a RUN of pretrain."),
    ] = None,
    settings: Settings = None,
    epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the labelled faces.")] = None,
    seed: Seed = None,
    split_seed: SplitSeed = None,
    devices: Devices = 1,
    resume: Resume = False,
    as_json: Json = False,
) -> None:
    """Train a method on few labels, then score it on held-out subjects.

    The AUs learned are those that --aus names, else those the protocol scores, else all of the store. Each AU's limit,
    the probability from which it counts as present, follows from how often the training people's labels show it;
    --set selection.threshold=fixed takes 0.5, and =chosen one for all AUs, chosen together with the epoch.
    """
    from ..reports.tables import text_table

    metrics = api.train(
        method,
        [store, *(also or ())],
        out,
        unlabelled=unlabelled,
        labels_from=labels_from,
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
        runs = metrics.get("runs") or {str(out): metrics}
        show(metrics, as_json, "\n\n".join(f"{text_table(each)}\nRun: {run}" for run, each in runs.items() if each))


def evaluate(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    store: Annotated[Path | None, typer.Argument(help="Another store to score on; default: the held-out fold.")] = None,
    misalign: Annotated[
        Path | None,
        typer.Option(
            help="Also score faces shifted, turned and scaled, as bad landmarks cut them, into this new folder "
            "(alignment.json, alignment.svg)."
        ),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option(
            help="Also write the predictions to this .csv, for R or SPSS: a row a face, what is not labelled empty."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Score a run per AU, with 95 % intervals from resampling subjects.

    A network that is to bear badly cut faces is trained on them: data.augmentation.shift (largest, share of the side),
    .rotation (degrees) and .scale (share), such as train … --set data.augmentation.shift=0.08.
    """
    from ..reports.alignment import alignment_text
    from ..reports.tables import text_table

    metrics = api.evaluate(run, store, misalign=misalign, csv=csv)
    text = text_table(metrics)
    show(
        metrics, as_json, text if misalign is None else f"{text}\n\n{alignment_text(metrics['alignment'])}\n{misalign}"
    )
