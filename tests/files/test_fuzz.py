"""Every kind of file that is read, damaged in every way with fixed seeds: told in one line, or read as it was.

A file with a sum or checksum is `sealed`: damage must be told, or change nothing. In others, such as a user's table, a
changed digit cannot be known; they must be read or refused without any other exception.
"""

import hashlib
import json
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import sparsefacs.coders
from edited import edit_record
from made_runs import write_run
from made_stores import build_store
from sparsefacs import InputError
from sparsefacs.data.adapters.columns import read_labels
from sparsefacs.data.flow import StoredFlow, store_hash
from sparsefacs.data.rejects import RejectFile
from sparsefacs.data.store import Store
from sparsefacs.engine.checkpoint import load_checkpoint, save_checkpoint
from sparsefacs.engine.config import resolve
from sparsefacs.engine.run import RunFolder
from sparsefacs.inference.codes import code_columns, open_codes
from sparsefacs.inference.encoder import load_encoder
from sparsefacs.inference.export import sample_faces
from sparsefacs.inference.model import load_coder
from sparsefacs.inference.onnx_model import METADATA, OnnxCoder, with_sum
from sparsefacs.inference.pooling import Answered, read_predictions
from sparsefacs.inference.unseen import unseen_faces
from sparsefacs.networks.backbone import create_backbone
from sparsefacs.protocols.budgets import VisibleLabels
from sparsefacs.protocols.fold_files import read_folds
from sparsefacs.records import write_record, write_yaml
from sparsefacs.reports.codes import read_tracks
from sparsefacs.reports.results import read_results

AUS = (1, 4, 12)
BYTES_EACH, JSON_EACH = 12, 12
NETWORK = {"backbone": "test_resnet", "input_size": 32, "options": {"channels": [8, 8, 8, 8]}}


@dataclass(frozen=True)
class Target:
    """A file, what reads it (equal answers: read as it was), and whether damage can be known."""

    file: Path
    read: Callable[[], Any]
    sealed: bool = True

    @property
    def is_record(self) -> bool:
        return self.file.suffix == ".json"


def digest(*arrays: Any) -> str:
    return hashlib.sha256(b"".join(np.ascontiguousarray(each).tobytes() for each in arrays)).hexdigest()


def read_store(path: Path) -> Any:
    store = Store(path)
    labels = digest(store.occurrence(), store.intensity(), store.numbers("time"), store.vectors("matrix"))
    faces = [digest(*store.face(row)) for row in range(len(store))]
    return store.info.as_json(), store.strings("subject").tolist(), labels, faces


class Stream:
    """Stands for the batches of a training: a place to go on from."""

    def positions(self) -> dict[str, int]:
        return {"labelled": 3}

    def seek(self, positions: dict[str, int]) -> None:
        assert positions == {"labelled": 3}


def read_checkpoint(path: Path) -> Any:
    network = torch.nn.Linear(3, 2)
    optimiser = torch.optim.SGD(network.parameters())
    kept = torch.get_rng_state()
    told = load_checkpoint(path, network, {"all": optimiser}, Stream(), None)  # type: ignore[arg-type]
    torch.set_rng_state(kept)
    return told, digest(network.weight.detach().numpy(), network.bias.detach().numpy())


def write_onnx(path: Path, described: dict[str, Any]) -> None:
    """Write a network that codes the mean of each channel, as an export leaves it."""
    from onnx import TensorProto, helper

    faces = helper.make_tensor_value_info("faces", TensorProto.UINT8, ["B", 40, 40, 3])
    codes = helper.make_tensor_value_info("codes", TensorProto.FLOAT, ["B", 3])
    nodes = [
        helper.make_node("Cast", ["faces"], ["numbers"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["numbers", "axes"], ["codes"], keepdims=0),
    ]
    axes = helper.make_tensor("axes", TensorProto.INT64, [2], [1, 2])
    model = helper.make_model(helper.make_graph(nodes, "g", [faces], [codes], [axes]), ir_version=10)
    model.opset_import[0].version = 20
    entry = model.metadata_props.add()
    entry.key, entry.value = METADATA, json.dumps(described)
    path.write_bytes(with_sum(model.SerializeToString()))


def of_store(folder: Path) -> Iterator[Target]:
    store = build_store(folder / "store", subjects=2, frames=3)
    for name in ("store.json", "state.json", "dataset_info.json", "data-00000.arrow", "data-00001.arrow"):
        yield Target(store.path / name, lambda: read_store(store.path))
    flow = store.path / "flow"
    flow.mkdir()
    about = {"rows": 6, "store": store_hash(store), "step": 3, "part_rows": 6, "cell": 8}
    write_record(flow / "flow.json", about)
    np.save(flow / "part-00000.npy", np.zeros((6, 4, 4, 2), np.float16))
    yield Target(flow / "flow.json", lambda: (StoredFlow(store).step, digest(StoredFlow(store).at(2))))
    yield Target(flow / "part-00000.npy", lambda: digest(StoredFlow(store).at(2)), sealed=False)


def of_run(folder: Path) -> Iterator[Target]:
    run, store = RunFolder(write_run(folder / "run", NETWORK)), build_store(folder / "seen", subjects=3, frames=2)
    faces = sample_faces(2, 40)
    for file in (run.model, run.weights):
        yield Target(file, lambda: digest(load_coder(run.path)(*faces)))
    config = resolve("supervised", "small").as_json()
    run.write_config(config)
    yield Target(run.config, run.read_config)
    fold = {"name": "1", "train": ["s00"], "test": ["s01", "s02"], "validation": []}
    plan = {
        "protocol": {"name": "mine"}, "protocol_hash": "0", "fold": fold,
        "seen": {"persons": [[None, "s00"]], "groups": []},
        "store": str(store.path), "store_hash": store_hash(store), "labels": {}, "labelled_faces": 2,
        "unlabelled_faces": 0, "selection_rule": "",
    }  # fmt: skip
    write_record(run.protocol, plan)
    yield Target(run.protocol, lambda: (unseen_faces(run.path).rows.tolist(), unseen_faces(run.path).plan))
    run.log.write_text("step,epoch,seconds,images,loss\n1,0.5,0.1,8,0.7\n2,1,0.2,16,0.6\n")
    yield Target(run.log, run.read_log, sealed=False)
    VisibleLabels("all", 0, np.eye(6, 3, dtype=bool)).save(run.labels)
    yield Target(run.labels, lambda: (VisibleLabels.load(run.labels).mask.tolist(), "read again each time"))
    keys = {"row": [0, 1], "subject": "s01", "clip": "c", "frame": [0, 1], "time": 0.5, "fold": "1"}
    scores = {f"AU{au:02d}_{kind}": [0.0, 1.0] for au in AUS for kind in ("p", "true", "limit")}
    pd.DataFrame(keys | scores).to_parquet(run.predictions, index=False, write_page_checksum=True)
    answered = Answered("occurrence", AUS)
    yield Target(run.predictions, lambda: digest(read_predictions(run, answered).select_dtypes("number")), sealed=False)
    pooled = {"per_au": {str(au): {} for au in AUS}, "mean": {"f1": {"value": 0.5}}}
    metrics = {"format": 1, "method": "supervised", "task": "occurrence", "aus": list(AUS), "pooled": pooled}
    write_record(run.metrics, metrics | {"provenance": {"store": str(store.path)}})
    yield Target(run.metrics, lambda: read_results([run.path])[0].metrics)
    yield Target(run.log, lambda: len(read_results([run.path])), sealed=False)

    checkpoint = folder / "last.pt"
    network = torch.nn.Linear(3, 2)
    save_checkpoint(checkpoint, 4, network, {"all": torch.optim.SGD(network.parameters())}, Stream(), 1.5, None)  # type: ignore[arg-type]
    yield Target(checkpoint, lambda: read_checkpoint(checkpoint))


def of_pretraining(folder: Path) -> Iterator[Target]:
    run = RunFolder(folder / "pretrained")
    trunk = create_backbone("test_resnet", options=NETWORK["options"])[0]
    recipe = {"size": 40}
    about = {"pretraining": "pretrain/simclr", "network": NETWORK, "level": None, "regions": False, "recipe": recipe}
    run.write_encoder(trunk.state_dict(), about)
    write_record(run.protocol, {"fold": None, "seen": {"persons": [], "groups": []}, "store": "s", "store_hash": "0"})
    faces = sample_faces(2, 40)
    for file in (run.encoder, run.encoder_weights, run.protocol):
        yield Target(file, lambda: digest(load_encoder(run.path).features(*faces)))


def of_exported(folder: Path) -> Iterator[Target]:
    exported = folder / "small.onnx"
    about = {"format": 2, "aus": list(AUS), "task": "occurrence", "recipe": {"size": 40}, "limits": [0.5] * 3}
    write_onnx(exported, about | {"landmarks": False})
    faces = sample_faces(2, 40)
    yield Target(exported, lambda: (digest(OnnxCoder(exported, 1)(*faces)), OnnxCoder(exported, 1).limits))
    coders, newest = folder / "coders", sparsefacs.coders.coder_names()[-1]
    shutil.copytree(Path(sparsefacs.coders.__file__).parent / newest, coders / newest)
    card = coders / newest / "card.json"

    def read_card() -> Any:
        with pytest.MonkeyPatch.context() as patched:
            patched.setattr(sparsefacs.coders, "_FOLDER", coders)
            return sparsefacs.coders.read_card(newest)

    yield Target(card, read_card)


def of_tables(folder: Path) -> Iterator[Target]:
    for suffix in ("csv", "parquet"):
        codes = folder / f"codes.{suffix}"
        with open_codes(codes, code_columns(AUS)) as rows:
            for frame in range(1, 4):
                found = [0.9, 1, *[10.0] * 4, *[None] * 4, *[1] * 3, *[None] * 3, *[0.7] * 3]
                rows.write(["a.mp4", None, frame, 0, frame / 25, *found])
        yield Target(codes, lambda codes=codes: read_tracks(codes), sealed=False)  # type: ignore[misc]
        yield Target(codes, lambda codes=codes: read_labels(codes), sealed=False)  # type: ignore[misc]
        labels = folder / f"labels.{suffix}"
        table = pd.DataFrame({"path": ["a.png", "b.png"], "subject": "s", "AU12": [0, 1], "AU04_r": [0.5, 3]})
        table.to_csv(labels, index=False) if suffix == "csv" else table.to_parquet(labels)
        yield Target(labels, lambda labels=labels: read_labels(labels), sealed=False)  # type: ignore[misc]
    rejected = folder / "rejected.csv"
    rejected.write_text("source,frame,reason\na.mp4,3,no face\nb.mp4,,damaged\n")
    yield Target(rejected, lambda: list(RejectFile(rejected, 2)), sealed=False)
    folds = folder / "folds.json"
    folds.write_text(json.dumps({"name": "mine", "folds": [{"name": "1", "train": ["a"], "test": ["b"]}]}))
    yield Target(folds, lambda: read_folds(folds, ["a", "b"]), sealed=False)
    recipe = folder / "recipe.yaml"
    recipe.write_text("network:\n  backbone: test_resnet\n  input_size: 32\ntraining:\n  steps: 2\n")
    yield Target(recipe, lambda: resolve("supervised", str(recipe)), sealed=False)


GROUPS = {
    each.__name__: (each, least)
    for each, least in ((of_store, 120), (of_run, 140), (of_pretraining, 60), (of_exported, 35), (of_tables, 110))
}
"""Which files, and how many cases they are at least: over 400 together."""


def damaged_bytes(content: bytes, rng: random.Random) -> Iterator[tuple[str, bytes]]:
    """Yield ways in which a disk, a copy or another program damages a file."""
    yield "emptied", b""
    yield "junk", rng.randbytes(200)
    yield "zeros", bytes(len(content))
    yield "junk at the end", content + rng.randbytes(30)
    for number in range(BYTES_EACH - 7):
        place = rng.randrange(len(content))
        flipped = bytearray(content)
        flipped[place] ^= 1 << rng.randrange(8)
        yield f"flip {number} at {place}", bytes(flipped)
    for number in range(3):
        place = rng.randrange(1, len(content))
        yield f"cut {number} at {place}", content[:place]


def damaged_json(content: Any, rng: random.Random) -> Iterator[tuple[str, Any]]:
    """Yield a JSON object with another type at its top, or with a value of another type or none at some place."""
    others: list[Any] = [[], {}, "x", 0, -1, 1e300, None, True, [[]], {"x": 1}]
    for value in ([content], "text", None):
        yield f"top {type(value).__name__}", value
    for number in range(JSON_EACH - 3):
        changed = json.loads(json.dumps(content))
        at, trail = changed, []
        while True:
            key = rng.choice(sorted(at) if isinstance(at, dict) else range(len(at)))
            trail.append(str(key))
            deeper = isinstance(at[key], dict | list) and at[key] and rng.random() < 0.6
            if not deeper:
                break
            at = at[key]
        if number % 3 == 0 and isinstance(at, dict):
            del at[key]
            yield f"without {'.'.join(trail)}", changed
        else:
            at[key] = rng.choice([other for other in others if type(other) is not type(at[key])])
            yield f"{'.'.join(trail)} is {at[key]!r}", changed


def outcome(target: Target, wanted: Any) -> str:
    """Return what came of reading a damaged file: `told`, `same` or `changed`; any other exception is raised."""
    try:
        found = target.read()
    except InputError as error:
        line = str(error)
        assert "\n" not in line and error.path is not None, line
        return "told"
    return "same" if repr(found) == repr(wanted) else "changed"


@pytest.mark.parametrize("group", GROUPS)
def test_damage_is_told_in_one_line_or_changes_nothing(group: str, tmp_path: Path) -> None:
    rng, faults, told, count = random.Random(group), [], 0, 0
    make, least = GROUPS[group]
    targets = list(make(tmp_path))
    for target in targets:
        content, wanted = target.file.read_bytes(), target.read()
        cases = [(name, damaged, target) for name, damaged in damaged_bytes(content, rng)]
        if target.is_record:
            record = json.loads(content)
            record.pop("checksum", None)
            unsealed = replace(target, sealed=False)
            for name, changed in damaged_json(record, rng):
                cases.append((name, json.dumps(changed).encode(), unsealed))
        for name, damaged, case in cases:
            target.file.write_bytes(damaged)
            count += 1
            try:
                found = outcome(case, wanted)
            except Exception as error:
                faults.append(f"{target.file.name}: {name}: {type(error).__name__}: {error}")
                continue
            told += found == "told"
            if found == "changed" and case.sealed and damaged != content:
                faults.append(f"{target.file.name}: {name}: changed without a word")
        target.file.write_bytes(content)
        assert repr(target.read()) == repr(wanted), "whole again, it reads as before"
    assert not faults, "\n".join(faults)
    assert count >= least and told > count / 3, (told, count)


def test_a_configuration_cut_at_any_line_is_told(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    write_yaml(run.config, resolve("supervised", "small").as_json())
    lines = run.config.read_text().splitlines(keepends=True)
    for kept in range(1, len(lines)):
        run.config.write_text("".join(lines[:kept]))
        with pytest.raises(InputError, match=r"config\.yaml"):
            run.read_config()


def test_a_record_of_an_older_version_reads_without_its_sums(tmp_path: Path) -> None:
    store = build_store(tmp_path / "store", subjects=2, frames=2)
    whole = read_store(store.path)
    edit_record(store.path / "store.json", {}, "sha256", "part_faces")
    assert repr(read_store(store.path)) == repr(whole)
    run = write_run(tmp_path / "run", NETWORK)
    faces = sample_faces(2, 40)
    codes = load_coder(run)(*faces)
    edit_record(run / "model.json", {}, "sha256", "lineage", "settings", "step")
    assert np.array_equal(load_coder(run)(*faces), codes)
