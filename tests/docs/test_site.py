"""The site: it builds without a warning, holds every page, and asks nothing of another host."""

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from doc_pages import DOCS, ROOT

pytest.importorskip("sphinx")
FOREIGN = re.compile(r"^(?:https?:)?//")
ASKS = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "link": "href"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it."""
    made = tmp_path_factory.mktemp("site")
    strict = ["--fail-on-warning", "--keep-going", "--quiet", "--builder", "html"]
    command = [sys.executable, "-m", "sphinx", *strict, "docs", str(made)]
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return made


class Asked(HTMLParser):
    """Collects what a browser fetches to show a page, which is not what its links lead to."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in ASKS and (address := given.get(ASKS[tag])):
            self.found.append(address)


@pytest.mark.slow
def test_every_page_is_there(site: Path) -> None:
    for page in DOCS.rglob("*.md"):
        assert (site / page.relative_to(DOCS).with_suffix(".html")).is_file(), page


@pytest.mark.slow
def test_nothing_is_asked_of_another_host(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 10
    for page in pages:
        parser = Asked()
        parser.feed(page.read_text(encoding="utf-8"))
        assert parser.found, page
        assert not [address for address in parser.found if FOREIGN.match(address)], page
    for style in site.rglob("*.css"):
        assert not re.search(r"""(?:url\(|@import)\s*["']?(?:https?:)?//""", style.read_text(encoding="utf-8")), style


@pytest.mark.slow
def test_references_hold_the_program(site: Path) -> None:
    line = (site / "reference" / "cli.html").read_text(encoding="utf-8")
    assert 'id="train"' in line
    assert "--split-seed" in line
    python = (site / "reference" / "api.html").read_text(encoding="utf-8")
    assert 'id="sparsefacs.train"' in python
    assert 'id="sparsefacs.methods.contract.Algorithm.updates"' in python
