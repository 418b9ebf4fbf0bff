"""Files that may not be read. Tests may run as root, to whom nothing is forbidden, so that Python is made to refuse."""

import io
from pathlib import Path


def lock(monkeypatch, *paths: Path) -> None:
    """Let no one open these files, which can be looked at all the same."""
    opened, locked = io.open, {str(path) for path in paths}

    def refusing(file, *given, **named):
        if str(file) in locked:
            raise PermissionError(13, "Permission denied", str(file))
        return opened(file, *given, **named)

    monkeypatch.setattr(io, "open", refusing)
    monkeypatch.setattr("builtins.open", refusing)
