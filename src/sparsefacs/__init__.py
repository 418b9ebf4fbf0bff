"""sparsefacs: learn to code facial action units from very few labels."""

from .api import (
    evaluate,
    inspect,
    load,
    methods,
    predict,
    prepare,
    pretrain,
    protocol,
    report,
    synth,
    synth_tree,
    train,
)
from .errors import InputError
from .version import VERSION

__version__ = VERSION

__all__ = [
    "InputError",
    "evaluate",
    "inspect",
    "load",
    "methods",
    "predict",
    "prepare",
    "pretrain",
    "protocol",
    "report",
    "synth",
    "synth_tree",
    "train",
]
