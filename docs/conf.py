"""How the pages of this folder become a site: `make docs`. Nothing on it is asked of another host."""

import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))  # for command_reference.py

project = "sparsefacs"
author = "the sparsefacs authors"
copyright = "the sparsefacs authors, MIT licence"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode", "command_reference"]
exclude_patterns = ["results"]  # small files of numbers, of which results.md is made
smartquotes = False  # options begin with two hyphens

html_theme = "furo"
html_title = "sparsefacs"
html_copy_source = False
html_show_sourcelink = False
html_static_path = ["static"]
html_css_files = ["site.css"]
highlight_language = "text"

myst_heading_anchors = 3
myst_links_external_new_tab = False

autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
maximum_signature_line_length = 90
python_use_unqualified_type_names = True


def plain_docstring(app: Any, what: str, name: str, thing: Any, options: Any, lines: list[str]) -> None:
    """Let docstrings, which are plain text with `code` in backticks, be shown as they are."""
    for number, line in enumerate(lines):
        parts = re.split(r"`([^`]+)`", line)
        parts[::2] = [re.sub(r"([*_|`\\\\])", r"\\\1", part) for part in parts[::2]]
        parts[1::2] = [f"``{part}``\\ " for part in parts[1::2]]
        lines[number] = "".join(parts)


def setup(app: Any) -> None:
    """Connect what is done here to the build."""
    app.connect("autodoc-process-docstring", plain_docstring)
