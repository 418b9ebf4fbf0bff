"""The Python face of representations, beside `api`: pretrain, probe, features, pictures."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .files import refuse_existing
from .given import Aus, PathLike, Paths, Settings, listed, listed_aus
from .training import DEFAULT_PROTOCOL, fold_number, make_plan


def pretrain(
    method: str,
    store: Paths,
    out: PathLike,
    *,
    protocol: str | None = None,
    fold: int | str = 1,
    recipe: str = "small",
    settings: Settings = (),
    devices: int = 1,
    resume: bool = False,
    **overrides: Any,
) -> dict[str, Any]:
    """Learn a representation from the faces of a store without reading a label; return what the encoder is.

    protocol, fold: keep the people out whom that fold tests on, so that the encoder may be judged or trained on it
    (fold "all": one run a fold in OUT/fold-1 …, which `train --fold all --init OUT` takes). Without a protocol all
    faces are learned from. A recipe with a sweep makes a run a value in OUT/setting-value. Raises InputError on what
    the user can mend.
    """
    from .engine.config import read_sweep, sweep_runs
    from .methods.registry import PRETRAIN

    out, settings = Path(out), listed(settings)
    given = {"protocol": protocol, "fold": fold, "recipe": recipe, "devices": devices, "resume": resume} | overrides
    if sweep := read_sweep(PRETRAIN + method, recipe):
        made = [
            _pretrain_one(method, store, run, [*settings, setting], given) for run, setting in sweep_runs(sweep, out)
        ]
        return {"runs": [run for runs in made for run in runs]}
    return {"runs": _pretrain_one(method, store, out, settings, given)}


def _pretrain_one(
    method: str, store: Paths, out: Path, settings: Sequence[str], given: dict[str, Any]
) -> list[dict[str, Any]]:
    """Pre-train once, or once a fold, and return what each encoder is; settings and arguments as of `pretrain`."""
    from .data.joined import open_stores
    from .engine.config import resolve
    from .engine.pretrainer import pretrain_fold
    from .engine.processes import first_process
    from .engine.run import RunFolder
    from .methods.registry import PRETRAIN
    from .records import read_record
    from .run_records import EncoderRecord

    overrides = dict(given)
    protocol, fold, recipe, devices, resume = (
        overrides.pop(name) for name in ("protocol", "fold", "recipe", "devices", "resume")
    )
    resume = resume and out.exists()
    config = resolve(PRETRAIN + method, recipe, tuple(settings), **overrides)
    faces = open_stores(store)
    plan = None if protocol is None else make_plan(faces, protocol, config.split_seed)
    if plan is None or str(fold) != "all":
        kept = None if plan is None else plan.folds[fold_number(fold, len(plan.folds)) - 1]
        runs = [pretrain_fold(config, faces, out, plan, kept, devices, resume)]
    else:
        if not resume:
            RunFolder(out).refuse_existing()
        runs = []
        for number, each in enumerate(plan.folds, start=1):
            folder = out / f"fold-{number}"
            runs.append(pretrain_fold(config, faces, folder, plan, each, devices, resume and folder.exists()))
    if not first_process():
        return []
    told = {"what": "the encoder's description", "remedy": "Pre-train again"}
    return [{"run": str(run.path)} | read_record(run.encoder, EncoderRecord, **told) for run in runs]


def probe(
    run: PathLike,
    store: Paths,
    out: PathLike,
    *,
    kind: str = "linear",
    protocol: str = DEFAULT_PROTOCOL,
    fold: int | str = 1,
    labels: str = "all",
    regions: bool | None = None,
    start: str | None = None,
    **settings: Any,
) -> dict[str, Any]:
    """Judge the frozen features of a run by nearest neighbours (`knn`) or linear models, and return the metrics.

    run: of `pretrain` or `train`; one with a run a fold is judged fold by fold. protocol, fold, labels: as of `train`,
    the same people and labels. regions, start: see `inference.encoder.load_encoder`. settings: of
    `inference.probing.ProbeSettings`. Raises InputError when the run has seen someone tested on.
    """
    from .data.joined import open_stores
    from .inference.encoder import load_encoder
    from .inference.pooling import pool_folds
    from .inference.probing import ProbeSettings, probe_encoder

    chosen = ProbeSettings(kind=kind, **settings)  # type: ignore[arg-type]
    faces, out, run = open_stores(store), Path(out), Path(run)
    plan = make_plan(faces, protocol, chosen.split_seed)
    several = str(fold) == "all"
    numbers = list(range(1, len(plan.folds) + 1)) if several else [fold_number(fold, len(plan.folds))]
    if not any((run / f"fold-{number}").is_dir() for number in numbers):
        encoder = load_encoder(run, regions=regions, start=start)
        return probe_encoder(encoder, faces, plan, out, chosen, folds=None if several else numbers, labels=labels)
    refuse_existing(out, what="probe folder")
    folders = [out / f"fold-{number}" if several else out for number in numbers]
    scores: dict[str, Any] = {}
    for number, folder in zip(numbers, folders, strict=True):
        encoder = load_encoder(run / f"fold-{number}", regions=regions, start=start)
        scores = probe_encoder(encoder, faces, plan, folder, chosen, folds=[number], labels=labels)
    return pool_folds(out, folders) if several else scores


def features(
    run: PathLike,
    store: PathLike,
    out: PathLike,
    *,
    picture: PathLike | None = None,
    aus: Aus = (),
    regions: bool | None = None,
    start: str | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Write a run's features of all faces of a store to Parquet, and draw their t-SNE map; return what it says.

    run: a folder, or `pixels`: the faces themselves. picture: .png or .svg of the map, coloured by subject and by each
    of `aus` (default: all with labels). The result holds the share of near neighbours in the features that are of the
    same subject, and that share each AU.
    """
    import numpy as np

    from .data.joined import open_stores
    from .inference.encoder import load_encoder, pixel_encoder
    from .inference.features import extract_features, write_features
    from .networks.config import PIXELS
    from .reports.embedding import draw_embedding

    out = Path(out)
    refuse_existing(out, what="feature table")
    if picture is not None:
        refuse_existing(Path(picture), what="picture")
    faces = open_stores(store)
    of_pixels = str(run) == PIXELS and not Path(run).exists()
    encoder = pixel_encoder(faces) if of_pixels else load_encoder(run, regions=regions, start=start)
    rows = np.arange(len(faces))
    found = extract_features(encoder, faces, rows)
    occurrence = faces.occurrence()
    shown = listed_aus(aus) or tuple(
        au for au, column in zip(faces.aus, occurrence.T, strict=True) if (column == 1).any()
    )
    write_features(out, faces, rows, found, faces.aus, {"encoder": encoder.name, "run": str(run)})
    told: dict[str, Any] = {"out": str(out), "encoder": encoder.name, "faces": len(rows), "width": encoder.width}
    if picture is not None:
        labels = faces.occurrence(shown)
        told["map"] = draw_embedding(Path(picture), found, faces.strings("subject"), labels, shown, seed=seed)
    return told


def pictures(
    run: PathLike,
    out: PathLike,
    store: PathLike | None = None,
    *,
    beside: PathLike | None = None,
    faces: int = 6,
    seed: int = 0,
) -> dict[str, Any]:
    """Draw what a training taught into the new folder `out`, and return what was drawn and what was not.

    store: whose unseen people are shown; default: the run's own test people. beside: of a run of `pretrain mae-face`,
    a second one. Files, keys and errors: see `reports.pictures.pictures`.
    """
    from .data.joined import open_stores
    from .reports.pictures import pictures as draw

    shown, second = None if store is None else open_stores(store), None if beside is None else Path(beside)
    return draw(Path(run), Path(out), shown, beside=second, faces=faces, seed=seed)
