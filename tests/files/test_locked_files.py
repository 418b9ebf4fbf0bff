"""Files of the user's that may not be read: one line that names the file, whatever kind it is of."""

from collections.abc import Callable
from pathlib import Path

import pytest

from locked import lock
from made_stores import build_store
from sparsefacs.data.adapters.label_tables import read_label_table, tables_in
from sparsefacs.data.store import Store
from sparsefacs.errors import InputError
from sparsefacs.events.coded_tables import read_codes
from sparsefacs.events.codings import read_side
from sparsefacs.events.formats import FORMATS, find_format
from sparsefacs.events.model import Asked
from sparsefacs.inference.onnx_model import OnnxCoder

TABLE = "path,frame,subject,AU01_c,behavior\nclip.mp4,0,anna,1,x\n"


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".txt", ".xlsx", ".parquet"])
def test_a_table_of_labels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    path = tmp_path / f"labels{ending}"
    path.write_text(TABLE)
    lock(monkeypatch, path)
    assert find_format(path) is None
    with pytest.raises(InputError, match=rf"labels\{ending}: cannot be read"):
        read_label_table(path)
    assert path in tables_in(tmp_path) or ending == ".txt"


@pytest.mark.parametrize("name", list(FORMATS))
def test_a_file_of_events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    path = tmp_path / f"coded{FORMATS[name].suffixes[0]}"
    path.write_text(TABLE)
    lock(monkeypatch, path)
    find_format(path)
    with pytest.raises(InputError, match="cannot be read"):
        FORMATS[name].module.read(path, Asked())


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("codes.csv", lambda path: list(read_codes(path))),
        ("codes.csv", lambda path: read_side(path, Asked())),
        ("coder.onnx", OnnxCoder),
    ],
)
def test_codes_and_a_coder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, read: Callable[[Path], object]
) -> None:
    path = tmp_path / name
    path.write_text("frame,timestamp,success,AU01_c\n1,0,1,1\n")
    lock(monkeypatch, path)
    with pytest.raises(InputError, match=rf"{name}: cannot be read"):
        read(path)


def test_a_part_of_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = build_store(tmp_path / "store", frames=2).path
    part = next(store.glob("*.arrow"))
    lock(monkeypatch, part, store / "state.json")
    with pytest.raises(InputError, match=r"state\.json: cannot be read \(Permission denied\)"):
        len(Store(store))
