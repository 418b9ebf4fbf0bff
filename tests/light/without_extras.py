"""Gives the command line several commands in one process in which nothing can be imported that an extra brings.

Argument: the commands, in JSON; printed: of each its exit code, stdout and stderr, in JSON.
"""

import io
import json
import sys
from collections.abc import Sequence
from contextlib import redirect_stderr, redirect_stdout
from importlib.abc import MetaPathFinder

from sparsefacs import cli
from sparsefacs.extras import EXTRAS

TOO = ("datasets", "huggingface_hub", "skimage", "statsmodels")  # what the tests alone have


class NotInstalled(MetaPathFinder):
    """Finds nothing of these packages, as if they were not installed."""

    def find_spec(self, name: str, path: Sequence[str] | None, target: object = None) -> None:
        if name.partition(".")[0] in {*TOO, *(module for modules in EXTRAS.values() for module in modules)}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


def answer(words: list[str]) -> tuple[object, str, str]:
    sys.argv = ["sparsefacs", *words]
    with redirect_stdout(io.StringIO()) as out, redirect_stderr(io.StringIO()) as err:
        try:
            cli.main()
            code: object = 0
        except SystemExit as stopped:
            code = stopped.code
    return code, out.getvalue(), err.getvalue()


if __name__ == "__main__":
    sys.meta_path.insert(0, NotInstalled())
    answers = [answer(words) for words in json.loads(sys.argv[1])]
    print(json.dumps(answers))
