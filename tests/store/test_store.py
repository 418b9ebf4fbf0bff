"""The store: what is written is read, HF `datasets` loads it, parts are whole or absent."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from edited import edit_record
from made_stores import build_store, without_columns
from sparsefacs import InputError, api
from sparsefacs.data.inspection import describe
from sparsefacs.data.joined import JoinedStore
from sparsefacs.data.rejects import ReasonCounts
from sparsefacs.data.store import FaceRow, Reject, Store, StoreInfo, vector
from sparsefacs.data.store_writer import StoreWriter
from sparsefacs.faces.alignment import FaceRecipe


def row(frame: int, subject: str = "s") -> FaceRow:
    return FaceRow(
        image=b"bytes",
        subject=subject,
        clip="c",
        frame=frame,
        time=frame / 2,
        face=0,
        landmarks=np.full((68, 2), frame, np.float32),
        matrix=np.arange(6, dtype=np.float32).reshape(2, 3),
        occurrence=np.array([-1, 1], np.int8),
        intensity=np.array([np.nan, 4.5], np.float32),
        score=0.5,
        source="a.mp4",
    )


def writer(path: Path, job: dict[str, int]) -> StoreWriter:
    return StoreWriter(path, StoreInfo((4, 12), FaceRecipe().as_json(), {}), job)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    made = writer(tmp_path / "s", {})
    made.write_part(1, [row(7, "t")], [])
    made.write_part(0, [row(1), row(2)], [Reject("b.mp4", 3, "no face")])
    store = made.finish(2)
    assert (len(store), store.info.subjects, store.info.clips) == (3, 2, 2)
    assert store.numbers("frame").tolist() == [1, 2, 7]
    assert store.strings("subject").tolist() == ["s", "s", "t"]
    assert store.occurrence().tolist() == [[-1, 1]] * 3
    np.testing.assert_array_equal(store.intensity((12, 4)), [[4.5, np.nan]] * 3)
    assert store.info.rejected == (Reject("b.mp4", 3, "no face"),)
    assert store.value("matrix", 2) == [0, 1, 2, 3, 4, 5]
    assert not (tmp_path / "s" / "job.json").exists()


def test_hugging_face_datasets_loads_a_store(tmp_path: Path) -> None:
    """Its own writer would have put the same descriptions beside the data, and into them."""
    datasets = pytest.importorskip("datasets")
    value, listed = datasets.Value, datasets.List
    info = StoreInfo((4, 12), FaceRecipe().as_json(), {})
    made = StoreWriter(tmp_path / "s", info, {}, {"light": vector(6), "flow": pa.binary()})
    extras = {"light": np.arange(6, dtype=np.float32), "flow": b"moved"}
    made.write_part(0, [replace(row(7, "t"), extras=extras)], [])
    made.finish(1)
    loaded = datasets.load_from_disk(str(tmp_path / "s"))
    assert loaded.features == {
        "image": datasets.Image(decode=False),
        **dict.fromkeys(("subject", "clip", "source"), value("string")),
        **dict.fromkeys(("frame", "face"), value("int32")),
        "time": value("float64"),
        "score": value("float32"),
        **{name: listed(value("float32"), length=n) for name, n in (("landmarks", 136), ("matrix", 6), ("pose", 3))},
        **{name: listed(value("float32"), length=n) for name, n in (("blendshapes", 52), ("light", 6))},
        "occurrence": listed(value("int8"), length=2),
        "intensity": listed(value("float32"), length=2),
        "flow": value("binary"),
    }
    assert loaded[0]["landmarks"][:2] == [7.0, 7.0]
    assert (loaded[0]["image"], loaded[0]["flow"]) == ({"bytes": b"bytes", "path": None}, b"moved")
    oracle = datasets.DatasetInfo(features=loaded.features)
    oracle.write_to_directory(str(tmp_path))
    assert (tmp_path / "dataset_info.json").read_bytes() == (tmp_path / "s" / "dataset_info.json").read_bytes()
    with pa.ipc.open_stream(tmp_path / "s" / "data-00000.arrow") as stream:
        assert stream.schema.metadata == loaded.features.arrow_schema.metadata


def test_a_store_of_an_older_version_lacks_evidence_and_is_read_all_the_same(tmp_path: Path) -> None:
    old = without_columns(build_store(tmp_path / "old", subjects=3, frames=4).path, "blendshapes", "pose")
    new = build_store(tmp_path / "new", subjects=3, frames=4, prefix="t")
    assert not old.has("blendshapes") and not old.has("pose") and old.has("landmarks")
    assert new.has("blendshapes") and new.has("pose")
    for store in (old, new):  # none was given for the new one either
        for name, width in (("blendshapes", 52), ("pose", 3)):
            found = store.optional_vectors(name, width)
            assert found.shape == (12, width) and found.dtype == np.float32 and np.isnan(found).all()
    assert old.face(5)[0].shape == (32, 32, 3)
    assert api.inspect(old.path)["missing_columns"] == ["blendshapes", "pose"]
    line = "no blendshapes and no pose of faces: preparing them again adds them"
    assert line in describe(api.inspect(old.path)).splitlines()
    assert "preparing them again" not in describe(api.inspect(new.path))


def test_evidence_is_read_and_joined_with_what_lacks_it(tmp_path: Path) -> None:
    made = writer(tmp_path / "known", {})
    given = {"blendshapes": np.linspace(0, 1, 52, dtype=np.float32), "pose": np.array([10, -5, 2], np.float32)}
    made.write_part(0, [replace(row(1), **given), row(2)], [])
    known = made.finish(1)
    np.testing.assert_array_equal(known.optional_vectors("blendshapes", 52)[0], given["blendshapes"])
    np.testing.assert_array_equal(known.optional_vectors("pose", 3), [given["pose"], [np.nan] * 3])
    made = writer(tmp_path / "old", {})
    made.write_part(0, [row(3, "t")], [])
    made.finish(1)
    joined = JoinedStore([known, without_columns(tmp_path / "old", "pose", "blendshapes")])
    assert not joined.has("pose") and joined.has("matrix")
    np.testing.assert_array_equal(joined.optional_vectors("pose", 3), [given["pose"], [np.nan] * 3, [np.nan] * 3])
    assert joined.optional_vectors("blendshapes", 52).shape == (3, 52)


@pytest.mark.slow
def test_a_store_of_an_older_version_trains(tmp_path: Path, tiny_settings: tuple[str, ...]) -> None:
    old = without_columns(build_store(tmp_path / "old").path, "blendshapes", "pose")
    api.train("supervised", old.path, tmp_path / "run", settings=[*tiny_settings, "training.steps=2"])
    assert (tmp_path / "run" / "metrics.json").exists()


def test_a_part_without_faces_leaves_only_its_rejects(tmp_path: Path) -> None:
    made = writer(tmp_path / "s", {})
    made.write_part(0, [], [Reject("x", None, "corrupt")])
    made.write_part(1, [row(1)], [])
    assert [r.reason for r in made.finish(2).info.rejected] == ["corrupt"]


def test_no_face_at_all_is_an_error_that_gives_the_first_reason(tmp_path: Path) -> None:
    made = writer(tmp_path / "s", {})
    made.write_part(0, [], [Reject("x.mp4", 4, "no face")])
    with pytest.raises(InputError, match=r"no face was found.*x\.mp4 frame 4"):
        made.finish(1)


def test_an_unfinished_store_goes_on_only_with_the_same_job(tmp_path: Path) -> None:
    writer(tmp_path / "s", {"size": 112}).write_part(0, [row(1)], [])
    with pytest.raises(InputError, match="unfinished"):
        Store(tmp_path / "s")
    with pytest.raises(InputError, match="other settings"):
        writer(tmp_path / "s", {"size": 200})
    with pytest.raises(InputError, match="or by another version"):  # of other columns
        StoreWriter(tmp_path / "s", StoreInfo((4, 12), FaceRecipe().as_json(), {}), {"size": 112}, {"more": vector(1)})
    again = writer(tmp_path / "s", {"size": 112})
    assert again.is_done(0) and not again.is_done(1)
    with pytest.raises(InputError, match="already exists"):
        again.finish(1)
        writer(tmp_path / "s", {"size": 112})


def test_a_part_that_fails_leaves_nothing(tmp_path: Path) -> None:
    made = writer(tmp_path / "s", {})

    def broken() -> object:
        yield row(1)
        raise RuntimeError("power cut")

    with pytest.raises(RuntimeError):
        made.write_part(0, broken(), [])  # type: ignore[arg-type]
    assert not made.is_done(0)
    assert not list((tmp_path / "s").glob("*data*"))


def test_damage_is_named(tmp_path: Path) -> None:
    store = build_store(tmp_path / "s", subjects=2, frames=2)
    kept = (store.path / "store.json").read_bytes()
    edit_record(store.path / "store.json", {"faces": 99})
    with pytest.raises(InputError, match="99"):
        Store(store.path)
    (store.path / "store.json").write_bytes(kept)
    (store.path / "data-00001.arrow").unlink()
    with pytest.raises(InputError, match="cannot be read"):
        Store(store.path)
    (store.path / "store.json").unlink()
    with pytest.raises(InputError, match=r"store\.json"):
        Store(store.path)


def test_many_rejects_are_counted_whole_and_listed_beside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sparsefacs.data.rejects.LISTED", 5)
    monkeypatch.setattr("sparsefacs.data.store.LISTED", 5)
    made = writer(tmp_path / "s", {})
    first = [Reject(f"a, {at}\n.jpg", at or None, f"is damaged ({at} bytes missing)") for at in range(4)]
    made.write_part(0, [row(1)], first)
    made.write_part(1, [], [Reject("b.jpg", None, "no face at least 40 pixels wide")] * 8)
    store = made.finish(2)
    expected = (*first, *[Reject("b.jpg", None, "no face at least 40 pixels wide")] * 8)
    for info in (store.info, Store(store.path).info):
        assert len(info.rejected) == 12 and tuple(info.rejected) == expected
        assert info.rejected[-1] == expected[-1] and info.rejected[2:4] == list(expected[2:4])
        assert dict(info.reasons) == {"no face at least 40 pixels wide": 8, "is damaged (…)": 4}
    raw = json.loads((store.path / "store.json").read_text())
    assert (raw["rejected_count"], len(raw["rejected"])) == (12, 5)
    assert raw.items() >= Store(store.path).info.as_json().items()
    (store.path / "rejected.csv").unlink()
    with pytest.raises(InputError, match=r"rejected\.csv"):
        list(Store(store.path).info.rejected)


def test_reasons_that_differ_in_a_number_are_one() -> None:
    reasons = ["labelled face 3 not found", "labelled face 12 not found", "no face", "is damaged (x 1)"]
    counts = ReasonCounts(Reject("a", None, reason) for reason in reasons)
    assert counts.as_dict() == {"labelled face … not found": 2, "no face": 1, "is damaged (x 1)": 1}
    paths = [f"/data/a b/{number}_lnd.npy: is damaged" for number in range(3)]
    assert ReasonCounts(Reject("a", None, path) for path in paths).as_dict() == {"…: is damaged": 3}
