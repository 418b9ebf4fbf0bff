"""The program's own files: sums, locks, what a killed run leaves, remedies, one path where several are asked for."""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edited import edit_record
from made_runs import write_run
from made_stores import build_store
from sparsefacs import InputError, api, representation
from sparsefacs.data.augmentation import AugmentationConfig
from sparsefacs.data.rejects import Reject, gather
from sparsefacs.data.store import Store, StoreInfo
from sparsefacs.data.store_writer import StoreWriter
from sparsefacs.engine.config import resolve
from sparsefacs.engine.run import CsvLog, RunFolder
from sparsefacs.faces.alignment import FaceRecipe
from sparsefacs.files import SoleWriter, atomic_path, write_text
from sparsefacs.given import listed_aus
from sparsefacs.inference.model import load_coder
from sparsefacs.reports.codes import read_tracks

NETWORK = {"backbone": "test_resnet", "input_size": 32, "options": {"channels": [8, 8, 8, 8]}}


def test_one_path_or_setting_is_never_taken_letter_by_letter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[str, Any] = {}
    monkeypatch.setattr(
        "sparsefacs.inference.pipeline.predict", lambda *args, **named: given.update(args=args, **named)
    )
    monkeypatch.setattr("sparsefacs.api.load", lambda run: "coder")
    monkeypatch.setattr("sparsefacs.inference.origin.origin_of", lambda run, coder: None)
    api.predict("clip.mp4", "out.csv", "run", reference="rest.png")
    assert given["args"] == ("coder", [Path("clip.mp4")], Path("out.csv")) and list(given["reference"]) == [
        Path("rest.png")
    ]
    monkeypatch.setattr("sparsefacs.reports.page.report", lambda *args, **named: given.update(args=args, **named))
    api.report("out.html", "run", codes=Path("codes.csv"), stills="still.png")
    assert given["args"][1] == [Path("run")] and given["codes"] == [Path("codes.csv")]
    assert given["stills"] == [Path("still.png")]
    monkeypatch.setattr("sparsefacs.training._train_folds", lambda *args, **named: given.update(args=args, **named))
    api.train("supervised", "store", "out", settings="training.steps=5", aus="1,12")
    assert given["args"][3] == ("training.steps=5",) and given["aus"] == (1, 12)
    monkeypatch.setattr("sparsefacs.representation._pretrain_one", lambda *args: given.update(args=args) or [])
    representation.pretrain("simclr", "store", "out", settings="training.steps=5")
    assert given["args"][3] == ("training.steps=5",)
    assert listed_aus(12) == (12,)


def test_au_0_and_a_crop_of_nothing_are_refused(tmp_path: Path) -> None:
    for aus in ((0,), 0, "0"):
        with pytest.raises(InputError, match="AU0 is not a known action unit"):
            listed_aus(aus)
    with pytest.raises(InputError, match=r"setting aus\.0"):
        resolve("supervised", aus=(0,))
    with pytest.raises(InputError, match=r"setting data\.augmentation\.crop"):
        resolve("supervised", settings=("data.augmentation.crop=1e-9",))
    assert AugmentationConfig(crop=0.08).crop == 0.08
    store = build_store(tmp_path / "s", subjects=1, frames=2)
    edit_record(store.path / "store.json", {"aus": [0, 4, 12]})
    with pytest.raises(InputError, match=r"store\.json.*aus\.0"):
        Store(store.path)
    run = write_run(tmp_path / "run", NETWORK)
    edit_record(run / "model.json", lambda told: told | {"network": told["network"] | {"crop": 1e-9}})
    with pytest.raises(InputError, match=r"model\.json.*crop"):
        load_coder(run)


def test_a_part_of_a_store_is_checked_when_its_first_face_is_read_and_not_before(tmp_path: Path) -> None:
    store = build_store(tmp_path / "s", subjects=2, frames=3)
    whole = [store.image(row) for row in range(6)]
    part = store.path / "data-00001.arrow"
    content = bytearray(part.read_bytes())
    place = content.rindex(b"IEND") - 20  # in the picture of the last face
    content[place] ^= 1
    part.write_bytes(bytes(content))
    damaged = Store(store.path)
    assert np.array_equal(damaged.image(0), whole[0])
    for row in (3, 5):
        with pytest.raises(InputError, match=r"data-00001\.arrow: is damaged.*SHA-256"):
            damaged.image(row)


def test_a_damaged_face_names_its_store_and_row(tmp_path: Path) -> None:
    """Also in a store of an older version, which has no sums."""
    store = build_store(tmp_path / "s", subjects=1, frames=2)
    part = store.path / "data-00000.arrow"
    content = part.read_bytes()
    part.write_bytes(content.replace(b"\x89PNG", b"\x00PNG", 1))
    edit_record(store.path / "store.json", {}, "sha256", "part_faces")
    older = Store(store.path)
    with pytest.raises(InputError, match=rf"{store.path}: the face in row 0 is damaged"):
        older.face(0)
    assert older.image(1).shape == (32, 32, 3)


def test_no_store_reads_files_of_another(tmp_path: Path) -> None:
    mine, other = (build_store(tmp_path / name, subjects=1, frames=2, seed=n) for n, name in enumerate("ab"))
    for name in ("../b/data-00000.arrow", str(other.path / "data-00000.arrow")):
        state = {"_data_files": [{"filename": name}]}
        edit_record(mine.path / "state.json", state)
        edit_record(mine.path / "store.json", {}, "sha256", "part_faces")
        with pytest.raises(InputError, match=r"state\.json.*filename"):
            Store(mine.path)


@pytest.mark.parametrize(
    "content", [b"", b"\x00\xff\xfe", b"step,images\n", b"loss\n1\n", b"step,images,seconds\n1,x,2\n"]
)
def test_a_damaged_log_is_told_where_a_training_goes_on(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "log.csv").write_bytes(content)
    with pytest.raises(InputError, match=r"log\.csv: the training log is damaged.*Move it away"):
        CsvLog(tmp_path / "log.csv")


HOLD = """
import sys
from pathlib import Path
from sparsefacs.files import SoleWriter
held = SoleWriter(Path(sys.argv[1]))
"""


def test_a_second_run_into_one_store_is_told_that_another_is_writing_it(tmp_path: Path) -> None:
    first = StoreWriter(tmp_path / "s", StoreInfo((4,), FaceRecipe().as_json(), {}), {"size": 1})
    second = subprocess.run([sys.executable, "-c", HOLD, tmp_path / "s"], capture_output=True, text=True, check=False)
    assert second.returncode and "another run is writing it. Wait until that has ended" in second.stderr
    first._sole.release()
    third = subprocess.run([sys.executable, "-c", HOLD, tmp_path / "s"], capture_output=True, text=True, check=False)
    assert third.returncode == 0, third.stderr


def test_a_finished_store_and_run_keep_no_lock(tmp_path: Path) -> None:
    store = build_store(tmp_path / "s", subjects=1, frames=1)
    run = RunFolder(tmp_path / "run")
    run.begin({"name": "m", "recipe": "probe", "seed": 0}, {"fold": None}, resume=False)
    assert (run.path / ".lock").exists()
    run.release()
    for folder in (store.path, run.path):
        assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_an_unfinished_run_that_already_exists_names_resume(tmp_path: Path) -> None:
    config, plan = {"name": "m", "recipe": "probe", "seed": 0}, {"store": "s", "store_hash": "0", "seen": None}
    plan["seen"] = {"persons": [], "groups": []}
    for folder, named in ((tmp_path / "run", tmp_path / "run"), (tmp_path / "cv" / "fold-1", tmp_path / "cv")):
        RunFolder(folder).begin(config, plan, resume=False)
        with pytest.raises(
            InputError, match=r"already exists.*not finished: give the command that began it again, with --res"
        ):
            RunFolder(named).refuse_existing()
    run = RunFolder(tmp_path / "run")
    run.begin(config, plan, resume=True)
    run.metrics.write_text("{}")
    with pytest.raises(InputError, match=r"already exists\. Choose another name"):
        run.begin(config, plan, resume=False)


def test_a_run_that_was_killed_before_it_began_is_resumed(tmp_path: Path) -> None:
    config, plan = {"name": "m", "recipe": "probe", "seed": 0}, {"store": "s", "store_hash": "0"}
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "labels.parquet").write_bytes(b"half")
    with pytest.raises(InputError, match="--resume"):
        RunFolder(tmp_path / "run").begin(config, plan, resume=False)
    run = RunFolder(tmp_path / "run")
    run.begin(config, plan, resume=True, first=lambda: write_text(run.labels, "whole"))
    assert run.read_config() == config and run.labels.read_text() == "whole"
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(InputError, match="already exists"):
        RunFolder(tmp_path / "mine").begin(config, plan, resume=True)


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (
            errno.ENOSPC,
            r"Free some disk space, then give the same command again \(`train` and `pretrain` with --resume\)",
        ),
        (errno.EACCES, "where you may write"),
        (errno.ENAMETOOLONG, "Choose a shorter name"),
    ],
)
def test_what_cannot_be_written_says_what_to_do(tmp_path: Path, number: int, remedy: str) -> None:
    with pytest.raises(InputError, match=remedy), atomic_path(tmp_path / "x.csv"):
        raise OSError(number, os.strerror(number))
    assert list(tmp_path.iterdir()) == []


LEFT = """
import os, sys
from pathlib import Path
from sparsefacs.files import atomic_path
with atomic_path(Path(sys.argv[1])) as half:
    half.write_text("half")
    os._exit(9)
"""


def test_what_a_killed_run_left_half_written_goes_at_the_next_start(tmp_path: Path) -> None:
    mine = tmp_path / ".codes.notes.tmp.csv"  # hidden and temporary by name, but not of this program
    mine.write_text("mine")
    subprocess.run([sys.executable, "-c", LEFT, tmp_path / "codes.csv"], check=False)
    (left,) = set(tmp_path.iterdir()) - {mine}
    assert left.read_text() == "half"
    under_way = left.with_name(left.name.replace(f"-{_process(left)}-", f"-{os.getppid()}-"))
    shutil.copy(left, under_way)  # of a process that is still at it
    with atomic_path(tmp_path / "codes.csv") as half:
        half.write_text("whole")
    assert {path.name for path in tmp_path.iterdir()} == {"codes.csv", mine.name, under_way.name}


def _process(temporary: Path) -> str:
    return temporary.name.split(".")[2].split("-")[1]


def test_rejected_names_are_no_formulas_and_are_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sparsefacs.data.rejects.LISTED", 1)
    given = [Reject("=1+1.mp4", 3, "@reason"), Reject("-x.png", None, "no face"), Reject("'=y", None, "+")]
    kept, _ = gather(lambda: given, tmp_path)
    cells = [line.split(",") for line in (tmp_path / "rejected.csv").read_text().splitlines()[1:]]
    assert [cell for row in cells for cell in row] == [
        "'=1+1.mp4",
        "3",
        "'@reason",
        "'-x.png",
        "",
        "no face",
        "''=y",
        "",
        "'+",
    ]
    assert list(kept) == given


def test_the_report_names_inputs_as_they_are_called(tmp_path: Path) -> None:
    from sparsefacs.inference.codes import code_columns, open_codes

    with open_codes(tmp_path / "codes.csv", code_columns((12,))) as rows:
        for name in ("=a.mp4", "001"):
            rows.write([name, None, 1, 0, 0.0, 0.9, 1, *[0.0] * 4, *[None] * 4, 1, None, 0.7])
    assert [track.name for track in read_tracks(tmp_path / "codes.csv")] == ["=a.mp4", "001"]


def test_records_tell_when_they_were_changed(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", NETWORK)
    told = json.loads((run / "model.json").read_text())
    (run / "model.json").write_text(json.dumps(told | {"limits": [0.1, 0.5, 0.5]}))
    with pytest.raises(InputError, match=r"model\.json: the model's description was changed after it was written"):
        load_coder(run)
    (run / "model.json").write_text(json.dumps(told).replace('"checksum"', '"checkswm"'))
    with pytest.raises(InputError, match="changed after it was written"):
        load_coder(run)


def test_two_runs_in_one_process_may_follow_each_other(tmp_path: Path) -> None:
    """As in a notebook, where the first was interrupted."""
    kept = SoleWriter(tmp_path / "s")
    SoleWriter(tmp_path / "s").release()
    kept.release()
    assert list((tmp_path / "s").iterdir()) == []


def test_a_table_that_another_run_wrote_meanwhile_stays(tmp_path: Path) -> None:
    from sparsefacs.row_files import open_rows

    out = tmp_path / "codes.csv"
    with pytest.raises(InputError, match=r"codes\.csv: was written by another run meanwhile"):  # noqa: SIM117
        with open_rows(out, {"a": "int8"}) as rows:
            rows.write([1])
            out.write_text("theirs")
    assert out.read_text() == "theirs" and [path.name for path in tmp_path.iterdir()] == ["codes.csv"]
