"""The plan of a folder of codes: agreed on by many processes at once, none of which keeps the others waiting."""

import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from quick_faces import load
from sparsefacs.errors import InputError
from sparsefacs.inference.many import plan as planning
from sparsefacs.inference.many.folder import predict_folder
from sparsefacs.inference.many.plan import read_plan
from sparsefacs.inference.pipeline import Way
from sparsefacs.shards import Shard

HOLDING = (
    "import sys\nfrom pathlib import Path\nfrom sparsefacs.files import SoleWriter\n"
    "held = SoleWriter(Path(sys.argv[1]))\nprint('held', flush=True)\nsys.stdin.read()\n"
)


@contextmanager
def held_by_another(folder: Path):
    """Keep the lock of `folder` in another process meanwhile."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "held\n"
        yield
        other.stdin.close()


@pytest.fixture
def photos(quick, films, tmp_path) -> Path:
    """A folder of two people's photos."""
    for name in ("ann", "bob"):
        (tmp_path / "in" / name).mkdir(parents=True)
        (tmp_path / "in" / name / "1.png").write_bytes((films / "ann" / "1.png").read_bytes())
    return tmp_path / "in"


def add_person(photos: Path, name: str) -> None:
    (photos / name).mkdir()
    (photos / name / "1.png").write_bytes((photos / "ann" / "1.png").read_bytes())


def planned(folder: Path) -> list[str]:
    return [one["place"] for one in read_plan(folder).inputs]


def test_the_plan_s_lock_keeps_nobody_waiting_who_has_nothing_to_add(photos, tmp_path, monkeypatch):
    monkeypatch.setattr(planning, "_WAIT_S", 0.2)
    predict_folder(load, [photos], tmp_path / "out", Way(), shard=Shard(1, 2))
    with held_by_another(tmp_path / "out" / ".predict"):
        assert len(predict_folder(load, [photos], tmp_path / "out", Way(), shard=Shard(2, 2)).outcomes) == 1
        add_person(photos, "cleo")
        with pytest.raises(InputError, match="another run is writing it") as caught:
            predict_folder(load, [photos], tmp_path / "out", Way())
    assert "Give the same command again, or start the task again" in str(caught.value)
    predict_folder(load, [photos], tmp_path / "out", Way())
    assert planned(tmp_path / "out") == ["ann/photos", "bob/photos", "cleo/photos"]


def test_no_input_is_looked_at_while_the_lock_is_held(photos, tmp_path, monkeypatch):
    alone, stat = planning._alone, Path.stat
    held, looked_at = [], []

    @contextmanager
    def noted(folder):
        with alone(folder):
            held.append(folder)
            yield
        held.pop()

    def counted(self, **given):
        looked_at.extend([self] if held and self.suffix == ".png" else [])
        return stat(self, **given)

    monkeypatch.setattr(planning, "_alone", noted)
    monkeypatch.setattr(Path, "stat", counted)
    predict_folder(load, [photos], tmp_path / "out", Way())
    assert planned(tmp_path / "out") == ["ann/photos", "bob/photos"] and looked_at == []


def test_what_another_plans_meanwhile_is_kept(photos, tmp_path, monkeypatch):
    alone = planning._alone

    @contextmanager
    def after_another(folder):
        monkeypatch.setattr(planning, "_alone", alone)
        predict_folder(load, [photos / "ann", photos / "bob"], tmp_path / "out", Way())
        with alone(folder):
            yield

    monkeypatch.setattr(planning, "_alone", after_another)
    add_person(photos, "cleo")
    told = predict_folder(load, [photos / "cleo", photos / "ann"], tmp_path / "out", Way())
    assert planned(tmp_path / "out") == ["ann/photos", "bob/photos", "cleo/photos"]
    assert told.planned == 3


def test_tables_that_another_begins_meanwhile_are_not_taken_for_the_user_s(photos, tmp_path, monkeypatch):
    refuse = planning.refuse_existing

    def after_another(path, **given):
        monkeypatch.setattr(planning, "refuse_existing", refuse)
        predict_folder(load, [photos], tmp_path / "out", Way(), shard=Shard(1, 1))
        refuse(path, **given)

    monkeypatch.setattr(planning, "refuse_existing", after_another)
    assert predict_folder(load, [photos], tmp_path / "out", Way()).before == 2


def test_two_processes_do_not_do_one_shard(photos, tmp_path):
    with held_by_another(tmp_path / "out" / ".predict" / "shard-1-of-2"):
        with pytest.raises(InputError, match="another run is writing it") as caught:
            predict_folder(load, [photos], tmp_path / "out", Way(), shard=Shard(1, 2))
        assert "Wait until that has ended, then give the same command again" in str(caught.value)
        predict_folder(load, [photos], tmp_path / "out", Way(), shard=Shard(2, 2))
    predict_folder(load, [photos], tmp_path / "out", Way(), shard=Shard(1, 2))
    assert len(list((tmp_path / "out").rglob("photos.csv"))) == 2


def test_what_was_passed_over_in_other_inputs_stays_named_while_it_is_there(photos, tmp_path):
    out, vob = tmp_path / "out", photos / "ann" / "clip.vob"
    vob.write_bytes(b"x")
    predict_folder(load, [photos / "ann", photos / "bob"], out, Way())
    told = predict_folder(load, [photos / "bob", photos / "ann" / "1.png"], out, Way())
    assert told.bad == () and [name for name, _ in read_plan(out).passed_over] == [str(vob)]
    assert [one.input for one in predict_folder(load, [photos / "ann", photos / "bob"], out, Way()).bad] == [str(vob)]
    assert [name for name, _ in read_plan(out).passed_over] == [str(vob)], "once"
    vob.unlink()
    predict_folder(load, [photos / "bob", photos / "ann" / "1.png"], out, Way())
    assert read_plan(out).passed_over == []


def test_a_linked_folder_named_later_has_its_tables_where_the_folder_itself_would(photos, tmp_path):
    """Another disk's folder, linked to: where it really lies is not to be seen in the tables' places."""
    out, disk = tmp_path / "out", tmp_path / "disk" / "7"
    disk.parent.mkdir()
    (photos / "bob").rename(disk)
    (photos / "bob").symlink_to(disk)
    predict_folder(load, [photos], out, Way())
    add_person(photos, "cleo")
    predict_folder(load, [photos, photos / "bob"], out, Way())
    assert planned(out) == ["ann/photos", "bob/photos", "cleo/photos"]
    predict_folder(load, [photos, photos / "bob"], tmp_path / "at-once", Way())
    assert planned(tmp_path / "at-once") == planned(out)


def test_what_is_new_stands_beside_what_it_lies_beside(photos, films, tmp_path):
    out = tmp_path / "out"
    predict_folder(load, [photos], out, Way())
    for name in ("ann/new.mp4", "ann/deep/new.mp4", "new.mp4", "far/new.mp4"):
        (photos / name).parent.mkdir(exist_ok=True)
        (photos / name).write_bytes((films / "c.mp4").read_bytes())
    elsewhere = tmp_path / "elsewhere" / "x.mp4"
    elsewhere.parent.mkdir()
    elsewhere.write_bytes((films / "d.mp4").read_bytes())
    predict_folder(load, [photos / "ann", photos / "new.mp4", photos / "far", elsewhere], out, Way())
    new = ["ann/deep/new", "ann/new", "elsewhere/x", "far/new", "new"]
    assert planned(out) == sorted(["ann/photos", "bob/photos", *new])


@pytest.mark.parametrize("first", ["ann", "link"])
def test_a_known_input_under_another_name_is_refused(photos, films, tmp_path, first):
    out = tmp_path / "out"
    (tmp_path / "link").symlink_to(photos / "ann")
    (photos / "ann" / "c.mp4").write_bytes((films / "c.mp4").read_bytes())
    names = {"ann": photos / "ann", "link": tmp_path / "link"}
    real = names.pop(first)
    predict_folder(load, [real, photos / "bob"], out, Way())
    (other,) = names.values()
    with pytest.raises(InputError, match="Name the inputs as before") as caught:
        predict_folder(load, [other], out, Way())
    assert f"the codes of {real}" in str(caught.value) and str(caught.value).startswith(str(other))
    assert len(predict_folder(load, [real, other], out, Way()).outcomes) == 0


def test_what_is_not_read_below_where_one_stands_is_named_once(photos, tmp_path, monkeypatch):
    out, vob = tmp_path / "out", photos / "ann" / "clip.vob"
    vob.write_bytes(b"x")
    monkeypatch.chdir(photos)
    for _ in range(3):
        predict_folder(load, [Path()], out, Way())
        assert [name for name, _ in read_plan(out).passed_over] == ["ann/clip.vob"]
    vob.unlink()
    predict_folder(load, [Path()], out, Way())
    assert read_plan(out).passed_over == []
