"""Packages that only some commands need: which extra brings them, and the one line that says so where they are not."""

import sys
from collections.abc import Callable
from functools import wraps
from importlib.util import find_spec
from pathlib import Path
from typing import ParamSpec, TypeVar

from .errors import InputError

Given = ParamSpec("Given")
Made = TypeVar("Made")
EXTRAS = {
    "plots": ("matplotlib",),
    "train": (
        *("torch", "torchvision", "timm", "lightning_fabric", "tensorboard", "onnx", "onnxscript"),
        *("anny", "numba", "scipy", "sklearn", "h5py", "matplotlib"),
    ),
    "dask": ("dask", "distributed"),
}
"""Extra → the modules of its packages; of two that bring a module the smaller first, which is the one to name."""


def missing_extra(error: ImportError) -> InputError | None:
    """Return what to tell of a module that is not installed; None where no extra has it."""
    module = (error.name or "").partition(".")[0]
    for extra, modules in EXTRAS.items():
        if module in modules:
            return InputError(
                f"this needs packages of the extra {extra!r}, and {module} is not installed",
                remedy=f"In the program's folder, install them with `{install_command(extra)}`",
            )
    return None


def install_command(extra: str) -> str:
    """Return what adds an extra to the environment that this process has, which `pip` may not reach.

    uv and pipx make theirs as they are told now, so that what is there already is named too.
    """
    made_by = {"uv-receipt.toml": "uv tool install", "pipx_metadata.json": "pipx install --force"}
    for mark, command in made_by.items():
        if Path(sys.prefix, mark).is_file():
            there = [name for name, modules in EXTRAS.items() if name != extra and all(map(find_spec, modules))]
            return f'{command} ".[{",".join([*there, extra])}]"'
    return f'pip install ".[{extra}]"'  # double quotes, since cmd.exe passes single ones on


def check_installed(*modules: str) -> None:
    """Raise InputError where a module of an extra is not installed: before work that would be lost for want of it."""
    for module in modules:
        if find_spec(module) is None and (problem := missing_extra(ModuleNotFoundError(name=module))):
            raise problem


def needs_extra(function: Callable[Given, Made]) -> Callable[Given, Made]:
    """Make a function that needs an extra, or may need it, raise InputError where that is not installed."""

    @wraps(function)
    def told(*given: Given.args, **named: Given.kwargs) -> Made:
        try:
            return function(*given, **named)
        except ModuleNotFoundError as error:
            if (problem := missing_extra(error)) is None:
                raise
            raise problem from error

    return told
