"""The evidence under a training's networks: learned before the first step from the labels that may be seen."""

from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from ..data.evidence import EvidenceTable
from ..errors import InputError
from ..evidence.fitting import FitSettings, fit_linear, meanings_of, pixel_gain, usual_gain
from ..evidence.linear import LinearEvidence, evidence_logits
from ..evidence.vectors import VECTOR_WIDTH, meaning_of
from ..faces.alignment import FaceRecipe
from ..methods.coder import SIDED, CoderMethod
from ..methods.contract import Method, Setting
from ..networks.answers import frame_features, network_input
from ..networks.backbone import start_folder
from ..networks.evidence import EvidenceHead
from ..networks.instant import InstantNetwork
from .config import RunConfig
from .run import RunFolder
from .sides import part_sides, with_sides
from .trained import load_trained

if TYPE_CHECKING:
    from .training_set import TrainingSet

_MOST_FREE = 20_000  # faces that say what evidence is measured in
_MOST_SEEN = 4_000  # faces whose features the components are of
_AT_ONCE = 64


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
    begin = None
    if isinstance(network, InstantNetwork):
        begin = _begin(network, data, config)
        _check_instant(network, data, config, begin)
    table = data.coder.table(person=heads[0].person)
    if isinstance(network, InstantNetwork) and network.evidence.width > VECTOR_WIDTH:
        free = np.concatenate([data.labelled, data.unlabelled])
        if network.trunk is not None:
            table = _with_features(network, table, data, config, free)
        if network.pixels is not None:
            table = _with_pixels(network, table, data, config, free)
        data.coder.keep(table)
    weights = _learned(table, data.labelled, data, config, heads[0].person, begin)
    if begin is not None:
        network.expected_A.copy_(torch.from_numpy(_expected(begin, table, data)))
    for head in heads:
        head.take(weights)


def _check_instant(
    network: InstantNetwork, data: "TrainingSet", config: RunConfig, begin: LinearEvidence | None
) -> None:
    """Raise InputError where a network of evidence alone has none to look at, or features of nothing."""
    if config.network.evidence == "pixels":
        raise InputError(
            "instant sees no pixels of its own",
            remedy="Set network.evidence=person, or geometry to leave the person out",
        )
    looks = network.trunk is not None or network.pixels is not None
    if (config.network.init != "none") != looks:
        raise InputError(
            "features of a pre-training are asked for without one, or the other way round",
            remedy="Give both --init RUN and --recipe features, or --recipe evidence without --init",
        )
    known_A = np.any(_targets(data, config)[data.labelled] >= 0, axis=0).tolist()
    if begin is not None:
        known_A = (np.array(known_A) | np.any(begin.face_EA != 0, axis=0)).tolist()
    silent = [au for au, known in zip(config.aus, known_A, strict=True) if not known and not meaning_of(au).any()]
    if silent:
        told = [au for au in config.aus if au not in silent]
        raise InputError(
            f"nothing tells AU{', AU'.join(map(str, silent))}: no label may be seen, and no blendshape means it",
            remedy=f"Add --aus {','.join(map(str, told))}" if told else "Use more labels",
        )


def _learned(
    table: EvidenceTable,
    labelled: NDArray[np.int64],
    data: "TrainingSet",
    config: RunConfig,
    person: bool,
    begin: LinearEvidence | None = None,
) -> LinearEvidence:
    """Return what the visible labels of rows `labelled` teach; begin: weights to start from."""
    chosen: Any = config.method_config()
    settings = FitSettings(
        person=person,
        blendshapes=getattr(chosen, "blendshapes", True),
        c=getattr(chosen, "c", FitSettings().c),
        c_begun=getattr(chosen, "c_begun", FitSettings().c_begun),
    )
    free = _spread(np.unique(np.concatenate([labelled, data.labelled, data.unlabelled])), _MOST_FREE)
    targets = _targets(data, config)[labelled]
    return fit_linear(table.of(labelled), targets, table.of(free), meanings_of(config.aus), settings, begin)


def _targets(data: "TrainingSet", config: RunConfig) -> NDArray[np.float64]:
    """Return the visible labels (M, A) as shares: 0–1, NaN or negative where there is none."""
    return np.asarray(data.intensity / 5 if config.task == "intensity" else data.occurrence, np.float64)


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
    table, beside = data.coder.table(person=head.person), data.validation
    usual = usual_gain(len(data.labelled))
    if len(beside):
        muted = deepcopy(network)
        muted.evidence.take(LinearEvidence.blank(head.width, len(config.aus)))
        setting = Setting(config.task, config.aus, config.network)
        coded = data.coder.code(muted, setting, beside) / (5 if config.task == "intensity" else 1)
        held = {name: getattr(head, name).cpu().numpy() for name in LinearEvidence.blank(1, 1).arrays()}
        known = evidence_logits(table.of(beside), LinearEvidence(**held), np)
        usual = pixel_gain(coded, known, _targets(data, config)[beside], usual)
    head.gain.fill_(usual)
    head.take(_learned(table, np.concatenate([data.labelled, beside]), data, config, head.person))


def _spread(rows: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Return at most `most` of `rows`, evenly spread."""
    return rows[np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(np.int64)]


def _check_cut(recipe: FaceRecipe, data: "TrainingSet", folder: Path) -> None:
    """Raise InputError where faces are cut otherwise than those a coder learned on, their size apart."""
    ours = FaceRecipe(**data.stores[0].info.recipe)
    if replace(ours, size=recipe.size, quality=recipe.quality) != recipe:
        raise InputError(
            "learned on faces that were cut and found otherwise than the store's",
            path=folder,
            remedy="Prepare the store without --landmarks delivered, or add --recipe evidence",
        )


def _begin(network: InstantNetwork, data: "TrainingSet", config: RunConfig) -> LinearEvidence | None:
    """Give `network` the pixels of the coder it starts from, and return that coder's weights for the AUs and task.

    AUs that the coder does not know start from nothing. None where it starts from no coder.
    """
    if network.pixels is None:
        return None
    folder = start_folder(config.network.init)
    if folder is None:
        given = config.network.init
        remedy = (
            "Add --recipe evidence" if given == "none" else "Give --init coder, or a run of `sparsefacs train coder`"
        )
        raise InputError(f"instant begins from a coder, which --init {given} is not", remedy=remedy)
    run = RunFolder(folder)
    if run.encoder.is_file():
        raise InputError("is a pre-training, not a coder", path=folder, remedy="Add --recipe features")
    coder = load_trained(run)
    its: Any = coder.network
    if not isinstance(its, InstantNetwork) or its.pixels is None or not its.further:
        raise InputError("is no coder", path=folder, remedy="Give --init coder, or a run of `sparsefacs train coder`")
    alike = config.network.model_copy(update={"init": "none", "evidence": coder.setting.network.evidence})
    if alike != coder.setting.network or len(network.evidence.mean_E) != len(its.evidence.mean_E):
        raise InputError(
            "its pixels are of another network", path=folder, remedy="Leave network.* and method.said as the recipe has"
        )
    _check_cut(FaceRecipe(**coder.description["recipe"]), data, folder)
    network.pixels.load_state_dict(its.pixels.state_dict())
    offset = 0 if config.task == "occurrence" else len(coder.setting.aus)
    blank = LinearEvidence.blank(network.evidence.width, len(config.aus)).arrays()
    for name in ("mean_E", "scale_E", "changed_E"):
        blank[name] = getattr(its.evidence, name).numpy()
    for a, au in enumerate(config.aus):
        if au in coder.setting.aus:
            place = offset + coder.setting.aus.index(au)
            for name in ("face_EA", "face_A", "own_EA", "change_EA", "person_A"):
                blank[name][..., a] = getattr(its.evidence, name)[..., place].numpy()
    return LinearEvidence(**blank)


def _expected(begin: LinearEvidence, table: EvidenceTable, data: "TrainingSet") -> NDArray[np.float32]:
    """Return how often a coder finds each AU on the training people's faces (A,), NaN of AUs that it does not know."""
    rows = _spread(np.unique(np.concatenate([data.labelled, data.unlabelled])), _MOST_SEEN)
    rates_A = (1 / (1 + np.exp(-evidence_logits(table.of(rows), begin, np)))).mean(axis=0)
    return np.where(np.any(begin.face_EA != 0, axis=0), rates_A, np.nan).astype(np.float32)


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
    table = _with_pixels(network, data.coder.table(person=head.person), data, config, rows)
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


def _with_pixels(
    network: InstantNetwork, table: EvidenceTable, data: "TrainingSet", config: RunConfig, rows: NDArray[np.int64]
) -> EvidenceTable:
    """Return the evidence with what the coder's pixels say behind it, known for `rows` and their people's faces."""
    network.eval()

    def encode(wanted: NDArray[np.int64]) -> NDArray[np.float32]:
        parts = []
        for first in range(0, len(wanted), _AT_ONCE):
            part = wanted[first : first + _AT_ONCE]
            faces, points = zip(*(data.coder.face(int(row)) for row in part), strict=True)
            own = table.vectors_ME[part]
            parts.append(frame_features(network, np.stack(faces), np.stack(points), config.network, own))
        return np.concatenate(parts)

    return table.further(rows, network.evidence.width, encode)


def _with_features(
    network: InstantNetwork, table: EvidenceTable, data: "TrainingSet", config: RunConfig, free: NDArray[np.int64]
) -> EvidenceTable:
    """Find the components of the trunk's features, and return the evidence with them behind it."""
    from sklearn.decomposition import PCA
    from threadpoolctl import threadpool_limits

    def seen(rows: NDArray[np.int64]) -> NDArray[np.float32]:
        parts = []
        for first in range(0, len(rows), _AT_ONCE):
            faces, points = zip(*(data.coder.face(int(row)) for row in rows[first : first + _AT_ONCE]), strict=True)
            device = network.middle_D.device
            image, landmarks = network_input(np.stack(faces), np.stack(points), config.network, device)
            with torch.inference_mode():
                parts.append(network.trunk_features(image, landmarks).float().cpu().numpy())
        return np.concatenate(parts)

    free = np.unique(free)
    features_ND = seen(free)
    known = _spread(np.arange(len(free)), _MOST_SEEN)
    count = network.components_DF.shape[1]
    with threadpool_limits(limits=1):
        found = PCA(min(count, len(known) - 1), svd_solver="randomized", random_state=0).fit(features_ND[known])
        components = np.zeros((features_ND.shape[1], count), np.float32)
        components[:, : len(found.components_)] = found.components_.T
        network.middle_D.copy_(torch.from_numpy(found.mean_.astype(np.float32)))
        network.components_DF.copy_(torch.from_numpy(components))
        projected = (features_ND - found.mean_) @ components
    place = np.full(len(table.vectors_ME), -1, np.int64)
    place[free] = np.arange(len(free))

    def encode(rows: NDArray[np.int64]) -> NDArray[np.float32]:
        known_rows = place[rows] >= 0
        out = np.full((len(rows), VECTOR_WIDTH + count), np.nan, np.float32)
        out[known_rows] = np.concatenate(
            [table.vectors_ME[rows[known_rows]], projected[place[rows[known_rows]]]], axis=1
        )
        return out

    return table.further(free, VECTOR_WIDTH + count, encode)
