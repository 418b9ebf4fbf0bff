"""The page in a real headless browser, at the width of a phone; skipped where there is no Chromium."""

import json
import re
import shutil
import subprocess

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
QUIET = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
QUIET += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
WIDTHS = (360, 390, 1280)
MEASURE = """<script>addEventListener("load", () => {
  for (const each of document.querySelectorAll("details")) each.open = true;
  const images = [...document.images], words = [...document.querySelectorAll("td, th, p, li, figcaption")];
  const loaded = performance.getEntriesByType("resource").map(entry => entry.name);
  parent.postMessage({
    width: innerWidth,
    scroll: document.documentElement.scrollWidth,
    loaded: loaded.filter(name => !name.startsWith("data:")),
    images: images.length,
    broken: images.filter(image => !image.complete || !image.naturalWidth).length,
    small: words.filter(each => parseFloat(getComputedStyle(each).fontSize) < 12).length,
  }, "*");
})</script></body>"""
# The page runs in frames as wide as a phone, because a headless window may refuse to be that narrow.
WRAPPER = """<!DOCTYPE html><body>{frames}<pre id="out"></pre><script>
  const seen = [];
  addEventListener("message", event => {{
    seen.push(event.data); document.getElementById("out").textContent = JSON.stringify(seen);
  }})</script></body>"""


@pytest.fixture(scope="module")
def seen(page_path, tmp_path_factory):
    """What the browser measured, by width."""
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine")
    folder = tmp_path_factory.mktemp("browser")
    # The page forbids all scripts; the copy that measures itself must drop that rule.
    text = re.sub(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", page_path.read_text(encoding="utf-8"))
    (folder / "page.html").write_text(text.replace("</body>", MEASURE), encoding="utf-8")
    frames = "".join(f'<iframe src="page.html" style="border:0;width:{w}px;height:900px"></iframe>' for w in WIDTHS)
    (folder / "wrapper.html").write_text(WRAPPER.format(frames=frames), encoding="utf-8")
    command = [CHROMIUM, *QUIET, f"--user-data-dir={folder / 'profile'}", "--window-size=1400,1000"]
    command += ["--virtual-time-budget=20000", "--dump-dom", (folder / "wrapper.html").as_uri()]
    shown = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    found = re.search(r'<pre id="out">(\[.*?\])</pre>', shown)
    assert found is not None, shown[-500:]
    return {each["width"]: each for each in json.loads(found[1])}


@pytest.mark.parametrize("width", WIDTHS)
def test_page_never_scrolls_sideways_and_loads_nothing(seen, width):
    page = seen[width]
    assert page["scroll"] <= width
    assert page["loaded"] == []
    assert page["images"] == 18
    assert page["broken"] == 0
    assert page["small"] == 0
