"""`predict --out FOLDER` and `gather`: whole tables, resumed, sharded, joined."""

import errno
import os
from collections import Counter
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from coded_folder import FRAMES, copied, manifest, tables
from quick_faces import load, load_and_die_once
from sparsefacs.errors import InputError
from sparsefacs.events.coded_tables import read_codes
from sparsefacs.inference.codes import CodesWriter
from sparsefacs.inference.many import work
from sparsefacs.inference.many.folder import predict_folder
from sparsefacs.inference.many.gather import gather
from sparsefacs.inference.pipeline import Way
from sparsefacs.inference.sampling import Sampling
from sparsefacs.shards import Shard


def rows_of(folder: Path) -> Counter:
    """How often each frame of each input has a row."""
    counted: Counter = Counter()
    for path in tables(folder):
        table = pd.read_csv(folder / path)
        counted.update(zip(table["input"], table["frame"], strict=True))
    return counted


def test_each_video_has_its_table_and_record_and_the_manifest_tells_all(whole, films):
    assert set(tables(whole)) == {"ann/a.csv", "ann/b.csv", "ann/photos.csv", "bob/a.csv", "c.csv", "d.csv"}
    told = manifest(whole)
    assert {row["status"] for name, row in told.items() if not name.endswith("bad.mp4")} == {"done"}
    bad = told[f"{films}/bob/bad.mp4"]
    assert bad["status"] == "failed" and "cannot be read as a video" in bad["reason"] and not bad["codes"]
    row = told[f"{films}/ann/a.mp4"]
    assert (row["codes"], row["frames"], row["rows"], row["settings"]) == ("ann/a.csv", "3", "3", "frames all")
    assert int(row["bytes"]) == (films / "ann" / "a.mp4").stat().st_size and len(row["sha256"]) == 64
    assert told[f"{films}/ann"]["rows"] == "2", "photos of a folder are one table"
    assert set(rows_of(whole).values()) == {1} and rows_of(whole).total() == 5 * FRAMES + 2
    subjects = pd.read_csv(whole / "ann" / "photos.csv")["subject"]
    assert set(subjects) == {"ann"}


def test_given_again_it_does_what_is_missing_or_failed_alone(whole, films):
    before = {name: (whole / name).stat().st_mtime_ns for name in tables(whole)}
    (whole / "ann" / "b.csv").unlink()
    again = predict_folder(load, [films], whole, Way())
    assert [one.place for one in again.outcomes if one.status == "done"] == ["ann/b"]
    assert [one.place for one in again.bad] == ["bob/bad"] and again.before == 5
    after = {name: (whole / name).stat().st_mtime_ns for name in tables(whole)}
    assert {name for name in before if before[name] != after[name]} == {"ann/b.csv"}
    assert "6 of" not in again.text() and "1 of 7 inputs coded, 5 were already, 1 could not be" in again.text()


class Killed(BaseException):
    pass


def kill_at(monkeypatch, moment: int) -> None:
    """Die at the `moment`-th row or record that is written, counted over both."""
    count = iter(range(1000))

    def dying(function):
        def call(*given, **named):
            if next(count) == moment:
                raise Killed
            return function(*given, **named)

        return call

    monkeypatch.setattr(CodesWriter, "write", dying(CodesWriter.write))
    monkeypatch.setattr(work, "write_record", dying(work.write_record))


@pytest.mark.parametrize("seed", range(3))
def test_shards_killed_at_random_and_begun_again_leave_every_row_once(quick, whole, films, tmp_path, monkeypatch, seed):
    rng, out, shards = np.random.default_rng(seed), tmp_path / "out", [Shard(1, 3), Shard(2, 3), Shard(3, 3)]
    kills = 0
    for _ in range(8):
        with monkeypatch.context() as patch:
            kill_at(patch, int(rng.integers(0, 8)))
            try:
                predict_folder(load, [films], out, Way(), shard=shards[rng.integers(3)])
            except Killed:
                kills += 1
    assert kills >= 3
    for shard in shards:
        predict_folder(load, [films], out, Way(), shard=shard)
    told = gather(out, tmp_path / "all.csv", partial=True)
    assert [line for line in told.problems if "bad.mp4" not in line] == []
    assert tables(out) == tables(whole) and not list(out.rglob("*.tmp*"))
    joined = pd.read_csv(tmp_path / "all.csv")
    assert Counter(zip(joined["input"], joined["frame"], strict=True)) == rows_of(whole)
    statuses = {name: row["status"] for name, row in manifest(out).items()}
    assert statuses == {name: row["status"] for name, row in manifest(whole).items()}


def test_shards_part_the_inputs_and_a_manifest_is_never_stale(quick, whole, films, tmp_path):
    parts = [predict_folder(load, [films], tmp_path / "out", Way(), shard=Shard(one, 2)) for one in (1, 2)]
    places = [one.place for part in parts for one in part.outcomes]
    assert len(places) == len(set(places)) == 7 and all(part.outcomes for part in parts)
    assert not (tmp_path / "out" / "manifest.csv").exists()
    assert tables(tmp_path / "out") == tables(whole)
    predict_folder(load, [films], whole, Way(), shard=Shard(1, 2))
    assert not (whole / "manifest.csv").exists(), "what it says could have changed"


def test_a_full_disk_is_one_line_and_leaves_what_is_finished(quick, films, tmp_path, monkeypatch):
    out, written = tmp_path / "out", CodesWriter.write

    def full(self, frame):
        if frame.source.endswith("c.mp4"):
            raise OSError(errno.ENOSPC, "No space left on device")
        written(self, frame)

    with monkeypatch.context() as patch:
        patch.setattr(CodesWriter, "write", full)
        with pytest.raises(InputError, match=r"c\.csv: cannot be written \(No space left on device\)"):
            predict_folder(load, [films], out, Way())
    done = tables(out)
    assert done and "c.csv" not in done and not list(out.rglob("*.tmp*"))
    assert {name for name, row in manifest(out).items() if row["status"] == "failed"} <= {f"{films}/bob/bad.mp4"}
    predict_folder(load, [films], out, Way())
    assert "c.csv" in tables(out) and done.items() <= tables(out).items()


@pytest.mark.parametrize("before", ["failed", "done, its table deleted"])
def test_a_full_disk_is_not_taken_for_codes_when_there_is_a_record_already(quick, films, tmp_path, monkeypatch, before):
    photo, out = films / "ann" / "1.png", tmp_path / "out"

    def raising(error):
        def write(self, frame):
            raise error

        return write

    with monkeypatch.context() as patch:
        if before == "failed":
            patch.setattr(CodesWriter, "write", raising(RuntimeError("of a moment")))
        first = predict_folder(load, [photo], out, Way())
    assert len(first.bad) == (before == "failed")
    (out / "photos.csv").unlink(missing_ok=True)
    with monkeypatch.context() as patch:
        patch.setattr(CodesWriter, "write", raising(OSError(errno.ENOSPC, "No space left on device")))
        with pytest.raises(InputError, match=r"photos\.csv: cannot be written \(No space left on device\)"):
            predict_folder(load, [photo], out, Way())
    assert predict_folder(load, [photo], out, Way()).rows == 1 and list(tables(out)) == ["photos.csv"]


def test_what_another_process_coded_meanwhile_is_done(quick, films, tmp_path, monkeypatch):
    photo, out, written = films / "ann" / "1.png", tmp_path / "out", CodesWriter.write

    def overtaken(self, frame):
        with monkeypatch.context() as patch:
            patch.setattr(CodesWriter, "write", written)
            predict_folder(load, [photo], out, Way(), shard=Shard(1, 2))
        written(self, frame)

    monkeypatch.setattr(CodesWriter, "write", overtaken)
    told = predict_folder(load, [photo], out, Way())
    assert [one.status for one in told.outcomes] == ["done"] and manifest(out)[f"{films}/ann"]["status"] == "done"


def test_ctrl_c_ends_with_one_line_and_a_true_manifest(quick, films, tmp_path, monkeypatch):
    def stop(*given):
        raise KeyboardInterrupt

    monkeypatch.setattr(CodesWriter, "write", stop)
    with pytest.raises(InputError, match=r"stopped with \d of 7 inputs to go"):
        predict_folder(load, [films], tmp_path / "out", Way())
    assert {row["status"] for row in manifest(tmp_path / "out").values()} <= {"missing", "failed"}


def test_a_changed_input_is_named_and_its_codes_stay(quick, films, tmp_path):
    inputs, out = copied(films, tmp_path / "in"), tmp_path / "out"
    predict_folder(load, [inputs], out, Way())
    before = tables(out)
    os.utime(inputs / "c.mp4", (1, 1))  # copied again, with the same content
    (inputs / "d.mp4").write_bytes((inputs / "c.mp4").read_bytes())
    (inputs / "ann" / "2.png").unlink()
    again = predict_folder(load, [inputs], out, Way())
    assert {one.place for one in again.bad} == {"d", "ann/photos", "bob/bad"} and tables(out) == before
    (line,) = [line for line in again.messages() if "/d.mp4" in line]
    assert line.startswith("changed: ") and "was changed after it was coded" in line
    assert f"delete what tells of its codes, {out / 'd.json'}, and give" in line
    assert "elete this file" not in line, "which would be the video"
    assert any("changed:" in line and "/d.mp4" in line for line in gather(out).problems)
    (out / "d.json").unlink()
    predict_folder(load, [inputs], out, Way())
    assert tables(out)["d.csv"] != before["d.csv"]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"way": Way(sampling=Sampling(2))}, r"other settings \(frames: all, now every 2\)"),
        ({"load": partial(load, "intensity")}, "another coder"),
        ({"codes": "parquet"}, r"another format \(csv\)"),
    ],
)
def test_nothing_is_mixed(quick, films, tmp_path, given, says):
    photos = [films / "ann" / "1.png"]
    predict_folder(load, photos, tmp_path / "out", Way())
    given = {"load": load, "way": Way(), **given}
    with pytest.raises(InputError, match=says):
        predict_folder(given.pop("load"), photos, tmp_path / "out", given.pop("way"), **given)


def test_new_inputs_are_added_and_other_names_of_old_ones_refused(quick, films, tmp_path, monkeypatch):
    inputs, out = copied(films, tmp_path / "in"), tmp_path / "out"
    (inputs / "c.mp4").rename(tmp_path / "c.mp4")
    predict_folder(load, [inputs], out, Way())
    (tmp_path / "c.mp4").rename(inputs / "c.mp4")
    (inputs / "c.mov").write_bytes((inputs / "d.mp4").read_bytes())
    (inputs / "bob" / "bad.mp4").unlink()
    added = predict_folder(load, [inputs], out, Way())
    assert {one.place for one in added.outcomes} == {"c", "c-2"} and added.planned == 7 and not added.bad
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="Name the inputs as before"):
        predict_folder(load, [Path("in")], out, Way())


def test_what_was_there_before_is_not_overwritten(quick, films, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    (tmp_path / "out" / "d.csv").write_text("mine")
    with pytest.raises(InputError, match=r"d\.csv: the file to be written already exists"):
        predict_folder(load, [films], tmp_path / "out", Way())
    (tmp_path / "out" / "d.csv").unlink()
    predict_folder(load, [films / "d.mp4"], tmp_path / "out", Way())
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine" and (tmp_path / "out" / "d.csv").exists()


def test_several_processes_one_of_which_is_killed_write_the_same_bytes(quick, films, tmp_path):
    inputs = [films / "c.mp4", films / "bob"]
    predict_folder(load, inputs, tmp_path / "one", Way())
    dying = partial(load_and_die_once, tmp_path / "marker")
    told = predict_folder(dying, inputs, tmp_path / "two", Way(), workers=2)
    assert (tmp_path / "marker").exists() and [one.place for one in told.bad] == ["bob/bad"]
    assert len(tables(tmp_path / "one")) == 2 and tables(tmp_path / "two") == tables(tmp_path / "one")


def test_a_folder_of_codes_is_read_as_codes(whole):
    problems: list[InputError] = []
    assert len(list(read_codes(whole, problems=problems))) == 7 and not problems
