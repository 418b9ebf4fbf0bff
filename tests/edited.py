"""Records of the program changed by hand, as an older version or another program would have left them."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def edit_record(path: Path, change: dict[str, Any] | Callable[[dict[str, Any]], dict[str, Any]], *drop: str) -> None:
    """Write other values into the JSON record at `path` (new keys, or what `change` makes of it), without `drop`.

    Its checksum goes, so that it is read as a record of a version that wrote none.
    """
    content = json.loads(path.read_text())
    content = change(content) if callable(change) else content | change
    path.write_text(json.dumps({key: value for key, value in content.items() if key not in ("checksum", *drop)}))
