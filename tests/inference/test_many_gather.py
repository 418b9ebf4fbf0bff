"""`gather`: what of a folder of codes is missing, double or changed, and its tables joined into one."""

from pathlib import Path

import pandas as pd
import pytest

from coded_folder import FRAMES, copied, manifest
from quick_faces import load
from sparsefacs.errors import InputError
from sparsefacs.events.coded_tables import read_codes
from sparsefacs.inference.many.folder import predict_folder
from sparsefacs.inference.many.gather import gather
from sparsefacs.inference.pipeline import Way
from sparsefacs.inference.pipeline import predict as predict_table


def test_gather_tells_what_is_missing_double_and_changed(quick, whole, films, tmp_path):
    (whole / "bob" / "bad.json").unlink()
    (whole / "c.csv").unlink()
    (whole / "ann" / "a (copy).csv").write_bytes((whole / "ann" / "a.csv").read_bytes())
    (whole / "d.csv").write_bytes((whole / "d.csv").read_bytes().replace(b",1,", b",0,", 1))
    told = gather(whole, tmp_path / "all.csv")
    assert told.out is None and not (tmp_path / "all.csv").exists()
    said = {(line.partition(":")[0], Path(line.split(": ")[1].split(" is ")[0]).name) for line in told.problems}
    assert said == {("missing", "bad.mp4"), ("missing", "c.mp4"), ("double", "a (copy).csv"), ("changed", "d.csv")}
    assert {row["status"] for row in manifest(whole).values()} == {"done", "missing"}
    some = gather(whole, tmp_path / "all.csv", partial=True)
    assert (some.done, some.expected) == (4, 7) and len(pd.read_csv(tmp_path / "all.csv")) == 3 * FRAMES + 2


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
