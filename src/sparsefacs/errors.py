"""The one exception that means "the user can mend this"."""

from pathlib import Path


class InputError(ValueError):
    """A problem with what was given: one line that names the file and the remedy; the command line exits 2 on it."""

    def __init__(self, problem: str, *, path: str | Path | None = None, remedy: str = "") -> None:
        self.problem, self.path, self.remedy = problem, path, remedy
        where = f"{path}: " if path is not None else ""
        line = f"{where}{_sentence(problem)}" + (f" {_sentence(remedy)}" if remedy else "")
        super().__init__(" ".join(line.split()))


def _sentence(text: str) -> str:
    text = text.rstrip(".")
    return text if text.endswith("?") else f"{text}."
