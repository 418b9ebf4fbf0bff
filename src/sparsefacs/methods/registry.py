"""The methods by name: adding one is a row here, a file beside it, a recipe, and a row of tests."""

import difflib
from importlib import import_module

from ..errors import InputError
from .contract import Method

_WHERE = {
    "supervised": ("supervised", "Supervised"),
    "adversarial": ("adversarial", "Adversarial"),
}


def method_names() -> tuple[str, ...]:
    """Return the names of all methods."""
    return tuple(_WHERE)


def method_class(name: str) -> type[Method]:
    """Return the method called `name`; raises InputError with the nearest name when there is none."""
    if name not in _WHERE:
        near = difflib.get_close_matches(name, _WHERE, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"Methods: {', '.join(_WHERE)}"
        raise InputError(f"there is no method called {name!r}", remedy=hint)
    module, attribute = _WHERE[name]
    found: type[Method] = getattr(import_module(f".{module}", __package__), attribute)
    return found
