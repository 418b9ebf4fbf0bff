"""The evidence under a training's networks: learned before the first step from the labels that may be seen."""

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError
from ..evidence.fitting import FitSettings, fit_linear, meanings_of, pixel_gain, usual_gain
from ..evidence.linear import LinearEvidence, evidence_logits
from ..evidence.vectors import VECTOR_WIDTH
from ..methods.coder import CoderMethod
from ..methods.coder_settings import SIDED
from ..methods.contract import Method, Setting
from ..networks.evidence import EvidenceHead
from ..networks.instant import InstantNetwork, TorchPixels
from .beneath import lay_beneath
from .config import RunConfig
from .instant import with_pixels
from .labels import learned, targets_of
from .sides import part_sides, with_sides

if TYPE_CHECKING:
    from .training_set import TrainingSet


def learn_evidence(method: Method, data: "TrainingSet", config: RunConfig) -> None:
    """Give every evidence head of `method` its weights; the training people's faces and visible labels alone count.

    The same on every process, whatever the number of threads.
    """
    heads = [module for module in method.modules() if isinstance(module, EvidenceHead)]
    if not heads:
        return
    network: Any = method.predictor()
    if isinstance(method, CoderMethod):
        network.evidence.take(_as_pixels_say(network, len(config.aus)))
        return
    person, begin = heads[0].person, None
    table = data.coder.table(person=person)
    if config.network.beneath:
        table, begin = lay_beneath(method, data, config)
    weights = learned(table, data.labelled, data, config, person, begin)
    for head in heads:
        head.take(weights)


def weigh_pixels(network: Any, data: "TrainingSet", config: RunConfig) -> None:
    """Find how much a trained network's pixels count beside its evidence, and let evidence learn from all labels.

    A network knows by heart the few faces whose labels it saw: its pixels then speak loudly and know little. What they
    are worth shows on the people set aside to choose the epoch, whom neither pixels nor evidence have learned from: the
    factor of the pixels' logits under which their labels are likeliest. Where nobody is set aside it is that of
    `evidence.fitting.usual_gain`. Then evidence learns from the labels of those people too.
    """
    head = getattr(network, "evidence", None)
    if isinstance(network, InstantNetwork) and network.further:
        part_sides(network, data, config)
        _trust_pixels(network, data, config)
    if head is None or isinstance(network, InstantNetwork):
        return
    table, beside, begin = data.coder.table(person=head.person), data.validation, None
    if config.network.beneath:
        assert data.coder.kept is not None
        table, begin = data.coder.kept, data.coder.begin
    usual = usual_gain(len(data.labelled))
    if len(beside):
        muted = deepcopy(network)
        muted.evidence.take(LinearEvidence.blank(head.width, len(config.aus)))
        setting = Setting(config.task, config.aus, config.network)
        coded = data.coder.code(muted, setting, beside) / (5 if config.task == "intensity" else 1)
        held = {name: getattr(head, name).cpu().numpy() for name in LinearEvidence.blank(1, 1).arrays()}
        known = evidence_logits(table.of(beside), LinearEvidence(**held), np)
        usual = pixel_gain(coded, known, targets_of(data, config)[beside], usual)
    head.gain.fill_(usual)
    head.take(learned(table, np.concatenate([data.labelled, beside]), data, config, head.person, begin))


def _as_pixels_say(network: InstantNetwork, aus: int) -> LinearEvidence:
    """Return weights under which a coder's answers are those of its pixels, while these learn."""
    weights = LinearEvidence.blank(network.evidence.width, aus + network.further).arrays()
    for a in range(aus):
        for name in ("face_EA", "own_EA"):
            weights[name][VECTOR_WIDTH + a, a] = 1.0
    return LinearEvidence(**weights)


def _trust_pixels(network: InstantNetwork, data: "TrainingSet", config: RunConfig) -> None:
    """Fit a coder's linear models on people set aside, whom its pixels have not learned from: on everyone if there are
    none. They tell occurrence, intensity, and intensity of each side (`methods.coder`).
    """
    rows = data.validation if len(data.validation) else data.labelled
    head = network.evidence
    assert network.pixels is not None
    pixels = TorchPixels(network.pixels.eval(), config.network)
    table = with_pixels(pixels, data.coder.table(person=head.person), data.coder.face, rows)
    data.coder.keep(table)
    chosen: Any = config.method_config()
    settings = FitSettings(person=head.person, c=chosen.c, alike=False)
    sides = data.sides(config.aus)[rows] / 5
    if not np.isfinite(sides).any():
        raise InputError(
            "no store tells intensity on the left and right, which a coder learns",
            path=data.stores[0].path,
            remedy="Add a store of `sparsefacs synth --appearance wild`",
        )
    targets = np.concatenate([data.occurrence[rows], np.max(sides, axis=1)], axis=1)
    directions = np.zeros((targets.shape[1], head.width))
    count = len(config.aus)
    for a, au in enumerate(config.aus):
        for place in (a, count + a):
            directions[place, :VECTOR_WIDTH] = meanings_of((au,))[0]
    fitted = fit_linear(table.of(rows), targets, table.of(rows), directions, settings)
    sided = [a for a, au in enumerate(config.aus) if au in SIDED]
    head.take(with_sides(fitted, table.of(rows), sides, sided))
