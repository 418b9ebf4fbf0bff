"""Packages that only some commands need: which extra brings them, and the one line that says so where they are not."""

from collections.abc import Callable
from functools import wraps
from importlib.util import find_spec
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
                remedy=f"Install them with: pip install 'sparsefacs[{extra}]'",
            )
    return None


def check_installed(module: str) -> None:
    """Raise InputError where a module of an extra is not installed: before work that would be lost for want of it."""
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
