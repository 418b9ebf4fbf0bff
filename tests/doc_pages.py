"""The pages of docs/ and the README as text: their code blocks, commands and links."""

import importlib.util
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*DOCS.rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"])
ANY = "…"  # what a page writes for arguments that do not matter there


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the line of prose above it."""

    language: str
    text: str
    above: str


def program(path: Path) -> ModuleType:
    """A program of the checkout that no package holds, such as one that makes a page, as a module."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def name_of(page: Path) -> str:
    """The page's path in the checkout, which names its tests."""
    return page.relative_to(ROOT).as_posix()


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in order."""
    found: list[Block] = []
    opened: list[str] | None = None
    language = above = ""
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.startswith("```"):
            if opened is None:
                opened, language = [], line[3:].strip()
            else:
                found.append(Block(language, "\n".join(opened) + "\n", above))
                opened, above = None, ""
        elif opened is not None:
            opened.append(line)
        elif line.strip():
            above = line
    assert opened is None, f"{page}: a fence is not closed"
    return found


def commands(page: Path) -> Iterator[list[str]]:
    """The words after `sparsefacs` of each command line in the blocks of a page."""
    for block in blocks(page):
        if block.language not in {"", "text", "bash", "sh", "console"}:
            continue
        for line in block.text.replace("\\\n", " ").splitlines():
            start = re.match(r"\s*(?:\$ )?(?:\S*/)?sparsefacs ", line)
            if start:
                yield shlex.split(line[start.end() :], comments=True)


def without_code(text: str) -> str:
    """A page's text without blocks and `code`, in which brackets are no links."""
    return re.sub(r"`[^`\n]*`", "", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL))


def links(page: Path) -> list[str]:
    """The targets of links and pictures of a page that are in the checkout."""
    targets = re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text(encoding="utf-8")))
    return [target for target in targets if not re.match(r"[a-z]+:", target)]


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and the site name them."""
    headings = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}
