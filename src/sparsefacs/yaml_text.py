"""YAML texts, of which the same is often read again: a recipe by each training, a configuration by all that ask it."""

from copy import deepcopy
from functools import lru_cache
from typing import Any

import yaml


def content_of(text: str) -> Any:
    """Return what a YAML text says, as `yaml.safe_load` does and with its errors; the caller may change it."""
    return deepcopy(_content(text))


@lru_cache(maxsize=256)
def _content(text: str) -> Any:
    # PyYAML in Python takes longer for a recipe than small trainings take for a step; in C it dies of deep nesting.
    return yaml.safe_load(text)
