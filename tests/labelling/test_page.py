"""The page in a real browser, by keyboard: playwright and a Chromium on this machine, else skipped.

`pip install playwright` and either a system's Chromium or `playwright install chromium`.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from made_stores import build_store
from sparsefacs.data.answers import read_answers
from sparsefacs.labelling.server import LabelServer

sync = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
LIMIT_MS = 10_000


@pytest.fixture(scope="module")
def browser() -> Iterator:
    """A headless Chromium."""
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    with sync.sync_playwright() as playwright:
        try:
            opened = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        except sync.Error as error:
            pytest.skip(f"no Chromium is on this machine ({str(error).splitlines()[0]})")
        yield opened
        opened.close()


@pytest.fixture
def serve(open_session):
    """Return a function that serves a session and returns its server; all are closed at the end."""
    servers = []

    def call(**settings) -> LabelServer:
        server = LabelServer(open_session(**settings))
        server.start()
        servers.append(server)
        return server

    yield call
    for server in servers:
        server.close()


def look_at(browser, address: str):
    """Open the page in a window of its own; what its scripts throw is an error here."""
    page = browser.new_context(viewport={"width": 1366, "height": 768}, reduced_motion="reduce").new_page()
    page.set_default_timeout(LIMIT_MS)
    page.faults = []
    page.on("pageerror", lambda error: page.faults.append(str(error)))
    page.on("console", lambda line: page.faults.append(line.text) if line.type == "error" else None)
    page.goto(address)
    page.wait_for_selector("#au-12")
    sync.expect(page.locator("#counts")).to_contain_text("coded")
    return page


@contextmanager
def killed_at_the_end(words: list[str]) -> Iterator[subprocess.Popen]:
    """Run a command, and kill it as a power cut would."""
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONUNBUFFERED": "1"}) as run:
        try:
            yield run
        finally:
            run.kill()


def press(page, *keys: str) -> None:
    for key in keys:
        page.keyboard.press(key)


def wait_for(page, coded: int) -> None:
    sync.expect(page.locator("#counts")).to_have_text(re.compile(f"^{coded} coded"), timeout=LIMIT_MS)


def said(page, au: int) -> str:
    return page.inner_text(f"#au-{au} .said")


def test_forty_faces_by_keyboard_undo_reload_and_a_second_tab(browser, serve, tmp_path):
    server = serve()
    page = look_at(browser, server.address)
    for number in range(40):
        press(page, *("1",) * (number % 2), *("3",) * (number % 3 == 0), "Enter")  # none waits for the one before
    wait_for(page, 40)
    found = list(read_answers(tmp_path / "labels.csv").of("anna").values())
    assert [(each.occurrence[1], each.occurrence[12]) for each in found] == [
        (number % 2, int(number % 3 == 0)) for number in range(40)
    ]
    assert sum(each.seconds for each in found) > 0
    press(page, "z", "z", "Control+z")
    wait_for(page, 37)
    assert (said(page, 1), said(page, 12)) == ("✓ present", "absent")  # as number 37 was coded
    page.reload()
    wait_for(page, 37)
    other = look_at(browser, server.address)
    press(other, "2", "Enter")
    wait_for(other, 38)
    press(page, "Enter")
    wait_for(page, 39)
    keys = list(read_answers(tmp_path / "labels.csv").of("anna"))
    assert len(set(keys)) == 39
    assert page.faults == other.faults == []


def test_every_key_does_what_the_page_says_of_it(browser, serve, tmp_path):
    page = look_at(browser, serve().address)
    press(page, "3", "Shift+C", "v", "1", "x")
    assert (said(page, 12), said(page, 1)) == ("left C", "? unclear")
    press(page, "z")
    assert said(page, 1) == "✓ present"
    press(page, "x", "ArrowDown", "n")
    page.keyboard.type("hand before the mouth, 1 2 3 sz")
    press(page, "Enter", "ArrowRight", "ArrowRight")
    assert "+2 frames" in page.inner_text("#where")
    assert "AU4" in page.inner_text("#look")
    press(page, "Home", " ")
    sync.expect(page.locator("#where")).to_contain_text("not the frame to code")
    press(page, " ", "Enter")
    wait_for(page, 1)
    (answer,) = read_answers(tmp_path / "labels.csv").of("anna").values()
    assert (answer.occurrence, answer.intensity, answer.sides) == ({4: 0, 12: 1}, {12: 3}, {12: "L"})
    assert answer.note == "hand before the mouth, 1 2 3 sz"
    press(page, "i", "2", "b", "Enter")  # in intensity mode letters grade, and absent is 0
    wait_for(page, 2)
    press(page, "s", "Shift+X", "Backspace")
    sync.expect(page.locator("#why")).to_contain_text("answered before")
    press(page, "Backspace", "Backspace")
    sync.expect(page.locator("#au-4 .said")).to_have_text("B")
    press(page, "Escape")
    sync.expect(page.locator("#why")).to_have_text("drawn at random")
    states = [(each.state, each.intensity) for each in read_answers(tmp_path / "labels.csv").of("anna").values()]
    assert states[1:] == [("coded", {1: 0, 4: 2, 12: 0}), ("skipped", {}), ("unusable", {})]
    press(page, "?")
    assert page.is_visible("#keys")
    press(page, "Escape")
    press(page, "m")
    assert not page.is_visible("#au-4 .belief")
    assert page.faults == []


def test_a_mouse_and_the_tab_key_do_all_the_keys_do(browser, serve, tmp_path):
    page = look_at(browser, serve().address)
    page.click("#au-12")
    press(page, "Enter")  # means the face, not the button that was clicked
    wait_for(page, 1)
    page.focus("#au-1")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") in ("solid", "none")
    press(page, "Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineWidth") == "3px"
    press(page, " ")
    assert said(page, 4) == "✓ present"
    page.focus("#save")
    press(page, "Enter")
    wait_for(page, 2)
    found = [each.occurrence for each in read_answers(tmp_path / "labels.csv").of("anna").values()]
    assert found == [{1: 0, 4: 0, 12: 1}, {1: 0, 4: 1, 12: 0}]


def test_names_from_files_are_shown_as_text(browser, serve, tmp_path):
    hostile = '<img src=x onerror="document.title=1">'
    page = look_at(browser, serve(store=build_store(tmp_path / "s", subjects=1, frames=2, prefix=hostile).path).address)
    assert hostile in page.inner_text("#about")
    assert page.query_selector("#about img") is None
    assert page.faults == []


def test_killed_and_begun_again_it_goes_on_and_says_what_was_not_saved(browser, serve, faces_store, tmp_path):
    light = "import sys; sys.modules['torch'] = None; from sparsefacs.cli import main; main()"
    words = [sys.executable, "-c", light, "label", str(faces_store), str(tmp_path / "labels.csv")]
    words += ["--aus", "1,4,12", "--coder", "anna", "--no-browser"]
    with killed_at_the_end(words) as run:
        page = look_at(browser, run.stdout.readline().strip())
        for number in range(3):
            press(page, "1", "Enter")
            wait_for(page, number + 1)
    press(page, "2", "Enter")
    sync.expect(page.locator("#alert")).to_contain_text("Not saved")
    assert said(page, 4) == "✓ present"  # still there
    assert len(read_answers(tmp_path / "labels.csv").of("anna")) == 3
    page = look_at(browser, serve().address)
    wait_for(page, 3)
    press(page, "z", "Enter", "Enter")
    wait_for(page, 4)
    assert page.faults == []
