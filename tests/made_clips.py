"""Clips that grow brighter, and a small Knowledge-Spreader for them."""

from collections import Counter
from typing import Any

import torch
from torch import Tensor

from sparsefacs.data.batches import Batch
from sparsefacs.methods.contract import Setting, Update
from sparsefacs.methods.knowledge_spreader import KnowledgeSpreader, KnowledgeSpreaderConfig
from sparsefacs.networks.config import NetworkConfig

AUS, L, B, SIDE = (1, 2, 4), 3, 6, 32
NETWORK = NetworkConfig(backbone="test_resnet", input_size=SIDE)
SMALL: dict[str, Any] = {
    "clip_length": L,
    "width": 16,
    "heads": 2,
    "layers": 1,
    "feedforward": 32,
    "hidden": 24,
    "dropout": 0.0,
    "ramp": 0,
    "unlabelled_after": None,
}


def clips(seed: int, key: int = 0, labelled: bool = True, still: bool = False, count: int = B) -> Batch:
    """Clips in which a square grows brighter from frame to frame (or stands still); only key frames are labelled."""
    generator = torch.Generator().manual_seed(seed)
    level_B = torch.rand(count, generator=generator) * 0.4
    rate_B = torch.rand(count, generator=generator) * 0.2 + 0.1
    level_BL = level_B[:, None] + rate_B[:, None] * (torch.zeros(L) if still else torch.arange(L))
    image = torch.rand(count, 1, 3, SIDE, SIDE, generator=generator).repeat(1, L, 1, 1, 1) * 0.2
    image[..., 8:24, 8:24] += level_BL[:, :, None, None, None]
    occurrence = (level_BL[..., None] > torch.tensor([0.3, 0.5, 0.7])).float()
    hidden = torch.ones(L, dtype=torch.bool)
    hidden[key] = not labelled
    occurrence[:, hidden] = -1
    return Batch(
        image=image.flatten(0, 1),
        landmarks=torch.zeros(count * L, 68, 2),
        occurrence=occurrence.flatten(0, 1),
        intensity=torch.full((count * L, len(AUS)), torch.nan),
        row=torch.arange(count * L),
        length=L,
        key=key,
        key_image=1 - image[:, key],  # another picture of the same frame
    )


class Source:
    """Draw after draw of made clips; the key moves by one with each."""

    def __init__(self, first: int = 0, still: bool = False) -> None:
        self.drawn: Counter[str] = Counter()
        self.first, self.still = first, still
        self.training_labels = torch.tensor([[1, 0, -1], [0, 0, 1], [0, -1, 0], [0, 0, -1]]).float()

    def labelled(self) -> Batch:
        number = self.first + self.drawn["labelled"]
        self.drawn["labelled"] += 1
        return clips(number, number % L, still=self.still)

    def unlabelled(self) -> Batch | None:
        self.drawn["unlabelled"] += 1
        return clips(1000 + self.drawn["unlabelled"], labelled=False, count=4)

    def unlabelled_views(self) -> tuple[Batch, Batch] | None:
        raise AssertionError("never drawn")

    def labels(self, count: int) -> Tensor:
        self.drawn["labels"] += 1
        return self.training_labels.repeat(count // 4, 1)


def method(**changed: Any) -> KnowledgeSpreader:
    torch.manual_seed(0)
    made = KnowledgeSpreader(
        KnowledgeSpreaderConfig(**(SMALL | changed)), Setting("occurrence", AUS, NETWORK, steps=100)
    )
    return made.train()


def only(made: KnowledgeSpreader, source: Any, step: int = 1) -> Update:
    (update,) = made.updates(source, step)
    return update


class Fixed(Source):
    """The same clips at every draw."""

    def __init__(self, batch: Batch, free: Batch | None = None) -> None:
        super().__init__()
        self.batch, self.free = batch, free

    def labelled(self) -> Batch:
        return self.batch

    def unlabelled(self) -> Batch | None:
        return self.free


def slopes(made: KnowledgeSpreader, term: Tensor) -> dict[str, Tensor]:
    """Return the gradient of `term` in every parameter that it reaches."""
    names, parameters = zip(*made.named_parameters(), strict=True)
    found = torch.autograd.grad(term, parameters, retain_graph=True, allow_unused=True)
    return {name: slope for name, slope in zip(names, found, strict=True) if slope is not None and slope.any()}
