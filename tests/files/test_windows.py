"""What is otherwise on Windows, as far as another system can play it."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sparsefacs import InputError, cli, files
from sparsefacs.engine import saving
from sparsefacs.experiments import execute
from sparsefacs.files import atomic_path, from_folder, write_text


@pytest.fixture
def windows(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (files, execute):
        monkeypatch.setattr(module, "WINDOWS", True)
    monkeypatch.setattr(files, "_AGAIN_S", (0.0, 0.0))


def test_a_file_is_flushed_through_a_handle_that_may_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FlushFileBuffers refuses others."""
    modes = []
    monkeypatch.setattr(os, "fsync", lambda number: modes.append(fcntl.fcntl(number, fcntl.F_GETFL) & os.O_ACCMODE))
    write_text(tmp_path / "a.txt", "a")
    assert modes == [os.O_RDWR]


@pytest.mark.parametrize("refusals", [0, 2, 3])
@pytest.mark.usefixtures("windows")
def test_a_name_that_a_scanner_holds_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, refusals: int
) -> None:
    rename, left = Path.replace, [refusals]

    def held(self: Path, target: Path) -> Path:
        if left[0]:
            left[0] -= 1
            error = PermissionError(errno.EACCES, "Access is denied")
            error.winerror = 5  # type: ignore[attr-defined]
            raise error
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", held)
    if refusals < 3:
        write_text(tmp_path / "codes.csv", "a")
        assert (tmp_path / "codes.csv").read_text() == "a"
    else:
        with pytest.raises(InputError, match="Close the program that has it open"):
            write_text(tmp_path / "codes.csv", "a")
    assert not list(tmp_path.glob(".*"))


@pytest.mark.usefixtures("windows")
def test_a_name_with_a_colon_is_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="without any of <"), atomic_path(tmp_path / "x.csv"):
        raise OSError(errno.EINVAL, "Invalid argument")


def test_a_video_on_another_drive_is_named_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    video = tmp_path / "a.mp4"
    video.touch()
    assert from_folder(str(video), tmp_path / "events" / "codes.boris") == "../a.mp4"

    def two_drives(path: Path, start: Path) -> str:
        raise ValueError("path is on mount 'D:', start on mount 'C:'")

    monkeypatch.setattr(os.path, "relpath", two_drives)
    assert from_folder(str(video), tmp_path / "events" / "codes.boris") == video.resolve().as_posix()


@pytest.mark.usefixtures("windows")
def test_jobs_are_stopped_by_what_reaches_a_group_of_their_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 512, raising=False)
    monkeypatch.setattr(signal, "CTRL_BREAK_EVENT", signal.SIGINT, raising=False)
    assert execute._apart() == {"creationflags": 512}
    crew = execute._Crew(tmp_path, 1)
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
    crew.processes.append(process)
    crew.stop()
    assert process.returncode not in (None, 0)


def test_a_training_heeds_every_signal_that_stops_it() -> None:
    assert set(saving._STOPPING) >= {signal.SIGINT, signal.SIGTERM}
    with saving.StopRequest(alone=True) as stop:
        for number in saving._STOPPING:
            assert signal.getsignal(number) == stop._ask


def test_letters_that_a_code_page_lacks_do_not_end_a_command(tmp_path: Path) -> None:
    """As where PowerShell pipes what is printed."""
    look = "import sys; from sparsefacs import cli; cli.app = lambda **_: print('κ .71'); cli.main()"
    done = subprocess.run(
        [sys.executable, "-c", look],
        capture_output=True,
        check=False,
        env=os.environ | {"PYTHONIOENCODING": "cp1252"},
    )
    assert (done.returncode, done.stdout.split()) == (0, [b"?", b".71"]), done.stderr
    assert cli.main
