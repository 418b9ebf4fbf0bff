"""The methods by name: adding one is a row here, a file beside it, a recipe, and a row of tests.

A pre-training is called `pretrain/NAME` here and where recipes lie; a name may stand for both.
"""

import difflib
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..errors import InputError
from .settings import Described, Learner

if TYPE_CHECKING:
    from .contract import Pretraining

PRETRAIN = "pretrain/"
_WHERE = {
    "instant": ("instant", "Instant"),
    "coder": ("coder", "CoderMethod"),
    "constant": ("constant", "Constant"),
    "supervised": ("supervised", "Supervised"),
    "adversarial": ("adversarial", "Adversarial"),
    "kdsrl": ("kdsrl", "KDSRL"),
    "wsrtl": ("wsrtl", "WSRTL"),
    "knowledge-spreader": ("knowledge_spreader", "KnowledgeSpreader"),
    "pseudo-label": ("comparisons", "PseudoLabel"),
    "fixmatch": ("comparisons", "FixMatch"),
    "mixmatch": ("comparisons", "MixMatch"),
    "mean-teacher": ("comparisons", "MeanTeacher"),
    "cutmix": ("comparisons", "CutMix"),
    "tcl": ("tcl", "TCL"),
    "rotation": ("comparisons", "Rotation"),
    "exemplar": ("comparisons", "Exemplar"),
    "jigsaw": ("comparisons", "Jigsaw"),
    "distil": ("distil", "Distil"),
    "mae-face": ("mae_face", "MAEFace"),
    "pretrain/kdsrl": ("kdsrl_pretraining", "KDSRLPretraining"),
    "pretrain/simclr": ("simclr", "SimCLR"),
    "pretrain/moco": ("moco", "MoCo"),
    "pretrain/mae-face": ("mae_pretraining", "MAEPretraining"),
}


def method_names() -> tuple[str, ...]:
    """Return the names of all methods that learn AUs."""
    return tuple(name for name in _WHERE if not name.startswith(PRETRAIN))


def pretraining_names() -> tuple[str, ...]:
    """Return the names of all pre-trainings, without the prefix."""
    return tuple(name.removeprefix(PRETRAIN) for name in _WHERE if name.startswith(PRETRAIN))


def algorithm_class(name: str) -> type[Described]:
    """Return the method or (`pretrain/…`) pre-training called `name`; raises InputError naming the nearest."""
    if name not in _WHERE:
        ahead = name.startswith(PRETRAIN)
        names = pretraining_names() if ahead else method_names()
        given = name.removeprefix(PRETRAIN)
        near = difflib.get_close_matches(given, names, n=1)
        hint = f"Did you mean {near[0]}?" if near else f"There are: {', '.join(names)}"
        if not near and given in (*method_names(), *pretraining_names()):
            hint = f"It is for sparsefacs {'train' if ahead else 'pretrain'}"
        raise InputError(f"there is no {'pre-training' if ahead else 'method'} called {given!r}", remedy=hint)
    module, attribute = _WHERE[name]
    found: Any = getattr(import_module(f".{module}", __package__), attribute)
    kind: type[Described] = found
    return kind


def method_class(name: str) -> type[Learner]:
    """Return the method called `name`; raises InputError with the nearest name when there is none."""
    found: Any = algorithm_class(name)
    if name.startswith(PRETRAIN):
        raise InputError(f"{name} learns no AUs", remedy=f"Methods: {', '.join(method_names())}")
    kind: type[Learner] = found
    return kind


def pretraining_class(name: str) -> "type[Pretraining]":
    """Return the pre-training called `name`, prefix or not; raises InputError with the nearest name."""
    found: Any = algorithm_class(PRETRAIN + name.removeprefix(PRETRAIN))
    kind: type[Pretraining] = found
    return kind
