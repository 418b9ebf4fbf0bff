"""What only a training needs, as it left it beside its model: what pictures of the training are made of.

WSRTL's G restores hidden RoIs, its F sees in one face how it is about to move, and its AU queries stand for what the
AUs know of each other (III-B to III-D, IV-I). G and F go with the recogniser as it was in their last step, which need
not be the state that was chosen to code faces.
"""

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ..data.joined import AnyStore
from ..engine.run import RunFolder
from ..errors import InputError
from ..networks.answers import network_input
from ..networks.backbone import read_safetensors
from ..networks.generation import FlowHead, PatchGenerator
from ..networks.recognisers import Recogniser
from ..networks.roi_recogniser import RoIRecogniser
from ..networks.rois import blanked, pasted
from ..records import check_sum
from .batching import NETWORK_BATCH
from .model import load_network
from .network_model import NetworkCoder

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Inpainted:
    """B faces, RGB (B, S, S, 3) in 0–1: with two RoIs white, as they are, and with generated patches in the RoIs."""

    hidden: Floats
    original: Floats
    restored: Floats


@dataclass(frozen=True)
class TrainingParts:
    """A run's coder, and G and F where it learned them, with the recogniser they belong to."""

    coder: NetworkCoder
    recogniser: nn.Module
    generator: PatchGenerator | None
    flow_head: FlowHead | None

    def seen(self, store: AnyStore, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Return what the network sees of faces: images (B, 3, S, S) in 0–1 and landmarks (B, 68, 2) in their pixels.

        Raises InputError when they are cut differently from those the run learned on.
        """
        recipe = self.coder.recipe
        if store.info.recipe_hash != recipe.hash:
            raise InputError(
                "its faces are cut differently from those the run learned on",
                path=store.path,
                remedy=f"Prepare it with --size {recipe.size}, and the --landmarks and version of the run's faces",
            )
        faces, points = zip(*(store.face(int(row)) for row in rows), strict=True)
        return network_input(np.stack(faces), np.stack(points), self.coder.sees, self.coder.device)

    def estimated_flow(self, store: AnyStore, rows: NDArray[np.int64]) -> Iterator[Floats]:
        """Yield the optical flow (b, 2, h, h) that F sees in faces, x then y, pixels of the network's image.

        Few faces at a time, so that memory does not grow with their number.
        """
        recogniser, head = self.recogniser, self.flow_head
        if head is None or not isinstance(recogniser, Recogniser):
            raise TypeError(type(recogniser))
        for first in range(0, len(rows), NETWORK_BATCH):
            with torch.inference_mode():
                image, _ = self.seen(store, rows[first : first + NETWORK_BATCH])
                flow = head(recogniser.maps(image))
            yield np.asarray(flow.float().cpu().numpy())

    def inpainted(self, store: AnyStore, rows: NDArray[np.int64], places: NDArray[np.int64]) -> Inpainted:
        """Hide in each face (B,) the RoIs of the AU at `places` (B,) of the coder's AUs, and restore them by G."""
        recogniser, generator = self.recogniser, self.generator
        if generator is None or not isinstance(recogniser, RoIRecogniser):
            raise TypeError(type(recogniser))
        with torch.inference_mode():
            image, landmarks = self.seen(store, rows)
            side, roi = image.shape[-1], recogniser.roi_side
            faces, hidden = torch.arange(len(image)), torch.from_numpy(places)
            chosen = recogniser.rois(landmarks, side)[faces, hidden]
            white = blanked(image, chosen, roi)
            attended = recogniser.recognise(white, landmarks).attended_BASD
            if attended is None:
                raise TypeError(type(recogniser))
            patches = generator(attended[faces, hidden].flatten(0, 1)).unflatten(0, (-1, 2))
            restored = pasted(image, patches, chosen, roi)
        return Inpainted(*(_pictures(part) for part in (white, image, restored)))

    def query_similarity(self) -> NDArray[np.float64] | None:
        """Return the cosine similarities (A, A) of the coder's learned AU queries; None where it has none."""
        network = self.coder.network
        if not isinstance(network, RoIRecogniser) or network.relation.kind != "transformer":
            return None
        queries_AD = network.relation.queries.detach().double().cpu().numpy()
        unit_AD = queries_AD / np.linalg.norm(queries_AD, axis=1, keepdims=True)
        return np.asarray(unit_AD @ unit_AD.T)


def _pictures(image_BCSS: Tensor) -> Floats:
    return np.asarray(image_BCSS.permute(0, 2, 3, 1).float().cpu().numpy())


_AGAIN = "Train again, or restore both files from the same run"


def load_training_parts(run: str | Path) -> TrainingParts:
    """Load the coder of run folder `run` and what its training left beside it; nothing is unpickled.

    Raises InputError when a file of the run is missing or does not fit.
    """
    coder, file = load_network(run), RunFolder(run).auxiliary
    if not file.exists():
        return TrainingParts(coder, coder.network, None, None)
    check_sum(file, RunFolder(run).read_model().get("sha256", {}), remedy=_AGAIN)
    by_module: dict[str, dict[str, Tensor]] = {}
    for name, weight in read_safetensors(file).items():
        module, _, key = name.partition(".")
        by_module.setdefault(module, {})[key] = weight
    recogniser = copy.deepcopy(coder.network)
    generator = head = None
    try:
        recogniser.load_state_dict(by_module["recogniser"])
        if (kept := by_module.get("generator")) and isinstance(recogniser, RoIRecogniser):
            d, width = kept["layers.0.weight"].shape[:2]
            generator = PatchGenerator(d, recogniser.roi_side, width)
            generator.load_state_dict(kept)
        if kept := by_module.get("flow_head"):
            head = FlowHead(*kept["layers.0.weight"].shape[:2])
            head.load_state_dict(kept)
    except (KeyError, RuntimeError) as error:
        raise InputError(
            "the modules of the training do not fit the model's description",
            path=file,
            remedy=_AGAIN,
        ) from error
    for part in (generator, head):
        if part is not None:
            part.eval().to(coder.device)
    return TrainingParts(coder, recogniser, generator, head)
