"""The command line from outside: what is printed, exit codes, and every bad input as one line that helps."""

import json
import os
import resource
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from typer.testing import CliRunner

from made_stores import build_store
from sparsefacs import cli
from sparsefacs.data.store import Store

TINY = [
    *("--set", "network.backbone=test_resnet", "--set", "network.input_size=32"),
    *("--set", "data.labelled_batch=8", "--set", "training.steps=2", "--set", "training.precision='32'"),
]


def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: object) -> tuple[int, str, str]:
    """Run the command line in this process; return exit code, stdout, stderr."""
    monkeypatch.setattr(sys, "argv", ["sparsefacs", *map(str, words)])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    out, err = capsys.readouterr()
    return int(stopped.value.code or 0), out, err


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    """Return a function that expects exit 2 and one line, and gives the line."""

    def call(*words: object) -> str:
        code, _, err = run(capsys, monkeypatch, *words)
        problems = [line for line in err.splitlines() if line.startswith("sparsefacs: ")]
        assert code == 2, err
        assert "Traceback" not in err
        assert len(problems) == 1, err
        return problems[0]

    return call


@pytest.fixture(scope="module")
def run_of_all(small_store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trained") / "run"
    done = CliRunner().invoke(cli.app, ["train", "supervised", str(small_store), str(out), *TINY])
    assert done.exit_code == 0, done.output
    return out


@pytest.fixture
def trained(run_of_all: Path, tmp_path: Path) -> Path:
    """A run folder, a copy of the test's own."""
    return Path(shutil.copytree(run_of_all, tmp_path / "run"))


@pytest.mark.parametrize(
    "command",
    [
        "",
        "demo",
        "synth",
        "prepare",
        "flow",
        "inspect",
        "methods",
        "train",
        "evaluate",
        "pictures",
        "predict",
        "report",
    ],
)
def test_help_of_every_command(
    command: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    code, out, _ = run(capsys, monkeypatch, *command.split(), "--help")
    assert code == 0
    assert "Usage: sparsefacs" in out
    assert "--help" in out


def test_json_is_all_there_is_on_stdout(
    trained: Path, store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for words in (
        ("methods", "adversarial", "--recipe", "small", "--json"),
        ("methods", "--json"),
        ("inspect", store.path, "--json"),
        ("evaluate", trained, "--json"),
    ):
        code, out, _ = run(capsys, monkeypatch, *words)
        assert code == 0
        assert isinstance(json.loads(out), dict)


def test_scores_are_printed_for_people(
    trained: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, out, _ = run(capsys, monkeypatch, "evaluate", trained)
    assert "AU12" in out or "12" in out
    assert max(map(len, out.splitlines())) <= 120


def test_unknown_names_and_settings(refused, store: Store, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    out = tmp_path / "out"
    assert refused("train", "supervized", store.path, out).rstrip().endswith("Did you mean supervised?")
    assert "AU99" in refused("train", "supervised", store.path, out, "--aus", "1,99")
    assert "no labels of AU6" in refused("train", "supervised", store.path, out, "--aus", "6", *TINY)
    assert "label budget" in refused("train", "supervised", store.path, out, "--labels", "some", *TINY)
    assert "5% or count:5? Forms" in refused("train", "supervised", store.path, out, "--labels", "5", *TINY)
    assert "holdout:25%? Write" in refused("train", "supervised", store.path, out, "--protocol", "holdout:25", *TINY)
    assert "none: does not exist. Give a run folder of `pretrain`" in refused(
        "train", "supervised", store.path, out, "--init", tmp_path / "none", *TINY
    )
    assert "fold 3" in refused("train", "supervised", store.path, out, "--fold", "3", *TINY)
    assert "no setting optimiser.rate" in refused("train", "supervised", store.path, out, "--set", "optimiser.rate=1")
    assert "not a backbone" in refused("train", "supervised", store.path, out, "--set", "network.backbone=resnett18")
    assert not (out / "model.json").exists()


def test_a_subject_in_both_sides_of_a_fold(refused, store: Store, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    folds = tmp_path / "folds.json"
    folds.write_text(json.dumps({"name": "mine", "folds": [{"train": ["s00", "s01"], "test": ["s01", "s02"]}]}))
    line = refused("train", "supervised", store.path, tmp_path / "out", "--protocol", folds, *TINY)
    assert "s01" in line and "folds.json" in line


def test_runs_that_cannot_code_yet(refused, store: Store, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    for name, file, words in (
        ("pretrained", "encoder.json", f"train … --init {tmp_path / 'pretrained'}"),
        ("begun", "checkpoint/last.pt", "not finished: give the command that began it again, with --resume"),
        ("other", "some.txt", "Train again"),
    ):
        (tmp_path / name / file).parent.mkdir(parents=True)
        (tmp_path / name / file).write_text("{}")
        assert words in refused("evaluate", tmp_path / name, store.path)


def test_stores_that_are_not(refused, store: Store, trained: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    assert "not a store" in refused("inspect", tmp_path / "nothing")
    other_aus = build_store(tmp_path / "aus", aus=(2, 6, 25))
    assert "no labels of the AUs that the model codes" in refused("evaluate", trained, other_aus.path)
    other_cut = build_store(tmp_path / "cut", size=48, prefix="x")
    assert "cut differently" in refused("evaluate", trained, other_cut.path)
    assert "cut differently" in refused(
        "train", "adversarial", store.path, tmp_path / "o", "--unlabelled", other_cut.path, *TINY
    )
    (store.path / "store.json").write_text("{")
    assert "store.json" in refused("inspect", store.path)


@pytest.mark.parametrize("name", ["model.safetensors", "model.json", "config.yaml", "protocol.json"])
def test_a_run_that_lacks_a_file(refused, trained: Path, name: str) -> None:  # type: ignore[no-untyped-def]
    (trained / name).unlink()
    line = refused("evaluate", trained)
    assert name in line and "Train again" in line


def test_weights_that_are_not(refused, trained: Path) -> None:  # type: ignore[no-untyped-def]
    (trained / "model.safetensors").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    assert "safetensors" in refused("evaluate", trained)


def test_init_from_a_file_that_does_not_fit(refused, store: Store, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    from safetensors.numpy import save_file

    save_file({"a": np.zeros(3, np.float32)}, tmp_path / "w.safetensors")
    line = refused("train", "supervised", store.path, tmp_path / "o", "--init", tmp_path / "w.safetensors", *TINY)
    assert "does not fit" in line and "w.safetensors" in line
    line = refused("train", "supervised", store.path, tmp_path / "o2", "--init", tmp_path / "no.safetensors", *TINY)
    assert "no.safetensors: does not exist" in line


def test_existing_outputs_are_kept(refused, store: Store, trained: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    mine = tmp_path / "mine.csv"
    mine.write_text("precious")
    photo = tmp_path / "photo.png"
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(photo)
    assert "already exists" in refused("predict", trained, photo, "--out", mine)
    assert "already exists" in refused("train", "supervised", store.path, trained, *TINY)
    assert "already exists" in refused("synth", store.path)
    assert "already exists" in refused("report", mine, trained)
    assert mine.read_text() == "precious"


def test_files_that_are_no_pictures(refused, trained: Path, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    empty, corrupt, film = tmp_path / "empty.jpg", tmp_path / "corrupt.png", tmp_path / "film.mp4"
    empty.write_bytes(b"")
    corrupt.write_bytes(b"\x89PNG\r\n\x1a\n" + b"junk" * 40)
    film.write_bytes(b"\x00" * 4000)
    for bad in (empty, corrupt, film, tmp_path / "absent.jpg"):
        assert bad.name in refused("predict", trained, bad, "--out", tmp_path / "codes.csv")
        assert not (tmp_path / "codes.csv").exists()


def test_a_label_table_with_each_fault(refused, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(folder / "a.png")
    good = {"path": ["a.png"], "subject": ["s"], "AU12": [1]}
    faults = {
        "AU98": good | {"AU98": [1]},
        "subject": {"path": ["a.png"], "AU12": [1]},
        "AU12": good | {"AU12": [7]},
        "AU6": good | {"AU6_r": [9.0]},
    }
    for named, columns in faults.items():
        table = tmp_path / f"{named}.csv"
        pd.DataFrame(columns).to_csv(table, index=False)
        line = refused("prepare", folder, tmp_path / "o", "--dataset", "table", "--labels", table)
        assert table.name in line and (named in line or named.lower() in line)
    twice = tmp_path / "twice.csv"
    pd.concat([pd.DataFrame(good)] * 2).to_csv(twice, index=False)
    assert "twice.csv" in refused("prepare", folder, tmp_path / "o", "--dataset", "table", "--labels", twice)
    assert not (tmp_path / "o" / "store.json").exists()


def test_a_full_disk_is_one_line_and_exit_2(refused, store: Store, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    """A file-size limit stands in for the full disk: the checkpoint cannot be written."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, usual[1]))
    try:
        line = refused("train", "supervised", store.path, tmp_path / "run", *TINY)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert "cannot be written" in line and "last.pt" in line
    assert not list((tmp_path / "run").rglob(".*tmp*"))


def test_kind_warnings_of_libraries_do_not_reach_the_user(monkeypatch, recwarn) -> None:
    import warnings

    monkeypatch.setenv("PYTHONWARNINGS", "")
    monkeypatch.setattr(sys, "warnoptions", [])
    monkeypatch.setattr(cli, "app", lambda **_: warnings.warn("for programmers", UserWarning, stacklevel=1))
    cli.main()
    assert not len(recwarn) and os.environ["PYTHONWARNINGS"] == "ignore"
    monkeypatch.setattr(sys, "warnoptions", ["default"])
    warnings.resetwarnings()
    cli.main()
    assert len(recwarn) == 1
