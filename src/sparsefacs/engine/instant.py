"""Training what is learned at once (`methods.instant`): no step, no torch, the same run folder as any training.

Linear models learn from the visible labels of the training people: on their evidence alone, from a coder on what its
pixels say too (onnxruntime runs them), or on features of a pre-training, for which alone torch is needed.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.evidence import EvidenceTable
from ..data.joined import AnyStore
from ..errors import InputError
from ..evidence.linear import LinearEvidence
from ..evidence.vectors import VECTOR_WIDTH, meaning_of
from ..faces.alignment import FaceRecipe
from ..methods.settings import Setting
from ..metrics.limits import HALF, described_limits
from ..metrics.scores import mean_score
from ..networks.config import start_folder
from ..networks.light import LightNetwork, codes_of
from ..networks.pixels import PixelModel, said_of
from ..protocols.folds import Fold, Protocol
from .base_rates import limits_by_rule
from .config import RunConfig
from .labels import learned, spread, targets_of
from .light import DescribedLight, Light, describe_light
from .lineage import lineage
from .plan import describe, keep_labels, print_start
from .processes import first_process
from .run import CsvLog, RunFolder
from .selection import MAIN_METRIC, best_threshold
from .training_set import TrainingSet, training_set, with_aus

_MOST_SEEN = 4_000  # faces on which is seen how active people are

F32 = NDArray[np.float32]
Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Learned:
    """What was learned at once: the network, the evidence of the rows that it may look at, and more for its file.

    brought_A: limits of the coder whose weights were begun from, NaN of AUs that it does not know; None where it was
    none.
    """

    network: LightNetwork
    table: EvidenceTable
    brought_A: NDArray[Any] | None = None  # noqa: N815 -- a shape suffix
    further: dict[str, NDArray[Any]] = field(default_factory=dict)

    def codes(self, rows: Rows, config: RunConfig) -> F32:
        """Return the codes (B, A) of rows."""
        logits = self.network.logits(self.table.vectors_ME[rows], self.table.reference(rows))
        return codes_of(logits, config.task, len(config.aus))


def train_at_once(
    config: RunConfig,
    store: AnyStore,
    out: Path,
    protocol: Protocol,
    fold: Fold,
    labels: str,
    unlabelled: AnyStore | None = None,
    resume: bool = False,
) -> RunFolder:
    """Train one fold into the run folder `out`; arguments and errors as of `trainer.train_fold`."""
    run, started = RunFolder(out), time.monotonic()
    training = config.training.model_copy(update={"precision": "32"})
    asked = with_aus(config.model_copy(update={"training": training}), protocol, store)
    data = training_set(store, unlabelled, fold, labels, asked)
    config = asked if config.aus else _without_silent(data, asked, store)
    if config.aus != asked.aus:
        data = training_set(store, unlabelled, fold, labels, config)
    plan = describe(store, unlabelled, protocol, data)
    # what does not fit together is told before there is a run folder, which would be in the way of the next attempt
    found = None if resume and run.model.exists() else learn_at_once(data, config)
    if not first_process():
        return run
    try:
        run.begin(config.as_json(), plan, resume, first=lambda: keep_labels(data, run))
        print_start(config, store, data, plan)
        if found is not None:
            _write(run, found, data, config, started)
    finally:
        run.release()
    return run


def learn_at_once(data: TrainingSet, config: RunConfig) -> Learned:
    """Return what the training people's faces and their visible labels teach; nobody else's count.

    The same to the last digit each time. Raises InputError for what does not fit together.
    """
    settings: Any = config.method_config()
    if settings.said and settings.features:
        raise InputError(
            "a coder and features of a pre-training are two beginnings",
            remedy="Leave method.said or method.features at 0",
        )
    coder = _coder(data, config, settings.said).load() if settings.said else None
    begin = None if coder is None else begun(coder, config)
    _check(data, config, begin, looks=bool(settings.said or settings.features))
    person = config.network.evidence == "person"
    table, pixels = data.coder.table(person=person), None
    further: dict[str, NDArray[Any]] = {}
    free = np.concatenate([data.labelled, data.unlabelled])
    if coder is not None:
        pixels = coder.network.pixels
        assert pixels is not None
        table = with_pixels(pixels, table, data.coder.face, np.concatenate([free, data.selection]))
    elif settings.features:
        from .trunk_features import with_features  # the one part that needs torch

        table, further = with_features(table, data, config, free)
    weights = learned(table, data.labelled, data, config, person, begin)
    network = LightNetwork(weights, len(config.aus), person=person, pixels=pixels)
    if coder is None or begin is None:
        return Learned(network, table, None, further)
    begun_A = np.any(begin.face_EA != 0, axis=0)
    if person:
        rows = spread(np.unique(free), _MOST_SEEN)
        network = network.adapted(config.task, table, rows, begun_A, len(data.labelled))
    return Learned(network, table.settled(network.settle(config.task)), _brought(coder, begun_A, config), further)


def with_pixels(
    pixels: PixelModel, table: EvidenceTable, face: Callable[[int], tuple[NDArray[np.uint8], F32]], rows: Rows
) -> EvidenceTable:
    """Return the evidence with what pixels say behind it, known for `rows` and, where compared, their people's faces.

    face: row → its face (H, W, 3) and landmarks.
    """

    def encode(wanted: Rows) -> F32:
        said = list(said_of(pixels, lambda row: face(row)[0], wanted))
        return np.concatenate([table.vectors_ME[wanted], np.concatenate(said)], axis=1)

    return table.further(rows, VECTOR_WIDTH + pixels.said, encode)


def _write(run: RunFolder, found: Learned, data: TrainingSet, config: RunConfig, started: float) -> None:
    """Write the log and the model, with its limits."""
    told: dict[str, float | int] = {"step": 1, "epoch": 1, "seconds": round(time.monotonic() - started, 3), "images": 0}
    chosen = None
    if len(data.selection):
        coded_MA, metric = found.codes(data.selection, config), MAIN_METRIC[config.task]
        told[f"selection_{metric}"] = mean_score(config.task, data.selection_truth, coded_MA, HALF)[metric]
        if config.selection.threshold == "chosen":
            chosen = best_threshold(data.selection_truth, coded_MA)
    log = CsvLog(run.log)
    log.cut(0)
    log.add(told)
    log.write()
    setting, rule = Setting(config.task, config.aus, config.network), config.selection.threshold
    run.write_model(
        setting,
        data.stores[0].info.recipe,
        config.name,
        found.network.arrays() | found.further,
        limits=limits_by_rule(setting, data, chosen, rule, lambda rows: found.codes(rows, config), found.brought_A),
        step=1,
        settings=config.method,
        lineage=lineage(data.stores, config),
    )


def _coder(data: TrainingSet, config: RunConfig, said: int) -> DescribedLight:
    """Return the coder that the training starts from, as it is told; raises InputError where it is none, or of another
    network.
    """
    given, folder = config.network.init, start_folder(config.network.init)
    if folder is None:
        remedy = (
            "Add --recipe evidence" if given == "none" else "Give --init coder, or a run of `sparsefacs train coder`"
        )
        raise InputError(f"instant begins from a coder, which --init {given} is not", remedy=remedy)
    run = RunFolder(folder)
    if run.encoder.is_file():
        raise InputError("is a pre-training, not a coder", path=folder, remedy="Add --recipe features")
    coder = describe_light(run)
    if coder is None or not coder.said or not coder.further:
        raise InputError("is no coder", path=folder, remedy="Give --init coder, or a run of `sparsefacs train coder`")
    its = coder.described.setting.network
    alike = config.network.model_copy(update={"init": "none", "evidence": its.evidence})
    if alike != its or said != coder.said:
        raise InputError(
            "its pixels are of another network", path=folder, remedy="Leave network.* and method.said as the recipe has"
        )
    ours = FaceRecipe(**data.stores[0].info.recipe)
    cut = FaceRecipe(**coder.described.content["recipe"])
    if replace(ours, size=cut.size, quality=cut.quality) != cut:
        raise InputError(
            "learned on faces that were cut and found otherwise than the store's",
            path=folder,
            remedy="Prepare the store without --landmarks delivered, or add --recipe evidence",
        )
    return coder


def begun(coder: Light, config: RunConfig) -> LinearEvidence:
    """Return a coder's weights for the AUs and task; AUs that it does not know start from nothing."""
    known = coder.described.setting.aus
    offset = 0 if config.task == "occurrence" else len(known)
    return coder.network.evidence.of_answers([offset + known.index(au) if au in known else None for au in config.aus])


def _brought(coder: Light, begun_A: NDArray[np.bool_], config: RunConfig) -> NDArray[Any]:
    """Return the coder's limits of the AUs (A,), NaN of those that it does not know."""
    its = dict(zip(coder.described.setting.aus, described_limits(coder.described.content), strict=True))
    return np.where(begun_A, [its.get(au, np.nan) for au in config.aus], np.nan)


def _check(data: TrainingSet, config: RunConfig, begin: LinearEvidence | None, *, looks: bool) -> None:
    """Raise InputError where there is nothing to look at, or features of nothing; looks: at more than evidence."""
    if config.network.evidence == "pixels":
        raise InputError(
            "instant sees no pixels of its own",
            remedy="Set network.evidence=person, or geometry to leave the person out",
        )
    if (config.network.init != "none") != looks:
        raise InputError(
            "features of a pre-training are asked for without one, or the other way round",
            remedy="Give both --init RUN and --recipe features, or --recipe evidence without --init",
        )
    begun_A = np.zeros(len(config.aus), bool) if begin is None else np.any(begin.face_EA != 0, axis=0)
    if silent := _silent(data, config, begun_A):
        told = [au for au in config.aus if au not in silent]
        raise InputError(
            f"nothing tells AU{', AU'.join(map(str, silent))}: no label may be seen, and no blendshape means it",
            remedy=f"Add --aus {','.join(map(str, told))}" if told else "Use more labels",
        )


def _silent(data: TrainingSet, config: RunConfig, begun_A: NDArray[np.bool_]) -> list[int]:
    """Return the AUs that nothing tells: no visible label, no coder, no blendshape; begun_A: whether a coder does."""
    known_A = np.any(targets_of(data, config)[data.labelled] >= 0, axis=0) | begun_A
    told = zip(config.aus, known_A.tolist(), strict=True)
    return [au for au, known in told if not known and not meaning_of(au).any()]


def _without_silent(data: TrainingSet, config: RunConfig, store: AnyStore) -> RunConfig:
    """Return the configuration without the AUs that nothing tells in any fold, and say which; all where none is left.

    Where labels are learned from, an AU that anybody in the store carries a label of is left in: that a fold may not
    see it is no reason to leave it out of that fold alone.
    """
    settings: Any = config.method_config()
    silent = _silent(data, config, np.zeros(len(config.aus), bool))
    if silent and settings.said:  # a coder can only tell more
        its = _coder(data, config, settings.said).described.setting.aus
        silent = _silent(data, config, np.isin(config.aus, its))
    if not silent:
        return config
    known = store.occurrence() if config.task == "occurrence" else store.intensity()
    labelled = {au for au, labels in zip(store.aus, known.T, strict=True) if (labels >= 0).any()}
    silent = [au for au in silent if au not in labelled or not len(data.labelled)]
    if len(silent) in (0, len(config.aus)):
        return config
    named = ", ".join(f"AU{au}" for au in silent)
    print(f"note: {named} left out: no label of them may be seen, and nothing else tells them", file=sys.stderr)
    return config.model_copy(update={"aus": tuple(au for au in config.aus if au not in silent)})
