"""sparsefacs: learn to code facial action units from very few labels."""

from . import api, experiments, representation
from .api import flow, gather, inspect, protocol, report
from .errors import InputError
from .extras import needs_extra
from .observation import agreement, summary, write_events
from .version import VERSION

__version__ = VERSION

# what trains, meets networks that were trained, or reads MATLAB's files
evaluate = needs_extra(api.evaluate)
export = needs_extra(api.export)
features = needs_extra(representation.features)
load = needs_extra(api.load)
methods = needs_extra(api.methods)
pictures = needs_extra(representation.pictures)
predict = needs_extra(api.predict)
prepare = needs_extra(api.prepare)
pretrain = needs_extra(representation.pretrain)
probe = needs_extra(representation.probe)
reproduce = needs_extra(experiments.reproduce)
synth = needs_extra(api.synth)
synth_tree = needs_extra(api.synth_tree)
train = needs_extra(api.train)

__all__ = [
    "InputError",
    "agreement",
    "evaluate",
    "export",
    "features",
    "flow",
    "gather",
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
