"""Which files of a folder are photos and videos, and that nothing that could be one is passed over unsaid."""

import os
from pathlib import Path

import pytest

from sparsefacs.data.media import is_media, media_below
from sparsefacs.data.store import Reject
from sparsefacs.inference.sources import list_sources

LINK = "is a link to a folder, which is not followed: name it too, or put the folder in its place"


@pytest.fixture
def linked(tmp_path: Path) -> Path:
    """A folder with a video, a folder of it, links to folders in it and elsewhere, and files that are no media."""
    for name in ("in/a.mp4", "in/ann/b.mp4", "in/.kept/c.mp4", "in/notes.txt", "in/a.csv", "disk/bob/d.mp4"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    for name, target in (
        ("bob", "../disk/bob"), ("e.mp4", "../disk"), ("again", "ann"), ("up", ".."), ("kept", ".kept"),
        ("self", "self"), ("gone.txt", "nowhere.txt"), ("a-link.mp4", "a.mp4"), (".hidden", "../disk"),
    ):  # fmt: skip
        (tmp_path / "in" / name).symlink_to(target)
    return tmp_path / "in"


def test_links_to_folders_are_named_and_other_files_are_not(linked):
    rejected: list[Reject] = []
    assert list(media_below(linked, rejected, is_media)) == ["a-link.mp4", "a.mp4", "ann/b.mp4"]
    assert {one.source: one.reason for one in rejected} == dict.fromkeys(("again", "bob", "e.mp4", "kept", "up"), LINK)


def test_a_linked_folder_that_is_an_input_itself_or_lies_in_one_is_not_passed_over(linked):
    def passed_over(*inputs: Path) -> set[str]:
        rejected: list[Reject] = []
        list_sources(inputs, rejected)
        assert len(set(rejected)) == len(rejected)
        return {Path(one.source).name for one in rejected}

    assert passed_over(linked) == {"bob", "e.mp4", "kept", "up"}, "what `again` leads to is read as ann"
    assert passed_over(linked, linked) == {"bob", "e.mp4", "kept", "up"}
    assert passed_over(linked, linked / "bob") == {"e.mp4", "kept", "up"}
    assert passed_over(linked, linked / "bob", linked / "e.mp4", linked / "kept") == {"up"}
    sources = list_sources([linked, linked / "bob"])
    assert [one.path.relative_to(linked).as_posix() for one in sources] == ["a-link.mp4", "ann/b.mp4", "bob/d.mp4"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="the system has no such files")
def test_what_is_named_like_a_video_and_is_no_file_is_named(tmp_path):
    (tmp_path / "a.mp4").write_bytes(b"x")
    os.mkfifo(tmp_path / "b.mp4")
    rejected: list[Reject] = []
    assert list(media_below(tmp_path, rejected, is_media)) == ["a.mp4"]
    assert rejected == [Reject("b.mp4", None, "is not a file")]
