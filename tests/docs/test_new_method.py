"""The tutorial for a new method: its files, put into a copy of the program, pass its test and train."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from doc_pages import DOCS, ROOT, blocks
from sparsefacs.methods import registry

PAGE = DOCS / "tutorials" / "new-method.md"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the program."""
    folder = tmp_path_factory.mktemp("checkout")
    shutil.copytree(ROOT / "src", folder / "src", ignore=shutil.ignore_patterns("*.nb?"))
    (folder / "tests").mkdir()
    beside = ("made_stores.py", "process_pair.py", "interrupts.py", "edited.py")
    for name in ("pyproject.toml", "tests/conftest.py", *(f"tests/{each}" for each in beside)):
        shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture(scope="module")
def files(copy: Path) -> list[Path]:
    """The files of the tutorial, written into the copy."""
    made = []
    for block in blocks(PAGE):
        if named := re.fullmatch(r"File `(.+)`:", block.above):
            made.append(copy / named[1])
            made[-1].parent.mkdir(parents=True, exist_ok=True)
            made[-1].write_text(block.text, encoding="utf-8")
    return made


@pytest.mark.slow
def test_the_method_of_the_tutorial_works_as_shown(copy: Path, files: list[Path]) -> None:
    assert [path.name for path in files] == ["entropy.py", "entropy.py", "small.yaml", "test_entropy.py"]
    rows = [block.text for block in blocks(PAGE) if block.text.startswith('    "entropy":')]
    assert len(rows) == 1
    place = copy / "src" / "sparsefacs" / "methods" / Path(registry.__file__).name
    text = place.read_text(encoding="utf-8")
    assert text.count("_WHERE = {\n") == 1
    place.write_text(text.replace("_WHERE = {\n", "_WHERE = {\n" + rows[0]), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests"],
        check=False,
        cwd=copy,
        env=os.environ | {"PYTHONPATH": str(copy / "src")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "3 passed" in done.stdout


@pytest.mark.parametrize("check", ["check --no-cache", "format --check --no-cache"])
def test_the_code_of_the_tutorial_is_in_the_house_style(check: str, copy: Path, files: list[Path]) -> None:
    code = [str(path) for path in files if path.suffix == ".py"]
    ruff = [sys.executable, "-m", "ruff", *check.split(), *code]
    done = subprocess.run(ruff, check=False, cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
