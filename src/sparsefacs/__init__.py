"""sparsefacs: learn to code facial action units from very few labels."""

__version__ = "0.1.0"

from .api import evaluate, inspect, load, methods, predict, prepare, report, synth, train
from .errors import InputError

__all__ = [
    "InputError",
    "evaluate",
    "inspect",
    "load",
    "methods",
    "predict",
    "prepare",
    "report",
    "synth",
    "train",
]
