"""What a fold trains on: its faces, the labels that may be seen, whom it is validated on, and streams of batches."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..data.augmentation import AugmentationConfig, check_flow
from ..data.batches import Batches, FaceLoader, FaceStream, LabelStream, Loader, RowStream
from ..data.clips import ClipLoader, Tracks
from ..data.joined import AnyStore
from ..data.people import SeenPeople, people_of, person_names, same_people
from ..data.sides import side_labels
from ..data.store import UNLABELLED, Store
from ..errors import InputError
from ..faces.alignment import FaceRecipe
from ..methods.registry import method_class
from ..methods.settings import Needs
from ..networks.config import start_folder
from ..protocols.budget_words import parse_budget
from ..protocols.budgets import VisibleLabels, apply_budget, budget_card
from ..protocols.combinations import kept_combinations
from ..protocols.division import who
from ..protocols.folds import Fold, Protocol
from ..protocols.selection import SelectionRule, draw_validation
from ..records import read_record
from ..run_records import PeopleRecord
from .coding import RowCoder
from .config import RunConfig
from .run import RunFolder


@dataclass(frozen=True)
class TrainingSet:
    """The faces a fold trains on: rows (over the stores in order) with and without visible labels, and the labels.

    fold: as it is in effect, validation subjects taken out of the training ones. rule: the selection rule in effect.
    selection, selection_truth, selection_subject: the rows (of the labelled store) that the epoch is chosen on, their
    labels (M, A) of the task, −1 or NaN where hidden, and subjects. budget: what `budget_card` says of the visible
    labels. seen: whose faces have a part in the training or in choosing from it. labelled_before: how many faces of the
    training people carry labels of the task in the store, whatever the budget.
    """

    stores: tuple[Store, ...]
    fold: Fold
    rule: SelectionRule
    labelled: NDArray[np.int64]
    unlabelled: NDArray[np.int64]
    occurrence: NDArray[np.int8]
    intensity: NDArray[np.float32]
    visible: VisibleLabels
    budget: dict[str, Any]
    selection: NDArray[np.int64]
    selection_truth: NDArray[Any]
    selection_subject: NDArray[np.str_]
    seen: SeenPeople
    labelled_before: int

    @property
    def validation(self) -> NDArray[np.int64]:
        """Rows with visible labels of training people who are set aside, none where the epoch is chosen otherwise."""
        return self.selection if self.rule == "validation" else self.selection[:0]

    def sides(self, aus: tuple[int, ...]) -> NDArray[np.float32]:
        """Return the visible intensities of left and right, (M, 2, A), over the stores; NaN where there is none."""
        told = side_labels(self.stores, aus)
        shown = np.zeros(told.shape[::2], bool)
        shown[: len(self.visible.mask)] = self.visible.mask
        return np.where(shown[:, None], told, np.float32(np.nan))

    @cached_property
    def coder(self) -> RowCoder:
        """What codes rows of the stores, and knows their evidence."""
        return RowCoder(self.stores)

    def epoch_faces(self, config: RunConfig) -> int:
        """Return how many faces an epoch has: so that with `epoch_of: all` a budget changes no length."""
        return self.labelled_before if config.training.epoch_of == "all" else len(self.labelled)


def training_set(
    store: AnyStore, unlabelled: AnyStore | None, fold: Fold, labels: str, config: RunConfig
) -> TrainingSet:
    """Return what fold `fold` may train on under label budget `labels`, and what it chooses its epoch on.

    The budget is of all labels that anyone looks at before the test: training and validation subjects together.
    Faces of test and validation people are left out of every part that is trained on, the unlabelled store included;
    with `data.others: leave-out` those of training people without a visible label too. Raises InputError when no label
    is left, or the stores hold faces cut differently.
    """
    subject, names = store.strings("subject"), person_names(store)
    given = task_labels(store, config)
    budgeted = np.flatnonzero(np.isin(subject, (*fold.train, *fold.validation)))
    visible = apply_budget(
        labels,
        subject=subject,
        clip=store.strings("clip"),
        frame=store.numbers("frame"),
        occurrence=given[0],
        intensity=given[1],
        rows=budgeted,
        seed=config.split_seed,
    )
    budget = budget_card(visible, config.aus, *given, subject, budgeted)
    if config.task == "occurrence":
        clip, frame = store.strings("clip"), store.numbers("frame")
        budget["combinations"] = kept_combinations(
            visible.mask, given[0], subject, clip, frame, budgeted, config.split_seed
        )
    occurrence, intensity = visible.hide(*given)
    shown = visible.mask.any(axis=1)
    if config.data.others == "leave-out":
        people = {who(name, names) for name in np.unique(subject[shown]).tolist()}
        fold = replace(fold, train=tuple(name for name in fold.train if who(name, names) in people))
    fold, rule = _with_validation(fold, np.unique(subject[shown]).tolist(), store, config)
    training = np.isin(subject, fold.train)
    labelled = np.flatnonzero(shown & training)
    if len(labelled) == 0 and not (parse_budget(labels).kind == "none" and method_class(config.name).without_labels):
        raise InputError(
            f"no {config.task} label of AUs {','.join(map(str, config.aus))} is left to train on",
            path=store.path,
            remedy="Use a larger --labels budget, a store with labels of the training subjects, or the method instant",
        )
    truths = given if rule == "published-practice" else (occurrence, intensity)
    truth = truths[1] if config.task == "intensity" else truths[0]
    chosen_on = {"validation": fold.validation, "published-practice": fold.test, "last": ()}[rule]
    selection = np.flatnonzero(np.isin(subject, chosen_on) & (truth >= 0).any(axis=1))
    free = np.flatnonzero(training & ~shown)
    stores = store.parts
    if unlabelled is not None:
        free = np.concatenate([free, len(store) + _rows_beside(store, unlabelled, fold)])
        stores = (*stores, *unlabelled.parts)
        blank = (len(unlabelled), len(config.aus))
        occurrence = np.concatenate([occurrence, np.full(blank, UNLABELLED, np.int8)])
        intensity = np.concatenate([intensity, np.full(blank, np.nan, np.float32)])
    seen = SeenPeople.of(store, (*fold.train, *fold.validation), unlabelled) | _seen_before(config, store, fold)
    return TrainingSet(
        stores,
        fold,
        rule,
        labelled,
        free,
        occurrence,
        intensity,
        visible,
        budget,
        selection,
        truth[selection],
        subject[selection],
        seen,
        int(((given[1] if config.task == "intensity" else given[0])[training] >= 0).any(axis=1).sum()),
    )


def _rows_beside(store: AnyStore, unlabelled: AnyStore, fold: Fold) -> NDArray[np.int64]:
    """Return the rows of the unlabelled store that may be trained on: nobody who is tested or validated on.

    Raises InputError when it is the labelled store, or holds faces cut differently.
    """
    if {part.path.resolve() for part in store.parts} & {part.path.resolve() for part in unlabelled.parts}:
        raise InputError(
            "is the labelled store itself",
            path=unlabelled.path,
            remedy="Leave --unlabelled out: its faces without visible labels are used as it is",
        )
    if unlabelled.info.recipe_hash != store.info.recipe_hash:
        raise InputError(
            "its faces are cut differently from the labelled store's",
            path=unlabelled.path,
            remedy="Prepare both with the same --size, --landmarks and version",
        )
    people = people_of(store)
    kept_apart = [people[name] for name in (*fold.test, *fold.validation)]
    return np.flatnonzero(~same_people(unlabelled, kept_apart))


def _seen_before(config: RunConfig, store: AnyStore, fold: Fold) -> SeenPeople:
    """Return whose faces the start weights and the teacher have seen.

    Raises InputError when someone tested on is among them, or the teacher learned on faces cut differently.
    """
    teacher = config.teacher_run()
    start = start_folder(config.network.init)
    seen = SeenPeople(frozenset()) if start is None else _seen_by(RunFolder(start), store, fold)
    if teacher is None:
        return seen
    run = RunFolder(teacher)
    if FaceRecipe(**run.read_model()["recipe"]).hash != store.info.recipe_hash:
        raise InputError(
            "the teacher learned on faces cut differently from the store's",
            path=run.path,
            remedy="Name a teacher trained on this store, or prepare both with the same --size and --landmarks",
        )
    return seen | _seen_by(run, store, fold)


def _seen_by(run: RunFolder, store: AnyStore, fold: Fold) -> SeenPeople:
    """Return whose faces a run has seen; raises InputError when someone tested on is among them."""
    plan = read_record(
        run.protocol, PeopleRecord, what="the protocol of the run to start from", remedy="Train it again"
    )
    seen = SeenPeople.of_plan(plan)
    known = seen.rows(store) & np.isin(store.strings("subject"), fold.test)
    if known.any():
        people = len(np.unique(store.strings("subject")[known]))
        raise InputError(
            f"was trained on faces of {people} people that fold {fold.name} tests on",
            path=run.path,
            remedy="Train that run on other people, or with --protocol, --fold and --split-seed as here",
        )
    return seen


def task_labels(store: AnyStore, config: RunConfig) -> tuple[NDArray[np.int8], NDArray[np.float32]]:
    """Return the store's labels (M, A) of the AUs in question, those of the other task left out."""
    occurrence, intensity = store.occurrence(config.aus), store.intensity(config.aus)
    if config.task == "intensity":
        return np.full_like(occurrence, UNLABELLED), intensity
    return occurrence, np.full_like(intensity, np.nan)


def _with_validation(fold: Fold, labelled: list[str], store: AnyStore, config: RunConfig) -> tuple[Fold, SelectionRule]:
    """Return the fold and the rule in effect: with too few labelled subjects to spare one, the last epoch is kept."""
    rule = config.selection.rule
    if rule != "validation":
        return fold, rule
    if not fold.validation:
        drawn = draw_validation(
            fold.train, labelled, config.selection.share, config.split_seed, person=person_names(store)
        )
        fold = fold.with_validation(drawn)
    return fold, rule if set(labelled) & set(fold.validation) else "last"


def make_batches(
    data: TrainingSet, config: RunConfig, needs: Needs, pool: ThreadPoolExecutor, rank: int = 0, world: int = 1
) -> Batches:
    """Return the streams of `data` for process `rank` of `world`; all are functions of the seed."""
    seed, sizes, length = config.seed, config.data, needs.clip_length
    tracks = None if length is None else Tracks(data.stores)
    sees = config.network.evidence
    known = data.coder.table(person=sees == "person") if sees != "pixels" else None
    if config.network.beneath:
        known = data.coder.kept
    sides = data.sides(config.aus) if needs.sides else None

    def loader(view: AugmentationConfig, chance: int) -> FaceLoader:
        check_flow(view, needs.flow_side)
        return FaceLoader(
            data.stores,
            data.occurrence,
            data.intensity,
            needs.side or config.network.input_size,
            view,
            seed * 10 + chance,
            needs.flow_side,
            config.network.crop,
            known,
            sides,
        )

    def stream(
        rows: NDArray[np.int64], size: int, order: int, view: AugmentationConfig, chance: int, keys: bool = False
    ) -> FaceStream:
        faces = loader(view, chance)
        drawn: Loader = faces
        if tracks is not None and length is not None:
            drawn = ClipLoader(faces, tracks, length, loader(weak, 7) if keys else None)
        return FaceStream(drawn, RowStream(rows, size, seed * 10 + order), pool, rank, world)

    weak, strong = sizes.augmentation, sizes.strong or sizes.augmentation
    first = strong if needs.key_view else weak
    together = sizes.labelled_batch + sizes.unlabelled_batch
    unlabelled, labelled = data.unlabelled, data.labelled
    if not len(labelled):  # of a method that takes no step, which never draws from it
        labelled = unlabelled
    if tracks is not None and length is not None:
        unlabelled = tracks.away_from(unlabelled, data.labelled, length)
    free = unlabelled if needs.unlabelled and len(unlabelled) else None
    return Batches(
        labelled_faces=stream(labelled, sizes.labelled_batch, 1, first, 1, needs.key_view),
        unlabelled_faces=None if free is None else stream(free, sizes.unlabelled_batch, 2, first, 2),
        label_vectors=LabelStream(data.occurrence[data.labelled], seed * 10 + 3, rank, world),
        second_view=None if free is None or not needs.two_views else stream(free, sizes.unlabelled_batch, 2, strong, 5),
        every_face=stream(np.union1d(data.labelled, unlabelled), together, 6, weak, 6) if needs.every else None,
    )


def with_aus(config: RunConfig, protocol: Protocol, store: AnyStore) -> RunConfig:
    """Return the configuration with its AUs named: as asked, else those the protocol scores, else all of the store."""
    return config.model_copy(update={"aus": config.aus or protocol.aus.get(config.task) or store.aus})
