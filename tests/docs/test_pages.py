"""Pages against the program: links lead somewhere, commands parse, code that is named exists."""

import re
from pathlib import Path

import pytest
from typer.main import get_command

import sparsefacs
from doc_pages import ANY, DOCS, PAGES, ROOT, anchors, blocks, commands, links, name_of
from sparsefacs.cli import app
from sparsefacs.engine.config import recipe_names, resolve
from sparsefacs.methods.registry import PRETRAIN, method_names, pretraining_names

PACKAGE = ROOT / "src" / "sparsefacs"
COMMANDS = get_command(app).commands  # type: ignore[attr-defined]
CARDS = sorted((DOCS / "methods").glob("*.md"))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_lead_to_files_and_headings(page: Path) -> None:
    for target in links(page):
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), f"{target} is not there"
        assert not anchor or anchor in anchors(file), f"{target}: no such heading"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_commands_on_pages_exist_and_parse(page: Path) -> None:
    for words in commands(page):
        name, *given = (word for word in words if word not in {ANY, "[OPTIONS]"})
        assert name in COMMANDS, f"there is no command {name}"
        if "[OPTIONS]" in words:
            continue
        parsed = COMMANDS[name].make_context(name, given).params  # raises for an unknown option or a missing argument
        settings_exist(name, parsed)


def settings_exist(name: str, parsed: dict) -> None:  # type: ignore[type-arg]
    """Fail where a training on a page names a method, a recipe or a setting that is not there."""
    if name not in {"train", "pretrain"} or parsed["method"].isupper():
        return
    method = PRETRAIN * (name == "pretrain") + parsed["method"]
    assert parsed["recipe"] in recipe_names(method), f"{method} has no recipe {parsed['recipe']}"
    resolve(method, parsed["recipe"], tuple(parsed["settings"] or ()))


def test_the_command_lines_of_pages_are_found() -> None:
    found = {name_of(page): len(list(commands(page))) for page in PAGES}
    assert found["README.md"] >= 8
    assert found["docs/tutorials/own-video.md"] >= 8


@pytest.mark.parametrize("page", CARDS, ids=name_of)
def test_code_that_a_card_names_exists(page: Path) -> None:
    code = re.findall(r"`([\w/]+\.py)(?:: (\w+))?`", page.read_text(encoding="utf-8"))
    assert code
    for path, name in code:
        file = ROOT / path if path.startswith("benchmarks/") else PACKAGE / path
        assert file.is_file(), f"there is no {path}"
        assert not name or re.search(rf"\b{name}\b", file.read_text("utf-8")), f"{path} has no {name}"


def test_the_python_page_names_every_public_function() -> None:
    page = (DOCS / "reference" / "api.md").read_text(encoding="utf-8")
    shown = re.findall(r"^\.\. auto(?:function|exception):: (\w+)$", page, flags=re.MULTILINE)
    assert sorted(shown) == sorted(sparsefacs.__all__)


def test_every_method_is_on_a_page() -> None:
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES if DOCS in page.parents)
    missing = [name for name in (*method_names(), *pretraining_names()) if not re.search(rf"[` ]{name}[` ]", text)]
    assert not missing


def test_python_on_pages_compiles() -> None:
    for page in PAGES:
        for block in blocks(page):
            if block.language == "python":
                compile(block.text, name_of(page), "exec")
