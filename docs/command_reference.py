"""Sphinx directive `command-reference`: the whole command line, read off the program while the site is built."""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective
from typer.main import get_command

from sparsefacs.cli import app as command_line


def command_text(name: str, command: Any) -> str:
    """Return a command as Markdown: what it does, how it is called, its arguments and options."""
    context = command.context_class(command, info_name=f"sparsefacs {name}")
    usage = [f"sparsefacs {name}"]
    rows = []
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if record is None:
            continue
        spelling, meaning = record
        if parameter.param_type_name == "argument":
            spelling = parameter.name.upper()
            usage.append(f"{spelling}{'…' if parameter.nargs != 1 else ''}" if parameter.required else f"[{spelling}]")
        rows.append(f"| `{spelling}` | {_cell(meaning)} |")
    call = " ".join([*usage, "[OPTIONS]"])
    return "\n".join(
        [f"## {name}", "", _escaped(command.help), "", "```", call, "```", "", "| | |", "|---|---|", *rows, ""]
    )


def _cell(text: str) -> str:
    return " ".join(_escaped(text).replace("|", "\\|").split())


def _escaped(text: str | None) -> str:
    """Return plain text as Markdown that shows it unchanged, but for `code` in backticks."""
    return (text or "").replace("<", "\\<").replace("*", "\\*").replace("[", "\\[")


class CommandReference(SphinxDirective):
    """Puts a section for every command where the directive stands."""

    def run(self) -> list[nodes.Node]:
        """Return the parsed sections."""
        commands = get_command(command_line).commands  # type: ignore[attr-defined]
        text = "\n".join(command_text(name, command) for name, command in commands.items())
        return self.parse_text_to_nodes(text, allow_section_headings=True)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the directive."""
    app.add_directive("command-reference", CommandReference)
    return {"parallel_read_safe": True}
