"""`predict --out FOLDER`, `gather` and `prepare --shard` as they are typed."""

import json
import sys

import numpy as np
import pytest

from quick_faces import find_faces_quickly
from quick_faces import load as load_quickly
from sparsefacs import __version__, api, cli
from sparsefacs.inference import pipeline


@pytest.fixture
def films(tmp_path, monkeypatch):
    """Two photos in a folder each and a video that cannot be read; a stand-in for the coder and the finder."""
    from PIL import Image

    monkeypatch.setattr(pipeline, "find_faces", find_faces_quickly)
    monkeypatch.setattr(api, "_load_with_origin", lambda run: load_quickly())
    rng = np.random.default_rng(0)
    for name in ("ann", "bob"):
        (tmp_path / "films" / name).mkdir(parents=True)
        Image.fromarray(rng.integers(0, 255, (120, 160, 3), np.uint8)).save(tmp_path / "films" / name / "1.png")
    (tmp_path / "films" / "bad.mp4").write_bytes(b"no video" * 20)
    monkeypatch.chdir(tmp_path)
    for name in ("ID", "COUNT", "MIN", "STEP"):
        monkeypatch.delenv(f"SLURM_ARRAY_TASK_{name}", raising=False)
    return tmp_path / "films"


@pytest.fixture
def typed(capsys, monkeypatch):
    """Type a command; return its exit code, stdout and stderr."""

    def call(*words):
        monkeypatch.setattr(sys, "argv", ["sparsefacs", *words])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        return stopped.value.code or 0, *capsys.readouterr()

    return call


def test_a_bad_file_is_named_the_rest_is_coded_and_the_exit_code_tells(films, typed):
    code, out, err = typed("predict", "films", "--out", "codes")
    assert code == 2 and "failed: films/bad.mp4: cannot be read as a video" in err
    assert out.startswith("codes: 2 of 3 inputs coded, 1 could not be; 2 rows of 2 frames, ")
    code, _, err = typed("predict", "films", "--out", "codes", "--partial")
    assert code == 0 and "failed: films/bad.mp4: cannot be read as a video" in err
    code, _, err = typed("predict", "films", "--out", "codes", "--partial", "--every", "2")
    assert code == 2 and "other settings" in err
    code, out, err = typed("gather", "codes", "all.csv")
    assert code == 2 and "missing: films/bad.mp4: cannot be read" in err and "no table made; 2 of 3" in out
    (films / "bad.mp4").unlink()
    assert typed("predict", "films", "--out", "codes")[:2] == (0, typed("predict", "films", "--out", "codes")[1])
    code, out, _ = typed("gather", "codes", "all.csv", "--json")
    assert code == 0 and json.loads(out)["rows"] == 2 and json.loads(out)["problems"] == []


def test_tasks_of_a_slurm_array_say_their_shard_and_do_their_share(films, typed, monkeypatch):
    done = []
    for task in (1, 2):
        array(monkeypatch, task, 2)
        _, out, err = typed("predict", "films", "--out", "codes", "--json")
        assert f"shard {task} of 2 (task of a Slurm array)" in err
        done.append(json.loads(out)["coded"])
    assert sum(done) == 2 and typed("gather", "codes", "all.parquet", "--partial")[0] == 0


def array(monkeypatch, task, count):
    """Let this process be a task, from 1, of a Slurm array."""
    for name, value in {"ID": task, "COUNT": count, "MIN": 1, "STEP": 1}.items():
        monkeypatch.setenv(f"SLURM_ARRAY_TASK_{name}", str(value))


@pytest.mark.parametrize("words", ["predict films/ann --out own", "prepare films/ann own"])
def test_an_array_whose_tasks_have_inputs_of_their_own_is_told_to_say_so(films, typed, monkeypatch, words):
    """Task 2 of 3, given a folder of one photo: a third of that is nothing, and was done without a word."""
    array(monkeypatch, 2, 3)
    code, out, err = typed(*words.split())
    assert (code, out) == (2, "")
    first, *_, last = err.splitlines()
    assert first == "shard 2 of 3 (task of a Slurm array); where each task has inputs of its own, add --shard 1/1"
    assert "nothing is left for shard 2 of 3 (task of a Slurm array)" in last and "add --shard 1/1;" in last
    if words.startswith("predict"):
        code, out, _ = typed(*words.split(), "--shard", "1/1")
        assert code == 0 and out.startswith("own: 1 of 1 inputs coded")
        assert typed(*words.split(), "--shard", "2/3")[0] == 0, "who names an empty shard knows it"
    else:
        assert not (films.parent / "own").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--out", "c.csv", "--workers", "2"), "--workers: for many files"),
        (("--out", "c.csv", "--shard", "1/2"), "--shard: for many files"),
        (("--out", "c.csv", "--partial"), "--partial: for many files"),
        (("--out", "codes", "--plot", "p.png"), "--plot goes with one table"),
        (("--out", "codes", "--format", "xlsx"), "--format xlsx is not possible"),
        (("--out", "codes", "--shard", "3/2"), "there is no shard 3 of 2"),
        (("--out", "codes", "--every", "2", "--fps", "5"), "--every and --fps both say"),
        (("--out", "codes.txt"), "codes are written as CSV or Parquet"),
        (("--out", "codes.v2"), "or give a name without a dot"),
    ],
)
def test_options_that_do_not_fit_are_one_line_and_leave_nothing(films, typed, monkeypatch, words, says):
    monkeypatch.setattr(api, "load", lambda *given, **named: load_quickly()[0])
    monkeypatch.setattr("sparsefacs.inference.origin.origin_of", lambda *given: load_quickly()[1])
    code, out, err = typed("predict", "films", *words)
    assert code == 2 and not out and says in err and err.count("\n") <= 2
    assert not any(path.name != "films" for path in films.parent.iterdir())


def test_gather_of_another_folder_is_one_line(films, typed):
    code, _, err = typed("gather", "films")
    assert code == 2 and "is no folder that `sparsefacs predict --out FOLDER` made" in err


def test_a_shard_of_a_store_says_that_others_lack(films, typed, monkeypatch):
    given = {}
    monkeypatch.setattr(api, "prepare_shard", lambda *places, **named: given.update(shard=places[2]))
    code, out, err = typed("prepare", "films", "store", "--dataset", "folder", "--shard", "2/3")
    assert code == 0 and given["shard"].number == 2 and "shard 2 of 3" in err
    assert "the store is not whole yet" in out


def test_the_version_is_told(typed) -> None:
    assert typed("--version") == (0, f"sparsefacs {__version__}\n", "")


def test_what_could_be_an_input_but_is_not_read_is_no_success(films, typed):
    """A video of a kind that is not read, and a link to a folder; what lies beside videos otherwise is no matter."""
    (films / "bad.mp4").unlink()
    for name in ("notes.txt", "codes.csv", "ann/1.json", "README", ".hidden.vob"):
        (films / name).write_bytes(b"x")
    assert typed("predict", "films", "--out", "codes")[0] == 0 == typed("gather", "codes", "all.csv")[0]
    (films / "clip.vob").write_bytes(b"x")
    (films.parent / "disk").mkdir()
    (films / "cleo").symlink_to(films.parent / "disk")
    (films / "cleo" / "1.png").write_bytes((films / "ann" / "1.png").read_bytes())
    vob = "not read: films/clip.vob: VOB is not read: save it as MP4 in its place"
    link = "not read: films/cleo: is a link to a folder, which is not followed: name it too, or"
    code, out, err = typed("predict", "films", "--out", "codes")
    assert code == 2 and vob in err and link in err and "0 of 2 inputs coded, 2 were already, 2 not read; " in out
    assert typed("predict", "films", "--out", "codes", "--shard", "2/2")[0] == 0, "the first shard says it once"
    assert vob in typed("predict", "films", "--out", "codes", "--shard", "1/2")[2]
    code, out, err = typed("gather", "codes", "again.csv")
    assert code == 2 and vob in err and link in err and "no table made; 2 of 2 inputs coded, 2 missing, double" in out
    assert "Do that or take it away, then give `sparsefacs predict` again." in err
    told = (films.parent / "codes" / "manifest.csv").read_text().splitlines()
    assert sum(",not read," in line for line in told) == 2 and len(told) == 5
    (films / "clip.vob").unlink()
    assert typed("predict", "films", "films/cleo", "--out", "codes")[0] == 0
    code, out, _ = typed("gather", "codes", "again.csv")
    assert code == 0 and out.startswith("again.csv: 3 rows of 3 inputs; 3 of 3 inputs coded, nothing missing, double")
