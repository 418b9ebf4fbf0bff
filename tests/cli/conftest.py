"""The command line, called in this process."""

import sys
from collections.abc import Callable

import pytest

from sparsefacs import cli

Command = Callable[..., tuple[str, str]]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Return a function that gives the command line words, expects success, and returns stdout and stderr."""

    def call(*words: object) -> tuple[str, str]:
        monkeypatch.setattr(sys, "argv", ["sparsefacs", *map(str, words)])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        out, err = capsys.readouterr()
        assert not stopped.value.code, err
        return out, err

    return call
