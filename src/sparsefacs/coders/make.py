"""Making the packaged coder again, from nothing: faces, training, scores, card. Stopped, it goes on where it was."""

import math
import shutil
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from .. import api
from ..data.joined import open_stores
from ..engine.lineage import is_free
from ..engine.run import RunFolder
from ..errors import InputError
from ..files import make_folder, refuse_existing, sha256_file, write_text
from ..methods.coder_settings import further_columns
from ..records import Record, read_record, write_record
from ..reports.tables import with_interval
from ..run_records import CardRecord, MetricsRecord
from . import CARD
from .scores import further_scores, reliability, scores_by_group

_PACKED = ("model.json", "model.safetensors", "protocol.json")
_DECISIVE = ("stores", "every", "aus", "protocol", "recipe")
_AGAIN = "Delete the folder and make the coder again"


def plan() -> dict[str, Any]:
    """Return what the packaged coder is made from: faces.yaml."""
    text = (resources.files(__package__) / "faces.yaml").read_text(encoding="utf-8")
    return dict(yaml.safe_load(text))


def make_coder(out: Path, *, share: float = 1.0, steps: int | None = None, workers: int = 2) -> Path:
    """Make the coder in folder `out` and return the folder to be packaged, `out`/NAME.

    share: of the people that it is made from, for a trial. steps: of the pixels' training; None: the recipe's. Raises
    InputError where `out` holds another making.
    """
    if not 0 < share <= 1:
        raise InputError(f"a share of {share:g} of the people is not possible", remedy="Give --share over 0, at most 1")
    made = plan()
    asked = {name: made[name] for name in _DECISIVE} | {"share": share, "steps": steps}
    mark = out / "making.json"
    if not mark.exists():
        refuse_existing(out, what="folder")
        make_folder(out)
        write_record(mark, asked)
    elif read_record(mark, Record, what="the making's mark", remedy=_AGAIN) != asked:
        raise InputError("holds another making", path=out, remedy="Give the same options, or another folder")
    stores = []
    for name, settings in made["stores"].items():
        stores.append(out / "faces" / name)
        if not (stores[-1] / "store.json").exists():
            people = max(4, round(settings["subjects"] * share))
            wanted = settings | made["every"] | {"subjects": people, "aus": tuple(made["aus"]), "workers": workers}
            api.synth(stores[-1], **wanted)
    run = out / "run"
    settings = () if steps is None else (f"training.steps={steps}",)
    api.train(
        "coder", stores, run, labels="all", protocol=made["protocol"], recipe=made["recipe"], settings=settings,
        resume=run.exists(),
    )  # fmt: skip
    options = ("" if share == 1 else f" --share {share:g}") + ("" if steps is None else f" --steps {steps}")
    return pack(run, out / made["name"], made, f"sparsefacs make-coder OUT{options}")


def pack(run: Path, folder: Path, made: dict[str, Any], made_by: str) -> Path:
    """Write the folder to be packaged of a finished coder run: its model, whom it has seen, and its card.

    made: the content of faces.yaml; made_by: the command that makes it again.
    """
    refuse_existing(folder, what="coder's folder")
    final, folder = folder, folder.with_name(f".{folder.name}.part")
    shutil.rmtree(folder, ignore_errors=True)  # of a packing that was stopped
    run_ = RunFolder(run)
    described = run_.read_model()
    make_folder(folder)
    for name in _PACKED:
        shutil.copyfile(run / name, folder / name)
    seen = read_record(run_.protocol, CardRecord, what="the protocol", remedy=_AGAIN)
    kept: dict[str, Any] = {name: seen[name] for name in ("protocol", "fold", "seen", "recipe_hash") if name in seen}
    write_record(RunFolder(folder).protocol, kept)
    metrics = read_record(run_.metrics, MetricsRecord, what="the scores", remedy=_AGAIN)
    mean, by_au = metrics["pooled"]["mean"], metrics["pooled"]["per_au"]
    card = {
        "name": final.name,
        "title": made["title"],
        "licence": "MIT",
        "free": is_free(described["lineage"]),
        "aus": described["aus"],
        "further": list(further_columns(tuple(described["aus"]))),
        "bytes": sum((folder / name).stat().st_size for name in _PACKED),
        "made_by": [made_by],
        "lineage": described["lineage"],
        "people": {store.path.name: store.info.subjects for store in open_stores(seen["store"]).parts},
        "faces": sum(len(store) for store in open_stores(seen["store"]).parts),
        "scores": {name: mean[name] for name in ("f1", "f1_half", "auc")},
        "by_au": {au: {k: _short(each[k]) for k in ("f1", "auc") if k in each} for au, each in by_au.items()},
        "further_scores": further_scores(run),
        "reliability": reliability(run),
        "by_group": scores_by_group(run),
        "cannot": made["cannot"],
    }
    card["scores_told"] = _told(card)
    card["sha256"] = {name: sha256_file(folder / name) for name in _PACKED}
    write_record(folder / CARD, card)
    write_text(folder / "LICENSE", "MIT, as the program. What the weights rest on is in card.json, lineage.\n")
    folder.rename(final)
    return final


def _short(told: dict[str, float]) -> float | None:
    """Return a score to three digits, None where it is not defined."""
    value = told.get("value")
    return None if value is None or math.isnan(value) else round(value, 3)


def _told(card: dict[str, Any]) -> list[str]:
    """Return the scores as lines for people."""
    f1, auc = (card["scores"][name] for name in ("f1", "auc"))
    lines = [
        "On synthetic people whom it has not seen (no evidence about real faces): mean F1 "
        f"{with_interval(f1)}, AUC {with_interval(auc)}."
    ]
    more = card["further_scores"]
    lines.append(
        f"Intensity: ICC(3,1) {more['icc']:.2f}, mean error {more['mae']:.2f} of 5. Stronger side told right in "
        f"{100 * more['side']:.0f} % of {more['side_cases']} clear cases."
    )
    gaps = []
    for name, groups in card["by_group"].items():
        known = {group: each["auc"] for group, each in groups.items()}
        if not known:  # too few people for any AU to be in every group
            continue
        low, high = min(known, key=known.__getitem__), max(known, key=known.__getitem__)
        gaps.append((known[high] - known[low], name, low, high))
        lines.append(f"AUC by {name}: " + ", ".join(f"{group} {auc:.2f}" for group, auc in known.items()) + ".")
    if gaps:
        gap, name, low, high = max(gaps)
        lines.append(f"The largest gap is by {name}: {gap:.2f} between {high} and {low}.")
    return lines
