"""`gather`: what of a folder of codes is missing, double or changed, and its tables joined into one."""

import errno
import os
import shutil
from pathlib import Path

import pandas as pd
import pytest

from coded_folder import FRAMES, copied, manifest, tables
from locked import lock
from quick_faces import load
from sparsefacs import files
from sparsefacs.errors import InputError
from sparsefacs.events.coded_tables import read_codes
from sparsefacs.inference.codes import CodesWriter
from sparsefacs.inference.many import folder
from sparsefacs.inference.many import gather as gathering
from sparsefacs.inference.many.folder import predict_folder
from sparsefacs.inference.many.gather import gather
from sparsefacs.inference.pipeline import Way
from sparsefacs.inference.pipeline import predict as predict_table
from sparsefacs.inference.sampling import Sampling
from sparsefacs.shards import Shard


def test_gather_tells_what_is_missing_double_and_changed(quick, whole, films, tmp_path):
    (whole / "bob" / "bad.json").unlink()
    (whole / "c.csv").unlink()
    (whole / "ann" / "a (copy).csv").write_bytes((whole / "ann" / "a.csv").read_bytes())
    (whole / "d.csv").write_bytes((whole / "d.csv").read_bytes().replace(b",1,", b",0,", 1))
    (whole / "ann" / "b.json").write_text("{}")
    told = gather(whole, tmp_path / "all.csv")
    assert told.out is None and not (tmp_path / "all.csv").exists()
    kinds = {Path(line.split(": ")[1]).name: line.partition(": ")[0] for line in told.problems}
    assert kinds == {
        "bad.mp4": "missing", "c.mp4": "missing", "a (copy).csv": "double", "d.csv": "changed", "b.json": "changed",
    }  # fmt: skip
    statuses = {Path(name).name: row["status"] for name, row in manifest(whole).items() if "bob/a" not in name}
    assert statuses == {
        "a.mp4": "done", "b.mp4": "changed", "ann": "done", "bad.mp4": "missing", "c.mp4": "missing",
        "d.mp4": "changed",
    }  # fmt: skip
    assert "d.csv: is not as it was written" in manifest(whole)[f"{films}/d.mp4"]["reason"]
    some = gather(whole, tmp_path / "all.csv", partial=True)
    joined = pd.read_csv(tmp_path / "all.csv")
    assert (some.done, some.expected) == (3, 7) and len(joined) == 2 * FRAMES + 2
    done = {name: int(row["rows"]) for name, row in manifest(whole).items() if row["status"] == "done"}
    assert len(done) == 3 and sum(done.values()) == len(joined)


def test_each_problem_says_what_to_do_and_that_helps(quick, films, tmp_path):
    inputs, out = copied(films, tmp_path / "in"), tmp_path / "out"
    predict_folder(load, [inputs], out, Way())
    before = tables(out)
    (out / "ann" / "a.csv").unlink()
    (out / "ann" / "b.csv").write_text("edited")
    (out / "bob" / "a (copy).csv").write_text("copied")
    (out / "c.json").write_text((out / "d.json").read_text())
    (inputs / "d.mp4").write_bytes((inputs / "c.mp4").read_bytes())
    *told, double = gather(out).problems
    again, delete = "give `sparsefacs predict` again as before.", "to have its input coded again, delete it and "
    wanted = {
        f"missing: {inputs}/ann/a.mp4: is not coded yet. ": "",
        f"changed: {out}/ann/b.csv: is not as it was written. ": delete,
        f"missing: {inputs}/bob/bad.mp4: cannot be read as a video": "mend that or take it away, then ",
        f"changed: {out}/c.json: is of other codes. ": delete,
        f"changed: {inputs}/d.mp4: was changed after it was coded. ": f"what tells of its codes, {out}/d.json, and ",
    }
    for line, (problem, remedy) in zip(told, wanted.items(), strict=True):
        assert line.startswith(problem) and line.lower().endswith(remedy + again)
    assert double.startswith(f"double: {out}/bob/a (copy).csv: ")
    assert double.endswith(f" Delete it, or move it out of {out}.")
    for gone in (out / "ann" / "b.csv", out / "c.json", out / "d.json", out / "bob" / "a (copy).csv"):
        gone.unlink()
    (inputs / "bob" / "bad.mp4").unlink()
    assert predict_folder(load, [inputs], out, Way()).bad == () and gather(out).problems == ()
    assert {name for name, table in tables(out).items() if before[name] != table} == {"d.csv"}


def test_photos_and_videos_that_were_added_are_named_as_predict_names_them(quick, films, tmp_path):
    inputs, out = copied(films, tmp_path / "in"), tmp_path / "out"
    (inputs / "bob" / "bad.mp4").unlink()
    predict_folder(load, [inputs / "ann", inputs / "bob", inputs / "c.mp4"], out, Way())
    (inputs / "deep").mkdir()
    for name in ("e.mp4", "deep/1.png"):  # beside a video that was named by itself, not in a folder that was
        shutil.copy(inputs / ("c.mp4" if name.endswith("mp4") else "ann/1.png"), inputs / name)
    (inputs / "ann" / "link.png").symlink_to(inputs / "ann" / "1.png")
    assert gather(out).problems == ()
    for name in ("ann/3.png", "ann/4.png", "bob/1.png"):
        shutil.copy(inputs / "ann" / "1.png", inputs / name)
    shutil.copy(inputs / "c.mp4", inputs / "bob" / "new.mp4")
    told = gather(out, tmp_path / "all.csv")
    again = "give `sparsefacs predict` again as before."
    late = "was put there after the inputs were listed, and is not coded yet"
    assert told.problems == (
        f"changed: {inputs}/ann: its photos are not those that were coded: {inputs}/ann/3.png and 1 more came later. "
        f"To have it coded again, delete what tells of its codes, {out}/ann/photos.json, and {again}",
        f"missing: {inputs}/bob: {late}. {again.capitalize()}",
        f"missing: {inputs}/bob/new.mp4: {late}. {again.capitalize()}",
    )
    assert (told.out, told.done, told.expected) == (None, 4, 7)
    statuses = {name.removeprefix(f"{inputs}/"): row["status"] for name, row in manifest(out).items()}
    assert {name for name, status in statuses.items() if status != "done"} == {"ann", "bob", "bob/new.mp4"}
    (out / "ann" / "photos.json").unlink()
    predict_folder(load, [inputs / "ann", inputs / "bob", inputs / "c.mp4"], out, Way())
    assert gather(out).problems == () and gather(out, tmp_path / "all.csv").expected == 7


def test_a_folder_of_the_same_name_elsewhere_is_not_searched(quick, films, tmp_path, monkeypatch):
    inputs = copied(films, tmp_path / "in")
    monkeypatch.chdir(inputs)
    predict_folder(load, [Path("ann"), Path("bob/a.mp4")], tmp_path / "out", Way())
    (tmp_path / "other" / "ann").mkdir(parents=True)
    shutil.copy(inputs / "c.mp4", tmp_path / "other" / "ann" / "mine.mp4")
    monkeypatch.chdir(tmp_path / "other")
    assert gather(tmp_path / "out").problems == ()
    shutil.move(inputs / "ann", tmp_path / "archive")
    monkeypatch.chdir(inputs)
    assert gather(tmp_path / "out").problems == (), "what was coded may be moved away"


def test_a_table_that_may_not_be_read_is_named_and_the_rest_is_joined(quick, films, tmp_path, monkeypatch):
    out, joined = tmp_path / "out", tmp_path / "all.csv"
    predict_folder(load, [films / "ann", films / "c.mp4", films / "d.mp4"], out, Way())
    (out / "c.csv").unlink()
    (out / "c.csv").mkdir()
    lock(monkeypatch, out / "d.csv")
    told = gather(out, joined)
    again = "To have its input coded again, delete it and give `sparsefacs predict` again as before."
    unread = "Check that it is a file that you may read."
    assert told.problems == (
        f"not read: {out}/c.csv: cannot be read (Is a directory). {unread} {again}",
        f"not read: {out}/d.csv: cannot be read (Permission denied). {unread} {again}",
    )
    assert told.out is None and not joined.exists()
    assert {Path(name).name: row["status"] for name, row in manifest(out).items()} == {
        "a.mp4": "done", "b.mp4": "done", "ann": "done", "c.mp4": "not read", "d.mp4": "not read",
    }  # fmt: skip
    assert gather(out, joined, partial=True).done == 3 and len(pd.read_csv(joined)) == 2 * FRAMES + 2


def test_a_touched_input_that_may_not_be_read_is_named(quick, films, tmp_path, monkeypatch):
    inputs, out = copied(films, tmp_path / "in"), tmp_path / "out"
    predict_folder(load, [inputs / "d.mp4"], out, Way())
    os.utime(inputs / "d.mp4", (1, 1))
    assert gather(out).problems == ()
    lock(monkeypatch, inputs / "d.mp4")
    (line,) = gather(out).problems
    assert line.startswith(f"not read: {inputs}/d.mp4: cannot be read (Permission denied). Check that")


def test_what_may_not_even_be_looked_at_is_not_taken_for_gone(quick, films, tmp_path, monkeypatch):
    """A folder that may be listed and not entered: neither its records nor its inputs are known to be there or not."""
    inputs, out, stat = copied(films, tmp_path / "in"), tmp_path / "out", Path.stat
    predict_folder(load, [inputs / "bob" / "a.mp4", inputs / "d.mp4"], out, Way())
    (out / "bob" / "a.csv").unlink()

    def refusing(self, **given):
        if self.parent in (inputs / "bob", out / "bob"):
            raise PermissionError(13, "Permission denied")
        return stat(self, **given)

    monkeypatch.setattr(Path, "stat", refusing)
    lock(monkeypatch, out / "bob" / "a.json")
    assert predict_folder(load, [inputs / "d.mp4"], out, Way()).planned == 2
    (line,) = gather(out).problems
    assert line.startswith(f"changed: {out}/bob/a.json: the record of a table of codes cannot be read")


def test_a_manifest_made_while_tasks_run_goes_when_it_is_no_longer_true(quick, films, tmp_path, monkeypatch):
    inputs, out, written = [films / "ann" / "1.png", films / "c.mp4"], tmp_path / "out", CodesWriter.write
    seen = []

    def looked_at_meanwhile(self, frame):
        written(self, frame)
        seen.append((out / "manifest.csv").exists())
        gather(out)

    monkeypatch.setattr(CodesWriter, "write", looked_at_meanwhile)
    monkeypatch.setattr(folder, "write_manifest", lambda *given: None)  # as of shards
    predict_folder(load, inputs, out, Way())
    assert seen == [False, False, True, True] and not (out / "manifest.csv").exists()


def test_the_manifest_of_predict_names_a_changed_input_as_predict_does(quick, films, tmp_path):
    inputs, out = copied(films, tmp_path / "in"), tmp_path / "out"
    predict_folder(load, [inputs / "c.mp4", inputs / "d.mp4"], out, Way())
    (inputs / "d.mp4").write_bytes((inputs / "c.mp4").read_bytes())
    told = predict_folder(load, [inputs / "c.mp4", inputs / "d.mp4"], out, Way())
    rows = manifest(out)
    assert [one.input for one in told.bad] == [str(inputs / "d.mp4")] and rows[str(inputs / "c.mp4")][
        "status"
    ] == "done"
    row = rows[str(inputs / "d.mp4")]
    assert (row["status"], row["codes"]) == ("changed", "") and row["reason"] == told.bad[0].reason


def test_joined_tables_are_those_of_predict_in_either_format(quick, tmp_path, films, monkeypatch):
    inputs = copied(films, tmp_path / "in")
    (inputs / "bob" / "bad.mp4").unlink()
    (inputs / "=ann").mkdir()
    (inputs / "ann" / "a.mp4").rename(inputs / "=ann" / "NA.mp4")
    monkeypatch.chdir(inputs)
    predict_table(load()[0], [Path("=ann"), Path("c.mp4")], tmp_path / "table.csv")
    wanted = pd.read_csv(tmp_path / "table.csv", keep_default_na=False)
    for codes in ("csv", "parquet"):
        predict_folder(load, [Path("=ann"), Path("c.mp4")], tmp_path / codes, Way(), codes=codes)
        for suffix in (".csv", ".parquet"):
            out = gather(tmp_path / codes, tmp_path / f"{suffix[1:]}-of" / f"from-{codes}{suffix}").out
            faces = {face.input: face for face in read_codes(out)}
            assert set(faces) == {"=ann/NA.mp4", "c.mp4"} and faces["=ann/NA.mp4"].frame.tolist() == [1, 2, 3]
    assert (tmp_path / "csv-of" / "from-csv.csv").read_bytes() == (tmp_path / "table.csv").read_bytes()
    exact = pd.read_parquet(tmp_path / "parquet-of" / "from-csv.parquet")
    pd.testing.assert_frame_equal(exact, pd.read_parquet(tmp_path / "parquet-of" / "from-parquet.parquet"))
    assert exact["input"].tolist() == wanted["input"].str.removeprefix("'").tolist()
    assert exact["AU12_p"].tolist() == pytest.approx(pd.to_numeric(wanted["AU12_p"]).tolist())
    with pytest.raises(InputError, match="lies in the folder"):
        gather(tmp_path / "csv", tmp_path / "csv" / "all.csv")


def test_a_table_that_was_deleted_is_joined_again_over_the_file_beside_it(whole, tmp_path):
    """As Snakemake does, which deletes the table alone before it makes it again."""
    out = tmp_path / "codes.csv"
    gather(whole, out, partial=True)
    table, beside = out.read_bytes(), (tmp_path / "codes.json").read_bytes()
    with pytest.raises(InputError, match=r"codes\.csv: the output already exists"):
        gather(whole, out, partial=True)
    out.unlink()
    assert gather(whole, out, partial=True).out == out
    assert out.read_bytes() == table and (tmp_path / "codes.json").read_bytes() == beside


@pytest.mark.parametrize("content", ["mine", '{"codes": "codes.csv"}', '["codes.csv"]', "of other settings"])
def test_a_file_that_is_of_no_such_table_stays_and_is_named_with_it(whole, films, tmp_path, content):
    out, beside = tmp_path / "codes.csv", tmp_path / "codes.json"
    if content == "of other settings":
        predict_table(load()[0], [films / "ann"], out, sampling=Sampling(2))
        out.unlink()
        content = beside.read_text()
    beside.write_text(content)
    for again in (lambda: gather(whole, out, partial=True), lambda: predict_table(load()[0], [films / "ann"], out)):
        with pytest.raises(InputError, match=r"codes\.json: .* already exists") as caught:
            again()
        assert "left by a codes.csv that you deleted, delete it too" in str(caught.value)
    assert beside.read_text() == content and not out.exists()


def test_a_join_that_dies_before_its_end_leaves_what_a_second_mends(whole, tmp_path, monkeypatch):
    """The file beside comes first and the table last, so that a table never stands without what tells of it."""
    out, rename = tmp_path / "codes.csv", Path.replace

    def dying(self, target):
        if Path(target) == out:
            raise KeyboardInterrupt
        return rename(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(files, "_put_new", lambda temporary, path: None)
        patch.setattr(Path, "replace", dying)
        with pytest.raises(KeyboardInterrupt):
            gather(whole, out, partial=True)
    assert [path.name for path in tmp_path.glob("codes*")] == ["codes.json"]
    assert gather(whole, out, partial=True).rows == len(pd.read_csv(out)) == 5 * FRAMES + 2


def test_a_full_disk_leaves_no_part_of_a_join(whole, tmp_path, monkeypatch):
    def full(*given):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(gathering, "_copy_csv", full)
    with pytest.raises(InputError, match=r"codes\.csv: cannot be written \(No space left on device\)"):
        gather(whole, tmp_path / "codes.csv", partial=True)
    assert not list(tmp_path.glob("codes*"))


def test_what_tells_of_another_folders_join_stays(quick, whole, films, tmp_path):
    """Two folders coded alike, joined under one name after the first table was given another."""
    other, out = tmp_path / "other", tmp_path / "codes.csv"
    gather(whole, out, partial=True)
    kept = (tmp_path / "codes.json").read_text()
    out.rename(tmp_path / "first.csv")
    predict_folder(load, [copied(films, tmp_path / "in") / "c.mp4"], other, Way())
    with pytest.raises(InputError, match=r"codes\.json: .* already exists"):
        gather(other, out)
    assert (tmp_path / "codes.json").read_text() == kept


def test_a_manifest_that_is_open_elsewhere_ends_no_work(quick, films, tmp_path, monkeypatch):
    """On Windows a file that a spreadsheet has open cannot be taken away."""
    out, unlink = tmp_path / "out", Path.unlink
    written = CodesWriter.write

    def opened(self, *given):
        (out / "manifest.csv").touch()
        return written(self, *given)

    def held(self, missing_ok=False):
        if self.name == "manifest.csv" and self.exists():
            raise PermissionError(13, "Permission denied")
        return unlink(self, missing_ok=missing_ok)

    monkeypatch.setattr(CodesWriter, "write", opened)
    monkeypatch.setattr(Path, "unlink", held)
    told = predict_folder(load, [films / "c.mp4", films / "d.mp4"], out, Way(), shard=Shard(1, 2))
    assert told.bad == () and len(tables(out)) == 1
    assert any("manifest.csv: cannot be taken away" in line for line in told.messages())
