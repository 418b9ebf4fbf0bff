"""Each benchmark runs, at a size that a test has time for, and prints its figures, its baseline and the machine."""

import io
import json
import runpy
import shlex
import subprocess
import sys
import weakref
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
import torch
from joblib import parallel_config

from made_stores import build_store
from sparsefacs import api, cli
from sparsefacs.data.store import Store

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks"
APART = ("active", "choosing", "many")  # compare nothing; the first two: tests/docs/test_which_frames_page.py
SCRIPTS = sorted(
    path.stem
    for path in FOLDER.glob("*.py")
    if "def main(" in path.read_text(encoding="utf-8") and path.stem not in APART
)
TINY = ("network.backbone=test_resnet", "network.options={}", "network.input_size=32", "training.precision='32'")
SMALL_BATCHES = ("data.labelled_batch=4", "data.unlabelled_batch=4", "data.workers=1")
SMALL_VIT = "network.options={img_size: 32, patch_size: 8, depth: 1}"


def settings(*given: str) -> list[str]:
    return [word for setting in given for word in ("--set", setting)]


def called(file: str, words: Sequence[str]) -> str:
    """Call the script `file` as python would, in this process; return what it prints."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        runpy.run_path(file)["main"](list(words))
    return printed.getvalue()


@pytest.fixture(autouse=True)
def one_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What benchmarks start as processes of their own runs in this one: starting python and torch takes seconds."""

    def run(command: list[str], **_: Any) -> Any:
        assert command[0] == sys.executable
        if command[1] != "-m":
            return subprocess.CompletedProcess(command, 0, stdout=called(command[1], command[2:]))
        monkeypatch.setattr(sys, "argv", ["sparsefacs", *command[3:]])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        assert not ended.value.code
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.syspath_prepend(FOLDER)
    monkeypatch.setattr(subprocess, "run", run)
    threads = torch.get_num_threads()
    with parallel_config(backend="threading", n_jobs=2):
        yield
    torch.set_num_threads(threads)


@pytest.fixture
def faces(tmp_path: Path) -> Store:
    return build_store(tmp_path / "faces", frames=4, faces=True)


def flow_estimation(tmp_path: Path, faces: Store) -> list[str]:
    api.flow(faces.path, workers=1)
    own = settings(*TINY, *SMALL_BATCHES, "data.labelled_batch=4")
    return [str(faces.path), "--steps", "1", "--checks", "1", "--faces", "4", *own]


def onnx_student(tmp_path: Path, faces: Store) -> list[str]:
    own = (*TINY, *SMALL_BATCHES, "training.steps=1", "network.evidence=pixels", "selection.rule=last")
    teacher, student = tmp_path / "teacher", tmp_path / "student"
    api.train("supervised", faces.path, teacher, settings=own)
    api.train("distil", faces.path, student, settings=(*own, f"method.teacher={teacher}"))
    return [str(student), str(teacher), "--repeats", "1", "--calls", "1"]


def pretraining_step(tmp_path: Path, faces: Store | None) -> list[str]:
    own = settings("network.input_size=32", SMALL_VIT, "method.decoder.width=24", "method.decoder.depth=1")
    sizes = ["--batch", "2", "--recipe", "small", "--backbone", "vit_tiny_patch16_224", "--peak-sides", "32"]
    ways = ["--ways", "unfused", "channels-last", "indexed", "--profile", "3"]
    return ["--device", "cpu", "--repeats", "1", *sizes, *ways, *own]


def gpu(tmp_path: Path, faces: Store) -> list[str]:
    small = " ".join(shlex.quote(word) for word in pretraining_step(tmp_path, faces)[2:])
    own = settings(*TINY, *SMALL_BATCHES)
    sizes = ["--faces", "120", "--size", "32", "--steps", "1", "--methods", "supervised", "fixmatch"]
    return ["--device", "cpu", *sizes, f"--step-words={small}", *own]


SIZES: dict[str, list[str] | Callable[[Path, Store], list[str]]] = {
    "clips": ["--recipe", "small", "--frames", "8", "--repeats", "1", *settings(*TINY[:3], "method.width=16")],
    "contrastive": ["--images", "2", "--repeats", "1"],
    "events": ["--frames", "40", "--files", "10", "--repeats", "1"],
    "gpu": gpu,
    "flow_estimation": flow_estimation,
    "label": ["--faces", "24", "--people", "4", "--answers", "2", "--pause", "0"],
    "onnx_student": onnx_student,
    "predict": ["--frames", "3", "--long", "6", "--repeats", "1", "--backbone", "test_resnet", "--size", "32"],
    "realism": lambda _, faces: [str(faces.path), str(faces.path), "--faces", "12"],
    "prepare": ["--frames", "4", "--photos", "4"],
    "pretraining_step": pretraining_step,
    "stream": ["--images", "40", "--batch", "8", "--batches", "3", "--side", "32", "--names", "40"],
    "synth": ["--frames", "2", "--subjects", "1", "--size", "32", "--repeats", "1"],
    "unlabelled": lambda _, faces: [str(faces.path), "--labels", "0,6", "--draws", "2", "--resamples", "20"],
}
"""The words that make each benchmark small."""


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_benchmark_runs_at_a_tiny_size(name: str, tmp_path: Path, faces: Store) -> None:
    small = SIZES[name]
    words = small if isinstance(small, list) else small(tmp_path, faces)
    found = json.loads(called(str(FOLDER / f"{name}.py"), words).splitlines()[-1])
    assert found["benchmark"] == name and "cores" in found["machine"] and found["processor"]
    assert numbers(found) >= 4
    assert any(word in key for key in keys(found) for word in ("ratio", "times", "difference", "minus")), "no baseline"


def test_several_faces_are_coded_side_by_side(tmp_path: Path) -> None:
    small = SIZES["predict"]
    assert isinstance(small, list)
    found = json.loads(called(str(FOLDER / "predict.py"), [*small, "--faces", "3", "--overlay"]).splitlines()[-1])
    assert found["speed"]["faces_a_frame"] == 3 and found["memory"]["ratio"] > 0


def test_shards_that_are_killed_leave_every_row_once(tmp_path: Path) -> None:
    words = ["--videos", "2", "--shards", "1", "--kills", "1", "--frames", "2", "--long", "0"]
    told = called(str(FOLDER / "many.py"), [*words, "--json", str(tmp_path / "many.json")])
    shards = json.loads((tmp_path / "many.json").read_text())["shards"]
    assert shards["killed"] == 1 and shards["manifest_true"] and "rows_once 4, rows_missing 0, rows_double 0" in told


def test_a_way_is_measured_alone_and_told_at_once_and_a_halved_batch_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A device that holds two faces of the program's step and one of the plain one; stopped before the last way."""
    import pretraining_step as benchmark

    make, alive = benchmark.Step.__init__, weakref.WeakSet[Any]()

    def alone(self: Any, way: str, given: Any) -> None:
        assert not alive, "another way's step is still in memory"
        if way == "plain" and given.batch > 1:
            raise torch.OutOfMemoryError("full")
        if way == "indexed":
            raise KeyboardInterrupt
        make(self, way, given)
        alive.add(self)

    monkeypatch.setattr(benchmark.Step, "__init__", alone)
    file = tmp_path / "step.json"
    words = ["--device", "cpu", *pretraining_step(tmp_path, None)[2:], "--no-memory", "--json", str(file)]
    with pytest.raises(KeyboardInterrupt):
        benchmark.main(words)
    said = capsys.readouterr()
    lines = [json.loads(line) for line in said.out.splitlines()]
    assert [line["ways"] for line in lines] == [
        ["plain", "program", "unfused", "channels-last"][:n] for n in (1, 2, 3, 4)
    ]
    found = json.loads(file.read_text())
    assert found == lines[-1] and found["left"] == ["indexed"]
    assert found["batch"] == 2 and (found["plain"]["batch"], found["plain"]["halved_from"]) == (1, 2)
    assert found["program"]["batch"] == 2 and "halved_from" not in found["program"]
    assert "batch 1, HALVED from 2" in said.err


def numbers(found: Any) -> int:
    """Count the numbers above 0 in what was printed, deep."""
    if isinstance(found, dict | list):
        return sum(map(numbers, found.values() if isinstance(found, dict) else found))
    return isinstance(found, int | float) and found > 0


def keys(found: Any) -> list[str]:
    """Return the names of all that was printed, deep."""
    if isinstance(found, list):
        return [key for each in found for key in keys(each)]
    return [*found, *(key for each in found.values() for key in keys(each))] if isinstance(found, dict) else []
