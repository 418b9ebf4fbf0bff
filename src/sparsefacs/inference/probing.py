"""A quick judge of any encoder: neighbours or linear models on its frozen features, under the protocol of a training.

Folds, label budgets and people left out are those of `train`, so a probe's numbers compare with a run's face by face.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ..data.joined import AnyStore
from ..engine.base_rates import ENOUGH_UNLABELLED, faces_for_limits, limits_by_base_rate
from ..engine.config import RunConfig, resolve
from ..engine.plan import describe
from ..engine.run import RunFolder
from ..engine.training_set import TrainingSet, training_set, with_aus
from ..errors import InputError
from ..files import make_folder, refuse_existing
from ..metrics.limits import HALF
from ..metrics.probing import ClassWeight, knn_probabilities, linear_intensities, linear_probabilities
from ..protocols.folds import Fold, Protocol
from ..records import write_record
from .contract import Task
from .features import FaceEncoder, extract_features
from .pooling import Answered, conditions, pool_folds, table_of, write_scores

ProbeKind = Literal["knn", "linear"]
KINDS: tuple[ProbeKind, ...] = ("knn", "linear")


@dataclass(frozen=True)
class ProbeSettings:
    """What a probe is; raises InputError for values that cannot be.

    aus: none named: those the protocol scores, else all of the store. split_seed: of drawn labels, as `train` has it;
    seed: of the resampled intervals. neighbours and temperature belong to `knn`, the rest to `linear`
    (`metrics.probing` says what each means; class_weight is for occurrence).
    """

    kind: ProbeKind = "knn"
    task: Task = "occurrence"
    aus: tuple[int, ...] = ()
    seed: int = 0
    split_seed: int = 0
    neighbours: int = 20
    temperature: float = 0.07
    c: float = 1.0
    standardise: bool = True
    class_weight: ClassWeight = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise InputError(f"{self.kind!r} is not a probe", remedy=f"Choose {' or '.join(KINDS)}")
        if self.neighbours < 1:
            raise InputError(f"{self.neighbours} neighbours cannot vote", remedy="Give 1 or more, such as 20")
        if not self.temperature > 0 or not 0 < self.c < float("inf"):
            raise InputError(
                f"temperature {self.temperature:g} and c {self.c:g} must both be above 0", remedy="Leave 0.07 and 1"
            )
        if self.class_weight not in (None, "balanced"):
            raise InputError(f"{self.class_weight!r} is no class weight", remedy="Choose balanced, or leave it out")

    def own(self) -> dict[str, Any]:
        """Return the settings that this kind of probe heeds."""
        kept = {"knn": ("neighbours", "temperature"), "linear": ("c", "standardise", "class_weight")}[self.kind]
        return {"kind": self.kind} | {name: asdict(self)[name] for name in kept}

    def predict(
        self, train_ND: NDArray[np.float32], labels_NA: NDArray[Any], test_MD: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Return probabilities or intensities (M, A) of test features, from training features and visible labels."""
        if self.kind == "knn":
            return knn_probabilities(train_ND, labels_NA, test_MD, self.neighbours, self.temperature)
        if self.task == "intensity":
            return linear_intensities(train_ND, labels_NA, test_MD, self.c, self.standardise)
        return linear_probabilities(train_ND, labels_NA, test_MD, self.c, self.standardise, self.class_weight)


def probe_encoder(
    encoder: FaceEncoder,
    store: AnyStore,
    protocol: Protocol,
    out: Path,
    settings: ProbeSettings | None = None,
    *,
    folds: Sequence[int] | None = None,
    labels: str = "all",
    features_ND: NDArray[np.float32] | None = None,
) -> dict[str, Any]:
    """Score `encoder`, frozen, by a probe that sees each fold's visible labels; return the metrics, as `evaluate` does.

    folds: 1-based numbers; None: all. One fold is written into `out`, several into OUT/fold-1 … with their pooled
    scores in `out`, as `train` does. labels: a label budget. features_ND: of every row of the store, where
    `extract_features` has been called before (for several budgets and probes); else only what is needed is encoded.
    Limits are by the base rates of the visible labels, on training people's faces without one; 0.5 where these are few.
    Raises InputError when the encoder has seen a test subject, faces are cut differently, or `out` exists.
    """
    chosen = settings or ProbeSettings()
    refuse_existing(out, what="probe folder")
    numbers = list(range(1, len(protocol.folds) + 1)) if folds is None else list(folds)
    config = _run_config(chosen, protocol, store)
    parts = [_fold(protocol, number) for number in numbers]
    for fold in parts:
        _refuse_seen(encoder, store, fold)
    subject = store.strings("subject")
    data = [training_set(store, None, fold, labels, config) for fold in parts]
    tested = [np.flatnonzero(np.isin(subject, fold.test)) for fold in parts]
    free = [_faces_for_limits(part, chosen) for part in data]
    features_ND, place_N = _features(encoder, store, [d.labelled for d in data] + tested + free, features_ND)
    folders = [out] if folds is not None and len(parts) == 1 else [out / f"fold-{number}" for number in numbers]
    answered = Answered(chosen.task, config.aus)
    metrics: dict[str, Any] = {}
    for folder, part, rows, unseen in zip(folders, data, tested, free, strict=True):
        shown = (part.intensity if chosen.task == "intensity" else part.occurrence)[part.labelled]
        asked = np.concatenate([rows, unseen])
        coded_MA = chosen.predict(features_ND[place_N[part.labelled]], shown, features_ND[place_N[asked]])
        own_MA = coded_MA[len(rows) :]
        limits = limits_by_base_rate(part, own_MA) if len(unseen) else [HALF] * len(config.aus)
        table = table_of(answered, store, rows, coded_MA[: len(rows)], part.fold.name, limits)
        carried = {"limits": limits, "limit_rule": "base-rate" if len(unseen) else "fixed"}
        metrics = _write(RunFolder(folder), encoder, store, protocol, part, chosen, config, table, carried)
    return metrics if folders == [out] else pool_folds(out, folders)


def _faces_for_limits(data: TrainingSet, settings: ProbeSettings) -> NDArray[np.int64]:
    """Return rows of the training people's faces without a visible label to take limits from; none if few, or no need.

    Those with a label do not serve: a neighbour of itself says what its label is.
    """
    if settings.task == "intensity" or len(data.unlabelled) < ENOUGH_UNLABELLED:
        return np.empty(0, np.int64)
    return faces_for_limits(data)


def _run_config(settings: ProbeSettings, protocol: Protocol, store: AnyStore) -> RunConfig:
    """Return a configuration that draws the labels a training would; nothing is chosen, so no subject is set aside."""
    config = resolve(
        "supervised",
        "small",
        task=settings.task,
        aus=settings.aus or None,
        seed=settings.seed,
        split_seed=settings.split_seed,
        selection__rule="last",
    )
    return with_aus(config, protocol, store)


def _fold(protocol: Protocol, number: int) -> Fold:
    if not 1 <= number <= len(protocol.folds):
        raise InputError(
            f"there is no fold {number}", remedy=f"Protocol {protocol.name} has folds 1 to {len(protocol.folds)}"
        )
    return protocol.folds[number - 1]


def _refuse_seen(encoder: FaceEncoder, store: AnyStore, fold: Fold) -> None:
    """Raise InputError when the encoder was trained on faces of a test subject, with or without labels."""
    subject = store.strings("subject")
    tested = np.isin(subject, fold.test)
    seen = tested & encoder.seen.rows(store)
    if seen.any():
        people = np.unique(subject[seen])
        raise InputError(
            f"encoder {encoder.name} was trained on {len(people)} of the {len(fold.test)} test subjects of fold "
            f"{fold.name} ({people[0]}{', …' if len(people) > 1 else ''}; {int(seen.sum())} of their "
            f"{int(tested.sum())} faces), so its score would not be that of new people",
            path=store.path,
            remedy="Pre-train under the same protocol and fold, or probe that fold alone, or another store",
        )


def _features(
    encoder: FaceEncoder, store: AnyStore, wanted: Sequence[NDArray[np.int64]], given: NDArray[np.float32] | None
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Return features, and where among them each row of the store is."""
    if given is not None:
        if given.shape != (len(store), encoder.width):
            raise ValueError(f"features {given.shape} are not of {len(store)} faces, {encoder.width} wide")
        return given, np.arange(len(store))
    rows = np.unique(np.concatenate(wanted))
    place_N = np.full(len(store), -1, np.int64)
    place_N[rows] = np.arange(len(rows))
    return extract_features(encoder, store, rows), place_N


def _write(
    run: RunFolder,
    encoder: FaceEncoder,
    store: AnyStore,
    protocol: Protocol,
    data: TrainingSet,
    settings: ProbeSettings,
    config: RunConfig,
    table: Any,
    limits: dict[str, Any],
) -> dict[str, Any]:
    """Write the folder of one fold: what was asked, which labels were seen, predictions and scores."""
    people = replace(data, seen=data.seen | encoder.seen)
    plan = describe(store, None, protocol, people)
    name = f"{settings.kind} of {encoder.name}"
    described: dict[str, Any] = {
        "name": name,
        "recipe": "probe",
        "task": settings.task,
        "aus": list(config.aus),
        "seed": settings.seed,
        "split_seed": settings.split_seed,
        "encoder": {"name": encoder.name, "width": encoder.width, "faces": encoder.recipe.as_json()},
        "probe": settings.own(),
    }
    make_folder(run.path)
    data.visible.save(run.labels)
    write_record(run.protocol, plan)
    run.write_config(described)
    carried = {
        **conditions(described, plan, store),
        "selected_step": None,
        **limits,
        "encoder": encoder.name,
        "features": encoder.width,
        "probe": settings.own(),
    }
    return write_scores(run, table, Answered(settings.task, config.aus), described, carried)
