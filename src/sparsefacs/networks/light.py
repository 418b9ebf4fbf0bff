"""The network of evidence without torch: `networks.instant.InstantNetwork`, its weights under the same names.

Pixels are run by onnxruntime (`networks.pixels`), linear models are a few products in NumPy. What a pre-training's
trunk sees is for torch.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError
from ..evidence.activity import Activity, Settle, found_activity
from ..evidence.linear import LinearEvidence, evidence_logits, evidence_of
from ..evidence.reference import no_reference
from ..evidence.vectors import VECTOR_WIDTH
from .pixels import PixelModel, Pixels, runs_without_torch

if TYPE_CHECKING:
    from ..data.evidence import EvidenceTable
    from .config import NetworkConfig

F32 = NDArray[np.float32]
Task = Literal["occurrence", "intensity"]
_PIXELS, _EVIDENCE, _ACTIVITY = "pixels.", "evidence.", "activity."
_LARGEST = 80.0  # logits beyond it change no float32


@dataclass(frozen=True)
class LightNetwork:
    """Linear models on a face's evidence, and behind it on what frozen pixels say, where there are any.

    aus: how many AUs are coded; further: how many intensities are told beside them. person: compare with the person's
    reference. activity: what moves it, None where nothing does.
    """

    evidence: LinearEvidence
    aus: int
    further: int = 0
    person: bool = True
    pixels: PixelModel | None = None
    activity: Activity | None = None

    @property
    def width(self) -> int:
        """Numbers of evidence a face: its own vector, and what its pixels say."""
        return len(self.evidence.mean_E)

    def frame_features(self, faces_BHWC: NDArray[np.uint8], vectors_BW: F32 | None = None) -> F32:
        """Return the evidence of stored faces (B, size, size, 3) and what their pixels say, (B, width).

        vectors_BW: `evidence.vectors.face_vectors`; None: nothing is known beside pixels.
        """
        if vectors_BW is None:
            vectors_BW = np.full((len(faces_BHWC), VECTOR_WIDTH), np.nan, np.float32)
        if self.pixels is None:
            return vectors_BW
        return np.concatenate([vectors_BW, self.pixels(faces_BHWC)], axis=1)

    def logits(self, features_BE: F32, references_BR: F32 | None = None) -> F32:
        """Return logits (B, aus + further) of `frame_features`; references_BR: (B, width + 1), None: nobody has one."""
        if references_BR is None:
            references_BR = no_reference(len(features_BE), self.width)
        # in double precision, since products of float32 round otherwise for other company
        evidence = evidence_of(features_BE, references_BR).astype(np.float64)
        return np.asarray(evidence_logits(evidence, self._exact, np), np.float32)

    @cached_property
    def _exact(self) -> LinearEvidence:
        exact: dict[str, Any] = {name: value.astype(np.float64) for name, value in self.evidence.arrays().items()}
        return LinearEvidence(**exact)

    def settle(self, task: Task) -> Settle | None:
        """Return what moves the references of people by how active they are, None where nothing does."""
        if self.activity is None or not self.person:
            return None
        return self.activity.settling(lambda faces, others: codes_of(self.logits(faces, others), task, self.aus))

    def adapted(
        self, task: Task, table: "EvidenceTable", rows: NDArray[np.int64], known_A: NDArray[np.bool_], labelled: int
    ) -> Self:
        """Return the network that moves references by how active the people on `rows` of a table are; no label is read.

        known_A: the AUs (aus,) whose answers are to be heeded. labelled: from how many labelled faces it has learned.
        """
        logits = self.logits(table.vectors_ME[rows], table.reference(rows)).astype(np.float64)
        most = 5.0 if task == "intensity" else 1.0
        shown = np.where(known_A, most / (1 + np.exp(-np.clip(logits, -_LARGEST, _LARGEST))), np.nan)
        return replace(self, activity=found_activity(table.vectors_ME[rows], table.people[rows], shown, labelled))

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the weights by the names that torch gives them."""
        blank: dict[str, NDArray[Any]] = {"middle_D": np.zeros(0, np.float32)}
        blank["components_DF"] = np.zeros((0, 0), np.float32)
        pixels = {} if self.pixels is None else self.pixels.weights
        evidence: dict[str, NDArray[Any]] = {**self.evidence.arrays(), "gain": np.array(1, np.float32)}
        activity = self.activity or Activity.blank(self.width, self.aus)
        told = ((_PIXELS, pixels), (_EVIDENCE, evidence), (_ACTIVITY, activity.arrays()))
        return blank | {f"{at}{name}": value for at, part in told for name, value in part.items()}


def light_network(
    weights: Mapping[str, NDArray[Any]],
    config: "NetworkConfig",
    aus: int,
    *,
    said: int,
    further: int = 0,
    threads: int | None = None,
) -> LightNetwork:
    """Return the network whose weights are `weights`, by name; said: how many answers of pixels it looks at.

    threads: of pixels, as of `pixels.Pixels`. Raises ValueError where the weights are not those of such a network.
    """
    own = {name.removeprefix(_EVIDENCE): value for name, value in weights.items() if name.startswith(_EVIDENCE)}
    its = {name.removeprefix(_PIXELS): value for name, value in weights.items() if name.startswith(_PIXELS)}
    wanted = LinearEvidence.blank(VECTOR_WIDTH + said, aus + further).arrays()
    odd = [name for name, value in wanted.items() if name not in own or own[name].shape != value.shape]
    if odd or bool(its) != bool(said) or (said and its.get("head.bias", np.zeros(0)).shape != (said,)):
        raise ValueError(f"weights of another network: {odd[0] if odd else 'pixels'}")
    evidence = LinearEvidence(**{each.name: np.asarray(own[each.name], np.float32) for each in fields(LinearEvidence)})
    pixels = _pixels(its, config, threads) if said else None
    activity = _activity(weights, evidence, aus)
    return LightNetwork(evidence, aus, further, config.evidence == "person", pixels, activity)


def _activity(weights: Mapping[str, NDArray[Any]], evidence: LinearEvidence, aus: int) -> Activity:
    """Return the activity among weights by name, blank where there is none, as earlier versions wrote them.

    Raises ValueError where it is of another network.
    """
    found = {}
    for name, blank in Activity.blank(len(evidence.mean_E), aus).arrays().items():
        found[name] = np.asarray(weights.get(f"{_ACTIVITY}{name}", blank), np.float32)
        if found[name].shape != blank.shape:
            raise ValueError(f"weights of another network: {_ACTIVITY}{name}")
    return Activity(**found)


def _pixels(weights: Mapping[str, F32], config: "NetworkConfig", threads: int | None) -> PixelModel:
    """Return the pixels, by onnxruntime where it can run them, else by torch; raises ValueError where it cannot be."""
    if runs_without_torch(config):
        make: Callable[[], PixelModel] = partial(Pixels, weights, config, threads)
    else:
        from .instant import torch_pixels

        make = partial(torch_pixels, weights, config)
    try:
        return make()
    except InputError:
        raise
    except Exception as error:  # onnxruntime's own kinds of error have no common parent
        raise ValueError(f"pixels that cannot be run ({error})") from error


def codes_of(logits_BA: NDArray[np.floating], task: Task, aus: int) -> F32:
    """Return the codes of logits (B, A + further): probabilities or intensities of `aus` AUs, intensities of the rest.

    As `networks.answers.as_codes` does with tensors.
    """
    codes = 1 / (1 + np.exp(-np.clip(logits_BA, -_LARGEST, _LARGEST)))
    most = np.full(codes.shape[1], 5.0)
    if task == "occurrence":
        most[:aus] = 1
    return np.asarray(codes * most, np.float32)
