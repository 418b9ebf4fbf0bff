"""Small Datavyu spreadsheets as Datavyu writes them."""

import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path


def clock(ms: int) -> str:
    """Return a time as Datavyu writes it."""
    return f"{ms // 3_600_000:02}:{ms // 60_000 % 60:02}:{ms // 1000 % 60:02}:{ms % 1000:03}"


def column(name: str, codes: str, *cells: tuple[int, int, str], hidden: bool = False) -> str:
    """Return a column: codes as in "side,level", cells as onset and offset in ms and values with their commas."""
    listed = ",".join(f"{code}|NOMINAL" for code in codes.split(","))
    lines = [f"{clock(onset)},{clock(offset)},({values})" for onset, offset, values in cells]
    return "\n".join([f"{name} (MATRIX,{str(not hidden).lower()},)-{listed}", *lines]) + "\n"


def save(
    path: Path, *columns: str, videos: Sequence[str] = ("/data/clip.mp4",), offsets: Mapping[str, int] | None = None
) -> Path:
    """Write a spreadsheet of `columns` to `path`; offsets: ms by the video's settings, "1" those of the first."""
    viewers = "".join(
        f"- !vs\n  classifier: datavyu.video\n  feed: {video}\n  plugin: db3fc496-58a7-3706-8538-3f61278b5bec\n"
        f"  settingsId: '{number}'\n  trackSettings: !ts\n    bookmark: '-1'\n    bookmarks: []\n    locked: false\n"
        "    version: 2\n  version: 3\n"
        for number, video in enumerate(videos, 1)
    )
    project = f"!project\ndbFile: x.opf\nname: x\norigpath: /data\nversion: 5\nviewerSettings:\n{viewers}"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("db", "#4\n" + "".join(columns))
        archive.writestr("project", project)
        for name, ms in (offsets or {}).items():
            archive.writestr(name, f"#Fri Nov 27\noffset={ms}\nvisible=true\n")
    return path
