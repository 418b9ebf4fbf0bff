"""sparsefacs: learn to code facial action units from very few labels."""

from .api import (
    evaluate,
    export,
    flow,
    inspect,
    load,
    methods,
    predict,
    prepare,
    protocol,
    report,
    synth,
    synth_tree,
    train,
)
from .errors import InputError
from .experiments import reproduce
from .observation import agreement, summary, write_events
from .representation import features, pictures, pretrain, probe
from .version import VERSION

__version__ = VERSION

__all__ = [
    "InputError",
    "agreement",
    "evaluate",
    "export",
    "features",
    "flow",
    "inspect",
    "load",
    "methods",
    "pictures",
    "predict",
    "prepare",
    "pretrain",
    "probe",
    "protocol",
    "report",
    "reproduce",
    "summary",
    "synth",
    "synth_tree",
    "train",
    "write_events",
]
